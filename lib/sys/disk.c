/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks, partitions, labels: sysfs for what is there, libblkid for what is on it. The only file that
 * includes libblkid.
 */
#include "disk.h"

#include <blkid/blkid.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fd.h"

#define SYS_BLOCK "/sys/class/block"

static void probe_free_p(blkid_probe *probe)
{
	blkid_free_probe(*probe);
}

#define _probe_free_ _cleanup_(probe_free_p)

_printf_(2, 3) static int path_format(char path[static 512], const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, 512, fmt, ap);
	va_end(ap);
	return n < 0 || n >= 512 ? -ENAMETOOLONG : 0;
}

/* First line of a sysfs attribute. */
static int read_attribute(const char *path, char *buf, size_t size)
{
	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

/* loop, ram, zram: made from memory or files; dm, md: made from disks; sr, fd: not for roots. */
static bool is_disk_name(const char *name)
{
	static const char *const others[] = {"loop", "ram", "zram", "dm-", "md",
					     "sr",   "fd",  "nbd",  "mtd"};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (startswith(name, others[i]))
			return false;
	return strlen(name) < 32;
}

static bool is_whole_disk(const char *name)
{
	char path[512], size[24];

	if (path_format(path, SYS_BLOCK "/%s/partition", name) < 0 || access(path, F_OK) == 0)
		return false;
	if (path_format(path, SYS_BLOCK "/%s/size", name) < 0 ||
	    read_attribute(path, size, sizeof(size)) < 0)
		return false;
	return !streq(size, "0"); /* an empty card reader */
}

/* sda, sdb, … sdaa; nvme0n1, nvme1n1, … nvme10n1. */
static int compare_names(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	size_t alpha_a = strcspn(a, "0123456789"), alpha_b = strcspn(b, "0123456789");

	if (alpha_a == alpha_b && memcmp(a, b, alpha_a) != 0)
		return memcmp(a, b, alpha_a);
	if (alpha_a != alpha_b && strncmp(a, "sd", 2) == 0 && strncmp(b, "sd", 2) == 0)
		return alpha_a < alpha_b ? -1 : 1;
	if (alpha_a == alpha_b && la != lb)
		return la < lb ? -1 : 1;
	return strcmp(a, b);
}

size_t disk_list(char names[][32], size_t max)
{
	_closedir_ DIR *dir = opendir(SYS_BLOCK);
	struct dirent *entry;
	size_t n = 0, i;

	while (dir && n < max && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !is_disk_name(entry->d_name) ||
		    !is_whole_disk(entry->d_name))
			continue;
		for (i = n++; i > 0 && compare_names(names[i - 1], entry->d_name) > 0; i--)
			memcpy(names[i], names[i - 1], 32);
		strcpy(names[i], entry->d_name);
	}
	return n;
}

/* Kernel name of partition `index` of a disk; its directory below the disk's has that number. */
static int partition_name(const char *disk, unsigned index, char *name, size_t size)
{
	char path[512], number[16];
	_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int r;

	r = path_format(path, SYS_BLOCK "/%s", disk);
	if (r < 0)
		return r;
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (!startswith(entry->d_name, disk) || strlen(entry->d_name) >= size)
			continue;
		r = path_format(path, SYS_BLOCK "/%s/%s/partition", disk, entry->d_name);
		if (r < 0 || read_attribute(path, number, sizeof(number)) < 0)
			continue;
		if (strtoul(number, NULL, 10) == index) {
			strcpy(name, entry->d_name);
			return 0;
		}
	}
	return -ENOENT;
}

static void copy_text(char *to, size_t size, const char *from)
{
	size_t n = from ? MIN(strlen(from), size - 1) : 0;

	memcpy(to, from ? from : "", n);
	to[n] = '\0';
}

static void probe_value(blkid_probe probe, const char *key, char *to, size_t size)
{
	const char *value = NULL;

	if (blkid_probe_lookup_value(probe, key, &value, NULL) != 0)
		value = NULL;
	copy_text(to, size, value);
}

/* What the partition holds. A partition that cannot be read, or holds nothing known or two things
 * at once, keeps empty fields: its GPT name may still give it a role. */
