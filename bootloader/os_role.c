/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The OS role: the same initramfs under the root's kernel, for roots that build none of their own.
 * Finds the root that root= names (UUID=, PARTUUID=, LABEL=, PARTLABEL= or /dev/…), mounts it on
 * SYSROOT as rootfstype=, rootflags=, ro and rw ask, and leaves the switch to PID 1. A root that the boot
 * role verified is opened by what it said, and read-only.
 */
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "boot.h"
#include "clock.h"
#include "cmdline.h"
#include "log.h"
#include "mount.h"
#include "os_volumes.h"
#include "uevent.h"
#include "verified.h"

#define DISKS_MAX 64
#define ROOT_SECONDS 60
#define ROOT_SECONDS_MAX 600
#define MOUNT_SECONDS 300 /* a journal of a large disk may be replayed */

/* Last of `ro` and `rw` counts; the kernel's default is ro. */
static bool wants_writable(const char *cmdline)
{
	struct cmdline_arg arg;
	bool writable = false;
	size_t pos = 0;

	while (cmdline_next(cmdline, &pos, &arg)) {
		if (arg.value)
			continue;
		if (cmdline_key_is(&arg, "rw"))
			writable = true;
		else if (cmdline_key_is(&arg, "ro"))
			writable = false;
	}
	return writable;
}

static bool find_root(const char *root, char slot, struct partition *ret_part)
{
	static char names[DISKS_MAX][32];
	size_t n;

	if (startswith(root, "/dev/")) {
		*ret_part = (struct partition){.present = true};
		if (strlen(root) >= sizeof(ret_part->dev) || access(root, R_OK) < 0)
			return false;
		strcpy(ret_part->dev, root);
		return true;
	}
	if (os_volumes_find(root, slot, ret_part))
		return true;
	if (os_volumes_have_root(slot))
		return false;
	n = disk_list(names, DISKS_MAX);
	for (size_t i = 0; i < n; i++)
		if (disk_find_partition(names[i], root, ret_part))
			return true;
	return false;
}

static int mount_sysroot(const struct boot *boot, const struct partition *part, bool writable)
{
	char fstype[32], flags[256];
	int r;

	if (cmdline_get(boot->cmdline, "rootfstype", fstype, sizeof(fstype)) <= 0)
		(void)snprintf(fstype, sizeof(fstype), "%s", part->fstype);
	if (cmdline_get(boot->cmdline, "rootflags", flags, sizeof(flags)) <= 0)
		flags[0] = '\0';
	progress_tell(STEP_SLOT, 0, MOUNT_SECONDS);
	r = mount_root(part->dev, fstype, SYSROOT, writable, flags[0] ? flags : NULL);
	if (r < 0)
		return log_err(r, "root", "dev=%s fstype=%s error=%s found=\"cannot be mounted\"",
			       part->dev, log_quote(fstype), log_errno(r));
	return 0;
}

enum boot_result os_role(struct boot *boot)
{
	unsigned seconds =
		cmdline_get_number(boot->cmdline, "rootdelay", ROOT_SECONDS, ROOT_SECONDS_MAX);
	uint64_t deadline = clock_ms() + 1000u * (uint64_t)seconds, now;
	char root[128], slot[16] = "";
	struct partition part;
	bool opened, verified, writable;

	progress_tell(STEP_DISK, 0, seconds + 30);
	verified = verified_device(boot->cmdline, root, sizeof(root));
	if (!verified && cmdline_get(boot->cmdline, "root", root, sizeof(root)) <= 0) {
		log_line(LOG_ERROR, "root", "found=\"no root= on the command line\" next=reboot");
		return BOOT_FAILED;
	}
	(void)cmdline_get(boot->cmdline, "tugboot.slot", slot, sizeof(slot));
	(void)os_volumes_read(); /* it said what is wrong; the root may be plain */
	while (opened = os_volumes_open(), !find_root(root, slot[0], &part) || !opened) {
		now = clock_ms();
		if (now >= deadline && find_root(root, slot[0], &part))
			break; /* a volume is missing, which the root can do without */
		if (now >= deadline || boot->uevents < 0 ||
		    uevent_wait(boot->uevents, (int)(deadline - now)) < 0) {
			log_line(LOG_ERROR, "root", "expected=%s found=none waited=%us next=reboot",
				 log_quote(root), seconds);
			return BOOT_FAILED;
		}
	}
	os_volumes_done();
	if (verified && verified_open_root(boot->cmdline, &part) < 0)
		return BOOT_FAILED;
	writable = !verified && wants_writable(boot->cmdline);
	if (mount_sysroot(boot, &part, writable) < 0)
		return BOOT_FAILED;
	log_event("root", "dev=%s on=%s mode=%s", part.dev, SYSROOT, writable ? "rw" : "ro");
	return BOOT_SWITCH;
}
