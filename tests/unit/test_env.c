/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoding of the boot environment, lib/base/env.c: any text gives a value in bounds. */
#include "env.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* One key with one value; NULL is no key. */
struct pair {
	const char *name, *value;
};

static int get(const void *source, const char *name, char *buf, size_t size)
{
	const struct pair *pair = source;

	if (!pair->value || !streq(name, pair->name))
		return -ENOENT;
	if (strlen(pair->value) >= size)
		return -ENOBUFS;
	return snprintf(buf, size, "%s", pair->value);
}

static struct boot_env decode(const char *name, const char *value)
{
	const struct pair pair = {name, value};
	struct boot_env env;

	boot_env_decode(get, &pair, &env);
	assert_in_range(env.limit, 1, ENV_LIMIT_MAX);
	assert_in_range(env.count, 0, ENV_LIMIT_MAX);
	assert_in_range(env.backoff, 0, ENV_LIMIT_MAX);
	assert_in_range(env.spared, 0, ENV_LIMIT_MAX);
	assert_in_range(env.failures.times, 0, ENV_LIMIT_MAX);
	assert_true(env.bad == 0 || env.bad == 'A' || env.bad == 'B');
	return env;
}

static void empty_environment_takes_the_defaults(void **state)
{
	struct boot_env env = decode("x", NULL);

	(void)state;
	assert_int_equal(env.root_kind, ENV_ROOT_UNSET);
	assert_false(env.trial || env.count_always || env.damaged);
	assert_int_equal(env.count, 0);
	assert_int_equal(env.limit, ENV_LIMIT_DEFAULT);
}

static void root_is_a_slot_a_hex_index_or_nothing(void **state)
{
	static const struct {
		const char *value;
		enum env_root_kind kind;
		unsigned index;
	} cases[] = {
		{"A", ENV_ROOT_SLOT, 'A'},     {"B", ENV_ROOT_SLOT, 'B'},
		{" B \r", ENV_ROOT_SLOT, 'B'}, {"a", ENV_ROOT_INDEX, 10},
		{"b", ENV_ROOT_INDEX, 11},     {"2", ENV_ROOT_INDEX, 2},
		{"1f", ENV_ROOT_INDEX, 31},    {"0x3", ENV_ROOT_INDEX, 3},
		{"C", ENV_ROOT_INDEX, 12},     {"1F", ENV_ROOT_INDEX, 31},
		{"1A", ENV_ROOT_INDEX, 26},    {"g", ENV_ROOT_INVALID, 0},
		{"A\r", ENV_ROOT_SLOT, 'A'},   {"0", ENV_ROOT_INVALID, 0},
		{"0x", ENV_ROOT_INVALID, 0},   {"AB C", ENV_ROOT_INVALID, 0},
		{"-1", ENV_ROOT_INVALID, 0},   {"sda2", ENV_ROOT_INVALID, 0},
		{"2 3", ENV_ROOT_INVALID, 0},  {"fffffffff", ENV_ROOT_INDEX, 0xffff},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct boot_env env = decode(ENV_ROOT, cases[i].value);

		assert_int_equal(env.root_kind, cases[i].kind);
		assert_int_equal(env.damaged, cases[i].kind == ENV_ROOT_INVALID);
		if (cases[i].kind == ENV_ROOT_SLOT)
			assert_int_equal(env.root_slot, cases[i].index);
		else if (cases[i].kind == ENV_ROOT_INDEX)
			assert_int_equal(env.root_index, cases[i].index);
	}
}

static void trial_is_exactly_one(void **state)
{
	(void)state;
	assert_true(decode(ENV_TRIAL, "1").trial);
	assert_true(decode(ENV_TRIAL, "1 ").trial);
	assert_false(decode(ENV_TRIAL, "0").trial);
	assert_false(decode(ENV_TRIAL, "01").trial);
	assert_true(decode(ENV_TRIAL, "yes").damaged);
	assert_false(decode(ENV_TRIAL, "0").damaged);
}

