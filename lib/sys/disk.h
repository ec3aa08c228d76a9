/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks and the partitions on them that have a role. Wraps libblkid: everything it reads from a
 * disk is hostile, so callers run in a process that may crash (the bootloader, a host command).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "partname.h"
#include "volumes.h"

#define DISK_LUKS "crypto_LUKS" /* libblkid's name of an encrypted volume, of any version */

struct partition {
	bool present;
	char dev[64];	   /* /dev node */
	unsigned index;	   /* number on its disk */
	char fstype[24];   /* libblkid's name, empty when it knows none */
	char label[64];	   /* filesystem label, may be empty */
	char name[80];	   /* GPT partition name, may be empty */
	char uuid[40];	   /* filesystem UUID, may be empty */
	char partuuid[40]; /* GPT or MBR partition UUID, lower case, may be empty */
	bool by_name;	   /* the role comes from the GPT name, not from the label */
	unsigned prefix;   /* rank of its prefix */
};

struct disk {
	char name[32]; /* kernel name: vda, nvme0n1 */
	bool complete; /* every partition of its table has a device node */
	struct partition role[PART_ROLE_COUNT];
	unsigned duplicates; /* partitions that claimed a role already taken */
	char duplicate[64];  /* the last of them */
	/* All partitions, for the rules of what must be encrypted. */
	struct volume_found found[VOLUMES_MAX];
	size_t n_found; /* VOLUMES_MAX: perhaps there are more */
};

/* Names of the whole disks that are there now, sorted (natural order: sda, sdb, … sdaa). Returns
 * how many, at most max; loop, RAM, zram, optical and device-mapper disks are not disks here. */
size_t disk_list(char names[][32], size_t max);

/* Reads the partition table and the superblocks of one disk. -ENOENT when it has gone, -ENODATA
 * when it has no partition table, -EIO and others when it cannot be read. */
int disk_probe(const char *name, struct disk *ret_disk);

/* Reads what an opened volume holds: fstype, label and uuid of *part are of its node `dev` then, the
 * rest stays. -ENODATA when it holds nothing that we know. */
int disk_probe_volume(const char *dev, struct partition *part);

/* True when the disk has a partition of this UUID (text, any case). *ret_disk as disk_probe(). */
bool disk_has_partuuid(const char *name, const char *partuuid);

/* Shows each partition of a disk to fn, with what its superblock says, until it returns true. Errors as
 * disk_probe(). */
typedef bool (*partition_fn)(const struct partition *part, void *data);
int disk_each_partition(const char *name, partition_fn fn, void *data);

/* Looks for the partition that a root= value names: UUID=, PARTUUID=, LABEL= or PARTLABEL=. */
bool disk_find_partition(const char *name, const char *root, struct partition *ret_part);

/* The whole disk that a mounted path's filesystem is on; name[32]. -ENODEV when it has none. */
int disk_of_path(const char *path, char ret_name[static 32]);
