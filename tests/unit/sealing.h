/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A secret that a test seals with a real TPM, and unseals. */
#pragma once

#include "swtpm.h"

#define SECRET "0123456789abcdef0123456789ABCDEF"

/* What is sealed, and where it is. */
struct sealing {
	struct tpm_sealed sealed;
	uint8_t blob[TPM_BLOB_MAX];
	struct tpm_pcr_values values[TPM_BRANCHES_MAX];
};

static inline struct secret text(const char *s)
{
	struct secret secret;

	assert_int_equal(secret_copy(s, strlen(s), &secret), 0);
	return secret;
}

/* Adds a branch for these values. */
static inline void add_branch(struct sealing *s, const struct tpm_pcr_values *values)
{
	struct tpm_sealed *sealed = &s->sealed;
	struct tpm_branch *branch = &sealed->branch[sealed->branches];

	memset(branch->digest, 0, sizeof(branch->digest));
	assert_int_equal(tpm_policy_pcr(branch->digest, values), 0);
	s->values[sealed->branches] = *values;
	branch->values = &s->values[sealed->branches];
	branch->pcrs = values->pcrs;
	sealed->bank = values->bank;
	sealed->branches++;
}

/* A branch for what the PCRs are now. */
static inline void add_branch_now(struct tpm *tpm, struct sealing *s, enum tpm_bank bank,
				  uint32_t pcrs)
{
	struct tpm_pcr_values values;

	assert_int_equal(tpm_pcr_read(tpm, bank, pcrs, &values), 0);
	add_branch(s, &values);
}

/* A branch that does not hold: PCR 7 is another. */
static inline void add_branch_other(struct tpm *tpm, struct sealing *s, uint8_t value)
{
	struct tpm_pcr_values values;

	assert_int_equal(tpm_pcr_read(tpm, TPM_BANK_SHA256, 1u << 0 | 1u << 7, &values), 0);
	memset(values.value[7], value, TPM_SHA256_SIZE);
	add_branch(s, &values);
}

static inline int try_seal(struct tpm *tpm, struct sealing *s, const char *pin_text)
{
	_secret_ struct secret secret = text(SECRET), pin = text(pin_text ? pin_text : "");

	s->sealed.pin = pin_text;
	s->sealed.blob = s->blob;
	return tpm_seal(tpm, &s->sealed, &pin, &secret, s->blob, sizeof(s->blob),
			&s->sealed.blob_size);
}

static inline void seal(struct tpm *tpm, struct sealing *s, const char *pin)
{
	int r = try_seal(tpm, s, pin);

	if (r < 0)
		fail_msg("tpm_seal: %d, %s", r, tpm_error(tpm));
}

static inline int unseal(struct tpm *tpm, const struct sealing *s, const char *pin_text,
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

static inline void unseals(struct tpm *tpm, const struct sealing *s, const char *pin)
{
	int r = unseal(tpm, s, pin, NULL);

	if (r < 0)
		fail_msg("tpm_unseal: %d, %s", r, tpm_error(tpm));
}
