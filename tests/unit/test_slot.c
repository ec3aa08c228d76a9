/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The slot policy, lib/base/slot.c: the lines of its table one by one, then a walk over every state
 * that can be reached from any content of the environment, in every world, asserting the rules of
 * DESIGN.md section 2 ("Slot policy") in each.
 *
 * A world says how each slot behaves (absent, refused when its kernel is loaded, starts and crashes,
 * healthy), whether there is a recovery slot and whether the environment can be written. A state is
 * the text of the keys. From each state a boot is played as bootloader/main.c plays it, and every end
 * is followed: power cut before the write, after it, a crash of the started root, a healthy root that
 * is marked good, and one that is cut off before it is.
 */
#include "slot.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- environment as texts ---- */

enum key { ROOT, TRIAL, COUNT, LIMIT, MODE, KEYS };

static const char *const key_names[KEYS] = {ENV_ROOT, ENV_TRIAL, ENV_COUNT, ENV_LIMIT,
					    ENV_COUNT_MODE};

struct texts {
	char value[KEYS][12]; /* "" is an unset key */
};

static int texts_get(const void *source, const char *name, char *buf, size_t size)
{
	const struct texts *texts = source;

	for (size_t i = 0; i < KEYS; i++)
		if (streq(name, key_names[i]) && texts->value[i][0])
			return snprintf(buf, size, "%s", texts->value[i]);
	return -ENOENT;
}

static struct boot_env decode(const struct texts *texts)
{
	struct boot_env env;

	boot_env_decode(texts_get, texts, &env);
	return env;
}

static void apply(struct texts *texts, const struct env_edits *edits)
{
	for (size_t i = 0; i < edits->n; i++)
		for (size_t k = 0; k < KEYS; k++)
			if (streq(edits->edit[i].name, key_names[k])) {
				/* states are compared as bytes: nothing of the old text stays */
				memset(texts->value[k], 0, sizeof(texts->value[k]));
				(void)snprintf(texts->value[k], sizeof(texts->value[k]), "%s",
					       edits->edit[i].value);
			}
}

static struct texts env_of(const char *root, const char *trial, const char *count,
			   const char *limit, const char *mode)
{
	const char *const values[KEYS] = {root, trial, count, limit, mode};
	struct texts texts = {0};

	for (size_t i = 0; i < KEYS; i++)
		(void)snprintf(texts.value[i], sizeof(texts.value[i]), "%s", values[i]);
	return texts;
}

/* ---- the table, line by line ---- */

enum { OK = 1, NONE = 0 };

static struct slot_found found_of(int a, int b, int recovery, bool read_only)
{
	struct slot_found found = {.read_only = read_only};

	found.slot[0].present = a;
	found.slot[0].index = 2;
	found.slot[1].present = b;
	found.slot[1].index = 3;
	found.recovery.present = recovery;
	return found;
}

static void expect(struct texts texts, struct slot_found found, char slot, enum slot_reason reason,
		   enum slot_cause cause, const char *edits)
{
	struct boot_env env = decode(&texts);
	struct slot_decision d = slot_decide(&env, &found);
	char text[512] = "";

	for (size_t i = 0; i < d.edits.n; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s=%s",
			       i ? " " : "", d.edits.edit[i].name, d.edits.edit[i].value);
	assert_int_equal(d.slot, slot);
	assert_string_equal(slot_reason_name(d.reason), slot_reason_name(reason));
	assert_string_equal(slot_cause_name(d.cause), slot_cause_name(cause));
	assert_string_equal(text, edits);
}

static void committed_slot_starts_and_nothing_is_written(void **state)
{
	(void)state;
	expect(env_of("A", "0", "0", "", ""), found_of(OK, OK, NONE, false), 'A',
	       SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, "");
	expect(env_of("B", "", "", "", ""), found_of(OK, OK, NONE, false), 'B', SLOT_REASON_NORMAL,
	       SLOT_CAUSE_NONE, "");
	expect(env_of("B", "0", "7", "", ""), found_of(OK, OK, NONE, true), 'B', SLOT_REASON_NORMAL,
	       SLOT_CAUSE_NONE, "");
}

static void committed_slot_that_is_missing_falls_back(void **state)
{
	(void)state;
	expect(env_of("B", "0", "0", "", ""), found_of(OK, NONE, NONE, false), 'A',
	       SLOT_REASON_FALLBACK, SLOT_CAUSE_MISSING, "");
	expect(env_of("", "", "", "", ""), found_of(NONE, OK, NONE, false), 'B',
	       SLOT_REASON_FALLBACK, SLOT_CAUSE_MISSING, "");
}

