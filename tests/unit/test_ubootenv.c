/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* U-Boot's binary environment: lib/base/ubootenv.c. What libubootenv makes of the same bytes is the
 * affair of tests/differential. */
#include "ubootenv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

#define SIZE 128

static const enum ubootenv_form forms[] = {UBOOTENV_SINGLE, UBOOTENV_REDUNDANT};

static char image[SIZE];

/* An image with these bytes as data, 0xee behind them. The CRC is not made. */
static void given(enum ubootenv_form form, const char *data, size_t n)
{
	assert_true(form + n <= sizeof(image));
	memset(image, 0xee, sizeof(image));
	memcpy(image + form, data, n);
}
#define GIVEN(form, data) given(form, data, sizeof(data) - 1)

static void expect_data(enum ubootenv_form form, const char *data, size_t n)
{
	assert_memory_equal(image + form, data, n);
}
#define EXPECT_DATA(form, data) expect_data(form, data, sizeof(data) - 1)

static void expect_read(enum ubootenv_form form, const char *name, const char *value)
{
	char buf[SIZE];

	assert_int_equal(ubootenv_get(image, SIZE, form, name, buf, sizeof(buf)), strlen(value));
	assert_string_equal(buf, value);
}

static void expect_absent(enum ubootenv_form form, const char *name)
{
	char buf[SIZE] = "untouched";

	assert_int_equal(ubootenv_get(image, SIZE, form, name, buf, sizeof(buf)), -ENOENT);
	assert_string_equal(buf, "untouched");
}

/* What `mkenvimage -p 0 -s 64` and `mkenvimage -p 0 -r -s 64` (U-Boot 2023.01) make of
 * "a=1\nb=two\n" on a little-endian machine. */
static const char by_mkenvimage[2][64] = {
	"\x6f\xcb\xbc\x5c"
	"a=1\0b=two\0",
	"\x9d\x1b\xcb\x00\x01"
	"a=1\0b=two\0",
};

static void images_of_mkenvimage_are_read(void **state)
{
	char buf[8];

	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
		const char *data = exact(by_mkenvimage[f], 64);

		assert_int_equal(ubootenv_check(data, 64, forms[f]), 0);
		assert_int_equal(ubootenv_get(data, 64, forms[f], "b", buf, sizeof(buf)), 3);
		assert_string_equal(buf, "two");
		assert_int_equal(ubootenv_get(data, 64, forms[f], "a", buf, sizeof(buf)), 1);
		assert_string_equal(buf, "1");
		/* The other form's CRC is another one. */
		assert_int_equal(ubootenv_check(data, 64, forms[1 - f]), -EBADMSG);
	}
}

static void what_is_made_here_is_what_mkenvimage_makes(void **state)
{
	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
		memset(image, 'x', 64);
		ubootenv_init(image, 64, forms[f]);
		assert_int_equal(ubootenv_check(image, 64, forms[f]), 0);
		assert_int_equal(ubootenv_set(image, 64, forms[f], "a", "1"), 0);
		assert_int_equal(ubootenv_set(image, 64, forms[f], "b", "two"), 0);
		ubootenv_seal(image, 64, forms[f], 1);
		assert_memory_equal(image, by_mkenvimage[f], 64);
	}
}

static void check_refuses_sizes_out_of_bounds(void **state)
{
	char *large = calloc(1, UBOOTENV_SIZE_MAX + 1);

	(void)state;
	assert_non_null(large);
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		ubootenv_init(large, UBOOTENV_SIZE_MAX, forms[i]);
		assert_int_equal(ubootenv_check(large, UBOOTENV_SIZE_MAX, forms[i]), 0);
		assert_int_equal(ubootenv_check(large, UBOOTENV_SIZE_MAX + 1, forms[i]), -EMSGSIZE);
		ubootenv_init(large, UBOOTENV_SIZE_MIN, forms[i]);
		assert_int_equal(ubootenv_check(large, UBOOTENV_SIZE_MIN, forms[i]), 0);
		assert_int_equal(ubootenv_check(large, UBOOTENV_SIZE_MIN - 1, forms[i]), -EMSGSIZE);
		assert_int_equal(ubootenv_check(exact("", 0), 0, forms[i]), -EMSGSIZE);
	}
	free(large);
}

