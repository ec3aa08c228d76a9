/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of config.json is taken and what is refused, and how: hostos-agents/config/. The hand-made
 * configurations are in tests/data/config/cases: a name behind `== `, the text, and behind each
 * `-- ` either `ok` or a problem: key, a part of what is expected, a part of what was found.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exact.h"
#include "file.h"
#include "schema.h"

#define CASES "tests/data/config/cases"

static struct config_problems problems;
static struct config *config;

/* Parses; what was there before must be untouched when it is refused. */
static int parse(const char *json, size_t size)
{
	static const struct config other;
	struct config *parsed = (struct config *)&other;
	int r;

	config_free(config);
	config = NULL;
	r = config_parse(exact(json, size), size, &parsed, &problems);
	if (r == 0) {
		config = parsed;
		assert_int_equal(problems.problems, 0);
	} else {
		assert_ptr_equal(parsed, &other);
		assert_int_equal(r, -EBADMSG);
		assert_true(problems.problems > 0);
	}
	return r;
}

static int parse_text(const char *json)
{
	return parse(json, strlen(json));
}

static void take(const char *json)
{
	char words[700];

	if (parse_text(json) < 0) {
		config_problem_words(&problems.problem[0], words, sizeof(words));
		fail_msg("%s: %s", json, words);
	}
}

/* Refused for one reason. */
static void refuse(const char *json, size_t size, const char *key, const char *expected,
		   const char *found)
{
	const struct config_problem *p = &problems.problem[0];

	assert_int_equal(parse(json, size), -EBADMSG);
	assert_int_equal(problems.problems, 1);
	assert_string_equal(p->key, key);
	if (!strstr(p->expected, expected) || !strstr(p->found, found))
		fail_msg("expected %s, found %s", p->expected, p->found);
}

static int clean_up(void **state)
{
	(void)state;
	config_free(config);
	config = NULL;
	return 0;
}

/* --- The hand-made ones ----------------------------------------------------------------------- */

/* `KEY | EXPECTED | FOUND` is one of the problems. */
static void must_be_told(const char *name, char *line)
{
	char *expected = strstr(line, " | "), *found;
	const char *key = line;

	assert_non_null(expected);
	found = strstr(expected + 3, " | ");
	assert_non_null(found);
	*expected = *found = '\0';
	expected += 3;
	found += 3;
	if (streq(key, CONFIG_TEXT))
		key = "";
	for (size_t i = 0; i < problems.problems; i++) {
		const struct config_problem *p = &problems.problem[i];

		if (streq(p->key, key) && strstr(p->expected, expected) && strstr(p->found, found))
			return;
	}
	for (size_t i = 0; i < problems.problems; i++)
		print_message("%s: '%s': expected '%s', found '%s'\n", name,
			      problems.problem[i].key, problems.problem[i].expected,
			      problems.problem[i].found);
	fail_msg("%s: nothing said of '%s': expected '%s', found '%s'", name, key, expected, found);
}

/* One case, in place; returns whether it is one that is taken. */
static bool run_case(char *text)
{
	char *json = strchr(text, '\n') + 1, *line = strstr(json, "\n-- ");
	size_t told = 0;
	int r;

	json[-1] = '\0';
	assert_non_null(line);
	*line = '\0';
	r = parse_text(json);
	line += strlen("\n-- ");
	if (streq(strtok(line, "\n"), "ok")) {
		if (r < 0)
			fail_msg("%s: refused: %s: expected %s, found %s", text,
				 problems.problem[0].key, problems.problem[0].expected,
				 problems.problem[0].found);
		return true;
	}
	if (r == 0)
		fail_msg("%s: taken", text);
	for (; line; line = strtok(NULL, "\n")) {
		must_be_told(text, startswith(line, "-- ") ? line + 3 : line);
		told++;
	}
	if (told != problems.problems)
		fail_msg("%s: %zu problems instead of %zu", text, problems.problems, told);
	return false;
}

static void each_of_the_hand_made_configurations_is_taken_or_refused_by_name(void **state)
{
	_free_ char *text = NULL;
	size_t taken = 0, cases = 0;
	char *at, *next;

	(void)state;
	assert_int_equal(file_read(AT_FDCWD, CASES, 4 << 20, &text, NULL), 0);
	for (at = text; at; at = next) {
		next = strstr(at, "\n\n== ");
		if (next) {
			*next = '\0';
			next += 2;
		}
		taken += run_case(at + strlen("== "));
		cases++;
	}
	print_message("configurations: %zu, taken: %zu, refused: %zu\n", cases, taken,
		      cases - taken);
	assert_true(cases >= 200 && taken > 20);
}

/* --- Those that no file can hold, or none should ---------------------------------------------- */

