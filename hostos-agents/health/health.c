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
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "breadcrumb.h"
#include "clock.h"
#include "fd.h"
#include "health.h"
#include "healthtests.h"
#include "log.h"
#include "netrecord.h"
#include "place.h"
#include "situation.h"
#include "statefile.h"

/* The state partition is mounted beside us, or not at all. */
#define STATE_WAIT_MS 60000u
/* Beyond the deadline of the tests: then something hangs that must not. */
#define HANG_S 300u

/* --- What there is --- */

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
		health_wait(bus, MIN(deadline - clock_ms(), (uint64_t)10000));
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
	health_note(health);
}

static int carry_out(struct health *health, const struct health_found *found,
		     const struct health_plan *plan)
{
	if (plan->start == HEALTH_REPAIR &&
	    health_decide_slot(health, false, found->named, plan->cause) == NOT_DECIDED) {
		/* Its tries are counted, or it is passed over again: the next boot has another go. */
		(void)log_err(-EIO, "health", "error=not-repaired next=tried-at-the-next-boot");
		return EXIT_SUCCESS;
	}
	if (plan->tell)
		health_tell(health, plan->way, health->entry.why);
	switch (plan->start) {
	case HEALTH_RUN:
		return health_trial(health);
	case HEALTH_FINISH:
		health->entry.health = BOOTS_PASSED;
		health_note(health);
		health_finish(health);
		break;
	case HEALTH_TELL:
	case HEALTH_CLEAR:
	case HEALTH_REPAIR:
		health_clear_crumbs(health);
		break;
	case HEALTH_NOTHING:
		break;
	}
	health_show(health, "idle", plan->reason, NULL);
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
	health_show(&health, health_start_name(plan.start), plan.reason, NULL);
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
