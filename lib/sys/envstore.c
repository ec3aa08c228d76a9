/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store of the boot environment: see envstore.h. The bytes come from a partition that anybody
 * may have written: they are hostile, and lib/base/grubenv.h reads them. A store owns its bytes and
 * its lock; the directory is the caller's.
 */
#include "envstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "clock.h"
#include "fd.h"
#include "file.h"
#include "grubenv.h"

/* More of a damaged file is not looked at. */
#define READ_MAX (16 * 1024)

/* Another writer needs some tens of milliseconds, on a slow card a second. */
#define LOCK_WAIT_MS 10000
#define LOCK_STEP_MS 10

/*
 * A backend. It is given the store with dir_fd and name set. A backend of several files or of a raw
 * device keeps the copy that counts in store->data, and what it must know to write the other ones
 * with it.
 */
struct envstore_ops {
	/* Reads the bytes and judges them: sets data, size and problem. -ENOENT: not there. */
	int (*read)(struct envstore *store);
	/* Walks the variables; name and value as in envstore_next(). */
	bool (*next)(const struct envstore *store, size_t *pos, char *name, size_t name_size,
		     char *value, size_t value_size);
	int (*get)(const struct envstore *store, const char *name, char *buf, size_t buf_size);
	/* The bytes with all changes made: well formed, whatever they were before. */
	int (*encode)(const struct envstore *store, const struct env_change *changes, size_t n,
		      char **ret_data, size_t *ret_size);
	/* Stores the bytes durably and reads them back. */
	int (*write)(const struct envstore *store, const char *data, size_t size);
};

/* --- The GRUB block in one file ------------------------------------------------------------- */

static const char *block_problem(const char *data, size_t size)
{
	switch (grubenv_check(data, size)) {
	case 0:
		return NULL;
	case -EBADMSG:
		return "no GRUB signature";
	case -EUCLEAN:
		return "last line has no end";
	default:
		return size == 0	     ? "empty"
		       : size < GRUBENV_SIZE ? "shorter than 1024 bytes"
					     : "longer than 1024 bytes";
	}
}

static int block_read(struct envstore *store)
{
	_close_ int fd = -1;
	_free_ char *data = NULL;
	size_t size;
	int r;

	r = file_open_regular(store->dir_fd, store->name, O_RDONLY, &fd);
	if (r < 0)
		return r;
	data = malloc(READ_MAX);
	if (!data)
		return -ENOMEM;
	r = file_read_some(fd, data, READ_MAX, &size);
	if (r < 0)
		return r;

	store->problem = block_problem(data, size);
	/* A good block with something behind it: a write that was cut before the end of an overlong
	 * file could go (file_rewrite()). What follows is older. */
	if (size > GRUBENV_SIZE && grubenv_check(data, GRUBENV_SIZE) == 0)
		size = GRUBENV_SIZE;
	store->data = take_ptr(data);
	store->size = size;
	return 0;
}

static void copy_cut(char *buf, size_t buf_size, const char *text, size_t len)
{
	size_t n = MIN(len, buf_size - 1);

	memcpy(buf, text, n);
	buf[n] = '\0';
}

static bool block_next(const struct envstore *store, size_t *pos, char *name, size_t name_size,
		       char *value, size_t value_size)
{
	char plain[READ_MAX + 1];
	struct grubenv_var var;
	int len;

	if (!grubenv_next(store->data, store->size, pos, &var))
		return false;
	/* Fits: a value is shorter than the file. */
	len = grubenv_value(&var, plain, sizeof(plain));
	copy_cut(name, name_size, var.name, var.name_len);
	copy_cut(value, value_size, plain, len < 0 ? 0 : (size_t)len);
	return true;
}

static int block_get(const struct envstore *store, const char *name, char *buf, size_t buf_size)
{
	return grubenv_get(store->data, store->size, name, buf, buf_size);
}

static int block_changes(char block[static GRUBENV_SIZE], const struct env_change *changes,
			 size_t n)
{
	char changed[GRUBENV_SIZE];

	memcpy(changed, block, sizeof(changed));
	for (size_t i = 0; i < n; i++) {
		int r = changes[i].value ? grubenv_set(changed, changes[i].name, changes[i].value)
					 : grubenv_unset(changed, changes[i].name);

		if (r < 0)
			return r;
	}
	memcpy(block, changed, sizeof(changed));
	return 0;
}

/* Can the variable be left out to make room for what chooses the slot? */
static bool is_expendable(const char *name, const struct env_change *changes, size_t n)
{
	static const char *const needed[] = {ENV_ROOT, ENV_TRIAL, ENV_COUNT, ENV_LIMIT,
					     ENV_COUNT_MODE};

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (streq(name, needed[i]))
			return false;
	for (size_t i = 0; i < n; i++)
		if (streq(name, changes[i].name))
			return false;
	return true;
}

/* Removes the last expendable variable; false when there is none. */
static bool block_drop_one(char block[static GRUBENV_SIZE], const struct env_change *changes,
			   size_t n)
{
	char name[GRUBENV_SIZE], last[GRUBENV_SIZE] = "";
	struct grubenv_var var;
	size_t pos = 0;

	while (grubenv_next(block, GRUBENV_SIZE, &pos, &var)) {
		copy_cut(name, sizeof(name), var.name, var.name_len);
		if (is_expendable(name, changes, n))
			memcpy(last, name, sizeof(last));
	}
	return *last && grubenv_unset(block, last) == 0;
}

