/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The health agent's policy: hostos-agents/health/healthpolicy.c. Each line of its table, the verdict,
 * and every boot after a power cut at each step of a health run, with the bootloader's own policy
 * between the boots.
 */
#include "healthpolicy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "macro.h"

static struct health_found committed(char running, enum slot_reason reason)
{
	return (struct health_found){
		.running = {.by_tugboot = true, .slot = running, .reason = reason},
		.readable = true,
		.named_known = true,
		.named = running,
	};
}

static void expect_start(const struct health_found *found, enum health_start start)
{
	struct health_plan plan = health_plan(found);

	if (plan.start != start)
		fail_msg("starts %s, expected %s (%s)", health_start_name(plan.start),
			 health_start_name(start), plan.reason);
	assert_true(plan.reason && *plan.reason);
}

static void a_trial_of_the_running_root_is_tested(void **state)
{
	struct health_found found = committed('B', SLOT_REASON_TRIAL);

	(void)state;
	found.trial = true;
	expect_start(&found, HEALTH_RUN);
	assert_false(health_plan(&found).tell);
	/* also by an agent that was started again */
	found.again = true;
	expect_start(&found, HEALTH_RUN);
	/* and after a committed root that failed again and again, which is told */
	found.again = false;
	found.running.reason = SLOT_REASON_ROLLBACK;
	expect_start(&found, HEALTH_RUN);
	assert_true(health_plan(&found).tell);
	assert_int_equal(health_plan(&found).way, HEALTH_BY_ALTBOOT);
}

static void nothing_is_done_where_nothing_is_to_be_decided(void **state)
{
	struct health_found found = committed('A', SLOT_REASON_NORMAL);

	(void)state;
	expect_start(&found, HEALTH_NOTHING);
	assert_true(health_plan(&found).confirm);
	found.running.by_tugboot = false;
	expect_start(&found, HEALTH_NOTHING);
	assert_false(health_plan(&found).confirm);
	found = committed('R', SLOT_REASON_RECOVERY);
	expect_start(&found, HEALTH_NOTHING);
	found = committed('A', SLOT_REASON_NORMAL);
	found.readable = false;
	expect_start(&found, HEALTH_NOTHING);
	found = committed('A', SLOT_REASON_NORMAL);
	found.named_known = false;
	expect_start(&found, HEALTH_NOTHING);
	/* the only root, whose try could not be counted */
	found = committed('B', SLOT_REASON_FALLBACK);
	found.trial = true;
	expect_start(&found, HEALTH_NOTHING);
	assert_false(health_plan(&found).confirm);
}

static void a_planned_trial_of_the_other_root_is_left_alone(void **state)
{
	struct health_found found = committed('A', SLOT_REASON_NORMAL);

	(void)state;
	found.named = 'B';
	found.trial = true;
	found.crumbs = true;
	found.crumb_slot = 'B';
	expect_start(&found, HEALTH_NOTHING);
	assert_false(health_plan(&found).confirm);
	/* also when this boot had been a rollback, and the agent was started again after it */
	found.running.reason = SLOT_REASON_ROLLBACK;
	found.again = true;
	expect_start(&found, HEALTH_NOTHING);
}

static void what_a_cut_left_of_a_trial_that_passed_is_completed(void **state)
{
	struct health_found found = committed('B', SLOT_REASON_NORMAL);

	(void)state;
	found.crumbs = true;
	found.crumb_slot = 'B';
	expect_start(&found, HEALTH_FINISH);
	/* a cause of old does not make it a rollback */
	found.rolled_back = true;
	found.rollback = (struct rollback){'A', SLOT_CAUSE_TRIES, 2};
	expect_start(&found, HEALTH_FINISH);
	assert_false(health_plan(&found).tell);
}

static void what_a_cut_left_of_a_rollback_is_completed(void **state)
{
	struct health_found found = committed('A', SLOT_REASON_NORMAL);
	struct health_plan plan;

	(void)state;
	found.crumbs = true;
	found.crumb_slot = 'B';
	found.rolled_back = true;
	found.rollback = (struct rollback){'B', SLOT_CAUSE_HEALTH, 1};
	expect_start(&found, HEALTH_TELL);
	plan = health_plan(&found);
	assert_true(plan.tell && plan.confirm);
	assert_int_equal(plan.way, HEALTH_BY_HEALTH);
	found.rollback.cause = SLOT_CAUSE_TRIES;
	plan = health_plan(&found);
	assert_true(plan.tell);
	assert_int_equal(plan.way, HEALTH_BY_ALTBOOT);
	/* balenaOS's own breadcrumbs say no slot */
	found.crumb_slot = 0;
	expect_start(&found, HEALTH_TELL);
	/* without breadcrumbs it was told already */
	found.crumbs = false;
	expect_start(&found, HEALTH_NOTHING);
}

