/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files in memory. Offsets and sizes are the caller's, who has checked them against the file's size. */
#include "memfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "macro.h"

int memfile_open(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int memfile_copy(int to, int from, uint64_t offset, uint64_t size)
{
	off_t at = (off_t)offset;

	while (size > 0) {
		ssize_t n = sendfile(to, from, &at, MIN(size, (uint64_t)1 << 24));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -ENODATA;
		if (n > 0)
			size -= (uint64_t)n;
	}
	return 0;
}

int memfile_finish(int fd, int *ret_fd)
{
	char path[40];
	int reopened;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reopened = open(path, O_RDONLY | O_CLOEXEC);
	if (reopened < 0)
		return -errno;
	*ret_fd = reopened;
	return 0;
}
