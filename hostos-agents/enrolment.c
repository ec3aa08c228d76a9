/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Enrolments: see enrolment.h.
 *
 * The order of writes, with a power cut allowed between and in any two of them. Each change of a header
 * is one of libcryptsetup's: two copies, one after the other, with a sequence number, so that a cut
 * leaves the old header or the new one.
 *
 *  1. On each volume the token, whole but without a key slot, and with the number of the slot that comes
 *     ("slots-planned"). From here on the volume opens by the wrapped key in it.
 *  2. On each volume the key slot. Its passphrase is stretched little, which a boot under a policy takes
 *     for a weak one unless a token names it: the plan does.
 *  3. Everything is read back and opened from each volume.
 *  4. On each volume the token again, with the slot and without the plan. Only now the enrolment counts.
 *
 * A cut up to 4 leaves a plan on at least one volume: the next run finds it and removes that enrolment
 * from all of them (enrol_clean()). What was enrolled before is not touched until 4 is through
 * everywhere; it is removed by the caller then, slot first (enrol_remove()). So at each moment every
 * volume opens by the old enrolment, the new one, or both, and what a cut can leave beside them is
 * known to boots and to the next run.
 *
 * The TPM keeps nothing: primary keys are derived anew each time, blobs lie in the tokens.
 */
#include "enrolment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ask.h"
#include "crypto.h"
#include "fd.h"
#include "volkey.h"

#define SECRET_SIZE 32

/* ---- tokens on volumes ---- */

/* What one volume has of the enrolment so far. */
struct written {
	int token, systemd; /* numbers, -1: none */
	int slot;
};

static int first_free_slot(const struct luks_info *info)
{
	for (int slot = 0; slot < LUKS_SLOTS; slot++)
		if (!info->slot[slot].used)
			return slot;
	return -ENOSPC;
}

/* Fewer hints make a smaller token: they explain refusals, and a volume opens without. */
static void drop_hints(struct token *token, unsigned level)
{
	for (unsigned i = 0; i < token->sealed.branches; i++) {
		if (level >= 1)
			token->hint[i].events = 0;
		if (level >= 2)
			token->hint[i].values.pcrs = 0;
	}
}

static int put_token(struct enrol_volume *volume, const struct token *token, int number,
		     int *ret_number)
{
	_free_ char *json = NULL;
	int r = token_format(token, &json);

	return r < 0 ? r : luks_token_set(volume->luks, number, json, ret_number);
}

/* What is in the token of this volume alone. */
static int fill_token(struct enrol_volume *volume, const struct enrolment *enrolment,
		      const struct secret *wrapping)
{
	struct token *token = enrolment->token;

	if (!enrolment->secret)
		return 0;
	(void)snprintf(token->role, sizeof(token->role), "%s", volume->role);
	return volkey_wrap(wrapping, &volume->info, volume->role, &volume->key, token->wrapped,
			   sizeof(token->wrapped), &token->wrapped_size);
}

static int add_slot(struct enrol_volume *volume, const struct enrolment *enrolment,
		    struct written *written)
{
	int planned = written->slot, slot = -1;
	int r = luks_slot_add(volume->luks, &volume->key, enrolment->passphrase, true, &slot);

	if (r < 0) /* what is given is right, so it is the room for key material that is short */
		return r == -EINVAL ? -ENOSPC : r;
	written->slot = slot;
	if (slot != planned) /* nobody else writes here, so libcryptsetup counts otherwise */
		return -EIO;
	if (!enrolment->systemd)
		return 0;
	enrolment->systemd->slots = 1u << slot;
	return put_token(volume, enrolment->systemd, -1, &written->systemd);
}

/* Steps 1 and 2. */
static int write_volume(struct enrol_volume *volume, const struct enrolment *enrolment,
			const struct secret *wrapping, struct written *written)
{
	struct token *token = enrolment->token;
	int slot = first_free_slot(&volume->info);
	int r = slot < 0 ? slot : fill_token(volume, enrolment, wrapping);

	if (r < 0)
		return r;
	token->slots = 0;
	token->planned = 1u << slot;
	r = put_token(volume, token, -1, &written->token);
	if (r < 0)
		return r;
	written->slot = slot;
	return add_slot(volume, enrolment, written);
}

