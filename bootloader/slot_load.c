/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One slot, from its partition to a loaded kernel: unlock it, verify it, mount the root read-only, find its
 * kernel, compose the command line, kexec_file_load(). Refusals cost nothing: the caller asks the policy again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "boot.h"
#include "cmdline.h"
#include "fd.h"
#include "image.h"
#include "kexec.h"
#include "log.h"
#include "mount.h"
#include "unlock.h"
#include "verified.h"

#define ROOT_MOUNT "/run/root"
#define SLOT_SECONDS 90
/* kexec_file_load() on x86 keeps room for " elfcorehdr=0x…" (MAX_ELFCOREHDR_STR_LEN) and counts the
 * end of the string: arch/x86/kernel/kexec-bzimage64.c. */
#define KEXEC_CMDLINE_RESERVE 31

struct load {
	struct boot *boot;
	const struct slot_decision *decision;
	struct partition part; /* of an encrypted or a verified root: what is in it */
	struct verified verified;
	int root_fd;
};

/* True when another root of this disk carries the same filesystem UUID: both were written from one
 * image, and `root=UUID=` could start the wrong one. */
static bool uuid_is_shared(const struct boot *boot, const struct partition *part)
{
	static const enum part_role roots[] = {PART_ROOT_A, PART_ROOT_B, PART_RECOVERY};

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		const struct partition *other = &boot->disk.role[roots[i]];

		if (other->present && other->index != part->index && streq(other->uuid, part->uuid))
			return true;
	}
	return false;
}

static void root_value(const struct load *load, char *buf, size_t size)
{
	const struct boot *boot = load->boot;
	const struct partition *part = &load->part;

	if (load->verified.asked) {
		(void)snprintf(buf, size, "/dev/mapper/root"); /* verified.c, systemd */
		return;
	}
	if (part->uuid[0] && !uuid_is_shared(boot, part))
		(void)snprintf(buf, size, "UUID=%s", part->uuid);
	else if (part->partuuid[0])
		(void)snprintf(buf, size, "PARTUUID=%s", part->partuuid);
	else
		(void)snprintf(buf, size, "%s", part->dev);
	if (!startswith(buf, "UUID="))
		log_event("root", "found=\"%s\" next=\"root=%s\"",
			  part->uuid[0] ? "another root with the same UUID"
					: "a filesystem without a UUID",
			  buf);
}

/*
 * Composes the line. When it is longer than the kernel takes, what the slot can do without is left
 * out, one part after the other, and the log says so: a long value in the environment must not cost
 * the device its roots.
 */
static int compose(const struct load *load, const struct kernel *kernel, char *buf, size_t size)
{
	const struct slot_decision *d = load->decision;
	enum slot_last last = slot_last(&load->boot->env, &load->boot->found);
	char extra[ENV_VALUE_MAX], root[96], name[] = {d->slot, '\0'};
	struct cmdline_parts parts = {
		.slot_options = kernel->options,
		.extra_options = extra,
		.inherited = load->boot->cmdline,
		.root = root,
		.slot = d->slot == 'R' ? "recovery" : name,
		.reason = slot_reason_name(d->reason),
		.used = d->used,
		.allowed = d->allowed,
		.cause = d->cause != SLOT_CAUSE_NONE ? slot_cause_name(d->cause) : "",
		.last = last != SLOT_LAST_UNKNOWN ? slot_last_name(last) : "",
		.verity = load->verified.asked ? load->verified.options : NULL,
	};
	size_t max = kernel->cmdline_max > KEXEC_CMDLINE_RESERVE
			     ? kernel->cmdline_max - KEXEC_CMDLINE_RESERVE
			     : 0;
	int r;

	environment_value(load->boot, ENV_CMDLINE, extra, sizeof(extra));
	if (extra[0] &&
	    (load->boot->unlock->policy.volumes.strict || load->boot->unlock->policy.verity)) {
		/* It lies in the clear: it may choose a slot, not what the slot does. */
		log_warn("command-line",
			 "found=\"" ENV_CMDLINE " beside encrypted or signed roots\" "
			 "next=\"leave it out\"");
		extra[0] = '\0';
	}
	root_value(load, root, sizeof(root));
	size = MIN(size, max + 1);
	r = cmdline_compose(&parts, buf, size);
	if (r == -E2BIG && extra[0]) {
		log_warn("command-line",
			 "found=\"longer than %zu bytes\" next=\"leave " ENV_CMDLINE " out\"", max);
		parts.extra_options = "";
		r = cmdline_compose(&parts, buf, size);
	}
	if (r == -E2BIG) {
		log_warn("command-line",
			 "found=\"longer than %zu bytes\" next=\"leave what is inherited out\"",
			 max);
		parts.inherited = "";
		r = cmdline_compose(&parts, buf, size);
	}
	return r;
}

