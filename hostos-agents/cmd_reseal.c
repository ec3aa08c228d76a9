/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot reseal`: another enrolment in place of the one that the volumes have, with the same PCRs,
 * signed policy, primary key and PIN or none, for the values of this boot, of the next one, or both.
 * The old one goes when the new one is on all volumes and was read back.
 */
#include <errno.h>
#include <stdio.h>

#include "ask.h"
#include "enrolment.h"
#include "volkey.h"

static bool is_meant(const struct options *options, const struct token *token)
{
	return token && token->kind == TOKEN_TUGBOOT_TPM2 && token->sealed.pin == options->pin;
}

static uint32_t old_tokens(const struct options *options, const struct enrol_volume *volume)
{
	uint32_t tokens = 0, slots = 0;

	for (unsigned i = 0; i < LUKS_TOKENS; i++)
		if (is_meant(options, volume->token[i])) {
			tokens |= 1u << i;
			slots |= volume->token[i]->slots;
		}
	/* systemd's token for the same key slot goes with it. */
	for (unsigned i = 0; i < LUKS_TOKENS; i++)
		if (volume->token[i] && volume->token[i]->kind == TOKEN_SYSTEMD_TPM2 &&
		    volume->token[i]->slots & slots)
			tokens |= 1u << i;
	return tokens;
}

static uint32_t pcrs_of(const struct tpm_sealed *sealed)
{
	uint32_t pcrs = 0;

	for (unsigned i = 0; i < sealed->branches; i++)
		pcrs |= sealed->branch[i].pcrs;
	return pcrs;
}

static bool same_form(const struct tpm_sealed *a, const struct tpm_sealed *b)
{
	return a->primary == b->primary && a->bank == b->bank && pcrs_of(a) == pcrs_of(b) &&
	       a->pubkey_pcrs == b->pubkey_pcrs && a->pubkey_size == b->pubkey_size &&
	       (a->pubkey_size == 0 || memcmp(a->pubkey_pem, b->pubkey_pem, a->pubkey_size) == 0);
}

/* The one form that the enrolments have. *ret_token is borrowed from the volumes. */
static enum result find_old(const struct options *options, const struct enrol_volumes *volumes,
			    const struct token **ret_token)
{
	const struct token *old = NULL;

	for (unsigned v = 0; v < volumes->n; v++)
		for (unsigned i = 0; i < LUKS_TOKENS; i++) {
			const struct token *token = volumes->volume[v].token[i];

			if (!is_meant(options, token))
				continue;
			if (old && !same_form(&old->sealed, &token->sealed))
				return complain("there are enrolments of more than one form: "
						"remove one (see 'tugboot enroll list'), or name "
						"the volumes");
			old = token;
		}
	if (!old)
		return complain("no volume here is enrolled %s a PIN: 'tugboot enroll add' does "
				"that",
				options->pin ? "with" : "without");
	*ret_token = old;
	return RESULT_OK;
}

static enum result keep_branches(const struct token *old, struct enrol_policy *policy)
{
	for (unsigned i = 0; i < old->sealed.branches; i++) {
		bool known = false;

		for (unsigned k = 0; k < policy->branches; k++)
			known |= memcmp(policy->branch[k].digest, old->sealed.branch[i].digest,
					TPM_SHA256_SIZE) == 0;
		if (known)
			continue;
		if (policy->branches == TPM_BRANCHES_MAX)
			return complain("more than %d branches: without --keep-current there are "
					"fewer",
					TPM_BRANCHES_MAX);
		policy->branch[policy->branches] = old->sealed.branch[i];
		policy->hint[policy->branches++] = old->hint[i];
	}
	return RESULT_OK;
}

/* Kept ones first, the next boot's last: systemd's token, which holds one only, is for that. */
static enum result make_policy(const struct options *options, struct tpm *tpm,
			       const struct token *old, struct enrol_policy *policy)
{
	static struct prediction current, next;
	static char pem[TOKEN_PEM_MAX];
	enum result result = RESULT_OK;

	policy->primary = old->sealed.primary;
	policy->bank = old->sealed.bank;
	policy->pcrs = pcrs_of(&old->sealed);
	if (old->sealed.pubkey_pem) { /* the old token goes when headers are read again */
		memcpy(pem, old->sealed.pubkey_pem, old->sealed.pubkey_size);
		policy->pubkey_pem = pem;
		policy->pubkey_size = old->sealed.pubkey_size;
	}
	policy->pubkey_pcrs = old->sealed.pubkey_pcrs;
	policy->pin = old->sealed.pin;
	if (policy->pcrs == 0)
		return complain("the enrolment is under no PCRs of its own: there is nothing to "
				"seal again");
	if (options->keep_current)
		result = keep_branches(old, policy);
	if (result == RESULT_OK)
		result = predict_current(options, tpm, policy->bank, policy->pcrs, &current);
	if (result == RESULT_OK)
		result = enrol_policy_add(policy, &current);
	if (result != RESULT_OK || !options->efi)
		return result;
	result = predict_next(options, &current, &next);
	return result == RESULT_OK ? enrol_policy_add(policy, &next) : result;
}

/* Where the old enrolment opens now, it gives the keys itself and nobody need be there. */
static void keys_by_tpm(struct tpm *tpm, const struct options *options, const struct token *old,
			struct enrol_volumes *volumes)
{
	_secret_ struct secret secret = {0}, wrapping = {0};

	if (options->pin || old->sealed.pubkey_pem ||
	    tpm_unseal(tpm, &old->sealed, NULL, NULL, NULL, &secret, NULL) < 0 ||
	    volkey_derive(&secret, &wrapping) < 0)
		return;
	for (unsigned v = 0; v < volumes->n; v++)
		for (unsigned i = 0; i < LUKS_TOKENS; i++) {
			struct enrol_volume *volume = &volumes->volume[v];
			const struct token *token = volume->token[i];
			_secret_ struct secret key = {0};

			if (volume->key.data || !is_meant(options, token) ||
			    !token_same_secret(token, old) ||
			    volkey_unwrap(&wrapping, &volume->info, volume->role, token->wrapped,
					  token->wrapped_size, &key) < 0 ||
			    luks_verify_key(volume->luks, &key) < 0)
				continue; /* a passphrase is asked for then */
			volume->key = secret_take(&key);
		}
}

static bool has_systemd(const struct options *options, const struct enrol_volumes *volumes)
{
	for (unsigned v = 0; v < volumes->n; v++) {
		uint32_t tokens = old_tokens(options, &volumes->volume[v]);

		if (tokens & enrol_tokens(&volumes->volume[v], 1u << TOKEN_SYSTEMD_TPM2))
			return true;
	}
	return false;
}

/* The old tokens by their place: new ones are beside them. */
static enum result remove_old(struct enrol_volumes *volumes, const uint32_t *tokens)
{
	for (unsigned v = 0; v < volumes->n; v++) {
		int r = enrol_remove(&volumes->volume[v], tokens[v]);

		if (r < 0)
			return complain("the new enrolment is in place, but the old one cannot "
					"be removed from %s: %s",
					volumes->volume[v].dev, enrol_error(r));
	}
	return RESULT_OK;
}

enum result cmd_reseal(const struct options *options, char **args)
{
	static struct enrol_policy policy;
	_enrol_ struct enrol_volumes volumes = {0};
	uint32_t tokens[ENROL_VOLUMES_MAX];
	_tpm_ struct tpm *tpm = NULL;
	const struct token *old = NULL;
	struct options all = *options;
	enum result result;

	all.pin |= options->pin_file != NULL;
	result = enrol_open(&all, args, true, &volumes);
	if (result == RESULT_OK)
		result = enrol_clean(&volumes);
	if (result == RESULT_OK)
		result = find_old(&all, &volumes, &old);
	if (result == RESULT_OK)
		result = enrol_open_tpm(&all, &tpm);
	if (result == RESULT_OK)
		result = make_policy(&all, tpm, old, &policy);
	if (result != RESULT_OK)
		return result;
	policy.systemd = has_systemd(&all, &volumes);
	if (!all.key_file)
		keys_by_tpm(tpm, &all, old, &volumes);
	result = enrol_keys(&all, &volumes);
	if (result != RESULT_OK)
		return result;
	for (unsigned v = 0; v < volumes.n; v++)
		tokens[v] = old_tokens(&all, &volumes.volume[v]);
	result = enrol_by_tpm(&all, tpm, &policy, &volumes);
	if (result == RESULT_OK)
		result = remove_old(&volumes, tokens);
	if (result == RESULT_OK)
		printf("%u %s opened by the TPM in %u %s of PCRs.\n", volumes.n,
		       volumes.n == 1 ? "volume is" : "volumes are", policy.branches,
		       policy.branches == 1 ? "state" : "states");
	return result;
}
