/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel command lines: read as the kernel reads them, composed from parts, never edited as text.
 *
 * Rules of the kernel (lib/cmdline.c next_arg(), kernel/params.c parse_args()): parameters are
 * separated by white space outside double quotes; `key` or `key=value`; quotes round the value or
 * the whole parameter are not part of it; '-' and '_' are the same in a key; after `--` the rest is
 * for the init program.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* One parameter, borrowed from the line. */
struct cmdline_arg {
	const char *text; /* as written, quotes included */
	size_t len;
	const char *key; /* without quotes */
	size_t key_len;
	const char *value; /* NULL for a parameter without '='; without enclosing quotes */
	size_t value_len;
};

/* Walks the parameters of a line; *pos starts at 0. `--` comes out as a parameter of that name. */
bool cmdline_next(const char *line, size_t *pos, struct cmdline_arg *ret_arg);

/* Is this the mark behind which arguments are for init? Quotes do not hide it from the kernel. */
bool cmdline_is_end_mark(const struct cmdline_arg *arg);

/* Is this the key of arg, with '-' and '_' the same? */
bool cmdline_key_is(const struct cmdline_arg *arg, const char *key);

/* Is key among the kernel's parameters (those before `--`)? */
bool cmdline_has(const char *line, const char *key);

/*
 * Value of the last parameter of that key before `--`. Returns its length; -ENOENT when there is none
 * or it has no '=', -ENOBUFS when it does not fit in buf_size bytes with its end.
 */
int cmdline_get(const char *line, const char *key, char *buf, size_t buf_size);

/* Value of a key as a decimal number; fallback when it is absent or not a number up to max. */
unsigned cmdline_get_number(const char *line, const char *key, unsigned fallback, unsigned max);

/* Is the role of this line the bootloader's (`tugboot.boot` or `balena_stage2`)? */
bool cmdline_is_boot_role(const char *line);

/* What the command line of a root's kernel is made of (DESIGN.md, section 2). Strings are borrowed,
 * none is NULL. */
struct cmdline_parts {
	const char *slot_options;  /* from the slot's loader entry, UKI or extlinux.conf */
	const char *extra_options; /* extra_os_cmdline of the environment */
	const char *inherited;	   /* Tugboot's own command line, as it is */
	const char *root;	   /* value of root=, as UUID=… */
	const char *slot;	   /* A, B or recovery */
	const char *reason;
	unsigned used, allowed; /* tries */
	const char *cause;  /* why it is not the slot that the environment names; may be empty */
	const char *last;   /* how the last start ended; empty when nothing tells */
	const char *verity; /* options of a root that is verified; NULL for any other */
};

/*
 * Composes the line: slot options, extra options, what is inherited, then root=, tugboot.slot=,
 * tugboot.reason=, tugboot.tries=, for A and B rauc.slot=, tugboot.cause= and tugboot.last= unless
 * they are empty, and panic=10 unless a part sets panic=.
 * What is said here alone is taken out of the parts: root=, tugboot.*, rauc.slot=, initrd=,
 * BOOT_IMAGE=, balena_stage2; of a root that is verified also roothash= and systemd.verity*, of which
 * its own stand behind tugboot.verified at the end; out of the inherited part also maxcpus=0, nr_cpus= and
 * what the bootloader kernel has built in. What stands behind `--` in any part goes to the end.
 * An unclosed quote in a part is closed, so that it cannot swallow the next.
 * Returns the length; -E2BIG when it needs more than buf_size bytes with its end (buf then holds
 * nothing of use).
 */
int cmdline_compose(const struct cmdline_parts *parts, char *buf, size_t buf_size);
