/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LUKS2 tokens written; see token.h. Each function that adds to the tree says whether there was
 * memory. */
#include "token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base64.h"
#include "jsonread.h"

/* Takes the value over, whatever comes of it; none is no success. */
static bool add(struct json_object *object, const char *name, struct json_object *value)
{
	if (value && json_object_object_add(object, name, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

static bool append(struct json_object *array, struct json_object *value)
{
	if (value && json_object_array_add(array, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

static bool add_text(struct json_object *object, const char *name, const char *text)
{
	return add(object, name, json_object_new_string(text));
}

static bool add_base64(struct json_object *object, const char *name, const void *data, size_t size)
{
	char *text = malloc(BASE64_SIZE(size) + 1);
	bool added;

	if (!text)
		return false;
	base64_encode(data, size, text);
	added = add_text(object, name, text);
	free(text);
	return added;
}

/* Of at most TPM_DIGEST_MAX bytes. */
static struct json_object *digest_json(const uint8_t *digest, size_t size)
{
	char text[2 * TPM_DIGEST_MAX + 1];

	hex_encode(digest, size, text);
	return json_object_new_string(text);
}

static bool add_pcrs(struct json_object *object, const char *name, uint32_t pcrs)
{
	struct json_object *array = json_object_new_array();

	if (!add(object, name, array))
		return false;
	for (int pcr = 0; pcr < TPM_PCRS; pcr++)
		if (pcrs & 1u << pcr && !append(array, json_object_new_int(pcr)))
			return false;
	return true;
}

static bool add_slots(struct json_object *object, const char *name, uint32_t slots)
{
	struct json_object *array = json_object_new_array();
	char text[4];

	if (!add(object, name, array))
		return false;
	for (unsigned slot = 0; slot < TOKEN_SLOTS; slot++) {
		(void)snprintf(text, sizeof(text), "%u", slot);
		if (slots & 1u << slot && !append(array, json_object_new_string(text)))
			return false;
	}
	return true;
}

static bool add_values(struct json_object *object, const struct tpm_pcr_values *values,
		       enum tpm_bank bank)
{
	struct json_object *list = json_object_new_object();
	char key[4];

	if (!add(object, "values", list))
		return false;
	for (unsigned pcr = 0; pcr < TPM_PCRS; pcr++) {
		(void)snprintf(key, sizeof(key), "%u", pcr);
		if (values->pcrs & 1u << pcr &&
		    !add(list, key, digest_json(values->value[pcr], tpm_bank_size(bank))))
			return false;
	}
	return true;
}

static bool add_events(struct json_object *object, const struct token_branch_hint *hint)
{
	struct json_object *lists = json_object_new_object();
	char key[4];

	if (!add(object, "events", lists))
		return false;
	for (unsigned pcr = 0; pcr < TPM_PCRS; pcr++) {
		struct json_object *list = NULL;

		(void)snprintf(key, sizeof(key), "%u", pcr);
		for (unsigned i = 0; i < hint->events; i++) {
			if (hint->event[i].pcr != pcr)
				continue;
			if (!list) {
				list = json_object_new_array();
				if (!add(lists, key, list))
					return false;
			}
			if (!append(list, digest_json(hint->event[i].digest,
						      sizeof(hint->event[i].digest))))
				return false;
		}
	}
	return true;
}

static bool add_branch(struct json_object *policies, const struct token *token, unsigned i)
{
	const struct tpm_branch *branch = &token->sealed.branch[i];
	const struct token_branch_hint *hint = &token->hint[i];
	struct json_object *policy = json_object_new_object();

	return append(policies, policy) && add_pcrs(policy, "pcrs", branch->pcrs) &&
	       add(policy, "digest", digest_json(branch->digest, sizeof(branch->digest))) &&
	       (hint->name[0] == '\0' || add_text(policy, "name", hint->name)) &&
	       (hint->values.pcrs == 0 || add_values(policy, &hint->values, token->sealed.bank)) &&
	       (hint->events == 0 || add_events(policy, hint));
}

static bool add_policies(struct json_object *object, const struct token *token)
{
	struct json_object *policies = json_object_new_array();

	if (!add(object, "tpm2-policies", policies))
		return false;
	for (unsigned i = 0; i < token->sealed.branches; i++)
		if (!add_branch(policies, token, i))
			return false;
	return true;
}

/* In systemd's order. */
static bool add_sealed(struct json_object *object, const struct token *token)
{
	const struct tpm_sealed *sealed = &token->sealed;
	bool systemd = token->kind == TOKEN_SYSTEMD_TPM2;

	return add_base64(object, "tpm2-blob", sealed->blob, sealed->blob_size) &&
	       (!systemd ||
		add_pcrs(object, "tpm2-pcrs", sealed->branches > 0 ? sealed->branch[0].pcrs : 0)) &&
	       add_text(object, "tpm2-pcr-bank", tpm_bank_name(sealed->bank)) &&
	       add_text(object, "tpm2-primary-alg",
			sealed->primary == TPM_PRIMARY_RSA ? "rsa" : "ecc") &&
	       add(object, "tpm2-policy-hash", digest_json(sealed->policy_hash, TPM_SHA256_SIZE)) &&
	       add(object, "tpm2-pin", json_object_new_boolean(sealed->pin)) &&
	       (!sealed->pubkey_pem ||
		(add_pcrs(object, "tpm2_pubkey_pcrs", sealed->pubkey_pcrs) &&
		 add_base64(object, "tpm2_pubkey", sealed->pubkey_pem, sealed->pubkey_size)));
}

static bool add_volume(struct json_object *object, const struct token *token)
{
	return add_policies(object, token) && add_text(object, "volume-role", token->role) &&
	       (token->wrapped_size == 0 ||
		add_base64(object, "volume-key", token->wrapped, token->wrapped_size));
}

static bool add_token(struct json_object *object, const struct token *token)
{
	return add_text(object, "type", token->type) &&
	       add_slots(object, "keyslots", token->slots) &&
	       (token->planned == 0 || add_slots(object, "slots-planned", token->planned)) &&
	       (token->kind == TOKEN_RECOVERY || add_sealed(object, token)) &&
	       (token->kind != TOKEN_TUGBOOT_TPM2 || add_volume(object, token));
}

/* Bounds that writing relies on; what else is wrong is found when it is read again. */
static bool is_writable(const struct token *token)
{
	const struct tpm_sealed *sealed = &token->sealed;

	if (token->kind != TOKEN_SYSTEMD_TPM2 && token->kind != TOKEN_TUGBOOT_TPM2 &&
	    token->kind != TOKEN_RECOVERY)
		return false;
	/* systemd has no alternatives; its primary has not the attribute. */
	if (token->kind == TOKEN_SYSTEMD_TPM2 && (sealed->branches > 1 || sealed->noda))
		return false;
	if (token->kind == TOKEN_SYSTEMD_TPM2 && token->planned)
		return false;
	if (sealed->branches > TPM_BRANCHES_MAX)
		return false;
	for (unsigned i = 0; i < sealed->branches; i++) {
		const struct token_branch_hint *hint = &token->hint[i];

		if (hint->events > TOKEN_EVENTS_MAX)
			return false;
		for (unsigned e = 0; e < hint->events; e++)
			if (hint->event[e].pcr >= TPM_PCRS)
				return false;
	}
	return (unsigned)sealed->bank < TPM_BANK_COUNT && sealed->blob_size <= TPM_BLOB_MAX &&
	       sealed->pubkey_size < TOKEN_PEM_MAX && token->wrapped_size <= TOKEN_WRAPPED_MAX;
}

/* A token that token_parse() would refuse, or take for another kind, would lock its volume. */
static int check_readable(const char *json, enum token_kind kind)
{
	struct token *again = malloc(sizeof(*again));
	int r;

	if (!again)
		return -ENOMEM;
	r = token_parse(json, again, NULL);
	if (r != -ENOMEM && (r < 0 || again->kind != kind))
		r = -EINVAL;
	free(again);
	return r;
}

int token_format(const struct token *token, char **ret_json)
{
	_jsonread_ struct json_object *object = NULL;
	const char *json;
	char *copy;
	int r;

	if (!is_writable(token))
		return -EINVAL;
	object = json_object_new_object();
	if (!object || !add_token(object, token))
		return -ENOMEM;
	json = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
							      JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!json)
		return -ENOMEM;
	r = check_readable(json, token->kind);
	if (r < 0)
		return r;
	copy = strdup(json);
	if (!copy)
		return -ENOMEM;
	*ret_json = copy;
	return 0;
}
