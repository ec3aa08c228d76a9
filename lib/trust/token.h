/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LUKS2 tokens as JSON (LUKS2 On-Disk Format 1.1, 3.5), and systemd's file of PCR signatures,
 * through jsonread.h. What is read is hostile: it lies in a plain header.
 *
 * `systemd-tpm2`   what systemd-cryptenroll writes: keyslots, tpm2-blob, tpm2-pcrs, tpm2-pcr-bank,
 *                  tpm2-primary-alg, tpm2-policy-hash, tpm2-pin, tpm2_pubkey_pcrs, tpm2_pubkey.
 * `tugboot-tpm2`   the same fields but tpm2-pcrs, under a primary key with NODA, and
 *                  "tpm2-policies": [{"pcrs": [0, 7], "digest": HEX, "name": TEXT,
 *                                     "values": {"0": HEX, …}, "events": {"7": [HEX8, …]}}]
 *                  1 to 8, or none where there is a public key or a PIN; name, values and events
 *                  only explain refusals, and may be left out
 *                  "volume-role": "rootA"
 *                  "volume-key": BASE64 of the volume key wrapped (crypto.h) under HKDF(secret)
 *                  "slots-planned": ["N"] while it is enrolled: the key slot that is about to be
 *                  added, or was, and is not in keyslots yet; left out when there is none
 * `tugboot-recovery`, `systemd-recovery`   key slots of a recovery key: keyslots, slots-planned.
 *
 * In both TPM forms the key slot's passphrase is the base64 text of the unsealed bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tpm.h"

#define TOKEN_SLOTS 32 /* LUKS2_KEYSLOTS_MAX */
#define TOKEN_WRAPPED_MAX 256
#define TOKEN_PEM_MAX 4096
#define TOKEN_EVENTS_MAX 128
#define TOKEN_JSON_MAX (64 * 1024)	  /* longer is refused unread */
#define TOKEN_SIGNATURES_MAX (256 * 1024) /* and so is a longer signature file */

enum token_kind {
	TOKEN_UNKNOWN, /* a type that we do not know: refused under a policy */
	TOKEN_SYSTEMD_TPM2,
	TOKEN_TUGBOOT_TPM2,
	TOKEN_RECOVERY,
	TOKEN_SYSTEMD_OTHER, /* systemd-fido2, systemd-pkcs11, luks2-keyring: known, not for a boot */
};

/* What explains a branch; not trusted. */
struct token_branch_hint {
	char name[32];
	struct tpm_pcr_values values;
	/* First 4 bytes of the digests of the PCRs' events, in the log's order. */
	struct {
		uint8_t pcr;
		uint8_t digest[4];
	} event[TOKEN_EVENTS_MAX];
	unsigned events;
};

struct token {
	enum token_kind kind;
	char type[40];
	uint32_t slots;		  /* key slots, a bit each */
	uint32_t planned;	  /* those of an enrolment under way, which slots has not yet */
	struct tpm_sealed sealed; /* points into this token */
	uint8_t blob[TPM_BLOB_MAX];
	char pem[TOKEN_PEM_MAX];
	/* tugboot-tpm2 */
	char role[16];
	uint8_t wrapped[TOKEN_WRAPPED_MAX]; /* of wrapped_size bytes; 0: none */
	size_t wrapped_size;
	struct token_branch_hint hint[TPM_BRANCHES_MAX];
};

/*
 * Parses one. JSON is taken strictly (jsonread.h). -EBADMSG when a field that is needed is missing,
 * malformed, too long or at odds with another one, or the blob is not of the form of tpmblob.h;
 * -EOPNOTSUPP for what later releases of systemd write and this module cannot open (tpm2_srk,
 * tpm2_salt, tpm2_pcrlock); -ENOMEM. *ret_what (may be NULL) says which then (constant string).
 * Of other types than the two of a TPM only kind, type and slots are filled. systemd-tpm2 has one
 * branch, whose digest is left zero (the caller computes it from the PCRs), or none; both have
 * has_policy_hash. *token is large, not for the stack, and not to be copied: sealed points into it.
 */
int token_parse(const char *json, struct token *ret_token, const char **ret_what);

/* Do two TPM tokens hold one sealed secret? */
bool token_same_secret(const struct token *a, const struct token *b);

/*
 * Writes a TOKEN_SYSTEMD_TPM2, TOKEN_TUGBOOT_TPM2 or TOKEN_RECOVERY (type as given), from what
 * `sealed` points to, be it in the token or not. Events are written PCR by PCR. -EINVAL for any
 * that token_parse() would refuse, -ENOMEM. *ret_json is the caller's to free.
 */
int token_format(const struct token *token, char **ret_json);

/*
 * systemd's tpm2-pcr-signature.json: {BANK: [{"pcrs": [11], "pkfp": HEX, "pol": HEX, "sig":
 * BASE64}]}. Finds the signature by that key over that policy digest; entries behind it are not
 * looked at. -ENOENT: none. -EBADMSG: not such a file, or a signature of more than size bytes.
 * -ENOMEM.
 */
int token_signature(const char *json, size_t json_size, enum tpm_bank bank, uint32_t pcrs,
		    const uint8_t fingerprint[static 32], const uint8_t policy[static 32],
		    uint8_t *signature, size_t size, size_t *ret_size);
