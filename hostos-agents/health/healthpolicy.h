/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the health agent does in this boot, and when a trial has passed or failed. Pure: computed from
 * what was found, so that tests/unit/test_health.c can cut a run at each of its steps and look where the
 * boots after it end up. health.c does what is said here.
 *
 * One write decides a trial: the one of the boot environment. What tells of it (the files of
 * breadcrumb.h, which are balenaOS's, and the hooks) comes after it, and can be done again; so a cut
 * before that write is a try like any other, counted by the bootloader before it started, and after a
 * cut behind it the next boot finds a breadcrumb that is older than the decision, and completes it:
 *
 *   environment    runs     breadcrumb   rolled back  start       does
 *   -------------- -------- ------------ ------------ ----------- ----------------------------------
 *   on trial       named    -            -            RUN         tests, then keeps or gives up
 *   committed      named    for running  -            FINISH      commit hooks, breadcrumbs away
 *   committed      named    for other    yes          TELL        *-triggered, breadcrumbs away
 *   committed      named    for other    no           CLEAR       breadcrumbs away: it was called off
 *   committed      named    none         this boot    TELL        as above
 *   committed      named    none         -            NOTHING
 *   on trial       other    -            this boot    REPAIR      names the running root, then TELL
 *   committed      other    there        this boot    REPAIR
 *   -              other    -            -            NOTHING     the next boot is somebody's plan
 *
 * "rolled back": the environment keeps the cause of a rollback from that slot, or this very boot was
 * one. A committed root that is passed over for once (fallback) without an update under way stays named.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "running.h"
#include "slot.h"

enum health_start {
	HEALTH_NOTHING,
	HEALTH_RUN,
	HEALTH_FINISH,
	HEALTH_TELL, /* and nothing else */
	HEALTH_CLEAR,
	HEALTH_REPAIR,
};

/* Which of balenaOS's two flags tells of a rollback. */
enum health_way {
	HEALTH_BY_HEALTH,  /* rollback-health-triggered: it came up, and its tests failed */
	HEALTH_BY_ALTBOOT, /* rollback-altboot-triggered: it did not come up far enough */
};

struct health_found {
	struct running running;
	bool readable;	  /* the environment; nothing below counts without */
	bool named_known; /* false: the slot that the environment names cannot be told */
	char named;
	bool trial;
	bool rolled_back; /* the environment keeps a cause */
	struct rollback rollback;
	bool crumbs;	 /* a breadcrumb is there */
	char crumb_slot; /* the slot that it was left for; 0 when it does not say */
	bool again;	 /* not the first run in this boot */
};

struct health_plan {
	enum health_start start;
	bool tell; /* a *-triggered file is written: of a rollback that has not been told of */
	enum health_way way;   /* which one */
	enum slot_cause cause; /* of REPAIR */
	bool confirm; /* a committed root runs: it is confirmed when it is up, as 'slot good' does */
	const char *reason; /* for the log; constant string */
};

struct health_plan health_plan(const struct health_found *found);

/* "nothing", "run", …; constant string. */
const char *health_start_name(enum health_start start);

/* --- The tests of a trial --- */

enum health_outcome {
	HEALTH_PASS,
	HEALTH_WAIT, /* not yet: it may come by itself */
	HEALTH_FAIL,
};

#define HEALTH_TEST_MAX 64
#define HEALTH_WHY_MAX 200
#define HEALTH_BECAUSE_MAX (HEALTH_TEST_MAX + HEALTH_WHY_MAX + 8) /* `TEST: WHY` */

struct health_result {
	char test[HEALTH_TEST_MAX];
	enum health_outcome outcome;
	char why[HEALTH_WHY_MAX]; /* printable; empty for a pass that needs no word */
};

#define HEALTH_RESULTS_MAX 64

struct health_round {
	struct health_result result[HEALTH_RESULTS_MAX];
	size_t n;
};

/* Adds a result; the text is printf-like, cut to fit, and made printable. What does not fit any more
 * counts as a failed test of its own, so that nothing is lost. */
void health_round_add(struct health_round *round, const char *test, enum health_outcome outcome,
		      const char *fmt, ...) _printf_(4, 5);

struct health_times {
	uint64_t settle_ms;   /* a trial passes no earlier than this after its tests began */
	uint64_t interval_ms; /* between two rounds */
	uint64_t timeout_ms;  /* it has failed when it did not pass in this time */
};

enum health_verdict {
	HEALTH_GOES_ON,
	HEALTH_PASSED,
	HEALTH_FAILED,
	HEALTH_LEFT, /* undecided: the count goes on at the next boot */
};

struct health_decision {
	enum health_verdict verdict;
	uint64_t wait_ms; /* with HEALTH_GOES_ON: until the next round, 1 or more */
	char why[HEALTH_BECAUSE_MAX];
};

/*
 * round: the results so far; since_ms: since the tests began; stopping: the system is shutting down;
 * can_go_back: there is another root to go back to; without one a trial cannot fail, only go on.
 */
struct health_decision health_decide(const struct health_round *round, uint64_t since_ms,
				     const struct health_times *times, bool stopping,
				     bool can_go_back);

/* "going-on", "passed", "failed", "left"; constant string. */
const char *health_verdict_name(enum health_verdict verdict);
