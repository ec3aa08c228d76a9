/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernels and initrds by their conventional file names in /boot (DESIGN.md, section 2, "The root's
 * kernel"): which names are kernels, which one goes first, and which initrd belongs to it.
 * File names come from a file system that nobody vouches for; nothing here opens them.
 *
 * Kernels: `vmlinuz` with any suffix, and exactly `bzImage`, `Image`, `Image.gz`. The suffix is
 * what follows `vmlinuz`: `-6.1.0-56-amd64`, or nothing for a plain name.
 *
 * Never kernels: names that end in `~`, `.tmp`, `.part` or hold `.dpkg-` (package managers rename
 * such files into place when they are whole, so they may be half a kernel), and companions of a
 * kernel:
 * `.sig`, `.asc`, `.p7s`, `.hmac`, `.sha256`, `.sha512`.
 *
 * Order of preference:
 * 1. plain names, `vmlinuz`, `bzImage`, `Image`, `Image.gz` (somebody pointed at one kernel);
 * 2. the highest version first (vercmp.h);
 * 3. `.old` and `.bak`, a previous kernel that was kept: in the same order, after all others.
 *
 * An initrd goes with a kernel when it carries the same suffix, in this order of preference, with
 * X for the suffix (nothing for a plain kernel) and EXT for a compression (zst, gz, xz, lz4, lzo,
 * lzma, bz2):
 *
 *    initrd.imgX   initrdX.img   initramfsX.img   initrdX   initramfsX   initramfs.imgX
 *    initramfsX.cpio.EXT   initrdX.cpio.EXT   initramfsX.EXT   initrdX.EXT
 *    initramfsX.cpio   initrdX.cpio
 *
 * A kernel with a version and `.old` or `.bak` also takes, after those, the initrd without that
 * end: it is of the same release. A plain initrd is not taken for a kernel with a version, nor
 * the other way round: there is no telling that they fit. A plain kernel that is a symbolic link
 * is better asked for by the name that the link leads to, when no plain initrd stands beside it.
 */
#pragma once

#include <stdbool.h>

#include "slice.h"

/* True for the name of a kernel; *ret_suffix (may be NULL) is borrowed from the name. */
bool kernelname_is_kernel(const char *name, struct slice *ret_suffix);

/* Order of two kernel names for qsort(3): negative when a is to be tried before b. Never 0 for
 * different names. */
int kernelname_compare(const char *a, const char *b);

/* How well an initrd's name goes with a kernel's: 0 not at all, 1 best, more is worse. */
unsigned kernelname_initrd_rank(const char *kernel, const char *initrd);
