/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LUKS2 tokens read; see token.h. A token has one table of fields: what is needed is looked for,
 * what is not known is passed over, as newer releases may add to it.
 */
#include "token.h"

#include <errno.h>
#include <stdlib.h>

#include "base64.h"
#include "crypto.h"
#include "jsonread.h"
#include "tpmblob.h"

static void token_freep(struct token **token)
{
	free(*token);
}
#define _token_ _cleanup_(token_freep)

/* ["0", "7"]: each at most once. */
static int read_slots(struct json_object *value, uint32_t *ret_slots)
{
	uint32_t slots = 0;

	if (!json_object_is_type(value, json_type_array))
		return -EBADMSG;
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		struct json_object *item = json_object_array_get_idx(value, i);
		unsigned slot;

		if (!json_object_is_type(item, json_type_string) ||
		    jsonread_number(json_object_get_string(item), TOKEN_SLOTS - 1, &slot) < 0 ||
		    slots & 1u << slot)
			return -EBADMSG;
		slots |= 1u << slot;
	}
	*ret_slots = slots;
	return 0;
}

static int read_keyslots(struct json_object *value, struct token *token)
{
	return read_slots(value, &token->slots);
}

static int read_planned(struct json_object *value, struct token *token)
{
	return read_slots(value, &token->planned);
}

static int read_blob(struct json_object *value, struct token *token)
{
	return jsonread_bytes(value, base64_decode, token->blob, sizeof(token->blob),
			      &token->sealed.blob_size);
}

static int read_bank(struct json_object *value, struct token *token)
{
	if (!json_object_is_type(value, json_type_string))
		return -EBADMSG;
	token->sealed.bank = tpm_bank_of(json_object_get_string(value));
	return token->sealed.bank == TPM_BANK_COUNT ? -EBADMSG : 0;
}

static int read_primary(struct json_object *value, struct token *token)
{
	char name[4];

	if (jsonread_text(value, name, sizeof(name)) < 0)
		return -EBADMSG;
	if (streq(name, "rsa"))
		token->sealed.primary = TPM_PRIMARY_RSA;
	else if (streq(name, "ecc"))
		token->sealed.primary = TPM_PRIMARY_ECC;
	else
		return -EBADMSG;
	return 0;
}

static int read_policy_hash(struct json_object *value, struct token *token)
{
	token->sealed.has_policy_hash = true;
	return jsonread_digest(value, token->sealed.policy_hash, TPM_SHA256_SIZE);
}

static int read_pin(struct json_object *value, struct token *token)
{
	token->sealed.pin = json_object_get_boolean(value);
	return json_object_is_type(value, json_type_boolean) ? 0 : -EBADMSG;
}

static int read_pubkey(struct json_object *value, struct token *token)
{
	/* The last byte stays NUL. */
	return jsonread_bytes(value, base64_decode, (uint8_t *)token->pem, sizeof(token->pem) - 1,
			      &token->sealed.pubkey_size);
}

static int read_pubkey_pcrs(struct json_object *value, struct token *token)
{
	return jsonread_pcrs(value, &token->sealed.pubkey_pcrs);
}

static int read_systemd_pcrs(struct json_object *value, struct token *token)
{
	struct tpm_sealed *sealed = &token->sealed;
	int r;

	r = jsonread_pcrs(value, &sealed->branch[0].pcrs);
	if (r < 0)
		return r;
	sealed->branches = sealed->branch[0].pcrs != 0 ? 1 : 0;
	return 0;
}

/* Policies that only newer releases have. */
static int read_pcrlock(struct json_object *value, struct token *token)
{
	(void)token; /* nothing to fill in */
	if (!json_object_is_type(value, json_type_boolean))
		return -EBADMSG;
	return json_object_get_boolean(value) ? -EOPNOTSUPP : 0;
}

static int read_unsupported(struct json_object *value, struct token *token)
{
	(void)value; /* it is enough that it is there */
	(void)token;
	return -EOPNOTSUPP;
}

static int read_values(struct json_object *object, struct tpm_pcr_values *values)
{
	size_t size = tpm_bank_size(values->bank);

	if (!json_object_is_type(object, json_type_object))
		return -EBADMSG;
	json_object_object_foreach(object, key, value)
	{
		unsigned pcr;

		if (jsonread_number(key, TPM_PCRS - 1, &pcr) < 0 ||
		    jsonread_digest(value, values->value[pcr], size) < 0)
			return -EBADMSG;
		values->pcrs |= 1u << pcr;
	}
	return 0;
}

