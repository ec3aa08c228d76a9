/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When chronyd is polled and when it is restarted: see watchpolicy.h. */
#include "watchpolicy.h"

#include "macro.h"

static uint64_t grown(uint64_t pause, uint64_t max)
{
	return pause * 2 < max ? pause * 2 : max;
}

void watch_news(struct watch *watch, uint64_t now)
{
	watch->polled = 0;
	watch->poll_pause = 0;
	if (watch->since)
		watch->since = now;
	watch->restart_pause = 0;
	watch->hurry = WATCH_HURRY;
}

static bool is_restart_due(struct watch *watch, const struct watch_view *view, uint64_t now)
{
	uint64_t pause = MAX(watch->restart_pause, (uint64_t)WATCH_RESTART_MS);

	if (!view->answers) {
		/* A restart that did not help is tried again with growing pauses, too. */
		if (now - watch->silent < WATCH_SILENT_MS)
			return false;
		return !watch->restarted ||
		       now - watch->restarted >=
			       MAX(watch->restart_pause, (uint64_t)WATCH_SILENT_MS);
	}
	/* Without sources a restart would only do the same again. */
	return view->sources > 0 && now - watch->since >= pause &&
	       now - MAX(watch->restarted, watch->since) >= pause;
}

static bool is_poll_due(const struct watch *watch, const struct watch_view *view, uint64_t now)
{
	if (!view->answers || view->sources == 0)
		return false;
	if (watch->polled && watch->hurry > 0 && !view->bursting)
		return now - watch->polled >= WATCH_HURRY_MS;
	return !watch->polled ||
	       now - watch->polled >= MAX(watch->poll_pause, (uint64_t)WATCH_POLL_MS);
}

enum watch_action watch_decide(struct watch *watch, const struct watch_view *view, uint64_t now,
			       unsigned *ret_tick_ms)
{
	*ret_tick_ms = WATCH_TICK_MS;
	if (!view->answers)
		watch->silent = watch->silent ? watch->silent : now;
	else
		watch->silent = 0;
	if (view->answers && view->synced) {
		*watch = (struct watch){0};
		*ret_tick_ms = WATCH_TICK_SYNCED_MS;
		return WATCH_NOTHING;
	}
	if (!watch->since)
		watch->since = now;
	if (now - watch->since >= WATCH_EAGER_MS)
		*ret_tick_ms = WATCH_TICK_LONG_MS;
	if (is_restart_due(watch, view, now)) {
		watch->restart_pause =
			grown(MAX(watch->restart_pause,
				  (uint64_t)(view->answers ? WATCH_RESTART_MS : WATCH_SILENT_MS)),
			      WATCH_RESTART_MAX_MS);
		watch->restarted = now;
		watch->polled = now; /* it polls by itself when it starts */
		return WATCH_RESTART;
	}
	if (is_poll_due(watch, view, now)) {
		watch->poll_pause = now - watch->since < WATCH_EAGER_MS
					    ? WATCH_POLL_MS
					    : grown(watch->poll_pause, WATCH_POLL_MAX_MS);
		watch->polled = now;
		watch->hurry -= watch->hurry > 0;
		return WATCH_POLL;
	}
	return WATCH_NOTHING;
}

bool https_decide(struct https_watch *https, uint64_t now)
{
	if (https->started && now - https->started >= HTTPS_RUN_MAX_MS)
		https_ended(https, false, false, now);
	if (https->done || https->started || now < https->due)
		return false;
	https->started = now;
	if (!https->since)
		https->since = now;
	return true;
}

unsigned https_tick(const struct https_watch *https, uint64_t now)
{
	if (https->done)
		return WATCH_TICK_SYNCED_MS;
	if (https->started || https->due <= now)
		return WATCH_TICK_MS;
	return (unsigned)MIN(https->due - now, (uint64_t)WATCH_TICK_SYNCED_MS);
}

void https_ended(struct https_watch *https, bool ok, bool synced, uint64_t now)
{
	bool eager = !synced && now - https->since < HTTPS_EAGER_MS;

	https->started = 0;
	https->done = ok;
	https->pause = https->pause ? grown(https->pause,
					    eager ? HTTPS_PAUSE_EAGER_MS : HTTPS_PAUSE_MAX_MS)
				    : HTTPS_PAUSE_MS;
	https->due = now + https->pause;
}

void https_news(struct https_watch *https, uint64_t now)
{
	if (https->done)
		return;
	https->pause = 0;
	https->since = now;
	https->due = MIN(https->due, now);
}
