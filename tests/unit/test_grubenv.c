/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The GRUB environment block: lib/base/grubenv.c. Bytes compared with grub-editenv's own are the
 * affair of tests/differential. */
#include "grubenv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "macro.h"

#define SIG GRUBENV_SIGNATURE

static char block[GRUBENV_SIZE];

/* A block of these lines, padded. */
static void given(const char *lines)
{
	size_t n = strlen(lines);

	assert_true(n <= sizeof(block));
	memset(block, '#', sizeof(block));
	memcpy(block, lines, n);
}

static void expect_block(const char *lines)
{
	char expected[GRUBENV_SIZE];

	memset(expected, '#', sizeof(expected));
	memcpy(expected, lines, strlen(lines));
	assert_memory_equal(block, expected, sizeof(expected));
}

static void expect_read(const char *name, const char *value)
{
	char buf[GRUBENV_SIZE];

	assert_int_equal(grubenv_get(block, sizeof(block), name, buf, sizeof(buf)), strlen(value));
	assert_string_equal(buf, value);
}

static void expect_absent(const char *name)
{
	char buf[GRUBENV_SIZE] = "untouched";

	assert_int_equal(grubenv_get(block, sizeof(block), name, buf, sizeof(buf)), -ENOENT);
	assert_string_equal(buf, "untouched");
}

static void an_empty_block_is_signature_and_padding(void **state)
{
	struct grubenv_var var;
	size_t pos = 0;

	(void)state;
	memset(block, 'x', sizeof(block));
	grubenv_init(block);
	expect_block(SIG);
	assert_int_equal(grubenv_check(block, sizeof(block)), 0);
	assert_false(grubenv_next(block, sizeof(block), &pos, &var));
}

static void check_names_what_is_wrong(void **state)
{
	static const struct {
		const char *lines;
		int result;
	} cases[] = {
		{SIG, 0},
		{SIG "a=1\n", 0},
		{SIG "# comment\na=1\nno equals sign\n", 0},
		{SIG "a=1", -EUCLEAN},
		{SIG "a=1\\\n", -EUCLEAN},
		{SIG "# comment\\\n", -EUCLEAN},
		{SIG "a=1\\\\\n", 0},
		{SIG "a=1\\\n2\n", 0},
		{"# GRUB Environment block\na=1\n", -EBADMSG},
		{"a=1\n", -EBADMSG},
		{"", -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		given(cases[i].lines);
		assert_int_equal(grubenv_check(block, sizeof(block)), cases[i].result);
	}
}

static void check_wants_exactly_1024_bytes(void **state)
{
	char longer[GRUBENV_SIZE + 1];

	(void)state;
	given(SIG "a=1\n");
	memcpy(longer, block, sizeof(block));
	longer[GRUBENV_SIZE] = '#';
	assert_int_equal(grubenv_check(longer, sizeof(longer)), -EMSGSIZE);
	assert_int_equal(grubenv_check(block, GRUBENV_SIZE - 1), -EMSGSIZE);
	assert_int_equal(grubenv_check(block, 0), -EMSGSIZE);
}

static void next_walks_variables_in_order(void **state)
{
	static const char *const expected[][2] = {{"a", "1"}, {"b", ""}, {"c", "x=y"}};
	struct grubenv_var var;
	size_t pos = 0;

	(void)state;
	given(SIG "a=1\n# a=2\nwords\n\n=empty name\nb=\nc=x=y\n");
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_true(grubenv_next(block, sizeof(block), &pos, &var));
		assert_int_equal(var.name_len, strlen(expected[i][0]));
		assert_memory_equal(var.name, expected[i][0], var.name_len);
		assert_int_equal(var.value_len, strlen(expected[i][1]));
		assert_memory_equal(var.value, expected[i][1], var.value_len);
	}
	assert_false(grubenv_next(block, sizeof(block), &pos, &var));
	assert_false(grubenv_next(block, sizeof(block), &pos, &var));
}

