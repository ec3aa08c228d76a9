/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a PE file its digest covers: lib/base/authenticode.c. */
#include "authenticode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

enum {
	PE_AT = 0x80,
	OPTIONAL_AT = PE_AT + 24,
	OPTIONAL_SIZE = 240,
	TABLE_AT = OPTIONAL_AT + OPTIONAL_SIZE,
	CHECKSUM_AT = OPTIONAL_AT + 64,
	SECURITY_AT = OPTIONAL_AT + 112 + 32,
	HEADERS = 1024,
	SIZE = 4096,
};

static uint8_t file[SIZE];
static struct slice parts[AUTHENTICODE_PARTS_MAX];
static size_t n_parts;
static const char *base;

static void put32(size_t at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		file[at + i] = (uint8_t)(value >> 8 * i);
}

static void given_section(unsigned i, uint32_t at, uint32_t size)
{
	file[PE_AT + 6] = (uint8_t)MAX((unsigned)file[PE_AT + 6], i + 1);
	put32(TABLE_AT + (size_t)i * 40 + 16, size);
	put32(TABLE_AT + (size_t)i * 40 + 20, at);
}

static void given_pe(void)
{
	memset(file, 0, sizeof(file));
	memcpy(file, "MZ", 2);
	put32(0x3c, PE_AT);
	memcpy(file + PE_AT, "PE\0", 4);
	file[PE_AT + 20] = OPTIONAL_SIZE;
	file[OPTIONAL_AT] = 0x0b;
	file[OPTIONAL_AT + 1] = 0x02;
	put32(OPTIONAL_AT + 60, HEADERS);
	put32(OPTIONAL_AT + 108, 16);
}

static int locate(void)
{
	uint8_t *data = exact(file, sizeof(file));

	base = (const char *)data;
	return authenticode_parts(data, sizeof(file), parts, &n_parts);
}

/* The parts, as pairs of offset and end; 0, 0 ends them. */
static void expect_parts(const size_t *pairs)
{
	assert_int_equal(locate(), 0);
	for (size_t i = 0; i < n_parts; i++, pairs += 2) {
		assert_int_equal(parts[i].data - base, pairs[0]);
		assert_int_equal(parts[i].data - base + (ptrdiff_t)parts[i].len, pairs[1]);
	}
	assert_int_equal(pairs[1], 0);
}

static void checksum_and_signature_are_left_out(void **state)
{
	(void)state;
	given_pe();
	given_section(0, 1024, 1024);
	given_section(1, 2048, 1024);
	put32(SECURITY_AT, 3072);
	put32(SECURITY_AT + 4, 1000);
	expect_parts((size_t[]){0, CHECKSUM_AT, CHECKSUM_AT + 4, SECURITY_AT, SECURITY_AT + 8,
				HEADERS, 1024, 2048, 2048, 3072, 3072, 3096, 0, 0});
	put32(SECURITY_AT + 4, 1024);
	expect_parts((size_t[]){0, CHECKSUM_AT, CHECKSUM_AT + 4, SECURITY_AT, SECURITY_AT + 8,
				HEADERS, 1024, 2048, 2048, 3072, 0, 0});
}

static void sections_are_in_the_order_of_their_place(void **state)
{
	(void)state;
	given_pe();
	given_section(0, 3072, 1024);
	given_section(1, 0, 0); /* nothing in the file */
	given_section(2, 1024, 512);
	given_section(3, 1536, 1536);
	expect_parts((size_t[]){0, CHECKSUM_AT, CHECKSUM_AT + 4, SECURITY_AT, SECURITY_AT + 8,
				HEADERS, 1024, 1536, 1536, 3072, 3072, 4096, 0, 0});
}

static void a_file_without_a_place_for_a_signature_is_hashed_there_too(void **state)
{
	(void)state;
	given_pe();
	put32(OPTIONAL_AT + 108, 4);
	expect_parts((size_t[]){0, CHECKSUM_AT, CHECKSUM_AT + 4, HEADERS, HEADERS, SIZE, 0, 0});
}

static void expect_refused(const char *what)
{
	size_t n = n_parts;

	if (locate() != -EBADMSG)
		fail_msg("taken: %s", what);
	assert_int_equal(n_parts, n);
}

static void what_contradicts_itself_is_refused(void **state)
{
	(void)state;
	given_pe();
	file[0] = 'X';
	expect_refused("no MZ");
	given_pe();
	file[PE_AT] = 'X';
	expect_refused("no PE");
	given_pe();
	put32(0x3c, SIZE - 20);
	expect_refused("headers behind the end");
	given_pe();
	file[OPTIONAL_AT + 1] = 0x01;
	expect_refused("32 bits");
	given_pe();
	put32(OPTIONAL_AT + 60, SIZE + 1);
	expect_refused("longer headers than the file");
	given_pe();
	put32(OPTIONAL_AT + 60, TABLE_AT - 1);
	expect_refused("a table behind the headers");
	given_pe();
	file[PE_AT + 6] = 97;
	expect_refused("too many sections");
	given_pe();
	file[PE_AT + 20] = 112;
	expect_refused("no directories where some are said to be");
	given_pe();
	given_section(0, 1024, SIZE);
	expect_refused("a section behind the end");
	given_pe();
	given_section(0, SIZE + 1, 1);
	expect_refused("a section behind all");
	given_pe();
	given_section(0, 1024, 2000);
	given_section(1, 1024, 2000);
	expect_refused("more in sections than in the file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksum_and_signature_are_left_out),
		cmocka_unit_test(sections_are_in_the_order_of_their_place),
		cmocka_unit_test(a_file_without_a_place_for_a_signature_is_hashed_there_too),
		cmocka_unit_test(what_contradicts_itself_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
