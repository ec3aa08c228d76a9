/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing the boot environment, in the order that envchoice.h argues for. All but with_lock() runs
 * while the lock is held and the store is as the disk is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "envfront.h"
#include "fd.h"

bool envstore_is_unsettled(const struct envstore *store)
{
	return store->source == ENV_FROM_COPY;
}

static int write_front(struct envstore *store)
{
	struct env_part parts[ENV_PARTS] = {0};
	int r;

	r = envvars_encode(store, store->vars, parts);
	if (r == 0)
		r = store->ops->write(store, parts);
	env_parts_free(parts);
	return r;
}

/* The front of a migration that was cut cannot be made: the directory is damaged. The files that it
 * came from are still there and need no new name, so the environment stays in them. */
static int write_old_front(struct envstore *store)
{
	static const struct env_front_ops *const with_files[] = {&env_front_grub, &env_front_text};
	struct envstore old = {.place = store->place, .lock_fd = -1, .uboot_lock_fd = -1};
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(with_files) && r == -ENOENT; i++) {
		if (with_files[i] == store->ops)
			continue;
		old.ops = with_files[i];
		r = old.ops->read(&old);
	}
	if (r == 0) {
		old.vars = store->vars;
		r = write_front(&old);
		old.vars = NULL;
	}
	if (r == 0)
		store->ops = old.ops;
	envstore_done(&old);
	return r;
}

/* Steps 1 and 4 of envchoice.h: the front as the copy has it, then the copy's mark. */
int envwrite_settle(struct envstore *store)
{
	int r;

	if (!envstore_is_unsettled(store))
		return 0;
	r = write_front(store);
	if (env_is_damage(r) && store->copy_state == ENV_COPY_PENDING &&
	    write_old_front(store) == 0)
		r = 0;
	if (r == 0 && store->copy_state == ENV_COPY_PENDING)
		r = envcopy_write(store, store->ops, store->vars, ENV_COPY_SETTLED);
	return r < 0 ? r : envstore_reload(store);
}

/* Steps 2 to 4 for a front that is whole, or was never there. */
static int write_both(struct envstore *store, const struct env_part *parts, const char *vars)
{
	int r;

	store->unprotected = NULL;
	store->sequence++;
	r = envcopy_write(store, store->ops, vars, ENV_COPY_PENDING);
	if (r == -ENOSPC) {
		/* Better a decision that a cut may tear than none. */
		store->unprotected = "the partition is full";
		return store->ops->write(store, parts);
	}
	if (r < 0)
		return r;
	r = store->ops->write(store, parts);
	if (r == -EIO)
		return 0; /* stored in the copy, which counts as long as it is pending */
	if (r < 0) {
		/* Not begun: no permission, or no room for a front that is new. */
		(void)envcopy_write(store, store->ops, store->vars, ENV_COPY_SETTLED);
		return r;
	}
	(void)envcopy_write(store, store->ops, vars,
			    ENV_COPY_SETTLED); /* else the next boot does */
	return 0;
}

static int write_new(struct envstore *store, const struct env_part *parts, const char *vars)
{
	return store->redundant ? store->ops->write(store, parts) : write_both(store, parts, vars);
}

static bool same_parts(const struct envstore *store, const struct env_part *parts)
{
	for (size_t i = 0; i < ENV_PARTS; i++)
		if (parts[i].present &&
		    (!store->part[i].present || store->part[i].size != parts[i].size ||
		     memcmp(store->part[i].data, parts[i].data, parts[i].size) != 0))
			return false;
	return true;
}

static bool any_value(const struct env_change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (changes[i].value)
			return true;
	return false;
}

int envwrite_changes(struct envstore *store, const struct env_change *changes, size_t n)
{
	struct env_part parts[ENV_PARTS] = {0};
	_free_ char *vars = envvars_new();
	const char *unprotected;
	int r;

	if (!vars)
		return -ENOMEM;
	if (store->source == ENV_FROM_NOTHING && !any_value(changes, n))
		return 0; /* there is nothing to remove from */
	memcpy(vars, store->vars, ENVSTORE_VARS);
	r = envvars_change(vars, changes, n);
	if (r < 0)
		return r;
	if (store->redundant && !store->problem && envvars_equal(vars, store->vars))
		return 0;
	/* What does not fit is found before anything is written. */
	r = store->ops->encode(store, envstore_is_unsettled(store), changes, n, parts);
	env_parts_free(parts);
	if (r < 0)
		return r;
	r = envwrite_settle(store);
	if (r < 0)
		return r;
	r = store->ops->encode(store, false, changes, n, parts);
	if (r < 0)
		return r;
	if (!store->problem && same_parts(store, parts)) {
		env_parts_free(parts);
		return 0;
	}
	if (!store->redundant) {
		/* What was left out to make room does not come back by way of the copy. */
		memset(vars, 0, ENVSTORE_VARS);
		store->ops->decode(store, parts, vars);
	}
	r = write_new(store, parts, vars);
	env_parts_free(parts);
	unprotected = store->unprotected;
	if (r == 0)
		r = envstore_reload(store);
	store->unprotected = unprotected;
	return r;
}

/* Runs a change on a fresh store under the lock, so that a failure leaves the store as it is. */
static int with_lock(struct envstore *store,
		     int (*change)(struct envstore *fresh, const struct env_change *changes,
				   size_t n),
		     const struct env_change *changes, size_t n)
{
	struct envstore fresh = ENVSTORE_NONE;
	_close_ int lock = -1;
	_close_ int uboot_lock = -1;
	int r;

	if (store->locked)
		return change(store, changes, n);
	r = envlock_take(store, &lock, &uboot_lock);
	if (r == 0)
		r = envstore_open_at(&store->place, &fresh);
	if (r == 0)
		r = change(&fresh, changes, n);
	if (r < 0) {
		envstore_done(&fresh);
		return r;
	}
	envstore_done(store);
	*store = fresh;
	return 0;
}

int envstore_change(struct envstore *store, const struct env_change *changes, size_t n)
{
	return n == 0 ? 0 : with_lock(store, envwrite_changes, changes, n);
}

int envstore_apply(struct envstore *store, const struct env_edits *edits)
{
	struct env_change changes[ENV_EDITS_MAX];

	for (size_t i = 0; i < edits->n; i++)
		changes[i] = (struct env_change){
			.name = edits->edit[i].name,
			.value = edits->edit[i].unset ? NULL : edits->edit[i].value,
		};
	return envstore_change(store, changes, edits->n);
}

static int settle_change(struct envstore *store, const struct env_change *changes, size_t n)
{
	(void)changes;
	(void)n;
	return envwrite_settle(store);
}

int envstore_settle(struct envstore *store)
{
	return with_lock(store, settle_change, NULL, 0);
}

/* A copy that is cut while it is written is broken, and the front is whole. */
static int refresh(struct envstore *store, const struct env_change *changes, size_t n)
{
	_free_ char *vars = envvars_new();

	(void)changes;
	(void)n;
	if (!vars)
		return -ENOMEM;
	if (store->redundant || store->front != ENV_FRONT_WHOLE)
		return envwrite_settle(store);
	if (store->copy_state == ENV_COPY_PENDING)
		return envwrite_settle(store);
	if (store->copy_state == ENV_COPY_SETTLED)
		envcopy_decode(&store->copy, vars);
	if (store->copy_state == ENV_COPY_SETTLED && envvars_equal(vars, store->vars))
		return 0;
	store->sequence++;
	return envcopy_write(store, store->ops, store->vars, ENV_COPY_SETTLED);
}

int envstore_refresh(struct envstore *store)
{
	return with_lock(store, refresh, NULL, 0);
}
