/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dm-verity roots with a signed root hash, where the signed command line asks for them
 * (tugboot.verity=): opened in the boot role by a file beside the environment whose signature the key in
 * the initramfs vouches for, and in the OS role by what the boot role said on the command line.
 */
#pragma once

#include "boot.h"

#define VERIFIED_KEY "/tugboot-verity.pem"

struct verified {
	bool asked; /* this root is verified; options say how */
	char options[1536];
};

/* In front of *part, the root of this role (encrypted: what is in it), puts the mapping that checks it;
 * *part is what is in that. Nothing at all where tugboot.verity= is not set. A root that it does not
 * name, is not signed or does not fit its signature is refused, and the log says why. */
int verified_open(const struct boot *boot, enum part_role role, struct partition *part,
		  struct verified *ret_verified);

/* Closes that mapping, and one of a run that crashed. */
void verified_close(void);

/* The OS role: the value of `root=` for the device below the root that is to be verified, false when
 * none is. */
bool verified_device(const char *cmdline, char *buf, size_t size);

/* Opens it as /dev/mapper/root; *part, its device, is what is in it afterwards. */
int verified_open_root(const char *cmdline, struct partition *part);
