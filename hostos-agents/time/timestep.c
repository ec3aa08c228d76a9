/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Setting the clock: see timestep.h. */
#include "timestep.h"

#include <stdio.h>
#include <time.h>

#include "log.h"
#include "sysclock.h"

const char *time_text(int64_t time, char buf[static TIME_TEXT_MAX])
{
	time_t seconds = (time_t)(time / 1000);
	struct tm tm;

	if (time == TIME_NONE || !gmtime_r(&seconds, &tm) ||
	    strftime(buf, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(buf, TIME_TEXT_MAX, "none");
	return buf;
}

int timestep_apply(const struct time_decision *decision, enum time_kind kind, int64_t clock)
{
	char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX];
	int r;

	if (!decision->set) {
		if (decision->reason != TIME_LEFT_GOOD)
			log_warn("time", "refused=%s source=%s clock=%s reason=%s",
				 time_text(decision->time, to), time_kind_name(kind),
				 time_text(clock, from),
				 log_quote(time_reason_words(decision->reason)));
		return 0;
	}
	r = sysclock_step(decision->time - clock);
	if (r < 0)
		return log_err(r, "time", "set=%s from=%s error=%s next=\"the clock stays\"",
			       time_text(decision->time, to), time_text(clock, from), log_errno(r));
	log_event("time", "set=%s from=%s source=%s reason=%s", time_text(decision->time, to),
		  time_text(clock, from), time_kind_name(kind),
		  log_quote(time_reason_words(decision->reason)));
	return 0;
}