static void probe_superblock(struct partition *part)
{
	/* Filesystems we can mount, and containers that must not be taken for one. */
	static const char *const types[] = {"vfat",	"ext4",	 "ext3",	"ext2",
					    "squashfs", "erofs", "crypto_LUKS", NULL};
	_probe_free_ blkid_probe probe = NULL;
	_close_ int fd = open(part->dev, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return;
	probe = blkid_new_probe();
	if (!probe || blkid_probe_set_device(probe, fd, 0, 0) != 0)
		return;
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID |
							 BLKID_SUBLKS_TYPE);
	blkid_probe_filter_superblocks_type(probe, BLKID_FLTR_ONLYIN, (char **)(uintptr_t)types);
	if (blkid_do_safeprobe(probe) != 0)
		return;
	probe_value(probe, "TYPE", part->fstype, sizeof(part->fstype));
	probe_value(probe, "LABEL", part->label, sizeof(part->label));
	probe_value(probe, "UUID", part->uuid, sizeof(part->uuid));
}

static void lower(char *s)
{
	for (; *s; s++)
		*s = (char)tolower((unsigned char)*s);
}

/* Gives the partition its role, if it has one and no better one has it. A label beats a name; among
 * equals the prefix's rank, then the first in the table. */
static void disk_add(struct disk *disk, const struct partition *part)
{
	bool by_name = false;
	unsigned prefix = 0, rank, holder_rank;
	enum part_role role = partname_role(part->label, &prefix);
	struct partition *holder;

	if (role == PART_NONE) {
		role = partname_role(part->name, &prefix);
		by_name = true;
	}
	if (role == PART_NONE)
		return;

	holder = &disk->role[role];
	rank = (by_name ? 16u : 0u) + prefix;
	holder_rank = (holder->by_name ? 16u : 0u) + holder->prefix;
	if (holder->present && rank >= holder_rank) {
		if (rank == holder_rank) {
			disk->duplicates++;
			copy_text(disk->duplicate, sizeof(disk->duplicate), part->dev);
		}
		return;
	}
	*holder = *part;
	holder->by_name = by_name;
	holder->prefix = prefix;
}

/* Opens a disk and reads its table. The list belongs to the probe. */
static int open_table(const char *name, blkid_probe *ret_probe, blkid_partlist *ret_list,
		      int *ret_fd)
{
	_probe_free_ blkid_probe probe = NULL;
	blkid_partlist list;
	char path[512];
	_close_ int fd = -1;
	int r;

	r = path_format(path, "/dev/%s", name);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	probe = blkid_new_probe();
	if (!probe)
		return -ENOMEM;
	if (blkid_probe_set_device(probe, fd, 0, 0) != 0)
		return -EIO;
	blkid_probe_enable_partitions(probe, 1);
	blkid_probe_enable_superblocks(probe, 0);
	errno = 0;
	list = blkid_probe_get_partitions(probe);
	if (!list)
		return errno == EIO ? -EIO : -ENODATA;
	*ret_list = list;
	*ret_probe = take_ptr(probe);
	*ret_fd = take_fd(fd);
	return 0;
}

/* Reads a disk's table and superblocks, and shows each partition to fn until it returns true.
 * *ret_complete: every partition has a device node. */
static int each_partition(const char *name, partition_fn fn, void *data, bool *ret_complete)
{
	_probe_free_ blkid_probe probe = NULL;
	blkid_partlist list;
	_close_ int fd = -1;
	int r, n;

	r = open_table(name, &probe, &list, &fd);
	if (r < 0)
		return r;
	*ret_complete = true;
	n = blkid_partlist_numof_partitions(list);
	for (int i = 0; i < n; i++) {
		blkid_partition entry = blkid_partlist_get_partition(list, i);
		struct partition part = {.present = true};
		char node[sizeof(part.dev) - sizeof("/dev/")];
		int index = entry ? blkid_partition_get_partno(entry) : 0;

		if (index <= 0 || blkid_partition_is_extended(entry))
			continue;
		part.index = (unsigned)index;
		if (partition_name(name, part.index, node, sizeof(node)) < 0) {
			*ret_complete = false;
			continue;
		}
		(void)snprintf(part.dev, sizeof(part.dev), "/dev/%s", node);
		copy_text(part.name, sizeof(part.name), blkid_partition_get_name(entry));
		copy_text(part.partuuid, sizeof(part.partuuid), blkid_partition_get_uuid(entry));
		lower(part.partuuid);
		probe_superblock(&part);
		if (fn(&part, data))
			break;
	}
	return 0;
}

