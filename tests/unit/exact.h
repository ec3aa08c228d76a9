/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Test input in memory of exactly its size, so that the sanitizer sees a parser read one byte too
 * far. One input at a time: the next call frees the one before.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

static inline void *exact(const void *data, size_t size)
{
	static void *last;

	free(last);
	last = malloc(size > 0 ? size : 1);
	if (!last)
		abort();
	/* Of no bytes even the first is out of bounds: the end is where the parser may start. */
	return size > 0 ? memcpy(last, data, size) : (char *)last + 1;
}
