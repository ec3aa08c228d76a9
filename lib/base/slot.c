/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The slot policy. The decision table is in slot.h, and every line of it stands here once, in the
 * same order. Input is decoded already (env.h), so every value is in bounds.
 */
#include "slot.h"

#include <limits.h>
#include <stdlib.h>

char slot_named(const struct boot_env *env, const struct slot_found *found, bool *ret_named)
{
	*ret_named = true;
	if (env->root_kind == ENV_ROOT_SLOT)
		return env->root_slot;
	if (env->root_kind == ENV_ROOT_INDEX)
		for (unsigned i = 0; i < SLOT_COUNT; i++)
			if (found->slot[i].present && found->slot[i].index == env->root_index)
				return (char)('A' + i);
	*ret_named = false;
	return 'A';
}

enum slot_last slot_last(const struct boot_env *env, const struct slot_found *found)
{
	if (found->evidence[0] && !streq(found->evidence, env->failures.evidence))
		return SLOT_LAST_PANIC;
	if (found->last == SLOT_LAST_WATCHDOG)
		return SLOT_LAST_WATCHDOG;
	return env->ended_clean ? SLOT_LAST_CLEAN : found->last;
}

static bool has_failed(enum slot_last last)
{
	return last == SLOT_LAST_WATCHDOG || last == SLOT_LAST_PANIC;
}

static bool loadable(const struct slot_found *found, char slot)
{
	unsigned i = slot_index(slot);

	return found->slot[i].present && !found->slot[i].refused;
}

static bool usable(const struct boot_env *env, const struct slot_found *found, char slot)
{
	return loadable(found, slot) && env->bad != slot &&
	       !found->slot[slot_index(slot)].below_floor;
}

/* When the one that is better has failed as often as it may, a slot that was called bad is still
 * better; one below the floor is for when nothing else is left. */
static bool possible(const struct slot_found *found, char slot)
{
	return loadable(found, slot) && !found->slot[slot_index(slot)].below_floor;
}

static enum slot_cause why_not(const struct boot_env *env, const struct slot_found *found,
			       char slot)
{
	unsigned i = slot_index(slot);

	if (!found->slot[i].present)
		return SLOT_CAUSE_MISSING;
	if (found->slot[i].refused)
		return SLOT_CAUSE_REFUSED;
	return env->bad == slot ? SLOT_CAUSE_BAD : SLOT_CAUSE_FLOOR;
}

static struct slot_decision choose(const struct boot_env *env, char slot, enum slot_reason reason,
				   enum slot_cause cause, unsigned used)
{
	return (struct slot_decision){.slot = slot,
				      .reason = reason,
				      .cause = cause,
				      .used = used,
				      .allowed = env->limit};
}

/* A panic record is taken note of, so that it counts once; times is of the root started next. */
static void edits_failures(struct env_edits *edits, const struct slot_found *found, unsigned times,
			   enum slot_last last)
{
	env_edits_set(edits, ENV_FAILURES, "%u:%lld:%s", MIN(times, ENV_LIMIT_MAX),
		      found->now > 0 && found->now < INT_MAX ? found->now : 0,
		      last == SLOT_LAST_PANIC ? found->evidence : "watchdog");
}

/* What was open of the last start is closed by the write that starts the next one. */
static void edits_close(struct env_edits *edits, const struct boot_env *env,
			const struct slot_found *found)
{
	enum slot_last last = slot_last(env, found);

	if (env->ended_clean)
		env_edits_unset(edits, ENV_ENDED);
	if (last == SLOT_LAST_PANIC)
		edits_failures(edits, found, 0, last);
}

/* Is the try that ended last to be given back? */
static bool is_spared(const struct boot_env *env, const struct slot_found *found)
{
	enum slot_last last = slot_last(env, found);

	return env->count > 0 && env->spared < ENV_SPARED_MAX &&
	       (last == SLOT_LAST_CLEAN || last == SLOT_LAST_POWER);
}

