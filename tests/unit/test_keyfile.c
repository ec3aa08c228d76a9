/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Key files of the boot partition: hostos-agents/network/keyfile.c. */
#include "keyfile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

static int check(const char *text, size_t size, struct keyfile_problem *problem)
{
	return keyfile_check(exact(text, size), size, "connection", problem);
}

static void files_of_people_are_taken(void **state)
{
	static const char *const good[] = {
		"[connection]",
		"[connection]\n",
		"# by hand\r\n\r\n[connection]\r\nid=home\r\ntype=wifi\r\n",
		"; x\n[wifi]\nssid=caf\xc3\xa9 \xf0\x9f\x9a\xa2\n\n[connection]\nid = a = b\n\tuuid=\n",
		"[ipv4]\naddress1=192.0.2.1/24,192.0.2.254\nroute1_options=mtu=9\n[connection]\na=[b]\n",
	};
	struct keyfile_problem problem = {99, NULL};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(check(good[i], strlen(good[i]), &problem), 0);
	assert_int_equal(problem.line, 99);
}

static void each_refusal_names_its_line(void **state)
{
#define BAD(text, line)                      \
	{                                    \
		text, sizeof(text) - 1, line \
	}
	static const struct {
		const char *text;
		size_t size;
		unsigned line;
	} bad[] = {
		BAD("", 0),
		BAD("\n\n", 0),
		BAD("[wifi]\nssid=x\n", 0),
		BAD("[connection2]\n", 0),
		BAD("id=x\n[connection]\n", 1),
		BAD("[connection]\nid\n", 2),
		BAD("[connection]\n=x\n", 2),
		BAD("[connection]\nid=x\n[wifi\n", 3),
		BAD("[connection]\n[]\n", 2),
		BAD("[connection]\n[a]b]\n", 2),
		BAD("[connection]\n[a[b]\n", 2),
		BAD("[connection]\nid=x\0y\n", 2),
		BAD("[connection]\nid=x\033[2J\n", 2),
		BAD("[connection]\nid=x\ry=z\n", 2),
		BAD("[connection]\nid=\xff\n", 2),
		BAD("[connection]\nid=x\n\r", 3),
		BAD("\xef\xbb\xbf[connection]\n", 1),
		BAD("{\"connection\": 1}", 1),
	};
	struct keyfile_problem problem;
	char *large = malloc(KEYFILE_MAX + 1);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		problem = (struct keyfile_problem){99, NULL};
		assert_int_equal(check(bad[i].text, bad[i].size, &problem), -EBADMSG);
		assert_int_equal(problem.line, bad[i].line);
		assert_non_null(problem.words);
	}
	assert_non_null(large);
	memset(large, '\n', KEYFILE_MAX + 1);
	memcpy(large, "[connection]", 12);
	assert_int_equal(keyfile_check(large, KEYFILE_MAX, "connection", &problem), 0);
	assert_int_equal(keyfile_check(large, KEYFILE_MAX + 1, "connection", &problem), -EFBIG);
	free(large);
}

static void an_escaped_value_is_one_line(void **state)
{
	char buf[32];

	(void)state;
	assert_int_equal(keyfile_escape("plain value", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "plain value");
	assert_int_equal(keyfile_escape(" a\\\n\r\tb ", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "\\sa\\\\\\n\\r\\tb\\s");
	assert_int_equal(keyfile_escape("", buf, 1), 0);
	assert_string_equal(buf, "");
	assert_int_equal(keyfile_escape("\n\n", buf, 5), 0);
	assert_int_equal(keyfile_escape("\n\n", buf, 4), -ENOBUFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_of_people_are_taken),
		cmocka_unit_test(each_refusal_names_its_line),
		cmocka_unit_test(an_escaped_value_is_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
