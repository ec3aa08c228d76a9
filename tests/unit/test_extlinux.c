/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* extlinux.conf: lib/base/extlinux.c. */
#include "extlinux.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

static struct extlinux conf;
static struct extlinux_walk walk;
static struct extlinux_label label;

static int parse_bytes(const char *data, size_t size)
{
	walk = (struct extlinux_walk){0};
	return extlinux_parse(exact(data, size), size, &conf);
}

static int parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static void expect(struct slice s, const char *text)
{
	if (!slice_is(s, text))
		fail_msg("'%.*s', expected '%s'", (int)s.len, s.data, text);
}

/* The file is read, and its labels come out in this order: names with a '|' after each. */
static void expect_labels(const char *text, const char *names)
{
	const char *end;

	assert_int_equal(parse(text), 0);
	for (; (end = strchr(names, '|')) != NULL; names = end + 1) {
		assert_int_equal(extlinux_next(&conf, &walk, &label), 1);
		if (!slice_eq(label.name, slice_of(names, (size_t)(end - names))))
			fail_msg("label '%.*s', expected '%s'", (int)label.name.len,
				 label.name.data, names);
	}
	assert_int_equal(extlinux_next(&conf, &walk, &label), 0);
	assert_int_equal(extlinux_next(&conf, &walk, &label), 0);
}

/* The only label of this text. */
static void given_label(const char *text)
{
	assert_int_equal(parse(text), 0);
	assert_int_equal(extlinux_next(&conf, &walk, &label), 1);
}

static void the_file_of_l4t_is_read(void **state)
{
	(void)state;
	given_label("TIMEOUT 30\n"
		    "DEFAULT primary\n"
		    "\n"
		    "MENU TITLE L4T boot options\n"
		    "\n"
		    "LABEL primary\n"
		    "      MENU LABEL primary kernel\n"
		    "      LINUX /boot/Image\n"
		    "      INITRD /boot/initrd\n"
		    "      FDT /boot/dtb/kernel_tegra234.dtb\n"
		    "      OVERLAYS /boot/x.dtbo\n"
		    "      APPEND ${cbootargs} root=/dev/mmcblk0p1 rw rootwait\n"
		    "# LABEL backup\n"
		    "#    LINUX /boot/Image.backup\n");
	assert_int_equal(conf.n_labels, 1);
	assert_false(conf.default_missing);
	expect(conf.default_name, "primary");
	expect(label.name, "primary");
	expect(label.menu_label, "primary kernel");
	expect(label.kernel, "/boot/Image");
	assert_int_equal(label.n_initrd, 1);
	expect(label.initrd[0], "/boot/initrd");
	expect(label.fdt, "/boot/dtb/kernel_tegra234.dtb");
	expect(label.append, "${cbootargs} root=/dev/mmcblk0p1 rw rootwait");
	assert_null(label.fdtdir.data);
	assert_null(label.fdtoverlays.data);
	assert_false(label.tugboot_initrd);
	assert_int_equal(extlinux_next(&conf, &walk, &label), 0);
}

static void the_file_of_u_boot_menu_is_read(void **state)
{
	(void)state;
	expect_labels("## /boot/extlinux/extlinux.conf\n"
		      "##\n"
		      "default l0\n"
		      "menu title U-Boot menu\n"
		      "prompt 1\n"
		      "timeout 50\n"
		      "\n"
		      "label l0\n"
		      "\tmenu label Debian GNU/Linux 12 6.1.0-56-arm64\n"
		      "\tlinux /boot/vmlinuz-6.1.0-56-arm64\n"
		      "\tinitrd /boot/initrd.img-6.1.0-56-arm64\n"
		      "\tfdtdir /usr/lib/linux-image-6.1.0-56-arm64/\n"
		      "\tappend root=UUID=x ro quiet\n"
		      "\n"
		      "label l0r\n"
		      "\tmenu label rescue target\n"
		      "\tlinux /boot/vmlinuz-6.1.0-56-arm64\n"
		      "\tappend single\n",
		      "l0|l0r|");
	expect(label.append, "single");
}

