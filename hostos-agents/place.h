/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the boot environment of this system is: the partition that holds it, mounted, and what is
 * known of its disk. The partition's content is hostile; the kernel's drivers and envstore read it.
 */
#pragma once

#include <stdbool.h>

#include "disk.h"
#include "env.h"
#include "envstore.h"
#include "slot.h"
#include "tugboot.h"

struct place {
	char shown[512]; /* partition or directory, for messages */
	char mount_point[512];
	bool mounted_here; /* on mount_point, in a mount namespace of our own, read-only */
	int dir_fd;	   /* owned */
	bool disk_known;   /* else every slot is taken to be there */
	struct disk disk;
	char disk_dev[40]; /* its node */
	struct envstore store;
	int unreadable; /* 0, or why the environment cannot be read at all (negative errno) */
	struct boot_env env;
	struct slot_found found;
};

#define PLACE_NONE ((struct place){.dir_fd = -1, .store = ENVSTORE_NONE})

enum place_use {
	PLACE_LOOK, /* an environment that cannot be read is no failure: `unreadable` says so */
	PLACE_READ,
	PLACE_WRITE, /* keeps other writers out until place_done(); nothing is written yet */
};

/*
 * Opens the boot partition mounted on boot_dir, or with NULL finds it: on the disk that / is on,
 * the partition with role efi, else boot; where it is mounted, or else mounted for this process
 * alone, read-only until something is written. Reads the environment. Complains on failure;
 * *ret_place must be given to place_done() all the same.
 */
enum result place_open(const char *boot_dir, enum place_use use, struct place *ret_place);

/*
 * Opens the boot partition for config.json, which is there and not beside the environment where that
 * has a partition of its own: on boot_dir, or found as above, with role boot. No environment is
 * read: of the place, shown, mount_point and dir_fd are known. Complains on failure.
 */
enum result place_open_config(const char *boot_dir, struct place *ret_place);

/* Lets it be written to when it is mounted for this process alone; a negative errno when it cannot. */
int place_make_writable(const struct place *place);

/* Stores changes in one write. Complains on failure, with what would help. */
enum result place_change(struct place *place, const struct env_change *changes, size_t n);
enum result place_apply(struct place *place, const struct env_edits *edits);

/* Brings the copy beside the environment up to date; what keeps it from that is no failure. */
void place_refresh(struct place *place);

/* Moves the environment to another kind of store (envstore_migrate()). */
enum result place_migrate(struct place *place, const char *kind, const struct env_change *changes,
			  size_t n);

void place_done(struct place *place);

#define _place_ _cleanup_(place_done)
