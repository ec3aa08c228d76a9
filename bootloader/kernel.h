/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A root's own kernel, in any of its four forms (DESIGN.md, section 2, "The root's kernel"): found,
 * checked for being whole, and opened. Everything on the root is hostile; no path leads out of it.
 */
#pragma once

#include <stdbool.h>

#include "bzimage.h"

#define KERNEL_OPTIONS_MAX 4096
#define KERNEL_PATH_MAX 256

struct kernel {
	const char *form;		      /* uki, bls, extlinux, name; constant string */
	char path[KERNEL_PATH_MAX];	      /* of the kernel in the root, for the log */
	char release[KERNEL_RELEASE_MAX + 1]; /* empty when it does not say */
	char options[KERNEL_OPTIONS_MAX];
	unsigned cmdline_max; /* longest command line that it takes */
	bool tugboot_initrd;  /* the initrd is Tugboot's own */
	int kernel_fd;	      /* owned */
	int initrd_fd;	      /* owned; -1 without one */
};

/* Takes a candidate (borrowed for the call): 0 to accept it, a negative errno to refuse it. */
typedef int (*kernel_take_fn)(struct kernel *kernel, void *data);

/*
 * Offers the kernels of a root to take, best first, until one is accepted. A candidate that is
 * damaged or incomplete is logged and passed over; with first_only it is the only one.
 * Returns 0 when one was accepted, -ENOENT when there was none, else the last error.
 */
int kernel_find(int root_fd, bool first_only, kernel_take_fn take, void *data);
