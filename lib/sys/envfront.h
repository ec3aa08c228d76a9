/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What lib/sys/envstore.c asks of each kind of store (the front, see envchoice.h). Only these files
 * know a format: envgrub.c, envtext.c, envuboot.c. They keep nothing between calls but what is in
 * the store, and write only what envstore.c, which holds the lock, tells them to.
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

void env_parts_free(struct env_part *parts);

/* Is the variable one that chooses the slot, or among the changes? Others can be left out of a
 * repaired environment that is too full. */
bool env_is_needed(const char *name, const struct env_change *changes, size_t n);

/* file_read_some() of a file in the boot partition, at most max bytes, as a part. -ENOENT and the
 * errors of file_open_regular(). */
int env_part_read(int dir_fd, const char *name, size_t max, struct env_part *ret_part);

/* A list of changes that makes every variable of an image. *ret_text holds the strings; both are
 * the caller's to free. */
int env_changes_of(const char *vars, struct env_change **ret_changes, size_t *ret_n,
		   char **ret_text);
