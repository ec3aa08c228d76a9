/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dm-verity's superblock: little endian, at fixed places. */
#include "verity.h"

#include <errno.h>
#include <stdbool.h>

#include "macro.h"

#define AT_VERSION 8
#define AT_TYPE 12
#define AT_UUID 16
#define AT_ALGORITHM 32
#define AT_DATA_BLOCK 64
#define AT_HASH_BLOCK 68
#define AT_DATA_BLOCKS 72
#define AT_SALT_SIZE 80
#define AT_SALT 88
#define BLOCK_MIN 512u
#define BLOCK_MAX (64u * 1024)

static uint64_t get(const uint8_t *p, size_t bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | p[bytes];
	return value;
}

static bool block_size_valid(uint32_t size)
{
	return size >= BLOCK_MIN && size <= BLOCK_MAX && (size & (size - 1)) == 0;
}

/* As the kernel names hashes; it becomes a word of the mapping's table. */
static bool algorithm_valid(const char *name)
{
	size_t len = strnlen(name, 32);

	if (len == 0 || len == 32)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return true;
}

int verity_parse(const void *data, size_t size, uint64_t offset, struct verity *ret_verity)
{
	const uint8_t *p = data;
	struct verity verity = {0};
	uint64_t bytes;

	if (size < VERITY_SUPERBLOCK || memcmp(p, "verity\0\0", 8) != 0)
		return -EBADMSG;
	/* Type 0 is Chrome OS's own order of salt and data. */
	if (get(p + AT_VERSION, 4) != 1 || get(p + AT_TYPE, 4) != 1)
		return -EBADMSG;
	memcpy(verity.uuid, p + AT_UUID, sizeof(verity.uuid));
	memcpy(verity.algorithm, p + AT_ALGORITHM, sizeof(verity.algorithm));
	verity.data_block_size = (uint32_t)get(p + AT_DATA_BLOCK, 4);
	verity.hash_block_size = (uint32_t)get(p + AT_HASH_BLOCK, 4);
	verity.data_blocks = get(p + AT_DATA_BLOCKS, 8);
	verity.salt_size = (size_t)get(p + AT_SALT_SIZE, 2);
	if (!algorithm_valid(verity.algorithm) || !block_size_valid(verity.data_block_size) ||
	    !block_size_valid(verity.hash_block_size) || verity.data_blocks == 0 ||
	    verity.salt_size > VERITY_SALT_MAX)
		return -EBADMSG;
	/* The kernel counts in 512-byte sectors. */
	if (__builtin_mul_overflow(verity.data_blocks, verity.data_block_size, &bytes) ||
	    bytes > INT64_MAX || offset > INT64_MAX)
		return -EBADMSG;
	memcpy(verity.salt, p + AT_SALT, verity.salt_size);
	verity.hash_start =
		(offset + VERITY_SUPERBLOCK + verity.hash_block_size - 1) / verity.hash_block_size;
	*ret_verity = verity;
	return 0;
}
