/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which answers of a web server are believed: hostos-agents/time/httpstime.c, without a network.
 * What libcurl and OpenSSL do is tested in a guest. */
#include "httpstime.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

static void only_the_expected_answer_is_one(void **state)
{
	(void)state;
	assert_int_equal(httpstime_judge_answer(204, NULL, "", 0), 0);
	assert_int_equal(httpstime_judge_answer(204, "", "", 0), 0);
	for (long status = 0; status < 1000; status++)
		if (status != 204)
			assert_int_equal(httpstime_judge_answer(status, NULL, "", 0), -EPROTO);
	assert_int_equal(httpstime_judge_answer(200, "online", exact("online", 6), 6), 0);
	assert_int_equal(httpstime_judge_answer(200, "online", exact("online\n", 7), 7), 0);
	assert_int_equal(httpstime_judge_answer(200, "online", exact("onlin", 5), 5), -EPROTO);
	assert_int_equal(httpstime_judge_answer(200, "online", exact("Online", 6), 6), -EPROTO);
	assert_int_equal(httpstime_judge_answer(204, "online", exact("", 0), 0), -EPROTO);
	assert_int_equal(httpstime_judge_answer(302, "online", exact("online", 6), 6), -EPROTO);
}

static int64_t date_of(const char *const *lines)
{
	int64_t date = 0;

	for (; *lines; lines++)
		httpstime_header(exact(*lines, strlen(*lines)), strlen(*lines), &date);
	return date;
}

static void the_date_is_of_the_last_answer(void **state)
{
	static const char *const one[] = {"HTTP/1.1 204 No Content\r\n",
					  "DATE: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "\r\n", NULL};
	static const char *const proxy[] = {"HTTP/1.1 200 Connection established\r\n",
					    "Date: Thu, 01 Jan 2099 00:00:00 GMT\r\n",
					    "\r\n",
					    "HTTP/1.1 204 No Content\r\n",
					    "\r\n",
					    NULL};
	static const char *const other[] = {"HTTP/1.1 204 No Content\r\n",
					    "Dates: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
					    "X-Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
					    "Date : Sun, 06 Nov 1994 08:49:37 GMT\r\n", NULL};
	static const char *const bad[] = {"HTTP/1.1 204 No Content\r\n", "Date: tomorrow\r\n",
					  NULL};
	static const char *const two[] = {"HTTP/1.1 204 No Content\r\n",
					  "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
					  "Date: tomorrow\r\n", NULL};

	(void)state;
	assert_int_equal(date_of(one), 784111777);
	assert_int_equal(date_of(proxy), 0);
	assert_int_equal(date_of(other), 0);
	assert_int_equal(date_of(bad), -1);
	assert_int_equal(date_of(two), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_expected_answer_is_one),
		cmocka_unit_test(the_date_is_of_the_last_answer),
	};

	return cmocka_run_group_tests_name("httpstime", tests, NULL, NULL);
}