static void every_key_is_read_in_any_case(void **state)
{
	(void)state;
	given_label("LaBeL a b\r\n kErNeL /k\r\n Append x\t\r\nINITRD /i\r\n DeviceTree /d\r\n"
		    "DEVICETREEDIR /dir\r\nDevicetree-Overlay /o1 /o2\r\nmenu LABEL Two words\r\n"
		    "TugBoot-Initrd YES");
	expect(label.name, "a b");
	expect(label.kernel, "/k");
	expect(label.append, "x");
	expect(label.initrd[0], "/i");
	expect(label.fdt, "/d");
	expect(label.fdtdir, "/dir");
	expect(label.fdtoverlays, "/o1 /o2");
	expect(label.menu_label, "Two words");
	assert_true(label.tugboot_initrd);
	given_label("label a\nlinux /k\nfdtdir /dir\nfdtoverlays /o\ntugboot-initrd no\n");
	expect(label.fdtdir, "/dir");
	expect(label.fdtoverlays, "/o");
	assert_false(label.tugboot_initrd);
}

static void of_keys_that_stand_twice_the_same_one_counts_as_in_u_boot(void **state)
{
	(void)state;
	given_label(
		"label a\nlinux /k1\nappend 1\ninitrd /i1\nfdt /f1\nfdtdir /d1\nfdtoverlays /o1\n"
		"kernel /k2\nappend 2\ninitrd /i2\nfdt /f2\nfdtdir /d2\nfdtoverlays /o2\n");
	expect(label.kernel, "/k2");
	expect(label.append, "2");
	assert_int_equal(label.n_initrd, 1);
	expect(label.initrd[0], "/i1");
	expect(label.fdt, "/f1");
	expect(label.fdtdir, "/d1");
	expect(label.fdtoverlays, "/o1");
	given_label("label a\nkernel /k1\nfdt /f1\nfdtdir /d1\nfdtoverlays /o1\nlinux /k2\n"
		    "devicetree /f2\ndevicetreedir /d2\ndevicetree-overlay /o2\n");
	expect(label.kernel, "/k2");
	expect(label.fdt, "/f1");
	expect(label.fdtdir, "/d1");
	expect(label.fdtoverlays, "/o1");
}

static void the_default_is_first_and_the_others_follow(void **state)
{
	static const char labels[] = "label a\nlinux /a\nlabel b\nlinux /b\nlabel c\nlinux /c\n";
	char text[200];

	(void)state;
	expect_labels(labels, "a|b|c|");
	assert_null(conf.default_name.data);
	assert_int_equal(conf.n_labels, 3);
	(void)snprintf(text, sizeof(text), "default b\n%s", labels);
	expect_labels(text, "b|a|c|");
	(void)snprintf(text, sizeof(text), "%sdefault c\n", labels);
	expect_labels(text, "c|a|b|");
	(void)snprintf(text, sizeof(text), "default c\n%sontimeout b\n", labels);
	expect_labels(text, "b|a|c|");
	(void)snprintf(text, sizeof(text), "default b\ndefault\n%s", labels);
	expect_labels(text, "b|a|c|");
}

static void a_default_that_is_no_label_falls_back_to_the_first(void **state)
{
	(void)state;
	expect_labels("default x\nlabel a\nlinux /a\nlabel b\nlinux /b\n", "a|b|");
	assert_true(conf.default_missing);
	expect(conf.default_name, "x");
	/* Names are compared as they are, as in U-Boot. */
	expect_labels("default B\nlabel a\nlinux /a\nlabel b\nlinux /b\n", "a|b|");
	assert_true(conf.default_missing);
	expect_labels("default a b\nlabel a\nlinux /a\nlabel a b\nlinux /b\n", "a b|a|");
}

static void menu_default_counts_when_there_is_no_default(void **state)
{
	(void)state;
	expect_labels("menu default\nlabel a\nlinux /a\nlabel b\nlinux /b\nmenu default\n"
		      "label c\nlinux /c\nmenu default\n",
		      "b|a|c|");
	expect(conf.default_name, "b");
	expect_labels("label a\nlinux /a\nlabel b\nlinux /b\nmenu default\ndefault a\n", "a|b|");
	/* Also one without a name. */
	expect_labels("label a\nlinux /a\nlabel\nlinux /b\nmenu default\n", "|a|");
}

static void of_labels_with_one_name_the_last_is_the_default(void **state)
{
	(void)state;
	assert_int_equal(parse("default a\nlabel a\nlinux /1\nlabel a\nlinux /2\n"), 0);
	assert_int_equal(extlinux_next(&conf, &walk, &label), 1);
	expect(label.kernel, "/2");
	assert_int_equal(extlinux_next(&conf, &walk, &label), 1);
	expect(label.kernel, "/1");
	assert_int_equal(extlinux_next(&conf, &walk, &label), 0);
}

