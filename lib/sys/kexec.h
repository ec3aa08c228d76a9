/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loading and starting the next kernel: kexec_file_load(2) and reboot(2). */
#pragma once

/*
 * Loads the kernel that kernel_fd holds, with the initrd of initrd_fd (-1: none) and a command line.
 * Descriptors are borrowed; they must be of regular files or memfds. Errors are the kernel's:
 * -ENOEXEC not a kernel it can start, -EINVAL also a command line too long for it, -ENOMEM,
 * -EKEYREJECTED, -ENOKEY and -EPERM a refused signature, -EBUSY a load in progress.
 */
int kexec_load(int kernel_fd, int initrd_fd, const char *cmdline);

/* Forgets a loaded kernel. 0 also when there is none. */
int kexec_unload(void);

/* Jumps to the loaded kernel. Returns only on failure, a negative errno. */
int kexec_go(void);
