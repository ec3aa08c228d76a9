/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as text, and as what text is made of. Input: a byte of how much room there is to decode
 * into, the rest.
 */
#include "base64.h"

#include <errno.h>

#include "macro.h"
#include "must.h"

typedef void encode_fn(const void *data, size_t size, char *text);
typedef int decode_fn(const char *text, size_t len, void *buf, size_t max, size_t *ret_size);

static void decodes(decode_fn *decode, encode_fn *encode, const char *text, size_t len, size_t max)
{
	uint8_t *out = malloc(max > 0 ? max : 1);
	size_t size = SIZE_MAX;
	int r;

	MUST(out);
	memset(out, 0xaa, max);
	r = decode(text, len, out, max, &size);
	MUST(r == 0 || r == -EBADMSG || r == -ENOSPC);
	if (r < 0) {
		MUST(size == SIZE_MAX);
		for (size_t i = 0; i < max; i++)
			MUST(out[i] == 0xaa);
	} else {
		char *again = malloc(len + 1);

		MUST(again && size <= max);
		encode(out, size, again);
		MUST(strlen(again) == len);
		/* Text of bytes is one text; of hexadecimal digits the case may differ. */
		MUST(decode == hex_decode ? strncasecmp(again, text, len) == 0
					  : memcmp(again, text, len) == 0);
		free(again);
		/* A byte less is too small. */
		if (size > 0)
			MUST(decode(text, len, out, size - 1, &size) == -ENOSPC);
	}
	free(out);
}

static void encodes(decode_fn *decode, encode_fn *encode, const uint8_t *data, size_t size,
		    size_t text_size)
{
	char *text = malloc(text_size + 1);
	uint8_t *out = malloc(size > 0 ? size : 1);
	size_t n;

	MUST(text && out);
	encode(data, size, text);
	MUST(strlen(text) == text_size);
	MUST(decode(text, text_size, out, size, &n) == 0);
	MUST(n == size && (n == 0 || memcmp(out, data, n) == 0));
	free(out);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	size_t max, size;
	char *text;

	if (input_size < 1)
		return 0;
	max = input[0];
	size = input_size - 1;
	/* Of its own size, so that a read past its end is seen. */
	text = malloc(size > 0 ? size : 1);
	MUST(text);
	if (size > 0)
		memcpy(text, input + 1, size);
	decodes(base64_decode, base64_encode, text, size, max);
	decodes(base64_decode, base64_encode, text, size, size);
	decodes(hex_decode, hex_encode, text, size, max);
	decodes(hex_decode, hex_encode, text, size, size);
	encodes(base64_decode, base64_encode, (uint8_t *)text, size, BASE64_SIZE(size));
	encodes(hex_decode, hex_encode, (uint8_t *)text, size, 2 * size);
	free(text);
	return 0;
}
