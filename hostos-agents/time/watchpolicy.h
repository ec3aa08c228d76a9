/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What to do about a chronyd that does not keep the clock: a forced poll first, and when that does
 * not help, a restart. Pure. Times are milliseconds of CLOCK_BOOTTIME.
 *
 * A device without a network is not restarted for it every few minutes: the pauses grow. News of
 * the network ends them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define WATCH_TICK_MS 1000u	    /* between looks while something is expected */
#define WATCH_TICK_LONG_MS 10000u   /* and when that takes longer than WATCH_EAGER_MS */
#define WATCH_TICK_SYNCED_MS 30000u /* and while all is well */
#define WATCH_POLL_MS 16000u	    /* between forced polls: a burst takes that long */
#define WATCH_HURRY 4u		    /* polls after news, as soon as the one before is over */
#define WATCH_HURRY_MS 1500u
#define WATCH_POLL_MAX_MS 900000u /* at most, after growing */
#define WATCH_RESTART_MS 240000u  /* not synchronised for that long: restart */
#define WATCH_RESTART_MAX_MS 7200000u
#define WATCH_SILENT_MS 15000u /* chronyd does not answer */
#define WATCH_EAGER_MS 600000u /* polls are WATCH_POLL_MS apart for so long */

struct watch {
	uint64_t since;	     /* not synchronised since then; 0: synchronised */
	uint64_t silent;     /* no answer since then; 0: answers */
	uint64_t polled;     /* last forced poll; 0: none since it was synchronised */
	uint64_t poll_pause; /* until the next one */
	unsigned hurry;	     /* so many polls do not wait for that, but for the burst before */
	uint64_t restarted;  /* last restart; 0: none since it was synchronised */
	uint64_t restart_pause;
};

struct watch_view {
	bool answers;
	bool bursting;	  /* it is asking its sources already, and takes no other order to */
	bool synced;	  /* chronyd follows a source that can still be reached */
	unsigned sources; /* configured, of those whose names are known; with unresolved ones */
};

enum watch_action {
	WATCH_NOTHING,
	WATCH_POLL,
	WATCH_RESTART,
};

/* Once a tick; *ret_tick_ms is when to look again. */
enum watch_action watch_decide(struct watch *watch, const struct watch_view *view, uint64_t now,
			       unsigned *ret_tick_ms);

/* The network has changed, or the clock was set: poll at once, without long pauses. */
void watch_news(struct watch *watch, uint64_t now);

#define HTTPS_PAUSE_MS 2000u /* after the first failure; doubled after each */
#define HTTPS_PAUSE_EAGER_MS \
	16000u /* at most, while nothing keeps the clock, for HTTPS_EAGER_MS \
				     */
#define HTTPS_EAGER_MS 1800000u
#define HTTPS_PAUSE_MAX_MS 3600000u /* at most, later */
#define HTTPS_RUN_MAX_MS 40000u	    /* an attempt that says nothing for so long has failed */

/* Attempts at HTTPS time: until one succeeds, once a boot. */
struct https_watch {
	bool done;
	uint64_t started; /* an attempt is under way since then; 0: none */
	uint64_t due;	  /* when the next one may start */
	uint64_t pause;
	uint64_t since; /* of the first attempt, or the last news; 0: none */
};

/* Is an attempt to be started now? It counts as started then. */
bool https_decide(struct https_watch *https, uint64_t now);
/* When to look again for its sake. */
unsigned https_tick(const struct https_watch *https, uint64_t now);
/* How the attempt has ended. synced: NTP keeps the clock, so there is no hurry. */
void https_ended(struct https_watch *https, bool ok, bool synced, uint64_t now);
/* The network has changed, or the settings: soon, and without long pauses. */
void https_news(struct https_watch *https, uint64_t now);
