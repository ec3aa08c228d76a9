/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernel command lines, lib/base/cmdline.c: read as the kernel reads them, composed as the contract
 * says (DESIGN.md, section 2). */
#include "cmdline.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "macro.h"

/* The line's parameters as `[key]` or `[key|value]`. */
static const char *shown(const char *line)
{
	static char text[1024];
	struct cmdline_arg arg;
	size_t pos = 0, n = 0;

	text[0] = '\0';
	while (cmdline_next(line, &pos, &arg))
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      arg.value ? "[%.*s|%.*s]" : "[%.*s]", (int)arg.key_len,
				      arg.key, (int)arg.value_len, arg.value);
	return text;
}

static void parameters_are_split_as_the_kernel_splits_them(void **state)
{
	(void)state;
	assert_string_equal(shown(""), "");
	assert_string_equal(shown("  \t\n "), "");
	assert_string_equal(shown("quiet"), "[quiet]");
	assert_string_equal(shown(" a  b=1\tc= d==2 "), "[a][b|1][c|][d|=2]");
	assert_string_equal(shown("a=\"x y\" b"), "[a|x y][b]");
	assert_string_equal(shown("\"a=x y\" b"), "[a|x y][b]");
	assert_string_equal(shown("a=x\" y\" b"), "[a|x\" y\"][b]");
	assert_string_equal(shown("\"a b\""), "[a b]");
	assert_string_equal(shown("a=\"x y"), "[a|x y]");
	assert_string_equal(shown("\""), "[]");
	assert_string_equal(shown("a -- b"), "[a][--][b]");
	assert_string_equal(shown("=a=b"), "[=a|b]");
	assert_string_equal(shown("\"k=\"v\"\""), "[k|v\"]");
}

static void dash_and_underscore_are_the_same_in_a_key(void **state)
{
	(void)state;
	assert_true(cmdline_has("nr-cpus=1", "nr_cpus"));
	assert_true(cmdline_has("balena-stage2", "balena_stage2"));
	assert_false(cmdline_has("nr_cpusx=1", "nr_cpus"));
	assert_false(cmdline_has("nr=1", "nr_cpus"));
}

