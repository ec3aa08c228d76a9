/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journey: find the boot disk, read the environment, choose a slot, unlock and mount its root,
 * find and load its kernel, record the try, close the door, let go. PID 1 starts this as its one
 * child, watches its deadlines and makes the jump when it ends with BOOT_GO; a crash here costs one
 * candidate, not the boot.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "boot.h"
#include "cmdline.h"
#include "fd.h"
#include "file.h"
#include "kexec.h"
#include "library.h"
#include "log.h"
#include "uevent.h"
#include "unlock.h"

#define BACKOFF_SECONDS 10u
#define BACKOFF_SECONDS_MAX 600u
/* Each of three slots refused, two below the floor first, and again without a writable environment. */
#define DECISIONS_MAX 12

void progress_tell(enum progress_step step, char slot, unsigned seconds)
{
	const struct progress message = {.step = (uint8_t)step,
					 .slot = slot,
					 .seconds = (uint16_t)MIN(seconds, (unsigned)UINT16_MAX)};

	(void)!write(PROGRESS_FD, &message,
		     sizeof(message)); /* PID 1 has its own limits without it */
}

/* A slot that was tried in this boot, or crashed an earlier run, is not tried again. */
static void refuse(struct boot *boot, char slot)
{
	if (slot == 'R')
		boot->found.recovery.refused = true;
	else
		boot->found.slot[slot_index(slot)].refused = true;
}

static void read_arguments(struct boot *boot, char **argv)
{
	boot->refused = "";
	for (size_t i = 1; argv[0] && argv[i]; i++) {
		const char *refused = startswith(argv[i], ARG_REFUSED);

		if (refused)
			boot->refused = refused;
		else if (streq(argv[i], ARG_NO_ENVIRONMENT))
			boot->no_environment = true;
	}
}

static void read_cmdline(struct boot *boot)
{
	_free_ char *text = NULL;

	if (file_read(AT_FDCWD, "/proc/cmdline", sizeof(boot->cmdline) - 1, &text, NULL) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	strcpy(boot->cmdline, text);
}

/* Nothing can be started: waits, longer with each such boot, for a disk or for another try. True when
 * the disks changed. */
static bool back_off(struct boot *boot)
{
	unsigned seconds = cmdline_get_number(boot->cmdline, "tugboot.backoff", BACKOFF_SECONDS,
					      BACKOFF_SECONDS_MAX);

	for (unsigned i = 0; i < boot->env.backoff && seconds < BACKOFF_SECONDS_MAX; i++)
		seconds *= 2;
	seconds = MIN(seconds, BACKOFF_SECONDS_MAX);
	log_line(LOG_ERROR, "back-off",
		 "found=\"no slot that can be started\" next=\"reboot in %us, or a new disk\"",
		 seconds);
	progress_tell(STEP_WAIT, 0, seconds + 30);
	return disk_wait_change(boot, seconds);
}

static void log_decision(const struct boot *boot, const struct slot_decision *d)
{
	char cause[64] = "";

	if (d->cause != SLOT_CAUSE_NONE)
		(void)snprintf(cause, sizeof(cause), " cause=%s", slot_cause_name(d->cause));
	log_event("slot", "name=%c dev=%s reason=%s tries=%u/%u%s", d->slot,
		  boot->disk.role[slot_role(d->slot)].dev, slot_reason_name(d->reason), d->used,
		  d->allowed, cause);
}

/* Chooses, loads and records until a kernel is ready to go. False when nothing is left. */
static bool choose_and_load(struct boot *boot)
{
	for (unsigned i = 0; i < DECISIONS_MAX; i++) {
		struct slot_decision decision = slot_decide(&boot->env, &boot->found);
		int r;

		if (!decision.slot) {
			(void)environment_record(boot,
						 &decision); /* it waits without a memory, then */
			return false;
		}
		log_decision(boot, &decision);
		r = slot_load(boot, &decision);
		if (r < 0) {
			if (r != -ESTALE) /* below the floor is better than nothing */
				refuse(boot, decision.slot);
			continue;
		}
		if (environment_record(boot, &decision) < 0) {
			(void)kexec_unload();
			boot->found.read_only = true;
			continue;
		}
		if (unlock_end(boot) < 0) {
			(void)kexec_unload();
			refuse(boot, decision.slot);
			continue;
		}
		progress_tell(STEP_WATCHDOG, decision.slot, boot->watch_seconds);
		log_event("go", "slot=%c reason=%s", decision.slot,
			  slot_reason_name(decision.reason));
		return true;
	}
	return false;
}

static enum boot_result boot_role(struct boot *boot)
{
	do {
		boot->found = (struct slot_found){0};
		if (disk_wait(boot) < 0)
			continue;
		for (const char *slot = boot->refused; *slot; slot++)
			if (strchr("ABR", *slot)) /* the others are volumes: unlock_volumes.c */
				refuse(boot, *slot);
		environment_read(boot);
		last_boot_read(boot);
		if (choose_and_load(boot))
			return BOOT_GO;
		environment_end(boot);
		unlock_forget(boot);
	} while (back_off(boot));
	return BOOT_REBOOT;
}

int main(int argc, char **argv)
{
	static struct unlock unlock;
	static struct boot boot = {.env_dir = -1, .unlock = &unlock};
	enum boot_result result;

	(void)argc;
	(void)log_open();
	library_image("/libraries.squashfs", "/usr/lib");
	read_arguments(&boot, argv);
	read_cmdline(&boot);
	boot.uevents = uevent_open();
	result = cmdline_is_boot_role(boot.cmdline) ? boot_role(&boot) : os_role(&boot);
	progress_tell(STEP_END, 0, result);
	return (int)result;
}
