/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the parts of a UKI are: lib/base/pe.c. */
#include "pe.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

/* A PE32+ file without any program in it, as small as can be. */
enum {
	PE_AT = 0x80,
	OPTIONAL_SIZE = 240,
	TABLE_AT = PE_AT + 24 + OPTIONAL_SIZE,
	SECTIONS_MAX = 32,
	DATA_AT = 2048,
};

static unsigned char file[8192];
static unsigned n_sections;
static uint64_t file_size;
static struct pe_uki uki;

static void put16(size_t at, unsigned value)
{
	file[at] = (unsigned char)value;
	file[at + 1] = (unsigned char)(value >> 8);
}

static void put32(size_t at, uint32_t value)
{
	put16(at, value & 0xffff);
	put16(at + 2, value >> 16);
}

static void given_pe(void)
{
	memset(file, 0xcc, sizeof(file));
	memset(file, 0, TABLE_AT);
	n_sections = 0;
	file_size = sizeof(file);
	memcpy(file, "MZ", 2);
	put32(0x3c, PE_AT);
	memcpy(file + PE_AT, "PE\0", 4);
	put16(PE_AT + 4, PE_MACHINE_X86_64);
	put16(PE_AT + 20, OPTIONAL_SIZE);
	put16(PE_AT + 24, 0x20b);
}

static size_t section_at(unsigned i)
{
	return TABLE_AT + (size_t)i * 40;
}

static void add_raw(const char *name, uint32_t virtual_size, uint32_t raw_size, uint32_t offset)
{
	size_t at = section_at(n_sections);

	assert_true(n_sections < SECTIONS_MAX);
	memset(file + at, 0, 40);
	memcpy(file + at, name, strnlen(name, 8));
	put32(at + 8, virtual_size);
	put32(at + 16, raw_size);
	put32(at + 20, offset);
	put16(PE_AT + 6, ++n_sections);
}

/* A section of so many bytes, rounded up in the file as linkers do. */
static void add(const char *name, uint32_t size, uint32_t offset)
{
	add_raw(name, size, (size + 511) / 512 * 512, offset);
}

static size_t headers_end(void)
{
	return section_at(n_sections);
}

static int locate_profile(size_t head_size, unsigned profile)
{
	return pe_uki_locate(exact(file, head_size), head_size, file_size, PE_MACHINE_X86_64,
			     profile, &uki);
}

static int locate(void)
{
	return locate_profile(headers_end(), 0);
}

static void expect_part(enum pe_part part, uint64_t offset, uint64_t size)
{
	if (uki.part[part].offset != offset || uki.part[part].size != size)
		fail_msg("%s at %llu+%llu", pe_part_name(part),
			 (unsigned long long)uki.part[part].offset,
			 (unsigned long long)uki.part[part].size);
}

static void every_part_is_found_with_its_exact_size(void **state)
{
	(void)state;
	given_pe();
	add(".text", 100, 2048);
	add(".osrel", 5, 2560);
	add(".cmdline", 13, 3072);
	add(".linux", 513, 3584);
	add(".initrd", 1, 4608);
	add(".ucode", 2, 5120);
	add(".uname", 3, 5632);
	add(".dtb", 512, 6144);
	add(".sbat", 10, 6656);
	assert_int_equal(locate(), 0);
	assert_int_equal(uki.machine, PE_MACHINE_X86_64);
	assert_int_equal(uki.n_profiles, 0);
	expect_part(PE_OSREL, 2560, 5);
	expect_part(PE_CMDLINE, 3072, 13);
	expect_part(PE_LINUX, 3584, 513);
	expect_part(PE_INITRD, 4608, 1);
	expect_part(PE_UCODE, 5120, 2);
	expect_part(PE_UNAME, 5632, 3);
	expect_part(PE_DTB, 6144, 512);
}

