/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The partition with the boot environment: see place.h. */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "fd.h"
#include "mount.h"

/* Is there on every system, even a read-only one, and not needed by this command. */
#define MOUNT_OVER "/run"
#define BY_HAND "mount the boot partition and give it with --boot DIR"

static const struct partition *environment_partition(const struct disk *disk)
{
	return disk->role[PART_EFI].present ? &disk->role[PART_EFI] : &disk->role[PART_BOOT];
}

/* Mounts the partition read-only in a mount namespace of our own: no other process sees it, it goes
 * when this process does, and it can stand on a directory that is in use elsewhere. */
static int mount_privately(const struct partition *part, struct place *place)
{
	int r;

	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	r = mount_read_only(part->dev, part->fstype, MOUNT_OVER);
	if (r < 0)
		return r;
	strcpy(place->mount_point, MOUNT_OVER);
	place->mounted_here = true;
	place->dir_fd = open(MOUNT_OVER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return place->dir_fd < 0 ? -errno : 0;
}

static enum result find_disk(struct disk *ret_disk)
{
	char name[32];
	int r;

	r = disk_of_path("/", name);
	if (r < 0)
		return complain(
			"cannot tell which disk this system was started from (/ is not on a "
			"partition of a disk): " BY_HAND);
	r = disk_probe(name, ret_disk);
	if (r == -EACCES || r == -EPERM)
		return complain("no permission to look for the boot partition on %s: try as root, "
				"or give it with --boot DIR",
				name);
	if (r < 0)
		return complain("cannot look for the boot partition on %s (%s): " BY_HAND, name,
				strerror(-r));
	if (!environment_partition(ret_disk)->present && !ret_disk->role[PART_ENV].present)
		return complain(
			"%s, which / is on, has no partition labelled tug-boot, resin-boot or "
			"balena-boot, and none named tug-env: " BY_HAND,
			name);
	return RESULT_OK;
}

/* Where a partition is mounted, or else mounts it. */
static enum result use_partition(const struct partition *part, struct place *place)
{
	struct stat st;
	int r;

	(void)snprintf(place->shown, sizeof(place->shown), "%s", part->dev);
	r = stat(part->dev, &st) < 0 ? -errno
				     : mount_find(st.st_rdev, place->mount_point,
						  sizeof(place->mount_point), &place->dir_fd);
	if (r == -ENOENT)
		r = mount_privately(part, place);
	if (r < 0)
		return complain("cannot mount %s (%s): " BY_HAND, part->dev, strerror(-r));
	return RESULT_OK;
}

static enum result find_place(struct place *place)
{
	const struct partition *part;
	enum result result;

	result = find_disk(&place->disk);
	if (result != RESULT_OK)
		return result;
	place->disk_known = true;
	part = environment_partition(&place->disk);
	if (!part->present) {
		(void)snprintf(place->shown, sizeof(place->shown), "%s",
			       place->disk.role[PART_ENV].dev);
		return RESULT_OK;
	}
	return use_partition(part, place);
}

/* A directory that somebody named. When it is the boot partition of a disk that we may look at, the
 * disk's slots are known too. */
static enum result use_directory(const char *boot_dir, struct place *place)
{
	struct stat mounted, dev;
	char name[32];

	(void)snprintf(place->shown, sizeof(place->shown), "%s", boot_dir);
	(void)snprintf(place->mount_point, sizeof(place->mount_point), "%s", boot_dir);
	place->dir_fd = open(boot_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place->dir_fd < 0)
		return complain("cannot open the directory '%s': %s", boot_dir, strerror(errno));
	if (fstat(place->dir_fd, &mounted) < 0 || disk_of_path(boot_dir, name) < 0 ||
	    disk_probe(name, &place->disk) < 0)
		return RESULT_OK;
	place->disk_known = environment_partition(&place->disk)->present &&
			    stat(environment_partition(&place->disk)->dev, &dev) == 0 &&
			    dev.st_rdev == mounted.st_dev;
	return RESULT_OK;
}

static struct slot_found found_on(const struct place *place)
{
	static const enum part_role roots[SLOT_COUNT] = {PART_ROOT_A, PART_ROOT_B};
	struct slot_found found = {.read_only = place->unreadable < 0};

	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		const struct partition *root = &place->disk.role[roots[i]];

		found.slot[i].present = !place->disk_known || root->present;
		found.slot[i].index = place->disk_known && root->present ? root->index : 0;
	}
	found.recovery.present = place->disk_known && place->disk.role[PART_RECOVERY].present;
	return found;
}

/* Why the store refused, and what helps. */
static enum result complain_store(const struct place *place, const char *what, int r)
{
	const char *file = place->store.name;

