/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a process needs around it: the kernel's filesystems, a console, the log, the command line. */
#pragma once

#include "macro.h"

#define CMDLINE_MAX 4096

/* Mounts /dev, /proc, /sys, /run and EFI variables, puts standard streams on the console, opens the
 * log. What fails is logged and done without. */
void system_setup(void);

/* Lets every line into the kernel log, and Tugboot's events (when quiet: warnings and worse) onto the
 * console. For the bootloader's own kernel only: a root's log is its own. */
void system_log_all(bool quiet);

/* Kernel command line, without its newline; empty when it cannot be read. */
void system_cmdline(char ret_line[static CMDLINE_MAX]);

/* Restarts the device, and tries harder until it does. Never returns. */
_Noreturn void system_reboot(const char *why);
