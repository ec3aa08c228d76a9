/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The outer form of sealed objects: lib/base/tpmblob.c. */
#include "tpmblob.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base64.h"
#include "exact.h"
#include "macro.h"

/* What systemd-cryptenroll 252 sealed on PCR 7 of a software TPM. */
static const char sample[] =
	"009e0020218e591ff4558ffb84df1954ff977c4065d15b5073f4d4b16f28a5110b3824360010b26556dcee34"
	"c719abab67c8466a87a315283ef90441d669bbce4e226482bfd861450fe79f14d2b1c27ad07132a55e1c6e27"
	"9ed4feaba106b429b6576f47c9fc958e8d0eecc3987c511fe64c11a96b4fb81bc235be22e9ce1fcfd2a0ceb7"
	"526f17b872a2e5ff2a7c3d372d1734e91408c03d81629eb84bbeba54"
	"004e0008000b0000001200208b5682d81b29435d08d79278150611dc7e5923b2fefcce684a09577b40130a8b"
	"00100020e9dc191c49fb03aaf54772387ff2139a0e04a398cc2afdceaa536ca1b7c2e329";

enum {
	PRIVATE_SIZE = 0x9e,
	PUBLIC_AT = 2 + PRIVATE_SIZE,
	TYPE_AT = PUBLIC_AT + 2,
	NAME_ALG_AT = TYPE_AT + 2,
	ATTRIBUTES_AT = NAME_ALG_AT + 2,
	POLICY_AT = ATTRIBUTES_AT + 6,
	SCHEME_AT = POLICY_AT + 32,
	UNIQUE_AT = SCHEME_AT + 4,
	SIZE = UNIQUE_AT + 32,
};

static uint8_t blob[SIZE + 16];
static struct tpmblob parsed;
static const char *what;

static void given_blob(void)
{
	size_t size;

	assert_int_equal(hex_decode(sample, strlen(sample), blob, sizeof(blob), &size), 0);
	assert_int_equal(size, SIZE);
	parsed = (struct tpmblob){0};
	what = NULL;
}

static int parse(size_t size)
{
	int r;

	parsed = (struct tpmblob){0};
	what = NULL;
	r = tpmblob_parse(exact(blob, size), size, &parsed, &what);
	if (r < 0) {
		assert_non_null(what);
		assert_null(parsed.policy);
		assert_null(parsed.private_area.data);
	} else {
		assert_null(what);
	}
	return r;
}

static void expect_refused(const char *reason)
{
	assert_int_equal(parse(SIZE), -EBADMSG);
	assert_string_equal(what, reason);
	given_blob();
}

static void what_systemd_sealed_is_read(void **state)
{
	(void)state;
	given_blob();
	assert_int_equal(parse(SIZE), 0);
	assert_int_equal(parsed.private_area.len, PRIVATE_SIZE);
	assert_memory_equal(parsed.private_area.data, blob + 2, PRIVATE_SIZE);
	assert_int_equal(parsed.public_area.len, 0x4e);
	assert_memory_equal(parsed.public_area.data, blob + TYPE_AT, 0x4e);
	assert_memory_equal(parsed.policy, blob + POLICY_AT, TPMBLOB_POLICY_SIZE);
	assert_false(parsed.noda);
}

static void an_object_that_wrong_answers_do_not_count_for_is_told_apart(void **state)
{
	(void)state;
	given_blob();
	blob[ATTRIBUTES_AT + 2] |= 0x04;
	assert_int_equal(parse(SIZE), 0);
	assert_true(parsed.noda);
}

static void a_blob_that_is_cut_or_longer_is_refused(void **state)
{
	(void)state;
	given_blob();
	for (size_t size = 0; size < SIZE; size++)
		assert_int_equal(parse(size), -EBADMSG);
	for (size_t size = SIZE + 1; size <= sizeof(blob); size++)
		assert_int_equal(parse(size), -EBADMSG);
}

