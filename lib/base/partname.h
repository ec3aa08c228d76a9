/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Partition names: PREFIX-NAME, as a filesystem label or a GPT partition name (DESIGN.md section 2,
 * "Partitions"). FAT labels are upper-cased by some tools, so the case is ignored.
 */
#pragma once

enum part_role {
	PART_NONE,
	PART_BOOT, /* environment, config.json */
	PART_EFI,  /* the plain one, when the boot partition is encrypted */
	PART_ROOT_A,
	PART_ROOT_B,
	PART_STATE,
	PART_DATA,
	PART_RECOVERY,
	PART_ENV, /* the boot environment, without a filesystem */
	PART_ROLE_COUNT,
};

/* The role that a label or name gives, PART_NONE for any other text. *ret_prefix (may be NULL) is
 * the prefix's rank, 0 first: tug, resin, balena. */
enum part_role partname_role(const char *label, unsigned *ret_prefix);

/* `boot`, `rootA`, …; constant string. */
const char *partname_of(enum part_role role);