/* Takes back what there is. The caller failed already: this does what can be done. */
static void undo(struct enrol_volume *volume, struct written *written)
{
	if (enrol_reread(volume) < 0)
		return;
	if (written->slot >= 0 && written->token >= 0 && volume->info.slot[written->slot].used)
		(void)luks_slot_remove(volume->luks, written->slot);
	if (written->systemd >= 0)
		(void)luks_token_remove(volume->luks, written->systemd);
	if (written->token >= 0)
		(void)luks_token_remove(volume->luks, written->token);
	(void)enrol_reread(volume);
	*written = (struct written){-1, -1, -1};
}

static int write_small(struct enrol_volume *volume, const struct enrolment *enrolment,
		       const struct secret *wrapping, struct written *written)
{
	int r = -ENOSPC;

	for (unsigned level = 0; level <= 2 && r == -ENOSPC; level++) {
		drop_hints(enrolment->token, level);
		r = write_volume(volume, enrolment, wrapping, written);
		if (r < 0)
			undo(volume, written);
		else
			r = enrol_reread(volume);
	}
	return r;
}

static bool same_secret(const struct secret *a, const struct secret *b)
{
	return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* Step 3: what was read back from the disk opens the volume, in each of the ways. */
static int check_volume(const struct enrol_volume *volume, const struct enrolment *enrolment,
			const struct secret *wrapping, const struct written *written)
{
	const struct token *token = volume->token[written->token];
	_secret_ struct secret by_slot = {0}, by_token = {0};
	int r;

	if (!token || token->planned != 1u << written->slot)
		return -EIO;
	r = luks_volume_key(volume->luks, written->slot, enrolment->passphrase, &by_slot);
	if (r < 0)
		return r;
	if (!same_secret(&by_slot, &volume->key))
		return -EIO;
	if (!enrolment->secret)
		return 0;
	r = volkey_unwrap(wrapping, &volume->info, volume->role, token->wrapped,
			  token->wrapped_size, &by_token);
	if (r < 0)
		return r;
	if (!same_secret(&by_token, &volume->key) || !token_same_secret(token, enrolment->token))
		return -EIO;
	if (written->systemd >= 0 && !volume->token[written->systemd])
		return -EIO;
	return 0;
}

/* Step 4. */
static int finish_volume(struct enrol_volume *volume, const struct written *written)
{
	struct token *token = volume->token[written->token];
	int number, r;

	token->slots = token->planned;
	token->planned = 0;
	r = put_token(volume, token, written->token, &number);
	return r < 0 ? r : enrol_reread(volume);
}

enum result enrolment_write(struct enrol_volumes *volumes, const struct enrolment *enrolment)
{
	struct written written[ENROL_VOLUMES_MAX];
	_secret_ struct secret wrapping = {0};
	enum result result = RESULT_OK;
	unsigned i;
	int r = 0;

	for (i = 0; i < ENROL_VOLUMES_MAX; i++)
		written[i] = (struct written){-1, -1, -1};
	if (enrolment->secret)
		r = volkey_derive(enrolment->secret, &wrapping);
	if (r < 0)
		return complain("cannot make the wrapping key: %s", strerror(-r));
	for (i = 0; i < volumes->n && r == 0; i++)
		r = write_small(&volumes->volume[i], enrolment, &wrapping, &written[i]);
	if (r < 0)
		result = complain("cannot write to %s: %s", volumes->volume[i - 1].dev,
				  enrol_error(r));
	for (i = 0; i < volumes->n && r == 0; i++)
		r = check_volume(&volumes->volume[i], enrolment, &wrapping, &written[i]);
	if (r < 0 && result == RESULT_OK)
		result = complain("what was written to %s does not open it: %s",
				  volumes->volume[i - 1].dev, enrol_error(r));
	if (result == RESULT_OK && enrolment->ready)
		result = enrolment->ready(enrolment->data);
	for (i = 0; i < volumes->n && result == RESULT_OK; i++) {
		r = finish_volume(&volumes->volume[i], &written[i]);
		if (r < 0)
			result = complain("cannot write to %s: %s", volumes->volume[i].dev,
					  enrol_error(r));
	}
	for (i = 0; i < volumes->n && result != RESULT_OK; i++)
		undo(&volumes->volume[i], &written[i]);
	return result;
}

/* ---- policies ---- */

enum result enrol_policy_add(struct enrol_policy *policy, const struct prediction *prediction)
{
	struct tpm_branch branch = {.pcrs = policy->pcrs};
	struct tpm_pcr_values values = prediction->values;
	int r = 0;

	if (policy->pcrs == 0)
		return RESULT_OK;
	values.pcrs = policy->pcrs;
	if (policy->pubkey_pem)
		r = tpm_policy_authorize(branch.digest, policy->pubkey_pem, policy->pubkey_size);
	if (r == -EINVAL)
		return complain("the public key is no RSA key of at least 2048 bits in PEM");
	if (r == 0)
		r = tpm_policy_pcr(branch.digest, &values);
	if (r < 0)
		return complain("cannot compute the policy: %s", strerror(-r));
	for (unsigned i = 0; i < policy->branches; i++)
		if (memcmp(policy->branch[i].digest, branch.digest, sizeof(branch.digest)) == 0)
			return RESULT_OK;
	if (policy->branches == TPM_BRANCHES_MAX)
		return complain("more than %d branches: a TPM takes no more", TPM_BRANCHES_MAX);
	policy->branch[policy->branches] = branch;
	policy->hint[policy->branches] = prediction->hint;
	policy->hint[policy->branches++].values = values;
	return RESULT_OK;
}

enum result enrol_open_tpm(const struct options *options, struct tpm **ret_tpm)
{
	int r = tpm_open(options->tpm, ret_tpm);

	if (r == -ENODEV)
		return complain("there is no TPM: %s", tpm_error(NULL));
	if (r == -EOPNOTSUPP)
		return complain("the TPM libraries are not installed (libtss2-esys, libtss2-mu)");
	return r < 0 ? complain("cannot use the TPM: %s", tpm_error(NULL)) : RESULT_OK;
}

static struct tpm_sealed sealed_of(const struct enrol_policy *policy)
{
	struct tpm_sealed sealed = {
		.primary = policy->primary,
		.noda = true,
		.bank = policy->bank,
		.branches = policy->branches,
		.pubkey_pem = policy->pubkey_pem,
		.pubkey_size = policy->pubkey_size,
		.pubkey_pcrs = policy->pubkey_pem ? policy->pubkey_pcrs : 0,
		.pin = policy->pin,
	};

	for (unsigned i = 0; i < policy->branches; i++)
		sealed.branch[i] = policy->branch[i];
	return sealed;
}

static enum result complain_tpm(const struct tpm *tpm, const char *what, int r)
{
	if (r == -EBUSY)
		return complain("cannot %s: the TPM is locked after too many wrong PINs: %s", what,
				tpm_error(tpm));
	if (r == -ENODEV || r == -EIO || r == -ETIMEDOUT || r == -EOPNOTSUPP || r == -EPERM ||
	    r == -EACCES || r == -EBADMSG)
		return complain("cannot %s: %s", what, tpm_error(tpm));
	return complain("cannot %s: %s", what, strerror(-r));
}

/* The TPM's random numbers and the kernel's: either may be bad. */
static enum result make_secret(struct tpm *tpm, struct secret *ret_secret)
{
	_secret_ struct secret secret = {0}, more = {0};
	int r = secret_new(SECRET_SIZE, &secret);

	if (r == 0)
		r = secret_new(SECRET_SIZE, &more);
	if (r == 0)
		r = crypto_random(secret.data, SECRET_SIZE);
	if (r < 0)
		return complain("no random numbers: %s", strerror(-r));
	r = tpm_random(tpm, more.data, SECRET_SIZE);
	if (r < 0)
		return complain_tpm(tpm, "get random numbers", r);
	for (size_t i = 0; i < SECRET_SIZE; i++)
		secret.data[i] ^= more.data[i];
	*ret_secret = secret_take(&secret);
	return RESULT_OK;
}

static int unseals_to(struct tpm *tpm, const struct tpm_sealed *sealed, const struct secret *pin,
		      const struct secret *secret)
{
	_secret_ struct secret unsealed = {0};
	int r = tpm_unseal(tpm, sealed, pin, NULL, NULL, &unsealed, NULL);

	if (r == 0 && !same_secret(&unsealed, secret))
		r = -EBADMSG;
	return r;
}

/*
 * The check before anything is written. After a boot by Tugboot the PCRs are capped and what is sealed for the
 * next boot does not open now, nor does it without a signature. Then the same secret, sealed under
 * the PCRs as they are, shows that this TPM gives back what it is given under such a key; it is kept
 * nowhere.
 */
static int check_sealed(struct tpm *tpm, const struct tpm_sealed *sealed, const struct secret *pin,
			const struct secret *secret)
{
	uint8_t blob[TPM_BLOB_MAX];
	struct tpm_sealed twin = *sealed;
	struct tpm_pcr_values now;
	int r = -EPERM;

	if (!sealed->pubkey_pem)
		r = unseals_to(tpm, sealed, pin, secret);
	if (r != -EPERM)
		return r;
	twin.pubkey_pem = NULL;
	twin.pubkey_pcrs = 0;
	twin.branches = 1;
	twin.branch[0] = (struct tpm_branch){.pcrs = sealed->branches > 0 ? sealed->branch[0].pcrs
									  : sealed->pubkey_pcrs};
	r = tpm_pcr_read(tpm, twin.bank, twin.branch[0].pcrs, &now);
	if (r == 0)
		r = tpm_policy_pcr(twin.branch[0].digest, &now);
	if (r == 0)
		r = tpm_seal(tpm, &twin, pin, secret, blob, sizeof(blob), &twin.blob_size);
	twin.blob = blob;
	return r < 0 ? r : unseals_to(tpm, &twin, pin, secret);
}

static int seal(struct tpm *tpm, struct token *token, const struct secret *pin,
		const struct secret *secret)
{
	int r = tpm_seal(tpm, &token->sealed, pin, secret, token->blob, sizeof(token->blob),
			 &token->sealed.blob_size);

	token->sealed.blob = token->blob;
	return r;
}

/* Ours, and systemd's for the last branch: it knows of one only. */
static enum result seal_all(struct tpm *tpm, const struct enrol_policy *policy,
			    const struct secret *pin, const struct secret *secret,
			    struct enrolment *enrolment)
{
	struct token *token = enrolment->token, *systemd = enrolment->systemd;
	int r;

	token->kind = TOKEN_TUGBOOT_TPM2;
	strcpy(token->type, "tugboot-tpm2");
	token->sealed = sealed_of(policy);
	memcpy(token->hint, policy->hint, sizeof(token->hint));
	r = seal(tpm, token, pin, secret);
	if (r < 0)
		return complain_tpm(tpm, "seal the secret", r);
	r = check_sealed(tpm, &token->sealed, pin, secret);
	if (r < 0)
		return complain_tpm(tpm, "unseal what was sealed just now", r);
	if (!systemd)
		return RESULT_OK;
	systemd->kind = TOKEN_SYSTEMD_TPM2;
	strcpy(systemd->type, "systemd-tpm2");
	systemd->sealed = sealed_of(policy);
	systemd->sealed.noda = false;
	if (policy->branches > 1) {
		systemd->sealed.branches = 1;
		systemd->sealed.branch[0] = policy->branch[policy->branches - 1];
	}
	r = seal(tpm, systemd, pin, secret);
	return r < 0 ? complain_tpm(tpm, "seal the secret for systemd", r) : RESULT_OK;
}

static void token_freep(struct token **token)
{
	free(*token);
}

enum result enrol_by_tpm(const struct options *options, struct tpm *tpm,
			 const struct enrol_policy *policy, struct enrol_volumes *volumes)
{
	_cleanup_(token_freep) struct token *token = calloc(1, sizeof(*token));
	_cleanup_(token_freep) struct token *systemd =
		policy->systemd ? calloc(1, sizeof(*systemd)) : NULL;
	_secret_ struct secret secret = {0}, passphrase = {0}, pin = {0};
	struct enrolment enrolment = {.token = token, .systemd = systemd};
	enum result result;

	if (!token || (policy->systemd && !systemd))
		return complain("no memory");
	result = policy->pin ? ask_pin(options, true, &pin) : RESULT_OK;
	if (result == RESULT_OK)
		result = make_secret(tpm, &secret);
	if (result == RESULT_OK)
		result = seal_all(tpm, policy, &pin, &secret, &enrolment);
	if (result != RESULT_OK)
		return result;
	if (volkey_passphrase(&secret, &passphrase) < 0)
		return complain("no memory");
	enrolment.secret = &secret;
	enrolment.passphrase = &passphrase;
	return enrolment_write(volumes, &enrolment);
}
