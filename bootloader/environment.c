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

/* Opens the store. Whatever fails, boot->store is usable and empty. */
static const char *open_store(struct boot *boot)
{
	const struct partition *part = environment_partition(boot);
	int r;

	if (!part->present)
		return "no boot partition";
	r = mount_read_only(part->dev, part->fstype, ENV_MOUNT);
	if (r < 0) {
		log_line(LOG_ERROR, "environment", "dev=%s error=%s found=\"cannot be mounted\"",
			 part->dev, log_errno(r));
		return "boot partition cannot be mounted";
	}
	boot->env_dir = open(ENV_MOUNT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (boot->env_dir < 0 || envstore_open(boot->env_dir, &boot->store) < 0)
		return "cannot be read";
	return NULL;
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
		boot_env_decode(envstore_get, &boot->store, &boot->env);
		log_warn("environment",
			 "found=\"%s\" next=\"A is tried first, nothing is recorded\"", problem);
		return;
	}
	boot_env_decode(envstore_get, &boot->store, &boot->env);
	slot = slot_named(&boot->env, &boot->found, &named);
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
	log_event("environment", "file=%s root=%c by=%s trial=%u count=%u limit=%u",
		  boot->store.name, slot, named ? "environment" : "default", boot->env.trial,
		  boot->env.count, boot->env.limit);
}

int environment_record(struct boot *boot, const struct slot_decision *decision)
{
	int r, back;

	if (decision->edits.n == 0)
		return 0;
	progress_tell(STEP_RECORD, decision->slot, RECORD_SECONDS);
	r = mount_set_writable(ENV_MOUNT, true);
	if (r == 0)
		r = envstore_apply(&boot->store, &decision->edits);
	back = mount_set_writable(ENV_MOUNT, false);
	if (r == 0)
		r = back; /* flushed, or not stored */
	if (r < 0)
		return log_err(r, "record",
			       "slot=%s error=%s next=\"decide again without the environment\"",
			       log_quote((char[]){decision->slot, 0}), log_errno(r));
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
