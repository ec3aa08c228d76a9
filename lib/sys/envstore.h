/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the boot environment is kept. One interface, a table of backends: a store is opened on a
 * mounted boot partition, read as a whole, and changed by applying a list of edits in one write.
 * Callers never see the format. Backends now: the GRUB block in `bootenv`, else in `grubenv`; when
 * there is neither, the first write makes `bootenv`.
 *
 * A backend may keep several copies of its bytes; which of them counts is decided when it is
 * opened.
 *
 * Writers of one system exclude each other by a lock (flock(2)) on the boot partition's root
 * directory; it is one lock in whatever mount of the partition. Each write reads the file anew
 * under the lock, so nothing that another writer stored meanwhile is lost.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "env.h"

struct envstore_ops;

struct envstore {
	const struct envstore_ops *ops;
	int dir_fd;	  /* borrowed: the boot partition's root directory */
	const char *name; /* file name on it; constant string */
	char *data;	  /* owned: the bytes as read, NULL when there is no file */
	size_t size;
	const char *problem; /* NULL, or what is wrong with the bytes; constant string */
	bool locked;
	int lock_fd; /* owned while locked */
};

#define ENVSTORE_NONE ((struct envstore){.dir_fd = -1, .lock_fd = -1})

/*
 * Finds the environment in dir_fd (borrowed for the life of the store) and reads it. A damaged or
 * missing file is no error: `problem` says so, reading gives what can be read, writing repairs.
 * Returns a negative errno only when the directory or file cannot be read at all (-ELOOP for a
 * symbolic link, -EISDIR, -ENOTSUP for another thing that is no file); *ret_store is usable, and
 * empty, even then.
 */
int envstore_open(int dir_fd, struct envstore *ret_store);
void envstore_done(struct envstore *store);

/*
 * For a caller that reads, decides and writes: keeps other writers out until envstore_done(), and
 * reads the file anew. -EBUSY when another writer does not finish in time. On failure the store is
 * unchanged.
 */
int envstore_lock(struct envstore *store);

/* env_get_fn for boot_env_decode(): source is a struct envstore. */
int envstore_get(const void *store, const char *name, char *buf, size_t buf_size);

/* Walks all variables in order; *pos starts at 0. True while there is one; a name or value that
 * does not fit is cut. Both sizes are at least 1. */
bool envstore_next(const struct envstore *store, size_t *pos, char *name, size_t name_size,
		   char *value, size_t value_size);

/* One change; strings are borrowed. */
struct env_change {
	const char *name;
	const char *value; /* NULL removes */
};

/*
 * Applies all changes, in order, and stores the result durably in one write, then reads it back.
 * Changes that change nothing cause no write. On failure the store in memory is unchanged and a
 * negative errno says why: -EROFS, -EACCES or -EIO of the filesystem, -ENOSPC when the environment
 * (or the partition) is full, -EINVAL for a name that the format cannot hold, -EBUSY as
 * envstore_lock().
 * A damaged environment is repaired by the write. When the repaired one is too full for the
 * changes, variables that choose no slot are left out, the last ones first.
 */
int envstore_change(struct envstore *store, const struct env_change *changes, size_t n);

/* The same for the edits of a decision. */
int envstore_apply(struct envstore *store, const struct env_edits *edits);