static void labels_without_a_kernel_are_passed_over(void **state)
{
	(void)state;
	expect_labels("default a\nlabel a\nlocalboot 1\nlabel b\nlabel c\nlinux /c\n"
		      "label d\nlinux\nlabel e\nlinux /e\nlocalboot -1\n",
		      "c|");
	assert_int_equal(conf.n_labels, 5);
	expect_labels("label a\n", "");
}

static void a_file_without_labels_is_none(void **state)
{
	(void)state;
	assert_int_equal(parse(""), -ENOENT);
	assert_int_equal(extlinux_parse(NULL, 0, &conf), -ENOENT);
	assert_int_equal(parse("default x\nlinux /k\n#label a\n"), -ENOENT);
	assert_int_equal(parse("labels a\n"), -ENOENT);
}

static void lines_before_a_label_belong_to_none(void **state)
{
	(void)state;
	given_label("linux /no\nappend no\ninitrd /no\nlabel a\nlinux /k\n");
	expect(label.kernel, "/k");
	assert_null(label.append.data);
	assert_int_equal(label.n_initrd, 0);
}

static void what_is_not_known_is_passed_over(void **state)
{
	(void)state;
	given_label("include /x.conf\nui menu.c32\nlabel a\nsay hello\nkaslrseed\nipappend 2\n"
		    "linux /k\nmenu indent 1\nmenu\nmenu label\nmenu hide\nfoo\n\n append x\n");
	expect(label.append, "x");
	assert_int_equal(label.menu_label.len, 0);
}

static void help_texts_are_no_keys(void **state)
{
	(void)state;
	expect_labels("label a\nlinux /a\ntext help\nlabel no\nlinux /no\ndefault no\nENDTEXT x\n"
		      "append x\nlabel b\nlinux /b\nTEXT HELP\nlabel c\nlinux /c\n",
		      "a|b|");
	expect(label.kernel, "/b");
	assert_int_equal(conf.n_labels, 2);
}

static void initrds_are_separated_by_commas(void **state)
{
	(void)state;
	given_label("label a\nlinux /k\ninitrd /ucode.img,/initrd.img,,/more.img,\n");
	assert_int_equal(label.n_initrd, 3);
	expect(label.initrd[0], "/ucode.img");
	expect(label.initrd[1], "/initrd.img");
	expect(label.initrd[2], "/more.img");
}

static void append_names_initrds_when_nothing_else_does(void **state)
{
	(void)state;
	given_label("label a\nlinux /k\nappend root=x initrd=/a.img,/b.img quiet\n");
	assert_int_equal(label.n_initrd, 2);
	expect(label.initrd[0], "/a.img");
	expect(label.initrd[1], "/b.img");
	expect(label.append, "root=x initrd=/a.img,/b.img quiet");
	given_label("label a\nlinux /k\nappend initrd=/a.img\n");
	expect(label.initrd[0], "/a.img");
	given_label("label a\nlinux /k\nappend x  initrd=/a.img initrd=/b.img\n");
	assert_int_equal(label.n_initrd, 1);
	expect(label.initrd[0], "/a.img");
	/* INITRD goes first, wherever it stands. */
	given_label("label a\nlinux /k\nappend initrd=/a.img\ninitrd /b.img\n");
	assert_int_equal(label.n_initrd, 1);
	expect(label.initrd[0], "/b.img");
}

static void only_a_whole_parameter_names_initrds(void **state)
{
	static const char *const lines[] = {
		"rdinitrd=/no",
		"xinitrd=/no",
		"initrd",
		"initrd=",
		"initrd=,",
		"INITRD=/no",
		"initrd",
		"dyndbg=\"file x initrd=/no +p\"",
		"\"a b initrd=/no\"",
		"\"unclosed initrd=/no",
	};
	char text[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		(void)snprintf(text, sizeof(text), "label a\nlinux /k\nappend %s", lines[i]);
		given_label(text);
		if (label.n_initrd != 0)
			fail_msg("%s", lines[i]);
	}
	given_label("label a\nlinux /k\nappend \"a b\" initrd=/yes");
	assert_int_equal(label.n_initrd, 1);
}

