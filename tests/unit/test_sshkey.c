/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is an SSH public key and nothing else: lib/base/sshkey.c. Keys were made with ssh-keygen. */
#include "sshkey.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base64.h"
#include "exact.h"
#include "macro.h"

#define ED25519_BLOB "AAAAC3NzaC1lZDI1NTE5AAAAICcfiTXSKGbo+EYQn0cN3vZi6UghW/LBupxbr4v4I90k"
#define ED25519 "ssh-ed25519 " ED25519_BLOB
#define ECDSA                                                                      \
	"ecdsa-sha2-nistp256 "                                                     \
	"AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBNuBmxrgb1m8ELC7iVaN" \
	"wq/9g5Gtnj/m6jSSaDNS5Zc8mp0pOasitpbSgDYUDgLrFb+HNSMk1gBRT9eosppoSUI="
#define RSA                                                                        \
	"ssh-rsa "                                                                 \
	"AAAAB3NzaC1yc2EAAAADAQABAAABgQDK2CT1E9Dxi6uvRhjgsv9BUoGV+/fuvUS/QsoAf2X2" \
	"xpFKvuMR/fs6T4dqQnZmTPccpVZsUwWq+YrkhkwJ6ziKWgCFFlRyMFPAcxXClzuRubPlKt+z" \
	"a8y88nb8yg0d3RLj2/wvY2YbSNQqT0sJNILaiZro9feL/jz9HDqCaw77ZK8GoJUiDvzHMk0S" \
	"je4bQyWPMUE5FccATByOvxo+7OrnbtfmNLEqorBGI9wCone0xjOriqI/GmwQAjKsPYMNsPJ2" \
	"aiTp3TnS82SLNTTHB0AcZZSPoDCAEO9bNDJcCRL1uJTWtjFw5/VBPEv5iz8yi5M4Zv6QLALO" \
	"IlehBfg5V8igz1nYgfrBG/wb+YuePeUydy7zIhBQBgyJKdaWahU0Kocql2TElxGItZFkdtrm" \
	"JvJCg3JQUwTovz6GaBbWqpzDoV2DENx6AOfWoFSrmL0IMeagYthFD5NBJBqUnPT+jJZzOp2E" \
	"0LtxudwQcOpumsS1FOymoReeAZAlkcyMAvIOitU="

static const char *why;

static int parse(const char *text, size_t len, struct slice *line)
{
	why = NULL;
	return sshkey_parse(slice_of(exact(text, len), len), line, &why);
}

static void expect_key(const char *text, const char *expected)
{
	struct slice line = {NULL, 0};

	if (parse(text, strlen(text), &line) < 0)
		fail_msg("%s: %s", text, why);
	assert_true(slice_is(line, expected));
}

static void refuse(const char *text, const char *reason)
{
	struct slice line = slice_str("untouched");

	if (parse(text, strlen(text), &line) != -EBADMSG || !streq(why, reason))
		fail_msg("%s: %s instead of %s", text, why, reason);
	assert_true(slice_is(line, "untouched"));
}

static void keys_as_they_are_made_pass(void **state)
{
	(void)state;
	expect_key(ED25519, ED25519);
	expect_key(ED25519 " a@b", ED25519 " a@b");
	expect_key(ED25519 " of two words", ED25519 " of two words");
	expect_key(ED25519 " a@b \r\n", ED25519 " a@b");
	expect_key(ED25519 "\n\n", ED25519);
	expect_key("ssh-ed25519\t" ED25519_BLOB "\tx\ty", "ssh-ed25519\t" ED25519_BLOB "\tx\ty");
	expect_key(RSA, RSA);
	expect_key(ECDSA " \u00e4", ECDSA " \u00e4");
}

static void options_and_other_lines_are_refused(void **state)
{
	(void)state;
	refuse("command=\"reboot\" " ED25519, "no algorithm at its beginning");
	refuse("no-pty " ED25519, "no base64 behind the algorithm");
	refuse("no-pty,cert-authority " ED25519, "no algorithm at its beginning");
	refuse(" " ED25519, "no algorithm at its beginning");
	refuse("# " ED25519, "no algorithm at its beginning");
	refuse("", "no algorithm at its beginning");
	refuse(ED25519 "\n" ED25519, "more than one line");
	refuse(ED25519 "\rcommand=\"x\" " ED25519, "more than one line");
	refuse("\n" ED25519, "more than one line");
	refuse(ED25519 " a\x1b[2J", "control characters in the comment");
	refuse(ED25519 " \xff", "control characters in the comment");
	refuse("ssh-rsa-cert-v01@openssh.com " ED25519_BLOB, "no algorithm at its beginning");
}

