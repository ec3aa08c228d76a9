/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any text as the signed description of a root: what is taken is written again as it was read. */
#include "verityfile.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "base64.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	char root_hash[2 * VERITYFILE_HASH_MAX + 1], superblock[65], again[VERITYFILE_SIZE_MAX + 1];
	char signature[BASE64_SIZE(VERITYFILE_SIGNATURE_MAX) + 1];
	static struct verityfile file;
	char *text = malloc(input_size > 0 ? input_size : 1);
	int r, n;

	MUST(text);
	if (input_size > 0)
		memcpy(text, input, input_size);
	file.signed_size = 99;
	r = verityfile_parse(text, input_size, &file);
	MUST(r == 0 || (r == -EBADMSG && file.signed_size == 99));
	if (r == 0) {
		MUST(file.signed_size < input_size);
		hex_encode(file.root_hash, file.root_hash_size, root_hash);
		hex_encode(file.superblock, sizeof(file.superblock), superblock);
		base64_encode(file.signature, file.signature_size, signature);
		n = snprintf(again, sizeof(again),
			     "format tugboot-verity-1\nroot-hash %s\nhash-offset %llu\n"
			     "superblock %s\n",
			     root_hash, (unsigned long long)file.hash_offset, superblock);
		MUST(n > 0 && (size_t)n == file.signed_size);
		/* Hexadecimal digits may be of either case. */
		MUST(strncasecmp(again, text, file.signed_size) == 0);
		MUST(input_size - file.signed_size == strlen("signature \n") + strlen(signature));
		MUST(memcmp(text + file.signed_size + strlen("signature "), signature,
			    strlen(signature)) == 0);
	}
	free(text);
	return 0;
}
