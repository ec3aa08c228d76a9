/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What settings come to: hostos-agents/config/plan.c, facet_hostname.c, facet_ntp.c,
 * facet_settings.c; and settings.c, which reads what the last one has written. */
#include "plan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "paths.h"
#include "settings.h"

static struct facts facts;
static struct config *config;
static struct plan *plan;

static int clean_up(void **state)
{
	(void)state;
	config_free(config);
	plan_free(plan);
	config = NULL;
	plan = NULL;
	facts = (struct facts){.state_dir = "/var/lib/tugboot", .data_dir = "/var/lib/tugboot"};
	return 0;
}

static void given(const char *json)
{
	struct config_problems problems;

	config_free(config);
	plan_free(plan);
	config = NULL;
	plan = NULL;
	assert_int_equal(config_parse(json, strlen(json), &config, &problems), 0);
	assert_int_equal(plan_make(config, &facts, &plan), 0);
}

static const struct plan_file *file_at(const char *path)
{
	for (size_t i = 0; i < plan->files; i++)
		if (streq(plan->file[i].path, path))
			return &plan->file[i];
	return NULL;
}

static void expect_file(const char *path, const char *text)
{
	const struct plan_file *file = file_at(path);

	if (!file)
		fail_msg("no %s", path);
	assert_string_equal(file->data, text);
	assert_int_equal(file->size, strlen(text));
}

/* The only action of a facet. */
static const struct plan_action *action_of(enum facet facet)
{
	const struct plan_action *found = NULL;

	for (size_t i = 0; i < plan->actions; i++)
		if (plan->action[i].facet == facet) {
			assert_null(found);
			found = &plan->action[i];
		}
	assert_non_null(found);
	return found;
}

#define DEFAULT_POOLS                                                             \
	"pool 0.resinio.pool.ntp.org iburst minpoll 14 maxpoll 14 maxsources 1\n" \
	"pool 1.resinio.pool.ntp.org iburst minpoll 14 maxpoll 14 maxsources 1\n" \
	"pool 2.resinio.pool.ntp.org iburst minpoll 14 maxpoll 14 maxsources 1\n" \
	"pool 3.resinio.pool.ntp.org iburst minpoll 14 maxpoll 14 maxsources 1\n"

static void a_host_name_is_a_file_that_gives_way_again(void **state)
{
	(void)state;
	given("{\"hostname\":\"door\"}");
	expect_file("/etc/hostname", "door\n");
	assert_true(file_at("/etc/hostname")->restore);
	assert_int_equal(action_of(FACET_HOSTNAME)->verb, PLAN_SET_HOSTNAME);
	assert_string_equal(action_of(FACET_HOSTNAME)->unit, "door");
	given("{}");
	assert_null(file_at("/etc/hostname"));
	assert_int_equal(action_of(FACET_HOSTNAME)->verb, PLAN_SET_HOSTNAME);
	assert_null(action_of(FACET_HOSTNAME)->unit);
}

static void time_servers_are_sources_of_chrony(void **state)
{
	(void)state;
	facts.chrony = facts.timesyncd = true;
	given("{}");
	assert_null(file_at(CHRONY_SOURCES));
	expect_file(CHRONY_DEFAULT_SOURCES, DEFAULT_POOLS);
	assert_int_equal(action_of(FACET_NTP)->verb, PLAN_CHRONY_RELOAD);
	given("{\"ntpServers\":\"10.0.0.1 a.example ::1 nts://b.example nts://c.example:4461\"}");
	expect_file(CHRONY_SOURCES,
		    "server 10.0.0.1 iburst minpoll 14 maxpoll 14\n"
		    "pool a.example iburst minpoll 14 maxpoll 14 maxsources 1\n"
		    "server ::1 iburst minpoll 14 maxpoll 14\n"
		    "server b.example iburst minpoll 14 maxpoll 14 nts\n"
		    "server c.example iburst minpoll 14 maxpoll 14 nts ntsport 4461\n");
	expect_file(CHRONY_DEFAULT_SOURCES, DEFAULT_POOLS);
}

