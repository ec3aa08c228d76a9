/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Policies without a TPM: what TPM2_PolicyPCR, PolicyOR, PolicyAuthorize and PolicyAuthValue make
 * of a digest (TCG "TPM 2.0 Library" part 3, 23.7, 23.6, 23.16, 23.17, and part 1, 19.7), and which
 * branch of a policy the PCRs fulfil. Tokens are hostile: what they say is compared with what the
 * sealed object itself says, and the TPM has the last word.
 */
#include <errno.h>

#include "crypto.h"
#include "tpm_internal.h"

#define NAME_SIZE (2 + TPM_SHA256_SIZE)
#define MODULUS_MAX 512 /* RSA-4096 */

static size_t put16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
	return 2;
}

static size_t put32(uint8_t *p, uint32_t value)
{
	return put16(p, value >> 16) + put16(p + 2, value & 0xffff);
}

/* digest = SHA-256(digest, command code, data): part 1, 19.7.3. */
static int extend(uint8_t digest[static TPM_SHA256_SIZE], TPM2_CC command, const void *data,
		  size_t size)
{
	uint8_t cc[4], out[TPM_SHA256_SIZE];
	const struct crypto_part parts[] = {
		{digest, TPM_SHA256_SIZE}, {cc, put32(cc, command)}, {data, size}};
	int r = crypto_digest("sha256", parts, size > 0 ? 3 : 2, out, sizeof(out));

	if (r == 0)
		memcpy(digest, out, sizeof(out));
	return r;
}

int tpm_policy_pcr_digest(const struct tpm_pcr_values *values, uint32_t pcrs,
			  uint8_t ret_digest[static TPM_SHA256_SIZE])
{
	struct crypto_part parts[TPM_PCRS];
	size_t n = 0;

	if (pcrs == 0 || pcrs >> TPM_PCRS || pcrs & ~values->pcrs || values->bank >= TPM_BANK_COUNT)
		return -EINVAL;
	for (unsigned pcr = 0; pcr < TPM_PCRS; pcr++)
		if (pcrs & 1u << pcr)
			parts[n++] = (struct crypto_part){values->value[pcr],
							  tpm_bank_size(values->bank)};
	return crypto_digest("sha256", parts, n, ret_digest, TPM_SHA256_SIZE);
}

int tpm_policy_pcrs(uint8_t digest[static TPM_SHA256_SIZE], const struct tpm_pcr_values *values,
		    uint32_t pcrs)
{
	uint8_t data[4 + 2 + 1 + TPM_PCRS / 8 + TPM_SHA256_SIZE], *p = data;
	int r;

	/* TPML_PCR_SELECTION of one bank, then the digest of the values. */
	p += put32(p, 1);
	p += put16(p, tpm_bank_alg(values->bank));
	*p++ = TPM_PCRS / 8;
	for (unsigned i = 0; i < TPM_PCRS / 8; i++)
		*p++ = (uint8_t)(pcrs >> (8 * i));
	r = tpm_policy_pcr_digest(values, pcrs, p);
	return r < 0 ? r : extend(digest, TPM2_CC_PolicyPCR, data, sizeof(data));
}

int tpm_policy_pcr(uint8_t digest[static TPM_SHA256_SIZE], const struct tpm_pcr_values *values)
{
	return tpm_policy_pcrs(digest, values, values->pcrs);
}

int tpm_policy_or(uint8_t digest[static TPM_SHA256_SIZE], const struct tpm_branch *branches,
		  unsigned n)
{
	uint8_t data[TPM_BRANCHES_MAX * TPM_SHA256_SIZE], out[TPM_SHA256_SIZE] = {0};
	int r;

	if (n < 2 || n > TPM_BRANCHES_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++)
		memcpy(data + i * TPM_SHA256_SIZE, branches[i].digest, TPM_SHA256_SIZE);
	/* What was before is replaced: 23.6.3. */
	r = extend(out, TPM2_CC_PolicyOR, data, n * TPM_SHA256_SIZE);
	if (r == 0)
		memcpy(digest, out, sizeof(out));
	return r;
}

/* The name of the key as tpm_session_authorize() loads it: a hash of its TPMT_PUBLIC. */
static int key_name(const char *pem, size_t pem_size, uint8_t ret_name[static NAME_SIZE])
{
	uint8_t modulus[MODULUS_MAX], area[32 + MODULUS_MAX], *p = area;
	struct crypto_part part = {.data = area};
	uint32_t exponent;
	size_t size;
	int r = crypto_rsa_public(pem, pem_size, modulus, sizeof(modulus), &size, &exponent);

	if (r < 0)
		return r;
	p += put16(p, TPM2_ALG_RSA);
	p += put16(p, TPM2_ALG_SHA256);
	p += put32(p, TPMA_OBJECT_DECRYPT | TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_USERWITHAUTH);
	p += put16(p, 0);	      /* no policy of its own */
	p += put16(p, TPM2_ALG_NULL); /* symmetric */
	p += put16(p, TPM2_ALG_NULL); /* scheme */
	p += put16(p, (unsigned)size * 8);
	p += put32(p, exponent);
	p += put16(p, (unsigned)size);
	memcpy(p, modulus, size);
	p += size;
	part.size = (size_t)(p - area);
	r = crypto_digest("sha256", &part, 1, ret_name + 2, TPM_SHA256_SIZE);
	if (r == 0)
		(void)put16(ret_name, TPM2_ALG_SHA256);
	return r;
}