/* But for the flag: it is outside the CRC. */
static void check_sees_every_changed_bit(void **state)
{
	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
		ubootenv_init(image, SIZE, forms[f]);
		assert_int_equal(ubootenv_set(image, SIZE, forms[f], "bootcount", "1"), 0);
		ubootenv_seal(image, SIZE, forms[f], 7);
		for (size_t bit = 0; bit < (size_t)8 * SIZE; bit++) {
			bool is_flag = forms[f] == UBOOTENV_REDUNDANT && bit / 8 == 4;

			image[bit / 8] = (char)(image[bit / 8] ^ 1 << bit % 8);
			assert_int_equal(ubootenv_check(image, SIZE, forms[f]),
					 is_flag ? 0 : -EBADMSG);
			image[bit / 8] = (char)(image[bit / 8] ^ 1 << bit % 8);
		}
	}
}

/* The rule once more, said as U-Boot's sources do: env/common.c for the counting flag, env/flash.c
 * for the other one. -2 where U-Boot has no word on it. */
static int as_u_boot_does(bool valid0, int flag0, bool valid1, int flag1,
			  enum ubootenv_scheme scheme)
{
	if (!valid0 && !valid1)
		return -1;
	if (valid0 != valid1)
		return valid1;
	if (scheme == UBOOTENV_INCREMENTAL) {
		/* As if the flag went on: what wrapped round is 256. */
		if (flag0 == 255 && flag1 == 0)
			flag1 = 256;
		else if (flag1 == 255 && flag0 == 0)
			flag0 = 256;
		return flag0 >= flag1 ? 0 : 1;
	}
	if (flag0 == 1 && flag1 == 0)
		return 0;
	if (flag0 == 0 && flag1 == 1)
		return 1;
	if (flag0 == flag1 || flag0 == 255)
		return 0;
	return flag1 == 255 ? 1 : -2;
}

static void choose_agrees_with_u_boot_for_all_256_flag_values(void **state)
{
	static const enum ubootenv_scheme schemes[] = {UBOOTENV_INCREMENTAL, UBOOTENV_BOOLEAN};
	unsigned compared = 0, unsaid = 0;

	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(schemes); s++) {
		for (unsigned i = 0; i < 256 * 256 * 4; i++) {
			uint8_t flag0 = i & 0xff, flag1 = i >> 8 & 0xff;
			bool valid0 = i >> 16 & 1, valid1 = i >> 17 & 1;
			int got = ubootenv_choose(valid0, flag0, valid1, flag1, schemes[s]);
			int want = as_u_boot_does(valid0, flag0, valid1, flag1, schemes[s]);

			if (want == -2) {
				/* No pair that anybody writes; but one of the two it is. */
				want = flag1 > flag0;
				unsaid++;
			}
			assert_int_equal(got, want);
			compared++;
		}
	}
	assert_int_equal(compared, 2 * 4 * 65536);
	/* BOOLEAN, both valid, different, neither 255, not {0, 1}. */
	assert_int_equal(unsaid, 255 * 255 - 255 - 2);
}

static void the_copy_that_replaces_another_is_chosen_from_then_on(void **state)
{
	(void)state;
	for (unsigned flag = 0; flag < 256; flag++) {
		uint8_t next = ubootenv_flag_after((uint8_t)flag, UBOOTENV_INCREMENTAL);

		assert_int_equal(next, (flag + 1) % 256);
		assert_int_equal(
			ubootenv_choose(true, (uint8_t)flag, true, next, UBOOTENV_INCREMENTAL), 1);
		assert_int_equal(
			ubootenv_choose(true, next, true, (uint8_t)flag, UBOOTENV_INCREMENTAL), 0);
		/* Here the old copy is marked obsolete besides. */
		next = ubootenv_flag_after((uint8_t)flag, UBOOTENV_BOOLEAN);
		assert_int_equal(next, 1);
		assert_int_equal(ubootenv_choose(true, 0, true, next, UBOOTENV_BOOLEAN), 1);
		assert_int_equal(ubootenv_choose(true, next, true, 0, UBOOTENV_BOOLEAN), 0);
	}
}

static void next_walks_variables_in_order(void **state)
{
	static const char *const expected[][2] = {{"a", "1"}, {"b", ""}, {"c", "x=y"}, {"a", "2"}};
	struct ubootenv_var var;

	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
		size_t pos = 0;

		GIVEN(forms[f], "a=1\0words\0=no name\0=\0b=\0c=x=y\0a=2\0\0z=hidden\0");
		for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
			assert_true(ubootenv_next(image, SIZE, forms[f], &pos, &var));
			assert_true(slice_is(var.name, expected[i][0]));
			assert_true(slice_is(var.value, expected[i][1]));
		}
		assert_false(ubootenv_next(image, SIZE, forms[f], &pos, &var));
		assert_false(ubootenv_next(image, SIZE, forms[f], &pos, &var));
	}
}

