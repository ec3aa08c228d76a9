/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any text as a token and as a file of signatures. Input: the text. A file's first entry, where it
 * has one, is looked for by what it says itself.
 */
#include "token.h"

#include <errno.h>

#include "base64.h"
#include "crypto.h"
#include "macro.h"
#include "must.h"
#include "tpmblob.h"

static void is_printable(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	MUST(len < size);
	for (size_t i = 0; i < len; i++)
		MUST((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

static void has_branches(const struct token *token)
{
	const uint32_t all = (1u << TPM_PCRS) - 1;
	const struct tpm_sealed *sealed = &token->sealed;

	MUST(sealed->branches <= TPM_BRANCHES_MAX);
	for (unsigned i = 0; i < sealed->branches; i++) {
		const struct token_branch_hint *hint = &token->hint[i];

		MUST(sealed->branch[i].pcrs != 0 && (sealed->branch[i].pcrs & ~all) == 0);
		MUST((hint->values.pcrs & ~all) == 0 && hint->events <= TOKEN_EVENTS_MAX);
		for (unsigned e = 0; e < hint->events; e++)
			MUST(hint->event[e].pcr < TPM_PCRS);
		is_printable(hint->name, sizeof(hint->name));
	}
}

static void is_consistent(const struct token *token)
{
	const struct tpm_sealed *sealed = &token->sealed;
	bool tugboot = token->kind == TOKEN_TUGBOOT_TPM2;
	struct tpmblob blob;

	is_printable(token->type, sizeof(token->type));
	is_printable(token->role, sizeof(token->role));
	if (!tugboot && token->kind != TOKEN_SYSTEMD_TPM2) {
		MUST(!sealed->blob && !sealed->pubkey_pem && sealed->branches == 0);
		return;
	}
	MUST(sealed->blob == token->blob && sealed->noda == tugboot && sealed->has_policy_hash);
	MUST((unsigned)sealed->bank < TPM_BANK_COUNT);
	MUST(tpmblob_parse(sealed->blob, sealed->blob_size, &blob, NULL) == 0);
	MUST(memcmp(blob.policy, sealed->policy_hash, TPM_SHA256_SIZE) == 0);
	/* Only what no PIN protects may be without protection from guesses; ours then is. */
	MUST(blob.noda ? !sealed->pin : !tugboot || sealed->pin);
	has_branches(token);
	if (sealed->pubkey_pem)
		MUST(sealed->pubkey_pem == token->pem && sealed->pubkey_pcrs != 0 &&
		     sealed->pubkey_size < TOKEN_PEM_MAX &&
		     sealed->pubkey_pem[sealed->pubkey_size] == '\0');
	else
		MUST(sealed->pubkey_pcrs == 0 && sealed->pubkey_size == 0);
	if (tugboot)
		MUST(token->role[0] != '\0' && token->wrapped_size <= TOKEN_WRAPPED_MAX &&
		     (sealed->branches > 0 || sealed->pubkey_pem || sealed->pin));
	else
		MUST(sealed->branches <= 1 && token->wrapped_size == 0);
}

/* Written again it reads the same, and is written the same from then on. */
static void round_trip(const struct token *token)
{
	struct token *again;
	char *json, *json2;
	int r = token_format(token, &json);

	if (token->kind == TOKEN_UNKNOWN || token->kind == TOKEN_SYSTEMD_OTHER) {
		MUST(r == -EINVAL);
		return;
	}
	/* A text that JSON must escape may have been short as it was. */
	if (r == -EINVAL)
		return;
	MUST(r == 0);
	again = calloc(1, sizeof(*again));
	MUST(again && token_parse(json, again, NULL) == 0);
	is_consistent(again);
	MUST(again->kind == token->kind && streq(again->type, token->type));
	MUST(again->slots == token->slots && streq(again->role, token->role));
	MUST(again->sealed.blob_size == token->sealed.blob_size &&
	     memcmp(again->blob, token->blob, sizeof(token->blob)) == 0);
	MUST(memcmp(again->pem, token->pem, sizeof(token->pem)) == 0);
	MUST(again->sealed.pin == token->sealed.pin && again->sealed.bank == token->sealed.bank);
	MUST(again->sealed.primary == token->sealed.primary);
	MUST(again->sealed.branches == token->sealed.branches);
	MUST(again->wrapped_size == token->wrapped_size &&
	     memcmp(again->wrapped, token->wrapped, sizeof(token->wrapped)) == 0);
	for (unsigned i = 0; i < token->sealed.branches; i++) {
		MUST(again->sealed.branch[i].pcrs == token->sealed.branch[i].pcrs);
		MUST(memcmp(again->sealed.branch[i].digest, token->sealed.branch[i].digest,
			    TPM_SHA256_SIZE) == 0);
		MUST(streq(again->hint[i].name, token->hint[i].name));
		MUST(again->hint[i].events == token->hint[i].events);
		MUST(memcmp(&again->hint[i].values, &token->hint[i].values,
			    sizeof(token->hint[i].values)) == 0);
	}
	MUST(token_format(again, &json2) == 0 && streq(json, json2));
	free(json2);
	free(json);
	free(again);
}

/* The hexadecimal text behind this key, where there is one. */
static void find_digest(const char *json, const char *key, uint8_t digest[32])
{
	const char *at = strstr(json, key);
	size_t n;

	memset(digest, 0, 32);
	if (at && strlen(at + strlen(key)) >= 64)
		(void)hex_decode(at + strlen(key), 64, digest, 32, &n);
}

static void signatures(const char *json, size_t size, const uint8_t *exact)
{
	uint8_t fingerprint[32], policy[32], signature[256], found[256];
	size_t n = SIZE_MAX, m;
	int r;

	find_digest(json, "\"pkfp\":\"", fingerprint);
	find_digest(json, "\"pol\":\"", policy);
	r = token_signature((const char *)exact, size, TPM_BANK_SHA256, 1u << 11, fingerprint,
			    policy, signature, sizeof(signature), &n);
	MUST(r == 0 || r == -ENOENT || r == -EBADMSG);
	MUST((r == 0) == (n != SIZE_MAX));
	if (r < 0)
		return;
	MUST(n > 0 && n <= sizeof(signature));
	MUST(token_signature(json, size, TPM_BANK_SHA256, 1u << 11, fingerprint, policy, found, n,
			     &m) == 0);
	MUST(m == n && memcmp(found, signature, n) == 0);
	MUST(token_signature(json, size, TPM_BANK_SHA256, 1u << 11, fingerprint, policy, found,
			     n - 1, &m) == -EBADMSG);
	/* Another policy's it is not. */
	policy[31] ^= 1;
	r = token_signature(json, size, TPM_BANK_SHA256, 1u << 11, fingerprint, policy, found,
			    sizeof(found), &m);
	MUST(r != 0 || strstr(json, "pol") != strrchr(json, 'p'));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	/* Of their own size, so that a read past the end is seen; the second has a NUL behind
	 * it. */
	uint8_t *exact = malloc(input_size > 0 ? input_size : 1);
	char *json = malloc(input_size + 1);
	struct token *token = calloc(1, sizeof(*token));
	const char *what = NULL;
	int r;

	MUST(exact && json && token);
	if (input_size > 0) {
		memcpy(exact, input, input_size);
		memcpy(json, input, input_size);
	}
	json[input_size] = '\0';
	r = token_parse(json, token, &what);
	MUST(r == 0 || r == -EBADMSG || r == -EOPNOTSUPP);
	MUST((r < 0) == (what != NULL));
	if (r == 0) {
		is_consistent(token);
		round_trip(token);
	} else {
		MUST(token->type[0] == '\0' && !token->sealed.blob);
	}
	signatures(json, input_size, exact);
	free(token);
	free(json);
	free(exact);
	return 0;
}
