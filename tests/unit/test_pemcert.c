/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Certificates out of PEM: lib/base/pemcert.c. The certificate was made with openssl(1). */
#include "pemcert.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

#define BEGIN "-----BEGIN CERTIFICATE-----\n"
#define END "-----END CERTIFICATE-----\n"
#define BODY                                                                 \
	"MIIBeDCCAR+gAwIBAgIUFg/15yqKeAiNc09xX26sYSBAGJwwCgYIKoZIzj0EAwIw\n" \
	"EjEQMA4GA1UEAwwHVGVzdCBDQTAeFw0yNjExMjMwODMzMjRaFw0zNjExMjAwODMz\n" \
	"MjRaMBIxEDAOBgNVBAMMB1Rlc3QgQ0EwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n" \
	"AATj4CGN9Brn29HVcpg2cNw33JidNWUorXb1E4pvgQf10E1n3Qv1Ok08KT+jCvi8\n" \
	"k1ZDX9p4dGrwFnBpd+rKbhPmo1MwUTAdBgNVHQ4EFgQU5hJ+ZEwFZ4KSss6FHN48\n" \
	"yX1+Oy4wHwYDVR0jBBgwFoAU5hJ+ZEwFZ4KSss6FHN48yX1+Oy4wDwYDVR0TAQH/\n" \
	"BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiAJSrXIktzebqDv/YWSrHtA8WOA8a7h\n" \
	"VfN9MPTequvBlQIgOwvMux/UznyD/or0cgQuIjLg5atY3sqDGr/bHj4a3+k=\n"
#define CERTIFICATE BEGIN BODY END

static uint8_t der[PEMCERT_MAX];
static size_t size;
static const char *why;

/* Number of certificates in a text, or the error. */
static int count(const char *text, size_t len)
{
	struct slice all = slice_of(exact(text, len), len);
	size_t pos = 0;
	int r, n = 0;

	why = NULL;
	while ((r = pemcert_next(all, &pos, der, &size, &why)) > 0)
		n++;
	return r < 0 ? r : n;
}

static void refuse(const char *text, const char *reason)
{
	if (count(text, strlen(text)) != -EBADMSG || !streq(why, reason))
		fail_msg("%s: %s instead of %s", text, why, reason);
}

static void certificates_are_found_between_texts(void **state)
{
	static const struct {
		const char *text;
		int n;
	} cases[] = {
		{"", 0},
		{"nothing here\n", 0},
		{CERTIFICATE, 1},
		{CERTIFICATE CERTIFICATE, 2},
		{"Subject: x\r\n" CERTIFICATE "\n\nand\n" CERTIFICATE "end", 2},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(count(cases[i].text, strlen(cases[i].text)), cases[i].n);
}

static void what_is_written_is_what_was_read(void **state)
{
	char text[PEMCERT_TEXT_SIZE(1000)];
	size_t len;

	(void)state;
	assert_int_equal(count(CERTIFICATE, strlen(CERTIFICATE)), 1);
	assert_true(size < 1000);
	len = pemcert_write(der, size, text);
	assert_int_equal(len, strlen(CERTIFICATE));
	assert_string_equal(text, CERTIFICATE);
	for (size_t n = 1; n < 200; n++) {
		char *buf = malloc(PEMCERT_TEXT_SIZE(n));

		len = pemcert_write(der, n, buf);
		assert_int_equal(len, strlen(buf));
		assert_int_equal(PEMCERT_TEXT_SIZE(n), strlen(buf) + 1);
		free(buf);
	}
}

static void anything_else_in_pem_is_refused(void **state)
{
	(void)state;
	refuse("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
	       "something else in PEM than a certificate");
	refuse(CERTIFICATE "-----BEGIN EC PRIVATE KEY-----\n",
	       "something else in PEM than a certificate");
	refuse("-----BEGIN CERTIFICATE REQUEST-----\n", "something else in PEM than a certificate");
	refuse("-----BEGIN TRUSTED CERTIFICATE-----\n", "something else in PEM than a certificate");
	refuse("-----BEGIN ", "something else in PEM than a certificate");
	refuse(BEGIN BODY, "a certificate without an end");
	refuse(BEGIN "AAA!" END, "a certificate that is not in base64");
	refuse(BEGIN END, "a certificate that is none inside");
	refuse(BEGIN "MAA=" END, "a certificate that is none inside");
	refuse("\x01" CERTIFICATE, "bytes that are no text");
	refuse(CERTIFICATE "\xff", "bytes that are no text");
}

/* Cut anywhere, or with a byte more. */
static void a_certificate_has_one_length(void **state)
{
	uint8_t whole[1000];
	size_t len;

	(void)state;
	assert_int_equal(count(CERTIFICATE, strlen(CERTIFICATE)), 1);
	len = size;
	memcpy(whole, der, len);
	assert_int_equal(pemcert_check(exact(whole, len), len), 0);
	for (size_t n = 0; n < len; n++)
		assert_int_equal(pemcert_check(exact(whole, n), n), -EBADMSG);
	whole[len] = 0;
	assert_int_equal(pemcert_check(exact(whole, len + 1), len + 1), -EBADMSG);
}

/* Any change of a header: tags and lengths of the outer parts. */
static void a_changed_header_is_noticed(void **state)
{
	uint8_t whole[1000];
	size_t len;

	(void)state;
	assert_int_equal(count(CERTIFICATE, strlen(CERTIFICATE)), 1);
	len = size;
	memcpy(whole, der, len);
	/* SEQUENCE and its length, SEQUENCE (what is signed) and its length, version's tag. */
	for (size_t i = 0; i < 9; i++)
		for (int bit = 0; bit < 8; bit++) {
			whole[i] = (uint8_t)(whole[i] ^ 1 << bit);
			if (pemcert_check(exact(whole, len), len) == 0)
				fail_msg("byte %zu, bit %d", i, bit);
			whole[i] = (uint8_t)(whole[i] ^ 1 << bit);
		}
}

static void no_certificate_is_too_large(void **state)
{
	size_t body = (PEMCERT_MAX + 3) / 3 * 4;
	char *text = malloc(strlen(BEGIN) + body + strlen(END) + 1);

	(void)state;
	strcpy(text, BEGIN);
	memset(text + strlen(BEGIN), 'A', body);
	strcpy(text + strlen(BEGIN) + body, END);
	refuse(text, "a certificate that is not in base64");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_are_found_between_texts),
		cmocka_unit_test(what_is_written_is_what_was_read),
		cmocka_unit_test(anything_else_in_pem_is_refused),
		cmocka_unit_test(a_certificate_has_one_length),
		cmocka_unit_test(a_changed_header_is_noticed),
		cmocka_unit_test(no_certificate_is_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
