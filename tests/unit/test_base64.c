/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Base64 and hexadecimal text: lib/base/base64.c. */
#include "base64.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* RFC 4648, 10. */
static const struct {
	const char *bytes, *base64, *hex;
} vectors[] = {
	{"", "", ""},
	{"f", "Zg==", "66"},
	{"fo", "Zm8=", "666f"},
	{"foo", "Zm9v", "666f6f"},
	{"foob", "Zm9vYg==", "666f6f62"},
	{"fooba", "Zm9vYmE=", "666f6f6261"},
	{"foobar", "Zm9vYmFy", "666f6f626172"},
};

/* Decodes text that no NUL follows, into a buffer of just max bytes. */
static int decode(const char *text, size_t len, size_t max, uint8_t *buf, size_t *ret_size)
{
	char *out = malloc(max > 0 ? max : 1);
	size_t size = 12345;
	int r;

	assert_non_null(out);
	memset(out, 0xaa, max);
	r = base64_decode(exact(text, len), len, out, max, &size);
	if (r < 0) {
		assert_int_equal(size, 12345);
		for (size_t i = 0; i < max; i++)
			assert_int_equal((uint8_t)out[i], 0xaa);
	} else {
		assert_true(size <= max);
		memcpy(buf, out, size);
		*ret_size = size;
	}
	free(out);
	return r;
}

static void the_vectors_of_the_standard_hold(void **state)
{
	char text[16];
	uint8_t bytes[8];
	size_t size;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		size_t n = strlen(vectors[i].bytes);

		base64_encode(exact(vectors[i].bytes, n), n, text);
		assert_string_equal(text, vectors[i].base64);
		assert_int_equal(strlen(text), BASE64_SIZE(n));
		assert_int_equal(decode(text, strlen(text), n, bytes, &size), 0);
		assert_int_equal(size, n);
		assert_memory_equal(bytes, vectors[i].bytes, n);

		hex_encode(exact(vectors[i].bytes, n), n, text);
		assert_string_equal(text, vectors[i].hex);
		assert_int_equal(hex_decode(text, 2 * n, bytes, n, &size), 0);
		assert_int_equal(size, n);
		assert_memory_equal(bytes, vectors[i].bytes, n);
	}
}

static void every_digit_has_its_value(void **state)
{
	uint8_t bytes[3];
	size_t size;
	char text[5];

	(void)state;
	for (unsigned v = 0; v < 64; v++) {
		char group[4] = {'A', 'A', 'A', digits[v]};

		assert_int_equal(decode(group, 4, 3, bytes, &size), 0);
		assert_int_equal(bytes[2], v);
		base64_encode(bytes, 3, text);
		assert_memory_equal(text, group, 4);
	}
}

/* Every pair of bytes, at each of the ends that a group can have. */
static void all_bytes_survive_the_round_trip(void **state)
{
	(void)state;
	for (unsigned v = 0; v < 65536; v++) {
		uint8_t in[3] = {(uint8_t)(v >> 8), (uint8_t)v, (uint8_t)~v}, out[3];
		char text[8];
		size_t size = 0;

		for (size_t n = 1; n <= 3; n++) {
			base64_encode(in, n, text);
			assert_int_equal(base64_decode(text, 4, out, n, &size), 0);
			assert_int_equal(size, n);
			assert_memory_equal(in, out, n);
			hex_encode(in, n, text);
			assert_int_equal(hex_decode(text, 2 * n, out, n, &size), 0);
			assert_int_equal(size, n);
			assert_memory_equal(in, out, n);
		}
	}
}

static void no_other_character_is_a_digit(void **state)
{
	uint8_t bytes[3];
	size_t size;

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		bool digit = c != '\0' && strchr(digits, (int)c);

		for (size_t at = 0; at < 4; at++) {
			char group[4] = {'A', 'A', 'A', 'A'};
			/* At the end of a group it may be padding. */
			bool good = digit || (c == '=' && at == 3);

			group[at] = (char)c;
			assert_int_equal(decode(group, 4, 3, bytes, &size), good ? 0 : -EBADMSG);
		}
	}
}

static void each_text_is_the_only_one_of_its_bytes(void **state)
{
	static const char *const wrong[] = {
		"Zg",	    "Zg=",  "Zm9v=",	  "Zm9v====", "====",	  "=",
		"A===",	    "Zh==", "Zm9=",	  " Zm9v",    "Zm9v\n",	  "Zm 9",
		"Zg==Zg==", "Z==g", "Zm9v\nZm9v", "Zm-_",     "Zg==\r\n", "Zm9vZg=a",
	};
	uint8_t bytes[16];
	size_t size;
	unsigned decoded = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(decode(wrong[i], strlen(wrong[i]), 16, bytes, &size), -EBADMSG);
	/* Of all 4096 pairs of digits before "==", 256 stand for a byte. */
	for (unsigned v = 0; v < 4096; v++) {
		char group[4] = {digits[v >> 6], digits[v & 63], '=', '='}, again[5];

		if (decode(group, 4, 1, bytes, &size) < 0)
			continue;
		decoded++;
		base64_encode(bytes, 1, again);
		assert_memory_equal(group, again, 4);
	}
	assert_int_equal(decoded, 256);
}

static void what_does_not_fit_is_refused_before_it_is_read(void **state)
{
	uint8_t bytes[8];
	size_t size;

	(void)state;
	assert_int_equal(decode("Zm9vYg==", 8, 3, bytes, &size), -ENOSPC);
	assert_int_equal(decode("Zm9vYg==", 8, 4, bytes, &size), 0);
	assert_int_equal(decode("Zg==", 4, 0, bytes, &size), -ENOSPC);
	assert_int_equal(decode("", 0, 0, bytes, &size), 0);
	assert_int_equal(hex_decode("0011", 4, bytes, 1, &size), -ENOSPC);
	assert_int_equal(hex_decode("", 0, bytes, 0, &size), 0);
	assert_int_equal(size, 0);
}

static void hexadecimal_digits_are_of_either_case_and_in_pairs(void **state)
{
	uint8_t byte, before[2] = {0xaa, 0xaa};
	size_t size;

	(void)state;
	for (unsigned c = 0; c < 256; c++)
		for (size_t at = 0; at < 2; at++) {
			char pair[2] = {'0', '0'};
			bool digit = c != '\0' && strchr("0123456789abcdefABCDEF", (int)c);
			int r;

			pair[at] = (char)c;
			r = hex_decode(exact(pair, 2), 2, &byte, 1, &size);
			assert_int_equal(r, digit ? 0 : -EBADMSG);
			if (r == 0) {
				char one[2] = {(char)c, '\0'};

				assert_int_equal(byte, strtoul(one, NULL, 16) << (at ? 0 : 4));
			}
		}
	assert_int_equal(hex_decode("012", 3, before, 2, &size), -EBADMSG);
	assert_int_equal(hex_decode("01 2", 4, before, 2, &size), -EBADMSG);
	assert_int_equal(hex_decode("0x12", 4, before, 2, &size), -EBADMSG);
	assert_int_equal(before[0], 0xaa);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_of_the_standard_hold),
		cmocka_unit_test(every_digit_has_its_value),
		cmocka_unit_test(all_bytes_survive_the_round_trip),
		cmocka_unit_test(no_other_character_is_a_digit),
		cmocka_unit_test(each_text_is_the_only_one_of_its_bytes),
		cmocka_unit_test(what_does_not_fit_is_refused_before_it_is_read),
		cmocka_unit_test(hexadecimal_digits_are_of_either_case_and_in_pairs),
	};

	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
