/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state of one boot, passed along the journey that main.c tells. Each step has its file; steps
 * that can be refused say so in the log themselves, with what was found, what was expected and what
 * happens next, and return a negative errno.
 */
#pragma once

#include <stdbool.h>

#include "disk.h"
#include "envstore.h"
#include "kernel.h"
#include "progress.h"
#include "slot.h"

struct unlock;

/* Where a slot's root is: 'A', 'B', or 'R' and others for the recovery. */
static inline enum part_role slot_role(char slot)
{
	return slot == 'A' ? PART_ROOT_A : slot == 'B' ? PART_ROOT_B : PART_RECOVERY;
}

#define CMDLINE_MAX 4096

struct boot {
	char cmdline[CMDLINE_MAX]; /* Tugboot's own */
	const char *refused;	   /* slots that an earlier run of this boot crashed on; borrowed */
	bool no_environment;	   /* an earlier run crashed before it chose a slot */
	int uevents;		   /* owned; -1 when there is no netlink */
	struct disk disk;
	bool disk_found;
	char disk_dev[40]; /* its node; fw_env.config may name no other */
	struct envstore store;
	int env_dir; /* owned: root directory of the partition with the environment, -1 */
	struct boot_env env;
	struct slot_found found;
	unsigned watch_seconds; /* watchdog across kexec; 0: stopped */
	struct unlock *unlock;	/* encrypted volumes (unlock.h); never NULL */
};

/* Tells PID 1 what is being done and how long it may take (progress.h). */
void progress_tell(enum progress_step step, char slot, unsigned seconds);

/* disk_wait.c: waits for the disk that Tugboot was started from, or one that can stand in for it. */
int disk_wait(struct boot *boot);
/* Waits for any change of the disks; true when there was one within the time. */
bool disk_wait_change(struct boot *boot, unsigned seconds);
/* Fills boot->found from boot->disk. */
void disk_note_slots(struct boot *boot);

/* environment.c */
void environment_read(struct boot *boot);
/* Stores what the decision asks for, durably; nothing when it asks for nothing. */
int environment_record(struct boot *boot, const struct slot_decision *decision);
/* Closes and unmounts, for another try with other disks. */
void environment_end(struct boot *boot);
/* Value of a key for the command line; empty when there is none. */
void environment_value(const struct boot *boot, const char *name, char *buf, size_t size);

/* slot_load.c: mounts the slot's root, finds its kernel and loads it. -ESTALE: its version is below the
 * floor, which boot->found knows now. */
int slot_load(struct boot *boot, const struct slot_decision *decision);

/* last_boot.c: fills boot->found with how the last start ended. */
void last_boot_read(struct boot *boot);

/* floor.c: is the root's version one that may be started? */
bool floor_is_met(const struct boot *boot, const struct slot_decision *decision, int root_fd);

/* handover.c: how the watchdog crosses kexec. */
unsigned handover_watchdog(const struct boot *boot, const struct slot_decision *decision,
			   int root_fd, const struct kernel *kernel);

/* os_role.c: the other role of the same initramfs: mounts the root on SYSROOT. */
enum boot_result os_role(struct boot *boot);
