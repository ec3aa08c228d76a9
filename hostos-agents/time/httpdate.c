/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dates: see httpdate.h. Trusts nothing that it is given. */
#include "httpdate.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define YEAR_FIRST 1970
#define YEAR_LAST 2199

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A number of exactly n digits. */
static bool digits(const char *text, size_t n, int *ret_number)
{
	int number = 0;

	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (text[i] - '0');
	}
	*ret_number = number;
	return true;
}

/* Which of the names of three letters each it is. */
static bool name_of_three(const char *text, const char *names, int *ret_index)
{
	for (int i = 0; names[i * 3]; i++) {
		if (memcmp(text, names + i * 3, 3) != 0)
			continue;
		*ret_index = i;
		return true;
	}
	return false;
}

/* Is there such a moment? A second of 60 counts as the next one. */
static int moment(struct tm *tm, int64_t *ret_seconds)
{
	struct tm given = *tm;
	time_t t;

	if (tm->tm_year < YEAR_FIRST - 1900 || tm->tm_year > YEAR_LAST - 1900 || tm->tm_hour > 23 ||
	    tm->tm_min > 59 || tm->tm_sec > 60)
		return -EBADMSG;
	t = timegm(tm);
	/* timegm() makes 1 March of 30 February. */
	if (given.tm_sec < 60 && (tm->tm_mday != given.tm_mday || tm->tm_mon != given.tm_mon))
		return -EBADMSG;
	if (given.tm_sec == 60) {
		struct tm before = given;

		before.tm_sec = 59;
		(void)timegm(&before);
		if (before.tm_mday != given.tm_mday || before.tm_mon != given.tm_mon)
			return -EBADMSG;
		tm->tm_wday = before.tm_wday;
	}
	*ret_seconds = t;
	return 0;
}

int httpdate_parse(const char *text, size_t size, int64_t *ret_seconds)
{
	struct tm tm = {0};
	int64_t seconds;
	int weekday, r;

	while (size > 0 && is_blank(text[0])) {
		text++;
		size--;
	}
	while (size > 0 && is_blank(text[size - 1]))
		size--;
	if (size != 29 || text[3] != ',' || text[4] != ' ' || text[7] != ' ' || text[11] != ' ' ||
	    text[16] != ' ' || text[19] != ':' || text[22] != ':' ||
	    memcmp(text + 25, " GMT", 4) != 0)
		return -EBADMSG;
	if (!name_of_three(text, "SunMonTueWedThuFriSat", &weekday) ||
	    !digits(text + 5, 2, &tm.tm_mday) ||
	    !name_of_three(text + 8, "JanFebMarAprMayJunJulAugSepOctNovDec", &tm.tm_mon) ||
	    !digits(text + 12, 4, &tm.tm_year) || !digits(text + 17, 2, &tm.tm_hour) ||
	    !digits(text + 20, 2, &tm.tm_min) || !digits(text + 23, 2, &tm.tm_sec))
		return -EBADMSG;
	tm.tm_year -= 1900;
	r = moment(&tm, &seconds);
	if (r < 0)
		return r;
	if (tm.tm_wday != weekday)
		return -EBADMSG;
	*ret_seconds = seconds;
	return 0;
}

int timestamp_parse(const char *text, size_t size, int64_t *ret_seconds)
{
	struct tm tm = {0};

	if (size == 15 && text[14] == '\n')
		size--;
	if (size != 14 || !digits(text, 4, &tm.tm_year) || !digits(text + 4, 2, &tm.tm_mon) ||
	    !digits(text + 6, 2, &tm.tm_mday) || !digits(text + 8, 2, &tm.tm_hour) ||
	    !digits(text + 10, 2, &tm.tm_min) || !digits(text + 12, 2, &tm.tm_sec))
		return -EBADMSG;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	if (tm.tm_mon < 0 || tm.tm_mon > 11)
		return -EBADMSG;
	return moment(&tm, ret_seconds);
}
