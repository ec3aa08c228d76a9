/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the running system knows of how it was started, and what the last rollback left: text that
 * the bootloader wrote (command line, environment), taken as hostile all the same.
 */
#pragma once

#include <stdbool.h>

#include "slot.h"

struct running {
	bool by_tugboot; /* the command line names a slot; without it nothing below counts */
	char slot;	 /* 'A', 'B' or 'R' (recovery) */
	enum slot_reason reason; /* SLOT_REASON_NONE when it says none that we know */
	unsigned used, allowed;	 /* tries; 0 when not said */
	enum slot_cause cause;	 /* SLOT_CAUSE_NONE when not said */
	enum slot_last last;	 /* SLOT_LAST_UNKNOWN when not said */
};

/* Reads a kernel command line (tugboot.slot=, .reason=, .tries=, .cause=, .last=). */
struct running running_parse(const char *cmdline);

/* The same for the running kernel; 0 or a negative errno, *ret_running untouched then. */
int running_read(struct running *ret_running);

/* ENV_ROLLBACK, decoded. */
struct rollback {
	char slot; /* that was given up */
	enum slot_cause cause;
	unsigned used; /* tries */
};

/* False for text that is not `<slot>:<cause>:<tries>`. */
bool rollback_parse(const char *text, struct rollback *ret_rollback);
