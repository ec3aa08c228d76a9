/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernel images: lib/base/bzimage.c. */
#include "bzimage.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

enum { HEADER_END = 0x264 };

static unsigned char head[BZIMAGE_HEAD_SIZE];
static struct bzimage image;

static void put16(size_t at, unsigned value)
{
	head[at] = (unsigned char)value;
	head[at + 1] = (unsigned char)(value >> 8);
}

static void put32(size_t at, uint32_t value)
{
	put16(at, value & 0xffff);
	put16(at + 2, value >> 16);
}

/* The fields of Debian's 6.1.0-56-amd64. */
static void given_bzimage(void)
{
	memset(head, 0, sizeof(head));
	memcpy(head, "MZ", 2);
	head[0x1f1] = 39;
	put32(0x1f4, (8245760 - 20480) / 16);
	put16(0x1fe, 0xaa55);
	memcpy(head + 0x202, "HdrS", 4);
	put16(0x206, 0x020f);
	put16(0x20e, 17600 - 512);
	head[0x211] = 1;
	head[0x234] = 1;
	put16(0x236, 0x3f);
	put32(0x238, 2047);
	put32(0x260, 66682880);
}

static int parse(void)
{
	return bzimage_parse(exact(head, HEADER_END), HEADER_END, &image);
}

static int check(uint64_t file_size)
{
	assert_int_equal(parse(), 0);
	return bzimage_check(&image, file_size);
}

static void the_header_of_a_debian_kernel_is_read(void **state)
{
	(void)state;
	given_bzimage();
	assert_int_equal(parse(), 0);
	assert_int_equal(image.protocol, 0x020f);
	assert_true(image.loaded_high);
	assert_true(image.relocatable);
	assert_true(image.entry64);
	assert_true(image.above_4g);
	assert_int_equal(image.setup_size, 20480);
	assert_int_equal(image.image_size, 8245760);
	assert_int_equal(image.cmdline_size, 2047);
	assert_int_equal(image.init_size, 66682880);
	assert_int_equal(image.version_offset, 17600);
}

static void a_file_as_large_as_its_header_says_or_larger_is_whole(void **state)
{
	(void)state;
	given_bzimage();
	assert_int_equal(check(8245760), 0);
	/* Debian's file, with its signature. */
	assert_int_equal(check(8247232), 0);
	assert_int_equal(check(UINT64_MAX), 0);
	assert_int_equal(check(8245759), -ENODATA);
	assert_int_equal(check(0), -ENODATA);
}

static void sizes_are_not_cut_to_32_bits(void **state)
{
	(void)state;
	given_bzimage();
	put32(0x1f4, 0xffffffff);
	head[0x1f1] = 255;
	assert_int_equal(check(0xffffffff), -ENODATA);
	assert_int_equal(image.image_size, 0xffffffffULL * 16 + 256 * 512);
	assert_int_equal(check(image.image_size - 1), -ENODATA);
	assert_int_equal(check(image.image_size), 0);
}

static void what_kexec_refuses_is_refused_first(void **state)
{
	(void)state;
	given_bzimage();
	put16(0x206, 0x020c);
	assert_int_equal(check(UINT64_MAX), 0);
	put16(0x206, 0x020b);
	assert_int_equal(check(UINT64_MAX), -ENOTSUP);
	assert_false(image.entry64);
	given_bzimage();
	head[0x211] = 0xfe;
	assert_int_equal(check(UINT64_MAX), -ENOTSUP);
	assert_false(image.loaded_high);
	given_bzimage();
	put16(0x236, 0x3e);
	assert_int_equal(check(UINT64_MAX), -ENOTSUP);
	assert_false(image.entry64);
	given_bzimage();
	put16(0x236, 0x3d);
	assert_int_equal(check(UINT64_MAX), -ENOTSUP);
	assert_false(image.above_4g);
	given_bzimage();
	put32(0x1f4, 0);
	assert_int_equal(check(UINT64_MAX), -EUCLEAN);
}

static void what_is_no_bzimage_is_told_apart(void **state)
{
	static const size_t marks[] = {0x1fe, 0x1ff, 0x202, 0x203, 0x204, 0x205};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		given_bzimage();
		head[marks[i]] ^= 1;
		assert_int_equal(parse(), -ENOEXEC);
		assert_int_equal(kernel_format(head, sizeof(head)), KERNEL_UNKNOWN);
	}
}

static void a_header_that_is_cut_off_is_not_read(void **state)
{
	(void)state;
	given_bzimage();
	for (size_t n = 0; n < HEADER_END; n++)
		assert_int_equal(bzimage_parse(exact(head, n), n, &image), -ENODATA);
	/* Of what is there, what tells that it is none counts. */
	head[0x205] = 'T';
	assert_int_equal(bzimage_parse(exact(head, 0x205), 0x205, &image), -ENODATA);
	assert_int_equal(bzimage_parse(exact(head, 0x206), 0x206, &image), -ENOEXEC);
	assert_int_equal(bzimage_parse(NULL, 0, &image), -ENODATA);
}

