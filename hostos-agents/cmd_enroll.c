/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `tugboot enroll`: ways to open the encrypted volumes: add one by the TPM, list them, remove some. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

#include "crypto.h"
#include "enrolment.h"
#include "fd.h"
#include "file.h"

#define TPM2_TOKENS (1u << TOKEN_TUGBOOT_TPM2 | 1u << TOKEN_SYSTEMD_TPM2)

/* ---- add ---- */

static enum result read_public_key(const struct options *options, char *pem, size_t size,
				   size_t *ret_size)
{
	_free_ char *data = NULL;
	uint8_t fingerprint[32];
	size_t n = 0;
	int r = file_read(AT_FDCWD, options->public_key, size - 1, &data, &n);

	if (r < 0)
		return complain("cannot read the public key %s: %s", options->public_key,
				strerror(-r));
	r = crypto_fingerprint(data, n, fingerprint);
	if (r < 0)
		return complain("%s: %s", options->public_key,
				r == -EINVAL ? "not a public key in PEM, or a short one"
					     : strerror(-r));
	memcpy(pem, data, n + 1);
	*ret_size = n;
	return RESULT_OK;
}

static enum result read_policy(const struct options *options, struct enrol_policy *policy)
{
	static char pem[TOKEN_PEM_MAX];
	enum result result;

	policy->pin = options->pin || options->pin_file;
	policy->systemd = options->systemd;
	policy->bank = options->bank ? tpm_bank_of(options->bank) : TPM_BANK_SHA256;
	if (policy->bank == TPM_BANK_COUNT)
		return complain_usage("'%s' is no bank: banks are sha1, sha256, sha384 and sha512",
				      options->bank);
	if (options->primary && !streq(options->primary, "ecc") && !streq(options->primary, "rsa"))
		return complain_usage("'%s' is no primary key: there are ecc and rsa",
				      options->primary);
	if (options->primary && streq(options->primary, "rsa"))
		policy->primary = TPM_PRIMARY_RSA;
	if (predict_pcrs(options->pcrs ? options->pcrs : "7", &policy->pcrs) < 0)
		return complain_usage("'%s' is no list of PCRs: write 0,7", options->pcrs);
	result = predict_check_pcrs(policy->pcrs);
	if (result != RESULT_OK)
		return result;
	if (options->public_key_pcrs && !options->public_key)
		return complain_usage("--public-key-pcrs goes with --public-key");
	if (options->public_key) {
		if (predict_pcrs(options->public_key_pcrs ? options->public_key_pcrs : "11",
				 &policy->pubkey_pcrs) < 0 ||
		    policy->pubkey_pcrs == 0)
			return complain_usage("'%s' is no list of PCRs: write 11",
					      options->public_key_pcrs);
		result = predict_check_pcrs(policy->pubkey_pcrs);
		if (result == RESULT_OK)
			result = read_public_key(options, pem, sizeof(pem), &policy->pubkey_size);
		policy->pubkey_pem = pem;
	}
	if (result == RESULT_OK && policy->pcrs == 0 && !policy->pubkey_pem)
		return complain_usage("without PCRs and without a public key any program on this "
				      "machine could open the volumes");
	return result;
}

enum result cmd_enroll_add(const struct options *options, char **args)
{
	static struct enrol_policy policy;
	static struct prediction now;
	_enrol_ struct enrol_volumes volumes = {0};
	_tpm_ struct tpm *tpm = NULL;
	enum result result = read_policy(options, &policy);

	if (result == RESULT_OK)
		result = enrol_open(options, args, true, &volumes);
	if (result == RESULT_OK)
		result = enrol_open_tpm(options, &tpm);
	if (result == RESULT_OK)
		result = predict_current(options, tpm, policy.bank, policy.pcrs, &now);
	if (result == RESULT_OK)
		result = enrol_policy_add(&policy, &now);
	if (result == RESULT_OK)
		result = enrol_keys(options, &volumes);
	if (result == RESULT_OK)
		result = enrol_clean(&volumes);
	if (result == RESULT_OK)
		result = enrol_by_tpm(options, tpm, &policy, &volumes);
	if (result == RESULT_OK)
		printf("%u %s opened by the TPM.\n", volumes.n,
		       volumes.n == 1 ? "volume is" : "volumes are");
	return result;
}

/* ---- list ---- */

/* "0,7" */
static void pcr_list(uint32_t pcrs, char buf[static 80])
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned pcr = 0; pcr < TPM_PCRS; pcr++)
		if (pcrs & 1u << pcr)
			n += (size_t)snprintf(buf + n, 80 - n, "%s%u", n ? "," : "", pcr);
}