static void blobs_are_of_their_algorithm(void **state)
{
	(void)state;
	refuse("ssh-rsa " ED25519_BLOB, "another algorithm inside than outside");
	refuse("ssh-ed2551 " ED25519_BLOB, "another algorithm inside than outside");
	refuse("ssh-ed25519 AAAA", "cut off");
	refuse("ssh-ed25519 /////w==", "cut off");
	refuse("ssh-ed25519 " ED25519_BLOB "=", "no base64 behind the algorithm");
	refuse("ssh-ed25519", "no base64 behind the algorithm");
}

/* A key put together of parts; each of the parts has its length in one byte before
 * it (a blank is 32). */
static void make_key(const char *algorithm, const char *parts, size_t size, char *text)
{
	char blob[1024];
	size_t len = strlen(algorithm), n = 0;

	blob[0] = blob[1] = blob[2] = 0;
	blob[3] = (char)len;
	memcpy(blob + 4, algorithm, len);
	n = 4 + len;
	for (size_t i = 0; i < size; i += 1 + (unsigned char)parts[i]) {
		size_t part = (unsigned char)parts[i];

		blob[n] = blob[n + 1] = blob[n + 2] = 0;
		blob[n + 3] = (char)part;
		memcpy(blob + n + 4, parts + i + 1, part);
		n += 4 + part;
	}
	(void)sprintf(text, "%s ", algorithm);
	base64_encode(blob, n, text + strlen(text));
}

static void parts_of_a_key_are_as_many_and_of_the_form_that_it_has(void **state)
{
	static const struct {
		const char *algorithm, *parts;
		size_t size;
		bool passes;
	} cases[] = {
#define PARTS(s) s, sizeof(s) - 1
		{"ssh-rsa", PARTS("\3\1\0\1\2\0\xff"), true},
		{"ssh-rsa", PARTS("\3\1\0\1\1\xff"), false}, /* negative */
		{"ssh-rsa", PARTS("\3\1\0\1"), false},
		{"ssh-rsa", PARTS("\3\1\0\1\1\1\1\1"), false},
		{"ssh-rsa", PARTS("\3\1\0\1\0"), false},
		{"ssh-dss", PARTS("\1\1\1\1\1\1\1\1"), true},
		{"ecdsa-sha2-nistp256", PARTS("\10nistp256\3\4ab"), true},
		{"ecdsa-sha2-nistp256", PARTS("\10nistp384\3\4ab"), false},
		{"ecdsa-sha2-nistp256", PARTS("\10nistp256\3\2ab"), false},
		{"ecdsa-sha2-nistp256", PARTS("\7nistp25\3\4ab"), false},
		{"sk-ecdsa-sha2-nistp256@openssh.com", PARTS("\10nistp256\3\4ab\4ssh:"), true},
		{"sk-ssh-ed25519@openssh.com", PARTS(" 01234567890123456789012345678901\4ssh:"),
		 true},
		{"sk-ssh-ed25519@openssh.com", PARTS("\3abc\4ssh:"), false},
		/* One that is not known yet: strings. */
		{"ssh-mldsa65", PARTS("\3abc"), true},
		{"ssh-mldsa65", PARTS(""), false},
	};
	char text[2048];
	struct slice line;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make_key(cases[i].algorithm, cases[i].parts, cases[i].size, text);
		if ((parse(text, strlen(text), &line) == 0) != cases[i].passes)
			fail_msg("%zu: %s: %s", i, text, why);
	}
}

/* Any byte of the blob but those of the key itself decides. */
static void a_changed_length_or_name_is_noticed(void **state)
{
	char blob[64], text[160];
	struct slice line;
	size_t size;

	(void)state;
	assert_int_equal(
		base64_decode(ED25519_BLOB, strlen(ED25519_BLOB), blob, sizeof(blob), &size), 0);
	assert_int_equal(size, 51);
	for (size_t i = 0; i < 19; i++)
		for (int bit = 0; bit < 8; bit++) {
			blob[i] = (char)(blob[i] ^ 1 << bit);
			strcpy(text, "ssh-ed25519 ");
			base64_encode(blob, size, text + strlen(text));
			assert_int_equal(parse(text, strlen(text), &line), -EBADMSG);
			blob[i] = (char)(blob[i] ^ 1 << bit);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_as_they_are_made_pass),
		cmocka_unit_test(options_and_other_lines_are_refused),
		cmocka_unit_test(blobs_are_of_their_algorithm),
		cmocka_unit_test(parts_of_a_key_are_as_many_and_of_the_form_that_it_has),
		cmocka_unit_test(a_changed_length_or_name_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