/* Tries used before this boot. */
static unsigned tries_before(const struct boot_env *env, const struct slot_found *found)
{
	return is_spared(env, found) ? env->count - 1 : env->count;
}

/* Starts slot and counts this try, durably, before it. */
static struct slot_decision choose_counted(const struct boot_env *env,
					   const struct slot_found *found, char slot,
					   enum slot_reason reason)
{
	unsigned used = tries_before(env, found) + 1;
	struct slot_decision d = choose(env, slot, reason, SLOT_CAUSE_NONE, used);

	env_edits_set(&d.edits, ENV_COUNT, "%u", used);
	if (is_spared(env, found))
		env_edits_set(&d.edits, ENV_SPARED, "%u", env->spared + 1);
	edits_close(&d.edits, env, found);
	return d;
}

/* Names slot in the form in which the environment names one, so that its other readers find it. */
static void edits_root(struct env_edits *edits, const struct boot_env *env,
		       const struct slot_found *found, char slot)
{
	unsigned index = found->slot[slot_index(slot)].index;

	if (env->root_by_index && index > 0)
		env_edits_set(edits, ENV_ROOT, "%x", index);
	else
		env_edits_set(edits, ENV_ROOT, "%c", slot);
}

/* A root that was committed until a trial began comes back committed. Any other one is put on
 * trial: should it fail in a way that the hardware does not tell, the count leads back. */
static bool is_unproven(const struct boot_env *env, char slot)
{
	return env->bad == slot || (!env->trial && !env->count_always);
}

/* Names slot in place of the other one, whose tries and cause are noted for the running system. */
static void edits_give_up(struct env_edits *edits, const struct boot_env *env,
			  const struct slot_found *found, char slot, enum slot_cause cause,
			  unsigned count, unsigned used)
{
	edits_root(edits, env, found, slot);
	env_edits_set(edits, ENV_TRIAL, is_unproven(env, slot) ? "1" : "0");
	env_edits_set(edits, ENV_COUNT, "%u", count);
	env_edits_set(edits, ENV_ROLLBACK, "%c:%s:%u", slot_other(slot), slot_cause_name(cause),
		      used);
	if (env->spared > 0)
		env_edits_unset(edits, ENV_SPARED);
	if (env->bad == slot)
		env_edits_set(edits, ENV_BAD, "%c", slot_other(slot));
	if (env->ustate_open)
		env_edits_set(edits, ENV_USTATE, "3");
}

static struct slot_decision choose_rollback(const struct boot_env *env,
					    const struct slot_found *found, char slot,
					    enum slot_cause cause, unsigned count)
{
	struct slot_decision d = choose(env, slot, SLOT_REASON_ROLLBACK, cause, count);

	if (found->read_only)
		return d;
	edits_give_up(&d.edits, env, found, slot, cause, count, env->count);
	edits_close(&d.edits, env, found);
	return d;
}

/* No slot is usable: recovery, then what is doubtful, then nothing. */
static struct slot_decision choose_last_resort(const struct boot_env *env,
					       const struct slot_found *found, char named,
					       char other)
{
	enum slot_cause cause = why_not(env, found, named);
	char first = possible(found, other) && !possible(found, named) ? other : named;
	struct slot_decision d;

	if (found->recovery.present && !found->recovery.refused)
		return choose(env, 'R', SLOT_REASON_RECOVERY, cause, env->count);
	if (loadable(found, first))
		return choose(env, first, SLOT_REASON_FALLBACK, cause, env->count);
	if (loadable(found, slot_other(first)))
		return choose(env, slot_other(first), SLOT_REASON_FALLBACK, cause, env->count);
	d = choose(env, 0, SLOT_REASON_NONE, cause, env->count);
	if (!found->read_only)
		env_edits_set(&d.edits, ENV_BACKOFF, "%u", MIN(env->backoff + 1, ENV_LIMIT_MAX));
	return d;
}

/* A committed root whose last start is known to have failed. Its failures are counted apart from
 * tries: those belong to trials, and other programs reset them. */
