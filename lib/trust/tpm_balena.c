/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * balenaOS's form: a passphrase in an NV index. Its scripts define the index with the attributes
 * authwrite|policyread|policywrite under one policy, or TPM2_PolicyOR of some (files of a
 * directory, by name): TPM2_PolicyPCR each, and TPM2_PolicyPassword for the writing. TCG "TPM 2.0
 * Library" part 3, 31.
 *
 * The digests beside it lie on a plain partition and are hostile; stale ones are there after an
 * update that was cut. The index's own authPolicy, which the TPM guards, says which of them count.
 */
#include <errno.h>

#include "crypto.h"
#include "tpm_internal.h"

#define PASSPHRASE_MAX 512 /* every TPM reads this much at once */

/* An ESYS object for the index; it is no state of the TPM's. */
struct nv {
	struct tpm *tpm;
	ESYS_TR tr;
	TPMS_NV_PUBLIC public;
};

static void nv_done(struct nv *nv)
{
	const TPM2B_AUTH zero = {.size = sizeof(zero.buffer)};

	if (nv->tr == ESYS_TR_NONE)
		return;
	/* Over the password, which ESYS keeps. */
	(void)esys.TR_SetAuth(nv->tpm->esys, nv->tr, &zero);
	(void)esys.TR_Close(nv->tpm->esys, &nv->tr);
}

/* -ENOENT: there is no such index. */
static int nv_open(struct nv *nv)
{
	ESYS_CONTEXT *context = nv->tpm->esys;
	TPM2B_NV_PUBLIC *public = NULL;
	TSS2_RC rc = esys.TR_FromTPMPublic(context, TPM_BALENA_NV, ESYS_TR_NONE, ESYS_TR_NONE,
					   ESYS_TR_NONE, &nv->tr);

	if (rc != TSS2_RC_SUCCESS) {
		nv->tr = ESYS_TR_NONE;
		return tpm_failed(nv->tpm, "NV_ReadPublic", rc);
	}
	rc = esys.NV_ReadPublic(context, nv->tr, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public,
				NULL);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_failed(nv->tpm, "NV_ReadPublic", rc);
	nv->public = public->nvPublic;
	esys.Free(public);
	return 0;
}

/* The policies that the index wants: those of a subset whose TPM2_PolicyOR it is, `now` among
 * them. */
static int find_policies(const uint8_t wanted[static TPM_SHA256_SIZE],
			 const uint8_t now[static TPM_SHA256_SIZE],
			 const struct tpm_branch *policies, unsigned n,
			 struct tpm_branch ret_chosen[static TPM_BRANCHES_MAX], unsigned *ret_n)
{
	if (memcmp(now, wanted, TPM_SHA256_SIZE) == 0) {
		*ret_n = 0;
		return 0;
	}
	for (uint32_t set = (1u << n) - 1; set > 0; set--) {
		struct tpm_branch chosen[TPM_BRANCHES_MAX];
		uint8_t digest[TPM_SHA256_SIZE];
		bool fits = false;
		unsigned k = 0;
		int r;

		for (unsigned i = 0; i < n; i++) {
			if (!(set & 1u << i))
				continue;
			fits |= memcmp(policies[i].digest, now, TPM_SHA256_SIZE) == 0;
			chosen[k++] = policies[i];
		}
		if (!fits || k < 2)
			continue;
		r = tpm_policy_or(digest, chosen, k);
		if (r < 0)
			return r;
		if (memcmp(digest, wanted, TPM_SHA256_SIZE) == 0) {
			memcpy(ret_chosen, chosen, k * sizeof(*chosen));
			*ret_n = k;
			return 0;
		}
	}
	return tpm_refused(-EPERM, "NV index: no policy of it holds for these PCRs");
}

/*
 * One NV_Read under the policy. A session of its own encrypts the answer: the one of the policy
 * would do that with the index's password, too (part 1, 21.2), which nobody knows any more.
 */
