/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * search FILE: looks for many short strings of bytes at once. Standard input has one a line, in
 * hexadecimal digits; printed is for each place "NUMBER OFFSET", the number being the line's.
 *
 * Trusts the tests.
 */
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define NEEDLES_MAX 4096
#define SIZE_MIN 4
#define SIZE_MAX_NEEDLE 64

static struct needle {
	uint8_t data[SIZE_MAX_NEEDLE];
	size_t size;
	unsigned number;
	struct needle *next; /* of those that begin with the same two bytes */
} needles[NEEDLES_MAX];

static struct needle *begin[1 << 16];

static unsigned first(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void read_needles(void)
{
	char line[2 * SIZE_MAX_NEEDLE + 2];

	for (unsigned n = 0; fgets(line, sizeof(line), stdin); n++) {
		struct needle *needle;

		if (n == NEEDLES_MAX)
			errx(1, "too many lines");
		needle = &needles[n];
		needle->number = n;
		for (char *p = line; *p && *p != '\n'; p += 2) {
			unsigned byte;

			if (sscanf(p, "%2x", &byte) != 1 || needle->size == SIZE_MAX_NEEDLE)
				errx(1, "line %u is not hexadecimal, or too long", n);
			needle->data[needle->size++] = (uint8_t)byte;
		}
		if (needle->size < SIZE_MIN)
			errx(1, "line %u is too short to mean anything", n);
		needle->next = begin[first(needle->data)];
		begin[first(needle->data)] = needle;
	}
}

int main(int argc, char *argv[])
{
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	const uint8_t *data;
	struct stat st;
	size_t size;

	if (fd < 0 || fstat(fd, &st) < 0)
		err(1, "usage: search FILE");
	size = (size_t)st.st_size;
	data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		err(1, "%s", argv[1]);
	read_needles();
	for (size_t at = 0; at + SIZE_MIN <= size; at++)
		for (const struct needle *n = begin[first(data + at)]; n; n = n->next)
			if (n->size <= size - at && memcmp(data + at, n->data, n->size) == 0)
				(void)printf("%u %zu\n", n->number, at);
	return 0;
}
