/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds copies of a secret by its bytes, in the mappings that /proc/self/maps calls writable and
 * private. The kernel is trusted with that list. Mappings are walked as they were when it was read:
 * nothing here gives memory back in between.
 */
#include "wipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>

#include "fd.h"
#include "file.h"

_Static_assert(WIPE_MIN == sizeof(uint64_t), "what is compared at once");

#define MAPS_MAX (1u << 20)
#define STACK_DEPTH (32 * 1024)
#define MAPPING_MAX (1ul << 30) /* larger ones are a sanitizer's shadow, not memory in use */

/* Eight bytes at any address. */
typedef uint64_t __attribute__((may_alias, aligned(1))) word;

/* Without the library's functions, which a sanitizer would keep out of freed memory. */
__attribute__((no_sanitize("address"), noinline)) static int wipe_range(uint8_t *begin,
									const uint8_t *end,
									const uint8_t *secret,
									size_t size)
{
	const word first = *(const word *)secret;
	int found = 0;

	for (uint8_t *p = begin; (size_t)(end - p) >= size; p++) {
		size_t n = WIPE_MIN;

		if (*(const word *)p != first || p == secret)
			continue;
		while (n < size && p[n] == secret[n])
			n++;
		if (n < size)
			continue;
		for (n = 0; n < size; n++)
			((volatile uint8_t *)p)[n] = 0;
		found++;
	}
	return found;
}

/* A sanitizer would put the array elsewhere. */
__attribute__((no_sanitize("address"), noinline)) void wipe_stack(void)
{
	uint8_t dead[STACK_DEPTH];

	explicit_bzero(dead, sizeof(dead));
}

int wipe_copies(const void *secret, size_t size)
{
	_free_ char *maps = NULL;
	int found = 0, r;

	if (size < WIPE_MIN)
		return -EINVAL;
	r = file_read(AT_FDCWD, "/proc/self/maps", MAPS_MAX, &maps, NULL);
	if (r < 0)
		return r;
	for (const char *line = maps; line; line = strchr(line, '\n')) {
		unsigned long begin, end;
		char access[5];

		line += *line == '\n';
		if (sscanf(line, "%lx-%lx %4s", &begin, &end, access) != 3)
			continue;
		if (streq(access, "rw-p") && end - begin <= MAPPING_MAX)
			found += wipe_range((uint8_t *)begin, (uint8_t *)end, secret, size);
	}
	return found;
}
