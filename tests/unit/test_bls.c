/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Boot loader entries: lib/base/bls.c. */
#include "bls.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

static struct bls_entry entry;
static char options[256];

static int parse_bytes(const char *name, const char *data, size_t size)
{
	return bls_parse(name, exact(data, size), size, "x64", &entry);
}

static int parse(const char *text)
{
	return parse_bytes("debian.conf", text, strlen(text));
}

static void expect(struct slice s, const char *text)
{
	if (!slice_is(s, text))
		fail_msg("'%.*s', expected '%s'", (int)s.len, s.data, text);
}

static void expect_options(const char *text)
{
	assert_int_equal(bls_options(&entry, options, sizeof(options)), (int)strlen(text));
	assert_string_equal(options, text);
}

static void the_example_of_the_specification_is_read(void **state)
{
	(void)state;
	assert_int_equal(parse_bytes("6a9857a393724b7a981ebb5b8495b9ea-3.8.0-2.fc19.x86_64.conf",
#define EXAMPLE                                                                              \
	"# /boot/loader/entries/6a9857a393724b7a981ebb5b8495b9ea-3.8.0-2.fc19.x86_64.conf\n" \
	"title        Fedora 19 (Rawhide)\n"                                                 \
	"sort-key     fedora\n"                                                              \
	"machine-id   6a9857a393724b7a981ebb5b8495b9ea\n"                                    \
	"version      3.8.0-2.fc19.x86_64\n"                                                 \
	"options      root=UUID=6d3376e4-fc93-4509-95ec-a21d68011da2 quiet\n"                \
	"architecture x64\n"                                                                 \
	"linux        /6a9857a393724b7a981ebb5b8495b9ea/3.8.0-2.fc19.x86_64/linux\n"         \
	"initrd       /6a9857a393724b7a981ebb5b8495b9ea/3.8.0-2.fc19.x86_64/initrd\n"
				     EXAMPLE, sizeof(EXAMPLE) - 1),
			 0);
	expect(entry.name.stem, "6a9857a393724b7a981ebb5b8495b9ea-3.8.0-2.fc19.x86_64");
	assert_false(entry.name.counted);
	expect(entry.title, "Fedora 19 (Rawhide)");
	expect(entry.sort_key, "fedora");
	expect(entry.machine_id, "6a9857a393724b7a981ebb5b8495b9ea");
	expect(entry.version, "3.8.0-2.fc19.x86_64");
	expect(entry.architecture, "x64");
	expect(entry.kernel, "/6a9857a393724b7a981ebb5b8495b9ea/3.8.0-2.fc19.x86_64/linux");
	assert_int_equal(entry.n_initrd, 1);
	expect(entry.initrd[0], "/6a9857a393724b7a981ebb5b8495b9ea/3.8.0-2.fc19.x86_64/initrd");
	assert_false(entry.tugboot_initrd);
	assert_null(entry.efi.data);
	assert_null(entry.uki.data);
	assert_null(entry.devicetree.data);
	assert_int_equal(entry.profile, 0);
	expect_options("root=UUID=6d3376e4-fc93-4509-95ec-a21d68011da2 quiet");
}

static void blanks_line_ends_and_order_do_not_matter(void **state)
{
	(void)state;
	assert_int_equal(parse("\r\n  \t\n\tlinux\t \t/vmlinuz \t\r\n"
			       "   # a comment \r\n"
			       "#linux /no\n"
			       " options  a  b\t\r\n"
			       "initrd /i"),
			 0);
	expect(entry.kernel, "/vmlinuz");
	assert_int_equal(entry.n_initrd, 1);
	expect(entry.initrd[0], "/i");
	expect_options("a  b");
}

static void every_key_is_read(void **state)
{
	(void)state;
	assert_int_equal(parse("efi /e.efi\nuki /u.efi\nprofile 3\ndevicetree /d.dtb\n"
			       "devicetree-overlay /a.dtbo /b.dtbo\ntugboot-initrd yes\n"),
			 0);
	assert_null(entry.kernel.data);
	expect(entry.efi, "/e.efi");
	expect(entry.uki, "/u.efi");
	assert_int_equal(entry.profile, 3);
	expect(entry.devicetree, "/d.dtb");
	expect(entry.devicetree_overlay, "/a.dtbo /b.dtbo");
	assert_true(entry.tugboot_initrd);
	expect_options("");
}

static void initrds_and_options_add_up_and_the_last_of_the_rest_counts(void **state)
{
	(void)state;
	assert_int_equal(parse("linux /one\noptions a=1\ninitrd /1\nlinux /two\ninitrd /2 /3\n"
			       "options\nversion 1\noptions b=\"x y\"\nversion 2\noptions c\n"),
			 0);
	expect(entry.kernel, "/two");
	expect(entry.version, "2");
	assert_int_equal(entry.n_initrd, 3);
	expect(entry.initrd[0], "/1");
	expect(entry.initrd[1], "/2");
	expect(entry.initrd[2], "/3");
	expect_options("a=1 b=\"x y\" c");
}

