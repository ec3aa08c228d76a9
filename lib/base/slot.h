/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The slot policy: which root to start, why, and what to write first. A pure function of the
 * environment and of what was found, so that tests/unit/test_slot.c can walk every state.
 *
 * The bootloader calls slot_decide() and tries that slot. When the slot turns out to have no kernel
 * that can be started, it notes that in `found` and asks again; that costs no reset. The edits of a
 * decision are written, durably and in one write, after the kernel is loaded and before it starts.
 * When that write fails the bootloader sets found.read_only and asks again.
 *
 * P is the slot that resin_root_part names (A when it names none), O the other one. "usable": its
 * partition is there, nothing has refused it in this boot, and it is not doubtful. A slot is
 * doubtful when tugboot_bad names it or its version is below tugboot_floor. (When P has used up its
 * tries, or failed too often, an O that tugboot_bad names is better than that: it is put on trial
 * instead of committed, and tugboot_bad names P.)
 *
 *   upgrade_  tries   environment  P       O       start     reason    writes
 *   available left    writable     usable  usable
 *   --------- ------- ------------ ------- ------- --------- --------- ----------------------------
 *   0         -       -            yes     -       P         normal    nothing
 *   0         -       -            no      yes     O         fallback  nothing
 *   0         -       yes          bad     yes     O         rollback  O on trial, count 0, cause
 *   1         yes     yes          yes     -       P         trial     count + 1
 *   1         yes     no           yes     yes     O         fallback  nothing: P may not be counted
 *   1         yes     no           yes     no      P         fallback  nothing: it is the only root
 *   1         no      yes          -       yes     O         rollback  O committed, count 0, cause
 *   1         no      no           -       yes     O         rollback  nothing: the same next time
 *   1         no      -            yes     no      P         fallback  nothing: it is the only root
 *   1         yes     yes          no      yes     O         rollback  O committed, count 0, cause
 *   1         yes     no           no      yes     O         fallback  nothing
 *   -         -       -            no      no      recovery  recovery  nothing; when there is one
 *   -         -       -            no      no      doubtful  fallback  nothing; P before O, one
 *                                                                      below the floor last
 *   -         -       -            no      no      nothing   none      back-off + 1, then reboot
 *
 * How the last start ended (found.last) moves the counters, in the same write:
 *
 *   clean, power-cut  A try that ended so is spared: the one that starts now takes its number, and
 *                     `spared` is counted instead. After ENV_SPARED_MAX of them in a row tries
 *                     count again, so that a trial ends in any case.
 *   watchdog, panic   A committed root has failed. It is started again, and the failure counted,
 *                     until it has failed as often as a trial may; then O is put on trial in its
 *                     place, with cause `failed`: nobody knows whether it is better. Failures
 *                     more than a day apart do not add up, and a root that is called good starts
 *                     from 0.
 *   unknown           Nothing: a try counts, a committed root is taken to have come up.
 *
 * With tugboot_count=always a committed root (upgrade_available 0) is counted as on trial, for
 * hardware that says nothing of a failure:
 *
 *   tries left, writable, P usable                 P         normal    count + 1
 *   none left,  writable, O usable                 O         rollback  O committed, count 1, cause
 *   otherwise as a committed root above.
 *
 * A resin_root_part that names no slot while upgrade_available is 1 counts as a trial of A: whatever
 * is on trial, the count leads to B in the end.
 */
#pragma once

#include <stdbool.h>

#include "env.h"

#define SLOT_COUNT 2

enum slot_reason {
	SLOT_REASON_NONE, /* nothing to start */
	SLOT_REASON_NORMAL,
	SLOT_REASON_TRIAL,
	SLOT_REASON_ROLLBACK,
	SLOT_REASON_FALLBACK,
	SLOT_REASON_RECOVERY,
};