static struct slot_decision decide_failed(const struct boot_env *env,
					  const struct slot_found *found, char named, char other)
{
	enum slot_last last = slot_last(env, found);
	bool apart = found->now > 0 && env->failures.when > 0 &&
		     found->now - env->failures.when > ENV_FAILURES_APART;
	unsigned times = (apart ? 0 : env->failures.times) + 1;
	struct slot_decision d;

	if (times >= env->limit && possible(found, other)) {
		d = choose(env, other, SLOT_REASON_ROLLBACK, SLOT_CAUSE_FAILED, 0);
		edits_give_up(&d.edits, env, found, other, SLOT_CAUSE_FAILED, 0, times);
		times = 0;
	} else {
		d = choose(env, named, SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, times);
	}
	if (env->ended_clean)
		env_edits_unset(&d.edits, ENV_ENDED);
	edits_failures(&d.edits, found, times, last);
	return d;
}

static struct slot_decision decide_committed(const struct boot_env *env,
					     const struct slot_found *found, char named, char other)
{
	bool count = env->count_always && !found->read_only;
	bool tries_left = tries_before(env, found) < env->limit;

	if (count && !tries_left && possible(found, other))
		return choose_rollback(env, found, other, SLOT_CAUSE_TRIES, 1);
	if (loadable(found, named) && env->bad == named && !found->read_only)
		return choose_rollback(env, found, other, SLOT_CAUSE_BAD, 0);
	if (!usable(env, found, named))
		return choose(env, other, SLOT_REASON_FALLBACK, why_not(env, found, named),
			      env->count);
	if (count && tries_left)
		return choose_counted(env, found, named, SLOT_REASON_NORMAL);
	if (!count && !found->read_only && has_failed(slot_last(env, found)))
		return decide_failed(env, found, named, other);
	return choose(env, named, SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, env->count);
}

static struct slot_decision decide_trial(const struct boot_env *env, const struct slot_found *found,
					 char named, char other)
{
	bool tries_left = tries_before(env, found) < env->limit;
	enum slot_cause cause = !usable(env, found, named) ? why_not(env, found, named)
				: tries_left		   ? SLOT_CAUSE_READ_ONLY
							   : SLOT_CAUSE_TRIES;

	if (tries_left && !found->read_only && usable(env, found, named))
		return choose_counted(env, found, named, SLOT_REASON_TRIAL);
	/* Nothing to protect: the only root is started as it is. */
	if (!usable(env, found, other) && (tries_left || !possible(found, other)))
		return choose(env, named, SLOT_REASON_FALLBACK, cause, env->count);
	if (!tries_left)
		return choose_rollback(env, found, other, SLOT_CAUSE_TRIES, 0);
	if (!found->read_only)
		return choose_rollback(env, found, other, cause, 0);
	return choose(env, other, SLOT_REASON_FALLBACK, cause, env->count);
}

struct slot_decision slot_decide(const struct boot_env *env, const struct slot_found *found)
{
	bool is_named;
	char named = slot_named(env, found, &is_named);
	char other = slot_other(named);

	if (!usable(env, found, named) && !usable(env, found, other))
		return choose_last_resort(env, found, named, other);
	if (env->trial)
		return decide_trial(env, found, named, other);
	return decide_committed(env, found, named, other);
}

const char *slot_reason_name(enum slot_reason reason)
{
	static const char *const names[] = {
		[SLOT_REASON_NONE] = "none",	     [SLOT_REASON_NORMAL] = "normal",
		[SLOT_REASON_TRIAL] = "trial",	     [SLOT_REASON_ROLLBACK] = "rollback",
		[SLOT_REASON_FALLBACK] = "fallback", [SLOT_REASON_RECOVERY] = "recovery",
	};

	return (size_t)reason < ARRAY_SIZE(names) ? names[reason] : "unknown";
}