static void count_that_is_no_number_is_zero_and_a_huge_one_is_capped(void **state)
{
	(void)state;
	assert_int_equal(decode(ENV_COUNT, "1").count, 1);
	assert_int_equal(decode(ENV_COUNT, "0 ").count, 0);
	assert_int_equal(decode(ENV_COUNT, "99999999999999999999999").count, ENV_LIMIT_MAX);
	assert_int_equal(decode(ENV_COUNT, "4294967297").count, ENV_LIMIT_MAX);
	assert_int_equal(decode(ENV_COUNT, "-1").count, 0);
	assert_true(decode(ENV_COUNT, "-1").damaged);
	assert_int_equal(decode(ENV_COUNT, "2x").count, 0);
	assert_int_equal(decode(ENV_COUNT, "0x2").count, 0);
	assert_int_equal(decode(ENV_COUNT, "a").count, 0);
	assert_int_equal(decode(ENV_COUNT, "9").count, 9);
	assert_true(decode(ENV_COUNT, "two").damaged);
}

static void limit_is_never_zero(void **state)
{
	(void)state;
	assert_int_equal(decode(ENV_LIMIT, "5").limit, 5);
	assert_int_equal(decode(ENV_LIMIT, "0").limit, ENV_LIMIT_DEFAULT);
	assert_int_equal(decode(ENV_LIMIT, "100000").limit, ENV_LIMIT_MAX);
	assert_int_equal(decode(ENV_LIMIT, "none").limit, ENV_LIMIT_DEFAULT);
	assert_true(decode(ENV_LIMIT, "none").damaged);
	assert_true(decode(ENV_LIMIT, "0").damaged);
	assert_false(decode(ENV_LIMIT, "3").damaged);
}

static void end_is_clean_and_nothing_else(void **state)
{
	(void)state;
	assert_true(decode(ENV_ENDED, "clean").ended_clean);
	assert_true(decode(ENV_ENDED, " clean\r").ended_clean);
	assert_false(decode(ENV_ENDED, "Clean").ended_clean);
	assert_false(decode(ENV_ENDED, "1").ended_clean);
	assert_false(decode(ENV_ENDED, "").ended_clean);
}

static void spared_that_is_no_number_leaves_none_to_spare(void **state)
{
	(void)state;
	assert_int_equal(decode(ENV_SPARED, "").spared, 0);
	assert_int_equal(decode(ENV_SPARED, "3 ").spared, 3);
	assert_int_equal(decode(ENV_SPARED, "10").spared, ENV_SPARED_MAX);
	assert_int_equal(decode(ENV_SPARED, "123456789012").spared, ENV_LIMIT_MAX);
	assert_int_equal(decode(ENV_SPARED, "-1").spared, ENV_LIMIT_MAX);
	assert_int_equal(decode(ENV_SPARED, "x").spared, ENV_LIMIT_MAX);
}

static void failures_are_times_when_and_evidence(void **state)
{
	static const char *const no[] = {"",	    "1",     "1:2",	":2:r",	  "1::r",
					 "x:2:r",   "1:y:r", "-1:2:r",	"1:-2:r", "1 :2:r",
					 "0x1:2:r", "::",    "failures"};
	char longest[ENV_EVIDENCE_MAX + 8] = "1:2:", too_long[ENV_EVIDENCE_MAX + 8] = "1:2:";
	struct boot_env env = decode(ENV_FAILURES, "2:1700000000:dmesg-efi-1");

	(void)state;
	assert_int_equal(env.failures.times, 2);
	assert_int_equal(env.failures.when, 1700000000);
	assert_string_equal(env.failures.evidence, "dmesg-efi-1");
	assert_string_equal(decode(ENV_FAILURES, "0:0:watchdog").failures.evidence, "watchdog");
	assert_string_equal(decode(ENV_FAILURES, "0:0:").failures.evidence, "");
	assert_string_equal(decode(ENV_FAILURES, "0:0:a:b").failures.evidence, "a:b");
	env = decode(ENV_FAILURES, "4000000000:99999999999999999999:r");
	assert_int_equal(env.failures.times, ENV_LIMIT_MAX);
	assert_true(env.failures.when > 0 && env.failures.when <= INT_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		env = decode(ENV_FAILURES, no[i]);
		assert_int_equal(env.failures.times, 0);
		assert_int_equal(env.failures.when, 0);
		assert_string_equal(env.failures.evidence, "");
	}
	memset(longest + 4, 'r', ENV_EVIDENCE_MAX - 1);
	assert_string_equal(decode(ENV_FAILURES, longest).failures.evidence, longest + 4);
	memset(too_long + 4, 'r', ENV_EVIDENCE_MAX);
	assert_string_equal(decode(ENV_FAILURES, too_long).failures.evidence, "");
}