static void trial_is_counted_before_it_starts(void **state)
{
	(void)state;
	expect(env_of("B", "1", "0", "", ""), found_of(OK, OK, NONE, false), 'B', SLOT_REASON_TRIAL,
	       SLOT_CAUSE_NONE, "bootcount=1");
	expect(env_of("B", "1", "1", "", ""), found_of(OK, OK, NONE, false), 'B', SLOT_REASON_TRIAL,
	       SLOT_CAUSE_NONE, "bootcount=2");
}

static void trial_with_its_tries_used_rolls_back_in_one_write(void **state)
{
	(void)state;
	expect(env_of("B", "1", "2", "", ""), found_of(OK, OK, NONE, false), 'A',
	       SLOT_REASON_ROLLBACK, SLOT_CAUSE_TRIES,
	       "resin_root_part=A upgrade_available=0 bootcount=0 tugboot_rollback=B:tries-used:2");
	expect(env_of("A", "1", "5", "5", ""), found_of(OK, OK, NONE, false), 'B',
	       SLOT_REASON_ROLLBACK, SLOT_CAUSE_TRIES,
	       "resin_root_part=B upgrade_available=0 bootcount=0 tugboot_rollback=A:tries-used:5");
}

static void rollback_keeps_the_form_of_the_root_key(void **state)
{
	(void)state;
	expect(env_of("3", "1", "2", "", ""), found_of(OK, OK, NONE, false), 'A',
	       SLOT_REASON_ROLLBACK, SLOT_CAUSE_TRIES,
	       "resin_root_part=2 upgrade_available=0 bootcount=0 tugboot_rollback=B:tries-used:2");
}

static void rollback_that_cannot_be_written_happens_all_the_same(void **state)
{
	(void)state;
	expect(env_of("B", "1", "2", "", ""), found_of(OK, OK, NONE, true), 'A',
	       SLOT_REASON_ROLLBACK, SLOT_CAUSE_TRIES, "");
}

static void trial_that_cannot_be_counted_is_not_started(void **state)
{
	(void)state;
	expect(env_of("B", "1", "0", "", ""), found_of(OK, OK, NONE, true), 'A',
	       SLOT_REASON_FALLBACK, SLOT_CAUSE_READ_ONLY, "");
}

static void trial_that_is_the_only_root_is_started_as_it_is(void **state)
{
	(void)state;
	expect(env_of("B", "1", "0", "", ""), found_of(NONE, OK, OK, true), 'B',
	       SLOT_REASON_FALLBACK, SLOT_CAUSE_READ_ONLY, "");
	expect(env_of("B", "1", "2", "", ""), found_of(NONE, OK, OK, false), 'B',
	       SLOT_REASON_FALLBACK, SLOT_CAUSE_TRIES, "");
}

static void trial_that_is_refused_rolls_back_without_a_reset(void **state)
{
	struct slot_found found = found_of(OK, OK, NONE, false);

	(void)state;
	found.slot[1].refused = true;
	expect(env_of("B", "1", "0", "", ""), found, 'A', SLOT_REASON_ROLLBACK, SLOT_CAUSE_REFUSED,
	       "resin_root_part=A upgrade_available=0 bootcount=0 tugboot_rollback=B:refused:0");
	found.read_only = true;
	expect(env_of("B", "1", "0", "", ""), found, 'A', SLOT_REASON_FALLBACK, SLOT_CAUSE_REFUSED,
	       "");
}

static void recovery_comes_after_both_slots_and_reboot_after_recovery(void **state)
{
	struct slot_found found = found_of(NONE, OK, OK, false);

	(void)state;
	found.slot[1].refused = true;
	expect(env_of("A", "", "", "", ""), found, 'R', SLOT_REASON_RECOVERY, SLOT_CAUSE_MISSING,
	       "");
	found.recovery.refused = true;
	expect(env_of("A", "", "", "", ""), found, 0, SLOT_REASON_NONE, SLOT_CAUSE_MISSING,
	       "tugboot_backoff=1");
	found.read_only = true;
	expect(env_of("A", "", "", "", ""), found, 0, SLOT_REASON_NONE, SLOT_CAUSE_MISSING, "");
}

