/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LUKS2 headers, through libcryptsetup (the only file that uses it; the library is loaded for the first
 * volume that has a header). It reads and writes headers and opens key slots; the mapping itself is
 * lib/sys/dm.h. The header is hostile until its volume key has opened something.
 *
 * Errors: -EOPNOTSUPP no libcryptsetup, -EMEDIUMTYPE not LUKS2 (LUKS1, or none), -EBADMSG damaged, -ENOKEY no slot
 * takes the passphrase or the volume key is another's, -ENOENT no such slot or token, -EINVAL what is
 * given has not the form, -ENOSPC no room in the header, -EIO reading or writing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "secret.h"
#include "volumes.h"

#define LUKS_SLOTS 32
#define LUKS_TOKENS 32

struct luks; /* an open header */

struct luks_slot {
	bool used, bound; /* bound: unlocks the volume (not a free-standing key) */
	bool argon2;
	uint32_t iterations; /* pbkdf2: rounds; argon2: time cost */
	uint32_t memory_kib;
	char hash[16];
	char area_cipher[32]; /* what the key material is encrypted with, as in "aes-xts-plain64" */
	unsigned area_key_bits;
};

struct luks_info {
	char uuid[40];
	char label[48];
	char cipher[64];      /* "aes-xts-plain64" */
	unsigned key_size;    /* bytes of the volume key; 0: no slot says */
	unsigned segments;    /* 1; more while a reencryption is on its way */
	uint64_t data_offset; /* 512-byte sectors */
	unsigned sector_size; /* 512 or 4096 */
	bool integrity;	      /* dm-integrity below: opened by libcryptsetup only */
	bool reencrypting;    /* a reencryption was begun */
	bool allow_discards;
	struct luks_slot slot[LUKS_SLOTS];
	uint32_t tokens; /* which are there, a bit each */
};

/* Opens the header of a device or an image file. device stays the caller's. */
int luks_open(const char *device, struct luks **ret_luks);
void luks_close(struct luks *luks); /* NULL is fine */
static inline void luks_closep(struct luks **luks)
{
	luks_close(*luks);
}
#define _luks_ _cleanup_(luks_closep)

/* -EBADMSG also for what no reencryption leaves and lib/sys/dm.h does not map: a segment that does not
 * reach to the end of the device, or whose sectors are not counted from 0, or a requirement that
 * is not known. With more than one segment, cipher, data_offset and sector_size are the first one's. */
int luks_info(struct luks *luks, struct luks_info *ret_info);

/* What volume_judge_header() looks at, borrowed from info. The caller, who knows the tokens, adds
 * unknown_tokens and the slots' random_key. */
void luks_header(const struct luks_info *info, struct volume_header *ret_header);

/* JSON of a token, borrowed until the next call. -ENOENT. */
int luks_token(struct luks *luks, int token, const char **ret_json);
/* Adds (token < 0) or replaces one. One write of the header: libcryptsetup writes the second copy after the first, with a
 * sequence number, so a cut leaves the old or the new. */
int luks_token_set(struct luks *luks, int token, const char *json, int *ret_token);
int luks_token_remove(struct luks *luks, int token);

/* The volume key, from a passphrase for this slot (-1: any that is bound, in the header's order). One
 * key derivation for each slot tried. */
int luks_volume_key(struct luks *luks, int slot, const struct secret *passphrase,
		    struct secret *ret_key);
/* Does this key belong to the volume? (The digest of the header; slow.) */
int luks_verify_key(struct luks *luks, const struct secret *key);

/* Adds a key slot: for a random_passphrase (256 bits at least) PBKDF2-SHA512 with 1000 rounds, as
 * systemd-cryptenroll has it; else Argon2id with what libcryptsetup finds to take two seconds here. */
int luks_slot_add(struct luks *luks, const struct secret *volume_key,
		  const struct secret *passphrase, bool random_passphrase, int *ret_slot);
int luks_slot_remove(struct luks *luks, int slot);

/* Key derivations run so far in this process: slots tried, and keys verified by themselves. */
unsigned luks_derivations(void);

/* dm-verity with a hash tree at `offset` bytes of hash_device (superblock). Opens DEVICE as NAME, read-only; the root hash is checked
 * by the caller. -EBADMSG when the superblock is no verity one. */
int luks_verity_open(const char *name, const char *data_device, const char *hash_device,
		     uint64_t offset, const uint8_t *root_hash, size_t root_hash_size);
