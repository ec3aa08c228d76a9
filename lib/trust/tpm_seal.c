/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sealed secrets, in the form of systemd-cryptenroll (LUKS2 token `systemd-tpm2`) and in our own,
 * which differs in attributes only. The blob and what is said of it are hostile; the secret is the
 * caller's. What held a secret is wiped here, also in the library's buffers.
 *
 * A use of a key without NODA makes the TPM count the next power cut as an attack (part 1,
 * 19.11.6), so TPM2_Shutdown follows at once, whatever the result was.
 */
#include <errno.h>

#include "crypto.h"
#include "tpm_internal.h"
#include "wipe.h"

#define SIGNATURE_MAX 512 /* RSA-4096 */
#define ATTEMPTS 5	  /* when somebody extends a PCR, any, between policy and unseal */

/* SHA-256 of the PIN, as systemd has it. The TPM strips zeros at the end of what it is given
 * (part 1, 17.6.4.3), and so must we: else every 256th PIN would be wrong for ever. */
static int pin_auth(const struct secret *pin, TPM2B_AUTH *ret_auth)
{
	const struct crypto_part part = {pin->data, pin->size};
	int r = crypto_digest("sha256", &part, 1, ret_auth->buffer, TPM_SHA256_SIZE);

	if (r < 0)
		return r;
	ret_auth->size = TPM_SHA256_SIZE;
	while (ret_auth->size > 0 && ret_auth->buffer[ret_auth->size - 1] == 0)
		ret_auth->size--;
	return 0;
}

/* A session's HMAC key has the PIN's hash in it, and ESYS frees that as it is. */
static void auth_done(TPM2B_AUTH *auth)
{
	if (auth->size > 0)
		(void)wipe_copies(auth->buffer, auth->size); /* no /proc: no worse than before */
	explicit_bzero(auth, sizeof(*auth));
}

/* Does a use of what is sealed so count, when power goes? */
static bool is_watched(const struct tpm_sealed *sealed)
{
	return !sealed->noda || sealed->pin;
}

static bool has_pin(const struct secret *pin)
{
	return pin && pin->size > 0;
}

/* The two halves of a blob. They are checked as far as we rely on them before the TPM does. */
static int blob_parse(const struct tpm_sealed *sealed, TPM2B_PRIVATE *ret_private,
		      TPM2B_PUBLIC *ret_public)
{
	const TPMT_PUBLIC *area = &ret_public->publicArea;
	size_t at = 0;

	if (mu.TPM2B_PRIVATE_Unmarshal(sealed->blob, sealed->blob_size, &at, ret_private) !=
		    TSS2_RC_SUCCESS ||
	    mu.TPM2B_PUBLIC_Unmarshal(sealed->blob, sealed->blob_size, &at, ret_public) !=
		    TSS2_RC_SUCCESS ||
	    at != sealed->blob_size)
		return tpm_refused(-EBADMSG, "blob: not a private and a public area");
	if (area->type != TPM2_ALG_KEYEDHASH || area->nameAlg != TPM2_ALG_SHA256 ||
	    area->authPolicy.size != TPM_SHA256_SIZE)
		return tpm_refused(-EBADMSG, "blob: not sealed under a policy with SHA-256");
	if (sealed->has_policy_hash &&
	    memcmp(sealed->policy_hash, area->authPolicy.buffer, TPM_SHA256_SIZE) != 0)
		return tpm_refused(-EBADMSG, "blob: sealed under another policy");
	return 0;
}

/* ---- unsealing ---- */

/* What the steps of one unseal share. */
struct unsealing {
	struct tpm *tpm;
	const struct tpm_sealed *sealed;
	const struct secret *pin;
	tpm_signature_fn *sign;
	void *data;
	TPM2B_PRIVATE private;
	TPM2B_PUBLIC public;
	struct tpm_handle primary, object; /* loaded when the PCRs are right */
	TPM2B_AUTH auth;		   /* from the PIN */
	bool used;			   /* a key was loaded */
	struct tpm_refusal refusal;
};

static void unsealing_done(struct unsealing *u)
{
	tpm_handle_done(&u->object);
	tpm_handle_done(&u->primary);
	if (u->used && is_watched(u->sealed))
		(void)tpm_shutdown(u->tpm); /* that the count may rise is all that it costs */
	auth_done(&u->auth);
}