static void last_value_counts_and_init_arguments_do_not(void **state)
{
	char buf[8];

	(void)state;
	assert_int_equal(cmdline_get("root=a root=bc -- root=d", "root", buf, sizeof(buf)), 2);
	assert_string_equal(buf, "bc");
	assert_int_equal(cmdline_get("x -- root=d", "root", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(cmdline_get("root", "root", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(cmdline_get("root=12345678", "root", buf, sizeof(buf)), -ENOBUFS);
	assert_int_equal(cmdline_get("root=1234567", "root", buf, sizeof(buf)), 7);
	assert_false(cmdline_has("x -- quiet", "quiet"));
}

static void numbers_out_of_bounds_take_the_fallback(void **state)
{
	(void)state;
	assert_int_equal(cmdline_get_number("n=5", "n", 7, 10), 5);
	assert_int_equal(cmdline_get_number("n=10", "n", 7, 10), 10);
	assert_int_equal(cmdline_get_number("n=11", "n", 7, 10), 7);
	assert_int_equal(cmdline_get_number("n=", "n", 7, 10), 7);
	assert_int_equal(cmdline_get_number("n=-1", "n", 7, 10), 7);
	assert_int_equal(cmdline_get_number("n=1s", "n", 7, 10), 7);
	assert_int_equal(cmdline_get_number("n=1:", "n", 7, 100), 7);
	assert_int_equal(cmdline_get_number("n=999999999", "n", 7, UINT32_MAX), 999999999);
	assert_int_equal(cmdline_get_number("n=1000000000", "n", 7, UINT32_MAX), 7);
	assert_int_equal(cmdline_get_number("n=99999999999", "n", 7, UINT32_MAX), 7);
	assert_int_equal(cmdline_get_number("", "n", 7, 10), 7);
}

static void role_is_the_bootloaders_only_when_it_is_said(void **state)
{
	(void)state;
	assert_true(cmdline_is_boot_role("quiet tugboot.boot console=ttyS0"));
	assert_true(cmdline_is_boot_role("balena_stage2"));
	assert_true(cmdline_is_boot_role("balena_stage2=1"));
	assert_false(cmdline_is_boot_role("tugboot.bootx"));
	assert_false(cmdline_is_boot_role("root=UUID=x tugboot.slot=A -- tugboot.boot"));
}

#define TAIL "root=UUID=u tugboot.slot=A tugboot.reason=normal tugboot.tries=0/2 rauc.slot=A"

static void expect(const char *slot_options, const char *extra, const char *inherited,
		   const char *line)
{
	const struct cmdline_parts parts = {
		.slot_options = slot_options,
		.extra_options = extra,
		.inherited = inherited,
		.root = "UUID=u",
		.slot = "A",
		.reason = "normal",
		.used = 0,
		.allowed = 2,
		.cause = "",
		.last = "",
	};
	char buf[512];

	assert_int_equal(cmdline_compose(&parts, buf, sizeof(buf)), strlen(line));
	assert_string_equal(buf, line);
}

static void cause_and_last_end_are_said_when_there_is_something_to_say(void **state)
{
	const struct cmdline_parts parts = {"",		"", "", "UUID=u", "A",
					    "rollback", 0,  2,	"failed", "panic"};
	char buf[256];

	(void)state;
	assert_true(cmdline_compose(&parts, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "root=UUID=u tugboot.slot=A tugboot.reason=rollback "
				 "tugboot.tries=0/2 rauc.slot=A tugboot.cause=failed "
				 "tugboot.last=panic panic=10");
}

static void line_is_composed_in_the_order_of_the_contract(void **state)
{
	(void)state;
	expect("", "", "", TAIL " panic=10");
	expect("quiet ro", "cma=64M", "console=tty0 console=ttyS0,115200",
	       "quiet ro cma=64M console=tty0 console=ttyS0,115200 " TAIL " panic=10");
}

static void what_is_tugboots_own_is_not_inherited(void **state)
{
	(void)state;
	expect("", "",
	       "tugboot.boot tugboot.wait=5 root=/dev/sda2 maxcpus=0 nr_cpus=1 balena_stage2=1 initrd=\\x.img "
	       "BOOT_IMAGE=/vmlinuz retain_initrd watchdog.stop_on_reboot=0 console=ttyS0",
	       "console=ttyS0 " TAIL " panic=10");
	/* names that only look like them stay whole (defect of text editing: nfsroot=, a left-over =1) */
	expect("", "", "libata.force=noncq libata.force=nodbdelay",
	       "libata.force=noncq " TAIL " panic=10");
	expect("", "", "nfsroot=1.2.3.4:/x maxcpus=4 rootwait rootfstype=ext4 xroot=1",
	       "nfsroot=1.2.3.4:/x maxcpus=4 rootwait rootfstype=ext4 xroot=1 " TAIL " panic=10");
}

static void slot_cannot_say_what_tugboot_says(void **state)
{
	(void)state;
	expect("root=/dev/sdz tugboot.slot=B tugboot.reason=normal rauc.slot=B \"root=x y\" balena_stage2 ro",
	       "root=LABEL=z", "", "ro " TAIL " panic=10");
}

static void slot_keeps_its_own_cpu_limits(void **state)
{
	(void)state;
	expect("nr_cpus=2 maxcpus=0", "", "", "nr_cpus=2 maxcpus=0 " TAIL " panic=10");
}

static void panic_is_added_only_when_no_part_sets_it(void **state)
{
	(void)state;
	expect("panic=0", "", "", "panic=0 " TAIL);
	expect("", "", "panic=30", "panic=30 " TAIL);
	expect("panic_on_oops=1", "", "", "panic_on_oops=1 " TAIL " panic=10");
	expect("panic", "", "", "panic " TAIL " panic=10");
	expect("-- panic=5", "", "", TAIL " panic=10 -- panic=5");
}

static void quotes_stay_and_an_open_one_cannot_swallow_the_rest(void **state)
{
	(void)state;
	expect("dyndbg=\"file a.c +p\" x", "", "", "dyndbg=\"file a.c +p\" x " TAIL " panic=10");
	expect("a=\"b c", "", "quiet", "a=\"b c\" quiet " TAIL " panic=10");
	expect("a=\"b", "-- c=\"d", "", "a=\"b\" " TAIL " panic=10 -- c=\"d\"");
}

static void init_arguments_of_all_parts_go_last(void **state)
{
	(void)state;
	expect("ro -- single", "x -- y", "quiet -- z",
	       "ro x quiet " TAIL " panic=10 -- single y z");
}

/* The kernel takes quotes off before it looks for the mark: what follows would be lost to init. */
static void quoted_end_mark_cannot_take_the_root_away(void **state)
{
	(void)state;
	expect("a \"--\" b", "", "", "a " TAIL " panic=10 -- b");
	expect("a", "\"--", "quiet", "a quiet " TAIL " panic=10");
	expect("", "", "\"--\"", TAIL " panic=10");
	expect("--x --=1", "", "", "--x --=1 " TAIL " panic=10");
}

static void recovery_has_no_rauc_slot(void **state)
{
	const struct cmdline_parts parts = {"",		"", "", "PARTUUID=p", "recovery",
					    "recovery", 2,  2,	"",	      ""};
	char buf[256];

	(void)state;
	assert_true(cmdline_compose(&parts, buf, sizeof(buf)) > 0);
	assert_string_equal(
		buf,
		"root=PARTUUID=p tugboot.slot=recovery tugboot.reason=recovery tugboot.tries=2/2 "
		"panic=10");
}

static void verified_root_says_how_and_nobody_else_does(void **state)
{
	struct cmdline_parts parts = {
		.slot_options = "roothash=00 systemd.verity=0 ro tugboot.verified -- roothash=11",
		.extra_options = "systemd.verity-root-data=/dev/sdz rd.systemd.verity=no roothash",
		.inherited = "\"roothash=22\" quiet",
		.root = "/dev/mapper/root",
		.slot = "A",
		.reason = "normal",
		.allowed = 2,
		.cause = "",
		.last = "",
		.verity = "roothash=ab systemd.verity_root_data=PARTUUID=p",
	};
	char buf[512];

	(void)state;
	assert_true(cmdline_compose(&parts, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "ro quiet root=/dev/mapper/root tugboot.slot=A "
				 "tugboot.reason=normal tugboot.tries=0/2 rauc.slot=A "
				 "tugboot.verified roothash=ab "
				 "systemd.verity_root_data=PARTUUID=p panic=10 -- roothash=11");
	/* A root that is not, may do so by itself; but not as if it were Tugboot. */
	parts.verity = NULL;
	parts.slot_options = "roothash=00 systemd.verity=1 tugboot.verified";
	parts.extra_options = parts.inherited = "";
	assert_true(cmdline_compose(&parts, buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "roothash=00 systemd.verity=1 root=/dev/mapper/root "
				 "tugboot.slot=A tugboot.reason=normal tugboot.tries=0/2 "
				 "rauc.slot=A panic=10");
}

static void line_fits_to_the_byte_or_not_at_all(void **state)
{
	const struct cmdline_parts parts = {"a b", "", "c", "UUID=u", "A", "trial", 1, 2, "", ""};
	char whole[256], buf[256];
	int len = cmdline_compose(&parts, whole, sizeof(whole));

	(void)state;
	assert_true(len > 0);
	for (size_t size = 1; size <= (size_t)len; size++) {
		char *exact = malloc(size);

		assert_non_null(exact);
		assert_int_equal(cmdline_compose(&parts, exact, size), -E2BIG);
		free(exact);
	}
	assert_int_equal(cmdline_compose(&parts, buf, (size_t)len + 1), len);
	assert_string_equal(buf, whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_are_split_as_the_kernel_splits_them),
		cmocka_unit_test(dash_and_underscore_are_the_same_in_a_key),
		cmocka_unit_test(last_value_counts_and_init_arguments_do_not),
		cmocka_unit_test(numbers_out_of_bounds_take_the_fallback),
		cmocka_unit_test(role_is_the_bootloaders_only_when_it_is_said),
		cmocka_unit_test(line_is_composed_in_the_order_of_the_contract),
		cmocka_unit_test(cause_and_last_end_are_said_when_there_is_something_to_say),
		cmocka_unit_test(what_is_tugboots_own_is_not_inherited),
		cmocka_unit_test(slot_cannot_say_what_tugboot_says),
		cmocka_unit_test(slot_keeps_its_own_cpu_limits),
		cmocka_unit_test(panic_is_added_only_when_no_part_sets_it),
		cmocka_unit_test(quotes_stay_and_an_open_one_cannot_swallow_the_rest),
		cmocka_unit_test(init_arguments_of_all_parts_go_last),
		cmocka_unit_test(quoted_end_mark_cannot_take_the_root_away),
		cmocka_unit_test(recovery_has_no_rauc_slot),
		cmocka_unit_test(verified_root_says_how_and_nobody_else_does),
		cmocka_unit_test(line_fits_to_the_byte_or_not_at_all),
	};

	return cmocka_run_group_tests_name("cmdline", tests, NULL, NULL);
}