static void count_always_counts_a_committed_root_and_leaves_it_in_the_end(void **state)
{
	(void)state;
	expect(env_of("A", "0", "1", "", "always"), found_of(OK, OK, NONE, false), 'A',
	       SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, "bootcount=2");
	expect(env_of("A", "0", "2", "", "always"), found_of(OK, OK, NONE, false), 'B',
	       SLOT_REASON_ROLLBACK, SLOT_CAUSE_TRIES,
	       "resin_root_part=B upgrade_available=0 bootcount=1 tugboot_rollback=A:tries-used:2");
	expect(env_of("A", "0", "2", "", "always"), found_of(OK, NONE, NONE, false), 'A',
	       SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, "");
	expect(env_of("A", "0", "2", "", "always"), found_of(OK, OK, NONE, true), 'A',
	       SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, "");
}

static void root_that_names_no_slot_means_a(void **state)
{
	(void)state;
	expect(env_of("9", "0", "0", "", ""), found_of(OK, OK, NONE, false), 'A',
	       SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, "");
	expect(env_of("C:", "0", "0", "", ""), found_of(OK, OK, NONE, false), 'A',
	       SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, "");
	expect(env_of("9", "1", "0", "", ""), found_of(OK, OK, NONE, false), 'A', SLOT_REASON_TRIAL,
	       SLOT_CAUSE_NONE, "bootcount=1");
}

static void slot_verbs_write_all_that_belongs_together(void **state)
{
	struct texts texts = env_of("A", "0", "2", "3", "always");
	const struct slot_found found = found_of(OK, OK, NONE, false);
	struct boot_env env = decode(&texts);
	struct env_edits edits = slot_edits_try(&env, &found, 'B');

	(void)state;
	apply(&texts, &edits);
	assert_memory_equal(&texts, &(struct texts[]){env_of("B", "1", "0", "3", "always")},
			    sizeof(texts));
	env = decode(&texts);
	edits = slot_edits_good(&env, &found, 'B');
	apply(&texts, &edits);
	assert_memory_equal(&texts, &(struct texts[]){env_of("B", "0", "0", "3", "always")},
			    sizeof(texts));
	env = decode(&texts);
	edits = slot_edits_switch(&env, &found, 'A');
	apply(&texts, &edits);
	assert_memory_equal(&texts, &(struct texts[]){env_of("A", "0", "0", "3", "always")},
			    sizeof(texts));
}

/* ---- the walk ---- */

enum health { ABSENT, REFUSED, CRASHES, HEALTHY, HEALTHS };
enum writing { WRITABLE, READ_ONLY, WRITE_FAILS, WRITINGS };

struct world {
	enum health slot[SLOT_COUNT];
	enum health recovery; /* ABSENT, REFUSED or HEALTHY */
	enum writing writing;
};

struct boot_end {
	struct slot_decision d; /* the last decision; d.slot 0: nothing started */
	struct texts after;	/* the environment when the slot starts */
	unsigned decisions;
};

static bool loads(enum health health)
{
	return health == CRASHES || health == HEALTHY;
}

/* One boot, as bootloader/main.c does it, up to the start of a slot. */
static struct boot_end play_boot(const struct world *world, const struct texts *texts)
{
	struct boot_env env = decode(texts);
	struct slot_found found = {.read_only = world->writing == READ_ONLY};
	struct boot_end end = {.after = *texts};

	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		found.slot[i].present = world->slot[i] != ABSENT;
		found.slot[i].index = 2 + i;
	}
	found.recovery.present = world->recovery != ABSENT;
	for (end.decisions = 1;; end.decisions++) {
		assert_true(end.decisions <= 6);
		end.d = slot_decide(&env, &found);
		if (!end.d.slot)
			break;
		if (end.d.slot == 'R') {
			if (loads(world->recovery))
				break;
			found.recovery.refused = true;
			continue;
		}
		if (!loads(world->slot[slot_index(end.d.slot)])) {
			found.slot[slot_index(end.d.slot)].refused = true;
			continue;
		}
		if (end.d.edits.n > 0 && world->writing == WRITE_FAILS) {
			assert_false(found.read_only);
			found.read_only = true;
			continue;
		}
		break;
	}
	if (end.d.edits.n > 0 && world->writing == WRITABLE)
		apply(&end.after, &end.d.edits);
	return end;
}

static enum health health_of(const struct world *world, char slot)
{
	return slot == 'R' ? world->recovery : world->slot[slot_index(slot)];
}

static char named_slot(const struct world *world, const struct boot_env *env)
{
	struct slot_found found = {0};
	bool named;

	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		found.slot[i].present = world->slot[i] != ABSENT;
		found.slot[i].index = 2 + i;
	}
	return slot_named(env, &found, &named);
}

