/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The slot policy, lib/base/slot.c: the lines of its table one by one, then a walk over every
 * state that can be reached from any content of the environment, in every world, asserting the
 * rules of DESIGN.md section 2 ("Slot policy") in each.
 *
 * A world says how each slot behaves (absent, refused when its kernel is loaded, starts and
 * crashes, healthy) and whether its version is below the floor, whether there is a recovery slot,
 * whether the environment can be written, and what the hardware tells of a crash. A state is the
 * text of the keys and what the hardware remembers. From each state a boot is played as
 * bootloader/main.c plays it, and every end is followed: power cut before the write, after it, a
 * crash of the started root, a healthy root that is called good or bad, or shut down, and one that
 * is cut off before it is.
 */
#include "slot.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- environment as texts ---- */

enum key { ROOT, TRIAL, COUNT, LIMIT, MODE, SPARED, FAILURES, ENDED, BAD, USTATE, KEYS };

static const char *const key_names[KEYS] = {
	ENV_ROOT,   ENV_TRIAL,	  ENV_COUNT, ENV_LIMIT, ENV_COUNT_MODE,
	ENV_SPARED, ENV_FAILURES, ENV_ENDED, ENV_BAD,	ENV_USTATE,
};

struct texts {
	char value[KEYS][16]; /* "" is an unset key */
	/* What the hardware remembers of the last start, in the walk. */
	unsigned record; /* of a panic; 0 none */
	enum slot_last last;
};

static int texts_get(const void *source, const char *name, char *buf, size_t size)
{
	const struct texts *texts = source;

	for (size_t i = 0; i < KEYS; i++)
		if (streq(name, key_names[i]) && texts->value[i][0]) {
			strcpy(buf, texts->value[i]);
			assert_true(strlen(buf) < size);
			return (int)strlen(buf);
		}
	return -ENOENT;
}

static struct boot_env decode(const struct texts *texts)
{
	struct boot_env env;

	boot_env_decode(texts_get, texts, &env);
	return env;
}

/* States are compared as bytes: nothing of the old text stays. */
static void put(struct texts *texts, enum key key, const char *value)
{
	memset(texts->value[key], 0, sizeof(texts->value[key]));
	assert_true(strlen(value) < sizeof(texts->value[key]));
	strcpy(texts->value[key], value);
}

static void apply(struct texts *texts, const struct env_edits *edits)
{
	for (size_t i = 0; i < edits->n; i++)
		for (enum key k = 0; k < KEYS; k++)
			if (streq(edits->edit[i].name, key_names[k]))
				put(texts, k, edits->edit[i].unset ? "" : edits->edit[i].value);
}

static struct texts env_of(const char *root, const char *trial, const char *count,
			   const char *limit, const char *mode)
{
	const char *const values[] = {root, trial, count, limit, mode};
	struct texts texts = {0};

	for (enum key k = 0; k < ARRAY_SIZE(values); k++)
		put(&texts, k, values[k]);
	return texts;
}

static struct texts with(struct texts texts, enum key key, const char *value)
{
	put(&texts, key, value);
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

static struct slot_found found_after(enum slot_last last)
{
	struct slot_found found = found_of(OK, OK, NONE, false);

	found.last = last;
	return found;
}

static struct slot_found found_record(const char *name)
{
	struct slot_found found = found_of(OK, OK, NONE, false);

	strcpy(found.evidence, name);
	return found;
}

/* `name=value`, or `-name` for one that is removed. */
static void expect_edits(const struct env_edits *edits, const char *expected)
{
	char text[1024] = "";

	for (size_t i = 0; i < edits->n; i++) {
		const struct env_edit *e = &edits->edit[i];
		size_t n = strlen(text);

		(void)snprintf(text + n, sizeof(text) - n, "%s%s%s%s%s", i ? " " : "",
			       e->unset ? "-" : "", e->name, e->unset ? "" : "=", e->value);
	}
	assert_string_equal(text, expected);
}

static void expect(struct texts texts, struct slot_found found, char slot, enum slot_reason reason,
		   enum slot_cause cause, const char *edits)
{
	struct boot_env env = decode(&texts);
	struct slot_decision d = slot_decide(&env, &found);

