/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * extlinux.conf, as U-Boot (doc/README.pxe, boot/pxe_utils.c), L4T and syslinux use it: labels,
 * each with a kernel and what goes with it. The text is hostile; results borrow from it.
 *
 * Lines are `KEY VALUE`, keys in any case, with blanks or tabs before, between and after; '#'
 * starts a comment line. A label lasts until the next LABEL. Keys that are not listed are passed
 * over, so are TIMEOUT, PROMPT, MENU TITLE, INCLUDE and the lines from TEXT HELP to ENDTEXT.
 * (U-Boot ends a label at a key that it does not know: `tugboot-initrd yes` is best the last line
 * of its label.)
 *
 *    DEFAULT, ONTIMEOUT   the label to start, also inside a label; the last one counts
 *    MENU DEFAULT         this label, when there is no DEFAULT; the first one counts
 *    LINUX, KERNEL        the kernel; the last one counts
 *    APPEND               command line; the last one counts; `-` for an empty one
 *    INITRD               initrds, commas between (syslinux); the first one counts
 *    FDT, DEVICETREE      device tree; the first one counts
 *    FDTDIR, DEVICETREEDIR   the first one counts
 *    FDTOVERLAYS, DEVICETREE-OVERLAY   a list, blanks between; the first one counts
 *    MENU LABEL           text for people
 *    TUGBOOT-INITRD yes   ours (DESIGN.md, section 2)
 *
 * Without INITRD, `initrd=` in APPEND names the initrds, as in older syslinux. It stays in
 * `append`, and so do `${name}` words that U-Boot and L4TLauncher would replace: whoever composes
 * the command line drops both.
 *
 * A path that starts with '/' is from the root of the file system; any other is from the
 * directory of extlinux.conf in syslinux and from the root in U-Boot: the caller tries both. The
 * caller opens them beneath that root.
 */
#pragma once

#include <stdbool.h>

#include "slice.h"

#define EXTLINUX_INITRD_MAX 8
/* A larger file is refused. */
#define EXTLINUX_TEXT_MAX (256 * 1024)

struct extlinux_label {
	struct slice name;
	struct slice menu_label;
	struct slice kernel;
	struct slice append;
	struct slice initrd[EXTLINUX_INITRD_MAX];
	size_t n_initrd;
	bool tugboot_initrd;
	struct slice fdt;
	struct slice fdtdir;
	struct slice fdtoverlays;
};

struct extlinux {
	struct slice text;
	struct slice default_name; /* as DEFAULT gives it; may name no label */
	size_t n_labels;	   /* all of them, also those without a kernel */
	size_t first;		   /* where in the text the label to start first is */
	bool default_missing;	   /* default_name names no label: the first in the file is first */
};

/* A walk over the labels; { 0 } to begin. */
struct extlinux_walk {
	bool started;
	size_t offset;
};

/*
 * Reads the file's frame. -EFBIG larger than EXTLINUX_TEXT_MAX, -EBADMSG a control character in
 * the text,
 * -ENOENT no label at all.
 */
int extlinux_parse(const char *data, size_t size, struct extlinux *ret_conf);

/*
 * The next label in order of preference: the default, then the others as they stand in the file.
 * Labels without a kernel (LOCALBOOT and the like) are passed over. Returns 1 with a label, 0 at
 * the end, -E2BIG for a label with more than EXTLINUX_INITRD_MAX initrds; the walk can go on
 * after it.
 */
int extlinux_next(const struct extlinux *conf, struct extlinux_walk *walk,
		  struct extlinux_label *ret_label);
