/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The boot environment of this boot: mounted read-only, so that a committed boot writes nothing (a
 * FAT mounted writable is marked dirty at once), and made writable only to record a decision.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "boot.h"
#include "fd.h"
#include "log.h"
#include "mount.h"

#define ENV_MOUNT "/run/environment"
#define RECORD_SECONDS 60

static const struct partition *environment_partition(const struct boot *boot)
{
	const struct partition *efi = &boot->disk.role[PART_EFI];

	return efi->present ? efi : &boot->disk.role[PART_BOOT];
}

/* Mounts the partition with the environment's files; NULL, or what is wrong. */
static const char *open_partition(struct boot *boot)
{
	const struct partition *part = environment_partition(boot);
	int r;

	if (!part->present)
		return "no boot partition";
	mount_end(ENV_MOUNT); /* of a run that crashed */
	r = mount_read_only(part->dev, part->fstype, ENV_MOUNT);
	if (r < 0) {
		log_line(LOG_ERROR, "environment", "dev=%s error=%s found=\"cannot be mounted\"",
			 part->dev, log_errno(r));
		return "boot partition cannot be mounted";
	}
	boot->env_dir = open(ENV_MOUNT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return boot->env_dir < 0 ? "boot partition cannot be read" : NULL;
}

/* Opens the store. Whatever fails, boot->store is usable and empty. */
static const char *open_store(struct boot *boot)
{
	const struct partition *raw = &boot->disk.role[PART_ENV];
	struct envstore_place place = {.disk = boot->disk_dev};
	const char *problem = open_partition(boot);

	if (problem && !raw->present)
		return problem;
	(void)snprintf(boot->disk_dev, sizeof(boot->disk_dev), "/dev/%s", boot->disk.name);
	place.dir_fd = boot->env_dir;
	place.raw = raw->present ? raw->dev : NULL;
	return envstore_open_at(&place, &boot->store) < 0 ? "cannot be read" : NULL;
}

void environment_read(struct boot *boot)
{
	const char *problem;
	bool named;
	char slot;

	progress_tell(STEP_ENVIRONMENT, 0, 60);
	boot->store = ENVSTORE_NONE;
	boot->env_dir = -1;
	problem = boot->no_environment ? "it crashed the bootloader" : open_store(boot);
	if (problem) {
		boot->found.read_only = true;
		envstore_decode(&boot->store, &boot->env);
		log_warn("environment",
			 "found=\"%s\" next=\"A is tried first, nothing is recorded\"", problem);
		return;
	}
	envstore_decode(&boot->store, &boot->env);
	slot = slot_named(&boot->env, &boot->found, &named);
	if (boot->store.note)
		log_warn("environment", "file=%s found=\"%s\"", boot->store.name, boot->store.note);
	if (boot->store.problem)
		log_warn(
			"environment",
			"file=%s found=\"%s\" next=\"use what can be read, repair at the next write\"",
			boot->store.name, boot->store.problem);
	if (boot->env.damaged)
		log_warn("environment",
			 "file=%s found=\"a value that means nothing\" next=\"use its default\"",
			 boot->store.name);
	if (boot->env.root_kind == ENV_ROOT_INDEX && !named)
		log_warn(
			"environment",
			"file=%s found=\"partition 0x%x, which is no root here\" next=\"A is tried first\"",
			boot->store.name, boot->env.root_index);
	log_event("environment", "file=%s kind=%s root=%c by=%s trial=%u count=%u limit=%u",
		  boot->store.name, envstore_kind(&boot->store), slot,
		  named ? "environment" : "default", boot->env.trial, boot->env.count,
		  boot->env.limit);
}

/* Makes the partition writable for the store's files; a raw store needs none. */
static int set_writable(const struct boot *boot, bool writable)
{
	return boot->env_dir < 0 ? 0 : mount_set_writable(ENV_MOUNT, writable);
}

static int write_store(struct boot *boot, const struct slot_decision *decision)
{
	int r, back;

	r = set_writable(boot, true);
	if (r == 0)
		r = decision->edits.n > 0 ? envstore_apply(&boot->store, &decision->edits)
					  : envstore_settle(&boot->store);
	back = set_writable(boot, false);
	return r < 0 ? r : back; /* flushed, or not stored */
}

int environment_record(struct boot *boot, const struct slot_decision *decision)
{
	int r;

	if (boot->found.read_only ||
	    (decision->edits.n == 0 && !envstore_is_unsettled(&boot->store)))
		return 0;
	progress_tell(STEP_RECORD, decision->slot, RECORD_SECONDS);
	r = write_store(boot, decision);
	if (r < 0 && decision->edits.n == 0) {
		/* Tugboot's copy goes on to count; only other programs' changes do not. */
		log_warn("environment", "file=%s found=\"a write that was cut\" error=%s",
			 boot->store.name, log_errno(r));
		return 0;
	}
	if (r < 0)
		return log_err(r, "record",
			       "slot=%s error=%s next=\"decide again without the environment\"",
			       log_quote((char[]){decision->slot, 0}), log_errno(r));
	if (boot->store.unprotected)
		log_warn("record", "file=%s found=\"%s\" next=\"stored without a copy\"",
			 boot->store.name, boot->store.unprotected);
	if (decision->edits.n == 0)
		log_event("environment", "file=%s settled=\"a write that was cut\"",
			  boot->store.name);
	for (size_t i = 0; i < decision->edits.n; i++)
		log_event("record", "%s=%s", decision->edits.edit[i].name,
			  decision->edits.edit[i].unset ? "(removed)"
							: decision->edits.edit[i].value);
	return 0;
}

void environment_end(struct boot *boot)
{
	envstore_done(&boot->store);
	close_p(&boot->env_dir);
	boot->env_dir = -1;
	mount_end(ENV_MOUNT);
}

void environment_value(const struct boot *boot, const char *name, char *buf, size_t size)
{
	if (envstore_get(&boot->store, name, buf, size) < 0)
		buf[0] = '\0';
}
