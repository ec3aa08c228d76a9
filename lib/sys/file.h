/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files: reading one as a whole with a limit, rewriting a small one durably. Names are taken
 * relative to a directory descriptor (AT_FDCWD for paths). Nothing here trusts the filesystem:
 * sizes are limits, not promises.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "fd.h"

/*
 * Opens a regular file. flags as for open(2); O_CLOEXEC, O_NOFOLLOW and O_NONBLOCK are added, so
 * that neither a symbolic link nor a FIFO in its place can lead elsewhere or hang.
 * -ELOOP for a symbolic link, -EISDIR for a directory, -ENOTSUP for anything else that is no
 * regular file. Created files get mode 0644. The directories before the last name are followed.
 */
int file_open_regular(int dir_fd, const char *name, int flags, int *ret_fd);

/* Reads up to size bytes from where fd stands, until the end or the buffer is full. */
int file_read_some(int fd, char *buf, size_t size, size_t *ret_size);

/* Reads the rest of fd, at most max bytes: -EFBIG when there is more. *ret_data is the caller's to
 * free and has a NUL after its *ret_size bytes (ret_size may be NULL). Files of /proc and /sys,
 * which claim size 0, are read as well. */
int file_read_fd(int fd, size_t max, char **ret_data, size_t *ret_size);

/* Opens a file (symbolic links are followed: for paths that the caller trusts) and reads it all. */
int file_read(int dir_fd, const char *path, size_t max, char **ret_data, size_t *ret_size);

/* The same for a range of a file or block device that is there already: fd is open for reading and
 * writing, its size does not change. */
int file_rewrite_range(int fd, off_t offset, const char *data, size_t size);

/*
 * Makes the regular file `name` (in dir_fd itself) hold exactly data, in place, durably; creates it
 * when it is missing. Reads back from the disk what was written; -EIO when that differs. Sectors
 * that already hold their bytes are not written, so the same data causes no write at all. For files
 * of a few sectors: see the .c for what a power cut can leave.
 */
int file_rewrite(int dir_fd, const char *name, const char *data, size_t size);

/* Waits at most wait_ms for the exclusive flock(2) of an open file or directory: -EBUSY. The lock
 * belongs to the open file: closing it gives the lock back. */
int file_lock(int fd, unsigned wait_ms);

/* Makes the names in a directory durable; dir_fd may be AT_FDCWD. */
int file_sync_directory(int dir_fd);
