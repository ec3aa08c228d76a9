/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Version order: lib/base/vercmp.c. */
#include "vercmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "macro.h"

static int sign(int r)
{
	return (r > 0) - (r < 0);
}

/* In copies of exactly their size, so that reading past either end is seen. */
static int compare(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	char *x = malloc(n + 1), *y = malloc(m + 1);
	int r;

	assert_non_null(x);
	assert_non_null(y);
	/* At the end of the allocation. */
	memcpy(x + 1, a, n);
	memcpy(y + 1, b, m);
	r = sign(vercmp_slice(slice_of(x + 1, n), slice_of(y + 1, m)));
	free(x);
	free(y);
	assert_int_equal(r, sign(vercmp(a, b)));
	return r;
}

static void expect(const char *a, int r, const char *b)
{
	if (compare(a, b) != r || compare(b, a) != -r)
		fail_msg("'%s' against '%s': %d and back %d, expected %d", a, b, compare(a, b),
			 compare(b, a), r);
}

static void examples_of_the_specification_hold(void **state)
{
	(void)state;
	expect("11", 0, "11");
	expect("systemd-123", 0, "systemd-123");
	expect("bar-123", -1, "foo-123");
	expect("123a", 1, "123");
	expect("123.a", 1, "123");
	expect("123.a", -1, "123.b");
	expect("123a", 1, "123.a");
	expect("11\xce\xb1", 0, "11\xce\xb2");
	expect("B", -1, "a");
	expect("", -1, "0");
	expect("0.", 1, "0");
	expect("0.0", 1, "0");
	expect("0", 1, "~");
	expect("", 1, "~");
	expect("1_", 0, "1");
	expect("_1", 0, "1");
	expect("1_", -1, "1.2");
	expect("1_2_3", 1, "1.3.3");
	expect("1+", 0, "1");
	expect("+1", 0, "1");
	expect("1+", -1, "1.2");
	expect("1+2+3", 1, "1.3.3");
}

static void each_of_a_list_in_order_is_newer_than_all_before(const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			expect(list[i], (i > j) - (i < j), list[j]);
}

static void the_chain_of_the_specification_is_in_order(void **state)
{
	static const char *const chain[] = {
		"122.1",   "123~rc1-1", "123",	   "123-a",   "123-a.1", "123-1",
		"123-1.1", "123^post1", "123.a-1", "123.1-1", "123a-1",	 "124-1",
	};

	(void)state;
	each_of_a_list_in_order_is_newer_than_all_before(chain, ARRAY_SIZE(chain));
}

static void kernel_releases_are_in_order(void **state)
{
	static const char *const releases[] = {
		"0-rescue-6a9857a393724b7a981ebb5b8495b9ea",
		"5.10.0-9-amd64",
		"5.10.0-10-amd64",
		"6.1.0-9-amd64",
		"6.1.0-56-amd64",
		"6.1.0-56-cloud-amd64",
		"6.1.0-57-amd64",
		"6.12~rc7-amd64",
		"6.12-amd64",
		"6.12.9-amd64",
		"6.12.10-amd64",
		"6.12.10-200.fc41.x86_64",
	};

	(void)state;
	each_of_a_list_in_order_is_newer_than_all_before(releases, ARRAY_SIZE(releases));
}

static void numbers_of_any_length_compare_as_numbers(void **state)
{
	char a[2001], b[2001];

	(void)state;
	expect("18446744073709551616", 1, "18446744073709551615");
	expect("99999999999999999999", -1, "100000000000000000000");
	expect("007", 0, "7");
	expect("00", 0, "0");
	expect("1.00", 0, "1.0");
	expect("a0", 0, "a00");
	memset(a, '9', sizeof(a));
	memset(b, '9', sizeof(b));
	a[2000] = b[2000] = '\0';
	expect(a, 0, b);
	b[1999] = '8';
	expect(a, 1, b);
	b[1999] = '\0';
	expect(a, 1, b);
}

