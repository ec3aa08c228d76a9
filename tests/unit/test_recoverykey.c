/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recovery keys as text: hostos-agents/recoverykey.c. */
#include "recoverykey.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

/* 01 23 45 67 89 ab cd ef f7 f6 … f0 ef … e0, its digits put through tr(1) from 0-9a-f to
 * cbdefghijklnrtuv. */
static const char sample[] =
	"cbdefghi-jklnrtuv-vivhvgvf-vevdvbvc-uvuuutur-unulukuj-uiuhuguf-ueudubuc";

static void each_half_byte_is_a_letter_and_four_bytes_are_a_group(void **state)
{
	uint8_t bytes[RECOVERYKEY_BYTES];
	char text[RECOVERYKEY_SIZE + 1];

	(void)state;
	for (unsigned i = 0; i < RECOVERYKEY_BYTES; i++)
		bytes[i] = (uint8_t)(i < 8 ? 0x01 + 0x22 * i : 0xff - i);
	recoverykey_format(exact(bytes, sizeof(bytes)), text);
	assert_string_equal(text, sample);
	assert_int_equal(strlen(text), RECOVERYKEY_SIZE);
}

static int check(const char *text, size_t len)
{
	return recoverykey_check(exact(text, len), len);
}

static void only_this_form_is_a_key(void **state)
{
	char text[sizeof(sample)];

	(void)state;
	assert_int_equal(check(sample, RECOVERYKEY_SIZE), 0);
	for (size_t len = 0; len < RECOVERYKEY_SIZE; len++)
		assert_int_equal(check(sample, len), -EINVAL);
	assert_int_equal(check(sample, sizeof(sample)), -EINVAL); /* with the NUL */
	for (size_t i = 0; i < RECOVERYKEY_SIZE; i++) {
		static const char others[] = {'\0', 'a', 'C', '0', ' ', '\n'};

		strcpy(text, sample);
		text[i] = sample[i] == '-' ? 'c' : '-';
		assert_int_equal(check(text, RECOVERYKEY_SIZE), -EINVAL);
		for (size_t k = 0; k < ARRAY_SIZE(others); k++) {
			text[i] = others[k];
			assert_int_equal(check(text, RECOVERYKEY_SIZE), -EINVAL);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_half_byte_is_a_letter_and_four_bytes_are_a_group),
		cmocka_unit_test(only_this_form_is_a_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
