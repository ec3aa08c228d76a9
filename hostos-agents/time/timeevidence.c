/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What chronyd says, judged by timepolicy.h. chronyd is configured (chrony.conf beside this file)
 * to slew only, slowly, and to ignore a source that is further off than TIME_FOLLOWED_MS: every
 * step of the clock is one that this agent has judged. Offsets up to that are chronyd's own affair;
 * a slew takes no clock backwards.
 */
#include <errno.h>
#include <stdlib.h>

#include "log.h"
#include "sysclock.h"
#include "timeagent.h"
#include "timestep.h"

/* maxchange of chrony.conf. More than the 10 s from which on chronyd notices that its clock was
 * set. */
#define TIME_FOLLOWED_MS 12000
/* A measurement older than that was made before the clock was set, perhaps. */
#define FRESH_S 60

static void tell_chronyd(struct timeagent *agent)
{
	_chronyctl_ struct chronyctl ctl = CHRONYCTL_NONE;
	int r = chronyctl_open(&ctl);

	if (r >= 0)
		r = chronyctl_clock_was_set(&ctl);
	if (r < 0 && agent->answers)
		log_warn("time", "reset error=%s next=\"polled at the next look\"", log_errno(r));
}

static bool is_outside(const struct timeagent *agent, int64_t time)
{
	return time < time_floor_hard(&agent->floors) || time > time_ceiling(&agent->floors);
}

void timeagent_guard(struct timeagent *agent)
{
	int64_t clock = sysclock_now(), boot = sysclock_boot();
	int64_t expected = agent->last_clock + (boot - agent->last_boot);
	bool by_others = agent->last_clock && llabs(clock - expected) > TIME_SLACK_STEP_MS;

	/* `time https` writes what it has proven, which lifts the floors, before it sets the clock.
	 */
	if (is_outside(agent, clock))
		timestore_floors(timestore_dir(), agent->build, &agent->floors);
	if (is_outside(agent, clock)) {
		struct time_decision decision = {true, expected, TIME_SET_FLOOR};

		if (!agent->last_clock || is_outside(agent, expected))
			decision.time = time_floor_hard(&agent->floors);
		if (clock > decision.time)
			decision.reason = TIME_SET_BACK;
		if (timestep_apply(&decision, TIME_KIND_CLOCK, clock) >= 0)
			agent->steps++;
		by_others = true;
	}
	agent->last_clock = sysclock_now();
	agent->last_boot = sysclock_boot();
	if (!by_others) /* else by us or chronyd: that is known */
		return;
	tell_chronyd(agent);
	watch_news(&agent->watch, (uint64_t)agent->last_boot);
	if (!time_agrees(&agent->anchor, agent->last_boot, agent->last_clock))
		agent->https = (struct https_watch){0}; /* not what was proven: asked again */
}

/* Says a refusal once, not at every look. */
static void note_refusal(struct timeagent *agent, const struct time_decision *decision,
			 enum time_kind kind, int64_t clock)
{
	bool is_new = agent->refused != decision->reason || agent->refused_kind != kind ||
		      llabs(agent->refused_time - decision->time) > TIME_JOKE_MS;

	if (is_new)
		(void)timestep_apply(decision, kind, clock); /* sets nothing: a refusal */
	agent->refused = decision->reason;
	agent->refused_kind = kind;
	agent->refused_time = decision->time;
}

/* Sets the clock as a source says that chronyd would not follow. */
static void step_over(struct timeagent *agent, struct chronyctl *ctl,
		      const struct time_decision *decision, enum time_kind kind, int64_t clock)
{
	if (timestep_apply(decision, kind, clock) < 0)
		return;
	agent->steps++;
	agent->source = kind;
	agent->refused = TIME_LEFT_GOOD;
	if (!time_kind_is_authenticated(kind) && agent->anchor.time == TIME_NONE &&
	    decision->time - clock > TIME_JOKE_MS)
		agent->joke_until = sysclock_boot() + TIME_JOKE_OVER_MS;
	agent->last_clock = sysclock_now();
	agent->last_boot = sysclock_boot();
	(void)chronyctl_clock_was_set(ctl); /* the next looks poll */
	watch_news(&agent->watch, (uint64_t)agent->last_boot);
}

