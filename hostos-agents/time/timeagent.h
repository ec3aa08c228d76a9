/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The resident agent's state, which its files share: timeagent.c is its loop, timeevidence.c judges
 * what chronyd says, timereport.c tells others. */
#pragma once

#include "bus.h"
#include "chronyctl.h"
#include "service.h"
#include "timepolicy.h"
#include "timestore.h"
#include "watchpolicy.h"

/* An unauthenticated step forward of more than that may be somebody's joke: NTP lifts the soft
 * floor only after it has kept the clock for a day since. */
#define TIME_JOKE_MS (3600LL * 1000)
#define TIME_JOKE_OVER_MS (24 * TIME_JOKE_MS)
#define TIME_SAVE_MS (3600LL * 1000)

struct timeagent {
	struct service *service;
	struct bus *bus; /* NULL: none */
	struct service_timer *tick, *news;
	int netlink_fd, set_fd;
	int64_t build;
	struct time_floors floors;
	struct time_anchor anchor;
	/* What the clock read at the last look, and when: so that a step of somebody can be undone.
	 */
	int64_t last_clock, last_boot;
	struct watch watch;
	struct https_watch https;
	bool https_off;
	char https_words[300]; /* off, waiting, ok, or why not */
	int64_t https_ended;   /* CLOCK_BOOTTIME of the attempt that was read last */
	/* What chronyd said at the last look. */
	bool answers, synced;
	struct chrony_view view;
	int view_error;
	int64_t joke_until; /* CLOCK_BOOTTIME; 0: no joke */
	int64_t saved_boot; /* of the last save; 0: none */
	bool saved_synced;
	enum time_kind source;	  /* of the clock */
	enum time_reason refused; /* of the evidence at hand; TIME_LEFT_GOOD: none */
	enum time_kind refused_kind;
	int64_t refused_time;
	unsigned restarts, polls, steps;
	char status[TIMESTORE_STATUS_MAX];
};

/* Undoes what takes the clock below the hard floor or beyond the ceiling, and tells chronyd when
 * the clock was set by somebody. */
void timeagent_guard(struct timeagent *agent);
/* Asks chronyd, and lets it or helps it to set the clock, if what it says is believed. */
void timeagent_evidence(struct timeagent *agent);
/* Saves the time, and floors as far as they are earned. */
void timeagent_save(struct timeagent *agent);
/* Reads what the last attempt at HTTPS time has come to. */
void timeagent_https_result(struct timeagent *agent);
/* Writes the status file, if there is news. */
void timeagent_report(struct timeagent *agent);