const char *slot_cause_name(enum slot_cause cause)
{
	static const char *const names[] = {
		[SLOT_CAUSE_NONE] = "none",	      [SLOT_CAUSE_TRIES] = "tries-used",
		[SLOT_CAUSE_MISSING] = "missing",     [SLOT_CAUSE_REFUSED] = "refused",
		[SLOT_CAUSE_READ_ONLY] = "read-only", [SLOT_CAUSE_FAILED] = "failed",
		[SLOT_CAUSE_BAD] = "marked-bad",      [SLOT_CAUSE_FLOOR] = "below-floor",
		[SLOT_CAUSE_HEALTH] = "health",
	};

	return (size_t)cause < ARRAY_SIZE(names) ? names[cause] : "unknown";
}

const char *slot_last_name(enum slot_last last)
{
	static const char *const names[] = {
		[SLOT_LAST_UNKNOWN] = "unknown", [SLOT_LAST_CLEAN] = "clean",
		[SLOT_LAST_POWER] = "power-cut", [SLOT_LAST_WATCHDOG] = "watchdog",
		[SLOT_LAST_PANIC] = "panic",
	};

	return (size_t)last < ARRAY_SIZE(names) ? names[last] : "unknown";
}

/* The accounts of the slot that was named until now do not go over to the one that is. */
static void edits_reset(struct env_edits *edits, const struct boot_env *env, char slot)
{
	if (env->spared > 0)
		env_edits_unset(edits, ENV_SPARED);
	if (env->ended_clean)
		env_edits_unset(edits, ENV_ENDED);
	if (env->failures.times > 0)
		env_edits_set(edits, ENV_FAILURES, "0:%lld:%s", env->failures.when,
			      env->failures.evidence);
	if (env->bad == slot)
		env_edits_unset(edits, ENV_BAD);
}

struct env_edits slot_edits_try(const struct boot_env *env, const struct slot_found *found,
				char slot)
{
	struct env_edits edits = {0};

	edits_root(&edits, env, found, slot);
	env_edits_set(&edits, ENV_TRIAL, "1");
	env_edits_set(&edits, ENV_COUNT, "0");
	env_edits_unset(&edits, ENV_ROLLBACK);
	edits_reset(&edits, env, slot);
	return edits;
}

static struct env_edits edits_commit(const struct boot_env *env, const struct slot_found *found,
				     char slot)
{
	struct env_edits edits = {0};

	edits_root(&edits, env, found, slot);
	env_edits_set(&edits, ENV_TRIAL, "0");
	env_edits_set(&edits, ENV_COUNT, "0");
	env_edits_unset(&edits, ENV_BACKOFF);
	edits_reset(&edits, env, slot);
	return edits;
}

struct env_edits slot_edits_good(const struct boot_env *env, const struct slot_found *found,
				 char running)
{
	return edits_commit(env, found, running);
}

struct env_edits slot_edits_switch(const struct boot_env *env, const struct slot_found *found,
				   char slot)
{
	return edits_commit(env, found, slot);
}

struct env_edits slot_edits_bad(const struct boot_env *env, const struct slot_found *found,
				char slot)
{
	struct env_edits edits = {0};
	bool is_named;

	env_edits_set(&edits, ENV_BAD, "%c", slot);
	if (slot_named(env, found, &is_named) != slot)
		return edits;
	edits_give_up(&edits, env, found, slot_other(slot), SLOT_CAUSE_BAD, 0, env->count);
	return edits;
}

struct env_edits slot_edits_give_up(const struct boot_env *env, const struct slot_found *found,
				    char slot, enum slot_cause cause)
{
	struct env_edits edits = {0};

	edits_give_up(&edits, env, found, slot_other(slot), cause, 0, env->count);
	return edits;
}

struct env_edits slot_edits_ended(void)
{
	struct env_edits edits = {0};

	env_edits_set(&edits, ENV_ENDED, "clean");
	return edits;
}

bool slot_is_counted(const struct boot_env *env)
{
	return env->trial || env->count_always;
}