static void bytes_that_are_no_text_are_refused(void **state)
{
	static const char nul[] = "{\"hostname\":\"x\0y\"}";

	(void)state;
	refuse(nul, sizeof(nul) - 1, "", "JSON", "a character");
	refuse("{}\0", 3, "", "JSON", "a character");
	parse("{\"hostname\":\"\xff\"}", 16);
	assert_string_equal(problems.problem[0].key, "");
	assert_int_equal(parse_text("{\"x\":\"\xc3\x28\"}"), -EBADMSG);
	assert_int_equal(parse_text("{\"x\":\"\xed\xa0\x80\"}"), -EBADMSG);
}

static void ten_megabytes_are_refused_unread(void **state)
{
	size_t size = 10 << 20;
	_free_ char *json = malloc(size);

	(void)state;
	assert_non_null(json);
	memset(json, ' ', size);
	json[0] = '{';
	json[size - 1] = '}';
	refuse(json, size, "", "1048576 bytes", "10485760 bytes");
	assert_int_equal(parse(json + size - CONFIG_MAX, CONFIG_MAX), -EBADMSG);
	json[size - CONFIG_MAX] = '{';
	assert_int_equal(parse(json + size - CONFIG_MAX, CONFIG_MAX), 0);
}

static void nesting_without_end_is_refused(void **state)
{
	size_t size = 400000;
	_free_ char *json = malloc(size);

	(void)state;
	assert_non_null(json);
	memset(json, '[', size);
	memcpy(json, "{\"a\":", 5);
	refuse(json, size, "", "JSON", "nested too deeply");
}

static void many_problems_are_counted_and_the_first_are_kept(void **state)
{
	char json[4096] = "{\"os\":{\"sshKeys\":[1";

	(void)state;
	for (int i = 1; i < 100; i++)
		strcat(json, ",1");
	strcat(json, "]}}");
	assert_int_equal(parse_text(json), -EBADMSG);
	assert_int_equal(problems.problems, 100);
	assert_string_equal(problems.problem[CONFIG_PROBLEMS_MAX - 1].key, "os.sshKeys[31]");
}

static void long_values_are_cut_between_characters(void **state)
{
	char json[2048] = "{\"hostname\":\"";
	const struct config_problem *p = &problems.problem[0];

	(void)state;
	for (int i = 0; i < 500; i++)
		strcat(json, "\u20ac");
	strcat(json, "\"}");
	assert_int_equal(parse_text(json), -EBADMSG);
	assert_true(endswith(p->found, "\u20ac..."));
	assert_true(strlen(p->found) < sizeof(p->found));
}

static void no_secret_is_ever_told(void **state)
{
	static const char *const texts[] = {
		"{\"os\":{\"sshKeys\":\"sesame\"}}",
		"{\"os\":{\"sshKeys\":[\"sesame\",\"ssh-rsa sesame\",[\"sesame\"]]}}",
		"{\"balenaRootCA\":\"sesame\"}",
		"{\"balenaRootCA\":{\"sesame\":\"sesame\"}}",
		"{\"deviceApiKey\":\"sesame\",\"hostname\":5}",
		"{\"deviceApiKey\":\"sesame\"",
		"{\"deviceApiKey\":\"sesame\"} \"sesame\"",
		"{\"deviceApiKey\":sesame}",
	};
	char words[700];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(parse_text(texts[i]), -EBADMSG);
		for (size_t j = 0; j < problems.problems; j++) {
			config_problem_words(&problems.problem[j], words, sizeof(words));
			if (strstr(words, "sesame"))
				fail_msg("%s: %s", texts[i], words);
		}
	}
	assert_true(schema_is_secret("deviceApiKey") && schema_is_secret("registry.Password"));
	assert_false(schema_is_secret("os.sshKeys") || schema_is_secret("deviceType"));
}

/* --- What is made of what is taken ------------------------------------------------------------ */

static void an_empty_configuration_is_the_defaults(void **state)
{
	(void)state;
	take("{}");
	assert_string_equal(config->hostname, "");
	assert_false(config->persistent_logging || config->development_mode || config->ntp_only);
	assert_string_equal(config->country, "");
	assert_int_equal(config->dns, CONFIG_DNS_DEFAULT);
	assert_int_equal(config->random_mac_scan, CONFIG_UNSET);
	assert_int_equal(config->connectivity_interval, 3600);
	assert_null(config->connectivity_uri);
	assert_null(config->root_ca);
	assert_int_equal(config->installer.secureboot, CONFIG_UNSET);
	assert_int_equal(config->ntp_servers.items + config->dns_servers.items +
				 config->udev_rules + config->ssh_keys.items,
			 0);
}

