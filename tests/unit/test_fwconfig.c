/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fw_env.config: lib/base/fwconfig.c. */
#include "fwconfig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

#define LINE_UNTOUCHED 99u

static struct fwconfig config;

static void read_config(const char *text)
{
	unsigned line = LINE_UNTOUCHED;

	memset(&config, 0xee, sizeof(config));
	assert_int_equal(fwconfig_parse(exact(text, strlen(text)), strlen(text), &config, &line),
			 0);
	assert_int_equal(line, LINE_UNTOUCHED);
}

static void expect_copy(size_t i, const char *device, int64_t offset, size_t size)
{
	assert_true(i < config.n);
	assert_string_equal(config.copy[i].device, device);
	assert_int_equal(config.copy[i].offset, offset);
	assert_int_equal(config.copy[i].size, size);
}

static void refuses(const char *text, size_t n, int error, unsigned at_line)
{
	struct fwconfig before;
	unsigned line = LINE_UNTOUCHED;

	memset(&config, 0xee, sizeof(config));
	before = config;
	assert_int_equal(fwconfig_parse(exact(text, n), n, &config, &line), error);
	assert_int_equal(line, at_line);
	assert_memory_equal(&config, &before, sizeof(config));
}
#define REFUSES(text, error, at_line) refuses(text, sizeof(text) - 1, error, at_line)

static void one_line_is_a_single_environment(void **state)
{
	(void)state;
	read_config("/dev/mmcblk0 0x100000 0x2000\n");
	assert_int_equal(config.n, 1);
	expect_copy(0, "/dev/mmcblk0", 0x100000, 0x2000);
	assert_int_equal(config.copy[0].sector_size, 0);
	assert_int_equal(config.copy[0].sectors, 0);
}

static void two_lines_are_a_redundant_one(void **state)
{
	(void)state;
	read_config("# Configuration file for fw_(printenv/setenv) utility.\n"
		    "\n"
		    "# MTD device name\tDevice offset\tEnv. size\tFlash sector size\n"
		    "/dev/mtd1\t\t0x0000\t\t0x4000\t\t0x4000\t2\n"
		    " /dev/mtd2  0x0000 0x4000 0x10000 1 1 # the other one\r\n");
	assert_int_equal(config.n, 2);
	expect_copy(0, "/dev/mtd1", 0, 0x4000);
	expect_copy(1, "/dev/mtd2", 0, 0x4000);
	assert_int_equal(config.copy[0].sector_size, 0x4000);
	assert_int_equal(config.copy[0].sectors, 2);
	assert_int_equal(config.copy[1].sector_size, 0x10000);
	assert_int_equal(config.copy[1].sectors, 1);
}

static void the_last_line_needs_no_newline(void **state)
{
	(void)state;
	read_config("/boot/uboot.env 0 4000");
	expect_copy(0, "/boot/uboot.env", 0, 0x4000);
}

/* As sscanf(3) with "%lli %zx" does. */
static void sizes_are_hexadecimal_and_offsets_say_what_they_are(void **state)
{
	static const struct {
		const char *text;
		int64_t offset;
		size_t size;
	} cases[] = {
		{"d 0 4000", 0, 0x4000},
		{"d 4096 0x4000", 4096, 0x4000},
		{"d 0x1000 100", 0x1000, 0x100},
		{"d 010 0X100", 8, 0x100},
		{"d +16 aB0", 16, 0xab0},
		{"d -0x1000 1000", -0x1000, 0x1000},
		{"d -8192 1000", -8192, 0x1000},
		{"d 0x7fffffffffff0000 ffff", 0x7fffffffffff0000, 0xffff},
		{"d 0 40000", 0, 256 * 1024},
		{"d 0 40", 0, 64},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		read_config(cases[i].text);
		expect_copy(0, "d", cases[i].offset, cases[i].size);
	}
}

