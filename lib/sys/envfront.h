/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Inside the store of the boot environment: what its files promise each other. A front (see
 * envchoice.h) is one kind of store; only envgrub.c, envtext.c and envuboot.c know a format. They
 * keep nothing between calls but what is in the store, and write only what envwrite.c and
 * envmigrate.c, which hold the lock, tell them to.
 */
#pragma once

#include "envstore.h"
#include "ubootenv.h"

/* The variables in memory: as many as the largest format holds. */
#define ENVSTORE_VARS UBOOTENV_SIZE_MAX

struct env_front_ops {
	const char *kind;
	/* Reads the parts, judges them (store->front, redundant, problem) and names the store. -ENOENT: nothing
	 * of this kind is there; name is then what a first write would make. */
	int (*read)(struct envstore *store);
	/* Adds the variables of the store's parts, or of those that encode() made, to vars. */
	void (*decode)(const struct envstore *store, const struct env_part *parts, char *vars);
	/* New parts with all changes made; `present` only where a part is to be written. They start
	 * from the store's parts as read, or when blank from none. The caller frees them. */
	int (*encode)(const struct envstore *store, bool blank, const struct env_change *changes,
		      size_t n, struct env_part *ret_parts);
	/* Stores the present parts durably, in order, and reads them back. */
	int (*write)(struct envstore *store, const struct env_part *parts);
	/* Removes what is there, when the environment has moved away. NULL: it stays. */
	int (*remove)(struct envstore *store);
};

extern const struct env_front_ops env_front_grub, env_front_text, env_front_uboot, env_front_raw;

#define ENV_FRONTS 4
extern const struct env_front_ops *const env_fronts[ENV_FRONTS];
/* The front of that kind, NULL for none. */
const struct env_front_ops *envfront_of(struct slice kind);

/* --- envvars.c --- */

void env_parts_free(struct env_part *parts);

/* Is the variable one that chooses the slot, or among the changes? Others can be left out of a
 * repaired environment that is too full. */
bool env_is_needed(const char *name, const struct env_change *changes, size_t n);

/* file_read_some() of a file in the boot partition, at most max bytes, as a part. -ENOENT and the
 * errors of file_open_regular(). */
int env_part_read_fd(int fd, size_t max, struct env_part *ret_part); /* from where fd stands */
int env_part_read(int dir_fd, const char *name, size_t max, struct env_part *ret_part);

/* A list of changes that makes every variable of an image. *ret_text holds the strings; both are
 * the caller's to free. */
int env_changes_of(const char *vars, struct env_change **ret_changes, size_t *ret_n,
		   char **ret_text);

/* Errors of a filesystem, or of a disk, that does not have what it should have. */
bool env_is_damage(int r);

/* Variables in memory: none yet. NULL without memory; the caller frees them. */
char *envvars_new(void);
bool envvars_next(const char *vars, size_t *pos, struct ubootenv_var *ret_var);
/* Bytes that they take in an image, without its header. */
size_t envvars_used(const char *vars);
int envvars_change(char *vars, const struct env_change *changes, size_t n);
bool envvars_equal(const char *a, const char *b);
/* Parts of the store's kind that hold these variables and nothing else. */
int envvars_encode(const struct envstore *store, const char *vars, struct env_part *ret_parts);

/* --- envcopy.c --- */

#define ENV_COPY_FILE "tugboot.env"

/* Reads the copy into the store and says which kind it is of; NULL when there is none that counts. */
const struct env_front_ops *envcopy_read(struct envstore *store);
/* Adds its variables to vars. */
void envcopy_decode(const struct env_part *copy, char *vars);
/* Writes the copy. Its state has one length and stands first, so that to settle one that is pending
 * changes one sector. */
int envcopy_write(struct envstore *store, const struct env_front_ops *ops, const char *vars,
		  enum env_copy state);

/* --- envlock.c --- */

/* Takes the locks that writers of this store take; both are the caller's to close, the second one
 * is -1 where it is not needed. -EBUSY after ten seconds. */
int envlock_take(const struct envstore *store, int *ret_fd, int *ret_uboot_fd);

/* --- envstore.c, envwrite.c; the lock is held --- */

/* Takes what is on the disk now into the store. */
int envstore_reload(struct envstore *store);
/* Makes front and copy the same again when a write was cut. */
int envwrite_settle(struct envstore *store);
/* Stores the changes. */
int envwrite_changes(struct envstore *store, const struct env_change *changes, size_t n);