static void a_rollback_by_the_bootloader_is_told_in_its_own_boot(void **state)
{
	struct health_found found = committed('A', SLOT_REASON_ROLLBACK);

	(void)state;
	expect_start(&found, HEALTH_TELL);
	assert_int_equal(health_plan(&found).way, HEALTH_BY_ALTBOOT);
	found.crumbs = true;
	expect_start(&found, HEALTH_TELL);
	found.crumbs = false;
	found.again = true;
	expect_start(&found, HEALTH_NOTHING);
}

static void breadcrumbs_of_a_trial_that_was_called_off_are_removed(void **state)
{
	struct health_found found = committed('A', SLOT_REASON_NORMAL);

	(void)state;
	found.crumbs = true;
	found.crumb_slot = 'B';
	expect_start(&found, HEALTH_CLEAR);
	found.crumb_slot = 0;
	expect_start(&found, HEALTH_CLEAR);
}

static void the_environment_is_made_to_name_the_running_root_during_an_update(void **state)
{
	struct health_found found = committed('A', SLOT_REASON_FALLBACK);

	(void)state;
	found.named = 'B';
	found.trial = true;
	found.running.cause = SLOT_CAUSE_READ_ONLY;
	expect_start(&found, HEALTH_REPAIR);
	assert_true(health_plan(&found).tell);
	assert_int_equal(health_plan(&found).cause, SLOT_CAUSE_READ_ONLY);
	found.running.cause = SLOT_CAUSE_NONE;
	assert_int_equal(health_plan(&found).cause, SLOT_CAUSE_REFUSED);
	found.trial = false;
	found.crumbs = true;
	expect_start(&found, HEALTH_REPAIR);
	/* a committed root that was passed over for once comes back */
	found.crumbs = false;
	expect_start(&found, HEALTH_NOTHING);
	assert_false(health_plan(&found).confirm);
}

/* --- The verdict --- */

static const struct health_times times = {60000, 10000, 900000};

static void a_trial_passes_when_all_tests_do_and_it_has_settled(void **state)
{
	struct health_round round = {.n = 0};
	struct health_decision d;

	(void)state;
	health_round_add(&round, "system", HEALTH_PASS, "running");
	d = health_decide(&round, 59000, &times, false, true);
	assert_int_equal(d.verdict, HEALTH_GOES_ON);
	assert_int_equal(d.wait_ms, 1000);
	d = health_decide(&round, 1000, &times, false, true);
	assert_int_equal(d.wait_ms, 10000);
	d = health_decide(&round, 60000, &times, false, true);
	assert_int_equal(d.verdict, HEALTH_PASSED);
	/* late is not too late */
	d = health_decide(&round, 2000000, &times, false, true);
	assert_int_equal(d.verdict, HEALTH_PASSED);
	health_round_add(&round, "engine", HEALTH_WAIT, "starting");
	d = health_decide(&round, 60000, &times, false, true);
	assert_int_equal(d.verdict, HEALTH_GOES_ON);
}

static void a_trial_fails_at_its_deadline_and_says_why(void **state)
{
	struct health_round round = {.n = 0};
	struct health_decision d;

	(void)state;
	health_round_add(&round, "system", HEALTH_WAIT, "starting");
	health_round_add(&round, "engine", HEALTH_FAIL, "no answer\n\033[31m");
	d = health_decide(&round, 899999, &times, false, true);
	assert_int_equal(d.verdict, HEALTH_GOES_ON);
	assert_int_equal(d.wait_ms, 1);
	d = health_decide(&round, 900000, &times, false, true);
	assert_int_equal(d.verdict, HEALTH_FAILED);
	/* a failure before what may still come, and nothing that steers a terminal */
	assert_string_equal(d.why, "engine: no answer??[31m");
	/* no test at all is no success */
	round.n = 0;
	assert_int_equal(health_decide(&round, 60000, &times, false, true).verdict, HEALTH_GOES_ON);
	assert_int_equal(health_decide(&round, 900000, &times, false, true).verdict, HEALTH_FAILED);
}