static void lines_that_are_none_are_refused(void **state)
{
	(void)state;
	REFUSES("/dev/mmcblk0\n", -EINVAL, 1);
	REFUSES("/dev/mmcblk0 0x1000\n", -EINVAL, 1);
	REFUSES("\n# x\n/dev/mmcblk0 0x1000 # 0x2000\n", -EINVAL, 3);
	REFUSES("d 0 1000 1000 1 0 7\n", -EINVAL, 1);
	REFUSES("d x 1000\n", -EINVAL, 1);
	REFUSES("d 0x 1000\n", -EINVAL, 1);
	REFUSES("d 08 1000\n", -EINVAL, 1);
	REFUSES("d 1f 1000\n", -EINVAL, 1);
	REFUSES("d - 1000\n", -EINVAL, 1);
	REFUSES("d --1 1000\n", -EINVAL, 1);
	REFUSES("d 0 -1000\n", -EINVAL, 1);
	REFUSES("d 0 0x\n", -EINVAL, 1);
	REFUSES("d 0 10g0\n", -EINVAL, 1);
	REFUSES("d 0 1000 x\n", -EINVAL, 1);
	REFUSES("d 0 1000 0 x\n", -EINVAL, 1);
	REFUSES("d 0 1000 0 0 x\n", -EINVAL, 1);
	REFUSES("d 0x8000000000000000 1000\n", -EINVAL, 1);
	REFUSES("d 99999999999999999999 1000\n", -EINVAL, 1);
	REFUSES("d 0 1ffffffffffffffff\n", -EINVAL, 1);
	REFUSES("d\0e 0 1000\n", -EINVAL, 1);
	REFUSES("d 0\0 1000\n", -EINVAL, 1);
	REFUSES("d 0 1000\nd\n", -EINVAL, 2);
}

static void a_device_name_has_an_end(void **state)
{
	char text[256];

	(void)state;
	memset(text, 'd', sizeof(text));
	memcpy(text + 127, " 0 40", 6);
	read_config(text);
	assert_int_equal(strlen(config.copy[0].device), 127);
	memset(text, 'd', sizeof(text));
	memcpy(text + 128, " 0 40", 6);
	refuses(text, strlen(text), -EINVAL, 1);
}

static void places_that_cannot_be_are_refused(void **state)
{
	(void)state;
	REFUSES("d 0 3f\n", -ERANGE, 1);
	REFUSES("d 0 40001\n", -ERANGE, 1);
	REFUSES("d 0 0\n", -ERANGE, 1);
	REFUSES("d -0xfff 1000\n", -ERANGE, 1);
	REFUSES("d -1 1000\n", -ERANGE, 1);
	REFUSES("d 0x7fffffffffffffff 1000\n", -ERANGE, 1);
	REFUSES("d 0 1000\ne 0 2000\n", -ERANGE, 2);
}

static void copies_that_overlap_are_refused(void **state)
{
	(void)state;
	REFUSES("d 0 1000\nd 0 1000\n", -ERANGE, 2);
	REFUSES("d 0 1000\nd 0xfff 1000\n", -ERANGE, 2);
	REFUSES("d 0xfff 1000\nd 0 1000\n", -ERANGE, 2);
	REFUSES("d -0x1000 1000\nd -0x1fff 1000\n", -ERANGE, 2);
	read_config("d 0x1000 1000\nd 0 1000\n");
	read_config("d -0x1000 1000\nd -0x2000 1000\n");
	read_config("d 0 1000\ne 0 1000\n");
	/* From either side: whether they meet, the size of the device says. */
	read_config("d 0 1000\nd -0x1000 1000\n");
}

static void more_than_two_lines_and_none_are_refused(void **state)
{
	(void)state;
	REFUSES("d 0 1000\ne 0 1000\n# x\nf 0 1000\n", -E2BIG, 4);
	REFUSES("d 0 1000\ne 0 1000\nx\n", -E2BIG, 3);
	REFUSES("", -ENODATA, 0);
	REFUSES("# only a comment\n\n", -ENODATA, 0);
	refuses(NULL, 0, -ENODATA, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_line_is_a_single_environment),
		cmocka_unit_test(two_lines_are_a_redundant_one),
		cmocka_unit_test(the_last_line_needs_no_newline),
		cmocka_unit_test(sizes_are_hexadecimal_and_offsets_say_what_they_are),
		cmocka_unit_test(lines_that_are_none_are_refused),
		cmocka_unit_test(a_device_name_has_an_end),
		cmocka_unit_test(places_that_cannot_be_are_refused),
		cmocka_unit_test(copies_that_overlap_are_refused),
		cmocka_unit_test(more_than_two_lines_and_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
