/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One member of a JSON text changed, the rest byte for byte as it was: lib/base/jsonedit.c. */
#include "jsonedit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

static struct jsonedit_path path_of(const char *text)
{
	struct jsonedit_path path = {.names = 0};

	for (;;) {
		size_t len = strcspn(text, ".");

		path.name[path.names++] = slice_of(text, len);
		if (text[len] == '\0')
			return path;
		text += len + 1;
	}
}

/* value NULL: removed. */
static int change(const char *json, const char *path, const char *value, char **ret_json)
{
	struct jsonedit_path p = path_of(path);
	struct slice text = slice_of(exact(json, strlen(json)), strlen(json));
	size_t size = 0;
	int r;

	*ret_json = NULL;
	r = value ? jsonedit_set(text, &p, slice_str(value), ret_json, &size)
		  : jsonedit_unset(text, &p, ret_json, &size);
	if (r == 0)
		assert_int_equal(strlen(*ret_json), size);
	else
		assert_null(*ret_json);
	return r;
}

struct one {
	const char *json, *path, *value, *expected;
};

static void expect(const struct one *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *text;
		int r = change(cases[i].json, cases[i].path, cases[i].value, &text);

		if (r < 0 || !streq(text, cases[i].expected))
			fail_msg("%s, %s=%s: %d, %s instead of %s", cases[i].json, cases[i].path,
				 cases[i].value ? cases[i].value : "(none)", r, text,
				 cases[i].expected);
		free(text);
	}
}

static void a_value_is_replaced_in_its_place(void **state)
{
	static const struct one cases[] = {
		{"{\"a\":1}", "a", "2", "{\"a\":2}"},
		{" { \"a\" : 1 , \"b\":2 } \n", "a", "[3]", " { \"a\" : [3] , \"b\":2 } \n"},
		{"{\"a\":\"x,}\\\"\",\"b\":1e5}", "b", "0", "{\"a\":\"x,}\\\"\",\"b\":0}"},
		{"{\"a\":{\"b\":[{\"c\":1}],\"c\":2}}", "a.c", "3",
		 "{\"a\":{\"b\":[{\"c\":1}],\"c\":3}}"},
		{"{\"a\":{\"b\":1}}", "a", "null", "{\"a\":null}"},
		{"{\"n\":123456789012345678901234567890,\"a\":1.50}", "a", "2",
		 "{\"n\":123456789012345678901234567890,\"a\":2}"},
		{"{\"aa\":1,\"a\":2}", "a", "3", "{\"aa\":1,\"a\":3}"},
		{"{\"\":1}", "", "3", "{\"\":3}"},
	};

	(void)state;
	expect(cases, ARRAY_SIZE(cases));
}

static void a_new_member_is_laid_out_as_its_neighbours(void **state)
{
	static const struct one cases[] = {
		{"{}", "a", "1", "{\"a\":1}"},
		{"{}", "a.b.c", "1", "{\"a\":{\"b\":{\"c\":1}}}"},
		{"{\"x\":0}", "a.b", "1", "{\"x\":0,\"a\":{\"b\":1}}"},
		{"{\"x\": 0}", "a.b", "1", "{\"x\": 0,\"a\": {\"b\": 1}}"},
		{"{\n  \"x\": 0\n}\n", "a", "1", "{\n  \"x\": 0,\n  \"a\": 1\n}\n"},
		{"{\n\t\"x\": 0\n}", "a.b", "1",
		 "{\n\t\"x\": 0,\n\t\"a\": {\n\t\t\"b\": 1\n\t}\n}"},
		{"{\n \"a\": {}\n}", "a.b", "1", "{\n \"a\": {\n  \"b\": 1\n }\n}"},
		{"{\n \"a\": null\n}", "a.b", "1", "{\n \"a\": {\n  \"b\": 1\n }\n}"},
		{"{\"a\":null}", "a.b.c", "1", "{\"a\":{\"b\":{\"c\":1}}}"},
		{"{\r\n  \"x\": 0\r\n}", "a.b", "1",
		 "{\r\n  \"x\": 0,\r\n  \"a\": {\r\n    \"b\": 1\r\n  }\r\n}"},
		{"{\n  \"a\": {\n    \"b\": {\n      \"c\": 1\n    }\n  }\n}", "a.b.d.e", "2",
		 "{\n  \"a\": {\n    \"b\": {\n      \"c\": 1,\n      \"d\": {\n        \"e\": 2\n"
		 "      }\n    }\n  }\n}"},
		{"{ \"a\": { } }", "a.b", "1", "{ \"a\": { \"b\": 1 } }"},
	};

	(void)state;
	expect(cases, ARRAY_SIZE(cases));
}