static int read_under(struct tpm *tpm, const struct nv *nv, const struct tpm_pcr_values *values,
		      const struct tpm_branch *policies, unsigned n, struct secret *ret_secret)
{
	_handle_ struct tpm_handle primary = TPM_HANDLE(tpm);
	_handle_ struct tpm_handle encryption = TPM_HANDLE(tpm), policy = TPM_HANDLE(tpm);
	TPM2B_MAX_NV_BUFFER *data = NULL;
	TSS2_RC rc;
	int r = tpm_primary_any(tpm, &primary);

	if (r == 0)
		r = tpm_session(tpm, TPM2_SE_HMAC, primary.tr, TPMA_SESSION_ENCRYPT, &encryption);
	if (r == 0)
		r = tpm_session(tpm, TPM2_SE_POLICY, ESYS_TR_NONE, 0, &policy);
	if (r == 0)
		r = tpm_session_pcr(tpm, policy.tr, values, values->pcrs);
	if (r == 0 && n > 0)
		r = tpm_session_or(tpm, policy.tr, policies, n);
	if (r < 0)
		return r;
	rc = esys.NV_Read(tpm->esys, nv->tr, nv->tr, policy.tr, encryption.tr, ESYS_TR_NONE,
			  nv->public.dataSize, 0, &data);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_failed(tpm, "NV_Read", rc);
	tpm_handle_used(&policy);
	tpm_handle_used(&encryption);
	r = secret_copy(data->buffer, data->size, ret_secret);
	tpm_forget(tpm, data->buffer, data->size);
	tpm_free(data, sizeof(*data));
	return r;
}

int tpm_balena_read(struct tpm *tpm, enum tpm_bank bank, uint32_t pcrs,
		    const struct tpm_branch *policies, unsigned n, struct secret *ret_secret,
		    struct tpm_refusal *ret_refusal)
{
	_cleanup_(nv_done) struct nv nv = {.tpm = tpm, .tr = ESYS_TR_NONE};
	struct tpm_branch chosen[TPM_BRANCHES_MAX];
	struct tpm_pcr_values values;
	uint8_t now[TPM_SHA256_SIZE] = {0};
	unsigned k = 0;
	int r;

	if (n > TPM_BRANCHES_MAX || pcrs == 0)
		return -EINVAL;
	r = nv_open(&nv);
	if (r < 0)
		return r;
	if (nv.public.nameAlg != TPM2_ALG_SHA256 || nv.public.authPolicy.size != TPM_SHA256_SIZE ||
	    !(nv.public.attributes & TPMA_NV_POLICYREAD) || nv.public.dataSize == 0 ||
	    nv.public.dataSize > PASSPHRASE_MAX)
		return tpm_refused(-EBADMSG, "NV index: not a passphrase under a policy");
	if (!(nv.public.attributes & TPMA_NV_WRITTEN))
		return tpm_refused(-ENOENT, "NV index: defined, and never written");
	r = tpm_pcr_read(tpm, bank, pcrs, &values);
	if (r == 0)
		r = tpm_policy_pcr(now, &values);
	if (r == 0)
		r = find_policies(nv.public.authPolicy.buffer, now, policies, n, chosen, &k);
	if (r == 0)
		r = read_under(tpm, &nv, &values, chosen, k, ret_secret);
	if (r == -EPERM && ret_refusal) /* digests of several PCRs tell nothing of one */
		*ret_refusal = (struct tpm_refusal){.pcr = -1};
	return r;
}

/* ---- provisioning ---- */

/* Writes by the index's password, proven by the session that encrypts the passphrase. */
static int write_to(const struct nv *nv, const TPM2B_AUTH *auth, ESYS_TR session,
		    const struct secret *secret)
{
	TPM2B_MAX_NV_BUFFER data = {.size = (uint16_t)secret->size};
	TSS2_RC rc = esys.TR_SetAuth(nv->tpm->esys, nv->tr, auth);

	memcpy(data.buffer, secret->data, secret->size);
	if (rc == TSS2_RC_SUCCESS)
		rc = esys.NV_Write(nv->tpm->esys, nv->tr, nv->tr, session, ESYS_TR_NONE,
				   ESYS_TR_NONE, &data, 0);
	tpm_forget(nv->tpm, data.buffer, data.size);
	explicit_bzero(&data, sizeof(data));
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_failed(nv->tpm, "NV_Write", rc);
}

