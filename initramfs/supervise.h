/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PID 1's one child, the bootloader: started, watched while the hardware watchdog is kept quiet, and
 * ended when it outstays the time that it asked for itself (lib/base/progress.h).
 */
#pragma once

#include <stdbool.h>

#include "progress.h"
#include "watchdog.h"

struct child_end {
	bool crashed;		 /* by a signal, an unknown status, or ended for being late */
	enum boot_result result; /* when it did not crash */
	enum progress_step step; /* the last that it told of */
	char slot;		 /* the candidate that it worked on, 0 before the first */
	int last_word;		 /* the exit status that it told of before its end; -1: none */
	unsigned watch_seconds;	 /* what it wants of the watchdog across kexec, 0: stop it */
};

/* What the next run shall not do; text of at most a few slots. */
struct child_args {
	char refused[8];
	bool no_environment;
};

/* Runs the bootloader once. Never takes longer than the deadlines that it asks for, plus a grace. */
struct child_end supervise_run(const struct child_args *args, const struct watchdog *watchdog);

/* Waits, keeping the watchdog quiet. */
void supervise_sleep(unsigned seconds, const struct watchdog *watchdog);

/* Runs an interactive shell when the image carries one (development builds). */
void supervise_shell(const struct watchdog *watchdog);
