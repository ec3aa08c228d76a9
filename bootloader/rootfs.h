/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looking into a mounted root without being led out of it: symbolic links, absolute ones too, are
 * resolved inside (openat2(2), RESOLVE_IN_ROOT). Sizes and names are the root's and not trusted.
 */
#pragma once

#include <stddef.h>

#include "slice.h"

/* File names of a directory, owned. */
struct rootfs_names {
	char **name;
	size_t n;
};

/* Opens a regular file for reading; -EINVAL for anything else of that name. */
int rootfs_open(int root_fd, const char *path, int *ret_fd);

/*
 * Opens the first of base + path that exists; bases end with NULL. path_buf gets the name that was
 * opened, or the first that was tried.
 */
int rootfs_open_any(int root_fd, const char *const *bases, struct slice path, int *ret_fd,
		    char *path_buf, size_t path_size);

/* Reads a whole file of at most max bytes; *ret_data is the caller's to free. */
int rootfs_read(int root_fd, const char *path, size_t max, char **ret_data, size_t *ret_size);

/* Names in a directory that end with suffix, at most 512, in no order. None when there is no such
 * directory. */
void rootfs_list(int root_fd, const char *dir, const char *suffix, struct rootfs_names *ret_names);
void rootfs_names_done(struct rootfs_names *names);

/* Last part of the name that a symbolic link leads to. -EINVAL when path is no link. */
int rootfs_link_name(int root_fd, const char *path, char *buf, size_t size);
