/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of partitions, lib/base/partname.c. */
#include "partname.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "macro.h"

static void every_prefix_and_name_gives_its_role(void **state)
{
	static const char *const prefixes[] = {"tug", "resin", "balena"};
	static const char *const names[] = {"boot",  "efi",  "rootA",	"rootB",
					    "state", "data", "recovery"};
	char label[32];

	(void)state;
	for (unsigned p = 0; p < ARRAY_SIZE(prefixes); p++)
		for (unsigned n = 0; n < ARRAY_SIZE(names); n++) {
			unsigned prefix = 99;

			(void)snprintf(label, sizeof(label), "%s-%s", prefixes[p], names[n]);
			assert_int_equal(partname_role(label, &prefix), PART_BOOT + n);
			assert_int_equal(prefix, p);
			assert_string_equal(partname_of(PART_BOOT + n), names[n]);
		}
}

static void case_is_ignored_because_fat_tools_change_it(void **state)
{
	(void)state;
	assert_int_equal(partname_role("RESIN-BOOT", NULL), PART_BOOT);
	assert_int_equal(partname_role("resin-roota", NULL), PART_ROOT_A);
}

static void other_names_have_no_role(void **state)
{
	static const char *const others[] = {"",	   "boot",	 "tug",	      "tug-",
					     "tug-boots",  "tug-rootC",	 "xtug-boot", "tugboot",
					     "tug_rootA",  "EFI System", "tug-boot ", " tug-rootA",
					     "resin-root", "tug--boot"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(partname_role(others[i], NULL), PART_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_prefix_and_name_gives_its_role),
		cmocka_unit_test(case_is_ignored_because_fat_tools_change_it),
		cmocka_unit_test(other_names_have_no_role),
	};

	return cmocka_run_group_tests_name("partname", tests, NULL, NULL);
}