	assert_int_equal(d.slot, slot);
	assert_string_equal(slot_reason_name(d.reason), slot_reason_name(reason));
	assert_string_equal(slot_cause_name(d.cause), slot_cause_name(cause));
	expect_edits(&d.edits, edits);
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

/* ---- how the last start ended ---- */

static void try_that_ended_without_a_failure_is_spared(void **state)
{
	const struct texts second = env_of("B", "1", "1", "", ""),
			   used = env_of("B", "1", "2", "", "");

	(void)state;
	expect(with(second, ENDED, "clean"), found_of(OK, OK, NONE, false), 'B', SLOT_REASON_TRIAL,
	       SLOT_CAUSE_NONE, "bootcount=1 tugboot_spared=1 -tugboot_ended");
	expect(second, found_after(SLOT_LAST_POWER), 'B', SLOT_REASON_TRIAL, SLOT_CAUSE_NONE,
	       "bootcount=1 tugboot_spared=1");
	expect(with(used, SPARED, "3"), found_after(SLOT_LAST_POWER), 'B', SLOT_REASON_TRIAL,
	       SLOT_CAUSE_NONE, "bootcount=2 tugboot_spared=4");
	/* nothing was started yet that could be spared */
	expect(env_of("B", "1", "0", "", ""), found_after(SLOT_LAST_POWER), 'B', SLOT_REASON_TRIAL,
	       SLOT_CAUSE_NONE, "bootcount=1");
	/* a word that is not known says nothing */
	expect(with(second, ENDED, "yes"), found_of(OK, OK, NONE, false), 'B', SLOT_REASON_TRIAL,
	       SLOT_CAUSE_NONE, "bootcount=2");
}

static void tries_are_spared_ten_times_and_then_count_again(void **state)
{
	const struct slot_found cut = found_after(SLOT_LAST_POWER);
	const struct texts second = env_of("B", "1", "1", "", ""),
			   used = env_of("B", "1", "2", "", "");

	(void)state;
	expect(with(second, SPARED, "9"), cut, 'B', SLOT_REASON_TRIAL, SLOT_CAUSE_NONE,
	       "bootcount=1 tugboot_spared=10");
	expect(with(second, SPARED, "10"), cut, 'B', SLOT_REASON_TRIAL, SLOT_CAUSE_NONE,
	       "bootcount=2");
	expect(with(second, SPARED, "x"), cut, 'B', SLOT_REASON_TRIAL, SLOT_CAUSE_NONE,
	       "bootcount=2");
	expect(with(with(used, SPARED, "10"), ENDED, "clean"), cut, 'A', SLOT_REASON_ROLLBACK,
	       SLOT_CAUSE_TRIES,
	       "resin_root_part=A upgrade_available=0 bootcount=0 tugboot_rollback=B:tries-used:2 "
	       "-tugboot_spared -tugboot_ended");
}

static void try_that_failed_or_that_nobody_knows_of_is_used(void **state)
{
	const struct texts second = env_of("B", "1", "1", "", "");

	(void)state;
	expect(second, found_after(SLOT_LAST_UNKNOWN), 'B', SLOT_REASON_TRIAL, SLOT_CAUSE_NONE,
	       "bootcount=2");
	expect(second, found_after(SLOT_LAST_WATCHDOG), 'B', SLOT_REASON_TRIAL, SLOT_CAUSE_NONE,
	       "bootcount=2");
	/* a shutdown in good order that hung */
	expect(with(second, ENDED, "clean"), found_after(SLOT_LAST_WATCHDOG), 'B',
	       SLOT_REASON_TRIAL, SLOT_CAUSE_NONE, "bootcount=2 -tugboot_ended");
	expect(second, found_record("dmesg-1"), 'B', SLOT_REASON_TRIAL, SLOT_CAUSE_NONE,
	       "bootcount=2 tugboot_failures=0:0:dmesg-1");
	expect(env_of("B", "1", "2", "", ""), found_record("dmesg-1"), 'A', SLOT_REASON_ROLLBACK,
	       SLOT_CAUSE_TRIES,
	       "resin_root_part=A upgrade_available=0 bootcount=0 tugboot_rollback=B:tries-used:2 "
	       "tugboot_failures=0:0:dmesg-1");
}

static void counted_committed_root_is_spared_as_a_trial_is(void **state)
{
	(void)state;
	expect(env_of("A", "0", "2", "", "always"), found_after(SLOT_LAST_POWER), 'A',
	       SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, "bootcount=2 tugboot_spared=1");
	expect(with(env_of("A", "0", "1", "", "always"), ENDED, "clean"),
	       found_of(OK, OK, NONE, false), 'A', SLOT_REASON_NORMAL, SLOT_CAUSE_NONE,
	       "bootcount=1 tugboot_spared=1 -tugboot_ended");
}

static void evidence_outweighs_what_the_shutdown_said(void **state)
{
	static const struct {
		const char *ended, *failures, *record;
		enum slot_last last, expected;
	} cases[] = {
		{"", "", "", SLOT_LAST_UNKNOWN, SLOT_LAST_UNKNOWN},
		{"", "", "", SLOT_LAST_POWER, SLOT_LAST_POWER},
		{"clean", "", "", SLOT_LAST_UNKNOWN, SLOT_LAST_CLEAN},
		{"clean", "", "", SLOT_LAST_POWER, SLOT_LAST_CLEAN},
		{"clean", "", "", SLOT_LAST_WATCHDOG, SLOT_LAST_WATCHDOG},
		{"clean", "", "r1", SLOT_LAST_WATCHDOG, SLOT_LAST_PANIC},
		{"", "0:0:r1", "r1", SLOT_LAST_POWER, SLOT_LAST_POWER},
		{"clean", "1:0:r1", "r1", SLOT_LAST_UNKNOWN, SLOT_LAST_CLEAN},
		{"", "1:0:r1", "r2", SLOT_LAST_UNKNOWN, SLOT_LAST_PANIC},
		{"", "1:0:watchdog", "r1", SLOT_LAST_UNKNOWN, SLOT_LAST_PANIC},
		{"", "garbage", "r1", SLOT_LAST_UNKNOWN, SLOT_LAST_PANIC},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct texts texts =
			with(with(env_of("A", "0", "0", "", ""), ENDED, cases[i].ended), FAILURES,
			     cases[i].failures);
		struct slot_found found = found_record(cases[i].record);
		struct boot_env env = decode(&texts);

		found.last = cases[i].last;
		assert_string_equal(slot_last_name(slot_last(&env, &found)),
				    slot_last_name(cases[i].expected));
	}
}

/* ---- a committed root that fails ---- */

static void committed_root_that_fails_is_counted_and_then_left(void **state)
{
	const struct texts committed = env_of("A", "0", "0", "", "");

	(void)state;
	expect(committed, found_after(SLOT_LAST_WATCHDOG), 'A', SLOT_REASON_NORMAL, SLOT_CAUSE_NONE,
	       "tugboot_failures=1:0:watchdog");
	expect(with(committed, FAILURES, "1:0:watchdog"), found_record("r1"), 'B',
	       SLOT_REASON_ROLLBACK, SLOT_CAUSE_FAILED,
	       "resin_root_part=B upgrade_available=1 bootcount=0 tugboot_rollback=A:failed:2 "
	       "tugboot_failures=0:0:r1");
	/* as often as a trial may */
	expect(env_of("A", "0", "0", "1", ""), found_record("r1"), 'B', SLOT_REASON_ROLLBACK,
	       SLOT_CAUSE_FAILED,
	       "resin_root_part=B upgrade_available=1 bootcount=0 tugboot_rollback=A:failed:1 "
	       "tugboot_failures=0:0:r1");
	expect(with(env_of("A", "0", "0", "4", ""), FAILURES, "2:0:r1"), found_record("r2"), 'A',
	       SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, "tugboot_failures=3:0:r2");
	/* what a shutdown said before it hung is closed, too */
	expect(with(committed, ENDED, "clean"), found_after(SLOT_LAST_WATCHDOG), 'A',
	       SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, "-tugboot_ended tugboot_failures=1:0:watchdog");
}

static void committed_root_that_is_cut_off_has_not_failed(void **state)
{
	(void)state;
	expect(env_of("A", "0", "0", "", ""), found_after(SLOT_LAST_POWER), 'A', SLOT_REASON_NORMAL,
	       SLOT_CAUSE_NONE, "");
	expect(with(env_of("A", "0", "0", "", ""), ENDED, "clean"), found_after(SLOT_LAST_POWER),
	       'A', SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, "");
	expect(with(env_of("A", "0", "0", "", ""), FAILURES, "1:0:r1"),
	       found_after(SLOT_LAST_UNKNOWN), 'A', SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, "");
}

static void panic_record_is_counted_once(void **state)
{
	(void)state;
	expect(with(env_of("A", "0", "0", "", ""), FAILURES, "1:0:r1"), found_record("r1"), 'A',
	       SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, "");
	expect(with(env_of("B", "1", "1", "", ""), FAILURES, "0:0:r1"), found_record("r1"), 'B',
	       SLOT_REASON_TRIAL, SLOT_CAUSE_NONE, "bootcount=2");
}

static void failures_a_day_apart_do_not_add_up(void **state)
{
	const struct texts once = with(env_of("A", "0", "0", "", ""), FAILURES, "1:1000000:r1");
	struct slot_found found = found_record("r2");

	(void)state;
	found.now = 1000000 + ENV_FAILURES_APART + 1;
	expect(once, found, 'A', SLOT_REASON_NORMAL, SLOT_CAUSE_NONE,
	       "tugboot_failures=1:1086401:r2");
	found.now = 1000000 + ENV_FAILURES_APART;
	expect(once, found, 'B', SLOT_REASON_ROLLBACK, SLOT_CAUSE_FAILED,
	       "resin_root_part=B upgrade_available=1 bootcount=0 tugboot_rollback=A:failed:2 "
	       "tugboot_failures=0:1086400:r2");
	/* a clock that is not set, now or then, or that went back, tells nothing */
	found.now = 0;
	expect(once, found, 'B', SLOT_REASON_ROLLBACK, SLOT_CAUSE_FAILED,
	       "resin_root_part=B upgrade_available=1 bootcount=0 tugboot_rollback=A:failed:2 "
	       "tugboot_failures=0:0:r2");
	found.now = 1000;
	expect(once, found, 'B', SLOT_REASON_ROLLBACK, SLOT_CAUSE_FAILED,
	       "resin_root_part=B upgrade_available=1 bootcount=0 tugboot_rollback=A:failed:2 "
	       "tugboot_failures=0:1000:r2");
	found.now = 2000000;
	expect(with(once, FAILURES, "1:0:r1"), found, 'B', SLOT_REASON_ROLLBACK, SLOT_CAUSE_FAILED,
	       "resin_root_part=B upgrade_available=1 bootcount=0 tugboot_rollback=A:failed:2 "
	       "tugboot_failures=0:2000000:r2");
}

static void committed_root_that_fails_is_kept_when_there_is_no_other(void **state)
{
	const struct texts once = with(env_of("A", "0", "0", "", ""), FAILURES, "1:0:r1");
	struct slot_found found = found_record("r2");

	(void)state;
	found.slot[1].below_floor = true;
	expect(once, found, 'A', SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, "tugboot_failures=2:0:r2");
	found.slot[1] = (typeof(found.slot[1])){0};
	expect(once, found, 'A', SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, "tugboot_failures=2:0:r2");
	/* and nothing can be noted when nothing can be written */
	found.read_only = true;
	expect(once, found, 'A', SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, "");
}

/* ---- slots that are bad, or too old ---- */

static void bad_slot_is_not_started_while_another_can_be(void **state)
{
	(void)state;
	/* only another program names a slot that was called bad */
	expect(with(env_of("A", "0", "0", "", ""), BAD, "A"), found_of(OK, OK, OK, false), 'B',
	       SLOT_REASON_ROLLBACK, SLOT_CAUSE_BAD,
	       "resin_root_part=B upgrade_available=1 bootcount=0 tugboot_rollback=A:marked-bad:0");
	expect(with(env_of("A", "0", "0", "", ""), BAD, "A"), found_of(OK, OK, OK, true), 'B',
	       SLOT_REASON_FALLBACK, SLOT_CAUSE_BAD, "");
	expect(with(env_of("A", "0", "0", "", ""), BAD, "B"), found_of(OK, OK, OK, false), 'A',
	       SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, "");
	expect(with(env_of("B", "1", "0", "", ""), BAD, "B"), found_of(OK, OK, OK, false), 'A',
	       SLOT_REASON_ROLLBACK, SLOT_CAUSE_BAD,
	       "resin_root_part=A upgrade_available=0 bootcount=0 tugboot_rollback=B:marked-bad:0");
	expect(with(env_of("A", "0", "0", "", ""), BAD, "C"), found_of(OK, OK, OK, false), 'A',
	       SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, "");
}

static void slot_below_the_floor_is_not_started_while_another_can_be(void **state)
{
	struct slot_found found = found_of(OK, OK, OK, false);

	(void)state;
	found.slot[1].below_floor = true;
	expect(env_of("B", "0", "0", "", ""), found, 'A', SLOT_REASON_FALLBACK, SLOT_CAUSE_FLOOR,
	       "");
	expect(env_of("B", "1", "0", "", ""), found, 'A', SLOT_REASON_ROLLBACK, SLOT_CAUSE_FLOOR,
	       "resin_root_part=A upgrade_available=0 bootcount=0 tugboot_rollback=B:below-floor:0");
	expect(env_of("A", "1", "2", "", ""), found, 'A', SLOT_REASON_FALLBACK, SLOT_CAUSE_TRIES,
	       "");
}

static void bad_slot_in_place_of_one_that_fails_has_to_prove_itself(void **state)
{
	const struct texts used = env_of("B", "1", "2", "", "");

	(void)state;
	expect(with(used, BAD, "A"), found_of(OK, OK, OK, false), 'A', SLOT_REASON_ROLLBACK,
	       SLOT_CAUSE_TRIES,
	       "resin_root_part=A upgrade_available=1 bootcount=0 tugboot_rollback=B:tries-used:2 "
	       "tugboot_bad=B");
	expect(with(with(env_of("A", "0", "0", "", ""), FAILURES, "1:0:r1"), BAD, "B"),
	       found_record("r2"), 'B', SLOT_REASON_ROLLBACK, SLOT_CAUSE_FAILED,
	       "resin_root_part=B upgrade_available=1 bootcount=0 tugboot_rollback=A:failed:2 "
	       "tugboot_bad=A tugboot_failures=0:0:r2");
	/* a trial with tries left is not given up for it */
	expect(with(env_of("B", "1", "1", "", ""), BAD, "A"), found_of(OK, OK, OK, false), 'B',
	       SLOT_REASON_TRIAL, SLOT_CAUSE_NONE, "bootcount=2");
	expect(with(env_of("B", "1", "1", "", ""), BAD, "A"), found_of(OK, OK, OK, true), 'B',
	       SLOT_REASON_FALLBACK, SLOT_CAUSE_READ_ONLY, "");
}

static void last_resort_is_recovery_then_the_named_slot_then_the_other(void **state)
{
	struct slot_found found = found_of(OK, OK, OK, false);
	const struct texts bad = with(env_of("A", "0", "0", "", ""), BAD, "A");

	(void)state;
	found.slot[1].refused = true;
	expect(bad, found, 'R', SLOT_REASON_RECOVERY, SLOT_CAUSE_BAD, "");
	found.recovery.refused = true;
	expect(bad, found, 'A', SLOT_REASON_FALLBACK, SLOT_CAUSE_BAD, "");
	found.slot[0].refused = true;
	expect(bad, found, 0, SLOT_REASON_NONE, SLOT_CAUSE_REFUSED, "tugboot_backoff=1");

	found = found_of(OK, OK, NONE, false);
	found.slot[0].below_floor = found.slot[1].below_floor = true;
	expect(env_of("B", "0", "0", "", ""), found, 'B', SLOT_REASON_FALLBACK, SLOT_CAUSE_FLOOR,
	       "");
	expect(env_of("B", "1", "2", "", ""), found, 'B', SLOT_REASON_FALLBACK, SLOT_CAUSE_FLOOR,
	       "");
	found.slot[1].refused = true;
	expect(env_of("B", "0", "0", "", ""), found, 'A', SLOT_REASON_FALLBACK, SLOT_CAUSE_REFUSED,
	       "");
}

static void slot_above_the_floor_is_better_than_one_below_it_even_when_it_is_bad(void **state)
{
	struct slot_found found = found_of(OK, OK, NONE, false);

	(void)state;
	found.slot[1].below_floor = true;
	expect(with(env_of("B", "0", "0", "", ""), BAD, "A"), found, 'A', SLOT_REASON_FALLBACK,
	       SLOT_CAUSE_FLOOR, "");
	expect(with(env_of("A", "0", "0", "", ""), BAD, "A"), found, 'A', SLOT_REASON_FALLBACK,
	       SLOT_CAUSE_BAD, "");
}

/* ---- what else a rollback writes ---- */

static void rollback_tells_swupdate_that_its_update_failed(void **state)
{
	const struct texts used = env_of("B", "1", "2", "", "");

	(void)state;
	for (unsigned ustate = 0; ustate <= 4; ustate++) {
		const char text[] = {(char)('0' + ustate), '\0'};
		struct texts texts = with(used, USTATE, text);
		struct boot_env env = decode(&texts);
		const struct slot_found found = found_of(OK, OK, NONE, false);
		struct slot_decision d = slot_decide(&env, &found);

		apply(&texts, &d.edits);
		assert_string_equal(texts.value[USTATE], ustate == 1 || ustate == 2 ? "3" : text);
		/* a try alone changes nothing */
		texts = with(env_of("B", "1", "0", "", ""), USTATE, text);
		env = decode(&texts);
		d = slot_decide(&env, &found);
		apply(&texts, &d.edits);
		assert_string_equal(texts.value[USTATE], text);
	}
}

/* ---- what a running system decides ---- */

/* One environment of everything that a decision may have to change, in letters or indexes. */
static struct texts busy(const char *root, const char *trial, const char *bad)
{
	struct texts texts = env_of(root, trial, "1", "3", "");

