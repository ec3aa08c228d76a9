/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* os.network.*: what NetworkManager is told (hostos-agents/config/facet_network.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config.h"
#include "plan.h"

#define NM_FILE "/run/NetworkManager/conf.d/90-tugboot.conf"

static void plan_of(const struct config *config, bool network_manager, struct plan **ret_plan)
{
	struct facts facts = {.network_manager = network_manager, .networkd = !network_manager};

	assert_int_equal(plan_make(config, &facts, ret_plan), 0);
}

static void assert_plan(const struct config *config, bool network_manager, const char *expected)
{
	_plan_ struct plan *plan = NULL;
	bool acts = false, found = false;

	plan_of(config, network_manager, &plan);
	for (size_t i = 0; i < plan->files; i++) {
		if (plan->file[i].facet != FACET_NETWORK)
			continue;
		assert_non_null(expected);
		assert_string_equal(plan->file[i].path, NM_FILE);
		assert_int_equal(plan->file[i].size, strlen(expected));
		assert_memory_equal(plan->file[i].data, expected, strlen(expected));
		found = true;
	}
	for (size_t i = 0; i < plan->actions; i++)
		acts = acts || (plan->action[i].facet == FACET_NETWORK &&
				plan->action[i].verb == PLAN_NM_RELOAD);
	assert_int_equal(found, expected != NULL);
	/* Also for the file's removal. */
	assert_int_equal(acts, network_manager);
}

static void assert_text(const char *json, const char *expected)
{
	struct config_problems problems = {0};
	_config_ struct config *config = NULL;

	assert_int_equal(config_parse(json, strlen(json), &config, &problems), 0);
	assert_plan(config, true, expected);
	assert_plan(config, false, NULL);
}

static void nothing_is_written_for_what_is_not_set(void **state)
{
	(void)state;
	assert_text("{}", NULL);
	assert_text("{\"os\":{\"network\":{}}}", NULL);
}

static void each_key_has_its_line(void **state)
{
	(void)state;
	assert_text("{\"os\":{\"network\":{\"wifi\":{\"randomMacAddressScan\":true}}}}",
		    "[device]\nwifi.scan-rand-mac-address=yes\n");
	assert_text("{\"os\":{\"network\":{\"wifi\":{\"randomMacAddressScan\":false}}}}",
		    "[device]\nwifi.scan-rand-mac-address=no\n");
	assert_text("{\"apiEndpoint\":\"https://api.example.com\"}",
		    "[connectivity]\nuri=https://api.example.com/connectivity-check\n"
		    "interval=3600\nresponse=\n");
	assert_text(
		"{\"os\":{\"network\":{\"connectivity\":{\"uri\":\"http://c.example/x?y=z;a%20b\","
		"\"interval\":\"300\",\"response\":\"it is \\\\ here\"}}}}",
		"[connectivity]\nuri=http://c.example/x?y=z;a%20b\ninterval=300\n"
		"response=it is \\\\ here\n");
}

static void the_check_can_be_turned_off_in_two_ways(void **state)
{
	(void)state;
	assert_text("{\"apiEndpoint\":\"https://api.example.com\","
		    "\"os\":{\"network\":{\"connectivity\":{\"uri\":\"null\"}}}}",
		    "[connectivity]\nenabled=false\n");
	assert_text("{\"os\":{\"network\":{\"connectivity\":{\"interval\":\"0\"}}}}",
		    "[connectivity]\ninterval=0\n");
	assert_text("{\"apiEndpoint\":\"https://api.example.com\","
		    "\"os\":{\"network\":{\"connectivity\":{\"interval\":\"0\"}}}}",
		    "[connectivity]\nuri=https://api.example.com/connectivity-check\n"
		    "interval=0\nresponse=\n");
}

/* Were the checks before it not there, a value would still be one value. */
static void no_value_becomes_a_line(void **state)
{
	struct config *config = NULL;

	(void)state;
	assert_int_equal(config_defaults(&config), 0);
	config->connectivity_uri = strdup("http://x\n[main]\nplugins=evil\\");
	config->connectivity_response = strdup(" a\r\n[keyfile]\tb ");
	assert_plan(config, true,
		    "[connectivity]\nuri=http://x\\n[main]\\nplugins=evil\\\\\ninterval=3600\n"
		    "response=\\sa\\r\\n[keyfile]\\tb\\s\n");
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_written_for_what_is_not_set),
		cmocka_unit_test(each_key_has_its_line),
		cmocka_unit_test(the_check_can_be_turned_off_in_two_ways),
		cmocka_unit_test(no_value_becomes_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