/* What a selected source that chronyd does not follow says. */
static void judge_far(struct timeagent *agent, struct chronyctl *ctl, enum time_kind kind)
{
	int64_t clock = sysclock_now(), offset = (int64_t)(agent->view.selected.offset * 1000);
	struct time_decision decision;

	agent->synced = false;
	if (agent->view.selected.since_sample > FRESH_S)
		return;
	time_judge(&agent->floors, &agent->anchor, clock, sysclock_boot(), kind, clock - offset,
		   TIME_SLACK_STEP_MS, &decision);
	if (decision.set)
		step_over(agent, ctl, &decision, kind, clock);
	else if (decision.reason != TIME_LEFT_GOOD)
		note_refusal(agent, &decision, kind, clock);
}

/* chronyd follows a source: it may have some way to go still. */
static void judge_near(struct timeagent *agent, struct chronyctl *ctl, enum time_kind kind)
{
	int64_t clock = sysclock_now(), behind = (int64_t)(agent->view.tracking.correction * 1000);
	struct time_decision decision;

	time_judge(&agent->floors, &agent->anchor, clock, sysclock_boot(), kind, clock + behind,
		   TIME_SLACK_STEP_MS, &decision);
	if (decision.reason != TIME_LEFT_GOOD && !decision.set) {
		note_refusal(agent, &decision, kind, clock);
		agent->synced = false;
		return;
	}
	agent->refused = TIME_LEFT_GOOD;
	agent->source = kind;
	if (decision.set) {
		int r = chronyctl_do(ctl, CHRONY_MAKESTEP);
		char to[TIME_TEXT_MAX];

		if (r >= 0)
			log_event("time", "set=%s by_ms=%lld source=%s by=chronyd",
				  time_text(decision.time, to), (long long)behind,
				  time_kind_name(kind));
		agent->steps += r >= 0;
		agent->synced = r >= 0;
	}
	if (agent->synced && time_kind_is_authenticated(kind)) {
		agent->anchor = (struct time_anchor){sysclock_now(), sysclock_boot()};
		(void)timestore_anchor_write(&agent->anchor); /* without it, less is refused */
	}
	agent->last_clock = sysclock_now();
	agent->last_boot = sysclock_boot();
}

void timeagent_evidence(struct timeagent *agent)
{
	_chronyctl_ struct chronyctl ctl = CHRONYCTL_NONE;
	const struct chrony_view *view = &agent->view;
	enum time_kind kind;
	int r;

	agent->view = (struct chrony_view){0};
	agent->synced = false;
	r = chronyctl_open(&ctl);
	if (r >= 0)
		r = chronyctl_view(&ctl, &agent->view);
	if (r < 0 && r != agent->view_error && r != -ENOENT && r != -ECONNREFUSED)
		log_warn("time", "chronyd error=%s", log_errno(r));
	agent->view_error = r;
	/* One that speaks another language, or not with us, is not restarted for it: the kernel knows
	 * whether it keeps the clock. */
	agent->answers = r >= 0 || r == -EPROTO || r == -EACCES || r == -EPERM;
	if (r < 0) {
		agent->synced = agent->answers && sysclock_is_synced();
		return;
	}
	kind = view->authenticated ? TIME_KIND_NTS : TIME_KIND_NTP;
	/* Followed once, and not reached any more: it runs on by itself. */
	agent->synced = chrony_view_is_synced(view) && view->reachable > 0;
	if (view->has_selected && llabs((int64_t)(view->selected.offset * 1000)) > TIME_FOLLOWED_MS)
		judge_far(agent, &ctl, kind);
	else if (agent->synced)
		judge_near(agent, &ctl, kind);
}
