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

/*
 * The same as text, in the words of systemd's systemd.verity_root_options= (systemd-veritysetup-generator(8)),
 * for one who then need not read the superblock:
 *
 *   superblock=0,format=1,hash=NAME,data-block-size=N,hash-block-size=N,data-blocks=N,hash-offset=N,salt=HEX|-
 *
 * hash-offset is that of the tree, in bytes. The UUID is not in it. verity_options_parse() takes what
 * verity_options_format() writes and nothing else: -EBADMSG; -ENOSPC when it does not fit in size bytes
 * (VERITY_OPTIONS_MAX are enough for any).
 */
#define VERITY_OPTIONS_MAX 768
int verity_options_format(const struct verity *verity, char *buf, size_t size);
int verity_options_parse(const char *text, struct verity *ret_verity);
