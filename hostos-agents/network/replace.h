/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that others read while they are written: whole, old or new. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/*
 * Makes the regular file `name` in dir_fd hold exactly data, with this mode and root's (group: that
 * group's, unless it is (gid_t)-1): beside it, durably, then renamed over what is there, which is
 * not followed. 1 when it was written, 0 when it was so already, a negative errno with the old one
 * in place.
 */
int replace_file(int dir_fd, const char *name, mode_t mode, gid_t group, const char *data,
		 size_t size);

/* Removes what a cut left beside the files of a directory: the next replace_file() that writes there
 * would, but there need not be one. */
int replace_clean(int dir_fd);
