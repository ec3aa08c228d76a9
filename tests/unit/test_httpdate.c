/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dates: hostos-agents/time/httpdate.c. */
#include "httpdate.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

static int64_t date(const char *text)
{
	int64_t seconds = -1;
	int r = httpdate_parse(exact(text, strlen(text)), strlen(text), &seconds);

	if (r == 0)
		return seconds;
	assert_int_equal(r, -EBADMSG);
	assert_int_equal(seconds, -1);
	return -1;
}

static int64_t timestamp(const char *text)
{
	int64_t seconds = -1;
	int r = timestamp_parse(exact(text, strlen(text)), strlen(text), &seconds);

	if (r == 0)
		return seconds;
	assert_int_equal(r, -EBADMSG);
	assert_int_equal(seconds, -1);
	return -1;
}

static void the_example_of_rfc_9110_is_what_it_is(void **state)
{
	(void)state;
	assert_int_equal(date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
	assert_int_equal(date(" \tSun, 06 Nov 1994 08:49:37 GMT \r\n"), 784111777);
}

static void every_day_is_read_as_it_was_written(void **state)
{
	(void)state;
	for (time_t day = 0; day < 7258118400; day += 86400 - 1) {
		char text[64];
		struct tm tm;

		assert_non_null(gmtime_r(&day, &tm));
		assert_int_equal(strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm),
				 29);
		assert_int_equal(date(text), day);
		assert_int_equal(strftime(text, sizeof(text), "%Y%m%d%H%M%S", &tm), 14);
		assert_int_equal(timestamp(text), day);
	}
}

static void other_forms_and_dates_that_are_not_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"tomorrow",
		"Mon, 06 Nov 1994 08:49:37 GMT",
		"Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37 +0000",
		"Sun, 06 nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
		"Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1994 08:60:00 GMT",
		"Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, 31 Nov 1994 08:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Wed, 31 Dec 1969 23:59:59 GMT",
		"Wed, 01 Jan 2200 00:00:00 GMT",
		"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov -994 08:49:37 GMT",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (date(bad[i]) != -1)
			fail_msg("accepted: %s", bad[i]);
}

static void a_leap_second_is_the_second_after(void **state)
{
	(void)state;
	assert_int_equal(date("Sat, 31 Dec 2016 23:59:60 GMT"), 1483228800);
	assert_int_equal(date("Sat, 31 Dec 2016 23:59:59 GMT"), 1483228799);
	assert_int_equal(date("Sun, 31 Feb 2016 23:59:60 GMT"), -1);
}

static void a_timestamp_has_fourteen_digits_and_one_newline_at_most(void **state)
{
	static const char *const bad[] = {
		"",
		"2026090100000",
		"202609010000000",
		"20260901000000\n\n",
		"20261301000000",
		"20260001000000",
		"20260931000000",
		"20260901240000",
		"2026090100000a",
		"-0260901000000",
		" 20260901000000",
		"19691231235959",
		"22000101000000",
		"20260901000000 ",
		"tomorrow",
	};

	(void)state;
	assert_int_equal(timestamp("20260901000000"), 1788220800);
	assert_int_equal(timestamp("20260901000000\n"), 1788220800);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (timestamp(bad[i]) != -1)
			fail_msg("accepted: %s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_rfc_9110_is_what_it_is),
		cmocka_unit_test(every_day_is_read_as_it_was_written),
		cmocka_unit_test(other_forms_and_dates_that_are_not_are_refused),
		cmocka_unit_test(a_leap_second_is_the_second_after),
		cmocka_unit_test(a_timestamp_has_fourteen_digits_and_one_newline_at_most),
	};

	return cmocka_run_group_tests_name("httpdate", tests, NULL, NULL);
}
