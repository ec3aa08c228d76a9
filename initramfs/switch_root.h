/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last step of the OS role: the mounted root becomes /, and its init becomes PID 1. */
#pragma once

/*
 * Moves /dev, /proc, /sys and /run into the root on SYSROOT, makes it / and executes its init: the
 * one that `init=` of cmdline names, else /sbin/init, /etc/init, /bin/init. What follows `--` on the
 * command line is passed to it. Returns only on failure, a negative errno.
 */
int switch_root(const char *cmdline);
