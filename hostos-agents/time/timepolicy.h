/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What time it is: decided from what is at hand and how far each of it is trusted. Pure: no clock
 * is read, none is set.
 *
 * Floors. Nothing sets the clock below the *hard* floor: the later of the build time
 * (/etc/timestamp) and of the latest time that an authenticated source has given. What is not
 * authenticated does not go below the *soft* floor either: the latest time to which NTP has kept
 * this clock. Authenticated time does, and takes the soft floor down with it.
 *
 * Ceiling. What is not authenticated (a saved time, an RTC, NTP, plain HTTP) is not believed more
 * than TIME_AHEAD_MAX_MS after the hard floor: ten years, a device's life on a shelf and in the
 * field without an update, and too little for an RTC at 2099. NTS is under the ceiling as well:
 * chrony checks no certificate dates before its first update. HTTPS is not: its certificates limit
 * it.
 *
 * Anchor. Once an authenticated time is known in this boot, what is not authenticated and says
 * something else than that time and what has passed since is refused.
 *
 * Times are milliseconds since 1970, UTC.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TIME_NONE INT64_MIN /* there is no such time */

#define TIME_YEAR_MS (31556952LL * 1000) /* the Gregorian calendar's mean: 365.2425 days */
#define TIME_AHEAD_MAX_MS (10 * TIME_YEAR_MS)
/* The clock is left alone when it is no further than that from what is believed. */
#define TIME_SLACK_BOOT_MS 2000
#define TIME_SLACK_STEP_MS 1000 /* chrony slews this away in minutes */
/* From the anchor: what HTTPS cannot tell (a second each way and the way there), and a poor crystal
 * (500 ppm, what Linux can correct at most) since. */
#define TIME_ANCHOR_SLACK_MS 10000
#define TIME_ANCHOR_DRIFT_PPM 500
/* Later than that is no time that this program can handle: the year 2200. */
#define TIME_LAST_MS (7258118400LL * 1000)

enum time_kind {
	TIME_KIND_CLOCK, /* the system clock as it was found */
	TIME_KIND_BUILD,
	TIME_KIND_SAVED,
	TIME_KIND_RTC,
	TIME_KIND_HTTP,	 /* http: anybody may have answered */
	TIME_KIND_HTTPS, /* chain, name and dates verified */
	TIME_KIND_NTP,
	TIME_KIND_NTS,
	TIME_KINDS,
};

/* As in messages and files: "rtc", "https"; constant string. */
const char *time_kind_name(enum time_kind kind);
bool time_kind_is_authenticated(enum time_kind kind);

struct time_floors {
	int64_t build;	/* TIME_NONE: there is no /etc/timestamp */
	int64_t proven; /* latest authenticated time; TIME_NONE: never */
	int64_t synced; /* latest time under NTP; TIME_NONE: never */
};

/* An authenticated time of this boot. */
struct time_anchor {
	int64_t time;	 /* TIME_NONE: there is none */
	int64_t boot_ms; /* CLOCK_BOOTTIME then */
};

/* 0 (1970) when nothing is known. */
int64_t time_floor_hard(const struct time_floors *floors);
int64_t time_floor_soft(const struct time_floors *floors);
int64_t time_ceiling(const struct time_floors *floors);

enum time_reason {
	/* Set: */
	TIME_SET_BUILD,	   /* the clock was below the build time */
	TIME_SET_FLOOR,	   /* it was below a floor */
	TIME_SET_SAVED,	   /* the saved time is ahead of it */
	TIME_SET_RTC,	   /* the RTC is */
	TIME_SET_BACK,	   /* it was beyond the ceiling */
	TIME_SET_EVIDENCE, /* a source of time says so */
	/* Left as it is: */
	TIME_LEFT_GOOD, /* it is as it should be */
	/* Refused: */
	TIME_REFUSED_FLOOR,
	TIME_REFUSED_SOFT_FLOOR,
	TIME_REFUSED_CEILING,
	TIME_REFUSED_ANCHOR,
	TIME_REFUSED_UNTRUSTED, /* its kind never sets the clock of a running system */
	TIME_REASONS,
};

/* In words, as "below the build time or an authenticated one"; constant string. */
const char *time_reason_words(enum time_reason reason);

struct time_decision {
	bool set;
	int64_t time; /* to which; with !set as the clock is, or what was refused */
	enum time_reason reason;
};

/* At the start, before there is a network. */
struct time_boot {
	int64_t clock;
	struct time_floors floors;
	int64_t saved; /* TIME_NONE: none that can be believed */
	int64_t rtc;   /* TIME_NONE: no RTC */
};

struct time_boot_decision {
	struct time_decision clock;
	enum time_reason saved, rtc; /* TIME_LEFT_GOOD, or why it was refused */
};

/* The latest of those that are believed. */
void time_decide_boot(const struct time_boot *boot, struct time_boot_decision *ret_decision);

/* Evidence of a time, while the clock reads `clock` and CLOCK_BOOTTIME `boot_ms`. */
void time_judge(const struct time_floors *floors, const struct time_anchor *anchor, int64_t clock,
		int64_t boot_ms, enum time_kind kind, int64_t time, int64_t slack_ms,
		struct time_decision *ret_decision);

/* Is `time` what the anchor comes to at `boot_ms`, as far as can be told? True without an anchor.
 */
bool time_agrees(const struct time_anchor *anchor, int64_t boot_ms, int64_t time);

/* The floors after an authenticated time was believed, or after NTP has kept the clock at `time`.
 */
void time_floors_prove(struct time_floors *floors, int64_t time);
void time_floors_sync(struct time_floors *floors, int64_t time);
