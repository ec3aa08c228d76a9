/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dm-verity's superblock, as veritysetup writes it before the hash tree (cryptsetup's
 * docs/on-disk-format-verity, version 1). The bytes are hostile: only the root hash vouches for them,
 * when the first block is read.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define VERITY_SUPERBLOCK 512
#define VERITY_SALT_MAX 256

struct verity {
	uint8_t uuid[16];
	char algorithm[32];	  /* "sha256" */
	uint32_t data_block_size; /* bytes, a power of two from 512 to 64 KiB */
	uint32_t hash_block_size;
	uint64_t data_blocks;
	uint64_t hash_start; /* in blocks of the hash device */
	size_t salt_size;
	uint8_t salt[VERITY_SALT_MAX];
};

/* offset: bytes, where the superblock is on the hash device; the tree begins with the first block
 * behind it. -EBADMSG when it is none, or of another version. */
int verity_parse(const void *data, size_t size, uint64_t offset, struct verity *ret_verity);
