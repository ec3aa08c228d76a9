/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the firmware side said through EFI variables. Their content is not trusted. */
#pragma once

#include <stddef.h>

/*
 * Reads LoaderDevicePartUUID (Boot Loader Interface, uapi-group): GPT UUID of the partition that the
 * boot loader was started from, as lower-case text. 0; -ENOENT when there is no such variable or no
 * EFI, -EBADMSG when it is not a UUID.
 */
int efivar_boot_partuuid(char ret_uuid[static 37]);