static void an_entry_that_the_image_cuts_off_is_none(void **state)
{
	char cut[64], buf[8];

	(void)state;
	memset(cut, 'x', sizeof(cut));
	memcpy(cut + UBOOTENV_SINGLE, "a=1\0b=", 6);
	assert_int_equal(ubootenv_get(exact(cut, 64), 64, UBOOTENV_SINGLE, "a", buf, sizeof(buf)),
			 1);
	assert_int_equal(ubootenv_get(exact(cut, 64), 64, UBOOTENV_SINGLE, "b", buf, sizeof(buf)),
			 -ENOENT);
	/* With its NUL as the last byte it is one. */
	cut[63] = '\0';
	assert_int_equal(ubootenv_get(exact(cut, 64), 64, UBOOTENV_SINGLE, "b", buf, sizeof(buf)),
			 -ENOBUFS);
}

static void of_a_name_that_stands_twice_the_last_counts(void **state)
{
	(void)state;
	GIVEN(UBOOTENV_SINGLE, "a=1\0b=2\0a=3\0\0");
	expect_read(UBOOTENV_SINGLE, "a", "3");
}

static void a_name_is_matched_whole(void **state)
{
	(void)state;
	GIVEN(UBOOTENV_REDUNDANT, "boot=1\0bootcount=2\0\0");
	expect_read(UBOOTENV_REDUNDANT, "boot", "1");
	expect_read(UBOOTENV_REDUNDANT, "bootcount", "2");
	expect_absent(UBOOTENV_REDUNDANT, "bootcoun");
	expect_absent(UBOOTENV_REDUNDANT, "bootcount=2");
	expect_absent(UBOOTENV_REDUNDANT, "");
}

static void a_value_that_does_not_fit_is_refused(void **state)
{
	char buf[4] = "old";

	(void)state;
	GIVEN(UBOOTENV_SINGLE, "a=1234\0b=123\0\0");
	assert_int_equal(ubootenv_get(image, SIZE, UBOOTENV_SINGLE, "a", buf, sizeof(buf)),
			 -ENOBUFS);
	assert_string_equal(buf, "old");
	assert_int_equal(ubootenv_get(image, SIZE, UBOOTENV_SINGLE, "b", buf, sizeof(buf)), 3);
	assert_string_equal(buf, "123");
}

static void set_appends_and_replaces_in_place(void **state)
{
	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
		ubootenv_init(image, SIZE, forms[f]);
		assert_int_equal(ubootenv_set(image, SIZE, forms[f], "a", "1"), 0);
		assert_int_equal(ubootenv_set(image, SIZE, forms[f], "b", "2"), 0);
		EXPECT_DATA(forms[f], "a=1\0b=2\0\0");
		assert_int_equal(ubootenv_set(image, SIZE, forms[f], "a", "longer"), 0);
		EXPECT_DATA(forms[f], "a=longer\0b=2\0\0");
		assert_int_equal(ubootenv_set(image, SIZE, forms[f], "a", ""), 0);
		EXPECT_DATA(forms[f], "a=\0b=2\0\0");
	}
}

static void set_leaves_one_of_several_and_what_is_no_variable(void **state)
{
	(void)state;
	GIVEN(UBOOTENV_SINGLE, "words\0a=1\0b=2\0=x\0a=3\0a=4\0\0");
	assert_int_equal(ubootenv_set(image, SIZE, UBOOTENV_SINGLE, "a", "5"), 0);
	EXPECT_DATA(UBOOTENV_SINGLE, "words\0a=5\0b=2\0=x\0\0");
}

static void setting_what_is_there_changes_no_byte(void **state)
{
	char before[SIZE];

	(void)state;
	GIVEN(UBOOTENV_SINGLE, "a=1\0b=2\0\0");
	memcpy(before, image, SIZE);
	assert_int_equal(ubootenv_set(image, SIZE, UBOOTENV_SINGLE, "a", "1"), 0);
	assert_int_equal(ubootenv_unset(image, SIZE, UBOOTENV_SINGLE, "c"), 0);
	assert_memory_equal(image, before, SIZE);
}