	texts = with(with(texts, SPARED, "4"), FAILURES, "2:77:r1");
	return with(with(with(texts, ENDED, "clean"), BAD, bad), USTATE, "2");
}

static void expect_verb(struct env_edits (*verb)(const struct boot_env *env,
						 const struct slot_found *found, char slot),
			struct texts texts, char slot, const char *edits)
{
	const struct slot_found found = found_of(OK, OK, NONE, false);
	struct boot_env env = decode(&texts);
	struct env_edits e = verb(&env, &found, slot);

	expect_edits(&e, edits);
}

static void slot_try_starts_with_clean_accounts(void **state)
{
	(void)state;
	expect_verb(slot_edits_try, busy("A", "0", "B"), 'B',
		    "resin_root_part=B upgrade_available=1 bootcount=0 -tugboot_rollback "
		    "-tugboot_spared -tugboot_ended tugboot_failures=0:77:r1 -tugboot_bad");
	expect_verb(slot_edits_try, busy("2", "0", "A"), 'B',
		    "resin_root_part=3 upgrade_available=1 bootcount=0 -tugboot_rollback "
		    "-tugboot_spared -tugboot_ended tugboot_failures=0:77:r1");
	expect_verb(slot_edits_try, env_of("A", "0", "0", "", ""), 'B',
		    "resin_root_part=B upgrade_available=1 bootcount=0 -tugboot_rollback");
}

static void slot_good_and_switch_commit_and_clear_the_accounts(void **state)
{
	static struct env_edits (*const verbs[])(const struct boot_env *, const struct slot_found *,
						 char) = {slot_edits_good, slot_edits_switch};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		expect_verb(verbs[i], busy("B", "1", "A"), 'B',
			    "resin_root_part=B upgrade_available=0 bootcount=0 -tugboot_backoff "
			    "-tugboot_spared -tugboot_ended tugboot_failures=0:77:r1");
		expect_verb(verbs[i], busy("3", "1", "B"), 'B',
			    "resin_root_part=3 upgrade_available=0 bootcount=0 -tugboot_backoff "
			    "-tugboot_spared -tugboot_ended tugboot_failures=0:77:r1 -tugboot_bad");
		expect_verb(verbs[i], env_of("3", "1", "1", "", ""), 'A',
			    "resin_root_part=2 upgrade_available=0 bootcount=0 -tugboot_backoff");
	}
}

static void slot_bad_of_the_named_slot_names_the_other_one(void **state)
{
	(void)state;
	/* not named: a mark alone */
	expect_verb(slot_edits_bad, busy("A", "0", ""), 'B', "tugboot_bad=B");
	expect_verb(slot_edits_bad, busy("2", "0", "A"), 'B', "tugboot_bad=B");
	/* on trial: back to what was committed */
	expect_verb(slot_edits_bad, busy("3", "1", ""), 'B',
		    "tugboot_bad=B resin_root_part=2 upgrade_available=0 bootcount=0 "
		    "tugboot_rollback=B:marked-bad:1 -tugboot_spared ustate=3");
	/* committed: the other one has to prove itself */
	expect_verb(slot_edits_bad, env_of("A", "0", "0", "", ""), 'A',
		    "tugboot_bad=A resin_root_part=B upgrade_available=1 bootcount=0 "
		    "tugboot_rollback=A:marked-bad:0");
	/* both: the last word counts */
	expect_verb(slot_edits_bad, with(env_of("B", "1", "1", "", ""), BAD, "A"), 'B',
		    "tugboot_bad=B resin_root_part=A upgrade_available=1 bootcount=0 "
		    "tugboot_rollback=B:marked-bad:1 tugboot_bad=B");
}

static struct env_edits not_healthy(const struct boot_env *env, const struct slot_found *found,
				    char slot)
{
	return slot_edits_give_up(env, found, slot, SLOT_CAUSE_HEALTH);
}

static void slot_that_is_not_healthy_is_given_up_as_by_the_bootloader(void **state)
{
	(void)state;
	expect_verb(not_healthy, busy("3", "1", ""), 'B',
		    "resin_root_part=2 upgrade_available=0 bootcount=0 tugboot_rollback=B:health:1 "
		    "-tugboot_spared ustate=3");
	expect_verb(
		not_healthy, env_of("B", "1", "2", "", ""), 'B',
		"resin_root_part=A upgrade_available=0 bootcount=0 tugboot_rollback=B:health:2");
	/* What was called bad before the trial has to prove itself. */
	expect_verb(not_healthy, with(env_of("B", "1", "1", "", ""), BAD, "A"), 'B',
		    "resin_root_part=A upgrade_available=1 bootcount=0 tugboot_rollback=B:health:1 "
		    "tugboot_bad=B");
}

static void end_in_good_order_is_noted_while_tries_are_counted(void **state)
{
	const struct env_edits edits = slot_edits_ended();
	struct texts texts = env_of("A", "0", "0", "", "");
	struct boot_env env = decode(&texts);

	(void)state;
	expect_edits(&edits, "tugboot_ended=clean");
	assert_false(slot_is_counted(&env));
	texts = env_of("A", "1", "0", "", "");
	env = decode(&texts);
	assert_true(slot_is_counted(&env));
	texts = env_of("A", "0", "0", "", "always");
	env = decode(&texts);
	assert_true(slot_is_counted(&env));
}

/* ---- the walk ---- */

enum health { ABSENT, REFUSED, CRASHES, HEALTHY, HEALTHS };
enum writing { WRITABLE, READ_ONLY, WRITE_FAILS, WRITINGS };
/* What is known of a crash when the next boot decides. */
enum telling { TELLS_NOTHING, TELLS_PANICS, TELLS_RESETS, TELLINGS };

struct world {
	enum health slot[SLOT_COUNT];
	bool below_floor[SLOT_COUNT];
	enum health recovery; /* ABSENT, REFUSED or HEALTHY */
	enum writing writing;
	enum telling telling;
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

static struct slot_found world_found(const struct world *world, const struct texts *texts)
{
	struct slot_found found = {.read_only = world->writing == READ_ONLY, .last = texts->last};

	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		found.slot[i].present = world->slot[i] != ABSENT;
		found.slot[i].below_floor = world->below_floor[i];
		found.slot[i].index = 2 + i;
	}
	found.recovery.present = world->recovery != ABSENT;
	if (texts->record)
		(void)snprintf(found.evidence, sizeof(found.evidence), "r%u", texts->record);
	return found;
}

/* One boot, as bootloader/main.c does it, up to the start of a slot. */
static struct boot_end play_boot(const struct world *world, const struct texts *texts)
{
	struct boot_env env = decode(texts);
	struct slot_found found = world_found(world, texts);
	struct boot_end end = {.after = *texts};

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
	end.after.last = SLOT_LAST_UNKNOWN;
	return end;
}

/* The root that was started crashes. Of the records that there may be the next one is taken that is
 * not the one noted as counted. */
static struct texts crash(const struct world *world, struct texts texts)
{
	struct boot_env env = decode(&texts);
	char name[ENV_EVIDENCE_MAX];