	if (place->mounted_here && (r == -EROFS || r == -EACCES))
		return complain("cannot %s: %s is write-protected", what, place->shown);
	switch (r) {
	case -EROFS:
		return complain("cannot %s: %s is mounted read-only; try 'mount -o remount,rw %s'",
				what, place->shown, place->mount_point);
	case -EACCES:
	case -EPERM:
		return complain("cannot %s: no permission for %s in %s; try as root", what, file,
				place->shown);
	case -ENOSPC:
		return complain("cannot %s: the environment is full (or %s is); make room with "
				"'tugboot env unset NAME'",
				what, place->shown);
	case -EINVAL:
		return complain(
			"cannot %s: a name is one line, is not empty and does not start with '#'",
			what);
	case -EBUSY:
		return complain(
			"cannot %s: another program keeps the environment locked; try again", what);
	case -ELOOP:
	case -EISDIR:
	case -ENOTSUP:
		return complain("cannot %s: %s in %s %s; remove it", what, file, place->shown,
				place->store.problem);
	case -EIO:
		return complain("cannot %s: the disk fails to read or to keep %s in %s; replace it",
				what, file, place->shown);
	case -EBADMSG:
		return complain("cannot %s: where fw_env.config says, %s holds no U-Boot "
				"environment; make one with fw_setenv, or correct fw_env.config",
				what, file);
	default:
		return complain("cannot %s: %s in %s: %s", what, file, place->shown, strerror(-r));
	}
}

static int open_store(struct place *place)
{
	const struct partition *raw = &place->disk.role[PART_ENV];
	struct envstore_place where = {.dir_fd = place->dir_fd};

	if (place->disk_known) {
		(void)snprintf(place->disk_dev, sizeof(place->disk_dev), "/dev/%s",
			       place->disk.name);
		where.disk = place->disk_dev;
		where.raw = raw->present ? raw->dev : NULL;
	}
	return envstore_open_at(&where, &place->store);
}

enum result place_open(const char *boot_dir, enum place_use use, struct place *ret_place)
{
	enum result result;
	int r;

	*ret_place = PLACE_NONE;
	result = boot_dir ? use_directory(boot_dir, ret_place) : find_place(ret_place);
	if (result != RESULT_OK)
		return result;
	r = open_store(ret_place);
	ret_place->unreadable = r;
	if (r == 0 && use == PLACE_WRITE)
		r = envstore_lock(&ret_place->store);
	if (r < 0 && use != PLACE_LOOK)
		return complain_store(ret_place, "read the boot environment", r);
	envstore_decode(&ret_place->store, &ret_place->env);
	ret_place->found = found_on(ret_place);
	return RESULT_OK;
}

enum result place_open_config(const char *boot_dir, struct place *ret_place)
{
	const struct partition *part = &ret_place->disk.role[PART_BOOT];
	enum result result;

	*ret_place = PLACE_NONE;
	if (boot_dir)
		return use_directory(boot_dir, ret_place);
	result = find_disk(&ret_place->disk);
	if (result != RESULT_OK)
		return result;
	ret_place->disk_known = true;
	if (!part->present)
		return complain("%s, which / is on, has no boot partition: " BY_HAND,
				ret_place->disk.name);
	return use_partition(part, ret_place);
}

int place_make_writable(const struct place *place)
{
	return place->mounted_here ? mount_set_writable(place->mount_point, true) : 0;
}

enum result place_change(struct place *place, const struct env_change *changes, size_t n)
{
	int r = place_make_writable(place);

	if (r == 0)
		r = envstore_change(&place->store, changes, n);
	return r < 0 ? complain_store(place, "store the change", r) : RESULT_OK;
}

enum result place_apply(struct place *place, const struct env_edits *edits)
{
	int r = place_make_writable(place);

	if (r == 0)
		r = envstore_apply(&place->store, edits);
	return r < 0 ? complain_store(place, "store the change", r) : RESULT_OK;
}

void place_refresh(struct place *place)
{
	if (place_make_writable(place) == 0)
		(void)envstore_refresh(&place->store); /* as well protected as before, then */
}

enum result place_migrate(struct place *place, const char *kind, const struct env_change *changes,
			  size_t n)
{
	int r = place_make_writable(place);

	if (r == 0)
		r = envstore_migrate(&place->store, kind, changes, n);
	if (r == -EINVAL)
		return complain_usage("'%s' is no kind of store: these are grub, uboot-text, uboot "
				      "and raw",
				      kind);
	if (r == -ENODEV)
		return complain(
			streq(kind, "raw")
				? "there is no partition named tug-env, resin-env or balena-env"
				: "there is no boot partition to keep files on");
	return r < 0 ? complain_store(place, "move the environment", r) : RESULT_OK;
}

void place_done(struct place *place)
{
	envstore_done(&place->store);
	close_p(&place->dir_fd);
	if (place->mounted_here)
		mount_end(place->mount_point);
}
