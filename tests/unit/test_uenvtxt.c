/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* U-Boot's text environments: lib/base/uenvtxt.c. */
#include "uenvtxt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

static char text[512];
static size_t size;

static void given(const char *bytes, size_t n)
{
	assert_true(n <= sizeof(text));
	memcpy(text, bytes, n);
	size = n;
}
#define GIVEN(bytes) given(bytes, sizeof(bytes) - 1)

static void expect_text(const char *bytes)
{
	assert_int_equal(size, strlen(bytes));
	assert_memory_equal(text, bytes, size);
}

static void expect_read(const char *name, const char *value)
{
	const char *bytes = exact(text, size);
	char buf[64];

	assert_int_equal(uenvtxt_get(bytes, size, name, buf, sizeof(buf)), strlen(value));
	assert_string_equal(buf, value);
}

static void expect_absent(const char *name)
{
	const char *bytes = exact(text, size);
	char buf[64] = "untouched";

	assert_int_equal(uenvtxt_get(bytes, size, name, buf, sizeof(buf)), -ENOENT);
	assert_string_equal(buf, "untouched");
}

static int set(const char *name, const char *value)
{
	return uenvtxt_set(text, &size, sizeof(text), name, value);
}

static void the_files_of_balena_are_whole_and_read(void **state)
{
	(void)state;
	GIVEN("resin_root_part=2\nupgrade_available=1\n");
	assert_int_equal(uenvtxt_check(text, size), 0);
	expect_read("resin_root_part", "2");
	expect_read("upgrade_available", "1");
	GIVEN("bootcount=1\n\0");
	assert_int_equal(size, 13);
	assert_int_equal(uenvtxt_check(text, size), 0);
	expect_read("bootcount", "1");
	GIVEN("custom_fdt_file=x.dtb\nextra_os_cmdline=quiet a=\"b c\" d\n");
	assert_int_equal(uenvtxt_check(text, size), 0);
	expect_read("extra_os_cmdline", "quiet a=\"b c\" d");
}

static void check_takes_whole_texts_alone(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int result;
	} cases[] = {
#define CASE(bytes, result) {bytes, sizeof(bytes) - 1, result}
		CASE("a=1\n", 0),
		CASE("a=\n", 0),
		CASE("# comment = x\\\n\n \t\n\r\n \t a=1\n", 0),
		CASE("# comment\n", 0),
		CASE("\n", 0),
		CASE("a=1\n\0", 0),
		CASE("a=1\n\0\0\0", 0),
		CASE("a=x\\\ny\n", 0),
		CASE("a=x\\\\\n", 0),
		CASE("a\\=1\nb=2\n", 0),
		CASE("a=1\r\n", 0),
		CASE("", -EUCLEAN),
		CASE("\0", -EUCLEAN),
		CASE("\0a=1\n", -EUCLEAN),
		CASE("a=1", -EUCLEAN),
		CASE("a=1\n# comment", -EUCLEAN),
		CASE("a=1\n ", -EUCLEAN),
		CASE("a=1\\\n", -EUCLEAN),
		CASE("a=1\\", -EUCLEAN),
		CASE("a=1\0\n", -EUCLEAN),
		CASE("a=1\n\0b=2\n", -EUCLEAN),
		CASE("a=1\n\0\0x", -EUCLEAN),
		CASE("word\n", -EUCLEAN),
		CASE("\r\r\n", -EUCLEAN),
		CASE("=1\n", -EUCLEAN),
		CASE(" =1\n", -EUCLEAN),
		CASE("\xff\xff\xff\xff", -EUCLEAN),
#undef CASE
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(uenvtxt_check(exact(cases[i].bytes, cases[i].n), cases[i].n),
				 cases[i].result);
}