	if (world->telling == TELLS_RESETS)
		texts.last = SLOT_LAST_WATCHDOG;
	if (world->telling != TELLS_PANICS)
		return texts;
	do {
		texts.record = texts.record % 3 + 1;
		(void)snprintf(name, sizeof(name), "r%u", texts.record);
	} while (streq(name, env.failures.evidence));
	return texts;
}

static struct texts cut_off(const struct world *world, struct texts texts)
{
	texts.last = world->telling == TELLS_RESETS ? SLOT_LAST_POWER : SLOT_LAST_UNKNOWN;
	return texts;
}

static enum health health_of(const struct world *world, char slot)
{
	return slot == 'R' ? world->recovery : world->slot[slot_index(slot)];
}

static char named_slot(const struct world *world, const struct texts *texts)
{
	struct slot_found found = world_found(world, texts);
	struct boot_env env = decode(texts);
	bool named;

	return slot_named(&env, &found, &named);
}

static bool is_doubtful(const struct world *world, const struct boot_env *env, char slot)
{
	return env->bad == slot || world->below_floor[slot_index(slot)];
}

static bool has_failed(enum slot_last last)
{
	return last == SLOT_LAST_WATCHDOG || last == SLOT_LAST_PANIC;
}

/* Rule 5: whatever can be loaded is, in this boot. What is doubtful comes after recovery, unless it
 * takes over from a root whose tries are used up. */
static void check_candidates(const struct world *world, const struct boot_env *env,
			     const struct slot_decision *d)
{
	bool sound = false, any = false, slot = d->slot == 'A' || d->slot == 'B';

	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		char s = i ? 'B' : 'A';

		any |= loads(health_of(world, s));
		sound |= loads(health_of(world, s)) && !is_doubtful(world, env, s);
	}
	if (sound || (any && !loads(world->recovery)))
		assert_true(slot);
	else if (!slot || d->reason != SLOT_REASON_ROLLBACK)
		assert_int_equal(d->slot, loads(world->recovery) ? 'R' : 0);
	if (d->slot)
		assert_true(loads(health_of(world, d->slot)));
}

