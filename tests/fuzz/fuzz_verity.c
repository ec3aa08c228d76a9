/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as dm-verity's superblock, and as the options that say the same: what is taken makes a table
 * that says what was meant, and is written as it was read.
 */
#include "verity.h"

#include <errno.h>
#include <strings.h>

#include "macro.h"
#include "must.h"

static void same_as_text(const struct verity *verity)
{
	char text[VERITY_OPTIONS_MAX];
	struct verity again;

	MUST(verity_options_format(verity, text, sizeof(text)) == 0);
	MUST(verity_options_parse(text, &again) == 0);
	memcpy(again.uuid, verity->uuid, sizeof(again.uuid));
	MUST(memcmp(&again, verity, sizeof(again)) == 0);
}

static void as_text(const uint8_t *input, size_t input_size)
{
	char *text = take_string(&input, &input_size), again[VERITY_OPTIONS_MAX];
	struct verity verity;
	int r = verity_options_parse(text, &verity);

	MUST(r == 0 || r == -EBADMSG);
	if (r == 0) {
		MUST(verity_options_format(&verity, again, sizeof(again)) == 0);
		MUST(strcasecmp(again, text) == 0); /* hexadecimal digits may be of either case */
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct verity verity;
	int r;

	as_text(input, input_size);
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
	same_as_text(&verity);
	return 0;
}
