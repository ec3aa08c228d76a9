/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The slot policy. The decision table is in slot.h, and every line of it stands here once, in the
 * same order. Input is decoded already (env.h), so every value is in bounds.
 */
#include "slot.h"

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

static bool usable(const struct slot_found *found, char slot)
{
	unsigned i = slot_index(slot);

	return found->slot[i].present && !found->slot[i].refused;
}

static enum slot_cause why_not(const struct slot_found *found, char slot)
{
	return found->slot[slot_index(slot)].present ? SLOT_CAUSE_REFUSED : SLOT_CAUSE_MISSING;
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

/* Starts slot and counts this try, durably, before it. */
static struct slot_decision choose_counted(const struct boot_env *env, char slot,
					   enum slot_reason reason)
{
	struct slot_decision d = choose(env, slot, reason, SLOT_CAUSE_NONE, env->count + 1);

	env_edits_set(&d.edits, ENV_COUNT, "%u", d.used);
	return d;
}

/* Names slot in the form in which the environment names one, so that its other readers find it. */
static void edits_root(struct env_edits *edits, const struct boot_env *env,
		       const struct slot_found *found, char slot)
{
	unsigned index = found->slot[slot_index(slot)].index;

	if (env->root_kind == ENV_ROOT_INDEX && index > 0)
		env_edits_set(edits, ENV_ROOT, "%x", index);
	else
		env_edits_set(edits, ENV_ROOT, "%c", slot);
}

/* Commits slot in place of the named one, whose tries and cause are noted for the running system. */
static struct slot_decision choose_rollback(const struct boot_env *env,
					    const struct slot_found *found, char slot,
					    enum slot_cause cause, unsigned count)
{
	struct slot_decision d = choose(env, slot, SLOT_REASON_ROLLBACK, cause, count);

	if (found->read_only)
		return d;
	edits_root(&d.edits, env, found, slot);
	env_edits_set(&d.edits, ENV_TRIAL, "0");
	env_edits_set(&d.edits, ENV_COUNT, "%u", count);
	env_edits_set(&d.edits, ENV_ROLLBACK, "%c:%s:%u", slot_other(slot), slot_cause_name(cause),
		      env->count);
	return d;
}

/* No slot is usable. */
static struct slot_decision choose_last_resort(const struct boot_env *env,
					       const struct slot_found *found,
					       enum slot_cause cause)
{
	struct slot_decision d;

	if (found->recovery.present && !found->recovery.refused)
		return choose(env, 'R', SLOT_REASON_RECOVERY, cause, env->count);
	d = choose(env, 0, SLOT_REASON_NONE, cause, env->count);
	if (!found->read_only)
		env_edits_set(&d.edits, ENV_BACKOFF, "%u", MIN(env->backoff + 1, ENV_LIMIT_MAX));
	return d;
}

static struct slot_decision decide_committed(const struct boot_env *env,
					     const struct slot_found *found, char named, char other)
{
	bool count = env->count_always && !found->read_only;

	if (count && env->count >= env->limit && usable(found, other))
		return choose_rollback(env, found, other, SLOT_CAUSE_TRIES, 1);
	if (usable(found, named)) {
		if (count && env->count < env->limit)
			return choose_counted(env, named, SLOT_REASON_NORMAL);
		return choose(env, named, SLOT_REASON_NORMAL, SLOT_CAUSE_NONE, env->count);
	}
	return choose(env, other, SLOT_REASON_FALLBACK, why_not(found, named), env->count);
}

static struct slot_decision decide_trial(const struct boot_env *env, const struct slot_found *found,
					 char named, char other)
{
	bool tries_left = env->count < env->limit;
	enum slot_cause cause = !usable(found, named) ? why_not(found, named)
				: tries_left	      ? SLOT_CAUSE_READ_ONLY
						      : SLOT_CAUSE_TRIES;

	if (tries_left && !found->read_only && usable(found, named))
		return choose_counted(env, named, SLOT_REASON_TRIAL);
	if (!usable(found, other)) /* nothing to protect: the only root is started as it is */
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

	if (!usable(found, named) && !usable(found, other))
		return choose_last_resort(env, found, why_not(found, named));
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
		[SLOT_CAUSE_READ_ONLY] = "read-only",
	};

	return (size_t)cause < ARRAY_SIZE(names) ? names[cause] : "unknown";
}

struct env_edits slot_edits_try(char slot)
{
	struct env_edits edits = {0};

	env_edits_set(&edits, ENV_ROOT, "%c", slot);
	env_edits_set(&edits, ENV_TRIAL, "1");
	env_edits_set(&edits, ENV_COUNT, "0");
	env_edits_unset(&edits, ENV_ROLLBACK);
	return edits;
}

static struct env_edits edits_commit(char slot)
{
	struct env_edits edits = {0};

	env_edits_set(&edits, ENV_ROOT, "%c", slot);
	env_edits_set(&edits, ENV_TRIAL, "0");
	env_edits_set(&edits, ENV_COUNT, "0");
	env_edits_unset(&edits, ENV_BACKOFF);
	return edits;
}

struct env_edits slot_edits_good(char running)
{
	return edits_commit(running);
}

struct env_edits slot_edits_switch(char slot)
{
	return edits_commit(slot);
}
