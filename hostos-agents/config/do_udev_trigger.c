/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* "change" to all devices, as `udevadm trigger` does it: into the uevent file of everything below
 * /sys/devices that has a subsystem. The kernel's files; what they say is not read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "do.h"
#include "fd.h"

#define DEPTH_MAX 40

static void trigger(int dir_fd)
{
	static const char change[] = "change";
	_close_ int fd = -1;

	if (faccessat(dir_fd, "subsystem", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	fd = openat(dir_fd, "uevent", O_WRONLY | O_CLOEXEC);
	/* A device that has just gone, or that says no, needs no rules. */
	if (fd >= 0)
		(void)!write(fd, change, sizeof(change) - 1);
}

static int walk(int dir_fd, unsigned depth)
{
	_closedir_ DIR *dir = fdopendir(dir_fd);
	struct dirent *entry;

	if (!dir) {
		(void)close(dir_fd); /* was not taken over */
		return -ENOMEM;
	}
	trigger(dirfd(dir));
	while (depth < DEPTH_MAX && (entry = readdir(dir))) {
		int fd;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		fd = openat(dirfd(dir), entry->d_name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && walk(fd, depth + 1) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

int do_udev_trigger(void)
{
	int fd = open("/sys/devices", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : walk(fd, 0);
}