static int undefine(const struct nv *nv)
{
	TSS2_RC rc = esys.NV_UndefineSpace(nv->tpm->esys, ESYS_TR_RH_OWNER, nv->tr,
					   ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE);

	return rc == TSS2_RC_SUCCESS ? 0 : tpm_failed(nv->tpm, "NV_UndefineSpace", rc);
}

/* An index that was never written is what a power cut between the two steps leaves: it goes. */
static int make_room(struct tpm *tpm)
{
	_cleanup_(nv_done) struct nv nv = {.tpm = tpm, .tr = ESYS_TR_NONE};
	int r = nv_open(&nv);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (nv.public.attributes & TPMA_NV_WRITTEN)
		return tpm_refused(-EEXIST, "NV index: there already");
	r = undefine(&nv);
	if (r == 0)
		nv.tr = ESYS_TR_NONE; /* ESYS has closed it */
	return r;
}

int tpm_balena_define(struct tpm *tpm, const uint8_t policy[static TPM_SHA256_SIZE],
		      const struct secret *secret)
{
	_handle_ struct tpm_handle primary = TPM_HANDLE(tpm), session = TPM_HANDLE(tpm);
	_cleanup_(nv_done) struct nv nv = {.tpm = tpm, .tr = ESYS_TR_NONE};
	TPM2B_AUTH auth = {.size = TPM_SHA256_SIZE}; /* random, and forgotten */
	TPM2B_NV_PUBLIC public = {
		.nvPublic =
			{
				.nvIndex = TPM_BALENA_NV,
				.nameAlg = TPM2_ALG_SHA256,
				/* As balena's, and NO_DA: its random password needs no
				 * protection, and a power cut after it was used must not count. */
				.attributes = TPMA_NV_AUTHWRITE | TPMA_NV_POLICYREAD |
					      TPMA_NV_POLICYWRITE | TPMA_NV_NO_DA,
				.authPolicy.size = TPM_SHA256_SIZE,
				.dataSize = (uint16_t)secret->size,
			},
	};
	TSS2_RC rc;
	int r;

	if (secret->size == 0 || secret->size > PASSPHRASE_MAX)
		return -EINVAL;
	memcpy(public.nvPublic.authPolicy.buffer, policy, TPM_SHA256_SIZE);
	r = make_room(tpm);
	if (r == 0)
		r = crypto_random(auth.buffer, auth.size);
	if (r == 0)
		r = tpm_primary_any(tpm, &primary);
	if (r == 0)
		r = tpm_session(tpm, TPM2_SE_HMAC, primary.tr,
				TPMA_SESSION_DECRYPT | TPMA_SESSION_CONTINUESESSION, &session);
	if (r < 0)
		return r;
	auth.buffer[auth.size - 1] |= 1; /* the TPM strips zeros at the end */
	rc = esys.NV_DefineSpace(tpm->esys, ESYS_TR_RH_OWNER, session.tr, ESYS_TR_NONE,
				 ESYS_TR_NONE, &auth, &public, &nv.tr);
	if (rc != TSS2_RC_SUCCESS) {
		nv.tr = ESYS_TR_NONE;
		r = tpm_failed(tpm, "NV_DefineSpace", rc);
	} else {
		r = write_to(&nv, &auth, session.tr, secret);
		if (r < 0 && undefine(&nv) == 0)
			nv.tr = ESYS_TR_NONE;
	}
	tpm_forget(tpm, auth.buffer, auth.size);
	explicit_bzero(&auth, sizeof(auth));
	return r;
}
