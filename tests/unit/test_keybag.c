/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Key bags: lib/base/keybag.c. */
#include "keybag.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"
#include "partname.h"

static struct keybag bag, parsed;
static uint8_t bytes[KEYBAG_SIZE_MAX];
static size_t size;

static void given_volumes(unsigned n)
{
	memset(&bag, 0, sizeof(bag));
	bag.n = n;
	for (unsigned i = 0; i < n; i++) {
		struct keybag_volume *volume = &bag.volume[i];

		volume->role = (uint8_t)(PART_BOOT + i % (PART_ROLE_COUNT - 1));
		volume->flags = i % 4;
		volume->key_size = (uint16_t)(KEYBAG_KEY_MAX - i);
		volume->sector_size = 512u << i % 4;
		volume->offset = 0x0123456789abcdef + i;
		(void)snprintf(volume->uuid, sizeof(volume->uuid), "c0ffee00-0000-4000-8000-%012u",
			       i);
		(void)snprintf(volume->cipher, sizeof(volume->cipher), "aes-xts-plain64");
		(void)snprintf(volume->name, sizeof(volume->name), "tug-volume%u", i);
		memset(volume->key, (int)(0x80 + i), volume->key_size);
	}
}

static int format(void)
{
	return keybag_format(&bag, bytes, sizeof(bytes), &size);
}

static int parse(size_t n)
{
	static const struct keybag before = {.n = 99};
	int r;

	memcpy(&parsed, &before, sizeof(parsed));
	r = keybag_parse(exact(bytes, n), n, &parsed);
	if (r < 0) {
		assert_int_equal(r, -EBADMSG);
		assert_memory_equal(&parsed, &before, sizeof(parsed));
	}
	return r;
}

static void what_was_put_in_comes_out(void **state)
{
	(void)state;
	for (unsigned n = 0; n <= KEYBAG_VOLUMES; n++) {
		given_volumes(n);
		assert_int_equal(format(), 0);
		assert_int_equal(parse(size), 0);
		assert_memory_equal(&parsed, &bag, sizeof(bag));
	}
}

static void the_bytes_are_those_of_the_description(void **state)
{
	static const uint8_t head[] = {'T', 'U', 'G',	      'K', 'E', 'Y', 'S',  '1',	 1,   0,
				       0,   0,	 PART_ROOT_A, 3,   2,	0,   0x00, 0x10, 0,   0,
				       8,   7,	 6,	      5,   4,	3,   2,	   1,	 'u', 0};

	(void)state;
	given_volumes(1);
	bag.volume[0] = (struct keybag_volume){
		.role = PART_ROOT_A,
		.flags = KEYBAG_DISCARDS | KEYBAG_READ_ONLY,
		.key_size = 2,
		.sector_size = 4096,
		.offset = 0x0102030405060708,
		.uuid = "u",
		.cipher = "c",
		.name = "n",
		.key = {0xaa, 0xbb},
	};
	assert_int_equal(format(), 0);
	assert_int_equal(size, 12 + 16 + 40 + 40 + 32 + 2);
	assert_memory_equal(bytes, head, sizeof(head));
	assert_string_equal((char *)bytes + 28 + 40, "c");
	assert_string_equal((char *)bytes + 28 + 80, "n");
	assert_memory_equal(bytes + 28 + 112, "\xaa\xbb", 2);
}

static void a_bag_that_is_cut_or_longer_is_refused(void **state)
{
	size_t whole;

	(void)state;
	given_volumes(3);
	assert_int_equal(format(), 0);
	whole = size;
	for (size_t n = 0; n < whole + 200; n++)
		assert_int_equal(parse(n), n == whole ? 0 : -EBADMSG);
}

/* Whatever is accepted is written as it was read: no byte is without a meaning. */
static void every_byte_counts(void **state)
{
	static uint8_t changed[KEYBAG_SIZE_MAX];
	unsigned accepted = 0;
	size_t whole;

	(void)state;
	given_volumes(2);
	assert_int_equal(format(), 0);
	whole = size;
	for (size_t at = 0; at < whole; at++) {
		uint8_t was = bytes[at];

		for (unsigned value = 0; value < 256; value++) {
			bytes[at] = (uint8_t)value;
			if (value == was || parse(whole) < 0)
				continue;
			accepted++;
			assert_int_equal(keybag_format(&parsed, changed, whole, &size), 0);
			assert_int_equal(size, whole);
			assert_memory_equal(changed, bytes, whole);
		}
		bytes[at] = was;
	}
	/* Keys and offsets, roles, texts. */
	assert_true(accepted > 255 * (64 + 63 + 8 + 8));
}

