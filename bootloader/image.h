/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A kernel's files made ready for kexec_file_load(): a UKI taken apart (the kernel cannot start one),
 * a kernel checked for being whole, several initrds made one.
 */
#pragma once

#include "kernel.h"

/*
 * Looks at what kernel->kernel_fd is. A bzImage: notes release and limits. A UKI: replaces kernel_fd
 * by its `.linux`, adds `.ucode` and `.initrd`, and takes `.cmdline` as options unless there are some.
 * With uki_only nothing but a UKI will do. On failure *ret_what says in words what was found; constant
 * string. -ENOEXEC: another kind of EFI program, -ENOTSUP: for another machine.
 */
int image_prepare(struct kernel *kernel, unsigned profile, bool uki_only, const char **ret_what);

/* Adds an initrd behind those that are there. Takes fd in any case. */
int image_add_initrd(struct kernel *kernel, int fd);

/* own_initrd.c: adds the initramfs that Tugboot itself runs from. */
int image_add_own_initrd(struct kernel *kernel);