static int read_events(struct json_object *object, struct token_branch_hint *hint)
{
	if (!json_object_is_type(object, json_type_object))
		return -EBADMSG;
	json_object_object_foreach(object, key, list)
	{
		unsigned pcr;

		if (jsonread_number(key, TPM_PCRS - 1, &pcr) < 0 ||
		    !json_object_is_type(list, json_type_array))
			return -EBADMSG;
		for (size_t i = 0; i < json_object_array_length(list); i++) {
			__typeof__(hint->event[0]) *event = &hint->event[hint->events];

			if (hint->events == TOKEN_EVENTS_MAX ||
			    jsonread_digest(json_object_array_get_idx(list, i), event->digest,
					    sizeof(event->digest)) < 0)
				return -EBADMSG;
			event->pcr = (uint8_t)pcr;
			hint->events++;
		}
	}
	return 0;
}

static int read_branch(struct json_object *object, enum tpm_bank bank, struct tpm_branch *branch,
		       struct token_branch_hint *hint)
{
	struct json_object *value;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, "pcrs", &value) ||
	    jsonread_pcrs(value, &branch->pcrs) < 0 || branch->pcrs == 0)
		return -EBADMSG;
	if (!json_object_object_get_ex(object, "digest", &value) ||
	    jsonread_digest(value, branch->digest, sizeof(branch->digest)) < 0)
		return -EBADMSG;
	if (json_object_object_get_ex(object, "name", &value) &&
	    jsonread_text(value, hint->name, sizeof(hint->name)) < 0)
		return -EBADMSG;
	hint->values.bank = bank;
	if (json_object_object_get_ex(object, "values", &value) &&
	    read_values(value, &hint->values) < 0)
		return -EBADMSG;
	if (json_object_object_get_ex(object, "events", &value) && read_events(value, hint) < 0)
		return -EBADMSG;
	return 0;
}

