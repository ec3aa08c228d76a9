/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Floors, ceiling and anchor of the clock: see timepolicy.h. */
#include "timepolicy.h"

#include "macro.h"

static const char *const kinds[TIME_KINDS] = {
	[TIME_KIND_CLOCK] = "clock", [TIME_KIND_BUILD] = "build", [TIME_KIND_SAVED] = "saved",
	[TIME_KIND_RTC] = "rtc",     [TIME_KIND_HTTP] = "http",	  [TIME_KIND_HTTPS] = "https",
	[TIME_KIND_NTP] = "ntp",     [TIME_KIND_NTS] = "nts",
};

static const char *const reasons[TIME_REASONS] = {
	[TIME_SET_BUILD] = "the clock was below the build time",
	[TIME_SET_FLOOR] = "the clock was below a time that is known to have passed",
	[TIME_SET_SAVED] = "the saved time is later",
	[TIME_SET_RTC] = "the RTC is later",
	[TIME_SET_BACK] = "the clock was more than ten years beyond its floor",
	[TIME_SET_EVIDENCE] = "a source of time says so",
	[TIME_LEFT_GOOD] = "good as it is",
	[TIME_REFUSED_FLOOR] = "below the build time or an authenticated one",
	[TIME_REFUSED_SOFT_FLOOR] = "not authenticated, and below the time that was kept by NTP",
	[TIME_REFUSED_CEILING] = "more than ten years beyond the floor",
	[TIME_REFUSED_ANCHOR] = "not authenticated, and other than the authenticated time",
	[TIME_REFUSED_UNTRUSTED] = "does not set the clock of a running system",
};

const char *time_kind_name(enum time_kind kind)
{
	return (unsigned)kind < TIME_KINDS ? kinds[kind] : "unknown";
}

bool time_kind_is_authenticated(enum time_kind kind)
{
	return kind == TIME_KIND_HTTPS || kind == TIME_KIND_NTS;
}

const char *time_reason_words(enum time_reason reason)
{
	return (unsigned)reason < TIME_REASONS ? reasons[reason] : "unknown";
}

int64_t time_floor_hard(const struct time_floors *floors)
{
	int64_t known = MAX(floors->build, floors->proven);

	if (known < 0)
		return 0;
	return known < TIME_LAST_MS ? known : TIME_LAST_MS;
}

int64_t time_floor_soft(const struct time_floors *floors)
{
	return MAX(time_floor_hard(floors), floors->synced);
}

int64_t time_ceiling(const struct time_floors *floors)
{
	int64_t ceiling = time_floor_hard(floors) + TIME_AHEAD_MAX_MS;

	return ceiling < TIME_LAST_MS ? ceiling : TIME_LAST_MS;
}

/* Of a time that was kept by nobody but ourselves, or by a battery. */
static enum time_reason judge_guess(const struct time_floors *floors, int64_t time)
{
	if (time < time_floor_hard(floors))
		return TIME_REFUSED_FLOOR;
	if (time > time_ceiling(floors))
		return TIME_REFUSED_CEILING;
	return TIME_LEFT_GOOD;
}

void time_decide_boot(const struct time_boot *boot, struct time_boot_decision *ret_decision)
{
	const struct time_floors *floors = &boot->floors;
	int64_t soft = time_floor_soft(floors), ceiling = time_ceiling(floors);
	struct time_boot_decision d = {
		.saved = judge_guess(floors, boot->saved),
		.rtc = judge_guess(floors, boot->rtc),
	};
	/* A soft floor beyond the ceiling is no better than a saved time there: it was lifted by
	 * somebody who wrote the file. */
	int64_t best = soft > ceiling ? time_floor_hard(floors) : soft;
	enum time_reason why = best == floors->build ? TIME_SET_BUILD : TIME_SET_FLOOR;

	if (d.saved == TIME_LEFT_GOOD && boot->saved > best) {
		best = boot->saved;
		why = TIME_SET_SAVED;
	}
	if (d.rtc == TIME_LEFT_GOOD && boot->rtc > best + TIME_SLACK_BOOT_MS) {
		best = boot->rtc;
		why = TIME_SET_RTC;
	}
	if (boot->clock > ceiling) {
		d.clock = (struct time_decision){true, best, TIME_SET_BACK};
	} else if (boot->clock < best && (boot->clock < soft || why == TIME_SET_SAVED ||
					  boot->clock < best - TIME_SLACK_BOOT_MS)) {
		d.clock = (struct time_decision){true, best, why};
	} else {
		d.clock = (struct time_decision){false, boot->clock, TIME_LEFT_GOOD};
	}
	*ret_decision = d;
}

bool time_agrees(const struct time_anchor *anchor, int64_t boot_ms, int64_t time)
{
	int64_t passed, expected, slack;

	if (anchor->time == TIME_NONE || boot_ms < anchor->boot_ms)
		return true;
	passed = boot_ms - anchor->boot_ms;
	expected = anchor->time + passed;
	slack = TIME_ANCHOR_SLACK_MS + passed / (1000000 / TIME_ANCHOR_DRIFT_PPM);
	return time >= expected - slack && time <= expected + slack;
}

static enum time_reason judge(const struct time_floors *floors, const struct time_anchor *anchor,
			      int64_t boot_ms, enum time_kind kind, int64_t time)
{
	switch (kind) {
	case TIME_KIND_HTTP:
	case TIME_KIND_HTTPS:
	case TIME_KIND_NTP:
	case TIME_KIND_NTS:
		break;
	default:
		return TIME_REFUSED_UNTRUSTED;
	}
	if (time < time_floor_hard(floors))
		return TIME_REFUSED_FLOOR;
	if (time > (kind == TIME_KIND_HTTPS ? TIME_LAST_MS : time_ceiling(floors)))
		return TIME_REFUSED_CEILING;
	if (time_kind_is_authenticated(kind))
		return TIME_SET_EVIDENCE;
	/* An anchor is better than a floor, and lies above the hard one. */
	if (!time_agrees(anchor, boot_ms, time))
		return TIME_REFUSED_ANCHOR;
	if (time < time_floor_soft(floors) && time_floor_soft(floors) <= time_ceiling(floors))
		return TIME_REFUSED_SOFT_FLOOR;
	return TIME_SET_EVIDENCE;
}

void time_judge(const struct time_floors *floors, const struct time_anchor *anchor, int64_t clock,
		int64_t boot_ms, enum time_kind kind, int64_t time, int64_t slack_ms,
		struct time_decision *ret_decision)
{
	enum time_reason reason = judge(floors, anchor, boot_ms, kind, time);

	if (reason != TIME_SET_EVIDENCE) {
		*ret_decision = (struct time_decision){false, time, reason};
		return;
	}
	/* clock is between 1970 and the kernel's last time, so the difference fits. */
	if (clock >= time_floor_hard(floors) && clock - time <= slack_ms &&
	    time - clock <= slack_ms)
		*ret_decision = (struct time_decision){false, clock, TIME_LEFT_GOOD};
	else
		*ret_decision = (struct time_decision){true, time, reason};
}

void time_floors_prove(struct time_floors *floors, int64_t time)
{
	floors->proven = MAX(floors->proven, time);
	/* What NTP kept without proof is no floor where there is proof of an earlier time. */
	floors->synced = MIN(floors->synced, time);
}

void time_floors_sync(struct time_floors *floors, int64_t time)
{
	if (time <= time_ceiling(floors))
		floors->synced = MAX(floors->synced, time);
}