static void bad_is_a_slot_or_none(void **state)
{
	(void)state;
	assert_int_equal(decode(ENV_BAD, "A").bad, 'A');
	assert_int_equal(decode(ENV_BAD, "B ").bad, 'B');
	assert_int_equal(decode(ENV_BAD, "AB").bad, 0);
	assert_int_equal(decode(ENV_BAD, "a").bad, 0);
	assert_int_equal(decode(ENV_BAD, "2").bad, 0);
	assert_int_equal(decode(ENV_BAD, "").bad, 0);
}

static void ustate_is_open_while_swupdate_waits_for_a_verdict(void **state)
{
	(void)state;
	assert_false(decode(ENV_USTATE, "0").ustate_open);
	assert_true(decode(ENV_USTATE, "1").ustate_open);
	assert_true(decode(ENV_USTATE, "2").ustate_open);
	assert_false(decode(ENV_USTATE, "3").ustate_open);
	assert_false(decode(ENV_USTATE, "12").ustate_open);
	assert_false(decode(ENV_USTATE, "").ustate_open);
}

static void root_is_written_back_in_the_form_in_which_it_was_found(void **state)
{
	(void)state;
	assert_true(decode(ENV_ROOT, "2").root_by_index);
	assert_false(decode(ENV_ROOT, "B").root_by_index);
	assert_false(decode(ENV_ROOT, "sda2").root_by_index);
	assert_false(decode(ENV_ROOT, "").root_by_index);
}

static void value_that_is_too_long_is_damage(void **state)
{
	char huge[ENV_NAME_MAX + 1];

	(void)state;
	memset(huge, '1', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_true(decode(ENV_COUNT, huge).damaged);
	assert_false(decode(ENV_TRIAL, huge).trial);
}

static void every_single_byte_is_a_safe_value(void **state)
{
	static const char *const keys[] = {ENV_ROOT,	   ENV_TRIAL,	ENV_COUNT, ENV_LIMIT,
					   ENV_COUNT_MODE, ENV_BACKOFF, ENV_ENDED, ENV_SPARED,
					   ENV_FAILURES,   ENV_BAD,	ENV_USTATE};

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
		for (unsigned c = 1; c < 256; c++)
			(void)decode(keys[k], (char[]){(char)c, '\0'}); /* asserts the bounds */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_environment_takes_the_defaults),
		cmocka_unit_test(root_is_a_slot_a_hex_index_or_nothing),
		cmocka_unit_test(trial_is_exactly_one),
		cmocka_unit_test(count_that_is_no_number_is_zero_and_a_huge_one_is_capped),
		cmocka_unit_test(limit_is_never_zero),
		cmocka_unit_test(end_is_clean_and_nothing_else),
		cmocka_unit_test(spared_that_is_no_number_leaves_none_to_spare),
		cmocka_unit_test(failures_are_times_when_and_evidence),
		cmocka_unit_test(bad_is_a_slot_or_none),
		cmocka_unit_test(ustate_is_open_while_swupdate_waits_for_a_verdict),
		cmocka_unit_test(root_is_written_back_in_the_form_in_which_it_was_found),
		cmocka_unit_test(value_that_is_too_long_is_damage),
		cmocka_unit_test(every_single_byte_is_a_safe_value),
	};

	return cmocka_run_group_tests_name("env", tests, NULL, NULL);
}