static int load(struct unsealing *u)
{
	struct tpm *tpm = u->tpm;
	TSS2_RC rc;
	int r;

	r = tpm_primary(tpm, u->sealed->primary, u->sealed->noda, &u->primary);
	if (r < 0 || u->object.tr != ESYS_TR_NONE)
		return r;
	u->used = true;
	rc = esys.Load(tpm->esys, u->primary.tr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
		       &u->private, &u->public, &u->object.tr);
	if (rc != TSS2_RC_SUCCESS) {
		u->object.tr = ESYS_TR_NONE;
		r = tpm_failed(tpm, "Load", rc);
		/* Whatever the TPM finds wrong with the blob. */
		return r == -EIO && (rc & TPM2_RC_FMT1) ? -EBADMSG : r;
	}
	if (!u->sealed->pin)
		return 0;
	r = pin_auth(u->pin, &u->auth);
	if (r < 0)
		return r;
	rc = esys.TR_SetAuth(tpm->esys, u->object.tr, &u->auth);
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_failed(tpm, "TR_SetAuth", rc);
}

/* The signed part of the policy: the digest that must be signed, and its signature. */
static int find_signature(struct unsealing *u, const struct tpm_pcr_values *values,
			  uint8_t ret_policy[static TPM_SHA256_SIZE],
			  uint8_t signature[static SIGNATURE_MAX], size_t *ret_size)
{
	const struct tpm_sealed *sealed = u->sealed;
	uint8_t policy[TPM_SHA256_SIZE] = {0};
	int r = tpm_policy_pcrs(policy, values, sealed->pubkey_pcrs);

	if (r == -EINVAL)
		return tpm_refused(-EBADMSG, "signed policy: of no PCR");
	if (r < 0)
		return r;
	r = u->sign ? u->sign(policy, sealed, signature, SIGNATURE_MAX, ret_size, u->data)
		    : -ENOENT;
	if (r == -ENOENT) {
		if (__builtin_popcount(sealed->pubkey_pcrs) == 1) {
			u->refusal.pcr = __builtin_ctz(sealed->pubkey_pcrs);
			memcpy(u->refusal.found, values->value[u->refusal.pcr],
			       sizeof(u->refusal.found));
		}
		return tpm_refused(-EPERM, "signed policy: no signature for these PCRs");
	}
	if (r == 0)
		memcpy(ret_policy, policy, sizeof(policy));
	return r;
}

/* Plays the policy, as tpm.h orders it. */
static int play(struct unsealing *u, ESYS_TR session, const struct tpm_pcr_values *values,
		unsigned branch, const uint8_t *policy, const uint8_t *signature, size_t size)
{
	const struct tpm_sealed *sealed = u->sealed;
	int r = 0;

	if (sealed->pubkey_pem) {
		r = tpm_session_pcr(u->tpm, session, values, sealed->pubkey_pcrs);
		if (r == 0)
			r = tpm_session_authorize(u->tpm, session, sealed, policy, signature, size);
	}
	if (r == 0 && sealed->branches > 0)
		r = tpm_session_pcr(u->tpm, session, values, sealed->branch[branch].pcrs);
	if (r == 0 && sealed->branches > 1)
		r = tpm_session_or(u->tpm, session, sealed->branch, sealed->branches);
	if (r == 0 && sealed->pin) {
		TSS2_RC rc = esys.PolicyAuthValue(u->tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE,
						  ESYS_TR_NONE);

		if (rc != TSS2_RC_SUCCESS)
			r = tpm_failed(u->tpm, "PolicyAuthValue", rc);
	}
	return r;
}

