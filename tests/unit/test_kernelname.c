/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Conventional names of kernels and initrds: lib/base/kernelname.c. */
#include "kernelname.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "macro.h"

static void names_of_the_contract_are_kernels(void **state)
{
	static const struct {
		const char *name, *suffix;
	} kernels[] = {
		{"vmlinuz", ""},
		{"vmlinuz-6.1.0-56-amd64", "-6.1.0-56-amd64"},
		{"vmlinuz-linux", "-linux"},
		{"vmlinuz-lts", "-lts"},
		{"vmlinuz.old", ".old"},
		{"vmlinuz-6.1.0.old", "-6.1.0.old"},
		{"vmlinuz-6.1~rc1", "-6.1~rc1"},
		{"vmlinuz-5.15.0-91-generic.efi.signed", "-5.15.0-91-generic.efi.signed"},
		{"bzImage", ""},
		{"Image", ""},
		{"Image.gz", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
		struct slice suffix = {0};

		if (!kernelname_is_kernel(kernels[i].name, &suffix) ||
		    !slice_is(suffix, kernels[i].suffix))
			fail_msg("'%s': suffix '%.*s'", kernels[i].name, (int)suffix.len,
				 suffix.data);
		assert_true(kernelname_is_kernel(kernels[i].name, NULL));
	}
}

static void other_names_and_leftovers_are_not(void **state)
{
	static const char *const others[] = {
		"",
		"vmlinu",
		"Vmlinuz",
		"VMLINUZ",
		"vmlinux",
		"vmlinux-6.1",
		".vmlinuz-6.1.hmac",
		"bzImage-6.1",
		"bzImage.old",
		"bzimage",
		"Image-6.1",
		"Image.gz.old",
		"Image.bz2",
		"image",
		"zImage",
		"kernel",
		"initrd.img",
		"System.map-6.1",
		"vmlinuz-6.1~",
		"vmlinuz-6.1.dpkg-new",
		"vmlinuz-6.1.dpkg-tmp",
		"vmlinuz.dpkg-old",
		"vmlinuz-6.1.dpkg-bak.old",
		"vmlinuz-6.1.tmp",
		"vmlinuz-6.1.part",
		"vmlinuz-6.1.sig",
		"vmlinuz-6.1.asc",
		"vmlinuz-6.1.p7s",
		"vmlinuz-6.1.hmac",
		"vmlinuz.sha256",
		"vmlinuz.sha512",
	};
	struct slice suffix = slice_str("untouched");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (kernelname_is_kernel(others[i], &suffix))
			fail_msg("'%s' is taken for a kernel", others[i]);
	assert_true(slice_is(suffix, "untouched"));
}

static int by_preference(const void *a, const void *b)
{
	return kernelname_compare(*(const char *const *)a, *(const char *const *)b);
}

static void plain_names_then_newest_then_kept_ones(void **state)
{
	static const char *const expected[] = {
		"vmlinuz",
		"bzImage",
		"Image",
		"Image.gz",
		"vmlinuz-6.12.10-amd64",
		"vmlinuz-6.12.9-amd64",
		"vmlinuz-6.12~rc1-amd64",
		"vmlinuz-6.1.0-56-cloud-amd64",
		"vmlinuz-6.1.0-56-amd64",
		"vmlinuz-6.1.0-9-amd64",
		"vmlinuz-0-rescue-4098b3f648d74c13b1f04ccfba7798e8",
		"vmlinuz.old",
		"vmlinuz-6.12.10-amd64.old",
		"vmlinuz-6.12.9-amd64.bak",
		/* No kernels: after all that are. */
		"Image.old",
		"initrd.img",
	};
	const char *names[ARRAY_SIZE(expected)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(expected); j++) {
			int r = kernelname_compare(expected[i], expected[j]);

			if ((r > 0) - (r < 0) != (i > j) - (i < j))
				fail_msg("'%s' against '%s': %d", expected[i], expected[j], r);
		}
		names[(i * 7 + 3) % ARRAY_SIZE(names)] = expected[i];
	}
	qsort(names, ARRAY_SIZE(names), sizeof(names[0]), by_preference);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_string_equal(names[i], expected[i]);
}

static void different_names_of_one_version_have_an_order(void **state)
{
	(void)state;
	assert_true(kernelname_compare("vmlinuz-6.1", "vmlinuz_6.1") != 0);
	assert_true(kernelname_compare("vmlinuz-6.1", "vmlinuz-6.01") > 0);
	assert_true(kernelname_compare("vmlinuz-6.01", "vmlinuz-6.1") < 0);
	assert_int_equal(kernelname_compare("vmlinuz-6.1", "vmlinuz-6.1"), 0);
}

/* Forms in order of preference, with %s for the suffix. */
static const char *const forms[] = {
	"initrd.img%s",		"initrd%s.img",
	"initramfs%s.img",	"initrd%s",
	"initramfs%s",		"initramfs.img%s",
	"initramfs%s.cpio.zst", "initramfs%s.cpio.gz",
	"initramfs%s.cpio.xz",	"initramfs%s.cpio.lz4",
	"initramfs%s.cpio.lzo", "initramfs%s.cpio.lzma",
	"initramfs%s.cpio.bz2", "initrd%s.cpio.zst",
	"initrd%s.cpio.gz",	"initramfs%s.zst",
	"initramfs%s.gz",	"initrd%s.zst",
	"initrd%s.gz",		"initrd%s.bz2",
	"initramfs%s.cpio",	"initrd%s.cpio",
};