static void a_key_without_value_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(parse("linux /k\nlinux\nlinux \t\ninitrd\ntugboot-initrd\nprofile\n"), 0);
	expect(entry.kernel, "/k");
	assert_int_equal(entry.n_initrd, 0);
	assert_int_equal(parse("linux\n"), -ENOENT);
}

static void unknown_keys_are_passed_over_and_keys_have_lower_case(void **state)
{
	(void)state;
	assert_int_equal(
		parse("grub_class debian\nlinuxx /no\nlinu /no\nLINUX /no\nid x\nlinux /k\n"
		      "initrdx /no\noptionss no\n"),
		0);
	expect(entry.kernel, "/k");
	assert_int_equal(entry.n_initrd, 0);
	expect_options("");
}

static void variables_of_grub_are_no_initrds(void **state)
{
	(void)state;
	assert_int_equal(parse("linux /k\ninitrd /initramfs-5.14.img $tuned_initrd\n"), 0);
	assert_int_equal(entry.n_initrd, 1);
	expect(entry.initrd[0], "/initramfs-5.14.img");
}

static void only_yes_asks_for_our_initrd(void **state)
{
	(void)state;
	assert_int_equal(parse("linux /k\ntugboot-initrd no\n"), 0);
	assert_false(entry.tugboot_initrd);
	assert_int_equal(parse("linux /k\ntugboot-initrd yes please\n"), 0);
	assert_false(entry.tugboot_initrd);
	assert_int_equal(parse("linux /k\ntugboot-initrd yes\ntugboot-initrd no\n"), 0);
	assert_false(entry.tugboot_initrd);
}

static void an_entry_needs_something_to_start(void **state)
{
	(void)state;
	assert_int_equal(parse(""), -ENOENT);
	assert_int_equal(bls_parse("a.conf", NULL, 0, "x64", &entry), -ENOENT);
	assert_int_equal(parse("title x\ninitrd /i\noptions a\n"), -ENOENT);
	assert_int_equal(parse("linux /k"), 0);
	assert_int_equal(parse("efi /k"), 0);
	assert_int_equal(parse("uki /k"), 0);
}

static void an_entry_for_another_machine_is_set_apart(void **state)
{
	(void)state;
	assert_int_equal(parse("linux /k\narchitecture aa64\n"), -ENOEXEC);
	assert_int_equal(parse("linux /k\narchitecture X64\n"), 0);
	assert_int_equal(parse("linux /k\narchitecture x6\n"), -ENOEXEC);
	assert_int_equal(parse("linux /k\narchitecture x64 \n"), 0);
	/* Whatever else is wrong with it. */
	assert_int_equal(parse("architecture arm\n"), -ENOEXEC);
	assert_int_equal(parse("profile x\narchitecture arm\n"), -ENOEXEC);
	assert_int_equal(bls_parse("a.conf", "linux /k\narchitecture AA64", 26, "aa64", &entry), 0);
}

static void control_characters_are_refused(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char text[] = "linux /k\noptions a?b\n";
		bool ok = c >= ' ' ? c != 0x7f : c == '\t' || c == '\n';

		*strchr(text, '?') = (char)c;
		assert_int_equal(parse_bytes("a.conf", text, sizeof(text) - 1), ok ? 0 : -EBADMSG);
	}
	assert_int_equal(parse_bytes("a.conf", "linux /k\n", 10), -EBADMSG);
	assert_int_equal(parse("linux /k\r"), -EBADMSG);
}

static void the_numbers_of_initrds_and_bytes_are_limited(void **state)
{
	static char text[BLS_TEXT_MAX + 1];
	size_t n;

	(void)state;
	strcpy(text, "linux /k\n");
	for (unsigned i = 0; i < BLS_INITRD_MAX; i++)
		strcat(text, i % 2 ? "initrd /i\n" : "initrd $x /i\n");
	assert_int_equal(parse(text), 0);
	assert_int_equal(entry.n_initrd, BLS_INITRD_MAX);
	strcat(text, "initrd $y\n");
	assert_int_equal(parse(text), 0);
	strcat(text, "initrd /i\n");
	assert_int_equal(parse(text), -E2BIG);
	n = strlen(text);
	memset(text + n, '\n', sizeof(text) - n);
	text[0] = 'L';
	assert_int_equal(parse_bytes("a.conf", text, BLS_TEXT_MAX), -E2BIG);
	assert_int_equal(parse_bytes("a.conf", text, sizeof(text)), -EFBIG);
	memset(text, 'a', sizeof(text));
	memcpy(text, "linux ", 6);
	assert_int_equal(parse_bytes("a.conf", text, BLS_TEXT_MAX), 0);
	assert_int_equal(entry.kernel.len, BLS_TEXT_MAX - 6);
}