/* -EAGAIN when a PCR was extended meanwhile. */
static int attempt(struct unsealing *u, struct secret *ret_secret)
{
	const struct tpm_sealed *sealed = u->sealed;
	_handle_ struct tpm_handle session = TPM_HANDLE(u->tpm);
	struct tpm_pcr_values values = {.bank = sealed->bank};
	uint8_t policy[TPM_SHA256_SIZE], signature[SIGNATURE_MAX];
	uint32_t pcrs = sealed->pubkey_pem ? sealed->pubkey_pcrs : 0;
	TPM2B_SENSITIVE_DATA *data = NULL;
	unsigned branch = 0;
	size_t size = 0;
	TSS2_RC rc;
	int r = 0;

	for (unsigned i = 0; i < MIN(sealed->branches, (unsigned)TPM_BRANCHES_MAX); i++)
		pcrs |= sealed->branch[i].pcrs;
	if (pcrs != 0)
		r = tpm_pcr_read(u->tpm, sealed->bank, pcrs, &values);
	if (r < 0)
		return r;
	r = tpm_policy_choose(sealed, &values, u->public.publicArea.authPolicy.buffer, &branch,
			      &u->refusal);
	if (r == -EPERM)
		return tpm_refused(r, "policy: the PCRs are not those it was sealed for");
	if (r == -EBADMSG)
		return tpm_refused(r, "policy: not the one that the token tells");
	if (r == 0 && sealed->pubkey_pem)
		r = find_signature(u, &values, policy, signature, &size);
	if (r == 0)
		r = load(u);
	if (r == 0)
		r = tpm_session(u->tpm, TPM2_SE_POLICY, u->primary.tr, TPMA_SESSION_ENCRYPT,
				&session);
	tpm_handle_done(&u->primary); /* at once: see tpm_handle_used() */
	if (r == 0)
		r = play(u, session.tr, &values, branch, policy, signature, size);
	if (r < 0)
		return r;
	rc = esys.Unseal(u->tpm->esys, u->object.tr, session.tr, ESYS_TR_NONE, ESYS_TR_NONE, &data);
	if (rc != TSS2_RC_SUCCESS) {
		r = tpm_failed(u->tpm, "Unseal", rc);
		return tpm_code(rc) == TPM2_RC_PCR_CHANGED ? -EAGAIN : r;
	}
	tpm_handle_used(&session);
	r = secret_copy(data->buffer, data->size, ret_secret);
	tpm_forget(u->tpm, data->buffer, data->size);
	tpm_free(data, sizeof(*data));
	return r;
}

int tpm_unseal(struct tpm *tpm, const struct tpm_sealed *sealed, const struct secret *pin,
	       tpm_signature_fn *sign, void *data, struct secret *ret_secret,
	       struct tpm_refusal *ret_refusal)
{
	_cleanup_(unsealing_done) struct unsealing u = {
		.tpm = tpm,
		.sealed = sealed,
		.pin = pin,
		.sign = sign,
		.data = data,
		.primary = TPM_HANDLE(tpm),
		.object = TPM_HANDLE(tpm),
		.refusal.pcr = -1,
	};
	int r;

	if (sealed->pin && !has_pin(pin)) /* not asked of the TPM, which would count it */
		return tpm_refused(-EACCES, "PIN: needed, and none given");
	r = blob_parse(sealed, &u.private, &u.public);
	if (r < 0)
		return r;
	r = -EAGAIN;
	for (unsigned i = 0; i < ATTEMPTS && r == -EAGAIN; i++)
		r = attempt(&u, ret_secret);
	if (r == -EAGAIN)
		r = tpm_refused(-EPERM, "PCRs: do not come to rest");
	if (r == -EPERM && ret_refusal)
		*ret_refusal = u.refusal;
	return r;
}

/* ---- sealing ---- */

static int policy_of(const struct tpm_sealed *sealed, uint8_t ret_digest[static TPM_SHA256_SIZE])
{
	uint8_t start[TPM_SHA256_SIZE] = {0};
	int r = 0;

	if (sealed->branches > TPM_BRANCHES_MAX)
		return -EINVAL;
	/* Digests of branches have what comes before in them. */
	if (sealed->branches > 0)
		memcpy(start, sealed->branch[0].digest, sizeof(start));
	else if (sealed->pubkey_pem)
		r = tpm_policy_authorize(start, sealed->pubkey_pem, sealed->pubkey_size);
	return r < 0 ? r : tpm_policy_whole(sealed, start, ret_digest);
}