/* What a token is, in words. */
static const char *form_of(const struct token *token)
{
	if (token->kind == TOKEN_RECOVERY)
		return token->planned ? "recovery key, half enrolled" : "recovery key";
	if (token->kind != TOKEN_TUGBOOT_TPM2 && token->kind != TOKEN_SYSTEMD_TPM2)
		return "not for a boot";
	if (token->planned)
		return "TPM, half enrolled: add it again";
	return token->slots ? "TPM" : "TPM, half removed";
}

static void print_token(unsigned number, const struct token *token)
{
	const struct tpm_sealed *sealed = &token->sealed;
	char pcrs[80], slots[80];

	pcr_list(token->slots, slots);
	printf("  token %-2u  %s, slot %s: %s", number, token->type, slots[0] ? slots : "none",
	       form_of(token));
	if (token->kind != TOKEN_TUGBOOT_TPM2 && token->kind != TOKEN_SYSTEMD_TPM2) {
		printf("\n");
		return;
	}
	for (unsigned i = 0; i < sealed->branches; i++) {
		pcr_list(sealed->branch[i].pcrs, pcrs);
		printf("%s PCR %s", i ? " or" : ",", pcrs);
		if (token->hint[i].name[0])
			printf(" (%s)", token->hint[i].name);
	}
	printf(", %s", tpm_bank_name(sealed->bank));
	if (sealed->pubkey_pem) {
		pcr_list(sealed->pubkey_pcrs, pcrs);
		printf(", signed for PCR %s", pcrs);
	}
	printf("%s%s\n", sealed->pin ? ", PIN" : "",
	       sealed->primary == TPM_PRIMARY_RSA ? ", RSA" : "");
}

static const char *owner_of(const struct enrol_volume *volume, unsigned slot)
{
	for (unsigned i = 0; i < LUKS_TOKENS; i++)
		if (volume->token[i] && volume->token[i]->slots & 1u << slot)
			return volume->token[i]->kind == TOKEN_RECOVERY ? "recovery key" : "TPM";
	return "passphrase";
}

static void print_volume(const struct enrol_volume *volume)
{
	printf("%s  %s  %s\n", volume->role, volume->dev, volume->info.uuid);
	for (unsigned i = 0; i < LUKS_SLOTS; i++) {
		const struct luks_slot *slot = &volume->info.slot[i];

		if (slot->used)
			printf("  slot %-2u   %s, %s\n", i,
			       slot->bound ? owner_of(volume, i) : "not for the volume",
			       slot->argon2 ? "Argon2" : "PBKDF2");
	}
	for (unsigned i = 0; i < LUKS_TOKENS; i++) {
		if (volume->unreadable[i])
			printf("  token %-2u  cannot be used: %s\n", i, volume->unreadable[i]);
		else if (volume->token[i])
			print_token(i, volume->token[i]);
	}
}

static void add_text(struct json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
}

static void add_bool(struct json_object *object, const char *name, bool value)
{
	json_object_object_add(object, name, json_object_new_boolean(value));
}

static struct json_object *bits_json(uint32_t bits)
{
	struct json_object *array = json_object_new_array();

	for (int i = 0; i < 32; i++)
		if (bits & 1u << i)
			json_object_array_add(array, json_object_new_int(i));
	return array;
}

static void add_tpm(struct json_object *object, const struct token *token)
{
	const struct tpm_sealed *sealed = &token->sealed;
	struct json_object *branches = json_object_new_array();

	for (unsigned i = 0; i < sealed->branches; i++) {
		struct json_object *branch = json_object_new_object();

		add_text(branch, "name", token->hint[i].name);
		json_object_object_add(branch, "pcrs", bits_json(sealed->branch[i].pcrs));
		json_object_array_add(branches, branch);
	}
	json_object_object_add(object, "branches", branches);
	add_text(object, "bank", tpm_bank_name(sealed->bank));
	add_text(object, "primary", sealed->primary == TPM_PRIMARY_RSA ? "rsa" : "ecc");
	add_bool(object, "pin", sealed->pin);
	json_object_object_add(object, "signed_pcrs",
			       bits_json(sealed->pubkey_pem ? sealed->pubkey_pcrs : 0));
}