static void fields_that_a_protocol_does_not_have_are_not_read(void **state)
{
	(void)state;
	given_bzimage();
	put16(0x206, 0x0203);
	assert_int_equal(parse(), 0);
	assert_false(image.relocatable);
	assert_int_equal(image.cmdline_size, 255);
	assert_int_equal(image.init_size, 0);
	assert_int_equal(image.image_size, 20480 + (((8245760 - 20480) / 16) & 0xffff) * 16);
	put16(0x206, 0x0205);
	assert_int_equal(parse(), 0);
	assert_true(image.relocatable);
	assert_int_equal(image.cmdline_size, 255);
	assert_int_equal(image.image_size, 8245760);
	put16(0x206, 0x0204);
	assert_int_equal(parse(), 0);
	assert_int_equal(image.image_size, 8245760);
	put16(0x206, 0x0206);
	assert_int_equal(parse(), 0);
	assert_int_equal(image.cmdline_size, 2047);
	put16(0x206, 0x020a);
	assert_int_equal(parse(), 0);
	assert_int_equal(image.init_size, 66682880);
	put16(0x206, 0x0209);
	assert_int_equal(parse(), 0);
	assert_int_equal(image.cmdline_size, 2047);
	assert_int_equal(image.init_size, 0);
	assert_false(image.entry64);
}

static void no_setup_sectors_are_four(void **state)
{
	(void)state;
	given_bzimage();
	head[0x1f1] = 0;
	assert_int_equal(parse(), 0);
	assert_int_equal(image.setup_size, 5 * 512);
}

static void a_version_text_lies_in_the_setup_code(void **state)
{
	(void)state;
	given_bzimage();
	put16(0x20e, 0);
	assert_int_equal(parse(), 0);
	assert_int_equal(image.version_offset, 0);
	put16(0x20e, 39 * 512);
	assert_int_equal(parse(), 0);
	assert_int_equal(image.version_offset, 0);
	put16(0x20e, 39 * 512 - 1);
	assert_int_equal(parse(), 0);
	assert_int_equal(image.version_offset, 40 * 512 - 1);
}

static int release(const char *text, size_t size, struct slice *ret)
{
	return bzimage_release(exact(text, size), size, ret);
}

static void the_release_is_the_first_word_of_the_version(void **state)
{
	static const char text[] = "6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP";
	struct slice r;

	(void)state;
	assert_int_equal(release(text, sizeof(text), &r), 0);
	assert_true(slice_is(r, "6.1.0-56-cloud-amd64"));
	assert_int_equal(release("6.12", 5, &r), 0);
	assert_true(slice_is(r, "6.12"));
	assert_int_equal(release("6.12.10-200.fc41.x86_64+debug~1:2 ", 34, &r), 0);
	assert_true(slice_is(r, "6.12.10-200.fc41.x86_64+debug~1:2"));
	assert_int_equal(release("09azAZ ", 7, &r), 0);
	assert_true(slice_is(r, "09azAZ"));
}

static void a_release_that_is_none_is_refused(void **state)
{
	static const struct {
		const char *text;
		int error;
	} texts[] = {
		{"", -ENODATA},		  {"6.1.0", -ENODATA}, {" 6.1", -EBADMSG},
		{"../../etc ", -EBADMSG}, {".6.1 ", -EBADMSG}, {"6.1/x ", -EBADMSG},
		{"6.1\n", -EBADMSG},	  {"6.1\t", -EBADMSG}, {"6.1\x80 ", -EBADMSG},
		{"6.1(x) ", -EBADMSG},
	};
	char text[KERNEL_RELEASE_MAX + 2];
	struct slice r = slice_str("untouched");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(release(texts[i].text, strlen(texts[i].text), &r), texts[i].error);
	assert_int_equal(bzimage_release(NULL, 0, &r), -ENODATA);
	assert_int_equal(release("", 1, &r), -EBADMSG);
	assert_true(slice_is(r, "untouched"));

	memset(text, '6', sizeof(text));
	assert_int_equal(release(text, sizeof(text), &r), -EBADMSG);
	assert_int_equal(release(text, KERNEL_RELEASE_MAX, &r), -ENODATA);
	assert_int_equal(release(text, KERNEL_RELEASE_MAX + 1, &r), -EBADMSG);
	text[KERNEL_RELEASE_MAX] = ' ';
	assert_int_equal(release(text, KERNEL_RELEASE_MAX + 1, &r), 0);
	assert_int_equal(r.len, KERNEL_RELEASE_MAX);
}

static void given_arm64(void)
{
	memset(head, 0, sizeof(head));
	memcpy(head, "MZ", 2);
	put32(8, 0);
	put32(16, 0x2340000);
	put32(20, 1);
	put32(24, 0xa);
	memcpy(head + 56, "ARM\x64", 4);
	put32(60, 0x40);
}

