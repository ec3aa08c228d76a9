/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The saved time as text: what the clock was when it was last saved, and the floors. Lines `time=`,
 * `proven=`, `synced=` (milliseconds since 1970 or "none") behind a first line `tugboot-time 1`,
 * and `crc32=` of all before it, which tells a torn file. The text is hostile. No I/O.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "timepolicy.h"

#define SAVEDTIME_MAX 256 /* bytes; more is no such file */

struct savedtime {
	int64_t time;		/* TIME_NONE: never saved */
	int64_t proven, synced; /* as in struct time_floors */
};

#define SAVEDTIME_NONE ((struct savedtime){TIME_NONE, TIME_NONE, TIME_NONE})

/* -EBADMSG for anything else than what savedtime_format() makes. */
int savedtime_parse(const char *text, size_t size, struct savedtime *ret_saved);

/* Its size, without the NUL behind it. */
size_t savedtime_format(const struct savedtime *saved, char buf[static SAVEDTIME_MAX]);