/* The sizes within the blob, each of them off by one both ways. */
static void sizes_are_exact(void **state)
{
	static const size_t sizes[] = {1, PUBLIC_AT + 1, POLICY_AT - 1, UNIQUE_AT - 1};

	(void)state;
	given_blob();
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		blob[sizes[i]]++;
		assert_int_equal(parse(SIZE), -EBADMSG);
		blob[sizes[i]] -= 2;
		assert_int_equal(parse(SIZE), -EBADMSG);
		blob[sizes[i]]++;
	}
	assert_int_equal(parse(SIZE), 0);
}

/* A bit anywhere but in the contents: 1 of all others, noDA, may be either. */
static void no_other_bit_of_the_public_area_may_differ(void **state)
{
	unsigned accepted = 0;

	(void)state;
	given_blob();
	for (size_t bit = 0; bit < (size_t)SIZE * 8; bit++) {
		size_t at = bit / 8;
		bool contents = (at >= 2 && at < PUBLIC_AT) ||
				(at >= POLICY_AT && at < SCHEME_AT) || at >= UNIQUE_AT;

		blob[at] ^= (uint8_t)(1u << bit % 8);
		if (parse(SIZE) == 0 && !contents)
			accepted++;
		else
			assert_int_equal(parse(SIZE), contents ? 0 : -EBADMSG);
		blob[at] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(accepted, 1);
}

static void a_refusal_says_what_is_wrong(void **state)
{
	(void)state;
	given_blob();
	blob[TYPE_AT + 1] = 0x01; /* RSA */
	expect_refused("not sealed data");
	blob[NAME_ALG_AT + 1] = 0x04; /* SHA-1 */
	expect_refused("name algorithm is not SHA-256");
	blob[ATTRIBUTES_AT + 3] |= 0x40; /* userWithAuth */
	expect_refused("attributes allow more than a policy does");
	blob[ATTRIBUTES_AT + 3] &= (uint8_t)~0x02; /* not fixedTPM */
	expect_refused("attributes allow more than a policy does");
	blob[ATTRIBUTES_AT + 1] = 0x04; /* sign */
	expect_refused("attributes allow more than a policy does");
	blob[SCHEME_AT + 1] = 0x05; /* HMAC */
	expect_refused("not sealed data");
}

/* An object without a policy is open to who knows its authorisation, as here: nobody's, empty. */
static void an_object_without_a_policy_is_refused(void **state)
{
	(void)state;
	given_blob();
	memmove(blob + POLICY_AT, blob + SCHEME_AT, SIZE - SCHEME_AT);
	blob[POLICY_AT - 1] = 0;
	blob[PUBLIC_AT + 1] -= 32;
	assert_int_equal(parse(SIZE - 32), -EBADMSG);
	assert_string_equal(what, "no policy of SHA-256's size");
}

static void an_empty_private_area_is_refused(void **state)
{
	(void)state;
	given_blob();
	memmove(blob + 2, blob + PUBLIC_AT, SIZE - PUBLIC_AT);
	blob[1] = 0;
	assert_int_equal(parse(SIZE - PRIVATE_SIZE), -EBADMSG);
	assert_string_equal(what, "no private area");
}

static void the_reason_may_be_left_out(void **state)
{
	(void)state;
	assert_int_equal(tpmblob_parse(NULL, 0, &parsed, NULL), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_systemd_sealed_is_read),
		cmocka_unit_test(an_object_that_wrong_answers_do_not_count_for_is_told_apart),
		cmocka_unit_test(a_blob_that_is_cut_or_longer_is_refused),
		cmocka_unit_test(sizes_are_exact),
		cmocka_unit_test(no_other_bit_of_the_public_area_may_differ),
		cmocka_unit_test(a_refusal_says_what_is_wrong),
		cmocka_unit_test(an_object_without_a_policy_is_refused),
		cmocka_unit_test(an_empty_private_area_is_refused),
		cmocka_unit_test(the_reason_may_be_left_out),
	};

	return cmocka_run_group_tests_name("tpmblob", tests, NULL, NULL);
}
