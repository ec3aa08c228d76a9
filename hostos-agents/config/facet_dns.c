/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dnsServers, for whichever name server runs on the device.
 *
 * dnsmasq (tugboot-dns.service): listed servers are preferred to the network's own, which are asked
 * when none of them answers. Without the key it is the other way round: 8.8.8.8 is for networks
 * whose own servers do not answer, and never asked before them, since it does not know their private
 * names. The network agent makes one order of both, see upstream.h.
 *
 * systemd-resolved: listed servers are asked beside the network's own, and an answer counts before a
 * "no such name"; 8.8.8.8 is asked when the network names no server.
 */
#include <errno.h>
#include <stdio.h>

#include "fd.h"
#include "paths.h"
#include "plan.h"
#include "upstream.h"
#include "valid.h"

#define DEFAULT_SERVER "8.8.8.8"
#define RESOLVED_FILE "/run/systemd/resolved.conf.d/90-tugboot.conf"

static int plan_dnsmasq(const struct config *config, bool leads, struct plan *plan)
{
	_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int r;

	if (!out)
		return -ENOMEM;
	if (config->dns == CONFIG_DNS_DEFAULT)
		(void)fputs("server=" DEFAULT_SERVER "\n", out);
	for (size_t i = 0; config->dns == CONFIG_DNS_LIST && i < config->dns_servers.items; i++)
		(void)fprintf(out, "server=%s\n", config->dns_servers.item[i]);
	if (config->dns == CONFIG_DNS_LIST)
		(void)fputs(UPSTREAM_MARK "\n", out);
	if (fclose(out) != 0)
		return -ENOMEM;
	r = plan_add_file(plan, FACET_DNS, 0644, UPSTREAM_OWN, text, size);
	if (r == 0 && leads) {
		r = plan_add_link(plan, FACET_DNS, "/etc/resolv.conf", UPSTREAM_RESOLV);
		plan_restore_later(plan);
	}
	return r < 0 ? r : plan_add_action(plan, FACET_DNS, PLAN_SIGNAL, NETWORK_UNIT);
}

/* ADDRESS#PORT is [ADDRESS]:PORT there, and a server for a domain is one of all servers to which
 * names of that domain go. */
static int write_resolved(FILE *out, const struct config_list *list)
{
	struct valid_dns dns;

	(void)fputs("DNS=", out);
	for (size_t i = 0; i < list->items; i++) {
		bool six;

		if (!valid_dns_server(slice_str(list->item[i]), &dns))
			return -EINVAL;
		six = dns.port.data && memchr(dns.address.data, ':', dns.address.len);
		(void)fprintf(out, "%s%s%.*s%s", i > 0 ? " " : "", six ? "[" : "",
			      (int)dns.address.len, dns.address.data, six ? "]" : "");
		if (dns.port.data)
			(void)fprintf(out, ":%.*s", (int)dns.port.len, dns.port.data);
	}
	(void)fputc('\n', out);
	for (size_t i = 0; i < list->items; i++)
		if (valid_dns_server(slice_str(list->item[i]), &dns) && dns.domain.data)
			(void)fprintf(out, "Domains=~%.*s\n", (int)dns.domain.len, dns.domain.data);
	return 0;
}

static int plan_resolved(const struct config *config, struct plan *plan)
{
	_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int r = 0;

	if (!out)
		return -ENOMEM;
	(void)fputs("[Resolve]\n", out);
	if (config->dns == CONFIG_DNS_LIST)
		r = write_resolved(out, &config->dns_servers);
	(void)fprintf(out, "FallbackDNS=%s\n",
		      config->dns == CONFIG_DNS_DEFAULT ? DEFAULT_SERVER : "");
	if (fclose(out) != 0)
		return -ENOMEM;
	if (r == 0)
		r = plan_add_file(plan, FACET_DNS, 0644, RESOLVED_FILE, text, size);
	return r < 0 ? r
		     : plan_add_action(plan, FACET_DNS, PLAN_RELOAD, "systemd-resolved.service");
}

int facet_dns(const struct config *config, const struct facts *facts, struct plan *plan)
{
	int r = 0;

	/* With both, who is asked is for /etc/resolv.conf as it is to say. */
	if (facts->dnsmasq)
		r = plan_dnsmasq(config, !facts->resolved, plan);
	if (r == 0 && facts->resolved)
		r = plan_resolved(config, plan);
	return r;
}