static void without_another_root_a_trial_cannot_fail(void **state)
{
	struct health_round round = {.n = 0};

	(void)state;
	health_round_add(&round, "engine", HEALTH_FAIL, "no answer");
	assert_int_equal(health_decide(&round, 2000000, &times, false, false).verdict,
			 HEALTH_GOES_ON);
	assert_int_equal(health_decide(&round, 2000000, &times, false, false).wait_ms, 10000);
}

static void a_shutdown_is_no_verdict(void **state)
{
	struct health_round round = {.n = 0};

	(void)state;
	health_round_add(&round, "engine", HEALTH_FAIL, "stopped");
	assert_int_equal(health_decide(&round, 900000, &times, true, true).verdict, HEALTH_LEFT);
	round.result[0].outcome = HEALTH_PASS;
	assert_int_equal(health_decide(&round, 900000, &times, true, true).verdict, HEALTH_LEFT);
}

static void more_tests_than_fit_are_a_failed_test(void **state)
{
	struct health_round round = {.n = 0};

	(void)state;
	for (size_t i = 0; i < HEALTH_RESULTS_MAX; i++)
		health_round_add(&round, "test", HEALTH_PASS, "%s", "");
	assert_int_equal(health_decide(&round, 60000, &times, false, true).verdict, HEALTH_PASSED);
	health_round_add(&round, "test", HEALTH_PASS, "%s", "");
	assert_int_equal(round.n, HEALTH_RESULTS_MAX);
	assert_int_equal(health_decide(&round, 60000, &times, false, true).verdict, HEALTH_GOES_ON);
}

/* --- Power cuts --- */

#define VARS_MAX 16

struct vars {
	struct env_edit var[VARS_MAX];
	size_t n;
};

static int vars_get(const void *source, const char *name, char *buf, size_t size)
{
	const struct vars *vars = source;

	for (size_t i = 0; i < vars->n; i++)
		if (streq(vars->var[i].name, name)) {
			(void)snprintf(buf, size, "%s", vars->var[i].value);
			return (int)strlen(buf);
		}
	return -2;
}

static void vars_apply(struct vars *vars, const struct env_edits *edits)
{
	for (size_t i = 0; i < edits->n; i++) {
		const struct env_edit *edit = &edits->edit[i];
		size_t at = 0;

		while (at < vars->n && !streq(vars->var[at].name, edit->name))
			at++;
		if (edit->unset && at < vars->n)
			vars->var[at] = vars->var[--vars->n];
		if (edit->unset)
			continue;
		assert_true(at < VARS_MAX);
		vars->var[at] = *edit;
		if (at == vars->n)
			vars->n++;
	}
}

enum kind { GOOD_ROOT, SICK_ROOT, DEAD_ROOT }; /* B: healthy, fails its tests, no init */

/* A device between two boots. */
struct device {
	struct vars vars;
	bool crumbs;
	char crumb_slot;
	bool flag[2];	 /* by enum health_way */
	bool hooks[2];	 /* commit hooks of A, B have run to their end */
	bool open_trial; /* B has been started uncounted: never */
	unsigned tries_of_b;
};

/* When the power is cut: before the step of this number, counted over all boots. */
struct plug {
	unsigned cut_at[2], step, cuts;
};

static bool cut(struct plug *plug)
{
	plug->step++;
	for (size_t i = 0; i < ARRAY_SIZE(plug->cut_at); i++)
		if (plug->cut_at[i] == plug->step) {
			plug->cuts++;
			return true;
		}
	return false;
}

static const struct slot_found both = {
	.slot = {{.present = true, .index = 2}, {.present = true, .index = 3}}};

static void decode(const struct device *device, struct boot_env *ret_env)
{
	boot_env_decode(vars_get, &device->vars, ret_env);
}

static void crumb(struct device *device, char slot)
{
	device->crumbs = slot != 0;
	device->crumb_slot = slot;
}

/* The steps of health.c, one call a step; true when the boot came to its end without a cut. */
static bool finish_passed(struct device *device, struct plug *plug, char running)
{
	if (cut(plug))
		return false;
	device->hooks[slot_index(running)] = true;
	if (cut(plug))
		return false;
	crumb(device, 0);
	return true;
}

