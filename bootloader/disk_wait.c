/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The boot disk: the one with the partition that the firmware side names (LoaderDevicePartUUID), else
 * the first that has a boot partition and a root. Disks come late and in any order, so the kernel's
 * events are waited for, up to a deadline; then less will do.
 */
#include <errno.h>
#include <stdio.h>

#include "boot.h"
#include "clock.h"
#include "cmdline.h"
#include "efivar.h"
#include "log.h"
#include "uevent.h"

#define DISKS_MAX 64
#define WAIT_SECONDS 30
#define WAIT_SECONDS_MAX 600

/* How well a disk serves; higher is better. */
enum fitness {
	FIT_NONE,  /* no root */
	FIT_ROOT,  /* a root, but no boot partition: no environment */
	FIT_WHOLE, /* boot partition and a root */
};

static enum fitness fitness_of(const struct disk *disk)
{
	bool root = disk->role[PART_ROOT_A].present || disk->role[PART_ROOT_B].present ||
		    disk->role[PART_RECOVERY].present;
	bool boot = disk->role[PART_BOOT].present || disk->role[PART_EFI].present ||
		    disk->role[PART_ENV].present;

	return !root ? FIT_NONE : boot ? FIT_WHOLE : FIT_ROOT;
}

struct look {
	struct disk disk;
	enum fitness fit;
	bool named;	  /* it is the disk that the firmware side names */
	bool named_unfit; /* that disk is there, and holds no root: another one must do */
	unsigned others;  /* other disks that would do as well */
};

/* While the kernel still announces a disk's partitions, some of them are not there yet. */
static bool is_arriving(const struct disk *disk)
{
	return !disk->complete &&
	       !(disk->role[PART_BOOT].present && disk->role[PART_ROOT_A].present &&
		 disk->role[PART_ROOT_B].present);
}

/* Looks at all disks that are there now; those that are arriving only when it is the last look: a
 * table may name partitions that the kernel never shows. */
static struct look look_at_disks(const char *partuuid, bool last)
{
	static char names[DISKS_MAX][32];
	size_t n = disk_list(names, DISKS_MAX);
	struct look best = {0};
	bool named_unfit = false;

	for (size_t i = 0; i < n; i++) {
		struct look look = {0};

		if (disk_probe(names[i], &look.disk) < 0 || (is_arriving(&look.disk) && !last))
			continue;
		look.fit = fitness_of(&look.disk);
		look.named = partuuid[0] && disk_has_partuuid(names[i], partuuid);
		named_unfit |= look.named && look.fit == FIT_NONE;
		if (look.fit == FIT_NONE)
			continue;
		if (look.named > best.named || (look.named == best.named && look.fit > best.fit)) {
			look.others = best.others + (best.fit == look.fit);
			best = look;
		} else if (look.fit == best.fit) {
			best.others++;
		}
	}
	best.named_unfit = named_unfit;
	return best;
}

static void log_disk(const struct look *look, const char *partuuid)
{
	const struct disk *disk = &look->disk;

	if (partuuid[0] && !look->named)
		log_warn("disk", "expected=\"the disk with partition %s\" found=%s next=\"use it\"",
			 partuuid, disk->name);
	if (look->others > 0)
		log_warn("disk", "found=\"%u more with the same labels\" next=\"use %s, the %s\"",
			 look->others, disk->name, look->named ? "one that started us" : "first");
	if (disk->duplicates > 0)
		log_warn("disk", "name=%s found=\"two partitions of one name\" ignored=%s",
			 disk->name, disk->duplicate);
	for (enum part_role role = PART_NONE + 1; role < PART_ROLE_COUNT; role++)
		if (disk->role[role].present)
			log_detail("partition", "role=%s dev=%s index=%u by=%s fstype=%s",
				   partname_of(role), disk->role[role].dev, disk->role[role].index,
				   disk->role[role].by_name ? "name" : "label",
				   log_quote(disk->role[role].fstype));
}

static void note_slot(struct boot *boot, unsigned slot, enum part_role role)
{
	const struct partition *part = &boot->disk.role[role];

	boot->found.slot[slot].present = part->present;
	boot->found.slot[slot].index = part->index;
}

void disk_note_slots(struct boot *boot)
{
	note_slot(boot, 0, PART_ROOT_A);
	note_slot(boot, 1, PART_ROOT_B);
	boot->found.recovery.present = boot->disk.role[PART_RECOVERY].present;
}

int disk_wait(struct boot *boot)
{
	unsigned seconds =
		cmdline_get_number(boot->cmdline, "tugboot.wait", WAIT_SECONDS, WAIT_SECONDS_MAX);
	uint64_t start = clock_ms(), deadline = start + 1000u * (uint64_t)seconds, now;
	char partuuid[37] = "";
	struct look look;

	progress_tell(STEP_DISK, 0, seconds + 30);
	(void)efivar_boot_partuuid(partuuid); /* without it any disk will do */
	for (;;) {
		now = clock_ms();
		look = look_at_disks(partuuid, now >= deadline);
		if (look.fit == FIT_WHOLE && (look.named || look.named_unfit || !partuuid[0]))
			break;
		if (now >= deadline)
			break;
		if (boot->uevents < 0 || uevent_wait(boot->uevents, (int)(deadline - now)) < 0)
			return log_err(-EIO, "disk",
				       "error=\"no kernel events\" next=\"wait, then reboot\"");
	}
	if (look.fit == FIT_NONE)
		return log_err(
			-ENODEV, "disk",
			"found=none expected=\"a root partition labelled tug-, resin- or balena-rootA or -rootB\" "
			"waited=%us",
			seconds);
	log_disk(&look, partuuid);
	boot->disk = look.disk;
	boot->disk_found = true;
	disk_note_slots(boot);
	log_event("disk", "name=%s by=%s after=%llums", look.disk.name,
		  look.named ? "firmware" : "label", (unsigned long long)(clock_ms() - start));
	return 0;
}

bool disk_wait_change(struct boot *boot, unsigned seconds)
{
	return boot->uevents >= 0 &&
	       uevent_wait(boot->uevents, (int)MIN(seconds, 3600u) * 1000) > 0;
}
