/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Primary keys and sessions. Sessions are salted with a primary key, so who listens on the bus
 * learns neither a secret nor what it is encrypted with; who answers in the TPM's place is not
 * found out by that, but has no key that opens a blob. TCG "TPM 2.0 Library" part 1, 19.6 and 21;
 * part 3, 11, 23, 24.
 *
 * One session does all: it carries the policy (or proves the empty authorisation of the primary),
 * and encrypts the parameter that holds the secret.
 */
#include <errno.h>

#include "crypto.h"
#include "tpm_internal.h"

void tpm_handle_done(struct tpm_handle *handle)
{
	if (handle->tr != ESYS_TR_NONE)
		/* What fails to be flushed goes with the connection, or the next reset. */
		(void)esys.FlushContext(handle->tpm->esys, handle->tr);
	handle->tr = ESYS_TR_NONE;
}

void tpm_handle_used(struct tpm_handle *session)
{
	session->tr = ESYS_TR_NONE;
}

/* As systemd-cryptenroll makes it: every bit counts, since the key is derived from this. */
static TPM2B_PUBLIC primary_template(enum tpm_primary primary, bool noda)
{
	const TPMT_SYM_DEF_OBJECT aes = {
		.algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
	TPM2B_PUBLIC template = {
		.publicArea =
			{
				.nameAlg = TPM2_ALG_SHA256,
				.objectAttributes = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT |
						    TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
						    TPMA_OBJECT_SENSITIVEDATAORIGIN |
						    TPMA_OBJECT_USERWITHAUTH,
			},
	};
	TPMT_PUBLIC *area = &template.publicArea;

	if (noda)
		area->objectAttributes |= TPMA_OBJECT_NODA;
	if (primary == TPM_PRIMARY_RSA) {
		area->type = TPM2_ALG_RSA;
		area->parameters.rsaDetail = (TPMS_RSA_PARMS){
			.symmetric = aes, .scheme.scheme = TPM2_ALG_NULL, .keyBits = 2048};
	} else {
		area->type = TPM2_ALG_ECC;
		area->parameters.eccDetail = (TPMS_ECC_PARMS){.symmetric = aes,
							      .scheme.scheme = TPM2_ALG_NULL,
							      .curveID = TPM2_ECC_NIST_P256,
							      .kdf.scheme = TPM2_ALG_NULL};
	}
	return template;
}

int tpm_primary(struct tpm *tpm, enum tpm_primary primary, bool noda, struct tpm_handle *handle)
{
	const TPM2B_PUBLIC template = primary_template(primary, noda);
	const TPM2B_SENSITIVE_CREATE sensitive = {0};
	const TPML_PCR_SELECTION pcrs = {0};
	const TPM2B_DATA outside = {0};
	TSS2_RC rc = esys.CreatePrimary(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
					ESYS_TR_NONE, &sensitive, &template, &outside, &pcrs,
					&handle->tr, NULL, NULL, NULL, NULL);
	int r;

	if (rc == TSS2_RC_SUCCESS)
		return 0;
	handle->tr = ESYS_TR_NONE;
	r = tpm_failed(tpm, "CreatePrimary", rc);
	if (r == -EACCES) /* not the user's PIN */
		return tpm_refused(-EIO, "CreatePrimary: the owner hierarchy has a password");
	return r;
}

int tpm_primary_any(struct tpm *tpm, struct tpm_handle *handle)
{
	int r = tpm_primary(tpm, TPM_PRIMARY_ECC, true, handle);

	return r == -EOPNOTSUPP ? tpm_primary(tpm, TPM_PRIMARY_RSA, true, handle) : r;
}

int tpm_session(struct tpm *tpm, TPM2_SE type, ESYS_TR salt, TPMA_SESSION attributes,
		struct tpm_handle *handle)
{
	const TPMT_SYM_DEF aes = {
		.algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
	TSS2_RC rc =
		esys.StartAuthSession(tpm->esys, salt, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
				      ESYS_TR_NONE, NULL, type, &aes, TPM2_ALG_SHA256, &handle->tr);

	if (rc != TSS2_RC_SUCCESS) {
		handle->tr = ESYS_TR_NONE;
		return tpm_failed(tpm, "StartAuthSession", rc);
	}
	rc = esys.TRSess_SetAttributes(tpm->esys, handle->tr, attributes, 0xff);
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_failed(tpm, "TRSess_SetAttributes", rc);
}

int tpm_session_pcr(struct tpm *tpm, ESYS_TR session, const struct tpm_pcr_values *values,
		    uint32_t pcrs)
{
	TPML_PCR_SELECTION selection = tpm_pcr_selection(values->bank, pcrs);
	TPM2B_DIGEST digest = {.size = TPM_SHA256_SIZE};
	int r = tpm_policy_pcr_digest(values, pcrs, digest.buffer);
	TSS2_RC rc;

	if (r < 0)
		return r;
	rc = esys.PolicyPCR(tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &digest,
			    &selection);
	if (rc == TSS2_RC_SUCCESS)
		return 0;
	r = tpm_failed(tpm, "PolicyPCR", rc);
	return tpm_code(rc) == TPM2_RC_VALUE ? -EPERM : r;
}

int tpm_session_or(struct tpm *tpm, ESYS_TR session, const struct tpm_branch *branches, unsigned n)
{
	TPML_DIGEST digests = {.count = n};
	TSS2_RC rc;
	int r;

	for (unsigned i = 0; i < n; i++) {
		digests.digests[i].size = TPM_SHA256_SIZE;
		memcpy(digests.digests[i].buffer, branches[i].digest, TPM_SHA256_SIZE);
	}
	rc = esys.PolicyOR(tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &digests);
	if (rc == TSS2_RC_SUCCESS)
		return 0;
	r = tpm_failed(tpm, "PolicyOR", rc);
	return tpm_code(rc) == TPM2_RC_VALUE ? -EPERM : r;
}

/* The same area as key_name() of tpm_policy.c hashes. */
static int load_public(struct tpm *tpm, const struct tpm_sealed *sealed, struct tpm_handle *key)
{
	TPM2B_PUBLIC public = {
		.publicArea =
			{
				.type = TPM2_ALG_RSA,
				.nameAlg = TPM2_ALG_SHA256,
				.objectAttributes = TPMA_OBJECT_DECRYPT | TPMA_OBJECT_SIGN_ENCRYPT |
						    TPMA_OBJECT_USERWITHAUTH,
				.parameters.rsaDetail = {.symmetric.algorithm = TPM2_ALG_NULL,
							 .scheme.scheme = TPM2_ALG_NULL},
			},
	};
	TPMS_RSA_PARMS *rsa = &public.publicArea.parameters.rsaDetail;
	TPM2B_PUBLIC_KEY_RSA *modulus = &public.publicArea.unique.rsa;
	uint32_t exponent;
	size_t size;
	TSS2_RC rc;
	int r = crypto_rsa_public(sealed->pubkey_pem, sealed->pubkey_size, modulus->buffer,
				  sizeof(modulus->buffer), &size, &exponent);

	if (r < 0)
		return r;
	modulus->size = (uint16_t)size;
	rsa->keyBits = (uint16_t)(size * 8);
	rsa->exponent = exponent;
	/* In a hierarchy, so that the TPM gives a ticket for the signature. */
	rc = esys.LoadExternal(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, &public,
			       ESYS_TR_RH_OWNER, &key->tr);
	if (rc == TSS2_RC_SUCCESS)
		return 0;
	key->tr = ESYS_TR_NONE;
	return tpm_failed(tpm, "LoadExternal", rc);
}

int tpm_session_authorize(struct tpm *tpm, ESYS_TR session, const struct tpm_sealed *sealed,
			  const uint8_t policy[static TPM_SHA256_SIZE], const uint8_t *signature,
			  size_t size)
{
	_handle_ struct tpm_handle key = TPM_HANDLE(tpm);
	const struct crypto_part part = {policy, TPM_SHA256_SIZE};
	TPM2B_DIGEST approved = {.size = TPM_SHA256_SIZE}, digest = {.size = TPM_SHA256_SIZE};
	TPMT_SIGNATURE s = {.sigAlg = TPM2_ALG_RSASSA};
	TPMS_SIGNATURE_RSA *rsa = &s.signature.rsassa;
	const TPM2B_NONCE no_ref = {0};
	TPMT_TK_VERIFIED *ticket = NULL;
	TPM2B_NAME *name = NULL;
	TSS2_RC rc;
	int r;

	if (size > sizeof(rsa->sig.buffer))
		return -EBADMSG;
	rsa->hash = TPM2_ALG_SHA256;
	rsa->sig.size = (uint16_t)size;
	memcpy(rsa->sig.buffer, signature, size);
	memcpy(approved.buffer, policy, TPM_SHA256_SIZE);
	r = crypto_digest("sha256", &part, 1, digest.buffer, TPM_SHA256_SIZE);
	if (r == 0)
		r = load_public(tpm, sealed, &key);
	if (r < 0)
		return r;
	rc = esys.VerifySignature(tpm->esys, key.tr, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
				  &digest, &s, &ticket);
	if (rc != TSS2_RC_SUCCESS) {
		r = tpm_failed(tpm, "VerifySignature", rc);
		/* A signature of the wrong size is an error of sizes to the TPM. */
		return tpm_code(rc) == TPM2_RC_SIZE ? -EPERM : r;
	}
	rc = esys.TR_GetName(tpm->esys, key.tr, &name);
	if (rc == TSS2_RC_SUCCESS)
		rc = esys.PolicyAuthorize(tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE,
					  ESYS_TR_NONE, &approved, &no_ref, name, ticket);
	esys.Free(name);
	esys.Free(ticket);
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_failed(tpm, "PolicyAuthorize", rc);
}
