/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a saved time. What is accepted is what would be written; the checksum, which no
 * fuzzer guesses, is also put right. */
#include "savedtime.h"

#include <stdio.h>
#include <zlib.h>

#include "must.h"

static void try(const char *text, size_t size)
{
	struct savedtime saved = {-7, -7, -7};
	char again[SAVEDTIME_MAX];

	if (savedtime_parse(text, size, &saved) < 0) {
		MUST(saved.time == -7 && saved.proven == -7 && saved.synced == -7);
		return;
	}
	MUST(saved.time == TIME_NONE || (saved.time >= 0 && saved.time <= TIME_LAST_MS));
	/* But for leading zeros, there is one form. */
	MUST(savedtime_format(&saved, again) <= size);
	MUST(savedtime_parse(again, savedtime_format(&saved, again), &saved) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	char text[512];
	int n;

	try((const char *)input, input_size);
	if (input_size > 256)
		return 0;
	if (input_size > 0)
		memcpy(text, input, input_size);
	n = snprintf(text + input_size, sizeof(text) - input_size, "crc32=%08lx\n",
		     (unsigned long)crc32(0, input, (uInt)input_size));
	try(text, input_size + (size_t)n);
	return 0;
}
