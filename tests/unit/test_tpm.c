/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sealing and unsealing with a real TPM (swtpm), PCRs, errors, and what goes over the wire. */
#include "swtpm.h"

#include "clock.h"
#include "crypto.h"
#include "tpm_internal.h"

#define SECRET "0123456789abcdef0123456789ABCDEF"

/* What is sealed, and where it is. */
struct sealing {
	struct tpm_sealed sealed;
	uint8_t blob[TPM_BLOB_MAX];
	struct tpm_pcr_values values[TPM_BRANCHES_MAX];
};

static struct secret text(const char *s)
{
	struct secret secret;

	assert_int_equal(secret_copy(s, strlen(s), &secret), 0);
	return secret;
}

/* Adds a branch for these values. */
static void add_branch(struct sealing *s, const struct tpm_pcr_values *values)
{
	struct tpm_sealed *sealed = &s->sealed;
	struct tpm_branch *branch = &sealed->branch[sealed->branches];

	memset(branch->digest, 0, sizeof(branch->digest));
	if (sealed->pubkey_pem)
		assert_int_equal(tpm_policy_authorize(branch->digest, sealed->pubkey_pem,
						      sealed->pubkey_size),
				 0);
	assert_int_equal(tpm_policy_pcr(branch->digest, values), 0);
	s->values[sealed->branches] = *values;
	branch->values = &s->values[sealed->branches];
	branch->pcrs = values->pcrs;
	sealed->bank = values->bank;
	sealed->branches++;
}

/* A branch for what the PCRs are now. */
static void add_branch_now(struct tpm *tpm, struct sealing *s, uint32_t pcrs)
{
	struct tpm_pcr_values values;

	assert_int_equal(tpm_pcr_read(tpm, TPM_BANK_SHA256, pcrs, &values), 0);
	add_branch(s, &values);
}

static void seal(struct tpm *tpm, struct sealing *s, const char *pin_text)
{
	_secret_ struct secret secret = text(SECRET), pin = text(pin_text ? pin_text : "");
	int r;

	s->sealed.pin = pin_text;
	s->sealed.blob = s->blob;
	r = tpm_seal(tpm, &s->sealed, &pin, &secret, s->blob, sizeof(s->blob),
		     &s->sealed.blob_size);
	if (r < 0)
		fail_msg("tpm_seal: %d, %s", r, tpm_error(tpm));
}

static int unseal(struct tpm *tpm, const struct sealing *s, const char *pin_text,
		  struct tpm_refusal *refusal)
{
	_secret_ struct secret pin = text(pin_text ? pin_text : ""), secret = {0};
	int r = tpm_unseal(tpm, &s->sealed, &pin, NULL, NULL, &secret, refusal);

	if (r < 0) {
		assert_null(secret.data);
		return r;
	}
	assert_int_equal(secret.size, strlen(SECRET));
	assert_memory_equal(secret.data, SECRET, secret.size);
	return 0;
}

static void unseals(struct tpm *tpm, const struct sealing *s, const char *pin)
{
	int r = unseal(tpm, s, pin, NULL);

	if (r < 0)
		fail_msg("tpm_unseal: %d, %s", r, tpm_error(tpm));
}

static void what_is_sealed_to_pcrs_unseals(void **state)
{
	static const enum tpm_primary primaries[] = {TPM_PRIMARY_ECC, TPM_PRIMARY_RSA};
	_tpm_ struct tpm *tpm = swtpm_open();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(primaries); i++)
		for (int noda = 0; noda < 2; noda++) {
			struct sealing s = {.sealed = {.primary = primaries[i], .noda = noda}};

			add_branch_now(tpm, &s, 1u << 0 | 1u << 7 | 1u << 11);
			seal(tpm, &s, NULL);
			unseals(tpm, &s, NULL);
		}
}

static void a_pcr_that_changed_is_named(void **state)
{
	_tpm_ struct tpm *tpm = swtpm_open();
	struct sealing s = {.sealed.noda = true};
	struct tpm_refusal refusal = {0};
	struct tpm_pcr_values now;
	struct tpm_counts before;

	(void)state;
	add_branch_now(tpm, &s, 1u << 2 | 1u << 7 | 1u << 9);
	seal(tpm, &s, NULL);
	assert_int_equal(tpm_pcr_extend(tpm, 7, "another key"), 0);
	before = tpm_counts(tpm);
	assert_int_equal(unseal(tpm, &s, NULL, &refusal), -EPERM);
	assert_int_equal(refusal.pcr, 7);
	/* It cost one reading of PCRs, and no unseal. */
	assert_int_equal(tpm_counts(tpm).commands, before.commands + 1);
	assert_int_equal(tpm_counts(tpm).unseals, before.unseals);
	assert_int_equal(tpm_pcr_read(tpm, TPM_BANK_SHA256, 1u << 7, &now), 0);
	assert_memory_equal(refusal.found, now.value[7], TPM_SHA256_SIZE);
}

int main(void)
{
#define WITH_TPM(test) cmocka_unit_test_setup_teardown(test, swtpm_setup, swtpm_teardown)
	const struct CMUnitTest tests[] = {
		WITH_TPM(what_is_sealed_to_pcrs_unseals),
		WITH_TPM(a_pcr_that_changed_is_named),
	};

	return cmocka_run_group_tests_name("tpm", tests, NULL, NULL);
}
