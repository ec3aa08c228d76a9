/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The saved time as text: see savedtime.h. Trusts nothing that it parses. */
#include "savedtime.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "macro.h"

#define HEAD "tugboot-time 1\n"
#define SUM "crc32="

static unsigned long checksum(const char *text, size_t size)
{
	return crc32(0, (const Bytef *)text, (uInt)size);
}

/* Takes a constant piece off the front. */
static bool take(const char **text, const char *end, const char *piece)
{
	size_t n = strlen(piece);

	if ((size_t)(end - *text) < n || memcmp(*text, piece, n) != 0)
		return false;
	*text += n;
	return true;
}

/* `NAME=NUMBER` and a newline: at most 15 digits, up to TIME_LAST_MS. */
static bool take_time(const char **text, const char *end, const char *name, int64_t *ret_time)
{
	int64_t time = 0;
	int n = 0;

	if (!take(text, end, name) || !take(text, end, "="))
		return false;
	if (take(text, end, "none\n")) {
		*ret_time = TIME_NONE;
		return true;
	}
	for (; *text < end && **text >= '0' && **text <= '9' && n < 15; n++)
		time = time * 10 + (*(*text)++ - '0');
	if (n == 0 || time > TIME_LAST_MS || !take(text, end, "\n"))
		return false;
	*ret_time = time;
	return true;
}

int savedtime_parse(const char *text, size_t size, struct savedtime *ret_saved)
{
	const char *at = text, *end = text + size, *sum;
	struct savedtime saved;
	char expected[32];

	if (size == 0 || size >= SAVEDTIME_MAX)
		return -EBADMSG;
	if (!take(&at, end, HEAD) || !take_time(&at, end, "time", &saved.time) ||
	    !take_time(&at, end, "proven", &saved.proven) ||
	    !take_time(&at, end, "synced", &saved.synced))
		return -EBADMSG;
	sum = at;
	(void)snprintf(expected, sizeof(expected), SUM "%08lx\n",
		       checksum(text, (size_t)(sum - text)));
	if (!take(&at, end, expected) || at != end)
		return -EBADMSG;
	*ret_saved = saved;
	return 0;
}

static size_t put_time(char *buf, size_t len, const char *name, int64_t time)
{
	int n;

	if (time < 0)
		n = snprintf(buf + len, SAVEDTIME_MAX - len, "%s=none\n", name);
	else
		n = snprintf(buf + len, SAVEDTIME_MAX - len, "%s=%" PRId64 "\n", name,
			     time < TIME_LAST_MS ? time : (int64_t)TIME_LAST_MS);
	return len + (size_t)n; /* three of these are less than 100 bytes */
}

size_t savedtime_format(const struct savedtime *saved, char buf[static SAVEDTIME_MAX])
{
	size_t len = sizeof(HEAD) - 1;

	memcpy(buf, HEAD, len);
	len = put_time(buf, len, "time", saved->time);
	len = put_time(buf, len, "proven", saved->proven);
	len = put_time(buf, len, "synced", saved->synced);
	len += (size_t)snprintf(buf + len, SAVEDTIME_MAX - len, SUM "%08lx\n", checksum(buf, len));
	return len;
}
