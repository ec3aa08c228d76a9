/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replacing files; see replace.h. The directory is root's: nobody else puts anything in between. */
#include "replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "file.h"

/* Names that begin with a dot are no configuration to any of those who read these directories. The
 * config agent, which writes in RUN_DIR at the same time, has another one. */
#define NEW_NAME ".tugboot-network-new"

static bool same(int dir_fd, const char *name, mode_t mode, gid_t group, const char *data,
		 size_t size)
{
	_free_ char *old = NULL;
	_close_ int fd = -1;
	size_t old_size;
	struct stat st;

	return file_open_regular(dir_fd, name, O_RDONLY, &fd) == 0 && fstat(fd, &st) == 0 &&
	       (st.st_mode & 07777) == mode && st.st_uid == 0 &&
	       (group == (gid_t)-1 || st.st_gid == group) && st.st_size == (off_t)size &&
	       file_read_fd(fd, size, &old, &old_size) == 0 && old_size == size &&
	       memcmp(old, data, size) == 0;
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

static int write_new(int dir_fd, mode_t mode, gid_t group, const char *data, size_t size)
{
	/* For nobody else until it has its owner. */
	_close_ int fd = openat(dir_fd, NEW_NAME,
				O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	if (group != (gid_t)-1 && fchown(fd, 0, group) < 0)
		return -errno;
	r = write_all(fd, data, size);
	if (r < 0)
		return r;
	return fchmod(fd, mode) < 0 || fsync(fd) < 0 ? -errno : 0;
}

int replace_clean(int dir_fd)
{
	/* On a filesystem that cannot be written, removing what is not there fails, too. */
	if (faccessat(dir_fd, NEW_NAME, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	return unlinkat(dir_fd, NEW_NAME, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/*
 * The data is on the disk before its name is: a cut leaves the old file or the new one, and perhaps
 * NEW_NAME, which the next run removes. The directory is synced last, for the name to last.
 */
int replace_file(int dir_fd, const char *name, mode_t mode, gid_t group, const char *data,
		 size_t size)
{
	int r;

	if (same(dir_fd, name, mode, group, data, size))
		return 0;
	r = replace_clean(dir_fd);
	if (r < 0)
		return r;
	r = write_new(dir_fd, mode, group, data, size);
	if (r >= 0 && renameat(dir_fd, NEW_NAME, dir_fd, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir_fd, NEW_NAME, 0); /* the next run does it, too */
		return r;
	}
	return fsync(dir_fd) < 0 ? -errno : 1;
}