static void a_profile_is_a_small_number(void **state)
{
	(void)state;
	assert_int_equal(parse("uki /u\nprofile 255\n"), 0);
	assert_int_equal(entry.profile, 255);
	assert_int_equal(parse("uki /u\nprofile 256\n"), -ERANGE);
	assert_int_equal(parse("uki /u\nprofile -1\n"), -ERANGE);
	assert_int_equal(parse("uki /u\nprofile 1 2\n"), -ERANGE);
	assert_int_equal(parse("uki /u\nprofile 99999999999999999999\n"), -ERANGE);
}

static void a_failure_leaves_the_result_alone(void **state)
{
	(void)state;
	assert_int_equal(parse("linux /k\nversion 7\n"), 0);
	assert_int_equal(parse("version 8\n"), -ENOENT);
	/* The text is gone, so only what does not borrow from it can be looked at. */
	assert_int_equal(entry.version.len, 1);
	assert_int_equal(entry.kernel.len, 2);
}

static void options_fit_to_the_byte(void **state)
{
	static const char expected[] = "abc de f";

	(void)state;
	assert_int_equal(parse("linux /k\noptions abc\noptions de f\n"), 0);
	for (size_t size = 0; size <= sizeof(expected) + 1; size++) {
		char *buf = malloc(size > 0 ? size : 1);
		int r;

		assert_non_null(buf);
		memset(buf, 'x', size > 0 ? size : 1);
		r = bls_options(&entry, buf, size);
		if (size >= sizeof(expected)) {
			assert_int_equal(r, (int)sizeof(expected) - 1);
			assert_string_equal(buf, expected);
		} else {
			assert_int_equal(r, -ENOBUFS);
			assert_int_equal(buf[0], size > 0 ? '\0' : 'x');
		}
		free(buf);
	}
}

static void the_text_and_one_byte_are_room_enough(void **state)
{
	static const char text[] = "options a\noptions b\nlinux k\noptions c";
	char buf[sizeof(text)];

	(void)state;
	assert_int_equal(parse(text), 0);
	assert_int_equal(bls_options(&entry, buf, sizeof(buf)), 5);
	assert_string_equal(buf, "a b c");
}

static void names_are_taken_apart(void **state)
{
	static const struct {
		const char *name, *stem;
		bool counted;
		unsigned left, done;
	} names[] = {
		{"a.conf", "a", false, 0, 0},
		{"a+3.conf", "a", true, 3, 0},
		{"a+3-0.conf", "a", true, 3, 0},
		{"a+0-3.conf", "a", true, 0, 3},
		{"a+02-001.conf", "a", true, 2, 1},
		{"a+4294967295-4294967295.conf", "a", true, UINT32_MAX, UINT32_MAX},
		{"a+4294967296.conf", "a+4294967296", false, 0, 0},
		{"a+1-4294967296.conf", "a+1-4294967296", false, 0, 0},
		{"a+99999999999999999999.conf", "a+99999999999999999999", false, 0, 0},
		{"a+.conf", "a+", false, 0, 0},
		{"a+-1.conf", "a+-1", false, 0, 0},
		{"a+1-.conf", "a+1-", false, 0, 0},
		{"a+1-2-3.conf", "a+1-2-3", false, 0, 0},
		{"a+1x.conf", "a+1x", false, 0, 0},
		{"a+ 1.conf", "a+ 1", false, 0, 0},
		{"a+2+3-1.conf", "a+2", true, 3, 1},
		{"+3.conf", "+3", false, 0, 0},
		{"6.1.0-56-amd64+2-1.conf", "6.1.0-56-amd64", true, 2, 1},
		{"a.conf.conf", "a.conf", false, 0, 0},
		{"a+3.x.conf", "a+3.x", false, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct bls_name name;

		assert_int_equal(bls_name_parse(names[i].name, ".conf", &name), 0);
		if (!slice_is(name.stem, names[i].stem) || name.counted != names[i].counted ||
		    name.left != names[i].left || name.done != names[i].done)
			fail_msg("'%s': '%.*s' %d %u %u", names[i].name, (int)name.stem.len,
				 name.stem.data, name.counted, name.left, name.done);
	}
}

static void other_files_are_no_entries(void **state)
{
	static const char *const names[] = {
		"",	 ".",	    "conf",   ".conf",	    ".a.conf", "a",
		"a.con", "a.conf~", "a.CONF", "a.conf.bak", "a.efi",   "aconf",
	};
	struct bls_name name = {.left = 7};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(bls_name_parse(names[i], ".conf", &name), -EINVAL);
		assert_int_equal(parse_bytes(names[i], "linux /k", 8), -EINVAL);
	}
	assert_int_equal(name.left, 7);
	assert_int_equal(bls_name_parse("a+1.efi", ".efi", &name), 0);
	assert_int_equal(name.left, 1);
}

