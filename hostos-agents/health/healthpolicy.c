/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the health agent does: see healthpolicy.h. The table there and health_plan() are the same. */
#include "healthpolicy.h"

#include <stdarg.h>
#include <stdio.h>

#include "macro.h"

static struct health_plan plan_of(enum health_start start, const char *reason)
{
	return (struct health_plan){.start = start, .way = HEALTH_BY_ALTBOOT, .reason = reason};
}

static bool is_rolled_back_from(const struct health_found *found, char slot)
{
	return found->rolled_back && found->rollback.slot == slot;
}

/* The root that is named runs, and is committed. */
static struct health_plan plan_committed(const struct health_found *found)
{
	char other = slot_other(found->running.slot);
	bool this_boot = found->running.reason == SLOT_REASON_ROLLBACK && !found->again;
	bool earlier = found->crumbs && found->crumb_slot != found->running.slot &&
		       is_rolled_back_from(found, other);
	struct health_plan plan;

	if (this_boot || earlier) {
		plan = plan_of(HEALTH_TELL, "the other root was given up");
		plan.tell = true;
		if (!this_boot && found->rollback.cause == SLOT_CAUSE_HEALTH)
			plan.way = HEALTH_BY_HEALTH;
	} else if (found->crumbs && found->crumb_slot == found->running.slot) {
		plan = plan_of(HEALTH_FINISH, "the trial has succeeded, and was not completed");
	} else if (found->crumbs) {
		plan = plan_of(HEALTH_CLEAR, "what was planned for the other root was called off");
	} else {
		plan = plan_of(HEALTH_NOTHING, "no trial");
	}
	plan.confirm = found->running.reason != SLOT_REASON_FALLBACK;
	return plan;
}

/* Another root runs than the one that is named. */
static struct health_plan plan_other(const struct health_found *found)
{
	bool passed_over = (found->running.reason == SLOT_REASON_FALLBACK ||
			    found->running.reason == SLOT_REASON_ROLLBACK) &&
			   !found->again;
	struct health_plan plan;

	if (!passed_over)
		return plan_of(HEALTH_NOTHING, "the next boot starts the other root");
	if (!found->trial && !found->crumbs)
		return plan_of(HEALTH_NOTHING,
			       "a committed root was passed over; no update was under way");
	plan = plan_of(HEALTH_REPAIR, "the environment names a root that was passed over");
	plan.tell = true;
	plan.cause = found->running.cause ? found->running.cause : SLOT_CAUSE_REFUSED;
	return plan;
}

struct health_plan health_plan(const struct health_found *found)
{
	struct health_plan plan;

	if (!found->running.by_tugboot)
		return plan_of(HEALTH_NOTHING, "not started by Tugboot");
	if (found->running.slot == 'R')
		return plan_of(HEALTH_NOTHING, "the recovery system runs");
	if (!found->readable)
		return plan_of(HEALTH_NOTHING, "the boot environment cannot be read");
	if (!found->named_known)
		return plan_of(HEALTH_NOTHING, "which slot the environment names is not known");
	if (found->running.slot != found->named)
		return plan_other(found);
	if (!found->trial)
		return plan_committed(found);
	/* A trial that could not be counted runs because there is no other root. */
	if (found->running.reason == SLOT_REASON_FALLBACK)
		return plan_of(HEALTH_NOTHING, "this trial is not counted: it is the only root");
	plan = plan_of(HEALTH_RUN, "on trial");
	/* A committed root that failed again and again leads to a trial of the other one. */
	plan.tell = found->running.reason == SLOT_REASON_ROLLBACK && !found->again;
	return plan;
}

const char *health_start_name(enum health_start start)
{
	static const char *const names[] = {
		[HEALTH_NOTHING] = "nothing", [HEALTH_RUN] = "run",	[HEALTH_FINISH] = "finish",
		[HEALTH_TELL] = "tell",	      [HEALTH_CLEAR] = "clear", [HEALTH_REPAIR] = "repair",
	};

	return (size_t)start < ARRAY_SIZE(names) ? names[start] : "unknown";
}

/* What tests say goes to a file of one line each, to logs and terminals. */
static void make_printable(char *text)
{
	for (char *p = text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
}

void health_round_add(struct health_round *round, const char *test, enum health_outcome outcome,
		      const char *fmt, ...)
{
	struct health_result *result;
	va_list ap;

	if (round->n == HEALTH_RESULTS_MAX) {
		result = &round->result[HEALTH_RESULTS_MAX - 1];
		(void)snprintf(result->test, sizeof(result->test), "tests");
		(void)snprintf(result->why, sizeof(result->why), "more than %d",
			       HEALTH_RESULTS_MAX);
		result->outcome = HEALTH_FAIL;
		return;
	}
	result = &round->result[round->n++];
	result->outcome = outcome;
	(void)snprintf(result->test, sizeof(result->test), "%s", test);
	va_start(ap, fmt);
	(void)vsnprintf(result->why, sizeof(result->why), fmt, ap);
	va_end(ap);
	make_printable(result->test);
	make_printable(result->why);
}

/* The first that has not passed, a failure before one that may still come. */
static const struct health_result *obstacle(const struct health_round *round)
{
	const struct health_result *waits = NULL;

	for (size_t i = 0; i < round->n; i++) {
		if (round->result[i].outcome == HEALTH_FAIL)
			return &round->result[i];
		if (round->result[i].outcome == HEALTH_WAIT && !waits)
			waits = &round->result[i];
	}
	return waits;
}

struct health_decision health_decide(const struct health_round *round, uint64_t since_ms,
				     const struct health_times *times, bool stopping,
				     bool can_go_back)
{
	const struct health_result *bad = obstacle(round);
	struct health_decision d = {.verdict = HEALTH_GOES_ON};
	uint64_t wait;

	if (bad)
		(void)snprintf(d.why, sizeof(d.why), "%s: %s", bad->test, bad->why);
	if (stopping) {
		d.verdict = HEALTH_LEFT;
		(void)snprintf(d.why, sizeof(d.why), "the system was shut down before a verdict");
		return d;
	}
	/* A round without a result says nothing, good or bad. */
	if (round->n > 0 && !bad && since_ms >= times->settle_ms) {
		d.verdict = HEALTH_PASSED;
		return d;
	}
	if (since_ms >= times->timeout_ms && (bad || round->n == 0) && can_go_back) {
		d.verdict = HEALTH_FAILED;
		return d;
	}
	wait = times->interval_ms;
	if (!bad && round->n > 0)
		wait = MIN(wait, times->settle_ms - since_ms);
	if (since_ms < times->timeout_ms)
		wait = MIN(wait, times->timeout_ms - since_ms);
	d.wait_ms = MAX(wait, (uint64_t)1);
	return d;
}

const char *health_verdict_name(enum health_verdict verdict)
{
	static const char *const names[] = {
		[HEALTH_GOES_ON] = "going-on",
		[HEALTH_PASSED] = "passed",
		[HEALTH_FAILED] = "failed",
		[HEALTH_LEFT] = "left",
	};

	return (size_t)verdict < ARRAY_SIZE(names) ? names[verdict] : "unknown";
}
