/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Wiping what libraries leave behind: tss2 and libcryptsetup copy what they are given, and free
 * some of the copies as they are. kexec would carry them over to the next kernel.
 */
#pragma once

#include <stddef.h>

#define WIPE_MIN 8 /* bytes: shorter ones are found where they mean something else */

/*
 * Wipes all copies of these bytes in this process' writable memory, freed memory and dead stack
 * included, but not the bytes themselves, which stay the caller's. It reads all of that memory: a
 * few milliseconds for a few megabytes. 0 or how many copies there were; -EINVAL for fewer than
 * WIPE_MIN bytes; other errors when /proc is not there.
 */
int wipe_copies(const void *secret, size_t size);

/* Wipes what functions that have returned left on the stack, 32 KiB deep. */
void wipe_stack(void);