static void only_own_time_servers_when_asked_for(void **state)
{
	(void)state;
	facts.chrony = true;
	given("{\"ntpServers\":\"10.0.0.1\",\"os\":{\"network\":{\"ntp\":{\"defaults\":false}}}}");
	assert_non_null(file_at(CHRONY_SOURCES));
	assert_null(file_at(CHRONY_DEFAULT_SOURCES));
	assert_int_equal(action_of(FACET_NTP)->verb, PLAN_CHRONY_RELOAD);
}

static void timesyncd_gets_what_it_can_ask(void **state)
{
	const char *path = "/etc/systemd/timesyncd.conf.d/tugboot.conf";

	(void)state;
	facts.timesyncd = true;
	given("{\"ntpServers\":\"10.0.0.1 nts://b.example c.example\","
	      "\"os\":{\"network\":{\"ntp\":{\"defaults\":false}}}}");
	expect_file(path, "[Time]\nNTP=10.0.0.1 c.example \nFallbackNTP=\n");
	assert_int_equal(action_of(FACET_NTP)->verb, PLAN_RESTART);
	facts.timesyncd = false;
	given("{\"ntpServers\":\"10.0.0.1\"}");
	assert_null(file_at(path));
}

static void agents_are_told_what_concerns_them(void **state)
{
	_settings_ struct settings settings = SETTINGS_NONE;
	const struct plan_file *file;

	(void)state;
	given("{\"country\":\"de\",\"os\":{\"network\":{\"connectivity\":{\"uri\":\"http://a/?b=c\","
	      "\"interval\":\"60\",\"response\":\"x = y\"}}}}");
	file = file_at(NETWORK_SETTINGS);
	assert_non_null(file);
	assert_int_equal(settings_parse(file->data, file->size, &settings), 0);
	assert_string_equal(settings_get(&settings, SETTING_COUNTRY), "DE");
	assert_string_equal(settings_get(&settings, SETTING_CONNECTIVITY_URI), "http://a/?b=c");
	assert_string_equal(settings_get(&settings, SETTING_CONNECTIVITY_RESPONSE), "x = y");
	assert_int_equal(settings_number(&settings, SETTING_CONNECTIVITY_INTERVAL, 1), 60);
	assert_false(settings_is(&settings, SETTING_CONNECTIVITY_OFF));
	assert_null(settings_get(&settings, "connectivity"));
	expect_file(TIME_SETTINGS, "connectivity_uri=http://a/?b=c\nconnectivity_response=x = y\n");
	assert_string_equal(action_of(FACET_SETTINGS_TIME)->unit, TIME_UNIT);
	assert_int_equal(action_of(FACET_SETTINGS_NETWORK)->verb, PLAN_SIGNAL);
	given("{\"os\":{\"network\":{\"connectivity\":{\"uri\":\"null\"}}}}");
	expect_file(TIME_SETTINGS, "connectivity_off=yes\n");
	given("{}");
	expect_file(TIME_SETTINGS, "");
}