static void set_takes_each_byte_value(void **state)
{
	char value[2] = "";

	(void)state;
	for (unsigned c = 1; c < 256; c++) {
		value[0] = (char)c;
		ubootenv_init(image, SIZE, UBOOTENV_REDUNDANT);
		assert_int_equal(ubootenv_set(image, SIZE, UBOOTENV_REDUNDANT, "a", value), 0);
		expect_read(UBOOTENV_REDUNDANT, "a", value);
		if (c == '=')
			continue;
		assert_int_equal(ubootenv_set(image, SIZE, UBOOTENV_REDUNDANT, value, "x"), 0);
		expect_read(UBOOTENV_REDUNDANT, value, "x");
	}
}

static void unset_removes_all_of_a_name(void **state)
{
	(void)state;
	GIVEN(UBOOTENV_SINGLE, "a=1\0b=2\0words\0a=3\0\0");
	assert_int_equal(ubootenv_unset(image, SIZE, UBOOTENV_SINGLE, "a"), 0);
	EXPECT_DATA(UBOOTENV_SINGLE, "b=2\0words\0\0");
	assert_int_equal(ubootenv_unset(image, SIZE, UBOOTENV_SINGLE, "a"), 0);
	EXPECT_DATA(UBOOTENV_SINGLE, "b=2\0words\0\0");
	assert_int_equal(ubootenv_unset(image, SIZE, UBOOTENV_SINGLE, "b"), 0);
	assert_int_equal(ubootenv_unset(image, SIZE, UBOOTENV_SINGLE, "words"), 0);
	EXPECT_DATA(UBOOTENV_SINGLE, "words\0\0");
}

static void append_adds_a_second_of_a_name(void **state)
{
	(void)state;
	ubootenv_init(image, SIZE, UBOOTENV_SINGLE);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(ubootenv_append(image, SIZE, UBOOTENV_SINGLE, slice_str("a"),
						 slice_of("123", i)),
				 0);
	EXPECT_DATA(UBOOTENV_SINGLE, "a=\0a=1\0\0");
	assert_int_equal(ubootenv_append(image, SIZE, UBOOTENV_SINGLE, slice_str("a=b"),
					 slice_str("1")),
			 -EINVAL);
	assert_int_equal(ubootenv_append(image, SIZE, UBOOTENV_SINGLE, slice_of("a\0b", 3),
					 slice_str("1")),
			 -EINVAL);
	assert_int_equal(ubootenv_append(image, SIZE, UBOOTENV_SINGLE, slice_str("a"),
					 slice_of("1\0", 2)),
			 -EINVAL);
	EXPECT_DATA(UBOOTENV_SINGLE, "a=\0a=1\0\0");
}

static void names_that_cannot_be_held_are_refused(void **state)
{
	static const char *const bad[] = {"", "a=b", "="};
	static const char *const good[] = {"a", "#a", "a b", " ", "\n", "\\", "\xc3\xa9", ".flags"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ubootenv_init(image, SIZE, UBOOTENV_SINGLE);
		assert_false(ubootenv_name_valid(bad[i]));
		assert_int_equal(ubootenv_set(image, SIZE, UBOOTENV_SINGLE, bad[i], "1"), -EINVAL);
		assert_int_equal(ubootenv_unset(image, SIZE, UBOOTENV_SINGLE, bad[i]), -EINVAL);
		assert_int_equal(ubootenv_check(image, SIZE, UBOOTENV_SINGLE), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		ubootenv_init(image, SIZE, UBOOTENV_SINGLE);
		assert_true(ubootenv_name_valid(good[i]));
		assert_int_equal(ubootenv_set(image, SIZE, UBOOTENV_SINGLE, good[i], "1"), 0);
		expect_read(UBOOTENV_SINGLE, good[i], "1");
	}
}

static void a_full_image_takes_no_more_and_is_unchanged(void **state)
{
	char fill[SIZE], before[SIZE];

	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
		/* Beside the header, "a=1", "f=", their NULs and the last one. */
		size_t n = SIZE - forms[f] - 4 - 3 - 1;

		memset(fill, 'x', sizeof(fill));
		ubootenv_init(image, SIZE, forms[f]);
		assert_int_equal(ubootenv_set(image, SIZE, forms[f], "a", "1"), 0);
		memcpy(before, image, SIZE);
		fill[n + 1] = '\0';
		assert_int_equal(ubootenv_set(image, SIZE, forms[f], "f", fill), -ENOSPC);
		assert_int_equal(ubootenv_append(image, SIZE, forms[f], slice_str("f"),
						 slice_str(fill)),
				 -ENOSPC);
		assert_memory_equal(image, before, SIZE);
		fill[n] = '\0';
		assert_int_equal(ubootenv_set(image, SIZE, forms[f], "f", fill), 0);
		memcpy(before, image, SIZE);
		assert_int_equal(ubootenv_set(image, SIZE, forms[f], "a", "12"), -ENOSPC);
		assert_int_equal(ubootenv_set(image, SIZE, forms[f], "b", ""), -ENOSPC);
		assert_memory_equal(image, before, SIZE);
		assert_int_equal(ubootenv_set(image, SIZE, forms[f], "a", "2"), 0);
		ubootenv_seal(image, SIZE, forms[f], 0);
		expect_read(forms[f], "a", "2");
		expect_read(forms[f], "f", fill);
		assert_int_equal(image[SIZE - 1], 0);
		/* Of the room of an entry that goes there is use. */
		assert_int_equal(ubootenv_unset(image, SIZE, forms[f], "a"), 0);
		assert_int_equal(ubootenv_set(image, SIZE, forms[f], "a", "1"), 0);
	}
}