static void initrds_of_the_same_suffix_go_with_a_kernel_in_order(void **state)
{
	static const char *const suffixes[] = {"-6.1.0-56-amd64", "-linux", "_x", ".old"};
	char kernel[64], initrd[64];

	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(suffixes); s++) {
		unsigned last = 0;

		(void)snprintf(kernel, sizeof(kernel), "vmlinuz%s", suffixes[s]);
		for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
			unsigned rank;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			(void)snprintf(initrd, sizeof(initrd), forms[i], suffixes[s]);
#pragma GCC diagnostic pop
			rank = kernelname_initrd_rank(kernel, initrd);
			if (rank <= last)
				fail_msg("'%s' for '%s': rank %u after %u", initrd, kernel, rank,
					 last);
			last = rank;
		}
	}
}

static void plain_initrds_go_with_plain_kernels(void **state)
{
	static const char *const kernels[] = {"vmlinuz", "bzImage", "Image", "Image.gz"};
	static const char *const initrds[] = {
		"initrd.img",	  "initramfs.img",	"initrd",
		"initramfs",	  "initramfs.cpio.zst", "initramfs.cpio.gz",
		"initrd.cpio.gz", "initrd.gz",		"initramfs.cpio",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
		unsigned last = 0;

		for (size_t j = 0; j < ARRAY_SIZE(initrds); j++) {
			unsigned rank = kernelname_initrd_rank(kernels[i], initrds[j]);

			if (rank <= last)
				fail_msg("'%s' for '%s': rank %u after %u", initrds[j], kernels[i],
					 rank, last);
			last = rank;
		}
	}
}

static void an_initrd_of_another_kernel_is_not_taken(void **state)
{
	static const struct {
		const char *kernel, *initrd;
	} pairs[] = {
		{"vmlinuz-6.1.0-56-amd64", "initrd.img"},
		{"vmlinuz-6.1.0-56-amd64", "initrd.img-6.1.0-56"},
		{"vmlinuz-6.1.0-56-amd64", "initrd.img-6.1.0-56-amd6"},
		{"vmlinuz-6.1.0-56-amd64", "initrd.img-6.1.0-56-amd64-rt"},
		{"vmlinuz-6.1.0-56-amd64", "initrd.img-6.1.0-56-amd64.new"},
		{"vmlinuz-6.1.0-56-amd64", "initrd.img-6.1.0-56-amd64.dpkg-bak"},
		{"vmlinuz-6.1.0-56-amd64", "initrd.img-6.1.0-56-amd64.old"},
		{"vmlinuz-6.1.0-56-amd64", "xinitrd.img-6.1.0-56-amd64"},
		{"vmlinuz-6.1.0-56-amd64", "vmlinuz-6.1.0-56-amd64"},
		{"vmlinuz-linux", "initramfs-linux-fallback.img"},
		{"vmlinuz", "initrd.img-6.1.0-56-amd64"},
		{"vmlinuz", "initrd.img.old"},
		{"vmlinuz.old", "initrd.img"},
		{"vmlinuz", "initramfs.cpio.gz.u-boot"},
		{"vmlinuz", "initrd.img~"},
		{"vmlinuz", ""},
		{"vmlinuz-6.1", ""},
		/* No kernel at all. */
		{"bzImage-6.1", "initrd.img-6.1"},
		{"", "initrd.img"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		if (kernelname_initrd_rank(pairs[i].kernel, pairs[i].initrd) != 0)
			fail_msg("'%s' is taken for '%s'", pairs[i].initrd, pairs[i].kernel);
}

static void a_kept_kernel_takes_the_initrd_of_its_release_last(void **state)
{
	unsigned own = kernelname_initrd_rank("vmlinuz-6.1.old", "initrd-6.1.old.cpio");
	unsigned other = kernelname_initrd_rank("vmlinuz-6.1.old", "initrd.img-6.1");

	(void)state;
	assert_true(own > 0);
	assert_true(other > own);
	assert_true(kernelname_initrd_rank("vmlinuz-6.1.bak", "initramfs-6.1.img") > other);
	assert_true(kernelname_initrd_rank("vmlinuz.old", "initrd.img.old") > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_the_contract_are_kernels),
		cmocka_unit_test(other_names_and_leftovers_are_not),
		cmocka_unit_test(plain_names_then_newest_then_kept_ones),
		cmocka_unit_test(different_names_of_one_version_have_an_order),
		cmocka_unit_test(initrds_of_the_same_suffix_go_with_a_kernel_in_order),
		cmocka_unit_test(plain_initrds_go_with_plain_kernels),
		cmocka_unit_test(an_initrd_of_another_kernel_is_not_taken),
		cmocka_unit_test(a_kept_kernel_takes_the_initrd_of_its_release_last),
	};

	return cmocka_run_group_tests_name("kernelname", tests, NULL, NULL);
}