static void an_arm64_image_is_read(void **state)
{
	struct arm64_image arm = {0};

	(void)state;
	given_arm64();
	assert_int_equal(arm64_image_parse(exact(head, 64), 64, &arm), 0);
	assert_int_equal(arm.text_offset, 0);
	assert_int_equal(arm.image_size, 0x102340000ULL);
	assert_false(arm.big_endian);
	assert_int_equal(arm.page_size, 4096);
	assert_int_equal(arm.pe_offset, 0x40);
	head[24] = 0x7;
	assert_int_equal(arm64_image_parse(head, 64, &arm), 0);
	assert_true(arm.big_endian);
	assert_int_equal(arm.page_size, 65536);
	head[24] = 0x4;
	assert_int_equal(arm64_image_parse(head, 64, &arm), 0);
	assert_int_equal(arm.page_size, 16384);
	head[24] = 0;
	assert_int_equal(arm64_image_parse(head, 64, &arm), 0);
	assert_int_equal(arm.page_size, 0);
}

static void other_files_are_no_arm64_images(void **state)
{
	struct arm64_image arm = {.text_offset = 7};

	(void)state;
	given_arm64();
	for (size_t n = 0; n < 64; n++)
		assert_int_equal(arm64_image_parse(exact(head, n), n, &arm), -ENODATA);
	put32(16, 0);
	put32(20, 0);
	assert_int_equal(arm64_image_parse(head, 64, &arm), -ENOTSUP);
	head[56] = 'a';
	assert_int_equal(arm64_image_parse(head, 64, &arm), -ENOEXEC);
	assert_int_equal(arm64_image_parse(exact(head, 60), 60, &arm), -ENOEXEC);
	given_bzimage();
	assert_int_equal(arm64_image_parse(head, sizeof(head), &arm), -ENOEXEC);
	assert_int_equal(arm.text_offset, 7);
}

static void formats_are_told_by_their_first_bytes(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		enum kernel_format format;
	} files[] = {
		{"", 0, KERNEL_UNKNOWN},
		{"\x1f\x8b\x08", 3, KERNEL_GZIP},
		{"\x1f\x8b", 2, KERNEL_UNKNOWN},
		{"\x1f\x8b\x07", 3, KERNEL_UNKNOWN},
		{"\x7f"
		 "ELF",
		 4, KERNEL_ELF},
		{"\x7f"
		 "EL",
		 3, KERNEL_UNKNOWN},
		{"MZ\0\0zimg", 8, KERNEL_ZBOOT},
		{"MZ\0\0zim", 7, KERNEL_UNKNOWN},
		{"MZ\0\0zimx", 8, KERNEL_UNKNOWN},
		{"XZ\0\0zimg", 8, KERNEL_UNKNOWN},
		{"#!/bin/sh\n", 10, KERNEL_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		assert_int_equal(kernel_format(exact(files[i].bytes, files[i].size), files[i].size),
				 files[i].format);
	given_bzimage();
	assert_int_equal(kernel_format(exact(head, 0x206), 0x206), KERNEL_BZIMAGE);
	assert_int_equal(kernel_format(exact(head, 0x205), 0x205), KERNEL_UNKNOWN);
	given_arm64();
	assert_int_equal(kernel_format(exact(head, 60), 60), KERNEL_ARM64);
	assert_int_equal(kernel_format(exact(head, 59), 59), KERNEL_UNKNOWN);
	assert_int_equal(kernel_format(NULL, 0), KERNEL_UNKNOWN);
}

static void every_format_has_a_name(void **state)
{
	(void)state;
	for (int f = KERNEL_UNKNOWN; f <= KERNEL_ELF; f++)
		for (int g = KERNEL_UNKNOWN; g < f; g++)
			assert_string_not_equal(kernel_format_name((enum kernel_format)f),
						kernel_format_name((enum kernel_format)g));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_header_of_a_debian_kernel_is_read),
		cmocka_unit_test(a_file_as_large_as_its_header_says_or_larger_is_whole),
		cmocka_unit_test(sizes_are_not_cut_to_32_bits),
		cmocka_unit_test(what_kexec_refuses_is_refused_first),
		cmocka_unit_test(what_is_no_bzimage_is_told_apart),
		cmocka_unit_test(a_header_that_is_cut_off_is_not_read),
		cmocka_unit_test(fields_that_a_protocol_does_not_have_are_not_read),
		cmocka_unit_test(no_setup_sectors_are_four),
		cmocka_unit_test(a_version_text_lies_in_the_setup_code),
		cmocka_unit_test(the_release_is_the_first_word_of_the_version),
		cmocka_unit_test(a_release_that_is_none_is_refused),
		cmocka_unit_test(an_arm64_image_is_read),
		cmocka_unit_test(other_files_are_no_arm64_images),
		cmocka_unit_test(formats_are_told_by_their_first_bytes),
		cmocka_unit_test(every_format_has_a_name),
	};

	return cmocka_run_group_tests_name("bzimage", tests, NULL, NULL);
}
