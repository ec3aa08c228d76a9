/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Settings of the health agent: lines of `Key=value`, `#` begins a comment. Read from
 * /usr/lib/tugboot/health.conf.d/, /etc/tugboot/health.conf and /etc/tugboot/health.conf.d/ (files
 * *.conf in the order of their names), a later one over an earlier one. They are of the root under
 * test and taken as hostile: a line that means nothing is passed over and said, and keeps its default.
 *
 *   Units=NAME…        units that must be active; more lines add to it, an empty value forgets all
 *   Settle=SECONDS     a trial passes no earlier than this after the tests began (60)
 *   Interval=SECONDS   between two rounds of tests (10)
 *   Timeout=SECONDS    a trial that did not pass by then has failed (900)
 *   CommandTimeout=SECONDS  for each command of health.d (60)
 *   HookTimeout=SECONDS     for each hook (120)
 *   RebootTimeout=SECONDS   for a reboot in good order; then it is forced (180)
 *   Network=yes|no     compare with what was up before the update (yes)
 *   Engine=auto|no|SOCKET   the container engine (auto)
 *   EngineUnit=NAME    its unit, where it is not the usual one of its socket
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "macro.h"

#define HEALTHCONF_MAX (64 * 1024) /* bytes of a file */
#define HEALTHCONF_UNITS_MAX 24
#define HEALTHCONF_UNIT_MAX 256 /* bytes, systemd's UNIT_NAME_MAX */

enum healthconf_engine { HEALTHCONF_ENGINE_AUTO, HEALTHCONF_ENGINE_NO, HEALTHCONF_ENGINE_SOCKET };

struct healthconf {
	char unit[HEALTHCONF_UNITS_MAX][HEALTHCONF_UNIT_MAX];
	size_t units;
	unsigned settle, interval, timeout; /* seconds, 1 or more; settle may be 0 */
	unsigned command_timeout, hook_timeout, reboot_timeout;
	bool network;
	enum healthconf_engine engine;
	char engine_socket[108]; /* sun_path */
	char engine_unit[HEALTHCONF_UNIT_MAX];
};

struct healthconf healthconf_defaults(void);

/* Told of each line that was passed over: its number, what was expected. */
typedef void healthconf_problem_fn(void *arg, unsigned line, const char *expected);

/* Puts a text over *conf. fn may be NULL. */
void healthconf_parse(const char *text, size_t size, struct healthconf *conf,
		      healthconf_problem_fn *fn, void *arg);

/* The defaults and all files; what is wrong with them is logged. */
void healthconf_load(struct healthconf *ret_conf);

/* Could it be the name of a unit (systemd.unit(5))? */
bool healthconf_unit_valid(const char *name);