static void a_line_that_nothing_ends_is_no_variable(void **state)
{
	static const char cut[] = "a=1\nbootcount=1";
	static const char escape[] = "a=1\nb=x\\";
	char buf[16];

	(void)state;
	assert_int_equal(grubenv_get(cut, sizeof(cut) - 1, "bootcount", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(grubenv_get(cut, sizeof(cut) - 1, "a", buf, sizeof(buf)), 1);
	assert_int_equal(grubenv_get(escape, sizeof(escape) - 1, "b", buf, sizeof(buf)), -ENOENT);
}

static void variables_are_read_without_signature(void **state)
{
	static const char bare[] = "resin_root_part=B\nbootcount=1 \n";
	char buf[16];

	(void)state;
	assert_int_equal(grubenv_get(bare, strlen(bare), "resin_root_part", buf, sizeof(buf)), 1);
	assert_string_equal(buf, "B");
	assert_int_equal(grubenv_get(bare, strlen(bare), "bootcount", buf, sizeof(buf)), 2);
	assert_string_equal(buf, "1 ");
}

static void nothing_is_read_from_no_bytes(void **state)
{
	char buf[4];

	(void)state;
	assert_int_equal(grubenv_get("", 0, "a", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(grubenv_get(NULL, 0, "a", buf, sizeof(buf)), -ENOENT);
}

static void a_value_that_does_not_fit_is_refused(void **state)
{
	char buf[4] = "old";

	(void)state;
	given(SIG "a=1234\nb=123\nc=\\\\\\\\\\\\\n");
	assert_int_equal(grubenv_get(block, sizeof(block), "a", buf, sizeof(buf)), -ENOBUFS);
	assert_string_equal(buf, "old");
	assert_int_equal(grubenv_get(block, sizeof(block), "b", buf, sizeof(buf)), 3);
	/* Six bytes in the block, three without their escapes. */
	assert_int_equal(grubenv_get(block, sizeof(block), "c", buf, sizeof(buf)), 3);
	assert_string_equal(buf, "\\\\\\");
}

static void of_a_name_that_stands_twice_the_last_counts(void **state)
{
	(void)state;
	given(SIG "a=1\nb=2\na=3\n");
	expect_read("a", "3");
}

static void a_name_is_matched_whole(void **state)
{
	(void)state;
	given(SIG "boot=1\nbootcount=2\n");
	expect_read("boot", "1");
	expect_read("bootcount", "2");
	expect_absent("bootcoun");
	expect_absent("");
}

static void a_comment_line_that_ends_in_a_backslash_hides_the_next(void **state)
{
	(void)state;
	/* As for GRUB: the newline is escaped. */
	given(SIG "# comment\\\na=1\nb=2\n");
	expect_absent("a");
	expect_read("b", "2");
}

static void a_nul_ends_a_value(void **state)
{
	static const char lines[] = SIG "a=1\0002\n";

	(void)state;
	given(SIG);
	memcpy(block, lines, sizeof(lines) - 1);
	expect_read("a", "1");
}

static void set_appends_and_replaces_in_place(void **state)
{
	(void)state;
	grubenv_init(block);
	assert_int_equal(grubenv_set(block, "a", "1"), 0);
	assert_int_equal(grubenv_set(block, "b", "2"), 0);
	expect_block(SIG "a=1\nb=2\n");
	assert_int_equal(grubenv_set(block, "a", "longer"), 0);
	expect_block(SIG "a=longer\nb=2\n");
	assert_int_equal(grubenv_set(block, "a", ""), 0);
	expect_block(SIG "a=\nb=2\n");
}

static void set_keeps_comments_and_odd_lines(void **state)
{
	(void)state;
	given(SIG "# note\nwords\na=1\n# end\n");
	assert_int_equal(grubenv_set(block, "a", "2"), 0);
	assert_int_equal(grubenv_set(block, "b", "3"), 0);
	expect_block(SIG "# note\nwords\na=2\n# end\nb=3\n");
}

static void set_escapes_backslash_and_newline(void **state)
{
	(void)state;
	grubenv_init(block);
	assert_int_equal(grubenv_set(block, "a", "x\\y\nz#\\"), 0);
	expect_block(SIG "a=x\\\\y\\\nz#\\\\\n");
	expect_read("a", "x\\y\nz#\\");
	assert_int_equal(grubenv_check(block, sizeof(block)), 0);
}

static void set_leaves_one_of_several_of_a_name(void **state)
{
	(void)state;
	given(SIG "a=1\nb=2\na=3\na=4\n");
	assert_int_equal(grubenv_set(block, "a", "5"), 0);
	expect_block(SIG "a=5\nb=2\n");
}

static void set_reads_back_each_byte_value(void **state)
{
	char value[2] = "";

	(void)state;
	for (unsigned c = 1; c < 256; c++) {
		value[0] = (char)c;
		grubenv_init(block);
		assert_int_equal(grubenv_set(block, "a", value), 0);
		expect_read("a", value);
		assert_int_equal(grubenv_check(block, sizeof(block)), 0);
	}
}

static void unset_removes_all_of_a_name(void **state)
{
	(void)state;
	given(SIG "a=1\nb=2\na=3\n");
	assert_int_equal(grubenv_unset(block, "a"), 0);
	expect_block(SIG "b=2\n");
	assert_int_equal(grubenv_unset(block, "a"), 0);
	expect_block(SIG "b=2\n");
}

static void names_that_cannot_be_held_are_refused(void **state)
{
	static const char *const bad[] = {"", "a=b", "a\nb", "\n", "#a", "="};
	static const char *const good[] = {"a", "a#", "a b", "a\\", " ", "\xc3\xa9", "a:b", "\t"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		grubenv_init(block);
		assert_false(grubenv_name_valid(bad[i]));
		assert_int_equal(grubenv_set(block, bad[i], "1"), -EINVAL);
		assert_int_equal(grubenv_unset(block, bad[i]), -EINVAL);
		expect_block(SIG);
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		grubenv_init(block);
		assert_true(grubenv_name_valid(good[i]));
		assert_int_equal(grubenv_set(block, good[i], "1"), 0);
		expect_read(good[i], "1");
	}
}

static void a_full_block_takes_no_more_and_is_unchanged(void **state)
{
	char fill[GRUBENV_SIZE], before[GRUBENV_SIZE];
	/* What is left beside the signature, "a=1\n", "f=" and its newline. */
	size_t n = GRUBENV_SIZE - strlen(SIG) - 4 - 3;

	(void)state;
	memset(fill, 'x', sizeof(fill));
	grubenv_init(block);
	assert_int_equal(grubenv_set(block, "a", "1"), 0);
	fill[n + 1] = '\0';
	assert_int_equal(grubenv_set(block, "f", fill), -ENOSPC);
	expect_block(SIG "a=1\n");
	fill[n] = '\0';
	assert_int_equal(grubenv_set(block, "f", fill), 0);
	assert_int_equal(grubenv_check(block, sizeof(block)), 0);

	memcpy(before, block, sizeof(block));
	assert_int_equal(grubenv_set(block, "a", "12"), -ENOSPC);
	assert_int_equal(grubenv_set(block, "b", ""), -ENOSPC);
	/* One byte too many through an escape. */
	assert_int_equal(grubenv_set(block, "a", "\\"), -ENOSPC);
	assert_memory_equal(block, before, sizeof(block));
	assert_int_equal(grubenv_set(block, "a", "2"), 0);
	expect_read("a", "2");
}

static void a_newline_behind_the_padding_does_not_fill_the_block(void **state)
{
	(void)state;
	given(SIG "# note\na=1\n");
	block[GRUBENV_SIZE - 1] = '\n';
	assert_int_equal(grubenv_check(block, sizeof(block)), 0);
	assert_int_equal(grubenv_set(block, "a", "2"), 0);
	assert_int_equal(block[GRUBENV_SIZE - 1], '\n'); /* nothing had to give way */
	assert_int_equal(grubenv_set(block, "a", "longer"), 0);
	expect_block(SIG "# note\na=longer\n");

	memset(block + 512, '\n', 512);
	assert_int_equal(grubenv_set(block, "b", "1"), 0);
	expect_block(SIG "# note\na=longer\nb=1\n");
}

static void shrinking_in_a_full_block_pads_its_end(void **state)
{
	char fill[GRUBENV_SIZE];
	size_t n = GRUBENV_SIZE - strlen(SIG) - 9 - 3;

	(void)state;
	grubenv_init(block);
	memset(fill, 'x', sizeof(fill));
	fill[n] = '\0';
	assert_int_equal(grubenv_set(block, "a", "123456"), 0);
	assert_int_equal(grubenv_set(block, "f", fill), 0);
	assert_true(block[GRUBENV_SIZE - 1] == '\n');
	assert_int_equal(grubenv_set(block, "a", "1"), 0);
	assert_memory_equal(block + GRUBENV_SIZE - 6, "\n#####", 6);
	expect_read("f", fill);
}

static void a_damaged_block_is_not_changed(void **state)
{
	(void)state;
	given(SIG "a=1");
	assert_int_equal(grubenv_set(block, "a", "2"), -EUCLEAN);
	assert_int_equal(grubenv_unset(block, "a"), -EUCLEAN);
	expect_block(SIG "a=1");
	given("a=1\n");
	assert_int_equal(grubenv_set(block, "a", "2"), -EBADMSG);
	expect_block("a=1\n");
}

static void repair_keeps_a_good_block(void **state)
{
	static const char lines[] = SIG "# note\na=1\na=2\n";
	char copy[GRUBENV_SIZE];

	(void)state;
	given(lines);
	assert_false(grubenv_repair(block, sizeof(block), copy));
	assert_memory_equal(copy, block, sizeof(block));
}

static void repair_carries_variables_over(void **state)
{
	static const char damaged[] =
		"resin_root_part=A\nwords\n=x\nbootcount=1\nresin_root_part=B\n"
		"esc=a\\bc\\\\\ncut=off";

	(void)state;
	assert_true(grubenv_repair(damaged, strlen(damaged), block));
	expect_block(SIG "bootcount=1\nresin_root_part=B\nesc=abc\\\\\n");
}

static void repair_of_nothing_is_an_empty_block(void **state)
{
	(void)state;
	assert_true(grubenv_repair(NULL, 0, block));
	expect_block(SIG);
	assert_true(grubenv_repair("", 0, block));
	expect_block(SIG);
}

static void repair_leaves_out_only_what_does_not_fit(void **state)
{
	char damaged[3 * GRUBENV_SIZE];
	size_t n = 0;

	(void)state;
	n += (size_t)snprintf(damaged, sizeof(damaged), "a=1\nlong=");
	memset(damaged + n, 'x', 2 * GRUBENV_SIZE);
	n += 2 * GRUBENV_SIZE;
	n += (size_t)snprintf(damaged + n, sizeof(damaged) - n, "\nb=2\n");
	assert_true(grubenv_repair(damaged, n, block));
	expect_block(SIG "a=1\nb=2\n");
}

/* A small generator of our own: the same numbers on every C library. */
static unsigned next_random(unsigned below)
{
	static uint32_t x = 1;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x % below;
}

/* Random operations against a model: an array of name and value. */
static void random_edits_match_a_model(void **state)
{
	static const char alphabet[] = "\\\n#=a ";
	enum { NAMES = 8, STEPS = 20000 };
	char model[NAMES][64];
	bool there[NAMES] = {false};
	unsigned refused = 0;

	(void)state;
	grubenv_init(block);
	for (int step = 0; step < STEPS; step++) {
		unsigned i = next_random(NAMES), len = next_random(63);
		char name[2] = {(char)('a' + i), '\0'}, value[64];
		int r;

		for (unsigned c = 0; c < len; c++)
			value[c] = alphabet[next_random(sizeof(alphabet) - 1)];
		value[len] = '\0';
		if (next_random(4) == 0) {
			assert_int_equal(grubenv_unset(block, name), 0);
			there[i] = false;
		} else {
			/* Long values in several names: full blocks are met too. */
			char wide[5 * 64];

			(void)snprintf(wide, sizeof(wide), "%s%s%s%s%s", value, value, value, value,
				       value);
			r = grubenv_set(block, name, i < 4 ? wide : value);
			if (r == 0 && i >= 4) {
				there[i] = true;
				memcpy(model[i], value, sizeof(value));
			} else if (r < 0) {
				assert_int_equal(r, -ENOSPC);
				refused++;
			}
		}
		assert_int_equal(grubenv_check(block, sizeof(block)), 0);
		for (unsigned k = 4; k < NAMES; k++) {
			char other[2] = {(char)('a' + k), '\0'};

			if (there[k])
				expect_read(other, model[k]);
			else
				expect_absent(other);
		}
	}
	/* Else no full block was met. */
	assert_true(refused > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_block_is_signature_and_padding),
		cmocka_unit_test(check_names_what_is_wrong),
		cmocka_unit_test(check_wants_exactly_1024_bytes),
		cmocka_unit_test(next_walks_variables_in_order),
		cmocka_unit_test(a_line_that_nothing_ends_is_no_variable),
		cmocka_unit_test(variables_are_read_without_signature),
		cmocka_unit_test(nothing_is_read_from_no_bytes),
		cmocka_unit_test(a_value_that_does_not_fit_is_refused),
		cmocka_unit_test(of_a_name_that_stands_twice_the_last_counts),
		cmocka_unit_test(a_name_is_matched_whole),
		cmocka_unit_test(a_comment_line_that_ends_in_a_backslash_hides_the_next),
		cmocka_unit_test(a_nul_ends_a_value),
		cmocka_unit_test(set_appends_and_replaces_in_place),
		cmocka_unit_test(set_keeps_comments_and_odd_lines),
		cmocka_unit_test(set_escapes_backslash_and_newline),
		cmocka_unit_test(set_leaves_one_of_several_of_a_name),
		cmocka_unit_test(set_reads_back_each_byte_value),
		cmocka_unit_test(unset_removes_all_of_a_name),
		cmocka_unit_test(names_that_cannot_be_held_are_refused),
		cmocka_unit_test(a_full_block_takes_no_more_and_is_unchanged),
		cmocka_unit_test(a_newline_behind_the_padding_does_not_fill_the_block),
		cmocka_unit_test(shrinking_in_a_full_block_pads_its_end),
		cmocka_unit_test(a_damaged_block_is_not_changed),
		cmocka_unit_test(repair_keeps_a_good_block),
		cmocka_unit_test(repair_carries_variables_over),
		cmocka_unit_test(repair_of_nothing_is_an_empty_block),
		cmocka_unit_test(repair_leaves_out_only_what_does_not_fit),
		cmocka_unit_test(random_edits_match_a_model),
	};

	return cmocka_run_group_tests_name("grubenv", tests, NULL, NULL);
}
