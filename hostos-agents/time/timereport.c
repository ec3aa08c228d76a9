/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the resident agent keeps and tells: the saved time, its status file, the result of HTTPS. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fd.h"
#include "log.h"
#include "sysclock.h"
#include "timeagent.h"
#include "timestep.h"
#include "timestore.h"
#include "timeverbs.h"

static enum timestore_how earned(const struct timeagent *agent)
{
	int64_t boot = sysclock_boot();

	if (!time_agrees(&agent->anchor, boot, sysclock_now()))
		return TIMESTORE_GUESS; /* somebody has set the clock */
	if (agent->anchor.time != TIME_NONE)
		return TIMESTORE_PROVEN;
	if (agent->synced && boot >= agent->joke_until)
		return TIMESTORE_SYNCED;
	return TIMESTORE_GUESS;
}

void timeagent_save(struct timeagent *agent)
{
	int64_t now = sysclock_now();
	char at[TIME_TEXT_MAX];
	int r;

	r = timestore_save(timestore_dir(), agent->build, now, earned(agent));
	if (r < 0)
		log_warn("time", "save=%s file=%s/%s error=%s next=\"tried again in an hour\"",
			 time_text(now, at), timestore_dir(), TIMESTORE_NAME, log_errno(r));
	agent->saved_boot = sysclock_boot();
	timestore_floors(timestore_dir(), agent->build, &agent->floors);
	/* The kernel writes the RTC while NTP keeps the clock, but only every eleven minutes. */
	if (!agent->synced || agent->saved_synced)
		return;
	agent->saved_synced = true;
	r = rtc_write(sysclock_now());
	if (r < 0 && r != -ENOENT)
		log_warn("time", "rtc error=%s next=\"it keeps its time\"", log_errno(r));
}

void timeagent_https_result(struct timeagent *agent)
{
	_free_ char *text = NULL;
	char result[16], why[256] = "", number[32];
	int64_t ended;

	if (timestore_status_read(TIME_STATUS_HTTPS, &text) < 0 ||
	    timestore_value(text, "result", result, sizeof(result)) < 0 ||
	    timestore_value(text, "ended_ms", number, sizeof(number)) < 0)
		return;
	ended = strtoll(number, NULL, 10);
	if (ended == agent->https_ended)
		return;
	agent->https_ended = ended;
	(void)timestore_value(text, "why", why, sizeof(why)); /* empty without it */
	(void)snprintf(agent->https_words, sizeof(agent->https_words), "%s%s%s", result,
		       streq(result, "ok") ? "" : ": ", streq(result, "ok") ? "" : why);
	agent->https_off = streq(result, "off");
	if (agent->https_off)
		(void)snprintf(agent->https_words, sizeof(agent->https_words), "off");
	https_ended(&agent->https, agent->https_off || streq(result, "ok"), agent->synced,
		    (uint64_t)sysclock_boot());
	/* It has set the clock, and lifted the floors. */
	timestore_floors(timestore_dir(), agent->build, &agent->floors);
	timestore_anchor(&agent->anchor);
	if (streq(result, "ok")) {
		(void)timestore_value(text, "verified", number, sizeof(number)); /* else no "yes" */
		agent->source = streq(number, "yes") ? TIME_KIND_HTTPS : TIME_KIND_HTTP;
		agent->refused = TIME_LEFT_GOOD;
	}
}

static const char *trust_of(const struct timeagent *agent)
{
	switch (agent->source) {
	case TIME_KIND_HTTPS:
	case TIME_KIND_NTS:
		return "authenticated";
	case TIME_KIND_NTP:
	case TIME_KIND_HTTP:
		return agent->anchor.time != TIME_NONE ? "checked" : "network";
	default:
		return "guess";
	}
}

void timeagent_report(struct timeagent *agent)
{
	char text[sizeof(agent->status)], hard[TIME_TEXT_MAX], soft[TIME_TEXT_MAX],
		ceiling[TIME_TEXT_MAX], refused[TIME_TEXT_MAX];
	const struct chrony_view *view = &agent->view;
	int r;

	(void)snprintf(
		text, sizeof(text),
		"source=%s\ntrust=%s\nsynced=%s\nfloor=%s\nsoft_floor=%s\nceiling=%s\nhttps=%s\n"
		"chronyd=%s\nsources=%u\nreachable=%u\nfalsetickers=%u\nunresolved=%u\n"
		"refused=%s%s%s%s%s\npolls=%u\nrestarts=%u\nsteps=%u\n",
		time_kind_name(agent->source), trust_of(agent), agent->synced ? "yes" : "no",
		time_text(time_floor_hard(&agent->floors), hard),
		time_text(time_floor_soft(&agent->floors), soft),
		time_text(time_ceiling(&agent->floors), ceiling), agent->https_words,
		agent->answers ? "answers" : "silent", view->sources, view->reachable,
		view->falsetickers, view->activity.unresolved,
		agent->refused == TIME_LEFT_GOOD ? "" : time_kind_name(agent->refused_kind),
		agent->refused == TIME_LEFT_GOOD ? "" : " ",
		agent->refused == TIME_LEFT_GOOD ? "none" : time_text(agent->refused_time, refused),
		agent->refused == TIME_LEFT_GOOD ? "" : ": ",
		agent->refused == TIME_LEFT_GOOD ? "" : time_reason_words(agent->refused),
		agent->polls, agent->restarts, agent->steps);
	if (streq(text, agent->status))
		return;
	r = timestore_status_write(TIME_STATUS, text);
	if (r < 0) {
		log_warn("time", "status=%s error=%s", TIME_STATUS, log_errno(r));
		return;
	}
	(void)snprintf(agent->status, sizeof(agent->status), "%s", text);
	service_status("%s, %s, %s", time_kind_name(agent->source), trust_of(agent),
		       agent->synced ? "synchronised" : "not synchronised");
}
