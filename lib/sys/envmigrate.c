/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moving the boot environment from one kind of store to another: see envstore.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "envfront.h"
#include "fd.h"

static int sync_directory(int dir_fd)
{
	_close_ int dir = -1;

	if (dir_fd < 0)
		return 0;
	dir = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 || fsync(dir) < 0 ? -errno : 0;
}

/* Removes what other kinds left; the one that counted last goes last. */
static int remove_others(struct envstore *store, const struct env_front_ops *kept,
			 const struct env_front_ops *last)
{
	int r = 0;

	for (size_t i = 0; i < ENV_FRONTS && r == 0; i++)
		if (env_fronts[i] != kept && env_fronts[i] != last && env_fronts[i]->remove &&
		    (env_fronts[i] != &env_front_raw || store->place.raw) &&
		    store->place.dir_fd >= 0)
			r = env_fronts[i]->remove(store);
	if (r == 0 && last != kept && last->remove)
		r = last->remove(store);
	return r < 0 ? r : sync_directory(store->place.dir_fd);
}

/*
 * To another kind. The copy, pending and of the new kind, counts before the new front is written
 * and until it is whole, whatever the old front holds; a raw partition counts before the copy, so
 * its first valid copy, or the end of its last one, is the moment of change. Old and new hold the
 * same values all along.
 */
static int write_kind(struct envstore *from, struct envstore *to, const struct env_part *parts,
		      const char *vars)
{
	int r;

	to->sequence = from->sequence + 1;
	if (to->ops == &env_front_raw)
		return to->ops->write(to, parts);
	r = envcopy_write(to, to->ops, vars, ENV_COPY_PENDING);
	if (r == 0)
		r = to->ops->write(to, parts);
	if (r == 0)
		r = envcopy_write(to, to->ops, vars, ENV_COPY_SETTLED);
	return r;
}

static int migrate(struct envstore *store, const struct env_front_ops *ops,
		   const struct env_change *changes, size_t n)
{
	struct envstore to = {
		.place = store->place, .ops = ops, .lock_fd = -1, .uboot_lock_fd = -1};
	_free_ struct env_change *all = NULL;
	struct env_part parts[ENV_PARTS] = {0};
	_free_ char *vars = envvars_new();
	_free_ char *text = NULL;
	size_t count;
	int r;

	if (!vars)
		return -ENOMEM;
	r = envvars_change(store->vars, changes, n);
	if (r == 0)
		r = env_changes_of(store->vars, &all, &count, &text);
	if (r < 0)
		return r;
	r = ops->read(&to);
	if (r == 0 || r == -ENOENT)
		/* U-Boot's own variables stay in its environment. */
		r = ops->encode(&to, ops != &env_front_uboot || to.front != ENV_FRONT_WHOLE, all,
				count, parts);
	if (r == 0) {
		ops->decode(&to, parts, vars);
		r = write_kind(store, &to, parts, vars);
	}
	if (r == 0)
		r = remove_others(store, ops, store->ops);
	/* Two copies need no third one, which would grow old. */
	if (r == 0 && to.redundant && store->place.dir_fd >= 0 &&
	    unlinkat(store->place.dir_fd, ENV_COPY_FILE, 0) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0)
		r = sync_directory(store->place.dir_fd);
	env_parts_free(parts);
	envstore_done(&to);
	return r;
}

int envstore_migrate(struct envstore *store, const char *kind, const struct env_change *changes,
		     size_t n)
{
	const struct env_front_ops *ops = envfront_of(slice_str(kind));
	int r, back;

	if (!ops)
		return -EINVAL;
	if (ops == &env_front_raw ? !store->place.raw : store->place.dir_fd < 0)
		return -ENODEV;
	r = envstore_lock(store);
	if (r == 0)
		r = envwrite_settle(store);
	if (r < 0)
		return r;
	if (ops != store->ops) {
		r = migrate(store, ops, changes, n);
	} else {
		r = envwrite_changes(store, changes, n);
		if (r == 0)
			r = remove_others(store, ops, ops);
	}
	back = envstore_reload(store);
	return r < 0 ? r : back;
}
