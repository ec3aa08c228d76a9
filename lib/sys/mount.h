/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts of block devices: boot partitions and roots. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Mounts dev on target, read-only, without device nodes, set-uid bits or programs. fstype is
 * libblkid's name; when it is empty every filesystem that we know is tried. An ext4 that was not
 * unmounted replays its journal. -EINVAL or -EUCLEAN for a damaged filesystem, -ENODEV for one that
 * this kernel does not know, and mount(2)'s other errors.
 */
int mount_read_only(const char *dev, const char *fstype, const char *target);

/* The OS role's mount of the root: flags as given, data may be NULL. */
int mount_root(const char *dev, const char *fstype, const char *target, bool writable,
	       const char *data);

/* Changes a mount of ours between read-only and writable. To read-only: writes everything first. */
int mount_set_writable(const char *target, bool writable);

/* Mounts a file of the system's own that holds a filesystem, read-only; programs in it may run. The
 * loop device goes with the mount. -ENOENT without the file, -ENODEV without a driver for either. */
int mount_image(const char *file, const char *fstype, const char *target);

/* Is something mounted on it? */
bool mount_is_used(const char *target);

/* Detaches; nothing when it is not mounted. */
void mount_end(const char *target);

/* Where the filesystem on a block device is mounted with its own root, and not hidden by another mount:
 * the path, and the directory opened. ret_fd may be NULL. -ENOENT when it is not mounted so. */
int mount_find(dev_t dev, char *path, size_t size, int *ret_fd);