static struct json_object *token_json(const struct enrol_volume *volume, unsigned i)
{
	const struct token *token = volume->token[i];
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "token", json_object_new_int((int)i));
	if (!token) {
		add_text(object, "problem", volume->unreadable[i]);
		return object;
	}
	add_text(object, "type", token->type);
	json_object_object_add(object, "slots", bits_json(token->slots));
	json_object_object_add(object, "planned_slots", bits_json(token->planned));
	if (token->kind == TOKEN_TUGBOOT_TPM2 || token->kind == TOKEN_SYSTEMD_TPM2)
		add_tpm(object, token);
	return object;
}

static struct json_object *volume_json(const struct enrol_volume *volume)
{
	struct json_object *object = json_object_new_object();
	struct json_object *slots = json_object_new_array(), *tokens = json_object_new_array();

	add_text(object, "role", volume->role);
	add_text(object, "device", volume->dev);
	add_text(object, "uuid", volume->info.uuid);
	for (unsigned i = 0; i < LUKS_SLOTS; i++) {
		struct json_object *slot;

		if (!volume->info.slot[i].used)
			continue;
		slot = json_object_new_object();
		json_object_object_add(slot, "slot", json_object_new_int((int)i));
		add_text(slot, "of", owner_of(volume, i));
		add_bool(slot, "argon2", volume->info.slot[i].argon2);
		json_object_array_add(slots, slot);
	}
	for (unsigned i = 0; i < LUKS_TOKENS; i++)
		if (volume->token[i] || volume->unreadable[i])
			json_object_array_add(tokens, token_json(volume, i));
	json_object_object_add(object, "slots", slots);
	json_object_object_add(object, "tokens", tokens);
	return object;
}

enum result cmd_enroll_list(const struct options *options, char **args)
{
	_enrol_ struct enrol_volumes volumes = {0};
	struct json_object *array;
	enum result result = enrol_open(options, args, false, &volumes);

	if (result != RESULT_OK)
		return result;
	if (!options->json) {
		for (unsigned i = 0; i < volumes.n; i++)
			print_volume(&volumes.volume[i]);
		return RESULT_OK;
	}
	array = json_object_new_array();
	for (unsigned i = 0; i < volumes.n; i++)
		json_object_array_add(array, volume_json(&volumes.volume[i]));
	printf("%s\n", json_object_to_json_string_ext(
			       array, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(array);
	return RESULT_OK;
}

/* ---- remove ---- */

/* Which tokens of the volumes a word means. */
static enum result find_tokens(const char *what, const struct enrol_volumes *volumes,
			       uint32_t *tokens)
{
	char *end;
	unsigned long number;

	for (unsigned v = 0; v < volumes->n; v++) {
		unsigned kinds = streq(what, "tpm2")	   ? TPM2_TOKENS
				 : streq(what, "recovery") ? 1u << TOKEN_RECOVERY
							   : 0;

		tokens[v] = enrol_tokens(&volumes->volume[v], kinds);
	}
	if (streq(what, "tpm2") || streq(what, "recovery"))
		return RESULT_OK;
	number = strtoul(what, &end, 10);
	if (what[0] < '0' || what[0] > '9' || *end != '\0' || number >= LUKS_TOKENS)
		return complain_usage("'%s' is no token: give its number, tpm2 or recovery", what);
	if (volumes->n != 1)
		return complain_usage("tokens have numbers of their own in each volume: name one "
				      "volume");
	tokens[0] = volumes->volume[0].token[number] ? 1u << number : 0;
	return RESULT_OK;
}

enum result cmd_enroll_remove(const struct options *options, char **args)
{
	_enrol_ struct enrol_volumes volumes = {0};
	uint32_t tokens[ENROL_VOLUMES_MAX];
	unsigned n = 0;
	enum result result = enrol_open(options, args + 1, true, &volumes);

	if (result == RESULT_OK)
		result = find_tokens(args[0], &volumes, tokens);
	for (unsigned v = 0; v < volumes.n && result == RESULT_OK; v++) {
		n += (unsigned)__builtin_popcount(tokens[v]);
		if (tokens[v] && !options->force &&
		    !enrol_opens_without(&volumes.volume[v], tokens[v]))
			result = complain("%s has no other way in: what is on it would be lost. "
					  "--force does it all the same",
					  volumes.volume[v].dev);
	}
	if (result == RESULT_OK && n == 0)
		return complain("there is no such token");
	for (unsigned v = 0; v < volumes.n && result == RESULT_OK; v++) {
		int r = enrol_remove(&volumes.volume[v], tokens[v]);

		if (r < 0)
			result = complain("cannot remove it from %s: %s", volumes.volume[v].dev,
					  enrol_error(r));
	}
	return result;
}
