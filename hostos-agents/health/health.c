/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot-agent health`: runs in every boot, until the boot is judged. What is to be done is
 * healthpolicy.h's affair; here it is done, in this order, so that a power cut between any two steps
 * leaves nothing that the next boot does not complete:
 *
 *   passed: 1. the environment commits the slot (one write: the decision)
 *           2. the story says so
 *           3. commit hooks
 *           4. breadcrumbs away            a cut before: FINISH does 3 and 4 in the next boot
 *   failed: 1. the story says why         a cut before 3: a try, counted before it began
 *           2. the old root's hooks
 *           3. the environment gives the slot up (one write: the decision)
 *           4. rollback-health-triggered
 *           5. breadcrumbs away            a cut before: TELL does 4 and 5 in the old root's boot
 *           6. reboot
 *
 * `tugboot-agent health record` is for the shutdown of a good system: see netrecord.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "boots.h"
#include "breadcrumb.h"
#include "bus.h"
#include "clock.h"
#include "disk.h"
#include "facts.h"
#include "fd.h"
#include "file.h"
#include "healthconf.h"
#include "healthpolicy.h"
#include "healthtests.h"
#include "hooks.h"
#include "log.h"
#include "netrecord.h"
#include "paths.h"
#include "place.h"
#include "restart.h"
#include "situation.h"
#include "statefile.h"

#define STATUS_FILE "health"
#define STATUS_MAX (32 * 1024)
/* The state partition is mounted beside us, or not at all. */
#define STATE_WAIT_MS 60000u
/* Beyond the deadline of the tests: then something hangs that must not. */
#define HANG_S 300u

struct health {
	struct healthconf conf;
	struct facts facts;
	struct boots_entry entry;
	struct partition other_root;
	uint64_t begun_ms; /* the first run in this boot */
	bool again;	   /* not the first */
};

/* --- The status file, which outlives a restart of ours but no reboot --- */

static void read_status(struct health *health)
{
	_free_ char *text = NULL;
	unsigned long long begun;

	health->begun_ms = clock_ms();
	if (statefile_read(STATUS_DIR, STATUS_FILE, STATUS_MAX, &text, NULL) < 0)
		return;
	health->again = true;
	if (sscanf(text, "begun=%llu", &begun) == 1 && begun <= health->begun_ms)
		health->begun_ms = begun;
}

static void write_status(const struct health *health, const char *state, const char *why,
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

static void note(const struct health *health)
{
	int r = boots_note(health->facts.state_dir, &health->entry);

	if (r < 0)
		log_warn("story", "dir=%s error=%s next=goes-on",
			 log_quote(health->facts.state_dir), log_errno(r));
}

/* --- What there is --- */

/* Waits until the state partition, when there is one, is mounted: else its files would be made on the
 * root, and be missed by the other one. */
static int wait_for_state(struct facts *ret_facts)
{
	uint64_t deadline = clock_ms() + STATE_WAIT_MS;
	_close_ int mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	bool expected = false;
	struct disk disk;
	char name[32];
	int r;

	if (disk_of_path("/", name) >= 0 && disk_probe(name, &disk) == 0)
		expected = disk.role[PART_STATE].present;
	for (;;) {
		struct pollfd changes = {.fd = mounts, .events = POLLPRI};
		uint64_t now = clock_ms();

		r = facts_read(ret_facts);
		if (r < 0 || !expected || !startswith(ret_facts->state_root, "/var/"))
			return r;
		if (now >= deadline) {
			log_warn("health", "state-partition=not-mounted next=uses-%s",
				 ret_facts->state_root);
			return 0;
		}
		/* proc(5): POLLPRI when the mounts have changed */
		(void)poll(&changes, 1, (int)(deadline - now));
	}
}

static void look(struct health *health, struct health_found *ret_found)
{
	static const enum part_role roots[SLOT_COUNT] = {PART_ROOT_A, PART_ROOT_B};
	_place_ struct place place = PLACE_NONE;
	struct health_found found = {.again = health->again};
	struct breadcrumb crumb = breadcrumb_read(health->facts.state_root);
	char text[ENV_NAME_MAX];
	struct situation s = {0};

	found.crumbs = crumb.present;
	found.crumb_slot = crumb.slot;
	found.running = health->entry.running;
	if (situation_open(NULL, PLACE_LOOK, &place, &s) == RESULT_OK) {
		found.readable = place.unreadable == 0;
		found.named_known = s.named_known;
		found.named = s.named;
		found.trial = place.env.trial;
		found.rolled_back =
			envstore_get(&place.store, ENV_ROLLBACK, text, sizeof(text)) >= 0 &&
			rollback_parse(text, &found.rollback);
		if (found.running.slot == 'A' || found.running.slot == 'B')
			health->other_root =
				place.disk.role[roots[slot_index(slot_other(found.running.slot))]];
	}
	*ret_found = found;
}

/* --- Decisions --- */

enum decided { DECIDED, DECIDED_BY_OTHERS, NOT_DECIDED };

/* Keeps the running slot, or gives the named one up: under the environment's lock it must still be on
 * trial. */
static enum decided decide(const struct health *health, bool keep, char named,
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

static void clear_crumbs(const struct health *health)
{
	int r = breadcrumb_clear(health->facts.state_root);

	if (r < 0)
		log_warn("breadcrumbs", "error=%s next=tried-again-at-the-next-boot", log_errno(r));
}

static void tell(const struct health *health, enum health_way way, const char *why)
{
	int r = breadcrumb_tell(health->facts.state_root, way, why);

	if (r < 0)
		log_warn("breadcrumbs", "error=%s next=goes-on", log_errno(r));
}

/* Steps 3 and 4 of a trial that has passed. */
static void finish(const struct health *health)
{
	hooks_commit(health->conf.hook_timeout);
	log_event("health", "step=hooks-done");
	clear_crumbs(health);
	log_event("health", "step=complete");
}

static int passed(struct health *health)
{
	char slot = health->entry.running.slot;

	switch (decide(health, true, slot, SLOT_CAUSE_NONE)) {
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
	note(health);
	finish(health);
	write_status(health, "passed", "", NULL);
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
	note(health);
	write_status(health, "failed", why, NULL);
	log_event("health", "step=noted");
	r = hooks_rollback(&health->other_root, health->facts.boot_dir, health->facts.state_root,
			   slot_other(slot), health->conf.hook_timeout);
	if (r < 0)
		log_warn("hooks", "root=%s error=%s next=goes-on",
			 log_quote(health->other_root.dev), log_errno(r));
	log_event("health", "step=hooks-done");
	switch (decide(health, false, slot, SLOT_CAUSE_HEALTH)) {
	case DECIDED:
		log_event("health", "step=given-up slot=%c", slot);
		tell(health, HEALTH_BY_HEALTH, why);
		log_event("health", "step=told");
		clear_crumbs(health);
		log_event("health", "step=complete");
		break;
	case DECIDED_BY_OTHERS: /* somebody has called it good meanwhile: it is theirs to judge */
		log_warn("health", "step=decided-by-others next=no-rollback");
		finish(health);
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
static void wait_for_news(struct bus *bus, uint64_t wait_ms)
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

static int run_trial(struct health *health)
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
		write_status(health, health_verdict_name(d.verdict), d.why, round);
		log_event("health", "verdict=%s tests=%zu why=%s", health_verdict_name(d.verdict),
			  round->n, log_quote(d.why));
		if (d.verdict == HEALTH_GOES_ON)
			wait_for_news(bus, d.wait_ms);
	} while (d.verdict == HEALTH_GOES_ON);
	provider_list_done(&before);
	free(round);
	if (d.verdict == HEALTH_PASSED)
		return passed(health);
	if (d.verdict == HEALTH_FAILED)
		return failed(health, d.why);
	health->entry.health = BOOTS_LEFT;
	(void)snprintf(health->entry.why, sizeof(health->entry.why), "%s", d.why);
	note(health);
	return EXIT_SUCCESS;
}

/* A committed root is good when it is up: its counters go back to zero, as by `tugboot slot good`. */
static void confirm(const struct health *health)
{
	uint64_t deadline = health->begun_ms + (uint64_t)health->conf.timeout * 1000;
	_place_ struct place place = PLACE_NONE;
	struct situation s;

	for (;;) {
		_bus_ struct bus *bus = NULL;
		struct health_round round = {.n = 0};
		char why[HEALTH_WHY_MAX];
		bool up;

		if (bus_open(&bus) < 0)
			bus = NULL;
		up = healthtests_system(bus, why) == HEALTHTESTS_UP;
		if (up)
			healthtests_boot_complete(bus, false, &round);
		if (up && round.result[0].outcome == HEALTH_PASS)
			break;
		if (clock_ms() >= deadline) {
			log_warn("health", "slot=%c not-confirmed=%s", health->entry.running.slot,
				 log_quote(up ? round.result[0].why : why));
			return;
		}
		wait_for_news(bus, MIN(deadline - clock_ms(), (uint64_t)10000));
	}
	if (situation_open(NULL, PLACE_WRITE, &place, &s) == RESULT_OK && s.named_known &&
	    s.named == health->entry.running.slot && !s.env->trial)
		(void)situation_keep(&place, s.named); /* has complained */
}

/* Why the other root was given up, in words: what its own health run said, or else the bootloader. */
static void words_of_rollback(const struct health *health, const struct health_found *found,
			      char *buf, size_t size)
{
	_free_ struct boots *boots = calloc(1, sizeof(*boots));
	const struct boots_entry *last = NULL;
	enum slot_cause cause = found->running.cause;

	if (found->rolled_back)
		cause = found->rollback.cause;
	if (boots && cause == SLOT_CAUSE_HEALTH && boots_read(health->facts.state_dir, boots) == 0)
		last = boots_last_failed(boots, slot_other(health->entry.running.slot));
	if (last && last->why[0])
		(void)snprintf(buf, size, "%s", last->why);
	else
		(void)snprintf(buf, size, "slot %c: %s", slot_other(health->entry.running.slot),
			       slot_cause_name(cause));
}

static void begin_story(struct health *health, const struct health_found *found,
			const struct health_plan *plan)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) == 0 && now.tv_sec > 0)
		health->entry.when = now.tv_sec;
	health->entry.health = plan->start == HEALTH_RUN ? BOOTS_RUNNING : BOOTS_NONE;
	health->entry.gave_up = plan->tell && found->rolled_back;
	health->entry.rollback = found->rollback;
	if (plan->tell)
		words_of_rollback(health, found, health->entry.why, sizeof(health->entry.why));
	note(health);
}

static int carry_out(struct health *health, const struct health_found *found,
		     const struct health_plan *plan)
{
	if (plan->start == HEALTH_REPAIR &&
	    decide(health, false, found->named, plan->cause) == NOT_DECIDED) {
		/* Its tries are counted, or it is passed over again: the next boot has another go. */
		(void)log_err(-EIO, "health", "error=not-repaired next=tried-at-the-next-boot");
		return EXIT_SUCCESS;
	}
	if (plan->tell)
		tell(health, plan->way, health->entry.why);
	switch (plan->start) {
	case HEALTH_RUN:
		return run_trial(health);
	case HEALTH_FINISH:
		health->entry.health = BOOTS_PASSED;
		note(health);
		finish(health);
		break;
	case HEALTH_TELL:
	case HEALTH_CLEAR:
	case HEALTH_REPAIR:
		clear_crumbs(health);
		break;
	case HEALTH_NOTHING:
		break;
	}
	write_status(health, "idle", plan->reason, NULL);
	if (plan->confirm)
		confirm(health);
	return EXIT_SUCCESS;
}

static int run(void)
{
	struct health health = {0};
	struct health_found found;
	struct health_plan plan;
	int r;

	r = running_read(&health.entry.running);
	if (r < 0)
		return log_err(EXIT_FAILURE, "health", "cmdline=%s next=tried-again", log_errno(r));
	if (!health.entry.running.by_tugboot)
		return EXIT_SUCCESS;
	read_status(&health);
	healthconf_load(&health.conf);
	(void)alarm(health.conf.timeout + health.conf.settle + HANG_S);
	r = wait_for_state(&health.facts);
	if (r == 0)
		r = boots_id(health.entry.id);
	if (r < 0)
		return log_err(EXIT_FAILURE, "health", "error=%s next=tried-again", log_errno(r));
	look(&health, &found);
	plan = health_plan(&found);
	log_event("health", "start=%s slot=%c reason=%s", health_start_name(plan.start),
		  found.running.slot, log_quote(plan.reason));
	write_status(&health, health_start_name(plan.start), plan.reason, NULL);
	begin_story(&health, &found, &plan);
	return carry_out(&health, &found, &plan);
}

/* Only what a good root has is worth coming back to, and what a planned trial has recorded stays. */
static int record(void)
{
	_bus_ struct bus *bus = NULL;
	struct health health = {0};
	struct health_found found;
	int r;

	r = running_read(&health.entry.running);
	if (r == 0)
		r = facts_read(&health.facts);
	if (r < 0)
		return log_err(EXIT_FAILURE, "record", "error=%s", log_errno(r));
	look(&health, &found);
	if (found.trial || found.crumbs)
		return EXIT_SUCCESS;
	if (bus_open(&bus) < 0)
		bus = NULL; /* the kernel's own tunnels, then */
	r = netrecord_save(&health.facts, bus);
	if (r < 0)
		return log_err(EXIT_FAILURE, "record", "error=%s", log_errno(r));
	return EXIT_SUCCESS;
}

int agent_health(char **args)
{
	if (!args[0])
		return run();
	if (streq(args[0], "record") && !args[1])
		return record();
	(void)fprintf(stderr, "Usage: tugboot-agent health [record]\n");
	return 2;
}
