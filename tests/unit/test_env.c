/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoding of the boot environment, lib/base/env.c: any text gives a value in bounds. */
#include "env.h"

#include <errno.h>
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
	static const char *const keys[] = {ENV_ROOT,  ENV_TRIAL,      ENV_COUNT,
					   ENV_LIMIT, ENV_COUNT_MODE, ENV_BACKOFF};

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
		cmocka_unit_test(value_that_is_too_long_is_damage),
		cmocka_unit_test(every_single_byte_is_a_safe_value),
	};

	return cmocka_run_group_tests_name("env", tests, NULL, NULL);
}
