/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dnsServers: what is planned (hostos-agents/config/facet_dns.c), and in which order dnsmasq comes to
 * ask (hostos-agents/network/upstream.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config.h"
#include "exact.h"
#include "fd.h"
#include "plan.h"
#include "upstream.h"

#define RESOLVED "/run/systemd/resolved.conf.d/90-tugboot.conf"

static struct plan *planned(const char *json, bool dnsmasq, bool resolved)
{
	struct facts facts = {.network_manager = true, .dnsmasq = dnsmasq, .resolved = resolved};
	struct config_problems problems = {0};
	_config_ struct config *config = NULL;
	struct plan *plan = NULL;

	assert_int_equal(config_parse(json, strlen(json), &config, &problems), 0);
	assert_int_equal(plan_make(config, &facts, &plan), 0);
	return plan;
}

static const struct plan_file *file(const struct plan *plan, const char *path)
{
	for (size_t i = 0; i < plan->files; i++)
		if (streq(plan->file[i].path, path))
			return &plan->file[i];
	return NULL;
}

static void assert_text(const char *json, bool dnsmasq, bool resolved, const char *path,
			const char *expected)
{
	_plan_ struct plan *plan = planned(json, dnsmasq, resolved);
	const struct plan_file *found = file(plan, path);

	assert_non_null(found);
	assert_int_equal(found->facet, FACET_DNS);
	assert_int_equal(found->mode, 0644);
	assert_int_equal(found->size, strlen(expected));
	assert_memory_equal(found->data, expected, found->size);
}

static bool acts(const struct plan *plan, enum plan_verb verb, const char *unit)
{
	for (size_t i = 0; i < plan->actions; i++)
		if (plan->action[i].facet == FACET_DNS && plan->action[i].verb == verb &&
		    streq(plan->action[i].unit, unit))
			return true;
	return false;
}

static void dnsmasq_gets_what_the_key_says(void **state)
{
	(void)state;
	assert_text("{}", true, false, UPSTREAM_OWN, "server=8.8.8.8\n");
	assert_text("{\"dnsServers\":\"\"}", true, false, UPSTREAM_OWN, "server=8.8.8.8\n");
	assert_text("{\"dnsServers\":\"null\"}", true, false, UPSTREAM_OWN, "");
	assert_text("{\"dnsServers\":\"192.0.2.1 2001:db8::1#5353 /corp.test/10.1.1.1\"}", true,
		    false, UPSTREAM_OWN,
		    "server=192.0.2.1\nserver=2001:db8::1#5353\nserver=/corp.test/10.1.1.1\n"
		    "#network\n");
}

static void resolved_gets_it_in_its_own_words(void **state)
{
	(void)state;
	assert_text("{}", false, true, RESOLVED, "[Resolve]\nFallbackDNS=8.8.8.8\n");
	assert_text("{\"dnsServers\":\"null\"}", false, true, RESOLVED,
		    "[Resolve]\nFallbackDNS=\n");
	assert_text(
		"{\"dnsServers\":\"192.0.2.1#53 2001:db8::1#5353 2001:db8::2 /corp.test/10.1.1.1\"}",
		false, true, RESOLVED,
		"[Resolve]\nDNS=192.0.2.1:53 [2001:db8::1]:5353 2001:db8::2 10.1.1.1\n"
		"Domains=~corp.test\nFallbackDNS=\n");
}

static void resolv_conf_leads_to_dnsmasq_only_where_nothing_else_resolves(void **state)
{
	_plan_ struct plan *one = planned("{}", true, false);
	_plan_ struct plan *both = planned("{}", true, true);
	_plan_ struct plan *neither = planned("{\"dnsServers\":\"192.0.2.1\"}", false, false);
	const struct plan_file *link = file(one, "/etc/resolv.conf");

	(void)state;
	assert_non_null(link);
	assert_string_equal(link->link, UPSTREAM_RESOLV);
	assert_true(link->restore);
	assert_true(acts(one, PLAN_SIGNAL, "tugboot-network.service"));
	assert_null(file(both, "/etc/resolv.conf"));
	assert_non_null(file(both, UPSTREAM_OWN));
	assert_non_null(file(both, RESOLVED));
	assert_true(acts(both, PLAN_RELOAD, "systemd-resolved.service"));
	for (size_t i = 0; i < neither->files; i++)
		assert_int_not_equal(neither->file[i].facet, FACET_DNS);
}

static void assert_order(const char *own, const char *network, const char *expected,
			 const char *expected_search)
{
	_free_ char *servers = NULL, *resolv = NULL, *search = NULL, *bytes = NULL;
	size_t size = strlen(network);

	/* Of exactly its size, as exact() does it for one text. */
	bytes = malloc(size + 1);
	assert_non_null(bytes);
	memcpy(bytes + 1, network, size);
	assert_int_equal(upstream_make(exact(own, strlen(own)), strlen(own), bytes + 1, size,
				       &servers, &resolv),
			 0);
	assert_string_equal(servers, expected);
	assert_true(asprintf(&search,
			     "# Made by tugboot-agent(8) of what the network says.\n%s"
			     "nameserver 127.0.0.2\noptions timeout:2 attempts:4\n",
			     expected_search) > 0);
	assert_string_equal(resolv, search);
}

static void the_networks_servers_come_before_the_public_one(void **state)
{
	(void)state;
	assert_order("server=8.8.8.8\n",
		     "# NM\nsearch a.test b.test\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\n",
		     "server=10.0.0.1\nserver=fe80::1%eth0\nserver=8.8.8.8\n",
		     "search a.test b.test\n");
	assert_order("", "nameserver 10.0.0.1\n", "server=10.0.0.1\n", "");
	assert_order("server=8.8.8.8\n", "", "server=8.8.8.8\n", "");
	assert_order("", "", "", "");
}

static void listed_servers_come_before_the_networks(void **state)
{
	(void)state;
	assert_order("server=192.0.2.1\nserver=192.0.2.2#5353\n#network\n",
		     "nameserver 10.0.0.1\nnameserver 192.0.2.1\n",
		     "server=192.0.2.1\nserver=192.0.2.2#5353\nserver=10.0.0.1\n", "");
}

static void what_is_no_server_is_passed_over(void **state)
{
	(void)state;
	/* Ourselves would be asked for ever. */
	assert_order("server=127.0.0.2\nserver=127.0.0.2#53000\n", "nameserver 127.0.0.2\n",
		     "server=127.0.0.2#53000\n", "");
	assert_order("conf-file=/etc/shadow\nserver=/\nserver=\nserver=1.2.3.4 x\n",
		     "nameserver\nnameserver 1.2.3\nnameserver fe80::1%\nnameserver fe80::1%e/0\n"
		     "nameserver 10.0.0.1%eth0\nnameserver fe80::1%0123456789abcdef\n"
		     "options ndots:5\nsearch ok.test $(x) a;b -x\n",
		     "", "search ok.test\n");
	/* The last of them counts. */
	assert_order("", "search a.test\ndomain b.test\n", "", "search b.test\n");
	assert_order("", "nameserver 10.0.0.1\r\nnameserver 10.0.0.2",
		     "server=10.0.0.1\nserver=10.0.0.2\n", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dnsmasq_gets_what_the_key_says),
		cmocka_unit_test(resolved_gets_it_in_its_own_words),
		cmocka_unit_test(resolv_conf_leads_to_dnsmasq_only_where_nothing_else_resolves),
		cmocka_unit_test(the_networks_servers_come_before_the_public_one),
		cmocka_unit_test(listed_servers_come_before_the_networks),
		cmocka_unit_test(what_is_no_server_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