static int read_policies(struct json_object *value, struct token *token)
{
	struct tpm_sealed *sealed = &token->sealed;
	int r;

	if (!json_object_is_type(value, json_type_array) ||
	    json_object_array_length(value) > TPM_BRANCHES_MAX)
		return -EBADMSG;
	sealed->branches = (unsigned)json_object_array_length(value);
	for (unsigned i = 0; i < sealed->branches; i++) {
		r = read_branch(json_object_array_get_idx(value, i), sealed->bank,
				&sealed->branch[i], &token->hint[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_role(struct json_object *value, struct token *token)
{
	int r = jsonread_text(value, token->role, sizeof(token->role));

	return r < 0 || token->role[0] == '\0' ? -EBADMSG : 0;
}

static int read_volume_key(struct json_object *value, struct token *token)
{
	int r = jsonread_bytes(value, base64_decode, token->wrapped, sizeof(token->wrapped),
			       &token->wrapped_size);

	return r < 0 || token->wrapped_size <= CRYPTO_NONCE + CRYPTO_TAG ? -EBADMSG : 0;
}

/* Who has a field, by kind. */
enum {
	ANY = 1 << TOKEN_UNKNOWN | 1 << TOKEN_SYSTEMD_TPM2 | 1 << TOKEN_TUGBOOT_TPM2 |
	      1 << TOKEN_RECOVERY | 1 << TOKEN_SYSTEMD_OTHER,
	SYSTEMD = 1 << TOKEN_SYSTEMD_TPM2,
	TUGBOOT = 1 << TOKEN_TUGBOOT_TPM2,
	TPM2 = SYSTEMD | TUGBOOT,
	ENROLLED = TUGBOOT | 1 << TOKEN_RECOVERY,
};

/* The bank comes before the values, which are of its size. */
static const struct field {
	const char *name;
	unsigned of;
	bool needed;
	int (*read)(struct json_object *value, struct token *token);
} fields[] = {
	{"keyslots", ANY, true, read_keyslots},
	{"slots-planned", ENROLLED, false, read_planned},
	{"tpm2_pcrlock", SYSTEMD, false, read_pcrlock},
	{"tpm2_salt", SYSTEMD, false, read_unsupported},
	{"tpm2_srk", SYSTEMD, false, read_unsupported},
	{"tpm2-blob", TPM2, true, read_blob},
	/* systemd before 250 had SHA-256 alone, before 251 ECC alone, and both left it unsaid. */
	{"tpm2-pcr-bank", TPM2, false, read_bank},
	{"tpm2-primary-alg", TPM2, false, read_primary},
	{"tpm2-policy-hash", TPM2, true, read_policy_hash},
	{"tpm2-pin", TPM2, false, read_pin},
	{"tpm2_pubkey", TPM2, false, read_pubkey},
	{"tpm2_pubkey_pcrs", TPM2, false, read_pubkey_pcrs},
	{"tpm2-pcrs", SYSTEMD, true, read_systemd_pcrs},
	{"tpm2-policies", TUGBOOT, true, read_policies},
	{"volume-role", TUGBOOT, true, read_role},
	{"volume-key", TUGBOOT, false, read_volume_key},
};

static enum token_kind kind_of(const char *type)
{
	static const struct {
		const char *type;
		enum token_kind kind;
	} kinds[] = {
		{"systemd-tpm2", TOKEN_SYSTEMD_TPM2},	{"tugboot-tpm2", TOKEN_TUGBOOT_TPM2},
		{"tugboot-recovery", TOKEN_RECOVERY},	{"systemd-recovery", TOKEN_RECOVERY},
		{"systemd-fido2", TOKEN_SYSTEMD_OTHER}, {"systemd-pkcs11", TOKEN_SYSTEMD_OTHER},
		{"luks2-keyring", TOKEN_SYSTEMD_OTHER},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (streq(type, kinds[i].type))
			return kinds[i].kind;
	return TOKEN_UNKNOWN;
}

/* What lies in the token itself is pointed to. */
static void point(struct token *token)
{
	token->sealed.blob = token->sealed.blob_size > 0 ? token->blob : NULL;
	token->sealed.pubkey_pem = token->sealed.pubkey_size > 0 ? token->pem : NULL;
}

/* Do the fields of a TPM token go together? */
static int check_sealed(const struct token *token, const char **ret_what)
{
	const struct tpm_sealed *sealed = &token->sealed;
	bool tugboot = token->kind == TOKEN_TUGBOOT_TPM2;
	struct tpmblob blob;
	int r;

	if ((sealed->pubkey_size > 0) != (sealed->pubkey_pcrs != 0)) {
		*ret_what = "tpm2_pubkey_pcrs";
		return -EBADMSG;
	}
	if (tugboot && sealed->branches == 0 && sealed->pubkey_size == 0 && !sealed->pin) {
		*ret_what = "tpm2-policies";
		return -EBADMSG;
	}
	r = tpmblob_parse(token->blob, sealed->blob_size, &blob, ret_what);
	if (r < 0)
		return r;
	if (memcmp(blob.policy, sealed->policy_hash, TPMBLOB_POLICY_SIZE) != 0) {
		*ret_what = "tpm2-policy-hash is not the blob's";
		return -EBADMSG;
	}
	/* Without dictionary attack protection a PIN can be tried at will. */
	if (blob.noda ? sealed->pin : tugboot && !sealed->pin) {
		*ret_what = "noDA of the blob";
		return -EBADMSG;
	}
	return 0;
}

static int read_token(struct json_object *object, struct token *token, const char **ret_what)
{
	struct json_object *value;
	int r;

	*ret_what = "type";
	if (!json_object_object_get_ex(object, "type", &value) ||
	    jsonread_text(value, token->type, sizeof(token->type)) < 0)
		return -EBADMSG;
	token->kind = kind_of(token->type);
	token->sealed.bank = TPM_BANK_SHA256;
	token->sealed.primary = TPM_PRIMARY_ECC;
	token->sealed.noda = token->kind == TOKEN_TUGBOOT_TPM2;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *field = &fields[i];

		if (!(field->of & 1u << token->kind))
			continue;
		*ret_what = field->name;
		if (json_object_object_get_ex(object, field->name, &value))
			r = field->read(value, token);
		else
			r = field->needed ? -EBADMSG : 0;
		if (r < 0)
			return r;
	}
	return TPM2 & 1u << token->kind ? check_sealed(token, ret_what) : 0;
}

int token_parse(const char *json, struct token *ret_token, const char **ret_what)
{
	_jsonread_ struct json_object *object = NULL;
	_token_ struct token *token = calloc(1, sizeof(*token));
	const char *what = "JSON";
	int r;

	if (!token)
		return -ENOMEM;
	r = jsonread_parse(json, strlen(json), TOKEN_JSON_MAX, &object);
	if (r == 0)
		r = read_token(object, token, &what);
	if (r < 0) {
		if (ret_what)
			*ret_what = what;
		return r;
	}
	*ret_token = *token;
	point(ret_token);
	return 0;
}

bool token_same_secret(const struct token *a, const struct token *b)
{
	return a->kind == b->kind && a->sealed.blob_size == b->sealed.blob_size &&
	       memcmp(a->sealed.blob, b->sealed.blob, a->sealed.blob_size) == 0;
}