static void a_volume_that_makes_no_sense_is_neither_read_nor_written(void **state)
{
	static const struct {
		size_t at; /* in the struct of the second volume */
		size_t file_at;
		uint8_t value;
	} cases[] = {
		{offsetof(struct keybag_volume, role), 0, PART_NONE},
		{offsetof(struct keybag_volume, role), 0, PART_ROLE_COUNT},
		{offsetof(struct keybag_volume, role), 0, 0xff},
		{offsetof(struct keybag_volume, flags), 1, 4},
		{offsetof(struct keybag_volume, flags), 1, 0x80},
		{offsetof(struct keybag_volume, key_size), 2, 0},
		{offsetof(struct keybag_volume, key_size), 2, 65},
		{offsetof(struct keybag_volume, key_size) + 1, 3, 1},
		{offsetof(struct keybag_volume, sector_size), 4, 1},
		{offsetof(struct keybag_volume, sector_size) + 1, 5, 0},
		{offsetof(struct keybag_volume, sector_size) + 1, 5, 6},
		{offsetof(struct keybag_volume, sector_size) + 1, 5, 0x20},
		{offsetof(struct keybag_volume, sector_size) + 3, 7, 1},
		{offsetof(struct keybag_volume, uuid), 16, '\0'},
		{offsetof(struct keybag_volume, uuid), 16, ' '},
		{offsetof(struct keybag_volume, uuid), 16, '\n'},
		{offsetof(struct keybag_volume, uuid) + 39, 16 + 39, 'x'},
		{offsetof(struct keybag_volume, cipher), 56, '\0'},
		{offsetof(struct keybag_volume, cipher), 56, 0x7f},
		{offsetof(struct keybag_volume, cipher) + 20, 56 + 20, 'x'},
		{offsetof(struct keybag_volume, name), 96, '\0'},
		{offsetof(struct keybag_volume, name), 96, '/'},
		{offsetof(struct keybag_volume, name) + 5, 96 + 5, '/'},
		{offsetof(struct keybag_volume, name), 96, 0x80},
		/* As the first volume's. */
		{offsetof(struct keybag_volume, uuid) + 35, 16 + 35, '0'},
		{offsetof(struct keybag_volume, name) + 10, 96 + 10, '0'},
	};
	const size_t second = 12 + 128 + KEYBAG_KEY_MAX;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		given_volumes(2);
		assert_int_equal(format(), 0);
		bytes[second + cases[i].file_at] = cases[i].value;
		if (parse(size) == 0)
			fail_msg("read: case %zu", i);
		((uint8_t *)&bag.volume[1])[cases[i].at] = cases[i].value;
		if (format() != -EINVAL)
			fail_msg("written: case %zu", i);
	}
}

static void a_name_is_no_directory(void **state)
{
	static const struct {
		const char *name;
		int result;
	} cases[] = {{".", -EINVAL}, {"..", -EINVAL}, {"...", 0}, {".x", 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		given_volumes(1);
		memset(bag.volume[0].name, 0, sizeof(bag.volume[0].name));
		(void)snprintf(bag.volume[0].name, 4, "%s", cases[i].name);
		assert_int_equal(format(), cases[i].result);
	}
	assert_int_equal(parse(size), 0);
	memcpy(bytes + 12 + 96, "..\0", 3);
	assert_int_equal(parse(size), -EBADMSG);
}

static void a_text_without_an_end_is_not_written(void **state)
{
	(void)state;
	given_volumes(2);
	memset(bag.volume[1].uuid, 'u', sizeof(bag.volume[1].uuid));
	assert_int_equal(format(), -EINVAL);
	given_volumes(2);
	memset(bag.volume[1].name, 'n', sizeof(bag.volume[1].name));
	assert_int_equal(format(), -EINVAL);
}

static void only_this_version_is_read(void **state)
{
	(void)state;
	given_volumes(1);
	assert_int_equal(format(), 0);
	bytes[7] = '2';
	assert_int_equal(parse(size), -EBADMSG);
	bytes[7] = '1';
	for (size_t at = 8; at < 12; at++) {
		bytes[at] ^= 0x20;
		assert_int_equal(parse(size), -EBADMSG);
		bytes[at] ^= 0x20;
	}
	assert_int_equal(parse(size), 0);
	given_volumes(KEYBAG_VOLUMES);
	bag.n++;
	assert_int_equal(format(), -EINVAL);
}

static void a_small_buffer_is_left_alone(void **state)
{
	static const uint8_t before[KEYBAG_SIZE_MAX];
	uint8_t *small;
	size_t needed;

	(void)state;
	given_volumes(KEYBAG_VOLUMES);
	assert_int_equal(format(), 0);
	needed = size;
	for (size_t n = 0; n < needed; n += 7) {
		small = calloc(1, n > 0 ? n : 1);
		assert_non_null(small);
		assert_int_equal(keybag_format(&bag, small, n, &size), -ENOSPC);
		assert_memory_equal(small, before, n);
		free(small);
	}
	assert_int_equal(size, needed);
	small = malloc(needed);
	assert_non_null(small);
	assert_int_equal(keybag_format(&bag, small, needed, &size), 0);
	assert_memory_equal(small, bytes, needed);
	free(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_in_comes_out),
		cmocka_unit_test(the_bytes_are_those_of_the_description),
		cmocka_unit_test(a_bag_that_is_cut_or_longer_is_refused),
		cmocka_unit_test(every_byte_counts),
		cmocka_unit_test(a_volume_that_makes_no_sense_is_neither_read_nor_written),
		cmocka_unit_test(a_name_is_no_directory),
		cmocka_unit_test(a_text_without_an_end_is_not_written),
		cmocka_unit_test(only_this_version_is_read),
		cmocka_unit_test(a_small_buffer_is_left_alone),
	};

	return cmocka_run_group_tests_name("keybag", tests, NULL, NULL);
}
