/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot-agent time https`: one attempt at the time that a web server gives (httpstime.h), judged
 * and put into effect. A process of its own, since libcurl is large. Says how it ended in its
 * status file, also when it could not do anything.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "httpstime.h"
#include "log.h"
#include "paths.h"
#include "settings.h"
#include "sysclock.h"
#include "timestep.h"
#include "timestore.h"
#include "timeverbs.h"

#define TIMEOUT_MS 15000u

/* What the resident agent reads; result: ok, off, refused, failed. */
static void write_status(const char *result, const char *why, const struct httpstime *time)
{
	char text[TIMESTORE_STATUS_MAX];
	int r;

	(void)snprintf(text, sizeof(text),
		       "result=%s\nwhy=%s\nended_ms=%" PRId64 "\nverified=%s\ntime_ms=%" PRId64
		       "\nboot_ms=%" PRId64 "\n",
		       result, why, sysclock_boot(), time && time->verified ? "yes" : "no",
		       time ? time->time : 0, time ? time->boot_ms : 0);
	r = timestore_status_write(TIME_STATUS_HTTPS, text);
	if (r < 0)
		log_warn("time", "status=%s error=%s", TIME_STATUS_HTTPS, log_errno(r));
}

/* What was proven is kept: for the next start, and in the RTC. */
static void keep(const struct time_floors *floors, int64_t truth)
{
	int r;

	r = timestore_save(timestore_dir(), floors->build, truth, TIMESTORE_PROVEN);
	if (r < 0)
		log_warn("time", "file=%s/%s error=%s next=\"not saved\"", timestore_dir(),
			 TIMESTORE_NAME, log_errno(r));
	r = rtc_write(truth);
	if (r < 0 && r != -ENOENT)
		log_warn("time", "rtc error=%s next=\"it keeps its time\"", log_errno(r));
}

static int judge(const struct httpstime *time)
{
	enum time_kind kind = time->verified ? TIME_KIND_HTTPS : TIME_KIND_HTTP;
	struct time_decision decision;
	struct time_floors floors;
	struct time_anchor anchor;
	int64_t clock, boot_ms, truth;
	int r;

	timestore_floors(timestore_dir(), timestore_build(), &floors);
	timestore_anchor(&anchor);
	boot_ms = sysclock_boot();
	clock = sysclock_now();
	truth = time->time + (boot_ms - time->boot_ms);
	/* A date has whole seconds: a clock that NTP keeps is better within them. */
	time_judge(&floors, &anchor, clock, boot_ms, kind, truth, TIME_SLACK_BOOT_MS, &decision);
	if (decision.reason != TIME_SET_EVIDENCE && decision.reason != TIME_LEFT_GOOD) {
		(void)timestep_apply(&decision, kind, clock); /* only says so */
		write_status("refused", time_reason_words(decision.reason), NULL);
		return EXIT_FAILURE;
	}
	/* First what is known, then the clock: the resident agent puts a clock right that is not as
	 * the floors say. */
	if (time->verified) {
		keep(&floors, truth);
		anchor = (struct time_anchor){truth, boot_ms};
		(void)timestore_anchor_write(&anchor); /* without it, less is refused */
	}
	r = timestep_apply(&decision, kind, clock);
	if (r < 0) {
		write_status("failed", "the clock cannot be set", NULL);
		return EXIT_FAILURE;
	}
	write_status("ok", time_reason_words(decision.reason), time);
	return EXIT_SUCCESS;
}

int time_https(void)
{
	_settings_ struct settings settings = SETTINGS_NONE;
	struct httpstime_request request = {.timeout_ms = TIMEOUT_MS};
	struct httpstime time;
	char why[HTTPSTIME_WHY_MAX];
	int r;

	r = settings_read(TIME_SETTINGS, &settings);
	if (r < 0) {
		write_status("failed", "the settings cannot be read", NULL);
		return log_err(EXIT_FAILURE, "time", "file=%s error=%s", TIME_SETTINGS,
			       log_errno(r));
	}
	request.uri = settings_get(&settings, SETTING_CONNECTIVITY_URI);
	request.response = settings_get(&settings, SETTING_CONNECTIVITY_RESPONSE);
	if (settings_is(&settings, SETTING_CONNECTIVITY_OFF) || !request.uri) {
		write_status("off", request.uri ? "connectivity checks are off" : "no URI is set",
			     NULL);
		return EXIT_SUCCESS;
	}
	r = httpstime_ask(&request, &time, why);
	if (r < 0) {
		log_warn("time", "source=https uri=%s error=%s found=%s next=\"tried again\"",
			 log_quote(request.uri), log_errno(r), log_quote(why));
		write_status("failed", why, NULL);
		return EXIT_FAILURE;
	}
	return judge(&time);
}
