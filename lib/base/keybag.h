/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The key bag: the volume keys that the boot role hands to the OS role over kexec, as the file
 * KEYBAG_FILE of an extra initrd. Binary, little endian, no padding; ours alone, so its version is
 * exact:
 *
 *   "TUGKEYS1", u32 number of volumes, and for each:
 *     u8 role (enum part_role), u8 flags (KEYBAG_*), u16 key size, u32 sector size,
 *     u64 data offset (512-byte sectors), char uuid[40], char cipher[40], char name[32]
 *     (NUL-padded, at least one NUL), the key
 *
 * A volume has a role, a sector size that LUKS2 has, a key, and texts that are printable without
 * blanks; its name can name a mapping (no '/'), and no other volume has its name or UUID.
 *
 * Secrets: who holds the bytes wipes them. No copy is left by these functions.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define KEYBAG_FILE "/.tugboot-keys"
#define KEYBAG_VOLUMES 16
#define KEYBAG_KEY_MAX 64
#define KEYBAG_SIZE_MAX 4096

enum keybag_flags {
	KEYBAG_DISCARDS = 1,
	KEYBAG_READ_ONLY = 2,
};

struct keybag_volume {
	uint8_t role, flags;
	uint16_t key_size;
	uint32_t sector_size;
	uint64_t offset;
	char uuid[40], cipher[40], name[32];
	uint8_t key[KEYBAG_KEY_MAX]; /* zeros behind its key_size bytes */
};

struct keybag {
	unsigned n;
	struct keybag_volume volume[KEYBAG_VOLUMES];
};

/* -EBADMSG for anything but a whole key bag without trailing bytes. */
int keybag_parse(const void *data, size_t size, struct keybag *ret_bag);
/* -ENOSPC when buf is too small (KEYBAG_SIZE_MAX is enough for any), -EINVAL for a bag that
 * keybag_parse() would refuse. buf is untouched then. */
int keybag_format(const struct keybag *bag, void *buf, size_t size, size_t *ret_size);
