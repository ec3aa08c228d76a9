/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lock that writers of one system's boot environment exclude each other by: see envstore.h. A
 * lock is an open file; closing it gives the lock back.
 */
#include <errno.h>
#include <fcntl.h>

#include "envfront.h"
#include "fd.h"
#include "file.h"

/* Another writer needs some tens of milliseconds, on a slow card a second. */
#define LOCK_WAIT_MS 10000
#define UBOOT_LOCK "/var/lock/fw_printenv.lock"

static int take_lock(const struct envstore *store, int *ret_fd)
{
	int r;

	/* An open file of our own: a lock belongs to the open file, and the caller's may be shared
	 * with another store. */
	_close_ int fd = store->place.dir_fd >= 0 ? openat(store->place.dir_fd, ".",
							   O_RDONLY | O_DIRECTORY | O_CLOEXEC)
			 : store->place.raw	  ? open(store->place.raw, O_RDONLY | O_CLOEXEC)
						  : -1;

	if (store->place.dir_fd < 0 && !store->place.raw)
		return -ENODEV;
	if (fd < 0)
		return -errno;
	r = file_lock(fd, LOCK_WAIT_MS);
	if (r < 0)
		return r;
	*ret_fd = take_fd(fd);
	return 0;
}

/* The lock of fw_setenv and libubootenv (tools/env/fw_env_main.c, LOCKFILE). Where it cannot be had,
 * as in the boot loader, there is nobody to be kept out. */
static int take_uboot_lock(const struct envstore *store, int *ret_fd)
{
	_close_ int fd = -1;
	int r;

	*ret_fd = -1;
	if (store->ops != &env_front_uboot && store->ops != &env_front_raw)
		return 0;
	fd = open(UBOOT_LOCK, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0644);
	if (fd < 0)
		return 0;
	r = file_lock(fd, LOCK_WAIT_MS);
	if (r < 0)
		return r;
	*ret_fd = take_fd(fd);
	return 0;
}

int envlock_take(const struct envstore *store, int *ret_fd, int *ret_uboot_fd)
{
	_close_ int fd = -1;
	int r;

	r = take_lock(store, &fd);
	if (r == 0)
		r = take_uboot_lock(store, ret_uboot_fd);
	if (r < 0)
		return r;
	*ret_fd = take_fd(fd);
	return 0;
}
