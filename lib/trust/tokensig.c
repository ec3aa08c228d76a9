/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* systemd's file of PCR signatures; see token.h. The file is hostile, the TPM checks what is found
 * in it. */
#include "token.h"

#include <errno.h>

#include "base64.h"
#include "jsonread.h"

struct wanted {
	uint32_t pcrs;
	const uint8_t *fingerprint, *policy;
};

/* 1 when it is the one, 0 when it is another, with its signature. */
static int read_signature(struct json_object *entry, const struct wanted *wanted,
			  uint8_t *signature, size_t size, size_t *ret_size)
{
	uint8_t fingerprint[TPM_SHA256_SIZE], policy[TPM_SHA256_SIZE];
	struct json_object *value;
	uint32_t pcrs;

	if (!json_object_is_type(entry, json_type_object) ||
	    !json_object_object_get_ex(entry, "pcrs", &value) || jsonread_pcrs(value, &pcrs) < 0 ||
	    !json_object_object_get_ex(entry, "pkfp", &value) ||
	    jsonread_digest(value, fingerprint, sizeof(fingerprint)) < 0 ||
	    !json_object_object_get_ex(entry, "pol", &value) ||
	    jsonread_digest(value, policy, sizeof(policy)) < 0 ||
	    !json_object_object_get_ex(entry, "sig", &value))
		return -EBADMSG;
	if (pcrs != wanted->pcrs ||
	    memcmp(fingerprint, wanted->fingerprint, sizeof(fingerprint)) != 0 ||
	    memcmp(policy, wanted->policy, sizeof(policy)) != 0)
		return 0;
	return jsonread_bytes(value, base64_decode, signature, size, ret_size) < 0 ? -EBADMSG : 1;
}

int token_signature(const char *json, size_t json_size, enum tpm_bank bank, uint32_t pcrs,
		    const uint8_t fingerprint[static 32], const uint8_t policy[static 32],
		    uint8_t *signature, size_t size, size_t *ret_size)
{
	const struct wanted wanted = {pcrs, fingerprint, policy};
	_jsonread_ struct json_object *object = NULL;
	struct json_object *entries;
	int r;

	r = jsonread_parse(json, json_size, TOKEN_SIGNATURES_MAX, &object);
	if (r < 0)
		return r;
	if (!json_object_object_get_ex(object, tpm_bank_name(bank), &entries))
		return -ENOENT;
	if (!json_object_is_type(entries, json_type_array))
		return -EBADMSG;
	for (size_t i = 0; i < json_object_array_length(entries); i++) {
		r = read_signature(json_object_array_get_idx(entries, i), &wanted, signature, size,
				   ret_size);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return -ENOENT;
}