static TPM2B_PUBLIC object_template(const struct tpm_sealed *sealed,
				    const uint8_t policy[static TPM_SHA256_SIZE])
{
	TPM2B_PUBLIC template = {
		.publicArea =
			{
				.type = TPM2_ALG_KEYEDHASH,
				.nameAlg = TPM2_ALG_SHA256,
				/* No USERWITHAUTH: the policy is the only way. */
				.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT,
				.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL,
				.authPolicy.size = TPM_SHA256_SIZE,
			},
	};

	memcpy(template.publicArea.authPolicy.buffer, policy, TPM_SHA256_SIZE);
	if (!is_watched(sealed))
		template.publicArea.objectAttributes |= TPMA_OBJECT_NODA;
	return template;
}

static int blob_format(const TPM2B_PRIVATE *private, const TPM2B_PUBLIC *public, uint8_t *buf,
		       size_t size, size_t *ret_size)
{
	size_t at = 0;

	if (mu.TPM2B_PRIVATE_Marshal(private, buf, size, &at) != TSS2_RC_SUCCESS ||
	    mu.TPM2B_PUBLIC_Marshal(public, buf, size, &at) != TSS2_RC_SUCCESS)
		return tpm_refused(-ENOSPC, "blob: does not fit");
	*ret_size = at;
	return 0;
}

/* Create under the primary, whose empty authorisation the session proves while it encrypts the
 * secret. */
static int create(struct tpm *tpm, const struct tpm_sealed *sealed,
		  const TPM2B_SENSITIVE_CREATE *sensitive, const TPM2B_PUBLIC *template,
		  uint8_t *buf, size_t size, size_t *ret_size)
{
	_handle_ struct tpm_handle primary = TPM_HANDLE(tpm), session = TPM_HANDLE(tpm);
	const TPML_PCR_SELECTION pcrs = {0};
	const TPM2B_DATA outside = {0};
	TPM2B_PRIVATE *private = NULL;
	TPM2B_PUBLIC *public = NULL;
	TSS2_RC rc;
	int r = tpm_primary(tpm, sealed->primary, sealed->noda, &primary);

	if (r == 0)
		r = tpm_session(tpm, TPM2_SE_HMAC, primary.tr, TPMA_SESSION_DECRYPT, &session);
	if (r < 0)
		return r;
	rc = esys.Create(tpm->esys, primary.tr, session.tr, ESYS_TR_NONE, ESYS_TR_NONE, sensitive,
			 template, &outside, &pcrs, &private, &public, NULL, NULL, NULL);
	if (rc == TSS2_RC_SUCCESS) {
		tpm_handle_used(&session);
		r = blob_format(private, public, buf, size, ret_size);
	} else {
		r = tpm_failed(tpm, "Create", rc);
	}
	esys.Free(private);
	esys.Free(public);
	return r;
}

int tpm_seal(struct tpm *tpm, struct tpm_sealed *sealed, const struct secret *pin,
	     const struct secret *secret, uint8_t *buf, size_t size, size_t *ret_size)
{
	TPM2B_SENSITIVE_CREATE sensitive = {0};
	TPMS_SENSITIVE_CREATE *s = &sensitive.sensitive;
	uint8_t policy[TPM_SHA256_SIZE];
	TPM2B_PUBLIC template;
	int r;

	/* What every TPM takes: MAX_SYM_DATA of the PC Client profile. */
	if (secret->size == 0 || secret->size > 128 || sealed->pin != has_pin(pin))
		return -EINVAL;
	r = policy_of(sealed, policy);
	if (r < 0)
		return r;
	template = object_template(sealed, policy);
	s->data.size = (uint16_t)secret->size;
	memcpy(s->data.buffer, secret->data, secret->size);
	if (sealed->pin)
		r = pin_auth(pin, &s->userAuth);
	if (r == 0) {
		r = create(tpm, sealed, &sensitive, &template, buf, size, ret_size);
		tpm_forget(tpm, s->data.buffer, s->data.size);
		if (!sealed->noda)
			(void)tpm_shutdown(tpm); /* as after an unseal */
	}
	auth_done(&s->userAuth);
	explicit_bzero(&sensitive, sizeof(sensitive));
	if (r < 0)
		return r;
	memcpy(sealed->policy_hash, policy, sizeof(policy));
	sealed->has_policy_hash = true;
	return 0;
}