struct named {
	const char *name, *text;
};

static struct bls_entry parsed(const struct named *n)
{
	struct bls_entry e;

	/* The texts are constants: the entries may borrow from them. */
	assert_int_equal(bls_parse(n->name, n->text, strlen(n->text), "x64", &e), 0);
	return e;
}

static void entries_are_in_the_order_of_the_specification(void **state)
{
	static const struct named expected[] = {
		{"z.conf", "linux k\nsort-key a\nmachine-id 1\nversion 6.12.10"},
		{"z2.conf", "linux k\nsort-key a\nmachine-id 1\nversion 6.12.9"},
		{"a.conf", "linux k\nsort-key a\nmachine-id 1\nversion 6.12~rc1"},
		{"y.conf", "linux k\nsort-key a\nmachine-id 1"},
		{"x.conf", "linux k\nsort-key a\nmachine-id 2\nversion 9"},
		{"w+3-1.conf", "linux k\nsort-key aa\nversion 1"},
		{"w+2-2.conf", "linux k\nsort-key aa\nversion 1"},
		{"v.conf", "linux k\nsort-key b"},
		/* No sort-key: names only. */
		{"os-10.conf", "linux k\nversion 1\nmachine-id 9"},
		{"os-9.conf", "linux k\nversion 2\nmachine-id 1"},
		{"a-99+1.conf", "linux k"},
		{"a-98.conf", "linux k"},
		/* Bad ones, by the same order. */
		{"zz+0-3.conf", "linux k\nsort-key a\nversion 99"},
		{"zy+0.conf", "linux k\nsort-key b\nversion 99"},
		{"zzz-2+0-1.conf", "linux k"},
		{"zzz-1+0-1.conf", "linux k"},
		{"zzz-1+0-2.conf", "linux k"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(expected); j++) {
			struct bls_entry a = parsed(&expected[i]), b = parsed(&expected[j]);
			int r = bls_compare(&a, &b);

			if ((r > 0) - (r < 0) != (i > j) - (i < j))
				fail_msg("'%s' against '%s': %d", expected[i].name,
					 expected[j].name, r);
		}
	}
}

static void ukis_are_in_order_by_name(void **state)
{
	static const char *const expected[] = {
		"linux-6.12.10.efi", "linux-6.12.9+1-2.efi", "linux-6.1.efi",
		"linux-6.01.efi",    "linux-7+0-1.efi",	     "linux-5+0-3.efi",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(expected); j++) {
			struct bls_name a, b;
			int r;

			assert_int_equal(bls_name_parse(expected[i], ".efi", &a), 0);
			assert_int_equal(bls_name_parse(expected[j], ".efi", &b), 0);
			r = bls_name_compare(&a, &b);
			if ((r > 0) - (r < 0) != (i > j) - (i < j))
				fail_msg("'%s' against '%s': %d", expected[i], expected[j], r);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_specification_is_read),
		cmocka_unit_test(blanks_line_ends_and_order_do_not_matter),
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(initrds_and_options_add_up_and_the_last_of_the_rest_counts),
		cmocka_unit_test(a_key_without_value_changes_nothing),
		cmocka_unit_test(unknown_keys_are_passed_over_and_keys_have_lower_case),
		cmocka_unit_test(variables_of_grub_are_no_initrds),
		cmocka_unit_test(only_yes_asks_for_our_initrd),
		cmocka_unit_test(an_entry_needs_something_to_start),
		cmocka_unit_test(an_entry_for_another_machine_is_set_apart),
		cmocka_unit_test(control_characters_are_refused),
		cmocka_unit_test(the_numbers_of_initrds_and_bytes_are_limited),
		cmocka_unit_test(a_profile_is_a_small_number),
		cmocka_unit_test(a_failure_leaves_the_result_alone),
		cmocka_unit_test(options_fit_to_the_byte),
		cmocka_unit_test(the_text_and_one_byte_are_room_enough),
		cmocka_unit_test(names_are_taken_apart),
		cmocka_unit_test(other_files_are_no_entries),
		cmocka_unit_test(entries_are_in_the_order_of_the_specification),
		cmocka_unit_test(ukis_are_in_order_by_name),
	};

	return cmocka_run_group_tests_name("bls", tests, NULL, NULL);
}
