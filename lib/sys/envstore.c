/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store of the boot environment: see envstore.h. Here it is found and read; envwrite.c puts the
 * writes in order, envmigrate.c moves it. The bytes come from a partition that anybody may have
 * written: they are hostile, and lib/base reads them. A store owns its bytes and its lock; the
 * directory is the caller's.
 */
#include "envstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "envfront.h"
#include "fd.h"

static void forget_front(struct envstore *store)
{
	env_parts_free(store->part);
	store->front = ENV_FRONT_ABSENT;
	store->redundant = false;
	store->prefers_index = false;
	store->problem = NULL;
}

/* Is the environment of this kind? 0, -ENOENT when not, or why it cannot be read. */
static int try_kind(struct envstore *store, const struct env_front_ops *ops)
{
	int r;

	forget_front(store);
	store->ops = ops;
	r = ops->read(store);
	/* What a cut left of a file that another program was making can be more than bytes. */
	if (env_is_damage(r) && store->copy_state != ENV_COPY_NONE) {
		store->front = ENV_FRONT_BROKEN;
		r = 0;
	}
	if (r < 0 && r != -ENOENT)
		/* It is there, so it is the environment: another one may be years old. */
		store->problem = r == -ELOOP	 ? "is a symbolic link"
				 : r == -EISDIR	 ? "is a directory"
				 : r == -ENOTSUP ? "is not a regular file"
						 : "cannot be read";
	return r;
}

static bool has_config(const struct envstore *store)
{
	return faccessat(store->place.dir_fd, "fw_env.config", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The first kind that is there: see envstore.h. -ENOENT when none is, the store is set up for the
 * one that the first write makes. */
static int find_kind(struct envstore *store)
{
	const struct env_front_ops *named;
	int r;

	if (store->place.raw && try_kind(store, &env_front_raw) == 0 &&
	    store->front == ENV_FRONT_WHOLE)
		return 0;
	if (store->place.dir_fd < 0)
		return store->place.raw ? try_kind(store, &env_front_raw) : -ENODEV;
	named = envcopy_read(store);
	if (named == &env_front_raw)
		named = NULL; /* of a partition that holds nothing any more */
	if (named) {
		r = try_kind(store, named);
		if (r != -ENOENT || store->copy_state == ENV_COPY_PENDING)
			return r;
	}
	r = has_config(store) ? try_kind(store, &env_front_uboot) : -ENOENT;
	if (r == -ENOENT)
		r = try_kind(store, &env_front_grub);
	if (r == -ENOENT)
		r = try_kind(store, &env_front_text);
	if (r == -ENOENT && !has_config(store))
		r = try_kind(store, &env_front_uboot);
	if (r != -ENOENT) {
		if (store->ops != named)
			store->copy_state = ENV_COPY_NONE; /* of an environment that is gone */
		return r;
	}
	if (store->place.raw)
		return try_kind(store, &env_front_raw);
	return try_kind(store, named ? named : &env_front_grub);
}

/* Fills a store of which only the place is known. */
static int load(struct envstore *store)
{
	int r;

	store->vars = envvars_new();
	if (!store->vars)
		return -ENOMEM;
	r = find_kind(store);
	if (r < 0 && r != -ENOENT)
		return r;
	/* Beside two copies a third one counts only while a migration makes them. */
	if (store->redundant && store->copy_state != ENV_COPY_PENDING)
		store->copy_state = ENV_COPY_NONE;
	store->source = env_choose(store->front, store->copy_state);
	if (store->source == ENV_FROM_FRONT)
		store->ops->decode(store, store->part, store->vars);
	else if (store->source == ENV_FROM_COPY)
		envcopy_decode(&store->copy, store->vars);
	else
		store->problem = "missing";
	if (store->source == ENV_FROM_COPY)
		store->problem = store->copy_state == ENV_COPY_PENDING
					 ? "a write was cut, Tugboot's copy counts"
				 : store->front == ENV_FRONT_ABSENT
					 ? "missing, Tugboot's copy counts"
					 : "damaged, Tugboot's copy counts";
	return 0;
}

int envstore_open_at(const struct envstore_place *place, struct envstore *ret_store)
{
	*ret_store = ENVSTORE_NONE;
	ret_store->place = *place;
	return load(ret_store);
}

int envstore_open(int dir_fd, struct envstore *ret_store)
{
	return envstore_open_at(&(struct envstore_place){.dir_fd = dir_fd}, ret_store);
}

void envstore_done(struct envstore *store)
{
	if (store->locked) { /* gives the locks back */
		(void)close(store->lock_fd);
		close_p(&store->uboot_lock_fd);
	}
	env_parts_free(store->part);
	free(store->copy.data);
	free(store->vars);
	*store = ENVSTORE_NONE;
}

const char *envstore_kind(const struct envstore *store)
{
	return store->ops ? store->ops->kind : "none";
}

int envstore_get(const void *source, const char *name, char *buf, size_t buf_size)
{
	const struct envstore *store = source;

	return store->vars ? ubootenv_get(store->vars, ENVSTORE_VARS, UBOOTENV_SINGLE, name, buf,
					  buf_size)
			   : -ENOENT;
}

void envstore_decode(const struct envstore *store, struct boot_env *ret_env)
{
	boot_env_decode(envstore_get, store, ret_env);
	ret_env->root_by_index |= store->prefers_index;
}

static void copy_cut(char *buf, size_t buf_size, struct slice text)
{
	size_t n = MIN(text.len, buf_size - 1);

	memcpy(buf, text.data, n);
	buf[n] = '\0';
}

bool envstore_next(const struct envstore *store, size_t *pos, char *name, size_t name_size,
		   char *value, size_t value_size)
{
	struct ubootenv_var var;

	if (!store->vars || !envvars_next(store->vars, pos, &var))
		return false;
	copy_cut(name, name_size, var.name);
	copy_cut(value, value_size, var.value);
	return true;
}

/* Takes what is on the disk now into the store. */
int envstore_reload(struct envstore *store)
{
	struct envstore fresh = ENVSTORE_NONE;
	int r;

	fresh.place = store->place;
	r = load(&fresh);
	if (r < 0) {
		envstore_done(&fresh);
		return r;
	}
	fresh.locked = store->locked;
	fresh.lock_fd = store->lock_fd;
	fresh.uboot_lock_fd = store->uboot_lock_fd;
	store->locked = false;
	envstore_done(store);
	*store = fresh;
	return 0;
}

int envstore_lock(struct envstore *store)
{
	_close_ int fd = -1;
	_close_ int uboot_fd = -1;
	int r;

	if (store->locked)
		return 0;
	r = envlock_take(store, &fd, &uboot_fd);
	if (r < 0)
		return r;
	r = envstore_reload(store);
	if (r < 0)
		return r;
	store->lock_fd = take_fd(fd);
	store->uboot_lock_fd = take_fd(uboot_fd);
	store->locked = true;
	return 0;
}
