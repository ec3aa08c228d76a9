/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What fuzz targets assert with: a broken promise ends the run, as a crash does. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "slice.h"

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size);

/* A piece that is not there, or lies within the text with all of its bytes. */
static inline void must_lie_in(struct slice piece, struct slice text)
{
	if (!piece.data) {
		MUST(piece.len == 0);
		return;
	}
	MUST(piece.data >= text.data && piece.data <= text.data + text.len);
	MUST(piece.len <= (size_t)(text.data + text.len - piece.data));
}

static inline int sign(int r)
{
	return (r > 0) - (r < 0);
}

/* Three comparisons that sorting relies on: of a with b, b with c and a with c. */
static inline void must_be_an_order(int ab, int bc, int ac)
{
	if (sign(ab) == sign(bc))
		MUST(sign(ac) == sign(ab));
	else if (ab == 0)
		MUST(sign(ac) == sign(bc));
	else if (bc == 0)
		MUST(sign(ac) == sign(ab));
}

/* Takes a string off the front of the input, up to a newline (which no name holds) or the end; in
 * memory of its own size, to be freed. */
static inline char *take_string(const uint8_t **input, size_t *size)
{
	const uint8_t *end = *size > 0 ? memchr(*input, '\n', *size) : NULL;
	size_t len = end ? (size_t)(end - *input) : *size;
	char *s = malloc(len + 1);

	MUST(s);
	if (len > 0)
		memcpy(s, *input, len);
	s[len] = '\0';
	*input += len + (end ? 1 : 0);
	*size -= len + (end ? 1 : 0);
	return s;
}
