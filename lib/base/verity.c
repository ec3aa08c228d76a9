/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dm-verity's superblock: little endian, at fixed places; and the same as text. */
#include "verity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "base64.h"
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

/* The kernel counts in 512-byte sectors, and its 64 bits must hold any byte's place. */
static bool sizes_valid(const struct verity *verity)
{
	uint64_t bytes;

	return block_size_valid(verity->data_block_size) &&
	       block_size_valid(verity->hash_block_size) && verity->data_blocks > 0 &&
	       !__builtin_mul_overflow(verity->data_blocks, verity->data_block_size, &bytes) &&
	       bytes <= INT64_MAX &&
	       !__builtin_mul_overflow(verity->hash_start, verity->hash_block_size, &bytes) &&
	       bytes <= INT64_MAX;
}

int verity_parse(const void *data, size_t size, uint64_t offset, struct verity *ret_verity)
{
	const uint8_t *p = data;
	struct verity verity = {0};

	if (size < VERITY_SUPERBLOCK || memcmp(p, "verity\0\0", 8) != 0)
		return -EBADMSG;
	/* Type 0 is Chrome OS's own order of salt and data. */
	if (get(p + AT_VERSION, 4) != 1 || get(p + AT_TYPE, 4) != 1)
		return -EBADMSG;
	memcpy(verity.uuid, p + AT_UUID, sizeof(verity.uuid));
	memcpy(verity.algorithm, p + AT_ALGORITHM,
	       strnlen((const char *)p + AT_ALGORITHM, sizeof(verity.algorithm)));
	verity.data_block_size = (uint32_t)get(p + AT_DATA_BLOCK, 4);
	verity.hash_block_size = (uint32_t)get(p + AT_HASH_BLOCK, 4);
	verity.data_blocks = get(p + AT_DATA_BLOCKS, 8);
	verity.salt_size = (size_t)get(p + AT_SALT_SIZE, 2);
	if (!algorithm_valid(verity.algorithm) || verity.salt_size > VERITY_SALT_MAX ||
	    offset > INT64_MAX || !block_size_valid(verity.hash_block_size))
		return -EBADMSG;
	memcpy(verity.salt, p + AT_SALT, verity.salt_size);
	verity.hash_start =
		(offset + VERITY_SUPERBLOCK + verity.hash_block_size - 1) / verity.hash_block_size;
	if (!sizes_valid(&verity))
		return -EBADMSG;
	*ret_verity = verity;
	return 0;
}

/* ---- as text ---- */

int verity_options_format(const struct verity *verity, char *buf, size_t size)
{
	char salt[2 * VERITY_SALT_MAX + 1] = "-";
	int n;

	if (verity->salt_size > 0)
		hex_encode(verity->salt, verity->salt_size, salt);
	n = snprintf(buf, size,
		     "superblock=0,format=1,hash=%s,data-block-size=%" PRIu32
		     ",hash-block-size=%" PRIu32 ",data-blocks=%" PRIu64 ",hash-offset=%" PRIu64
		     ",salt=%s",
		     verity->algorithm, verity->data_block_size, verity->hash_block_size,
		     verity->data_blocks, verity->hash_start * verity->hash_block_size, salt);
	return n < 0 || (size_t)n >= size ? -ENOSPC : 0;
}

/* Takes `word`, and then what is before the next comma, off the front of *text. */
static bool take(const char **text, const char *word, const char **ret_value, size_t *ret_len)
{
	const char *value = startswith(*text, word);

	if (!value)
		return false;
	*ret_value = value;
	*ret_len = strcspn(value, ",");
	*text = value + *ret_len;
	return true;
}

static bool take_number(const char **text, const char *word, uint64_t *ret_number)
{
	uint64_t number = 0;
	const char *value;
	size_t len;

	if (!take(text, word, &value, &len) || len == 0 || (len > 1 && value[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)(unsigned char)value[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, digit, &number))
			return false;
	}
	*ret_number = number;
	return true;
}

int verity_options_parse(const char *text, struct verity *ret_verity)
{
	uint64_t data_block, hash_block, offset;
	struct verity verity = {0};
	const char *value;
	size_t len;

	if (!take(&text, "superblock=0,format=1,hash=", &value, &len) ||
	    len >= sizeof(verity.algorithm))
		return -EBADMSG;
	memcpy(verity.algorithm, value, len);
	if (!algorithm_valid(verity.algorithm) ||
	    !take_number(&text, ",data-block-size=", &data_block) ||
	    !take_number(&text, ",hash-block-size=", &hash_block) || data_block > BLOCK_MAX ||
	    hash_block > BLOCK_MAX || !take_number(&text, ",data-blocks=", &verity.data_blocks) ||
	    !take_number(&text, ",hash-offset=", &offset) || !take(&text, ",salt=", &value, &len) ||
	    *text)
		return -EBADMSG;
	verity.data_block_size = (uint32_t)data_block;
	verity.hash_block_size = (uint32_t)hash_block;
	if (!block_size_valid(verity.hash_block_size) || offset % hash_block != 0)
		return -EBADMSG;
	verity.hash_start = offset / hash_block;
	if (!sizes_valid(&verity))
		return -EBADMSG;
	if ((len != 1 || *value != '-') &&
	    (hex_decode(value, len, verity.salt, sizeof(verity.salt), &verity.salt_size) < 0 ||
	     verity.salt_size == 0))
		return -EBADMSG;
	*ret_verity = verity;
	return 0;
}