static void a_member_is_removed_with_its_comma(void **state)
{
	static const struct one cases[] = {
		{"{\"a\":1}", "a", NULL, "{}"},
		{"{\"a\":1,\"b\":2}", "a", NULL, "{\"b\":2}"},
		{"{\"a\":1,\"b\":2}", "b", NULL, "{\"a\":1}"},
		{"{\"a\":1,\"b\":2,\"c\":3}", "b", NULL, "{\"a\":1,\"c\":3}"},
		{"{\n  \"a\": 1,\n  \"b\": 2\n}", "a", NULL, "{\n  \"b\": 2\n}"},
		{"{\n  \"a\": 1,\n  \"b\": 2\n}", "b", NULL, "{\n  \"a\": 1\n}"},
		{"{\"a\":{\"b\":1,\"c\":2}}", "a.b", NULL, "{\"a\":{\"c\":2}}"},
		/* With the objects that it leaves empty. */
		{"{\"x\":0,\"a\":{\"b\":{\"c\":1}}}", "a.b.c", NULL, "{\"x\":0}"},
		{"{\"a\":{\"b\":{\"c\":1}}}", "a.b.c", NULL, "{}"},
		{"{\"a\":{\"x\":1,\"b\":{\"c\":1}}}", "a.b.c", NULL, "{\"a\":{\"x\":1}}"},
	};
	char *text;

	(void)state;
	expect(cases, ARRAY_SIZE(cases));
	assert_int_equal(change("{}", "a", NULL, &text), -ENOENT);
	assert_int_equal(change("{\"a\":{}}", "a.b", NULL, &text), -ENOENT);
	assert_int_equal(change("{\"a\":1}", "a.b", NULL, &text), -ENOTDIR);
}

static void what_cannot_be_changed_is_refused(void **state)
{
	static const char *const broken[] = {
		"{",	       "{\"a\"",      "{\"a\":",   "{\"a\":1",	"{\"a\":1,",
		"{\"a\":\"x}", "{\"a\":[",    "{\"a\":{}", "{\"a\" 1}", "{a:1}",
		"{\"a\":}",    "{\"x\":1 2}", "{\"x\":]}", "{\"a\\",
	};
	struct jsonedit_path deep = {.names = JSONEDIT_DEPTH + 1};
	size_t size;
	char *text;

	(void)state;
	assert_int_equal(change("{\"a\":1}", "a.b", "1", &text), -ENOTDIR);
	assert_int_equal(change("{\"a\":[]}", "a.b", "1", &text), -ENOTDIR);
	assert_int_equal(change("[]", "a", "1", &text), -ENOTDIR);
	assert_int_equal(change("", "a", "1", &text), -ENOTDIR);
	assert_int_equal(change("{}", "a\"", "1", &text), -EINVAL);
	assert_int_equal(change("{}", "a\\", "1", &text), -EINVAL);
	assert_int_equal(change("{}", "a\n", NULL, &text), -EINVAL);
	assert_int_equal(jsonedit_set(slice_str("{}"), &deep, slice_str("1"), &text, &size),
			 -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++)
		if (change(broken[i], "a", "1", &text) != -EBADMSG)
			fail_msg("%s", broken[i]);
}

/* Set and removed again is as if nothing had been, where nothing was; at every depth and layout. */
static void what_was_set_can_be_removed_without_a_trace(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"x\":1}",
		"{\n  \"x\": 1\n}\n",
		"{\n\t\"a\": {\n\t\t\"y\": []\n\t}\n}",
		"{ \"a\" : { \"b\" : { \"z\" : \"}\" } } , \"l\" : 5 }",
	};
	static const char *const paths[] = {"k", "a.k", "a.b.k", "k.l.m.n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		for (size_t j = 0; j < ARRAY_SIZE(paths); j++) {
			char *with, *without;

			assert_int_equal(change(texts[i], paths[j], "{\"v\":[1]}", &with), 0);
			assert_int_equal(change(with, paths[j], NULL, &without), 0);
			assert_string_equal(without, texts[i]);
			free(with);
			free(without);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_is_replaced_in_its_place),
		cmocka_unit_test(a_new_member_is_laid_out_as_its_neighbours),
		cmocka_unit_test(a_member_is_removed_with_its_comma),
		cmocka_unit_test(what_cannot_be_changed_is_refused),
		cmocka_unit_test(what_was_set_can_be_removed_without_a_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