static bool run_passed(struct device *device, struct plug *plug, char running)
{
	struct env_edits edits;
	struct boot_env env;

	if (cut(plug))
		return false;
	decode(device, &env);
	edits = slot_edits_good(&env, &both, running);
	vars_apply(&device->vars, &edits);
	return finish_passed(device, plug, running);
}

static bool run_failed(struct device *device, struct plug *plug, char running)
{
	struct env_edits edits;
	struct boot_env env;

	if (cut(plug)) /* before and after the old root's hooks */
		return false;
	if (cut(plug))
		return false;
	decode(device, &env);
	edits = slot_edits_give_up(&env, &both, running, SLOT_CAUSE_HEALTH);
	vars_apply(&device->vars, &edits);
	if (cut(plug))
		return false;
	device->flag[HEALTH_BY_HEALTH] = true;
	if (cut(plug))
		return false;
	crumb(device, 0);
	return !cut(plug); /* the reboot */
}

static bool repair(struct device *device, struct plug *plug, const struct health_plan *plan,
		   char named)
{
	struct env_edits edits;
	struct boot_env env;

	if (cut(plug))
		return false;
	decode(device, &env);
	edits = slot_edits_give_up(&env, &both, named, plan->cause);
	vars_apply(&device->vars, &edits);
	return true;
}

static bool agent(struct device *device, struct plug *plug, enum kind kind,
		  const struct slot_decision *d)
{
	struct health_found found = {
		.running = {.by_tugboot = true,
			    .slot = d->slot,
			    .reason = d->reason,
			    .cause = d->cause},
		.readable = true,
		.named_known = true,
		.crumbs = device->crumbs,
		.crumb_slot = device->crumb_slot,
	};
	struct health_plan plan;
	char text[ENV_NAME_MAX];
	struct boot_env env;
	bool is_named;

	decode(device, &env);
	found.named = slot_named(&env, &both, &is_named);
	found.trial = env.trial;
	found.rolled_back = vars_get(&device->vars, ENV_ROLLBACK, text, sizeof(text)) >= 0 &&
			    rollback_parse(text, &found.rollback);
	plan = health_plan(&found);
	if (plan.start == HEALTH_REPAIR && !repair(device, plug, &plan, found.named))
		return false;
	if (plan.tell) {
		if (cut(plug))
			return false;
		device->flag[plan.way] = true;
	}
	switch (plan.start) {
	case HEALTH_RUN:
		if (cut(plug))
			return false;
		crumb(device, d->slot);
		if (d->slot == 'B' && kind == SICK_ROOT)
			return run_failed(device, plug, d->slot);
		return run_passed(device, plug, d->slot);
	case HEALTH_FINISH:
		return finish_passed(device, plug, d->slot);
	case HEALTH_TELL:
	case HEALTH_CLEAR:
	case HEALTH_REPAIR:
		if (cut(plug))
			return false;
		crumb(device, 0);
		return true;
	case HEALTH_NOTHING:
		return true;
	}
	return true;
}

/* One boot, from the bootloader to the verdict. Returns the slot that ran. */
static char boot(struct device *device, struct plug *plug, enum kind kind, unsigned limit)
{
	struct slot_found found = both;
	struct slot_decision d;
	struct boot_env env;

	decode(device, &env);
	d = slot_decide(&env, &found);
	vars_apply(&device->vars, &d.edits);
	decode(device, &env);
	if (d.slot == 'B') {
		device->tries_of_b += env.trial;
		/* Committed by its own verdict, or counted. */
		if (env.trial && (env.count == 0 || env.count > limit))
			device->open_trial = true;
		if (!env.trial && kind != GOOD_ROOT)
			device->open_trial = true;
		if (kind == DEAD_ROOT)
			return d.slot;
	}
	(void)agent(device, plug, kind, &d);
	return d.slot;
}

static void set(struct device *device, const char *name, const char *value)
{
	struct env_edits edits = {0};

	env_edits_set(&edits, name, "%s", value);
	vars_apply(&device->vars, &edits);
}

/* How an update came to be planned. */
enum planner { BY_SLOT_TRY, BY_BALENA, BY_ENVIRONMENT_ALONE, PLANNERS };

static struct device planned(enum planner planner, const char *limit)
{
	struct device device = {0};