static void the_host_name_is_the_beginning_of_the_uuid_without_one(void **state)
{
	(void)state;
	take("{\"uuid\":\"0123456789abcdef\"}");
	assert_string_equal(config->hostname, "0123456");
	take("{\"uuid\":\"0123456789abcdef\",\"hostname\":\"door\"}");
	assert_string_equal(config->hostname, "door");
	take("{\"hostname\":\"\",\"uuid\":\"abc\"}");
	assert_string_equal(config->hostname, "abc");
}

static void words_are_told_apart_by_blanks(void **state)
{
	(void)state;
	take("{\"ntpServers\":\"  a.b   1.2.3.4 nts://c.d:1 \"}");
	assert_int_equal(config->ntp_servers.items, 3);
	assert_string_equal(config->ntp_servers.item[0], "a.b");
	assert_string_equal(config->ntp_servers.item[2], "nts://c.d:1");
	take("{\"dnsServers\":\"   \"}");
	assert_int_equal(config->dns, CONFIG_DNS_DEFAULT);
	take("{\"dnsServers\":\"null\"}");
	assert_int_equal(config->dns, CONFIG_DNS_NONE);
	take("{\"dnsServers\":\"1.1.1.1 /a.b/2.2.2.2#53\"}");
	assert_int_equal(config->dns, CONFIG_DNS_LIST);
	assert_string_equal(config->dns_servers.item[1], "/a.b/2.2.2.2#53");
}

static void connectivity_is_asked_of_the_api_unless_said_otherwise(void **state)
{
	(void)state;
	take("{\"apiEndpoint\":\"https://api.x//\"}");
	assert_string_equal(config->connectivity_uri, "https://api.x/connectivity-check");
	take("{\"os\":{\"network\":{\"connectivity\":{\"uri\":\"http://y/\",\"interval\":\"60\","
	     "\"response\":\"yes\"}}},\"apiEndpoint\":\"https://api.x\"}");
	assert_string_equal(config->connectivity_uri, "http://y/");
	assert_int_equal(config->connectivity_interval, 60);
	assert_string_equal(config->connectivity_response, "yes");
	take("{\"os\":{\"network\":{\"connectivity\":{\"uri\":\"null\"}}},\"apiEndpoint\":"
	     "\"https://api.x\"}");
	assert_true(config->connectivity_off);
	assert_null(config->connectivity_uri);
}

static void truths_are_taken_as_they_are(void **state)
{
	(void)state;
	take("{\"developmentMode\":true,\"persistentLogging\":true,\"country\":\"de\",\"os\":{"
	     "\"network\":{\"wifi\":{\"randomMacAddressScan\":false},\"ntp\":{\"defaults\":false}}},"
	     "\"installer\":{\"secureboot\":false,\"migrate\":{\"force\":true},"
	     "\"target_devices\":\"sda sdb\"}}");
	assert_true(config->development_mode && config->persistent_logging && config->ntp_only);
	assert_string_equal(config->country, "DE");
	assert_int_equal(config->random_mac_scan, CONFIG_NO);
	assert_int_equal(config->installer.secureboot, CONFIG_NO);
	assert_int_equal(config->installer.migrate_force, CONFIG_YES);
	assert_int_equal(config->installer.target_devices.items, 2);
}

static void rules_are_in_the_order_of_their_names(void **state)
{
	(void)state;
	take("{\"os\":{\"udevRules\":{\"b\":\"2\\n\",\"a\":\"1\",\"c\":null}}}");
	assert_int_equal(config->udev_rules, 2);
	assert_string_equal(config->udev_rule[0].name, "a");
	assert_string_equal(config->udev_rule[1].text, "2\n");
}

static void every_key_has_its_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_keys_n; i++) {
		const struct schema_key *key = &schema_keys[i];

		assert_ptr_equal(schema_find(key->path), key);
		assert_true(key->help[0] && !strchr(key->help, '\n') && endswith(key->help, "."));
		assert_true(key->default_words[0]);
		assert_true(strlen(key->type) < sizeof(problems.problem[0].expected));
	}
	assert_null(schema_find("apiKey"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_teardown(name, clean_up)
		TEST(each_of_the_hand_made_configurations_is_taken_or_refused_by_name),
		TEST(bytes_that_are_no_text_are_refused),
		TEST(ten_megabytes_are_refused_unread),
		TEST(nesting_without_end_is_refused),
		TEST(many_problems_are_counted_and_the_first_are_kept),
		TEST(long_values_are_cut_between_characters),
		TEST(no_secret_is_ever_told),
		TEST(an_empty_configuration_is_the_defaults),
		TEST(the_host_name_is_the_beginning_of_the_uuid_without_one),
		TEST(words_are_told_apart_by_blanks),
		TEST(connectivity_is_asked_of_the_api_unless_said_otherwise),
		TEST(truths_are_taken_as_they_are),
		TEST(rules_are_in_the_order_of_their_names),
		TEST(every_key_has_its_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
