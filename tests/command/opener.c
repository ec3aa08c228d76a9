/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a boot can open, for the tests of `tugboot enroll`: the library's own functions, as the
 * bootloader calls them, on image files and a TPM that a test started.
 *
 *   opener TCTI measure           PCR 7 as a firmware leaves it
 *   opener TCTI cap               as Tugboot leaves it
 *   opener TCTI lockout           prints the dictionary attack counter
 *   opener TCTI open PASSPHRASE PIN ROLE=FILE...
 *
 * `open` prints for each volume: its role, 1 when the passphrase opens it, how many TPM tokens do, how
 * many there are, recovery tokens, slots planned, and key slots that a boot would call weak (of 1000
 * rounds, without a token). Exit status 1 for anything that is not as expected.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "luks.h"
#include "token.h"
#include "tpm.h"
#include "volkey.h"

#define MEASURED "measured"
#define CAP "tugboot: unlocked"
#define QUICK 1000

struct count {
	unsigned passphrase, opens, tokens, recovery, planned, weak;
};

static struct tpm *must_open_tpm(const char *tcti)
{
	struct tpm *tpm = NULL;

	if (tpm_open(tcti, &tpm) < 0)
		errx(1, "tpm_open: %s", tpm_error(NULL));
	return tpm;
}

static struct secret secret_of(const char *text)
{
	struct secret secret = {0};

	if (secret_copy(text, strlen(text), &secret) < 0)
		errx(1, "no memory");
	return secret;
}

static bool opens_by_slot(struct luks *luks, const struct token *token, const struct secret *secret)
{
	_secret_ struct secret passphrase = {0};

	if (volkey_passphrase(secret, &passphrase) < 0)
		return false;
	for (int slot = 0; slot < LUKS_SLOTS; slot++) {
		_secret_ struct secret key = {0};

		if (token->slots & 1u << slot &&
		    luks_volume_key(luks, slot, &passphrase, &key) == 0)
			return true;
	}
	return false;
}

static bool opens(struct tpm *tpm, struct luks *luks, const struct luks_info *info,
		  const char *role, const struct token *token, const struct secret *pin)
{
	_secret_ struct secret secret = {0}, wrapping = {0}, key = {0};

	if (tpm_unseal(tpm, &token->sealed, token->sealed.pin ? pin : NULL, NULL, NULL, &secret,
		       NULL) < 0)
		return false;
	if (token->kind == TOKEN_SYSTEMD_TPM2)
		return opens_by_slot(luks, token, &secret);
	return volkey_derive(&secret, &wrapping) == 0 &&
	       volkey_unwrap(&wrapping, info, role, token->wrapped, token->wrapped_size, &key) ==
		       0 &&
	       luks_verify_key(luks, &key) == 0;
}

static void count_token(struct tpm *tpm, struct luks *luks, const struct luks_info *info,
			const char *role, const struct token *token, const struct secret *pin,
			struct count *count)
{
	count->planned += (unsigned)__builtin_popcount(token->planned);
	if (token->kind == TOKEN_RECOVERY)
		count->recovery++;
	if (token->kind != TOKEN_TUGBOOT_TPM2 && token->kind != TOKEN_SYSTEMD_TPM2)
		return;
	count->tokens++;
	count->opens += opens(tpm, luks, info, role, token, pin);
}

static void open_volume(struct tpm *tpm, char *volume, const struct secret *passphrase,
			const struct secret *pin)
{
	static struct token token;
	char *file = strchr(volume, '=');
	_luks_ struct luks *luks = NULL;
	_secret_ struct secret key = {0};
	struct count count = {0};
	struct luks_info info;
	uint32_t known = 0;
	const char *json, *what = "JSON";

	if (!file)
		errx(1, "%s: not ROLE=FILE", volume);
	*file++ = '\0';
	if (luks_open(file, &luks) < 0 || luks_info(luks, &info) < 0)
		errx(1, "%s: no LUKS2 header", file);
	count.passphrase = luks_volume_key(luks, -1, passphrase, &key) == 0;
	for (int i = 0; i < LUKS_TOKENS; i++) {
		if (!(info.tokens & 1u << i))
			continue;
		if (luks_token(luks, i, &json) < 0 || token_parse(json, &token, &what) < 0)
			errx(1, "%s: token %d: %s", file, i, what);
		known |= token.slots | token.planned;
		count_token(tpm, luks, &info, volume, &token, pin, &count);
	}
	for (unsigned i = 0; i < LUKS_SLOTS; i++)
		count.weak += info.slot[i].used && !info.slot[i].argon2 &&
			      info.slot[i].iterations <= QUICK && !(known & 1u << i);
	printf("%s %u %u %u %u %u %u\n", volume, count.passphrase, count.opens, count.tokens,
	       count.recovery, count.planned, count.weak);
}

int main(int argc, char **argv)
{
	_tpm_ struct tpm *tpm = argc > 2 ? must_open_tpm(argv[1]) : NULL;
	const char *verb = argc > 2 ? argv[2] : "";
	unsigned failures = 0;
	bool locked;

	if (streq(verb, "measure") || streq(verb, "cap")) {
		if (tpm_pcr_extend(tpm, 7, streq(verb, "cap") ? CAP : MEASURED) < 0)
			errx(1, "tpm_pcr_extend: %s", tpm_error(tpm));
	} else if (streq(verb, "lockout")) {
		if (tpm_lockout(tpm, &failures, &locked) < 0)
			errx(1, "tpm_lockout: %s", tpm_error(tpm));
		printf("%u\n", failures);
	} else if (streq(verb, "open") && argc > 5) {
		_secret_ struct secret passphrase = secret_of(argv[3]), pin = secret_of(argv[4]);

		for (int i = 5; i < argc; i++)
			open_volume(tpm, argv[i], &passphrase, &pin);
	} else {
		errx(1, "usage: see opener.c");
	}
	return 0;
}