/* Rules 2, 3 and 5, and what belongs to them, for one boot. */
static void check_boot(const struct world *world, const struct texts *texts,
		       const struct boot_end *end)
{
	const struct slot_found found = world_found(world, texts);
	struct boot_env before = decode(texts), after = decode(&end->after);
	char named = named_slot(world, texts), other = slot_other(named);
	enum slot_last last = slot_last(&before, &found);
	bool spared = before.count > 0 && before.spared < ENV_SPARED_MAX &&
		      (last == SLOT_LAST_CLEAN || last == SLOT_LAST_POWER);

	check_candidates(world, &before, &end->d);

	/* 2: a trial starts with its counter stored; uncounted only when there is nothing to protect */
	if (end->d.reason == SLOT_REASON_TRIAL) {
		assert_true(before.trial);
		assert_int_equal(end->d.slot, named);
		assert_int_equal(after.count, before.count + !spared);
		assert_int_equal(after.spared, before.spared + spared);
		assert_true(after.count <= after.limit);
	} else if (before.trial && end->d.slot == named) {
		assert_true(!loads(health_of(world, other)) || is_doubtful(world, &before, other));
	}

	/* 3: a committed boot writes nothing */
	if (!before.trial && !before.count_always && end->d.slot && !has_failed(last) &&
	    before.bad != named)
		assert_int_equal(end->d.edits.n, 0);
	if (!before.trial && loads(health_of(world, named)) &&
	    !is_doubtful(world, &before, named) &&
	    !(before.count_always && before.count >= before.limit) &&
	    !(has_failed(last) && before.failures.times + 1 >= before.limit))
		assert_true(end->d.slot == named && end->d.reason == SLOT_REASON_NORMAL);

	/* a rollback names a slot that was just loaded; it is committed when it was so before */
	if (end->d.reason == SLOT_REASON_ROLLBACK) {
		assert_int_equal(end->d.slot, other);
		assert_false(world->below_floor[slot_index(other)]);
		if (world->writing == WRITABLE) {
			assert_int_equal(named_slot(world, &end->after), other);
			assert_int_equal(after.trial,
					 before.bad == other ||
						 (!before.trial && !before.count_always));
			assert_true(after.bad != other);
		}
	}
}

