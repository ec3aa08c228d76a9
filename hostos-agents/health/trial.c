/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A trial: rounds of tests, the verdict, and what follows from it, in the order that health.c argues. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "breadcrumb.h"
#include "clock.h"
#include "health.h"
#include "healthtests.h"
#include "hooks.h"
#include "log.h"
#include "netrecord.h"
#include "place.h"
#include "restart.h"
#include "situation.h"
#include "statefile.h"

void health_show(const struct health *health, const char *state, const char *why,
		 const struct health_round *round)
{
	static const char *const outcomes[] = {
		[HEALTH_PASS] = "pass", [HEALTH_WAIT] = "wait", [HEALTH_FAIL] = "fail"};
	char text[STATUS_MAX];
	size_t len;
	int n;

	n = snprintf(text, sizeof(text), "begun=%llu\nstate=%s\nwhy=%s\n",
		     (unsigned long long)health->begun_ms, state, why);
	len = n < 0 ? 0 : (size_t)n;
	for (size_t i = 0; round && i < round->n && len < sizeof(text) - 512; i++) {
		const struct health_result *result = &round->result[i];

		n = snprintf(text + len, sizeof(text) - len, "test.%s=%s %s\n", result->test,
			     outcomes[result->outcome], result->why);
		len += n < 0 ? 0 : (size_t)n;
	}
	/* For people: what keeps it from being written keeps nothing else. */
	(void)mkdir(RUN_DIR, 0755);
	(void)statefile_show(STATUS_DIR, STATUS_FILE, text, len);
}

void health_note(const struct health *health)
{
	int r = boots_note(health->facts.state_dir, &health->entry);

	if (r < 0)
		log_warn("story", "dir=%s error=%s next=goes-on",
			 log_quote(health->facts.state_dir), log_errno(r));
}

/* Keeps the running slot, or gives the named one up: under the environment's lock it must still be on
 * trial. */
enum decided health_decide_slot(const struct health *health, bool keep, char named,
				enum slot_cause cause)
{
	_place_ struct place place = PLACE_NONE;
	char running = health->entry.running.slot;
	struct env_edits edits;
	struct situation s;
	enum result result;

	if (situation_open(NULL, PLACE_WRITE, &place, &s) != RESULT_OK)
		return NOT_DECIDED;
	if (!s.named_known || s.named != named || (named == running && !s.env->trial))
		return DECIDED_BY_OTHERS;
	if (keep) {
		result = situation_keep(&place, running);
	} else {
		edits = slot_edits_give_up(&place.env, &place.found, named, cause);
		result = place_apply(&place, &edits);
	}
	return result == RESULT_OK ? DECIDED : NOT_DECIDED;
}

void health_clear_crumbs(const struct health *health)
{
	int r = breadcrumb_clear(health->facts.state_root);

	if (r < 0)
		log_warn("breadcrumbs", "error=%s next=tried-again-at-the-next-boot", log_errno(r));
}

void health_tell(const struct health *health, enum health_way way, const char *why)
{
	int r = breadcrumb_tell(health->facts.state_root, way, why);

	if (r < 0)
		log_warn("breadcrumbs", "error=%s next=goes-on", log_errno(r));
}

/* Steps 3 and 4 of a trial that has passed. */
void health_finish(const struct health *health)
{
	hooks_commit(health->conf.hook_timeout);
	log_event("health", "step=hooks-done");
	health_clear_crumbs(health);
	log_event("health", "step=complete");
}

static int passed(struct health *health)
{
	char slot = health->entry.running.slot;

	switch (health_decide_slot(health, true, slot, SLOT_CAUSE_NONE)) {
	case DECIDED:
		log_event("health", "step=committed slot=%c", slot);
		break;
	case DECIDED_BY_OTHERS:
		log_event("health", "step=decided-by-others slot=%c", slot);
		break;
	case NOT_DECIDED:
		(void)log_err(-EIO, "health", "slot=%c error=not-stored next=tried-again", slot);
		return EXIT_FAILURE;
	}
	health->entry.health = BOOTS_PASSED;
	health_note(health);
	health_finish(health);
	health_show(health, "passed", "", NULL);
	return EXIT_SUCCESS;
}