/* Rules 2, 3 and 5, and what belongs to them, for one boot. */
static void check_boot(const struct world *world, const struct texts *texts,
		       const struct boot_end *end)
{
	struct boot_env before = decode(texts), after = decode(&end->after);
	char named = named_slot(world, &before);
	enum health named_health = health_of(world, named),
		    other_health = health_of(world, slot_other(named));

	/* 5: whatever can be loaded is, in this boot */
	if (loads(world->slot[0]) || loads(world->slot[1]))
		assert_true(end->d.slot == 'A' || end->d.slot == 'B');
	else if (loads(world->recovery))
		assert_int_equal(end->d.slot, 'R');
	else
		assert_int_equal(end->d.slot, 0);
	if (end->d.slot)
		assert_true(loads(health_of(world, end->d.slot)));

	/* 2: a trial starts with its counter stored; uncounted only when there is nothing to protect */
	if (end->d.reason == SLOT_REASON_TRIAL) {
		assert_true(before.trial);
		assert_int_equal(end->d.slot, named);
		assert_int_equal(after.count, before.count + 1);
		assert_true(after.count <= after.limit);
	} else if (before.trial && end->d.slot == named) {
		assert_false(loads(other_health));
	}

	/* 3: a committed boot writes nothing */
	if (!before.trial && !before.count_always && end->d.slot)
		assert_int_equal(end->d.edits.n, 0);
	if (!before.trial && loads(named_health) &&
	    !(before.count_always && before.count >= before.limit))
		assert_true(end->d.slot == named && end->d.reason == SLOT_REASON_NORMAL);

	/* a rollback commits a slot that was just loaded */
	if (end->d.reason == SLOT_REASON_ROLLBACK) {
		assert_int_equal(end->d.slot, slot_other(named));
		if (world->writing == WRITABLE) {
			assert_false(after.trial);
			assert_int_equal(named_slot(world, &after), end->d.slot);
		}
	}
}

/*
 * The cases that rule 1 leaves to the hardware's word on the last reset: a root crashes and nothing
 * may be written (a committed one) or can be (the environment is not writable), so the next boot has
 * no other way to know.
 */
static bool needs_hardware_notice(const struct world *world, const struct texts *texts)
{
	struct boot_env env = decode(texts);
	struct boot_end end = play_boot(world, texts);

	if (health_of(world, end.d.slot) != CRASHES)
		return false;
	return world->writing != WRITABLE || (!env.trial && !env.count_always);
}

/* Rule 1: a healthy slot is reached within a bounded number of resets. */
static void check_reaches_healthy(const struct world *world, const struct texts *texts)
{
	struct texts now = *texts;
	struct boot_env env = decode(texts);
	unsigned bound = 2 * env.limit + 2, resets;

	if (world->slot[0] != HEALTHY && world->slot[1] != HEALTHY)
		return;
	for (resets = 0; resets <= bound; resets++) {
		struct boot_end end = play_boot(world, &now);

		assert_true(end.d.slot == 'A' || end.d.slot == 'B');
		if (health_of(world, end.d.slot) == HEALTHY)
			return;
		if (needs_hardware_notice(world, &now))
			return;
		now = end.after;
	}
	fail_msg(
		"no healthy slot within %u resets: root='%s' trial='%s' count='%s' limit='%s' mode='%s'",
		bound, texts->value[ROOT], texts->value[TRIAL], texts->value[COUNT],
		texts->value[LIMIT], texts->value[MODE]);
}

/* States seen in one world: open addressing, emptied for the next. */
#define TABLE_SIZE (1u << 15)

struct walk {
	struct texts *states; /* in order of discovery */
	size_t n;
	unsigned table[TABLE_SIZE]; /* index + 1 */
};

static void visit(struct walk *walk, const struct texts *texts)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < sizeof(*texts); i++)
		hash = (hash ^ ((const unsigned char *)texts)[i]) * 16777619u;
	for (uint32_t at = hash % TABLE_SIZE;; at = (at + 1) % TABLE_SIZE) {
		if (walk->table[at] == 0) {
			assert_true(walk->n < TABLE_SIZE / 2);
			walk->states[walk->n++] = *texts;
			walk->table[at] = (unsigned)walk->n;
			return;
		}
		if (memcmp(&walk->states[walk->table[at] - 1], texts, sizeof(*texts)) == 0)
			return;
	}
}

