/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The log: one line an event, `tugboot: <event> key=value …`, on the kernel log and through it on
 * every console (DESIGN.md, section 2, "Log"). Secrets never.
 *
 * Before log_open(), and where there is no /dev/kmsg, lines go to standard error.
 */
#pragma once

#include "macro.h"

enum log_level {
	LOG_ERROR = 3,	/* something was refused or failed; what happens next is said */
	LOG_WARN = 4,	/* done, but not as it should be */
	LOG_EVENT = 5,	/* a step of the journey */
	LOG_DETAIL = 6, /* for the kernel log only, not for the console */
};

/* Sends lines to the kernel log from now on. 0 or a negative errno (lines go to standard error). */
int log_open(void);

/* One line: fmt gives the `key=value …` part, values as they are; log_quote() makes odd ones safe. */
void log_line(enum log_level level, const char *event, const char *fmt, ...) _printf_(3, 4);

#define log_event(event, ...) log_line(LOG_EVENT, event, __VA_ARGS__)
#define log_warn(event, ...) log_line(LOG_WARN, event, __VA_ARGS__)
#define log_detail(event, ...) log_line(LOG_DETAIL, event, __VA_ARGS__)

/* Logs an error and returns r, so that `return log_err(r, …)` reads as one step. */
#define log_err(r, event, ...)                           \
	({                                               \
		int _r = (r);                            \
		log_line(LOG_ERROR, event, __VA_ARGS__); \
		_r;                                      \
	})

/*
 * A value for the log: as it is when it is plain, else in double quotes with '"', '\' and what is
 * not printable ASCII escaped. What does not fit is cut and ends in "...". Returns a thread's own
 * buffer, one of eight used in turn.
 */
const char *log_quote(const char *value);

/* Name of an errno (either sign), as "EIO"; constant string. */
const char *log_errno(int error);
