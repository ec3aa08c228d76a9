/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts. The kernel's filesystem drivers read hostile disks here; nothing of ours does. */
#include "mount.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "macro.h"

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

int mount_set_writable(const char *target, bool writable)
{
	unsigned long flags = MS_REMOUNT | GUARDED | (writable ? 0 : MS_RDONLY);

	return mount(NULL, target, NULL, flags, NULL) < 0 ? -errno : 0;
}

void mount_end(const char *target)
{
	(void)umount2(target, MNT_DETACH); /* not mounted is as good */
}
