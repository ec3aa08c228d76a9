/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where times are kept: the build time of the root, the saved time in facts.state_dir (which
 * outlives a root), and status files. All of the system's own; the saved time may be torn or
 * forged, which savedtime.h and timepolicy.h deal with.
 */
#pragma once

#include "savedtime.h"

#define TIMESTORE_BUILD "/etc/timestamp"
#define TIMESTORE_NAME "clock"	  /* in the state directory */
#define TIMESTORE_STATUS_MAX 4096 /* bytes of a status file */
#define TIMESTORE_DIR_DEFAULT "/var/lib/tugboot"

/* 2025-01-01. There was no such agent before: images whose files have no date have this one. */
#define TIMESTORE_CODE_MS 1735689600000LL

/*
 * The build time: /etc/timestamp; where there is none, or one that cannot be read (which is
 * logged), the age of /usr/lib/clock-epoch or of /usr/lib/os-release. Not before TIMESTORE_CODE_MS.
 */
int64_t timestore_build(void);

/* facts.state_dir; the default when facts cannot be read. Constant string. */
const char *timestore_dir(void);

/* -ENOENT when never saved; -EBADMSG for a file that is none of ours or was torn. *ret_saved is
 * SAVEDTIME_NONE then. */
int timestore_load(const char *dir, struct savedtime *ret_saved);

enum timestore_how {
	TIMESTORE_GUESS,  /* the time goes on from there at the next start */
	TIMESTORE_SYNCED, /* and NTP has kept it */
	TIMESTORE_PROVEN, /* and it is authenticated */
};

/*
 * Saves a time, and lifts the floors as `how` says; build is of timestore_build(). Atomic and
 * durable; one process at a time, the others wait. A time below the hard floor or beyond the
 * ceiling is not saved: -ERANGE (but one that is proven is, beyond the ceiling).
 */
int timestore_save(const char *dir, int64_t build, int64_t time, enum timestore_how how);

/* The floors as build time and file give them; a file that cannot be used counts as none. */
void timestore_floors(const char *dir, int64_t build, struct time_floors *ret_floors);

/* The authenticated time of this boot, for the other processes of the agent; gone with it. */
void timestore_anchor(struct time_anchor *ret_anchor);
int timestore_anchor_write(const struct time_anchor *anchor);

/* Reads a file of STATUS_DIR. -ENOENT before there is one. */
int timestore_status_read(const char *name, char **ret_text);

/* Replaces STATUS_DIR/name as a whole; not durable. */
int timestore_status_write(const char *name, const char *text);

/* `key=value` of a status or settings text: the value up to the end of its line, in buf. -ENOENT
 * when there is no such key, -EMSGSIZE when it does not fit. */
int timestore_value(const char *text, const char *key, char *buf, size_t size);