static int failed(struct health *health, const char *why)
{
	char slot = health->entry.running.slot;
	int r;

	(void)log_err(-ECANCELED, "health", "slot=%c failed=%s next=rollback", slot,
		      log_quote(why));
	health->entry.health = BOOTS_FAILED;
	(void)snprintf(health->entry.why, sizeof(health->entry.why), "%s", why);
	health_note(health);
	health_show(health, "failed", why, NULL);
	log_event("health", "step=noted");
	r = hooks_rollback(&health->other_root, health->facts.boot_dir, health->facts.state_root,
			   slot_other(slot), health->conf.hook_timeout);
	if (r < 0)
		log_warn("hooks", "root=%s error=%s next=goes-on",
			 log_quote(health->other_root.dev), log_errno(r));
	log_event("health", "step=hooks-done");
	switch (health_decide_slot(health, false, slot, SLOT_CAUSE_HEALTH)) {
	case DECIDED:
		log_event("health", "step=given-up slot=%c", slot);
		health_tell(health, HEALTH_BY_HEALTH, why);
		log_event("health", "step=told");
		health_clear_crumbs(health);
		log_event("health", "step=complete");
		break;
	case DECIDED_BY_OTHERS: /* somebody has called it good meanwhile: it is theirs to judge */
		log_warn("health", "step=decided-by-others next=no-rollback");
		health_finish(health);
		return EXIT_SUCCESS;
	case NOT_DECIDED: /* the bootloader's count of tries leads back */
		(void)log_err(-EIO, "health", "slot=%c error=not-stored next=reboot", slot);
		break;
	}
	restart_system(health->conf.reboot_timeout);
}

/* --- A trial --- */

static void on_job_removed(void *arg, const char *path, const char *interface, const char *member)
{
	(void)path;
	(void)interface;
	(void)member;
	*(bool *)arg = true;
}

/* Until the time has passed, or a unit's job has ended: then the tests may say something else. */
void health_wait(struct bus *bus, uint64_t wait_ms)
{
	static const struct bus_object manager = {"org.freedesktop.systemd1",
						  "/org/freedesktop/systemd1",
						  "org.freedesktop.systemd1.Manager"};
	uint64_t begin = clock_ms(), deadline = begin + wait_ms;
	/* Jobs come in crowds. */
	uint64_t least = begin + MIN(wait_ms, (uint64_t)1000);
	bool news = false;
	int r = -ENOTCONN;

	if (bus)
		r = bus_watch(bus, &manager, "JobRemoved", on_job_removed, &news);
	if (r == 0)
		r = bus_call(bus, &manager, "Subscribe", BUS_TIMEOUT_MS, "");
	for (uint64_t now = begin; now < deadline && !(news && now >= least); now = clock_ms()) {
		uint64_t until = news ? least : deadline;

		if (r >= 0)
			r = bus_process(bus, (unsigned)(until - now));
		if (r < 0 || news)
			(void)poll(NULL, 0, (int)MIN(until - now, (uint64_t)1000));
	}
}

int health_trial(struct health *health)
{
	const struct health_times times = {
		.settle_ms = (uint64_t)health->conf.settle * 1000,
		.interval_ms = (uint64_t)health->conf.interval * 1000,
		.timeout_ms = (uint64_t)health->conf.timeout * 1000,
	};
	struct provider_list before = PROVIDER_LIST_NONE;
	struct healthtests tests = {.conf = &health->conf, .facts = &health->facts};
	struct health_round *round = calloc(1, sizeof(*round));
	struct health_decision d;
	int r;

	if (!round)
		return EXIT_FAILURE;
	r = breadcrumb_leave(health->facts.state_root, health->entry.running.slot);
	if (r < 0)
		log_warn("breadcrumbs", "error=%s next=goes-on", log_errno(r));
	r = netrecord_load(&health->facts, &before);
	if (r == 0)
		tests.before = &before;
	else if (r != -ENOENT)
		log_warn("health", "network-record=%s next=not-compared", log_errno(r));
	do {
		_bus_ struct bus *bus = NULL;
		bool stopping;

		if (bus_open(&bus) < 0)
			bus = NULL; /* the round says so */
		healthtests_round(&tests, bus, round, &stopping);
		d = health_decide(round, clock_ms() - health->begun_ms, &times, stopping,
				  health->other_root.present);
		health_show(health, health_verdict_name(d.verdict), d.why, round);
		log_event("health", "verdict=%s tests=%zu why=%s", health_verdict_name(d.verdict),
			  round->n, log_quote(d.why));
		if (d.verdict == HEALTH_GOES_ON)
			health_wait(bus, d.wait_ms);
	} while (d.verdict == HEALTH_GOES_ON);
	provider_list_done(&before);
	free(round);
	if (d.verdict == HEALTH_PASSED)
		return passed(health);
	if (d.verdict == HEALTH_FAILED)
		return failed(health, d.why);
	health->entry.health = BOOTS_LEFT;
	(void)snprintf(health->entry.why, sizeof(health->entry.why), "%s", d.why);
	health_note(health);
	return EXIT_SUCCESS;
}
