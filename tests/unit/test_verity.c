/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dm-verity's superblock: lib/base/verity.c. Trees that veritysetup made are opened by the boot tests. */
#include "verity.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

/* As `veritysetup format` writes it. */
static void superblock(uint8_t *block)
{
	memset(block, 0, VERITY_SUPERBLOCK);
	memcpy(block, "verity\0\0\1\0\0\0\1\0\0\0", 16);
	memcpy(block + 16, "0123456789abcdef", 16);
	memcpy(block + 32, "sha256", 6);
	memcpy(block + 64, "\0\x10\0\0\0\x10\0\0", 8);
	block[73] = 4; /* 1024 blocks */
	block[80] = 32;
	memset(block + 88, 0x5a, 32);
}

static int parse(const uint8_t *block, uint64_t offset, struct verity *verity)
{
	return verity_parse(exact(block, VERITY_SUPERBLOCK), VERITY_SUPERBLOCK, offset, verity);
}

static void a_superblock_is_read(void **state)
{
	uint8_t block[VERITY_SUPERBLOCK];
	struct verity verity;

	(void)state;
	superblock(block);
	assert_int_equal(parse(block, 0, &verity), 0);
	assert_memory_equal(verity.uuid, "0123456789abcdef", 16);
	assert_string_equal(verity.algorithm, "sha256");
	assert_int_equal(verity.data_block_size, 4096);
	assert_int_equal(verity.hash_block_size, 4096);
	assert_int_equal(verity.data_blocks, 1024);
	assert_int_equal(verity.salt_size, 32);
	assert_int_equal(verity.salt[31], 0x5a);
	assert_int_equal(verity.salt[32], 0);
}

static void the_tree_begins_with_the_first_block_behind_it(void **state)
{
	static const struct {
		uint64_t offset, start;
		unsigned block;
	} cases[] = {
		{0, 1, 4096}, {4096, 2, 4096}, {3584, 1, 4096}, {3585, 2, 4096},
		{0, 1, 512},  {512, 2, 512},   {0, 1, 1024},	{1 << 20, 257, 4096},
	};
	uint8_t block[VERITY_SUPERBLOCK];
	struct verity verity;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		superblock(block);
		block[69] = (uint8_t)(cases[i].block >> 8);
		assert_int_equal(parse(block, cases[i].offset, &verity), 0);
		assert_int_equal(verity.hash_start, cases[i].start);
	}
}

static void what_is_none_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} odd[] = {
		{0, 'V'}, {6, 1},    {8, 2},	{8, 0},	    {11, 1},	{12, 0},    {12, 2},
		{32, 0},  {32, ' '}, {32, 'S'}, {38, '/'},  {65, 0},	{65, 0x11}, {66, 2},
		{67, 1},  {69, 1},   {73, 0},	{79, 0x80}, {78, 0x10}, {81, 1},
	};
	uint8_t block[VERITY_SUPERBLOCK];
	struct verity verity = {.data_blocks = 7};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		superblock(block);
		block[odd[i].at] = odd[i].value;
		assert_int_equal(parse(block, 0, &verity), -EBADMSG);
	}
	superblock(block);
	memset(block + 32, 'a', 32);
	assert_int_equal(parse(block, 0, &verity), -EBADMSG);
	superblock(block);
	for (size_t cut = 0; cut < VERITY_SUPERBLOCK; cut++)
		assert_int_equal(verity_parse(exact(block, cut), cut, 0, &verity), -EBADMSG);
	assert_int_equal(parse(block, UINT64_MAX, &verity), -EBADMSG);
	assert_int_equal(verity.data_blocks, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_superblock_is_read),
		cmocka_unit_test(the_tree_begins_with_the_first_block_behind_it),
		cmocka_unit_test(what_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
