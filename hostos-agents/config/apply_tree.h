/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files and links below a root directory: read, put and removed by their absolute path. No symbolic
 * link is followed on the way: -ELOOP. Files of /run are not made durable, all others are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "apply_manifest.h"
#include "macro.h"

enum thing_kind {
	THING_NONE,
	THING_FILE,
	THING_LINK,
	THING_OTHER, /* a directory, a device: never touched */
};

struct thing {
	enum thing_kind kind;
	char *data; /* owned; content or target, with a NUL behind it */
	size_t size;
	mode_t mode; /* of a file, 07777 */
	uid_t uid;
	gid_t gid;
};

void thing_done(struct thing *thing);
#define _thing_ _cleanup_(thing_done)

bool thing_same(const struct thing *a, const struct thing *b);

/* Is it gone after a reboot? */
bool tree_is_volatile(const char *path);

/* What is there; THING_NONE also when a directory on the way is missing. -EFBIG for more than
 * TREE_MAX. */
#define TREE_MAX (16u * 1024 * 1024)
int tree_read(int root_fd, const char *path, struct thing *ret_thing);

/* Puts it there, atomically: beside it, by a rename. Directories that are missing are made, 0755, and
 * added to made (may be NULL). THING_NONE removes what is there, and what a cut left beside it. */
int tree_put(int root_fd, const char *path, const struct thing *thing, struct manifest *made);

/* Adds the directories that are missing on the way to a path, the first one first. */
int tree_missing_dirs(int root_fd, const char *path, struct manifest *missing);

/* Removes what a cut left beside the files of a directory. */
int tree_clean(int dir_fd);

/* Removes a directory when it is empty. */
void tree_remove_dir(int root_fd, const char *path);

/* Where what was at a path is kept meanwhile; -ENAMETOOLONG. */
int tree_kept_path(const char *path, char *buf, size_t size);
