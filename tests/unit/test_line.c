/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `KEY VALUE` text: lib/base/line.c. */
#include "line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

#define assert_slice(s, text) assert_true(slice_is(s, text))

static bool valid(const char *data, size_t size)
{
	return line_text_valid(slice_of(exact(data, size), size));
}

static void text_has_no_control_characters(void **state)
{
	(void)state;
	assert_true(valid("", 0));
	assert_true(line_text_valid((struct slice){NULL, 0}));
	assert_true(valid("a\tb\r\nc\n", 7));
	for (int c = 0; c < 256; c++) {
		char text[3] = {'a', (char)c, 'b'};
		bool ok = c == '\t' || c == '\n' || (c >= ' ' && c != 0x7f);

		assert_int_equal(valid(text, sizeof(text)), ok);
	}
}

static void a_carriage_return_stands_only_before_a_newline(void **state)
{
	(void)state;
	assert_true(valid("\r\n", 2));
	assert_false(valid("\r", 1));
	assert_false(valid("\r\r\n", 3));
	assert_false(valid("a\r", 2));
}

static void lines_are_trimmed_and_counted_to_the_end(void **state)
{
	static const char text[] = "one\n\n \t two \t\r\n\r\nlast";
	struct slice t = slice_of(exact(text, sizeof(text) - 1), sizeof(text) - 1), line;
	static const char *const expected[] = {"one", "", "two", "", "last"};
	size_t pos = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_true(line_next(t, &pos, &line));
		assert_slice(line, expected[i]);
	}
	assert_false(line_next(t, &pos, &line));
	assert_int_equal(pos, t.len);
	assert_false(line_next(t, &pos, &line));
}

static void a_line_of_blanks_is_empty(void **state)
{
	struct slice line;
	size_t pos = 0;

	(void)state;
	assert_true(line_next(slice_of(exact(" \t \n", 4), 4), &pos, &line));
	assert_int_equal(line.len, 0);
	pos = 0;
	assert_true(line_next(slice_of(exact("\n", 1), 1), &pos, &line));
	assert_int_equal(line.len, 0);
	pos = 0;
	assert_true(line_next(slice_of(exact("  ", 2), 2), &pos, &line));
	assert_int_equal(line.len, 0);
}

static void a_newline_at_the_end_starts_no_line(void **state)
{
	struct slice line;
	size_t pos = 0;

	(void)state;
	assert_true(line_next(slice_of(exact("a\n", 2), 2), &pos, &line));
	assert_false(line_next(slice_of("a\n", 2), &pos, &line));
	pos = 0;
	assert_false(line_next((struct slice){NULL, 0}, &pos, &line));
}

static void only_a_newline_takes_a_carriage_return_away(void **state)
{
	struct slice line;
	size_t pos = 0;

	(void)state;
	assert_true(line_next(slice_of("a\r", 2), &pos, &line));
	assert_slice(line, "a\r");
}

static void words_are_taken_off_the_front(void **state)
{
	static const char text[] = " \tone two\t three ";
	struct slice rest = slice_of(exact(text, sizeof(text) - 1), sizeof(text) - 1), word;

	(void)state;
	assert_true(line_word(&rest, 0, &word));
	assert_slice(word, "one");
	assert_slice(rest, "two\t three");
	assert_true(line_word(&rest, 0, &word));
	assert_slice(word, "two");
	assert_true(line_word(&rest, 0, &word));
	assert_slice(word, "three");
	assert_int_equal(rest.len, 0);
	assert_false(line_word(&rest, 0, &word));
	assert_slice(word, "three");
}

static void an_extra_separator_is_one_only_when_asked_for(void **state)
{
	struct slice rest = slice_str(",,a,b , c,"), word;

	(void)state;
	for (const char *s = "abc"; *s; s++) {
		assert_true(line_word(&rest, ',', &word));
		assert_int_equal(word.len, 1);
		assert_int_equal(word.data[0], *s);
	}
	assert_false(line_word(&rest, ',', &word));
	rest = slice_str("a,b");
	assert_true(line_word(&rest, 0, &word));
	assert_slice(word, "a,b");
}

static void a_line_splits_into_key_and_value(void **state)
{
	struct slice key, value;

	(void)state;
	assert_true(line_split(slice_str("title \t Debian 13"), &key, &value));
	assert_slice(key, "title");
	assert_slice(value, "Debian 13");
	assert_true(line_split(slice_str("title"), &key, &value));
	assert_int_equal(value.len, 0);
	assert_non_null(value.data);
	assert_true(line_split(slice_str("title #1"), &key, &value));
	assert_slice(value, "#1");
	assert_false(line_split(slice_str("# title x"), &key, &value));
	assert_false(line_split(slice_str("#"), &key, &value));
	assert_false(line_split(slice_str(""), &key, &value));
	assert_false(line_split((struct slice){NULL, 0}, &key, &value));
}

static void case_is_ignored_for_letters_only(void **state)
{
	(void)state;
	assert_true(line_word_is(slice_str("LaBeL"), "label"));
	assert_true(line_word_is(slice_of("labels", 5), "label"));
	assert_true(line_word_is(slice_str("AZ"), "az"));
	assert_true(line_word_is(slice_str("az"), "AZ"));
	assert_true(line_word_is(slice_str("x64"), "X64"));
	assert_false(line_word_is(slice_str("labe"), "label"));
	assert_false(line_word_is(slice_str("labels"), "label"));
	assert_false(line_word_is(slice_str("@"), "`"));
	assert_false(line_word_is(slice_str("["), "{"));
	assert_false(line_word_is((struct slice){NULL, 0}, "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_has_no_control_characters),
		cmocka_unit_test(a_carriage_return_stands_only_before_a_newline),
		cmocka_unit_test(lines_are_trimmed_and_counted_to_the_end),
		cmocka_unit_test(a_line_of_blanks_is_empty),
		cmocka_unit_test(a_newline_at_the_end_starts_no_line),
		cmocka_unit_test(only_a_newline_takes_a_carriage_return_away),
		cmocka_unit_test(words_are_taken_off_the_front),
		cmocka_unit_test(an_extra_separator_is_one_only_when_asked_for),
		cmocka_unit_test(a_line_splits_into_key_and_value),
		cmocka_unit_test(case_is_ignored_for_letters_only),
	};

	return cmocka_run_group_tests_name("line", tests, NULL, NULL);
}