static void next_walks_variables_in_order(void **state)
{
	static const char *const expected[][2] = {
		{"a", "1"}, {"b", ""}, {"c ", " x=y "}, {"a", "2"}};
	struct uenvtxt_var var;
	size_t pos = 0;

	(void)state;
	GIVEN("a=1\n# z=2\nwords\n\n=no name\n \tb=\nc = x=y \na=2\ncut=off");
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_true(uenvtxt_next(text, size, &pos, &var));
		assert_true(slice_is(var.name, expected[i][0]));
		assert_true(slice_is(var.value, expected[i][1]));
	}
	assert_false(uenvtxt_next(text, size, &pos, &var));
	assert_false(uenvtxt_next(text, size, &pos, &var));
}

static void nothing_is_read_from_no_bytes(void **state)
{
	char buf[4];

	(void)state;
	assert_int_equal(uenvtxt_get("", 0, "a", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(uenvtxt_get(NULL, 0, "a", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(uenvtxt_check(NULL, 0), -EUCLEAN);
}

static void what_stands_behind_a_nul_is_not_read(void **state)
{
	(void)state;
	GIVEN("a=1\n\0b=2\n");
	expect_read("a", "1");
	expect_absent("b");
	GIVEN("a=1\nb=2\0\nc=3\n");
	expect_absent("b");
	expect_absent("c");
}

static void an_escape_takes_the_next_byte_of_a_value(void **state)
{
	(void)state;
	GIVEN("a=x\\\ny\\\\z\\q\\=\nb=2\n");
	expect_read("a", "x\ny\\zq=");
	expect_read("b", "2");
	/* In a name and in a comment it is a byte. */
	GIVEN("# c\\\na\\=1\\\n2\nb\\\n=3\n");
	expect_read("a\\", "1\n2");
	expect_absent("b\\\n");
}

static void of_a_name_that_stands_twice_the_last_counts(void **state)
{
	(void)state;
	GIVEN("a=1\nb=2\n  a=3\n");
	expect_read("a", "3");
}

static void a_value_that_does_not_fit_is_refused(void **state)
{
	char buf[4] = "old";

	(void)state;
	GIVEN("a=1234\nb=\\\\\\\\\\\\\n");
	assert_int_equal(uenvtxt_get(text, size, "a", buf, sizeof(buf)), -ENOBUFS);
	assert_string_equal(buf, "old");
	/* Six bytes in the text, three without their escapes. */
	assert_int_equal(uenvtxt_get(text, size, "b", buf, sizeof(buf)), 3);
	assert_string_equal(buf, "\\\\\\");
}

static void set_appends_and_replaces_in_place(void **state)
{
	(void)state;
	size = 0;
	assert_int_equal(set("a", "1"), 0);
	assert_int_equal(set("b", "2"), 0);
	expect_text("a=1\nb=2\n");
	assert_int_equal(set("a", "longer"), 0);
	expect_text("a=longer\nb=2\n");
	assert_int_equal(set("a", ""), 0);
	expect_text("a=\nb=2\n");
	assert_int_equal(set("a", "x\\y\nz"), 0);
	expect_text("a=x\\\\y\\\nz\nb=2\n");
	expect_read("a", "x\\y\nz");
	assert_int_equal(uenvtxt_check(text, size), 0);
}

static void set_keeps_other_lines_as_they_are(void **state)
{
	(void)state;
	GIVEN("# note \\\n\nwords\n \ta=1\n b =x\\y\r\n# a=2\na=3\n");
	assert_int_equal(set("a", "5"), 0);
	expect_text("# note \\\n\nwords\na=5\n b =x\\y\r\n# a=2\n");
	assert_int_equal(set("a", NULL), 0);
	expect_text("# note \\\n\nwords\n b =x\\y\r\n# a=2\n");
	assert_int_equal(set("a", NULL), 0);
	expect_text("# note \\\n\nwords\n b =x\\y\r\n# a=2\n");
}

static void set_drops_what_is_cut_off_and_what_follows_a_nul(void **state)
{
	(void)state;
	GIVEN("bootcount=1\n\0");
	assert_int_equal(set("bootcount", "2"), 0);
	expect_text("bootcount=2\n");
	GIVEN("a=1\nb=2");
	assert_int_equal(set("a", NULL), 0);
	expect_text("");
	GIVEN("a=1\nb=2\0\nc=3\n");
	assert_int_equal(set("b", "4"), 0);
	expect_text("a=1\nb=4\n");
}

static void set_reads_back_each_byte_value(void **state)
{
	char value[2] = "";

	(void)state;
	for (unsigned c = 1; c < 256; c++) {
		value[0] = (char)c;
		size = 0;
		assert_int_equal(set("a", value), 0);
		expect_read("a", value);
		assert_int_equal(uenvtxt_check(text, size), 0);
		if (!uenvtxt_name_valid(value)) {
			assert_non_null(strchr("=\n# \t", (int)c));
			assert_int_equal(set(value, "x"), -EINVAL);
			continue;
		}
		assert_int_equal(set(value, "x"), 0);
		expect_read(value, "x");
		assert_int_equal(uenvtxt_check(text, size), 0);
	}
}

static void names_that_cannot_be_held_are_refused(void **state)
{
	static const char *const bad[] = {"", "a=b", "a\nb", "#a", " a", "\ta", "="};
	static const char *const good[] = {"a", "a#", "a b ", "a\\", "\\", "\xc3\xa9"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		GIVEN("x=1\n");
		assert_false(uenvtxt_name_valid(bad[i]));
		assert_int_equal(set(bad[i], "1"), -EINVAL);
		assert_int_equal(set(bad[i], NULL), -EINVAL);
		expect_text("x=1\n");
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		size = 0;
		assert_true(uenvtxt_name_valid(good[i]));
		assert_int_equal(set(good[i], "1"), 0);
		expect_read(good[i], "1");
	}
}

static void what_does_not_fit_leaves_the_text(void **state)
{
	(void)state;
	GIVEN("a=1\nb=2\n");
	assert_int_equal(uenvtxt_set(text, &size, 12, "c", "34"), -ENOSPC);
	assert_int_equal(uenvtxt_set(text, &size, 12, "a", "123456"), -ENOSPC);
	/* One byte too many through an escape. */
	assert_int_equal(uenvtxt_set(text, &size, 12, "c", "\\"), -ENOSPC);
	assert_int_equal(uenvtxt_set(text, &size, 8, "c", ""), -ENOSPC);
	expect_text("a=1\nb=2\n");
	assert_int_equal(uenvtxt_set(text, &size, 12, "c", "3"), 0);
	expect_text("a=1\nb=2\nc=3\n");
	/* The room of the lines that go counts. */
	GIVEN("a=1\na=2\na=3\n");
	assert_int_equal(uenvtxt_set(text, &size, 12, "a", "123456789"), 0);
	expect_text("a=123456789\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_files_of_balena_are_whole_and_read),
		cmocka_unit_test(check_takes_whole_texts_alone),
		cmocka_unit_test(next_walks_variables_in_order),
		cmocka_unit_test(nothing_is_read_from_no_bytes),
		cmocka_unit_test(what_stands_behind_a_nul_is_not_read),
		cmocka_unit_test(an_escape_takes_the_next_byte_of_a_value),
		cmocka_unit_test(of_a_name_that_stands_twice_the_last_counts),
		cmocka_unit_test(a_value_that_does_not_fit_is_refused),
		cmocka_unit_test(set_appends_and_replaces_in_place),
		cmocka_unit_test(set_keeps_other_lines_as_they_are),
		cmocka_unit_test(set_drops_what_is_cut_off_and_what_follows_a_nul),
		cmocka_unit_test(set_reads_back_each_byte_value),
		cmocka_unit_test(names_that_cannot_be_held_are_refused),
		cmocka_unit_test(what_does_not_fit_leaves_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
