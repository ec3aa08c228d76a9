/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Device-mapper, by its ioctls (linux/dm-ioctl.h; Documentation/admin-guide/device-mapper/dm-crypt.rst):
 * a crypt mapping for a volume whose key is known. Named and with a UUID as cryptsetup does it
 * (CRYPT-LUKS2-<uuid>-<name>), so that cryptsetup and systemd know it for what it is. The key goes by the
 * kernel's keyring (a `logon` key that is gone afterwards) and is in no table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "secret.h"

struct dm_crypt {
	const char *name;   /* of the mapping: /dev/mapper/NAME */
	const char *device; /* that holds the volume */
	const char *uuid;   /* of the LUKS2 header, with dashes */
	const char *cipher; /* "aes-xts-plain64" */
	uint64_t offset;    /* of the data, 512-byte sectors */
	unsigned sector_size;
	bool read_only;
	bool discards;
};

/* Makes the mapping; its node is /dev/mapper/NAME (a link to ../dm-N, made when udev is not there to
 * do it). ret_dev, of size bytes: "/dev/dm-N". -EEXIST when the name is taken, -ENODEV no device-mapper, else the kernel's. */
int dm_crypt_open(const struct dm_crypt *crypt, const struct secret *key, char *ret_dev,
		  size_t size);

/* Removes a mapping; the kernel wipes its key. -EBUSY while it is in use, -ENXIO when there is none. */
int dm_remove(const char *name);
