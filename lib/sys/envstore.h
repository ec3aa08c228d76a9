/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the boot environment is kept. One interface, a table of backends: a store is opened on a
 * mounted boot partition, read as a whole, and changed by applying a list of edits in one write.
 * Callers never see the format. Backends now: the GRUB block in `bootenv`, else in `grubenv`.
 *
 * A backend may keep several copies of its bytes; which of them counts is decided when it is opened.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "env.h"

struct envstore_ops;

struct envstore {
	const struct envstore_ops *ops;
	int dir_fd;		/* borrowed: the boot partition's root directory */
	const char *name;	/* file name on it; constant string */
	char *data;		/* owned: the bytes as read, NULL when there is no file */
	size_t size;
	const char *problem;	/* NULL, or what is wrong with the bytes, for the log; constant string */
};

#define ENVSTORE_NONE ((struct envstore){.dir_fd = -1})

/*
 * Finds the environment in dir_fd (borrowed for the life of the store) and reads it. A damaged or
 * missing file is no error: `problem` says so, reading gives what can be read, writing repairs.
 * Returns a negative errno only when the directory or file cannot be read at all; *ret_store is
 * usable, and empty, even then.
 */
int envstore_open(int dir_fd, struct envstore *ret_store);
void envstore_done(struct envstore *store);

/* env_get_fn for boot_env_decode(): source is a struct envstore. */
int envstore_get(const void *store, const char *name, char *buf, size_t buf_size);

/* Walks all variables in order; *pos starts at 0. True while there is one; a value that does not
 * fit is cut. */
bool envstore_next(const struct envstore *store, size_t *pos, char *name, size_t name_size, char *value,
		   size_t value_size);

/*
 * Applies all edits and stores the result durably in one write, then reads it back. On failure the
 * store in memory is unchanged and a negative errno says why (-EROFS, -EIO, -ENOSPC when the block
 * is full, -EINVAL for a name or value that the format cannot hold).
 * An edit that changes nothing causes no write.
 */
int envstore_apply(struct envstore *store, const struct env_edits *edits);

/* One key from a user: value NULL unsets. Same promises as envstore_apply(). */
int envstore_set(struct envstore *store, const char *name, const char *value);
