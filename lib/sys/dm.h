/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Device-mapper, by its ioctls (linux/dm-ioctl.h; Documentation/admin-guide/device-mapper/dm-crypt.rst
 * and verity.rst): mappings of a volume whose key is known, and of a root with a hash tree. Named and
 * with a UUID as cryptsetup does it (CRYPT-LUKS2-<uuid>-<name>, the UUID without its dashes), so that
 * cryptsetup and systemd know them for what they are; where udev does not run yet it is left word of
 * them (/run/udev/data). The key goes by the kernel's keyring (a `logon`
 * key that is gone afterwards) and is in no table.
 *
 * Texts and numbers may come from a hostile header: what would be another table than meant is -EINVAL.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "secret.h"
#include "verity.h"

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
 * do it). ret_dev, of size bytes (32 are enough): "/dev/dm-N". -EEXIST when the name or the UUID is taken,
 * -ENODEV no device-mapper, -ERANGE when the data would begin behind the device's end, else the kernel's. */
int dm_crypt_open(const struct dm_crypt *crypt, const struct secret *key, char *ret_dev,
		  size_t size);

/* Makes a read-only mapping that reads data_device and checks each block against the hash tree on
 * hash_device (which may be the same), below root_hash. Errors as of dm_crypt_open(); a block that does not match is an
 * I/O error to who reads it. */
int dm_verity_open(const char *name, const char *data_device, const char *hash_device,
		   const struct verity *verity, const uint8_t *root_hash, size_t root_hash_size);

/* Removes a mapping; the kernel wipes its key. -EBUSY while it is in use, -ENXIO when there is none. */
int dm_remove(const char *name);