/* Puts the keys of encrypted volumes behind the initrd, for those that may have them. */
static int add_keys(const struct boot *boot, struct kernel *kernel)
{
	int fd, r = unlock_keys_initrd(boot, kernel->tugboot_initrd, &fd);

	if (r == -ENODATA)
		return 0;
	return r < 0 ? r : image_add_initrd(kernel, fd);
}

/* kernel_take_fn: loads a candidate. */
static int take_kernel(struct kernel *kernel, void *data)
{
	const struct load *load = (const struct load *)data;
	char line[CMDLINE_MAX];
	int r;

	r = compose(load, kernel, line, sizeof(line));
	if (r < 0)
		return log_err(
			r, "command-line",
			"slot=%c kernel=%s found=\"options longer than the kernel's %u bytes\" "
			"next=\"the next candidate\"",
			load->decision->slot, log_quote(kernel->path), kernel->cmdline_max);
	r = add_keys(load->boot, kernel);
	if (r < 0)
		return log_err(r, "keys", "slot=%c error=%s next=\"the next candidate\"",
			       load->decision->slot, log_errno(r));
	r = kexec_load(kernel->kernel_fd, kernel->initrd_fd, line);
	if (r < 0)
		return log_err(r, "load", "slot=%c kernel=%s error=%s next=\"the next candidate\"",
			       load->decision->slot, log_quote(kernel->path), log_errno(r));
	load->boot->watch_seconds =
		handover_watchdog(load->boot, load->decision, load->root_fd, kernel);
	log_event("load", "slot=%c form=%s kernel=%s release=%s initrd=%s", load->decision->slot,
		  kernel->form, log_quote(kernel->path), log_quote(kernel->release),
		  kernel->initrd_fd < 0	   ? "none"
		  : kernel->tugboot_initrd ? "tugboot"
					   : "own");
	log_detail("command-line", "%s", log_quote(line));
	return 0;
}

static int load_root(struct load *load)
{
	struct boot *boot = load->boot;
	const struct slot_decision *decision = load->decision;
	_close_ int root_fd = -1;
	int r;

	r = mount_read_only(load->part.dev, load->part.fstype, ROOT_MOUNT);
	if (r < 0)
		return log_err(r, "root",
			       "slot=%c dev=%s fstype=%s error=%s found=\"cannot be mounted\"",
			       decision->slot, load->part.dev, log_quote(load->part.fstype),
			       log_errno(r));
	root_fd = open(ROOT_MOUNT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	load->root_fd = root_fd;
	if (root_fd >= 0 && !floor_is_met(boot, decision, root_fd)) {
		if (decision->slot != 'R')
			boot->found.slot[slot_index(decision->slot)].below_floor = true;
		mount_end(ROOT_MOUNT);
		return -ESTALE;
	}
	/* A trial is of the root as it was installed: its best kernel, or none. */
	r = root_fd < 0 ? -errno
			: kernel_find(root_fd, decision->reason == SLOT_REASON_TRIAL, take_kernel,
				      load);
	if (r == -ENOENT)
		(void)log_err(
			r, "kernel",
			"slot=%c found=none expected=\"a UKI, a loader entry, extlinux.conf or vmlinuz in /boot\"",
			decision->slot);
	close_p(&root_fd);
	root_fd = -1;
	mount_end(ROOT_MOUNT);
	return r;
}

int slot_load(struct boot *boot, const struct slot_decision *decision)
{
	enum part_role role = slot_role(decision->slot);
	struct load load = {
		.boot = boot,
		.decision = decision,
		.part = boot->disk.role[role],
	};
	int r;

	mount_end(ROOT_MOUNT); /* of a run that crashed, and what it stood on */
	verified_close();
	r = unlock_partition(boot, &load.part);
	progress_tell(STEP_SLOT, decision->slot, SLOT_SECONDS);
	if (r == 0)
		r = verified_open(boot, role, &load.part, &load.verified);
	if (r == 0)
		r = load_root(&load);
	if (load.verified.asked)
		verified_close();
	unlock_close(boot);
	return r;
}
