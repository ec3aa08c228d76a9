/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A piece of somebody else's text: borrowed, not terminated. What a parser hands out points into
 * what it was given and lives as long. `{ NULL, 0 }` means "not there"; a piece that is there and
 * empty has a pointer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
	const char *data;
	size_t len;
};

static inline struct slice slice_of(const char *data, size_t len)
{
	return (struct slice){data, len};
}

static inline struct slice slice_str(const char *s)
{
	return slice_of(s, strlen(s));
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *s)
{
	return slice_eq(a, slice_str(s));
}

/* As strcmp(3) does for strings: by byte, a prefix before what it is a prefix of. */
static inline int slice_cmp(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int r = n > 0 ? memcmp(a.data, b.data, n) : 0;

	return r != 0 ? r : (a.len > b.len) - (a.len < b.len);
}

/* The slice without its first n bytes; n is at most its length. */
static inline struct slice slice_from(struct slice s, size_t n)
{
	return n == 0 ? s : slice_of(s.data + n, s.len - n);
}
