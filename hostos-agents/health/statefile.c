/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Durable small files: see statefile.h. What is read from them is the callers' to distrust. */
#include "statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fd.h"
#include "file.h"

static int open_dir(const char *dir, int *ret_fd)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Where a file is written first. */
static int name_beside(const char *name, char buf[static NAME_MAX + 1])
{
	return snprintf(buf, NAME_MAX + 1, ".%s.new", name) > NAME_MAX ? -ENAMETOOLONG : 0;
}

static int replace(const char *dir, const char *name, const char *data, size_t size, bool durable)
{
	_close_ int dir_fd = -1, fd = -1;
	char beside[NAME_MAX + 1];
	int r;

	r = name_beside(name, beside);
	if (r < 0)
		return r;
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	r = open_dir(dir, &dir_fd);
	if (r < 0)
		return r;
	/* What a cut left there is of no use, whatever it is. */
	if (unlinkat(dir_fd, beside, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dir_fd, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	r = write_all(fd, data, size);
	if (r == 0 && durable && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dir_fd, beside, dir_fd, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir_fd, beside, 0); /* the next write does it otherwise */
		return r;
	}
	return durable && fsync(dir_fd) < 0 ? -errno : 0;
}

int statefile_write(const char *dir, const char *name, const char *data, size_t size)
{
	return replace(dir, name, data, size, true);
}

int statefile_show(const char *dir, const char *name, const char *data, size_t size)
{
	return replace(dir, name, data, size, false);
}

int statefile_remove(const char *dir, const char *name)
{
	char beside[NAME_MAX + 1];
	_close_ int dir_fd = -1;
	int r;

	r = name_beside(name, beside);
	if (r < 0)
		return r;
	r = open_dir(dir, &dir_fd);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	/* Nobody may write it for years: this is the time for what a cut left there to go. */
	if (unlinkat(dir_fd, beside, 0) < 0 && errno != ENOENT)
		return -errno;
	if (unlinkat(dir_fd, name, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	return fsync(dir_fd) < 0 ? -errno : 0;
}

int statefile_read(const char *dir, const char *name, size_t max, char **ret_data, size_t *ret_size)
{
	_close_ int dir_fd = -1, fd = -1;
	int r;

	r = open_dir(dir, &dir_fd);
	if (r == 0)
		r = file_open_regular(dir_fd, name, O_RDONLY, &fd);
	return r < 0 ? r : file_read_fd(fd, max, ret_data, ret_size);
}