static void parts_that_are_absent_have_no_size(void **state)
{
	(void)state;
	given_pe();
	add(".linux", 100, DATA_AT);
	assert_int_equal(locate(), 0);
	for (int part = 0; part < PE_PART_COUNT; part++)
		if (part != PE_LINUX)
			expect_part((enum pe_part)part, 0, 0);
}

static void names_are_matched_whole(void **state)
{
	(void)state;
	given_pe();
	add(".linuxx", 1, DATA_AT);
	add(".linu", 1, DATA_AT);
	add("linux", 1, DATA_AT);
	add(".Linux", 1, DATA_AT);
	assert_int_equal(locate(), -ENOEXEC);
	add(".linux", 7, DATA_AT);
	add(".cmdline", 8, DATA_AT);
	assert_int_equal(locate(), 0);
	expect_part(PE_LINUX, DATA_AT, 7);
	expect_part(PE_CMDLINE, DATA_AT, 8);
	/* Eight bytes have no end, and only NULs follow a shorter name. */
	memcpy(file + section_at(5), ".cmdlinf", 8);
	assert_int_equal(locate(), 0);
	expect_part(PE_CMDLINE, 0, 0);
}

static void the_smaller_of_the_two_sizes_counts(void **state)
{
	(void)state;
	given_pe();
	add_raw(".linux", 600, 512, DATA_AT);
	add_raw(".initrd", 100, 512, DATA_AT + 512);
	assert_int_equal(locate(), 0);
	expect_part(PE_LINUX, DATA_AT, 512);
	expect_part(PE_INITRD, DATA_AT + 512, 100);
}

static void an_empty_section_is_an_absent_one(void **state)
{
	(void)state;
	given_pe();
	add_raw(".linux", 10, 512, DATA_AT);
	/* Wherever it claims to be. */
	add_raw(".initrd", 0, 512, 0xffffffff);
	add_raw(".cmdline", 10, 0, 0);
	assert_int_equal(locate(), 0);
	expect_part(PE_INITRD, 0, 0);
	expect_part(PE_CMDLINE, 0, 0);
	given_pe();
	add_raw(".linux", 0, 512, DATA_AT);
	assert_int_equal(locate(), -ENOEXEC);
}

static void a_program_without_a_kernel_is_no_uki(void **state)
{
	(void)state;
	given_pe();
	assert_int_equal(locate(), -ENOEXEC);
	add(".text", 10, DATA_AT);
	add(".cmdline", 10, DATA_AT);
	assert_int_equal(locate(), -ENOEXEC);
}

static void another_machine_is_told_apart(void **state)
{
	(void)state;
	given_pe();
	add(".linux", 10, DATA_AT);
	put16(PE_AT + 4, PE_MACHINE_ARM64);
	assert_int_equal(locate(), -ENOTSUP);
	assert_int_equal(pe_uki_locate(file, sizeof(file), file_size, PE_MACHINE_ARM64, 0, &uki),
			 0);
	put16(PE_AT + 4, 0x14c);
	assert_int_equal(locate(), -ENOTSUP);
}

static void what_is_no_pe32plus_file_is_told_apart(void **state)
{
	static const struct {
		size_t at;
		unsigned char byte;
	} damages[] = {
		{0, 'm'},
		{1, 'z'},
		{PE_AT, 'p'},
		{PE_AT + 1, 'X'},
		{PE_AT + 2, 1},
		{PE_AT + 3, 1},
		{PE_AT + 24, 0x07},
		{PE_AT + 25, 0x03},
		/* The optional header is too small to be one. */
		{PE_AT + 20, 111},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		given_pe();
		add(".linux", 10, DATA_AT);
		assert_int_equal(locate(), 0);
		file[damages[i].at] = damages[i].byte;
		assert_int_equal(locate(), -EBADMSG);
	}
	/* PE32, of a machine of 32 bits, is a whole file for another machine. */
	given_pe();
	add(".linux", 10, DATA_AT);
	file[PE_AT + 25] = 0x01;
	assert_int_equal(locate(), -ENOTSUP);
	given_pe();
	put16(PE_AT + 20, 112);
	assert_int_equal(locate(), -ENOEXEC);
	assert_int_equal(pe_uki_locate(exact("", 0), 0, 0, PE_MACHINE_X86_64, 0, &uki), -EBADMSG);
	assert_int_equal(pe_uki_locate(NULL, 0, 10000, PE_MACHINE_X86_64, 0, &uki), -EBADMSG);
	assert_int_equal(pe_uki_locate(exact("M", 1), 1, 1, PE_MACHINE_X86_64, 0, &uki), -EBADMSG);
}

