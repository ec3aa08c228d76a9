/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as dm-verity's superblock: what is taken makes a table that says what was meant. */
#include "verity.h"

#include <errno.h>

#include "macro.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct verity verity;
	int r;

	r = verity_parse(input, input_size, input_size * 1000, &verity);
	if (r < 0) {
		MUST(r == -EBADMSG);
		return 0;
	}
	MUST(input_size >= VERITY_SUPERBLOCK);
	MUST(verity.data_blocks > 0 && verity.salt_size <= VERITY_SALT_MAX);
	MUST(verity.data_blocks <= INT64_MAX / verity.data_block_size);
	MUST(verity.hash_start * verity.hash_block_size >= input_size * 1000 + VERITY_SUPERBLOCK);
	MUST(strlen(verity.algorithm) > 0 && strlen(verity.algorithm) < sizeof(verity.algorithm));
	MUST(!strpbrk(verity.algorithm, " \t\n/\\"));
	return 0;
}
