/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encrypted volumes in the OS role, opened with the keys that the boot role handed over. */
#pragma once

#include <stdbool.h>

#include "disk.h"

/* Takes the key bag: it is gone from the initramfs afterwards. How many volumes it names (0: there is
 * none), or a negative errno. */
int os_volumes_read(void);

/* Opens those whose disks are there and that are not open yet. True when none is left to open. */
bool os_volumes_open(void);

/* The filesystem that root= (UUID=, LABEL=) names among the opened ones. Two roots written from one
 * image have one UUID: then the one of this slot. */
bool os_volumes_find(const char *root, char slot, struct partition *ret_part);

/* Is the root of this slot among the volumes of the key bag? Then no other partition is it, whatever
 * it is called. */
bool os_volumes_have_root(char slot);

/* Wipes the keys. */
void os_volumes_done(void);