/* With a few bytes less than the headers at hand: cut off, or more to be read? */
static void headers_that_are_not_all_there_are_never_read(void **state)
{
	(void)state;
	given_pe();
	add(".text", 10, DATA_AT);
	add(".linux", 10, DATA_AT);
	for (size_t n = 2; n < headers_end(); n++) {
		file_size = sizeof(file);
		assert_int_equal(locate_profile(n, 0), -ENOBUFS);
		file_size = n;
		assert_int_equal(locate_profile(n, 0), -ENODATA);
		/* A caller that has more at hand than the file: the file's size counts. */
		assert_int_equal(locate_profile(headers_end(), 0), -ENODATA);
	}
	file_size = sizeof(file);
	assert_int_equal(locate(), 0);
	/* Headers and nothing else: whole, and cut off in the first section. */
	file_size = headers_end();
	assert_int_equal(locate(), -ENODATA);
	given_pe();
	file_size = headers_end();
	assert_int_equal(locate(), -ENOEXEC);
}

static void headers_far_away_do_not_wrap_round(void **state)
{
	static const uint32_t offsets[] = {0xffffffff, 0xfffffffc, 0xffffffe8, 0x7fffffff, 8192};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		given_pe();
		add(".linux", 10, DATA_AT);
		put32(0x3c, offsets[i]);
		assert_int_equal(locate_profile(sizeof(file), 0), -ENODATA);
		file_size = UINT64_MAX;
		assert_int_equal(locate_profile(sizeof(file), 0), -ENOBUFS);
	}
	given_pe();
	add(".linux", 10, DATA_AT);
	put16(PE_AT + 6, 0xffff);
	assert_int_equal(locate_profile(sizeof(file), 0), -ENODATA);
	file_size = UINT64_MAX;
	assert_int_equal(locate_profile(sizeof(file), 0), -ENOBUFS);
	given_pe();
	put16(PE_AT + 20, 0xffff);
	assert_int_equal(locate_profile(sizeof(file), 0), -ENODATA);
}

static void a_section_ends_within_the_file(void **state)
{
	(void)state;
	given_pe();
	add_raw(".linux", 512, 512, sizeof(file) - 512);
	assert_int_equal(locate(), 0);
	file_size = sizeof(file) - 1;
	assert_int_equal(locate(), -ENODATA);
	/* Also when only what rounds it up is missing: somebody cut the file. */
	given_pe();
	add_raw(".linux", 10, 512, sizeof(file) - 511);
	assert_int_equal(locate(), -ENODATA);
	/* 32-bit sums would come out small. */
	given_pe();
	add_raw(".linux", 0xffffffff, 0xffffffff, DATA_AT);
	assert_int_equal(locate(), -ENODATA);
	given_pe();
	add_raw(".linux", 10, 512, 0xfffffff0);
	assert_int_equal(locate(), -ENODATA);
	file_size = 0xfffffff0ULL + 512;
	assert_int_equal(locate(), 0);
	expect_part(PE_LINUX, 0xfffffff0, 10);
}

static void any_part_that_is_cut_off_refuses_the_file(void **state)
{
	(void)state;
	given_pe();
	add(".linux", 10, DATA_AT);
	add(".initrd", 10, sizeof(file));
	assert_int_equal(locate(), -ENODATA);
	/* What is not used may be anywhere. */
	given_pe();
	add(".linux", 10, DATA_AT);
	add(".sbat", 10, sizeof(file));
	assert_int_equal(locate(), 0);
}