static void append_with_a_dash_is_empty(void **state)
{
	(void)state;
	given_label("label a\nlinux /k\nappend x\nappend -\n");
	assert_int_equal(label.append.len, 0);
	given_label("label a\nlinux /k\nappend - x\n");
	expect(label.append, "- x");
}

static void a_label_with_too_many_initrds_is_refused_alone(void **state)
{
	(void)state;
	given_label("label a\nlinux /k\ninitrd 1,2,3,4,5,6,7,8\n");
	assert_int_equal(label.n_initrd, EXTLINUX_INITRD_MAX);
	assert_int_equal(parse("label a\nlinux /k\ninitrd 1,2,3,4,5,6,7,8,9\n"
			       "label b\nlinux /k\nappend initrd=1,2,3,4,5,6,7,8,9\n"
			       "label c\nlinux /c\n"),
			 0);
	assert_int_equal(extlinux_next(&conf, &walk, &label), -E2BIG);
	assert_int_equal(label.n_initrd, EXTLINUX_INITRD_MAX);
	assert_int_equal(extlinux_next(&conf, &walk, &label), -E2BIG);
	assert_int_equal(extlinux_next(&conf, &walk, &label), 1);
	expect(label.name, "c");
	assert_int_equal(extlinux_next(&conf, &walk, &label), 0);
}

static void control_characters_are_refused(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char text[] = "label a\nlinux /k\nappend a?b\n";
		bool ok = c >= ' ' ? c != 0x7f : c == '\t' || c == '\n';

		*strchr(text, '?') = (char)c;
		assert_int_equal(parse_bytes(text, sizeof(text) - 1), ok ? 0 : -EBADMSG);
	}
	assert_int_equal(parse_bytes("label a\n", 9), -EBADMSG);
}

/* 250 KB of labels with the default last: quick only when no label is read once per other label. */
static void a_large_file_is_read_to_its_limit(void **state)
{
	static char text[EXTLINUX_TEXT_MAX + 1];
	size_t n = 0;
	unsigned labels = 0, walked = 0;

	(void)state;
	n += (size_t)snprintf(text, sizeof(text), "default last\n");
	while (n + 64 < EXTLINUX_TEXT_MAX) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "label l\nlinux k\n");
		labels++;
	}
	n += (size_t)snprintf(text + n, sizeof(text) - n, "label last\nlinux k\n");
	labels++;
	memset(text + n, '\n', sizeof(text) - n);
	assert_int_equal(parse_bytes(text, sizeof(text)), -EFBIG);
	assert_int_equal(parse_bytes(text, EXTLINUX_TEXT_MAX), 0);
	assert_int_equal(conf.n_labels, labels);
	while (extlinux_next(&conf, &walk, &label) > 0)
		if (walked++ == 0)
			expect(label.name, "last");
	assert_int_equal(walked, labels);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_of_l4t_is_read),
		cmocka_unit_test(the_file_of_u_boot_menu_is_read),
		cmocka_unit_test(every_key_is_read_in_any_case),
		cmocka_unit_test(of_keys_that_stand_twice_the_same_one_counts_as_in_u_boot),
		cmocka_unit_test(the_default_is_first_and_the_others_follow),
		cmocka_unit_test(a_default_that_is_no_label_falls_back_to_the_first),
		cmocka_unit_test(menu_default_counts_when_there_is_no_default),
		cmocka_unit_test(of_labels_with_one_name_the_last_is_the_default),
		cmocka_unit_test(labels_without_a_kernel_are_passed_over),
		cmocka_unit_test(a_file_without_labels_is_none),
		cmocka_unit_test(lines_before_a_label_belong_to_none),
		cmocka_unit_test(what_is_not_known_is_passed_over),
		cmocka_unit_test(help_texts_are_no_keys),
		cmocka_unit_test(initrds_are_separated_by_commas),
		cmocka_unit_test(append_names_initrds_when_nothing_else_does),
		cmocka_unit_test(only_a_whole_parameter_names_initrds),
		cmocka_unit_test(append_with_a_dash_is_empty),
		cmocka_unit_test(a_label_with_too_many_initrds_is_refused_alone),
		cmocka_unit_test(control_characters_are_refused),
		cmocka_unit_test(a_large_file_is_read_to_its_limit),
	};

	return cmocka_run_group_tests_name("extlinux", tests, NULL, NULL);
}