static void visit_initial(struct walk *walk)
{
	static const char *const roots[] = {"", "A", "B", "2", "3", "7", " B ", "sda2"};
	static const char *const trials[] = {"", "0", "1", "yes"};
	static const char *const counts[] = {"",  "0",	"1",	       "2",  "3",
					     "4", "0 ", "99999999999", "-1", "x"};
	static const char *const limits[] = {"", "0", "1", "2", "3", "no"};
	static const char *const modes[] = {"", "always"};

	for (size_t r = 0; r < ARRAY_SIZE(roots); r++)
		for (size_t t = 0; t < ARRAY_SIZE(trials); t++)
			for (size_t c = 0; c < ARRAY_SIZE(counts); c++)
				for (size_t l = 0; l < ARRAY_SIZE(limits); l++)
					for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
						struct texts texts =
							env_of(roots[r], trials[t], counts[c],
							       limits[l], modes[m]);

						visit(walk, &texts);
					}
}

static void visit_after(struct walk *walk, const struct texts *now, struct env_edits edits)
{
	struct texts after = *now;

	apply(&after, &edits);
	visit(walk, &after);
}

/* Every state that follows from one: cuts, crashes, and what the running system may write. */
static void step(struct walk *walk, const struct world *world, struct texts now)
{
	const struct slot_found found = found_of(OK, OK, NONE, false);
	struct boot_end end = play_boot(world, &now);
	struct boot_env env;

	check_boot(world, &now, &end);
	check_reaches_healthy(world, &now);
	visit(walk, &end.after); /* cut after the write, or a crash */
	if (world->writing != WRITABLE || !end.d.slot || health_of(world, end.d.slot) != HEALTHY)
		return;
	if (end.d.slot == 'R')
		return;
	env = decode(&end.after);
	visit_after(walk, &end.after, slot_edits_good(&env, &found, end.d.slot));
	visit_after(walk, &end.after, slot_edits_try(&env, &found, slot_other(end.d.slot)));
	visit_after(walk, &end.after, slot_edits_switch(&env, &found, slot_other(end.d.slot)));
}

static void rules_hold_in_every_reachable_state(void **state)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	size_t states = 0, worlds = 0;

	(void)state;
	assert_non_null(walk);
	walk->states = calloc(TABLE_SIZE, sizeof(*walk->states));
	assert_non_null(walk->states);
	for (unsigned w = 0; w < HEALTHS * HEALTHS * 3 * WRITINGS; w++) {
		static const enum health recoveries[] = {ABSENT, REFUSED, HEALTHY};
		const struct world world = {
			.slot = {w % HEALTHS, w / HEALTHS % HEALTHS},
			.recovery = recoveries[w / (HEALTHS * HEALTHS) % 3],
			.writing = w / (HEALTHS * HEALTHS * 3),
		};

		memset(walk->table, 0, sizeof(walk->table));
		walk->n = 0;
		visit_initial(walk);
		for (size_t i = 0; i < walk->n; i++)
			step(walk, &world, walk->states[i]);
		states += walk->n;
		worlds++;
	}
	print_message("slot policy: %zu states in %zu worlds, rules 1, 2, 3 and 5 hold in each\n",
		      states, worlds);
	free(walk->states);
	free(walk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(committed_slot_starts_and_nothing_is_written),
		cmocka_unit_test(committed_slot_that_is_missing_falls_back),
		cmocka_unit_test(trial_is_counted_before_it_starts),
		cmocka_unit_test(trial_with_its_tries_used_rolls_back_in_one_write),
		cmocka_unit_test(rollback_keeps_the_form_of_the_root_key),
		cmocka_unit_test(rollback_that_cannot_be_written_happens_all_the_same),
		cmocka_unit_test(trial_that_cannot_be_counted_is_not_started),
		cmocka_unit_test(trial_that_is_the_only_root_is_started_as_it_is),
		cmocka_unit_test(trial_that_is_refused_rolls_back_without_a_reset),
		cmocka_unit_test(recovery_comes_after_both_slots_and_reboot_after_recovery),
		cmocka_unit_test(count_always_counts_a_committed_root_and_leaves_it_in_the_end),
		cmocka_unit_test(root_that_names_no_slot_means_a),
		cmocka_unit_test(slot_verbs_write_all_that_belongs_together),
		cmocka_unit_test(rules_hold_in_every_reachable_state),
	};

	return cmocka_run_group_tests_name("slot", tests, NULL, NULL);
}
