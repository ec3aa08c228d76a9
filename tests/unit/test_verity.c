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

/* ---- as text ---- */

#define OPTIONS                                                                   \
	"superblock=0,format=1,hash=sha256,data-block-size=4096,hash-block-size=" \
	"1024,data-blocks=1024,hash-offset=4195328,salt="

static void options_say_what_the_superblock_says(void **state)
{
	uint8_t block[VERITY_SUPERBLOCK];
	struct verity verity, again;
	char text[VERITY_OPTIONS_MAX];

	(void)state;
	superblock(block);
	block[69] = 4;
	block[80] = 2;
	assert_int_equal(parse(block, 4 << 20, &verity), 0);
	assert_int_equal(verity_options_format(&verity, text, sizeof(text)), 0);
	assert_string_equal(text, OPTIONS "5a5a");
	assert_int_equal(verity_options_parse(text, &again), 0);
	memcpy(again.uuid, verity.uuid, sizeof(again.uuid)); /* not in the text */
	assert_memory_equal(&again, &verity, sizeof(verity));

	block[80] = 0;
	assert_int_equal(parse(block, 4 << 20, &verity), 0);
	assert_int_equal(verity_options_format(&verity, text, sizeof(text)), 0);
	assert_string_equal(text, OPTIONS "-");
	assert_int_equal(verity_options_parse(text, &again), 0);
	assert_int_equal(again.salt_size, 0);
	assert_int_equal(verity_options_format(&verity, text, strlen(OPTIONS "-")), -ENOSPC);
}

static void options_of_any_superblock_fit(void **state)
{
	struct verity verity = {.data_block_size = 65536,
				.hash_block_size = 512,
				.data_blocks = INT64_MAX / 65536,
				.hash_start = INT64_MAX / 512,
				.salt_size = VERITY_SALT_MAX};
	char text[VERITY_OPTIONS_MAX];
	struct verity again;

	(void)state;
	memset(verity.algorithm, 'a', sizeof(verity.algorithm) - 1);
	assert_int_equal(verity_options_format(&verity, text, sizeof(text)), 0);
	assert_int_equal(verity_options_parse(text, &again), 0);
	assert_memory_equal(&again, &verity, sizeof(verity));
}

static void other_options_are_refused(void **state)
{
	static const char *const odd[] = {
		"",
		"superblock=1",
		OPTIONS,
		OPTIONS "5",
		OPTIONS "5a,",
		OPTIONS "5a,ignore-corruption",
		OPTIONS "--",
		" " OPTIONS "-",
		"superblock=0,format=1,hash=,data-block-size=4096,hash-block-size=4096,data-blocks=1,"
		"hash-offset=4096,salt=-",
		"superblock=0,format=1,hash=sha 256,data-block-size=4096,hash-block-size=4096,"
		"data-blocks=1,hash-offset=4096,salt=-",
		"superblock=0,format=1,hash=sha256,data-block-size=4097,hash-block-size=4096,"
		"data-blocks=1,hash-offset=4096,salt=-",
		"superblock=0,format=1,hash=sha256,data-block-size=4096,hash-block-size=0,"
		"data-blocks=1,hash-offset=4096,salt=-",
		"superblock=0,format=1,hash=sha256,data-block-size=4294971392,hash-block-size=4096,"
		"data-blocks=1,hash-offset=4096,salt=-",
		"superblock=0,format=1,hash=sha256,data-block-size=4096,hash-block-size=4096,"
		"data-blocks=0,hash-offset=4096,salt=-",
		"superblock=0,format=1,hash=sha256,data-block-size=4096,hash-block-size=4096,"
		"data-blocks=2251799813685248,hash-offset=4096,salt=-",
		"superblock=0,format=1,hash=sha256,data-block-size=4096,hash-block-size=4096,"
		"data-blocks=1,hash-offset=4097,salt=-",
		"superblock=0,format=1,hash=sha256,data-block-size=4096,hash-block-size=4096,"
		"data-blocks=01,hash-offset=4096,salt=-",
		"superblock=0,format=1,hash=sha256,data-block-size=4096,hash-block-size=4096,"
		"data-blocks=18446744073709551617,hash-offset=4096,salt=-",
	};
	struct verity verity = {.data_blocks = 7};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		assert_int_equal(verity_options_parse(odd[i], &verity), -EBADMSG);
	assert_int_equal(verity.data_blocks, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_superblock_is_read),
		cmocka_unit_test(the_tree_begins_with_the_first_block_behind_it),
		cmocka_unit_test(what_is_none_is_refused),
		cmocka_unit_test(options_say_what_the_superblock_says),
		cmocka_unit_test(options_of_any_superblock_fit),
		cmocka_unit_test(other_options_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