static void marks_are_passed_over_in_pairs(void **state)
{
	(void)state;
	expect("1--2", 0, "1--2");
	expect("1--2", -1, "1-2");
	expect("1..2", -1, "1.2");
	expect("~~", 1, "~"); /* the second mark is only more text */
	expect("~~a", -1, "~a");
	expect("^", 1, "");
	expect("1^", 1, "1");
	expect("1^1", -1, "1.1");
	expect("1-", -1, "1-2");
	expect("1.", -1, "1.a");
	expect("-", 1, "");
	expect("-", -1, "^");
	expect("-", -1, ".");
	expect("^", -1, ".");
}

static void what_is_no_part_of_a_version_separates(void **state)
{
	(void)state;
	expect("+/_:", 0, "");
	expect("a_b", 0, "a+b");
	expect("a_b", -1, "ab");
	expect("1\n2", 0, "1:2");
	expect("\x80\xff", 0, "");
	/* Next to the letters and digits on either side. */
	expect("@[`{/:", 0, "");
	for (const char *c = "azAZ09"; *c; c++)
		expect((char[]){*c, '\0'}, 1, "");
}

static void slices_may_hold_nul_and_be_empty(void **state)
{
	(void)state;
	assert_int_equal(vercmp_slice((struct slice){NULL, 0}, (struct slice){NULL, 0}), 0);
	assert_true(vercmp_slice((struct slice){NULL, 0}, slice_str("1")) < 0);
	assert_true(vercmp_slice(slice_str("~"), (struct slice){NULL, 0}) < 0);
	assert_int_equal(vercmp_slice(slice_of("1\0"
					       "2",
					       3),
				      slice_str("1_2")),
			 0);
	assert_int_equal(vercmp_slice(slice_of("12", 1), slice_str("1")), 0);
}

/*
 * All strings of an alphabet up to a length. rank[i] is the number of strings older than string
 * i: if every comparison is that of the ranks, the order is antisymmetric and transitive.
 */
static size_t check_order(const char *alphabet, unsigned length)
{
	static char all[1000][8];
	static unsigned rank[1000];
	size_t base = strlen(alphabet), n = 0;

	for (unsigned len = 0; len <= length; len++) {
		size_t count = 1;

		for (unsigned i = 0; i < len; i++)
			count *= base;
		for (size_t i = 0; i < count; i++, n++) {
			size_t rest = i;

			assert_true(n < ARRAY_SIZE(all));
			for (unsigned j = 0; j < len; j++, rest /= base)
				all[n][j] = alphabet[rest % base];
			all[n][len] = '\0';
		}
	}
	for (size_t i = 0; i < n; i++) {
		rank[i] = 0;
		for (size_t j = 0; j < n; j++)
			rank[i] += vercmp(all[j], all[i]) < 0;
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			if (sign(vercmp(all[i], all[j])) !=
			    (rank[i] > rank[j]) - (rank[i] < rank[j]))
				fail_msg("'%s' against '%s': %d, ranks %u and %u", all[i], all[j],
					 vercmp(all[i], all[j]), rank[i], rank[j]);
	return n;
}

/* qsort(3) relies on it. */
static void all_short_strings_can_be_put_in_order(void **state)
{
	size_t n = 0;

	(void)state;
	n += check_order("01aB-.~^_", 3);
	n += check_order("0a~_-", 4);
	n += check_order("1._a", 4);
	print_message("vercmp: %zu strings in order\n", n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_the_specification_hold),
		cmocka_unit_test(the_chain_of_the_specification_is_in_order),
		cmocka_unit_test(kernel_releases_are_in_order),
		cmocka_unit_test(numbers_of_any_length_compare_as_numbers),
		cmocka_unit_test(marks_are_passed_over_in_pairs),
		cmocka_unit_test(what_is_no_part_of_a_version_separates),
		cmocka_unit_test(slices_may_hold_nul_and_be_empty),
		cmocka_unit_test(all_short_strings_can_be_put_in_order),
	};

	return cmocka_run_group_tests_name("vercmp", tests, NULL, NULL);
}