static void a_section_does_not_lie_in_the_headers(void **state)
{
	(void)state;
	given_pe();
	add_raw(".linux", 10, 10, 0);
	assert_int_equal(locate(), -EUCLEAN);
	given_pe();
	add_raw(".linux", 10, 10, TABLE_AT + 40);
	assert_int_equal(locate(), 0);
	given_pe();
	add_raw(".linux", 10, 10, TABLE_AT + 39);
	assert_int_equal(locate(), -EUCLEAN);
}

static void a_part_stands_once_but_device_trees(void **state)
{
	(void)state;
	for (int part = 0; part < PE_PART_COUNT; part++) {
		given_pe();
		add(".linux", 10, DATA_AT);
		if (part != PE_LINUX)
			add(pe_part_name((enum pe_part)part), 11, DATA_AT + 512);
		add(pe_part_name((enum pe_part)part), 12, DATA_AT + 1024);
		assert_int_equal(locate(), part == PE_DTB ? 0 : -EUCLEAN);
	}
	given_pe();
	add(".linux", 10, DATA_AT);
	add(".dtb", 11, DATA_AT + 512);
	add(".dtb", 12, DATA_AT + 1024);
	assert_int_equal(locate(), 0);
	expect_part(PE_DTB, DATA_AT + 512, 11);
}

static void given_profiles(void)
{
	given_pe();
	add(".linux", 10, DATA_AT);
	add(".cmdline", 11, DATA_AT + 512);
	add(".dtb", 12, DATA_AT + 512);
	add(".profile", 1, DATA_AT);
	add(".profile", 1, DATA_AT);
	add(".cmdline", 21, DATA_AT + 1024);
	add(".initrd", 22, DATA_AT + 1024);
	add(".dtb", 23, DATA_AT + 1024);
	add(".dtb", 24, DATA_AT + 1024);
	add(".profile", 1, DATA_AT);
	add(".linux", 31, DATA_AT + 1536);
}

static void a_profile_takes_the_place_of_the_base_part_by_part(void **state)
{
	(void)state;
	given_profiles();
	assert_int_equal(locate(), 0);
	assert_int_equal(uki.n_profiles, 3);
	expect_part(PE_LINUX, DATA_AT, 10);
	expect_part(PE_CMDLINE, DATA_AT + 512, 11);
	expect_part(PE_DTB, DATA_AT + 512, 12);
	expect_part(PE_INITRD, 0, 0);

	assert_int_equal(locate_profile(headers_end(), 1), 0);
	expect_part(PE_LINUX, DATA_AT, 10);
	expect_part(PE_CMDLINE, DATA_AT + 1024, 21);
	expect_part(PE_INITRD, DATA_AT + 1024, 22);
	expect_part(PE_DTB, DATA_AT + 1024, 23);

	assert_int_equal(locate_profile(headers_end(), 2), 0);
	expect_part(PE_LINUX, DATA_AT + 1536, 31);
	expect_part(PE_CMDLINE, DATA_AT + 512, 11);

	assert_int_equal(locate_profile(headers_end(), 3), -ENOENT);
	assert_int_equal(locate_profile(headers_end(), 0xffffffff), -ENOENT);
}

static void without_profiles_there_is_only_the_first(void **state)
{
	(void)state;
	given_pe();
	add(".linux", 10, DATA_AT);
	assert_int_equal(locate_profile(headers_end(), 0), 0);
	assert_int_equal(locate_profile(headers_end(), 1), -ENOENT);
}