/*
 * The cases that rule 1 leaves to the hardware's word on the last reset: a root crashes, and the
 * next boot has no way to know, because the hardware says nothing and nothing may be written
 * before (a committed root), or because the environment is not writable.
 */
static bool needs_hardware_notice(const struct world *world, const struct texts *texts)
{
	struct boot_env env = decode(texts);
	struct boot_end end = play_boot(world, texts);

	if (health_of(world, end.d.slot) != CRASHES)
		return false;
	return world->writing != WRITABLE ||
	       (world->telling == TELLS_NOTHING && !env.trial && !env.count_always);
}

/* Can a healthy slot be expected? A floor is there to keep slots out: one below it is for when the
 * other one cannot be loaded. */
static bool may_be_healthy(const struct world *world)
{
	for (unsigned i = 0; i < SLOT_COUNT; i++)
		if (world->slot[i] == HEALTHY &&
		    (!world->below_floor[i] || !loads(world->slot[!i])))
			return true;
	return false;
}

/* Rule 1: a healthy slot is reached within a bounded number of resets. */
static void check_reaches_healthy(const struct world *world, const struct texts *texts)
{
	struct texts now = *texts;
	struct boot_env env = decode(texts);
	unsigned bound = 2 * env.limit + 2, resets;

	if (!may_be_healthy(world))
		return;
	for (resets = 0; resets <= bound; resets++) {
		struct boot_end end = play_boot(world, &now);

		/* Recovery comes before what is doubtful: check_candidates(). */
		if (end.d.slot == 'R' || health_of(world, end.d.slot) == HEALTHY)
			return;
		if (needs_hardware_notice(world, &now))
			return;
		now = crash(world, end.after);
	}
	print_message("slots %u %u, below floor %d %d, recovery %u, writing %u, telling %u\n",
		      world->slot[0], world->slot[1], world->below_floor[0], world->below_floor[1],
		      world->recovery, world->writing, world->telling);
	for (enum key k = 0; k < KEYS; k++)
		if (texts->value[k][0])
			print_message("%s=%s\n", key_names[k], texts->value[k]);
	fail_msg("no healthy slot within %u resets", bound);
}

