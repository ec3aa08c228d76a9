/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The signed description of a dm-verity root: lib/base/verityfile.c. */
#include "verityfile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

#define HEX32 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eFf"
#define FORMAT "format tugboot-verity-1\n"
#define HASH "root-hash " HEX32 "\n"
#define OFFSET "hash-offset 1048576\n"
#define SUPERBLOCK "superblock " HEX32 "\n"
#define SIGNATURE "signature c2lnbmVk\n"
#define SIGNED FORMAT HASH OFFSET SUPERBLOCK

static int parse(const char *text, struct verityfile *file)
{
	return verityfile_parse(exact(text, strlen(text)), strlen(text), file);
}

static void a_file_is_read(void **state)
{
	struct verityfile file;

	(void)state;
	assert_int_equal(parse(SIGNED SIGNATURE, &file), 0);
	assert_int_equal(file.root_hash_size, 32);
	assert_int_equal(file.root_hash[1], 1);
	assert_int_equal(file.root_hash[31], 0xff);
	assert_int_equal(file.hash_offset, 1 << 20);
	assert_int_equal(file.superblock[30], 0x1e);
	assert_int_equal(file.signature_size, 6);
	assert_memory_equal(file.signature, "signed", 6);
	assert_int_equal(file.signed_size, strlen(SIGNED));
}

static void longer_hashes_and_any_place_are_taken(void **state)
{
	struct verityfile file;

	(void)state;
	assert_int_equal(parse(FORMAT "root-hash " HEX32 HEX32
				      "\nhash-offset 0\n" SUPERBLOCK SIGNATURE,
			       &file),
			 0);
	assert_int_equal(file.root_hash_size, 64);
	assert_int_equal(file.hash_offset, 0);
	assert_int_equal(parse(FORMAT HASH "hash-offset 9223372036854775296\n" SUPERBLOCK SIGNATURE,
			       &file),
			 0);
	assert_int_equal(file.hash_offset, INT64_MAX - 511);
}

static void what_is_not_exactly_that_is_refused(void **state)
{
	static const char *const odd[] = {
		"",
		"\n",
		"format tugboot-verity-2\n" HASH OFFSET SUPERBLOCK SIGNATURE,
		"format  tugboot-verity-1\n" HASH OFFSET SUPERBLOCK SIGNATURE,
		" " SIGNED SIGNATURE,
		SIGNED,
		SIGNED SIGNATURE "\n",
		SIGNED SIGNATURE SIGNATURE,
		SIGNED "\n" SIGNATURE,
		SIGNED "signature c2lnbmVk",
		SIGNED "signature c2lnbmVk\r\n",
		SIGNED "signature \n",
		SIGNED "signature c2lnb=Vk\n",
		FORMAT OFFSET HASH SUPERBLOCK SIGNATURE,
		FORMAT HASH HASH OFFSET SUPERBLOCK SIGNATURE,
		FORMAT HASH OFFSET SIGNATURE,
		FORMAT "root-hash 00\n" OFFSET SUPERBLOCK SIGNATURE,
		FORMAT "root-hash " HEX32 HEX32 "00\n" OFFSET SUPERBLOCK SIGNATURE,
		FORMAT "root-hash " HEX32 " \n" OFFSET SUPERBLOCK SIGNATURE,
		FORMAT HASH "hash-offset 1048577\n" SUPERBLOCK SIGNATURE,
		FORMAT HASH "hash-offset 0512\n" SUPERBLOCK SIGNATURE,
		FORMAT HASH "hash-offset -512\n" SUPERBLOCK SIGNATURE,
		FORMAT HASH "hash-offset 9223372036854775808\n" SUPERBLOCK SIGNATURE,
		FORMAT HASH "hash-offset 18446744073709552128\n" SUPERBLOCK SIGNATURE,
		FORMAT HASH "hash-offset\n" SUPERBLOCK SIGNATURE,
		FORMAT HASH OFFSET "superblock " HEX32 "00\n" SIGNATURE,
		FORMAT HASH OFFSET "superblock 00\n" SIGNATURE,
	};
	struct verityfile file = {.signed_size = 7};
	char large[VERITYFILE_SIZE_MAX + 64] = SIGNED "signature ";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		assert_int_equal(parse(odd[i], &file), -EBADMSG);
	for (size_t cut = 0; cut < strlen(SIGNED SIGNATURE); cut++)
		assert_int_equal(verityfile_parse(exact(SIGNED SIGNATURE, cut), cut, &file),
				 -EBADMSG);
	/* A signature of 1026 bytes. */
	memset(large + strlen(large), 'A', 1368);
	strcat(large, "\n");
	assert_int_equal(parse(large, &file), -EBADMSG);
	assert_int_equal(file.signed_size, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read),
		cmocka_unit_test(longer_hashes_and_any_place_are_taken),
		cmocka_unit_test(what_is_not_exactly_that_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
