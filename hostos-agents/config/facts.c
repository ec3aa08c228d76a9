/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the system is made of: see facts.h. Units are looked for as systemd finds them
 * (systemd.unit(5), "Unit file load path"), on disk: at boot there is nobody to be asked yet. What a
 * partition holds is hostile, what is mounted where is the kernel's word. Keeps nothing.
 */
#include "facts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "disk.h"
#include "fd.h"
#include "file.h"
#include "mount.h"

#define SLAVES_MAX 4 /* device-mapper devices on each other */

/* The first that has a unit decides. */
static const char *const unit_dirs[] = {
	"/etc/systemd/system",	   "/run/systemd/system", "/usr/local/lib/systemd/system",
	"/usr/lib/systemd/system", "/lib/systemd/system",
};

static bool is_installed(const char *unit)
{
	for (size_t i = 0; i < ARRAY_SIZE(unit_dirs); i++) {
		char path[PATH_MAX], target[32];
		ssize_t n;

		(void)snprintf(path, sizeof(path), "%s/%s", unit_dirs[i], unit);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0 && errno == ENOENT)
			continue;
		/* Masked: a link to /dev/null, or an empty file. */
		if (n > 0) {
			target[n] = '\0';
			return !streq(target, "/dev/null");
		}
		return true;
	}
	return false;
}

/* Is it wanted by another unit? */
static bool is_wanted(const char *dir, const char *unit)
{
	_closedir_ DIR *d = opendir(dir);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		char path[PATH_MAX];
		struct stat st;

		if (!endswith(entry->d_name, ".wants") && !endswith(entry->d_name, ".requires"))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", entry->d_name, unit);
		if (fstatat(dirfd(d), path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	}
	return false;
}

static bool is_enabled(const char *unit)
{
	if (!is_installed(unit))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(unit_dirs); i++)
		if (is_wanted(unit_dirs[i], unit))
			return true;
	return false;
}

static void look_at_units(struct facts *facts)
{
	static const struct {
		const char *unit, *socket;
	} engines[] = {
		{"balena.service", "/run/balena-engine.sock"},
		{"balena-engine.service", "/run/balena-engine.sock"},
		{"docker.service", "/run/docker.sock"},
	};

	facts->network_manager = is_enabled("NetworkManager.service");
	facts->networkd = !facts->network_manager && is_enabled("systemd-networkd.service");
	facts->resolved = is_enabled("systemd-resolved.service");
	facts->dnsmasq = is_enabled("tugboot-dns.service");
	facts->chrony = is_enabled("chrony.service") || is_enabled("chronyd.service");
	facts->avahi = is_enabled("avahi-daemon.service");
	facts->timesyncd = is_enabled("systemd-timesyncd.service");
	facts->sshd = access("/usr/sbin/sshd", X_OK) == 0;
	for (size_t i = 0; i < ARRAY_SIZE(engines) && !facts->engine_socket[0]; i++)
		if (is_installed(engines[i].unit))
			strcpy(facts->engine_socket, engines[i].socket);
}

/* --- The boot disk -------------------------------------------------------------------------- */

/* The first device in a directory of links of /sys (slaves, holders). */
static int neighbour(dev_t dev, const char *kind, dev_t *ret_dev)
{
	char path[PATH_MAX];
	_closedir_ DIR *d = NULL;
	struct dirent *entry;

	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(dev), minor(dev), kind);
	d = opendir(path);
	while (d && (entry = readdir(d))) {
		_free_ char *text = NULL;
		unsigned major_no, minor_no;

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/dev", entry->d_name);
		if (file_read(dirfd(d), path, 32, &text, NULL) < 0 ||
		    sscanf(text, "%u:%u", &major_no, &minor_no) != 2)
			continue;
		*ret_dev = makedev(major_no, minor_no);
		return 0;
	}
	return -ENODEV;
}

/* The disk of the partition that / is on, or that the device / is on is made of. */
static int find_disk(struct disk *ret_disk)
{
	char link[64], target[PATH_MAX], *name, *parent;
	struct stat st;
	dev_t dev;
	ssize_t n;

	if (stat("/", &st) < 0)
		return -errno;
	dev = st.st_dev;
	for (int i = 0; i < SLAVES_MAX && neighbour(dev, "slaves", &dev) == 0; i++)
		continue;
	(void)snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	target[n] = '\0';
	name = strrchr(target, '/');
	if (!name)
		return -ENODEV;
	*name++ = '\0';
	parent = strrchr(target, '/');
	if (parent && !streq(parent + 1, "block"))
		name = parent + 1;
	return disk_probe(name, ret_disk);
}

/* Where a partition, or the volume that was opened on it, is mounted. */
static int find_part(const struct partition *part, char *path, size_t size)
{
	struct stat st;
	dev_t dev;
	int r;

	if (!part->present)
		return -ENODEV;
	if (stat(part->dev, &st) < 0)
		return -errno;
	r = mount_find(st.st_rdev, path, size, NULL);
	if (r == -ENOENT && neighbour(st.st_rdev, "holders", &dev) == 0)
		r = mount_find(dev, path, size, NULL);
	return r;
}

/* DIR/tugboot, as far as it fits. */
static void own_dir(char *buf, const char *dir)
{
	int n = snprintf(buf, PATH_MAX, "%s/tugboot", dir);

	if (n >= PATH_MAX)
		buf[0] = '\0';
}

static void look_at_disk(struct facts *facts)
{
	struct disk *disk = calloc(1, sizeof(*disk));
	char path[PATH_MAX];

	strcpy(facts->state_dir, "/var/lib/tugboot");
	strcpy(facts->state_root, "/var/lib/tugboot");
	if (disk && find_disk(disk) == 0) {
		(void)find_part(&disk->role[PART_BOOT], facts->boot_dir, sizeof(facts->boot_dir));
		if (find_part(&disk->role[PART_STATE], path, sizeof(path)) == 0) {
			strcpy(facts->state_root, path);
			own_dir(facts->state_dir, path);
		}
		strcpy(facts->data_dir, facts->state_dir);
		if (find_part(&disk->role[PART_DATA], path, sizeof(path)) == 0)
			own_dir(facts->data_dir, path);
	} else {
		strcpy(facts->data_dir, facts->state_dir);
	}
	free(disk);
}

int facts_read(struct facts *ret_facts)
{
	struct facts facts = {0};

	look_at_units(&facts);
	look_at_disk(&facts);
	*ret_facts = facts;
	return 0;
}