static int block_encode(const struct envstore *store, const struct env_change *changes, size_t n,
			char **ret_data, size_t *ret_size)
{
	_free_ char *block = malloc(GRUBENV_SIZE);
	bool rebuilt;
	int r;

	if (!block)
		return -ENOMEM;
	rebuilt = grubenv_repair(store->data, store->size, block);
	r = block_changes(block, changes, n);
	/* What garbage left behind must not keep a decision from being stored; a user's own
	 * variables, in a good block, are never dropped. */
	while (r == -ENOSPC && rebuilt && block_drop_one(block, changes, n))
		r = block_changes(block, changes, n);
	if (r < 0)
		return r;
	*ret_data = take_ptr(block);
	*ret_size = GRUBENV_SIZE;
	return 0;
}

static int block_write(const struct envstore *store, const char *data, size_t size)
{
	return file_rewrite(store->dir_fd, store->name, data, size);
}

static const struct envstore_ops block_ops = {
	.read = block_read,
	.next = block_next,
	.get = block_get,
	.encode = block_encode,
	.write = block_write,
};

/* --- The store ------------------------------------------------------------------------------ */

/* Where to look, best first. The first one that is there is the environment; when none is, the
 * first write makes the first one. */
static const struct {
	const char *name;
	const struct envstore_ops *ops;
} places[] = {
	{"bootenv", &block_ops},
	{"grubenv", &block_ops},
};

/* Fills a store that has no data yet. */
static int load(int dir_fd, struct envstore *store)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int r;

		store->dir_fd = dir_fd;
		store->name = places[i].name;
		store->ops = places[i].ops;
		r = store->ops->read(store);
		if (r == 0)
			return 0;
		if (r != -ENOENT) {
			/* It is there, so it is the environment: another file may be years old. */
			store->problem = r == -ELOOP	 ? "is a symbolic link"
					 : r == -EISDIR	 ? "is a directory"
					 : r == -ENOTSUP ? "is not a regular file"
							 : "cannot be read";
			return r;
		}
	}
	store->name = places[0].name;
	store->ops = places[0].ops;
	store->problem = "missing";
	return 0;
}

int envstore_open(int dir_fd, struct envstore *ret_store)
{
	*ret_store = ENVSTORE_NONE;
	return load(dir_fd, ret_store);
}

void envstore_done(struct envstore *store)
{
	if (store->locked)
		(void)close(store->lock_fd); /* gives the lock back */
	free(store->data);
	*store = ENVSTORE_NONE;
}

static int take_lock(int dir_fd, int *ret_fd)
{
	/* An open directory of our own: a lock belongs to the open file, and the caller's may be
	 * shared with another store. */
	_close_ int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t deadline = clock_ms() + LOCK_WAIT_MS;

	if (fd < 0)
		return -errno;
	/* A flock() that waits has no deadline of its own. */
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (clock_ms() >= deadline)
			return -EBUSY;
		(void)nanosleep(&(struct timespec){.tv_nsec = LOCK_STEP_MS * 1000000L}, NULL);
	}
	*ret_fd = take_fd(fd);
	return 0;
}

/* Takes what is on the disk now into the store. */
static int reload(struct envstore *store)
{
	struct envstore fresh = ENVSTORE_NONE;
	int r = load(store->dir_fd, &fresh);

	if (r < 0)
		return r;
	fresh.locked = store->locked;
	fresh.lock_fd = store->lock_fd;
	free(store->data);
	*store = fresh;
	return 0;
}

int envstore_lock(struct envstore *store)
{
	_close_ int fd = -1;
	int r;

	if (store->locked)
		return 0;
	r = take_lock(store->dir_fd, &fd);
	if (r < 0)
		return r;
	r = reload(store);
	if (r < 0)
		return r;
	store->lock_fd = take_fd(fd);
	store->locked = true;
	return 0;
}

int envstore_get(const void *source, const char *name, char *buf, size_t buf_size)
{
	const struct envstore *store = source;

	return store->data ? store->ops->get(store, name, buf, buf_size) : -ENOENT;
}

bool envstore_next(const struct envstore *store, size_t *pos, char *name, size_t name_size,
		   char *value, size_t value_size)
{
	return store->data && store->ops->next(store, pos, name, name_size, value, value_size);
}

static bool any_value(const struct env_change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (changes[i].value)
			return true;
	return false;
}

/* The write itself; the lock is held and the store is as the disk is. */
static int store_changes(struct envstore *store, const struct env_change *changes, size_t n)
{
	_free_ char *data = NULL;
	size_t size;
	int r;

	if (!store->data && !any_value(changes, n))
		return 0; /* there is nothing to remove from */
	r = store->ops->encode(store, changes, n, &data, &size);
	if (r < 0)
		return r;
	if (!store->problem && store->size == size && memcmp(store->data, data, size) == 0)
		return 0;
	r = store->ops->write(store, data, size);
	if (r < 0)
		return r;
	free(store->data);
	store->data = take_ptr(data);
	store->size = size;
	store->problem = NULL;
	return 0;
}

int envstore_change(struct envstore *store, const struct env_change *changes, size_t n)
{
	struct envstore fresh = ENVSTORE_NONE;
	_close_ int lock = -1;
	int r;

	if (n == 0)
		return 0;
	if (store->locked)
		return store_changes(store, changes, n);

	/* On a copy, so that a failure leaves the store as it is. */
	r = take_lock(store->dir_fd, &lock);
	if (r == 0)
		r = load(store->dir_fd, &fresh);
	if (r == 0)
		r = store_changes(&fresh, changes, n);
	if (r < 0) {
		envstore_done(&fresh);
		return r;
	}
	envstore_done(store);
	*store = fresh;
	return 0;
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