/* libubootenv writes these. */
static void a_change_brings_back_a_missing_empty_string(void **state)
{
	char fill[SIZE] = "f=";

	(void)state;
	memset(fill + 2, 'x', SIZE - UBOOTENV_SINGLE - 7);
	memcpy(fill + SIZE - UBOOTENV_SINGLE - 5, "\0a=1", 5);
	given(UBOOTENV_SINGLE, fill, SIZE - UBOOTENV_SINGLE);
	expect_read(UBOOTENV_SINGLE, "a", "1");
	assert_int_equal(ubootenv_set(image, SIZE, UBOOTENV_SINGLE, "a", "2"), -ENOSPC);
	expect_read(UBOOTENV_SINGLE, "a", "1");
	assert_int_equal(ubootenv_set(image, SIZE, UBOOTENV_SINGLE, "a", ""), 0);
	expect_read(UBOOTENV_SINGLE, "a", "");
	assert_memory_equal(image + SIZE - 4, "a=\0", 4);
}

static void seal_leaves_nothing_behind_the_last_entry(void **state)
{
	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
		GIVEN(forms[f], "a=1\0\0secret=1\0");
		ubootenv_seal(image, SIZE, forms[f], 200);
		assert_int_equal(ubootenv_check(image, SIZE, forms[f]), 0);
		for (size_t i = forms[f] + 4; i < SIZE; i++)
			assert_int_equal(image[i], 0);
		if (forms[f] == UBOOTENV_REDUNDANT)
			assert_int_equal((uint8_t)image[4], 200);
		expect_read(forms[f], "a", "1");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(images_of_mkenvimage_are_read),
		cmocka_unit_test(what_is_made_here_is_what_mkenvimage_makes),
		cmocka_unit_test(check_refuses_sizes_out_of_bounds),
		cmocka_unit_test(check_sees_every_changed_bit),
		cmocka_unit_test(choose_agrees_with_u_boot_for_all_256_flag_values),
		cmocka_unit_test(the_copy_that_replaces_another_is_chosen_from_then_on),
		cmocka_unit_test(next_walks_variables_in_order),
		cmocka_unit_test(an_entry_that_the_image_cuts_off_is_none),
		cmocka_unit_test(of_a_name_that_stands_twice_the_last_counts),
		cmocka_unit_test(a_name_is_matched_whole),
		cmocka_unit_test(a_value_that_does_not_fit_is_refused),
		cmocka_unit_test(set_appends_and_replaces_in_place),
		cmocka_unit_test(set_leaves_one_of_several_and_what_is_no_variable),
		cmocka_unit_test(setting_what_is_there_changes_no_byte),
		cmocka_unit_test(set_takes_each_byte_value),
		cmocka_unit_test(unset_removes_all_of_a_name),
		cmocka_unit_test(append_adds_a_second_of_a_name),
		cmocka_unit_test(names_that_cannot_be_held_are_refused),
		cmocka_unit_test(a_full_image_takes_no_more_and_is_unchanged),
		cmocka_unit_test(a_change_brings_back_a_missing_empty_string),
		cmocka_unit_test(seal_leaves_nothing_behind_the_last_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
