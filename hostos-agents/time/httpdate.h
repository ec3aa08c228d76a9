/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dates as people and programs write them: HTTP's Date (RFC 9110, 5.6.7), and /etc/timestamp. The
 * text is hostile. No I/O. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The preferred form alone, as "Sun, 06 Nov 1994 08:49:37 GMT", blanks round it allowed; a wrong
 * weekday is refused. Seconds since 1970; a leap second is the second after. -EBADMSG. */
int httpdate_parse(const char *text, size_t size, int64_t *ret_seconds);

/* YYYYMMDDHHMMSS in UTC, as balenaOS and Yocto write /etc/timestamp, with a newline or none behind.
 * Not before 1970, not after 2199. -EBADMSG. */
int timestamp_parse(const char *text, size_t size, int64_t *ret_seconds);
