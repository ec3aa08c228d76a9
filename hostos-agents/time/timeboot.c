/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot-agent time boot`: the clock before there is a network, from build time, saved time and
 * RTC. `tugboot-agent time save`: keeps what it is now for the next start.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "sysclock.h"
#include "timepolicy.h"
#include "timestep.h"
#include "timestore.h"
#include "timeverbs.h"

/* Which layer the clock comes from now. */
static enum time_kind kind_of(enum time_reason reason, const struct time_boot *boot)
{
	switch (reason) {
	case TIME_SET_BUILD:
		return TIME_KIND_BUILD;
	case TIME_SET_RTC:
		return TIME_KIND_RTC;
	case TIME_SET_FLOOR:
	case TIME_SET_SAVED:
		return TIME_KIND_SAVED;
	case TIME_SET_BACK:
		if (boot->saved != TIME_NONE || boot->floors.proven != TIME_NONE)
			return TIME_KIND_SAVED;
		return TIME_KIND_BUILD;
	default:
		/* The kernel may have read the RTC before us. */
		return boot->rtc != TIME_NONE &&
				       llabs(boot->rtc - boot->clock) <= TIME_SLACK_BOOT_MS
			       ? TIME_KIND_RTC
			       : TIME_KIND_CLOCK;
	}
}

static void say_refused(enum time_kind kind, int64_t time, enum time_reason reason)
{
	struct time_decision refused = {false, time, reason};

	if (time != TIME_NONE && reason != TIME_LEFT_GOOD)
		(void)timestep_apply(&refused, kind, sysclock_now()); /* only says so */
}

static void write_status(const struct time_boot *boot, const struct time_boot_decision *d,
			 bool saved_is_bad)
{
	char text[TIMESTORE_STATUS_MAX], at[TIME_TEXT_MAX], saved[TIME_TEXT_MAX],
		rtc[TIME_TEXT_MAX];
	int r;

	(void)snprintf(text, sizeof(text),
		       "source=%s\nset=%s\ntime=%s\nreason=%s\nsaved=%s\nsaved_verdict=%s\nrtc=%s\n"
		       "rtc_verdict=%s\n",
		       time_kind_name(kind_of(d->clock.reason, boot)), d->clock.set ? "yes" : "no",
		       time_text(d->clock.time, at), time_reason_words(d->clock.reason),
		       time_text(boot->saved, saved),
		       saved_is_bad		  ? "torn, or not ours"
		       : boot->saved == TIME_NONE ? "never saved"
						  : time_reason_words(d->saved),
		       time_text(boot->rtc, rtc),
		       boot->rtc == TIME_NONE ? "none" : time_reason_words(d->rtc));
	r = timestore_status_write(TIME_STATUS_BOOT, text);
	if (r < 0)
		log_warn("time", "status=%s error=%s", TIME_STATUS_BOOT, log_errno(r));
}

int time_boot(void)
{
	struct time_boot_decision d;
	struct time_boot boot = {.rtc = TIME_NONE};
	struct savedtime saved;
	int r, saved_r;

	boot.floors.build = timestore_build();
	saved_r = timestore_load(timestore_dir(), &saved);
	if (saved_r < 0 && saved_r != -ENOENT)
		log_warn("time", "file=%s/%s error=%s next=\"there is no saved time\"",
			 timestore_dir(), TIMESTORE_NAME, log_errno(saved_r));
	boot.floors.proven = saved.proven;
	boot.floors.synced = saved.synced;
	boot.saved = saved.time;
	r = rtc_read(&boot.rtc);
	if (r < 0 && r != -ENOENT)
		log_warn("time", "rtc error=%s next=\"it is not used\"", log_errno(r));
	boot.clock = sysclock_now();
	time_decide_boot(&boot, &d);
	r = timestep_apply(&d.clock, kind_of(d.clock.reason, &boot), boot.clock);
	say_refused(TIME_KIND_SAVED, boot.saved, d.saved);
	say_refused(TIME_KIND_RTC, boot.rtc, d.rtc);
	write_status(&boot, &d, saved_r < 0 && saved_r != -ENOENT);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int time_save(void)
{
	int64_t now = sysclock_now();
	char at[TIME_TEXT_MAX];
	int r;

	r = timestore_save(timestore_dir(), timestore_build(), now, TIMESTORE_GUESS);
	if (r < 0)
		return log_err(EXIT_FAILURE, "time", "save=%s file=%s/%s error=%s",
			       time_text(now, at), timestore_dir(), TIMESTORE_NAME, log_errno(r));
	return EXIT_SUCCESS;
}