int tpm_policy_authorize(uint8_t digest[static TPM_SHA256_SIZE], const char *pubkey_pem,
			 size_t pubkey_size)
{
	uint8_t name[NAME_SIZE], out[TPM_SHA256_SIZE] = {0};
	struct crypto_part part = {out, sizeof(out)};
	int r = key_name(pubkey_pem, pubkey_size, name);

	if (r < 0)
		return r;
	/* What was before is replaced, and an empty policyRef hashed behind: 23.16.4. */
	r = extend(out, TPM2_CC_PolicyAuthorize, name, sizeof(name));
	return r < 0 ? r : crypto_digest("sha256", &part, 1, digest, TPM_SHA256_SIZE);
}

int tpm_policy_auth_value(uint8_t digest[static TPM_SHA256_SIZE])
{
	return extend(digest, TPM2_CC_PolicyAuthValue, NULL, 0);
}

int tpm_policy_whole(const struct tpm_sealed *sealed, const uint8_t branch[static TPM_SHA256_SIZE],
		     uint8_t ret_digest[static TPM_SHA256_SIZE])
{
	uint8_t digest[TPM_SHA256_SIZE];
	int r = 0;

	memcpy(digest, branch, sizeof(digest));
	if (sealed->branches > 1)
		r = tpm_policy_or(digest, sealed->branch, sealed->branches);
	if (r == 0 && sealed->pin)
		r = tpm_policy_auth_value(digest);
	if (r == 0)
		memcpy(ret_digest, digest, sizeof(digest));
	return r;
}

/* PCRs of a branch that are not what they were, as far as that is known. */
static uint32_t differing(const struct tpm_branch *branch, const struct tpm_pcr_values *values)
{
	const struct tpm_pcr_values *then = branch->values;
	uint32_t pcrs = 0;

	if ((branch->pcrs & (branch->pcrs - 1)) == 0)
		return branch->pcrs; /* there is but one */
	if (!then || then->bank != values->bank)
		return 0;
	for (unsigned pcr = 0; pcr < TPM_PCRS; pcr++)
		if (branch->pcrs & then->pcrs & 1u << pcr &&
		    memcmp(then->value[pcr], values->value[pcr], tpm_bank_size(values->bank)) != 0)
			pcrs |= 1u << pcr;
	return pcrs;
}

/* Names the first PCR of the branch that comes nearest. */
static void explain(const struct tpm_sealed *sealed, const struct tpm_pcr_values *values,
		    struct tpm_refusal *ret_refusal)
{
	uint32_t pcrs = 0;

	*ret_refusal = (struct tpm_refusal){.pcr = -1};
	for (unsigned i = 0; i < sealed->branches; i++) {
		uint32_t d = differing(&sealed->branch[i], values);

		if (d && (!pcrs || __builtin_popcount(d) < __builtin_popcount(pcrs)))
			pcrs = d;
	}
	if (!pcrs)
		return;
	ret_refusal->pcr = __builtin_ctz(pcrs);
	memcpy(ret_refusal->found, values->value[ret_refusal->pcr], sizeof(ret_refusal->found));
}

static bool same(const uint8_t a[static TPM_SHA256_SIZE], const uint8_t b[static TPM_SHA256_SIZE])
{
	return memcmp(a, b, TPM_SHA256_SIZE) == 0;
}

/* Is this what the token says of the branch? systemd's tokens do not say; the whole policy
 * tells. */
static bool is_branch(const struct tpm_branch *branch, const uint8_t digest[static TPM_SHA256_SIZE])
{
	return same(branch->digest, digest);
}

int tpm_policy_choose(const struct tpm_sealed *sealed, const struct tpm_pcr_values *values,
		      const uint8_t wanted[static TPM_SHA256_SIZE], unsigned *ret_branch,
		      struct tpm_refusal *ret_refusal)
{
	uint8_t start[TPM_SHA256_SIZE] = {0}, digest[TPM_SHA256_SIZE], whole[TPM_SHA256_SIZE];
	int r = 0;

	if (sealed->branches > TPM_BRANCHES_MAX)
		return -EBADMSG;
	if (sealed->pubkey_pem)
		r = tpm_policy_authorize(start, sealed->pubkey_pem, sealed->pubkey_size);
	for (unsigned i = 0; r == 0 && i < MAX(sealed->branches, 1u); i++) {
		memcpy(digest, start, sizeof(digest));
		if (sealed->branches > 0)
			r = tpm_policy_pcrs(digest, values, sealed->branch[i].pcrs);
		if (r == 0 && sealed->branches > 1 && !is_branch(&sealed->branch[i], digest))
			continue;
		if (r == 0)
			r = tpm_policy_whole(sealed, digest, whole);
		if (r == 0 && same(whole, wanted)) {
			*ret_branch = i;
			return 0;
		}
		if (r == 0 && (sealed->branches == 0 || is_branch(&sealed->branch[i], digest)))
			return -EBADMSG;
	}
	if (r == -EINVAL) /* a branch without PCRs, a key that is none */
		return -EBADMSG;
	if (r < 0)
		return r;
	explain(sealed, values, ret_refusal);
	return -EPERM;
}
