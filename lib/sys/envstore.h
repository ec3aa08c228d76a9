/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the boot environment is kept. One interface, several kinds, chosen by what is there:
 *
 *   kind         where                                            other programs that know it
 *   grub         bootenv, else grubenv                            grub-editenv, GRUB
 *   uboot-text   resinOS_uEnv.txt, extra_uEnv.txt, bootcount.env  balenaOS's U-Boot and scripts
 *   uboot        as fw_env.config on the boot partition says,     fw_printenv, fw_setenv, SWUpdate,
 *                else uboot.env (and uboot-redund.env)            RAUC, U-Boot
 *   raw          a partition named PREFIX-env, without a          fw_printenv, fw_setenv, SWUpdate
 *                filesystem: copies of 0x2000 bytes at 0 and
 *                0x10000, a redundant U-Boot environment
 *
 * The first of these that is there is the environment: a raw partition that holds a valid copy; the
 * kind that Tugboot's own copy names; uboot with a fw_env.config; grub; uboot-text; uboot.env; a
 * raw partition that holds nothing yet. When there is none, the first write makes `bootenv`.
 *
 * A kind that has not two copies by itself gets one beside it, in the file `tugboot.env` (a single
 * binary U-Boot environment, whose first variable is `tugboot_copy=SEQUENCE:KIND:STATE`): see
 * envchoice.h for the order of writes, and for why no cut loses a value.
 *
 * Writers of one system exclude each other by a lock (flock(2)) on the boot partition's root
 * directory (without one, on the raw partition's node); it is one lock in whatever mount of the
 * partition. U-Boot's own environment is also locked as fw_setenv and libubootenv do it, where there
 * is a /var/lock. Each write reads everything anew under the lock, so nothing that another writer
 * stored meanwhile is lost.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "env.h"
#include "envchoice.h"

struct env_front_ops;

/* Where an environment may be; all borrowed for the life of the store. */
struct envstore_place {
	int dir_fd;	  /* the boot partition's root directory, or -1 */
	const char *raw;  /* device node of the PREFIX-env partition, or NULL */
	const char *disk; /* device node of the boot disk, which alone fw_env.config may name; NULL:
			     it may name files on the boot partition only */
};

/* Bytes of one file, or of one image on a device. */
struct env_part {
	char *data; /* owned */
	size_t size;
	bool present;
};

#define ENV_PARTS 3

struct envstore {
	struct envstore_place place;
	const struct env_front_ops *ops;
	char name[160];			 /* of the file or device that counts, for messages */
	struct env_part part[ENV_PARTS]; /* the front, as read */
	enum env_front front;
	bool redundant;	      /* the front has two copies of its own: none beside it */
	struct env_part copy; /* tugboot.env, as read */
	enum env_copy copy_state;
	unsigned sequence; /* of the copy */
	enum env_source source;
	char *vars; /* owned: the variables, an UBOOTENV_SINGLE image of ENVSTORE_VARS bytes */
	const char *problem;	 /* NULL, or what is wrong with the bytes; constant string */
	const char *note;	 /* NULL, or what was passed over on the way; constant string */
	const char *unprotected; /* NULL, or why the last write was made without a copy */
	bool prefers_index;	 /* other programs want resin_root_part as a partition index */
	bool locked;
	int lock_fd, uboot_lock_fd; /* owned while locked */
};

#define ENVSTORE_NONE \
	((struct envstore){.place = {.dir_fd = -1}, .lock_fd = -1, .uboot_lock_fd = -1})

/*
 * Finds the environment and reads it. A damaged or missing one is no error: `problem` says so,
 * reading gives what can be read, writing repairs. Returns a negative errno only when it cannot be
 * read at all (-ELOOP for a symbolic link, -EISDIR, -ENOTSUP for another thing that is no file,
 * -ENODEV when there is no place); *ret_store is usable, and empty, even then.
 */
int envstore_open_at(const struct envstore_place *place, struct envstore *ret_store);
/* The same on a mounted boot partition alone. */
int envstore_open(int dir_fd, struct envstore *ret_store);
void envstore_done(struct envstore *store);

/* `grub`, `uboot-text`, `uboot`, `raw`; constant string. */
const char *envstore_kind(const struct envstore *store);

/*
 * For a caller that reads, decides and writes: keeps other writers out until envstore_done(), and
 * reads the file anew. -EBUSY when another writer does not finish in time. On failure the store is
 * unchanged.
 */
int envstore_lock(struct envstore *store);

/* env_get_fn for boot_env_decode(): source is a struct envstore. */
int envstore_get(const void *store, const char *name, char *buf, size_t buf_size);

/* boot_env_decode() with what the kind of store asks for. */
void envstore_decode(const struct envstore *store, struct boot_env *ret_env);

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
 * Applies all changes, in order, and stores the result durably: what is read after a power cut at
 * any moment is all of the changes or none. What was written is read back. Changes that change
 * nothing cause no write. On failure the store in memory is unchanged and a negative errno says
 * why: -EROFS, -EACCES or -EIO of the filesystem, -ENOSPC when the environment (or the partition)
 * is full, -EINVAL for a name that the format cannot hold, -EBUSY as envstore_lock(), -EBADMSG for
 * a device on which fw_env.config expects an environment and there is none (nothing is written over
 * what may be something else).
 *
 * A damaged environment is repaired by the write. When the repaired one is too full for the
 * changes, variables that choose no slot are left out, the last ones first. When the copy cannot be
 * made because the partition is full, the front is written without it and `unprotected` says so.
 */
int envstore_change(struct envstore *store, const struct env_change *changes, size_t n);

/* The same for the edits of a decision. */
int envstore_apply(struct envstore *store, const struct env_edits *edits);

/* Was a write cut, so that front and copy have to be made the same again? */
bool envstore_is_unsettled(const struct envstore *store);

/* Completes it. Before an operating system is started: what its own tools change must count. */
int envstore_settle(struct envstore *store);

/* Makes the copy as new as a whole front that another program has changed, or that never had one:
 * until then a cut in the middle of that program's next write would bring back older values. Writes
 * nothing when the copy is as it should be. For the running system, at a time of its own. */
int envstore_refresh(struct envstore *store);

/*
 * Moves all variables, with these changes made, to another kind of store, as safe as a change; the
 * files of other kinds are removed (U-Boot's own binary environment stays where it is, since U-Boot
 * needs it). To the kind that it has: cleans up after a migration that was cut. -EINVAL for an
 * unknown kind, -ENODEV when there is no place for it (no PREFIX-env partition, no boot partition),
 * -ENOSPC and others as envstore_change().
 */
int envstore_migrate(struct envstore *store, const char *kind, const struct env_change *changes,
		     size_t n);