/* Two that claim one role both have it here: which of them is the right one is not for us to guess. */
static void note_found(struct disk *disk, const struct partition *part)
{
	enum part_role role = partname_role(part->label, NULL);
	struct volume_found *found;

	if (disk->n_found == VOLUMES_MAX)
		return;
	found = &disk->found[disk->n_found++];
	found->role = role != PART_NONE ? role : partname_role(part->name, NULL);
	found->index = part->index;
	found->luks = streq(part->fstype, DISK_LUKS);
	if (found->luks)
		copy_text(found->uuid, sizeof(found->uuid), part->uuid);
}

int disk_each_partition(const char *name, partition_fn fn, void *data)
{
	bool complete;

	return each_partition(name, fn, data, &complete);
}

static bool add_partition(const struct partition *part, void *data)
{
	disk_add(data, part);
	note_found(data, part);
	return false;
}

int disk_probe_volume(const char *dev, struct partition *part)
{
	struct partition inner = *part;

	if (strlen(dev) >= sizeof(inner.dev))
		return -ENAMETOOLONG;
	strcpy(inner.dev, dev);
	inner.fstype[0] = inner.label[0] = inner.uuid[0] = '\0';
	probe_superblock(&inner);
	if (!inner.fstype[0])
		return -ENODATA;
	*part = inner;
	return 0;
}

int disk_probe(const char *name, struct disk *ret_disk)
{
	struct disk disk = {0};
	int r;

	if (strlen(name) >= sizeof(disk.name))
		return -ENAMETOOLONG;
	r = each_partition(name, add_partition, &disk, &disk.complete);
	if (r < 0)
		return r;
	strcpy(disk.name, name);
	*ret_disk = disk;
	return 0;
}

struct wanted {
	const char *root;
	struct partition *ret_part;
	bool found;
};

static bool is_wanted(const struct partition *part, void *data)
{
	struct wanted *wanted = data;
	const struct {
		const char *tag, *value;
	} fields[] = {
		{"UUID=", part->uuid},
		{"PARTUUID=", part->partuuid},
		{"LABEL=", part->label},
		{"PARTLABEL=", part->name},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const char *value = startswith(wanted->root, fields[i].tag);

		if (value && *value && strcasecmp(value, fields[i].value) == 0) {
			*wanted->ret_part = *part;
			wanted->found = true;
		}
	}
	return wanted->found;
}

bool disk_find_partition(const char *name, const char *root, struct partition *ret_part)
{
	struct wanted wanted = {.root = root, .ret_part = ret_part};
	bool complete;

	return each_partition(name, is_wanted, &wanted, &complete) == 0 && wanted.found;
}

bool disk_has_partuuid(const char *name, const char *partuuid)
{
	_probe_free_ blkid_probe probe = NULL;
	blkid_partlist list;
	_close_ int fd = -1;

	if (open_table(name, &probe, &list, &fd) < 0)
		return false;
	for (int i = 0; i < blkid_partlist_numof_partitions(list); i++) {
		blkid_partition entry = blkid_partlist_get_partition(list, i);
		const char *uuid = entry ? blkid_partition_get_uuid(entry) : NULL;

		if (uuid && strcasecmp(uuid, partuuid) == 0)
			return true;
	}
	return false;
}

int disk_of_path(const char *path, char ret_name[static 32])
{
	char link[64], target[512];
	char *base, *parent;
	struct stat st;
	ssize_t n;

	if (stat(path, &st) < 0)
		return -errno;
	(void)snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(st.st_dev),
		       minor(st.st_dev));
	n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	target[n] = '\0';

	/* …/block/vda/vda1 for a partition, …/block/vda for a disk */
	base = strrchr(target, '/');
	if (!base)
		return -ENODEV;
	*base++ = '\0';
	parent = strrchr(target, '/');
	if (parent && !streq(parent + 1, "block"))
		base = parent + 1;
	if (!is_disk_name(base))
		return -ENODEV;
	strcpy(ret_name, base);
	return 0;
}