static void the_first_profile_is_the_default(void **state)
{
	(void)state;
	given_pe();
	add(".linux", 10, DATA_AT);
	add(".cmdline", 11, DATA_AT);
	add(".profile", 1, DATA_AT);
	add(".cmdline", 12, DATA_AT);
	assert_int_equal(locate(), 0);
	expect_part(PE_CMDLINE, DATA_AT, 12);
	add(".cmdline", 13, DATA_AT);
	assert_int_equal(locate(), -EUCLEAN);
	/* A damaged profile that is not asked for is nobody's concern. */
	given_profiles();
	add(".linux", 1, DATA_AT);
	assert_int_equal(locate_profile(headers_end(), 1), 0);
	assert_int_equal(locate_profile(headers_end(), 2), -EUCLEAN);
}

static void an_empty_part_of_a_profile_takes_the_base_one_away(void **state)
{
	(void)state;
	given_pe();
	add(".linux", 10, DATA_AT);
	add(".initrd", 11, DATA_AT);
	add(".profile", 1, DATA_AT);
	add(".initrd", 0, DATA_AT);
	assert_int_equal(locate(), 0);
	expect_part(PE_INITRD, 0, 0);
}

static void a_failure_leaves_the_result_alone(void **state)
{
	(void)state;
	given_pe();
	add(".linux", 10, DATA_AT);
	assert_int_equal(locate(), 0);
	add(".initrd", 10, 0);
	assert_int_equal(locate(), -EUCLEAN);
	expect_part(PE_LINUX, DATA_AT, 10);
}

static void the_extent_is_the_end_of_the_last_section(void **state)
{
	uint64_t end = 1;

	(void)state;
	given_pe();
	assert_int_equal(pe_extent(file, sizeof(file), file_size, &end), 0);
	assert_int_equal(end, headers_end());
	add_raw(".text", 10, 512, 4096);
	add_raw(".data", 10000, 100, 2048);
	add_raw(".bss", 1, 0, 0xffffffff);
	assert_int_equal(pe_extent(file, sizeof(file), file_size, &end), 0);
	assert_int_equal(end, 4096 + 512);
	add_raw(".far", 1, 0xffffffff, 0xffffffff);
	assert_int_equal(pe_extent(file, sizeof(file), file_size, &end), 0);
	assert_int_equal(end, 2 * 0xffffffffULL);
	put16(PE_AT + 4, PE_MACHINE_ARM64);
	assert_int_equal(pe_extent(file, sizeof(file), file_size, &end), 0);
	file[0] = 0;
	assert_int_equal(pe_extent(file, sizeof(file), file_size, &end), -EBADMSG);
	assert_int_equal(end, 2 * 0xffffffffULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_part_is_found_with_its_exact_size),
		cmocka_unit_test(parts_that_are_absent_have_no_size),
		cmocka_unit_test(names_are_matched_whole),
		cmocka_unit_test(the_smaller_of_the_two_sizes_counts),
		cmocka_unit_test(an_empty_section_is_an_absent_one),
		cmocka_unit_test(a_program_without_a_kernel_is_no_uki),
		cmocka_unit_test(another_machine_is_told_apart),
		cmocka_unit_test(what_is_no_pe32plus_file_is_told_apart),
		cmocka_unit_test(headers_that_are_not_all_there_are_never_read),
		cmocka_unit_test(headers_far_away_do_not_wrap_round),
		cmocka_unit_test(a_section_ends_within_the_file),
		cmocka_unit_test(any_part_that_is_cut_off_refuses_the_file),
		cmocka_unit_test(a_section_does_not_lie_in_the_headers),
		cmocka_unit_test(a_part_stands_once_but_device_trees),
		cmocka_unit_test(a_profile_takes_the_place_of_the_base_part_by_part),
		cmocka_unit_test(without_profiles_there_is_only_the_first),
		cmocka_unit_test(the_first_profile_is_the_default),
		cmocka_unit_test(an_empty_part_of_a_profile_takes_the_base_one_away),
		cmocka_unit_test(a_failure_leaves_the_result_alone),
		cmocka_unit_test(the_extent_is_the_end_of_the_last_section),
	};

	return cmocka_run_group_tests_name("pe", tests, NULL, NULL);
}
