/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The choice between two keepings of one environment: lib/base/envchoice.c. */
#include "envchoice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "macro.h"

static void the_table_of_the_header_holds(void **state)
{
	static const struct {
		enum env_copy copy;
		enum env_front front;
		enum env_source source;
	} rows[] = {
		{ENV_COPY_PENDING, ENV_FRONT_WHOLE, ENV_FROM_COPY},
		{ENV_COPY_PENDING, ENV_FRONT_BROKEN, ENV_FROM_COPY},
		{ENV_COPY_PENDING, ENV_FRONT_ABSENT, ENV_FROM_COPY},
		{ENV_COPY_SETTLED, ENV_FRONT_WHOLE, ENV_FROM_FRONT},
		{ENV_COPY_SETTLED, ENV_FRONT_BROKEN, ENV_FROM_COPY},
		{ENV_COPY_SETTLED, ENV_FRONT_ABSENT, ENV_FROM_COPY},
		{ENV_COPY_NONE, ENV_FRONT_WHOLE, ENV_FROM_FRONT},
		{ENV_COPY_NONE, ENV_FRONT_BROKEN, ENV_FROM_FRONT},
		{ENV_COPY_NONE, ENV_FRONT_ABSENT, ENV_FROM_NOTHING},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(env_choose(rows[i].front, rows[i].copy), rows[i].source);
}

/* What is on the disk: which values a keeping holds, or that it holds none. */
enum values { NOTHING, OLD, NEW };

static void expect(enum env_front front, enum values in_front, enum env_copy copy,
		   enum values in_copy, enum values may_be, enum values or_be)
{
	enum env_source source = env_choose(front, copy);
	enum values got = source == ENV_FROM_FRONT  ? in_front
			  : source == ENV_FROM_COPY ? in_copy
						    : NOTHING;

	assert_true(got == may_be || got == or_be);
	assert_int_not_equal(got, NOTHING);
}

/* A write that is cut leaves old values, new ones or none that can be read. After each of them what
 * is chosen is whole, and old only as long as nothing of the front was written. */
static void a_cut_in_any_of_the_four_writes_leaves_whole_values(void **state)
{
	static const enum env_copy cut_2[] = {ENV_COPY_NONE, ENV_COPY_SETTLED};
	static const enum env_copy cut_4[] = {ENV_COPY_NONE, ENV_COPY_PENDING, ENV_COPY_SETTLED};
	static const enum env_front any[] = {ENV_FRONT_ABSENT, ENV_FRONT_BROKEN, ENV_FRONT_WHOLE};

	(void)state;
	/* 1: the front is made from a copy that is settled and whole. */
	for (size_t i = 0; i < ARRAY_SIZE(any); i++)
		expect(any[i], any[i] == ENV_FRONT_WHOLE ? OLD : NOTHING, ENV_COPY_SETTLED, OLD,
		       OLD, OLD);
	/* 2: broken, still the old one, or whole and new, pending: decided, the front follows. */
	for (size_t i = 0; i < ARRAY_SIZE(cut_2); i++)
		expect(ENV_FRONT_WHOLE, OLD, cut_2[i], cut_2[i] == ENV_COPY_NONE ? NOTHING : OLD,
		       OLD, OLD);
	expect(ENV_FRONT_WHOLE, OLD, ENV_COPY_PENDING, NEW, NEW, NEW);
	/* 3: the front may be anything; a torn one may even pass as whole. */
	for (size_t i = 0; i < ARRAY_SIZE(any); i++)
		expect(any[i], NOTHING, ENV_COPY_PENDING, NEW, NEW, NEW);
	/* 4: one sector. */
	for (size_t i = 0; i < ARRAY_SIZE(cut_4); i++)
		expect(ENV_FRONT_WHOLE, NEW, cut_4[i], cut_4[i] == ENV_COPY_NONE ? NOTHING : NEW,
		       NEW, NEW);
}

static void what_another_program_wrote_is_honoured_when_it_is_whole(void **state)
{
	(void)state;
	expect(ENV_FRONT_WHOLE, NEW, ENV_COPY_SETTLED, OLD, NEW, NEW);
	/* Its write was cut: the copy replaces it. */
	expect(ENV_FRONT_BROKEN, NOTHING, ENV_COPY_SETTLED, OLD, OLD, OLD);
	expect(ENV_FRONT_ABSENT, NOTHING, ENV_COPY_SETTLED, OLD, OLD, OLD);
	/* A system that never had a copy. */
	expect(ENV_FRONT_WHOLE, OLD, ENV_COPY_NONE, NOTHING, OLD, OLD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_of_the_header_holds),
		cmocka_unit_test(a_cut_in_any_of_the_four_writes_leaves_whole_values),
		cmocka_unit_test(what_another_program_wrote_is_honoured_when_it_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
