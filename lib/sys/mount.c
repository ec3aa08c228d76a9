/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts. The kernel's filesystem drivers read hostile disks here; nothing of ours does. */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fd.h"
#include "file.h"

#define MOUNTINFO_MAX (4 * 1024 * 1024)
#define GUARDED (MS_NODEV | MS_NOSUID | MS_NOEXEC | MS_NOATIME)

/* One driver serves all three generations of ext. */
static const char *driver_of(const char *fstype)
{
	return streq(fstype, "ext2") || streq(fstype, "ext3") ? "ext4" : fstype;
}

/* An error in one file of a FAT is no reason to refuse to write another: what a cut left unreadable is
 * to be made anew (lib/sys/file.c). A short name in lower case gets one directory entry instead of
 * two, of which a torn sector may hold the second alone: the kernel adds nothing to such a directory. */
static const char *options_of(const char *fstype, const char *data)
{
	return !data && streq(fstype, "vfat") ? "errors=continue,shortname=winnt" : data;
}

static int mount_any(const char *dev, const char *fstype, const char *target, unsigned long flags,
		     const char *data)
{
	static const char *const known[] = {"ext4", "squashfs", "erofs", "vfat"};
	int r = -EINVAL;

	if (mkdir(target, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (*fstype)
		return mount(dev, target, driver_of(fstype), flags, options_of(fstype, data)) < 0
			       ? -errno
			       : 0;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (mount(dev, target, known[i], flags, options_of(known[i], data)) == 0)
			return 0;
		r = -errno;
		if (r != -EINVAL)
			break;
	}
	return r;
}

int mount_read_only(const char *dev, const char *fstype, const char *target)
{
	return mount_any(dev, fstype, target, GUARDED | MS_RDONLY, NULL);
}

int mount_root(const char *dev, const char *fstype, const char *target, bool writable,
	       const char *data)
{
	return mount_any(dev, fstype, target, writable ? 0 : MS_RDONLY, data);
}

/* A free loop device, set up to read the file; it is freed when nobody has it open any more. */
static int loop_open(int file_fd, char *dev, size_t size, int *ret_fd)
{
	_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	struct loop_config config = {
		.fd = (unsigned)file_fd,
		.info = {.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR},
	};
	_close_ int fd = -1;
	int number;

	if (control < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	number = ioctl(control, LOOP_CTL_GET_FREE);
	if (number < 0)
		return -errno;
	(void)snprintf(dev, size, "/dev/loop%d", number);
	fd = open(dev, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, LOOP_CONFIGURE, &config) < 0)
		return -errno;
	(void)ioctl(fd, BLKRASET, 0ul); /* unpacking ahead costs, and memory does not wait */
	*ret_fd = take_fd(fd);
	return 0;
}

int mount_image(const char *file, const char *fstype, const char *target)
{
	_close_ int file_fd = open(file, O_RDONLY | O_CLOEXEC);
	_close_ int loop_fd = -1;
	char dev[32];
	int r;

	if (file_fd < 0)
		return -errno;
	r = loop_open(file_fd, dev, sizeof(dev), &loop_fd);
	if (r < 0)
		return r;
	return mount(dev, target, fstype, MS_RDONLY | MS_NODEV | MS_NOSUID, NULL) < 0 ? -errno : 0;
}

bool mount_is_used(const char *target)
{
	struct stat here, above;
	char parent[512];

	(void)snprintf(parent, sizeof(parent), "%s/..", target);
	return stat(target, &here) == 0 && stat(parent, &above) == 0 && here.st_dev != above.st_dev;
}

int mount_set_writable(const char *target, bool writable)
{
	unsigned long flags = MS_REMOUNT | GUARDED | (writable ? 0 : MS_RDONLY);

	return mount(NULL, target, NULL, flags, NULL) < 0 ? -errno : 0;
}

void mount_end(const char *target)
{
	(void)umount2(target, MNT_DETACH); /* not mounted is as good */
}

/* Decodes the octal escapes of mountinfo (\040 for a space) in place. */
static void unescape_octal(char *s)
{
	char *to = s;

	for (const char *p = s; *p; to++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' &&
		    p[3] >= '0' && p[3] <= '7') {
			*to = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
			p += 4;
		} else {
			*to = *p++;
		}
	}
	*to = '\0';
}

/* Opens a directory and makes sure that it is the root of the filesystem on dev: something else may
 * be mounted over it. */
static int open_mounted(const char *path, dev_t dev, int *ret_fd)
{
	_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != dev)
		return -ENOENT;
	*ret_fd = take_fd(fd);
	return 0;
}

int mount_find(dev_t dev, char *path, size_t size, int *ret_fd)
{
	_free_ char *text = NULL;
	char *rest, *line;
	int r;

	r = file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL);
	if (r < 0)
		return r;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		unsigned major_no, minor_no;
		char root[512], at[512];
		_close_ int fd = -1;

		/* proc_pid_mountinfo(5): id, parent, major:minor, root, mount point, … */
		if (sscanf(line, "%*u %*u %u:%u %511s %511s", &major_no, &minor_no, root, at) !=
			    4 ||
		    makedev(major_no, minor_no) != dev || !streq(root, "/"))
			continue;
		unescape_octal(at);
		if (strlen(at) >= size || open_mounted(at, dev, &fd) < 0)
			continue;
		strcpy(path, at);
		if (ret_fd)
			*ret_fd = take_fd(fd);
		return 0;
	}
	return -ENOENT;
}