/* States seen in one world: open addressing, emptied for the next. */
#define TABLE_SIZE (1u << 17)

struct walk {
	struct texts *states; /* in order of discovery */
	size_t n;
	unsigned table[TABLE_SIZE]; /* index + 1 */
};

static void visit(struct walk *walk, const struct texts *texts)
{
	const uint32_t *words = (const uint32_t *)texts;
	uint32_t hash = 2166136261u;

	_Static_assert(sizeof(*texts) % sizeof(*words) == 0, "hashed by words");
	for (size_t i = 0; i < sizeof(*texts) / sizeof(*words); i++) {
		hash = (hash ^ words[i]) * 2654435761u;
		hash ^= hash >> 15;
	}
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

/* Calls visit() with every combination of values; lists end with NULL. */
static void visit_product(struct walk *walk, const char *const *const values[], size_t keys,
			  struct texts texts, enum key key)
{
	if (key == keys) {
		visit(walk, &texts);
		return;
	}
	for (const char *const *value = values[key]; *value; value++)
		visit_product(walk, values, keys, with(texts, key, *value), key + 1);
}

#define VALUES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* What the other programs write, and what is left of it in a damaged file. */
static void visit_classic(struct walk *walk)
{
	const char *const *const values[] = {
		[ROOT] = VALUES("", "A", "B", "2", "3", "7", " B ", "sda2"),
		[TRIAL] = VALUES("", "0", "1", "yes"),
		[COUNT] = VALUES("", "0", "1", "2", "3", "4", "0 ", "99999999999", "-1", "x"),
		[LIMIT] = VALUES("", "0", "1", "2", "3", "no"),
		[MODE] = VALUES("", "always"),
	};

	visit_product(walk, values, ARRAY_SIZE(values), (struct texts){0}, 0);
}

/* What is known of the last starts, and of slots. */
static void visit_accounts(struct walk *walk)
{
	const char *const *const values[] = {
		[ROOT] = VALUES("A", "sda2"),
		[TRIAL] = VALUES("0", "1"),
		[COUNT] = VALUES("2"),
		[LIMIT] = VALUES(""),
		[MODE] = VALUES("", "always"),
		[SPARED] = VALUES("", "9"),
		[FAILURES] = VALUES("", "1:0:r1"),
		[ENDED] = VALUES("", "clean"),
		[BAD] = VALUES("", "A", "B"),
	};
	const char *const *const garbage[] = {
		[ROOT] = VALUES("3"),	    [TRIAL] = VALUES("0", "1"),	   [COUNT] = VALUES("1"),
		[LIMIT] = VALUES(""),	    [MODE] = VALUES("", "always"), [SPARED] = VALUES("-3"),
		[FAILURES] = VALUES("9:x"), [ENDED] = VALUES("yes"),	   [BAD] = VALUES("AB"),
	};

	visit_product(walk, values, ARRAY_SIZE(values), (struct texts){0}, 0);
	visit_product(walk, garbage, ARRAY_SIZE(garbage), (struct texts){0}, 0);
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
	struct texts cut;
	struct boot_env env;
	bool is_named;

	check_boot(world, &now, &end);
	check_reaches_healthy(world, &now);
	cut = cut_off(world, end.after);
	visit(walk, &cut);
	if (!end.d.slot || end.d.slot == 'R')
		return;
	if (health_of(world, end.d.slot) == CRASHES) {
		cut = crash(world, end.after);
		visit(walk, &cut);
		return;
	}
	if (world->writing != WRITABLE)
		return;
	env = decode(&end.after);
	visit_after(walk, &end.after, slot_edits_good(&env, &found, end.d.slot));
	visit_after(walk, &end.after, slot_edits_try(&env, &found, slot_other(end.d.slot)));
	visit_after(walk, &end.after, slot_edits_switch(&env, &found, slot_other(end.d.slot)));
	visit_after(walk, &end.after, slot_edits_bad(&env, &found, end.d.slot));
	visit_after(walk, &end.after, slot_edits_bad(&env, &found, slot_other(end.d.slot)));
	/* By the trial itself, and by the other root where the bootloader could not write it. */
	if (end.d.reason == SLOT_REASON_TRIAL)
		visit_after(walk, &end.after,
			    slot_edits_give_up(&env, &found, end.d.slot, SLOT_CAUSE_HEALTH));
	else if (env.trial && slot_named(&env, &found, &is_named) != end.d.slot)
		visit_after(walk, &end.after,
			    slot_edits_give_up(&env, &found, slot_other(end.d.slot), end.d.cause));
	if (slot_is_counted(&env))
		visit_after(walk, &end.after, slot_edits_ended());
}

static struct walk *walk_new(void)
{
	struct walk *walk = calloc(1, sizeof(*walk));

	assert_non_null(walk);
	walk->states = calloc(TABLE_SIZE / 2, sizeof(*walk->states));
	assert_non_null(walk->states);
	return walk;
}

static void walk_free(struct walk *walk)
{
	free(walk->states);
	free(walk);
}

static size_t walk_world(struct walk *walk, struct world world,
			 void (*visit_initial)(struct walk *walk))
{
	memset(walk->table, 0, sizeof(walk->table));
	walk->n = 0;
	visit_initial(walk);
	for (size_t i = 0; i < walk->n; i++)
		step(walk, &world, walk->states[i]);
	return walk->n;
}

static void rules_hold_in_every_reachable_state(void **state)
{
	struct walk *walk = walk_new();
	size_t states = 0, worlds = 0;

	(void)state;
	for (unsigned w = 0; w < HEALTHS * HEALTHS * 3 * WRITINGS; w++) {
		static const enum health recoveries[] = {ABSENT, REFUSED, HEALTHY};
		const struct world world = {
			.slot = {w % HEALTHS, w / HEALTHS % HEALTHS},
			.recovery = recoveries[w / (HEALTHS * HEALTHS) % 3],
			.writing = w / (HEALTHS * HEALTHS * 3),
		};

		states += walk_world(walk, world, visit_classic);
		worlds++;
	}
	print_message("slot policy: %zu states in %zu worlds, rules 1, 2, 3 and 5 hold in each\n",
		      states, worlds);
	walk_free(walk);
}

static void rules_hold_whatever_is_known_of_slots_and_of_the_last_start(void **state)
{
	struct walk *walk = walk_new();
	size_t states = 0, worlds = 0;

	(void)state;
	for (unsigned w = 0; w < HEALTHS * HEALTHS * 4 * TELLINGS * 2 * 2; w++) {
		unsigned floor = w / (HEALTHS * HEALTHS) % 4;
		const struct world world = {
			.slot = {w % HEALTHS, w / HEALTHS % HEALTHS},
			.below_floor = {floor & 1, floor & 2},
			.telling = w / (HEALTHS * HEALTHS * 4) % TELLINGS,
			.recovery = w / (HEALTHS * HEALTHS * 4 * TELLINGS) % 2 ? HEALTHY : ABSENT,
			.writing =
				w / (HEALTHS * HEALTHS * 4 * TELLINGS * 2) ? WRITE_FAILS : WRITABLE,
		};

		states += walk_world(walk, world, visit_accounts);
		worlds++;
	}
	print_message("slot policy: %zu states in %zu worlds with floors, bad slots and what the "
		      "hardware tells, the rules hold in each\n",
		      states, worlds);
	walk_free(walk);
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
		cmocka_unit_test(try_that_ended_without_a_failure_is_spared),
		cmocka_unit_test(tries_are_spared_ten_times_and_then_count_again),
		cmocka_unit_test(try_that_failed_or_that_nobody_knows_of_is_used),
		cmocka_unit_test(counted_committed_root_is_spared_as_a_trial_is),
		cmocka_unit_test(evidence_outweighs_what_the_shutdown_said),
		cmocka_unit_test(committed_root_that_fails_is_counted_and_then_left),
		cmocka_unit_test(committed_root_that_is_cut_off_has_not_failed),
		cmocka_unit_test(panic_record_is_counted_once),
		cmocka_unit_test(failures_a_day_apart_do_not_add_up),
		cmocka_unit_test(committed_root_that_fails_is_kept_when_there_is_no_other),
		cmocka_unit_test(bad_slot_is_not_started_while_another_can_be),
		cmocka_unit_test(slot_below_the_floor_is_not_started_while_another_can_be),
		cmocka_unit_test(bad_slot_in_place_of_one_that_fails_has_to_prove_itself),
		cmocka_unit_test(last_resort_is_recovery_then_the_named_slot_then_the_other),
		cmocka_unit_test(
			slot_above_the_floor_is_better_than_one_below_it_even_when_it_is_bad),
		cmocka_unit_test(rollback_tells_swupdate_that_its_update_failed),
		cmocka_unit_test(slot_try_starts_with_clean_accounts),
		cmocka_unit_test(slot_good_and_switch_commit_and_clear_the_accounts),
		cmocka_unit_test(slot_bad_of_the_named_slot_names_the_other_one),
		cmocka_unit_test(slot_that_is_not_healthy_is_given_up_as_by_the_bootloader),
		cmocka_unit_test(end_in_good_order_is_noted_while_tries_are_counted),
		cmocka_unit_test(rules_hold_in_every_reachable_state),
		cmocka_unit_test(rules_hold_whatever_is_known_of_slots_and_of_the_last_start),
	};

	return cmocka_run_group_tests_name("slot", tests, NULL, NULL);
}