static void a_key_changes_its_own_files_alone(void **state)
{
	static const struct {
		const char *json;
		unsigned facets; /* bits */
	} cases[] = {
		{"{\"hostname\":\"x\"}", 1u << FACET_HOSTNAME},
		{"{\"ntpServers\":\"a.b\"}", 1u << FACET_NTP},
		{"{\"dnsServers\":\"1.1.1.1\"}", 1u << FACET_DNS},
		{"{\"country\":\"DE\"}", 1u << FACET_SETTINGS_NETWORK},
		{"{\"persistentLogging\":true}", 1u << FACET_JOURNAL},
		{"{\"developmentMode\":true}",
		 1u << FACET_SSH | 1u << FACET_CONSOLE | 1u << FACET_ENGINE},
		{"{\"os\":{\"udevRules\":{\"a\":\"b\"}}}", 1u << FACET_UDEV},
		{"{\"os\":{\"network\":{\"connectivity\":{\"uri\":\"http://a/\"}}}}",
		 1u << FACET_NETWORK | 1u << FACET_SETTINGS_NETWORK | 1u << FACET_SETTINGS_TIME},
		{"{\"os\":{\"network\":{\"wifi\":{\"randomMacAddressScan\":true}}}}",
		 1u << FACET_NETWORK | 1u << FACET_SETTINGS_NETWORK},
		{"{\"installer\":{\"secureboot\":true},\"other\":1}", 0},
	};

	(void)state;
	facts.network_manager = facts.dnsmasq = facts.chrony = facts.sshd = true;
	strcpy(facts.engine_socket, "/run/docker.sock");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct plan *empty;
		unsigned facets = 0;

		given("{}");
		empty = take_ptr(plan);
		given(cases[i].json);
		for (int side = 0; side < 2; side++) {
			struct plan *other = take_ptr(plan);

			plan = empty;
			empty = other;
			for (size_t j = 0; j < empty->files; j++) {
				const struct plan_file *f = &empty->file[j];
				const struct plan_file *same = file_at(f->path);

				if (!same || same->size != f->size || !same->data != !f->data ||
				    (f->data && memcmp(same->data, f->data, f->size) != 0))
					facets |= 1u << f->facet;
			}
		}
		plan_free(empty);
		if (facets != cases[i].facets)
			fail_msg("%s: %#x instead of %#x", cases[i].json, facets, cases[i].facets);
	}
}

static size_t lines_of(const struct plan *of)
{
	size_t lines = 0;

	for (size_t i = 0; i < of->files; i++)
		for (size_t j = 0; j < of->file[i].size; j++)
			lines += of->file[i].data[j] == '\n';
	return lines;
}

/* Every character up to U+0100 and those that break lines elsewhere, at the beginning, in the
 * middle and at the end of a good value: what is taken makes no file and no line more. A blank may
 * part words of a list, which are lines of their own for chrony and dnsmasq. */
static void no_character_in_a_value_makes_a_line(void **state)
{
	static const struct {
		const char *before, *value, *after;
		bool is_list;
	} cases[] = {
		{"{\"hostname\":\"", "ab", "\"}", false},
		{"{\"country\":\"", "DE", "\"}", false},
		{"{\"ntpServers\":\"", "ab.cd", "\"}", true},
		{"{\"dnsServers\":\"", "1.1.1.1", "\"}", true},
		{"{\"apiEndpoint\":\"", "https://a/b", "\"}", false},
		{"{\"os\":{\"network\":{\"connectivity\":{\"uri\":\"", "http://a/b", "\"}}}}",
		 false},
		{"{\"os\":{\"network\":{\"connectivity\":{\"uri\":\"http://a\",\"response\":\"",
		 "ab", "\"}}}}", false},
		{"{\"os\":{\"network\":{\"connectivity\":{\"interval\":\"", "60", "\"}}}}", false},
		{"{\"os\":{\"udevRules\":{\"", "ab", "\":\"x\"}}}", false},
		{"{\"installer\":{\"target_devices\":\"", "sda", "\"}}", false},
	};
	size_t tried = 0, taken = 0;

	(void)state;
	facts.network_manager = facts.resolved = facts.dnsmasq = facts.chrony = facts.sshd = true;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t len = strlen(cases[i].value), lines, files;
		char json[256];

		(void)sprintf(json, "%s%s%s", cases[i].before, cases[i].value, cases[i].after);
		given(json);
		lines = lines_of(plan);
		files = plan->files;
		for (unsigned c = 1; c <= 0x102; c++)
			for (size_t at = 0; at <= len; at++) {
				struct config_problems problems;
				unsigned rune = c == 0x101 ? 0x2028 : c == 0x102 ? 0x2029 : c;

				(void)sprintf(json, "%s%.*s\\u%04x%s%s", cases[i].before, (int)at,
					      cases[i].value, rune, cases[i].value + at,
					      cases[i].after);
				config_free(take_ptr(config));
				plan_free(take_ptr(plan));
				tried++;
				if (config_parse(json, strlen(json), &config, &problems) < 0)
					continue;
				taken++;
				assert_int_equal(plan_make(config, &facts, &plan), 0);
				if (cases[i].is_list && rune == ' ')
					continue;
				if (lines_of(plan) != lines || plan->files != files)
					fail_msg("%s", json);
			}
	}
	print_message("values with a character more: %zu, taken: %zu\n", tried, taken);
	assert_true(taken > 0 && taken < tried / 2);
}