/* What moved the choice away from the slot that the environment names. */
enum slot_cause {
	SLOT_CAUSE_NONE,
	SLOT_CAUSE_TRIES,     /* its tries are used up */
	SLOT_CAUSE_MISSING,   /* it has no partition on this disk */
	SLOT_CAUSE_REFUSED,   /* its kernel is missing or was refused in this boot */
	SLOT_CAUSE_READ_ONLY, /* its try cannot be recorded */
	SLOT_CAUSE_FAILED,    /* committed, it failed as often as a trial may */
	SLOT_CAUSE_BAD,	      /* tugboot_bad names it */
	SLOT_CAUSE_FLOOR,     /* its version is below tugboot_floor */
	SLOT_CAUSE_HEALTH,    /* it came up, and the running system found it not healthy */
	SLOT_CAUSE_COUNT,
};

/* How the system that was started last came to its end, as far as anything tells. */
enum slot_last {
	SLOT_LAST_UNKNOWN,
	SLOT_LAST_CLEAN,    /* its shutdown said so (tugboot_ended) */
	SLOT_LAST_POWER,    /* the power was gone: memory that outlives a reset is empty */
	SLOT_LAST_WATCHDOG, /* the watchdog's status says that it fired */
	SLOT_LAST_PANIC,    /* the kernel left a panic record that nobody has counted yet */
};

struct slot_found {
	struct {
		bool present;
		bool refused;
		bool below_floor;
		unsigned index; /* partition number; 0 when not known */
	} slot[SLOT_COUNT];	/* A, B */
	struct {
		bool present;
		bool refused;
	} recovery;
	bool read_only;			 /* the environment cannot be written, or was not found */
	enum slot_last last;		 /* unknown, power-cut or watchdog */
	char evidence[ENV_EVIDENCE_MAX]; /* name of a panic record, without `:`; empty: none */
	long long now;			 /* Unix time, 0 when the clock is not set */
};

struct slot_decision {
	char slot; /* 'A', 'B', 'R' (recovery) or 0 (nothing) */
	enum slot_reason reason;
	enum slot_cause cause; /* why it is not the slot that the environment names */
	unsigned used;	       /* tries used, with this one */
	unsigned allowed;
	struct env_edits edits; /* to be stored before the slot is started */
};

/* The slot that resin_root_part names; 'A' when it names none, *ret_named says which. */
char slot_named(const struct boot_env *env, const struct slot_found *found, bool *ret_named);

struct slot_decision slot_decide(const struct boot_env *env, const struct slot_found *found);

/* How the last start ended, all that is known taken together. */
enum slot_last slot_last(const struct boot_env *env, const struct slot_found *found);

/* As they stand on the command line and in the log; constant strings. */
const char *slot_reason_name(enum slot_reason reason);
const char *slot_cause_name(enum slot_cause cause);
const char *slot_last_name(enum slot_last last);

/*
 * The edits of what a running system may decide, the same for every agent and updater; each is one
 * write. They name a slot in the form that the environment uses (letter or partition index).
 */
/* Put on trial: root, trial, count 0. */
struct env_edits slot_edits_try(const struct boot_env *env, const struct slot_found *found,
				char slot);
/* Commit the running slot, its trial succeeded. */
struct env_edits slot_edits_good(const struct boot_env *env, const struct slot_found *found,
				 char running);
/* Commit a slot without a trial. */
struct env_edits slot_edits_switch(const struct boot_env *env, const struct slot_found *found,
				   char slot);
/* Call a slot bad: it is not started while another can be. When it is the one that the environment
 * names, the other one is named in its place: committed when it was so before a trial, else on
 * trial. */
struct env_edits slot_edits_bad(const struct boot_env *env, const struct slot_found *found,
				char slot);
/* Go back from the slot that the environment names, as a rollback of the bootloader does, and keep the
 * cause: the other slot is committed when it was so before a trial, else it is put on trial. */
struct env_edits slot_edits_give_up(const struct boot_env *env, const struct slot_found *found,
				    char slot, enum slot_cause cause);
/* A shutdown in good order of a system whose try is open. */
struct env_edits slot_edits_ended(void);

/* Does the end of the running system have to be recorded? Only while its tries are counted. */
bool slot_is_counted(const struct boot_env *env);

static inline unsigned slot_index(char slot)
{
	return slot == 'B' ? 1 : 0;
}

static inline char slot_other(char slot)
{
	return slot == 'B' ? 'A' : 'B';
}