	set(&device, ENV_ROOT, "B");
	set(&device, ENV_TRIAL, "1");
	set(&device, ENV_COUNT, "0");
	set(&device, ENV_LIMIT, limit);
	if (planner != BY_SLOT_TRY) /* they know nothing of it: what it says is of long ago */
		set(&device, ENV_ROLLBACK, "A:tries-used:2");
	if (planner == BY_SLOT_TRY)
		crumb(&device, 'B');
	device.crumbs = planner != BY_ENVIRONMENT_ALONE;
	return device;
}

static void check_end(const struct device *device, const struct plug *plug, enum kind kind,
		      enum planner planner, unsigned limit, char last)
{
	struct boot_env env;

	decode(device, &env);
	assert_false(device->open_trial);
	assert_false(env.trial);
	assert_false(device->crumbs);
	assert_int_equal(env.root_slot, last);
	assert_in_range(device->tries_of_b, 1, limit);
	if (kind == GOOD_ROOT && plug->cuts < limit)
		assert_int_equal(last, 'B');
	if (kind != GOOD_ROOT)
		assert_int_equal(last, 'A');
	if (last == 'B') {
		assert_true(device->hooks[1]);
		assert_false(device->flag[HEALTH_BY_HEALTH] || device->flag[HEALTH_BY_ALTBOOT]);
		return;
	}
	if (kind == DEAD_ROOT)
		assert_false(device->flag[HEALTH_BY_HEALTH]);
	/* Nothing but the environment knew of that trial, and the boot that was the rollback was cut:
	 * its cause is kept there, and shown, but no file tells of it. */
	if (planner == BY_ENVIRONMENT_ALONE && plug->cuts > (kind == DEAD_ROOT ? 0 : 1))
		return;
	assert_true(device->flag[HEALTH_BY_HEALTH] || device->flag[HEALTH_BY_ALTBOOT]);
	if (kind == SICK_ROOT && plug->cuts < limit)
		assert_true(device->flag[HEALTH_BY_HEALTH]);
}

static unsigned play(enum kind kind, enum planner planner, unsigned limit, unsigned first,
		     unsigned second)
{
	struct plug plug = {.cut_at = {first, second}};
	char text[] = "0", last = 0;
	struct device device;

	text[0] = (char)('0' + limit);
	device = planned(planner, text);
	for (unsigned boots = 0; boots < 3 * limit + 8; boots++)
		last = boot(&device, &plug, kind, limit);
	check_end(&device, &plug, kind, planner, limit, last);
	return plug.step;
}

static void every_cut_of_a_health_run_ends_decided_on_one_root(void **state)
{
	unsigned runs = 0;

	(void)state;
	for (enum kind kind = GOOD_ROOT; kind <= DEAD_ROOT; kind++)
		for (enum planner planner = 0; planner < PLANNERS; planner++)
			for (unsigned limit = 1; limit <= 3; limit++)
				for (unsigned i = 0; i <= 24; i++)
					for (unsigned j = i ? i + 1 : 0; j <= (i ? 30u : 0u); j++) {
						(void)play(kind, planner, limit, i, j);
						runs++;
					}
	print_message("health: %u updates with up to two power cuts, each decided on one root\n",
		      runs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trial_of_the_running_root_is_tested),
		cmocka_unit_test(nothing_is_done_where_nothing_is_to_be_decided),
		cmocka_unit_test(a_planned_trial_of_the_other_root_is_left_alone),
		cmocka_unit_test(what_a_cut_left_of_a_trial_that_passed_is_completed),
		cmocka_unit_test(what_a_cut_left_of_a_rollback_is_completed),
		cmocka_unit_test(a_rollback_by_the_bootloader_is_told_in_its_own_boot),
		cmocka_unit_test(breadcrumbs_of_a_trial_that_was_called_off_are_removed),
		cmocka_unit_test(the_environment_is_made_to_name_the_running_root_during_an_update),
		cmocka_unit_test(a_trial_passes_when_all_tests_do_and_it_has_settled),
		cmocka_unit_test(a_trial_fails_at_its_deadline_and_says_why),
		cmocka_unit_test(without_another_root_a_trial_cannot_fail),
		cmocka_unit_test(a_shutdown_is_no_verdict),
		cmocka_unit_test(more_tests_than_fit_are_a_failed_test),
		cmocka_unit_test(every_cut_of_a_health_run_ends_decided_on_one_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
