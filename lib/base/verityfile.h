/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a maker signed of a dm-verity root: a text of five lines, in this order, each `key value` with
 * one blank and a newline:
 *
 *   format tugboot-verity-1
 *   root-hash HEX       of the tree, as veritysetup prints it
 *   hash-offset BYTES   where the tree's superblock is on the root's own partition
 *   superblock HEX      SHA-256 of its 512 bytes: sizes, salt and algorithm are signed by that
 *   signature BASE64    over the lines before it, newlines included
 *
 * It names no slot: one image goes into either. The text is hostile; whether the signature holds is for
 * the caller to find out (crypto_verify()).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define VERITYFILE_SIZE_MAX 4096
#define VERITYFILE_HASH_MIN 32
#define VERITYFILE_HASH_MAX 64
#define VERITYFILE_SIGNATURE_MAX 1024

struct verityfile {
	uint8_t root_hash[VERITYFILE_HASH_MAX];
	size_t root_hash_size;
	uint64_t hash_offset; /* a multiple of 512 */
	uint8_t superblock[32];
	uint8_t signature[VERITYFILE_SIGNATURE_MAX];
	size_t signature_size;
	size_t signed_size; /* bytes from the start of the text that are signed */
};

/* -EBADMSG for anything but exactly that. */
int verityfile_parse(const char *text, size_t size, struct verityfile *ret_file);