static void files_are_written_nowhere_else(void **state)
{
	static const char *const good[] = {"/etc/hostname", "/run/tugboot/a", "/etc/a.b/..c",
					   "/usr/local/share/ca-certificates/x.crt"};
	static const char *const bad[] = {
		"",
		"etc/hostname",
		"/etc",
		"/etc/",
		"/etcetera",
		"/usr/bin/x",
		"/etc/../usr/x",
		"/etc/./x",
		"/etc//x",
		"/etc/x/..",
		"/etc/x/",
		"/etc/..",
		"/var/x",
		"//etc/x",
		"/usr/local/share/ca-certificates/../../x",
	};

	(void)state;
	given("{}");
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!plan_path_allowed(good[i]))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (plan_path_allowed(bad[i]) ||
		    plan_add_text(plan, FACET_NTP, 0644, bad[i], "x") != -EINVAL)
			fail_msg("%s", bad[i]);
	assert_int_equal(plan_add_link(plan, FACET_NTP, "/etc/new", "/x"), 0);
	assert_int_equal(plan_add_text(plan, FACET_NTP, 0644, "/etc/new", "twice"), -EINVAL);
}

static void every_facet_has_a_name(void **state)
{
	(void)state;
	for (enum facet f = 0; f < FACETS; f++)
		assert_true(facet_name(f)[0] && !streq(facet_name(f), "unknown"));
	assert_string_equal(facet_name(FACETS), "unknown");
}

static void settings_that_are_cut_are_refused(void **state)
{
	static const char *const bad[] = {"a",	      "a\n", "a=b",	"=b\n",	   "a=b\nc",
					  "a=\x01\n", "\n",  "a=b\n\n", "a=\xff\n"};
	struct settings settings = SETTINGS_NONE;
	char path[] = "/tmp/tugboot-settings-XXXXXX";
	int fd;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(settings_parse(bad[i], strlen(bad[i]), &settings), -EBADMSG);
		assert_null(settings.text);
	}
	assert_int_equal(settings_read("/nonexistent/settings", &settings), 0);
	assert_null(settings_get(&settings, "a"));
	assert_int_equal(settings_number(&settings, "a", 7), 7);
	settings_done(&settings);
	fd = mkstemp(path);
	assert_int_equal(write(fd, "a=yes\nb=\nc=12x\n", 15), 15);
	assert_int_equal(close(fd), 0);
	assert_int_equal(settings_read(path, &settings), 0);
	assert_int_equal(unlink(path), 0);
	assert_true(settings_is(&settings, "a"));
	assert_string_equal(settings_get(&settings, "b"), "");
	assert_int_equal(settings_number(&settings, "c", 7), 7);
	settings_done(&settings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, clean_up, clean_up)
		TEST(a_host_name_is_a_file_that_gives_way_again),
		TEST(time_servers_are_sources_of_chrony),
		TEST(only_own_time_servers_when_asked_for),
		TEST(timesyncd_gets_what_it_can_ask),
		TEST(agents_are_told_what_concerns_them),
		TEST(a_key_changes_its_own_files_alone),
		TEST(no_character_in_a_value_makes_a_line),
		TEST(files_are_written_nowhere_else),
		TEST(every_facet_has_a_name),
		TEST(settings_that_are_cut_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
