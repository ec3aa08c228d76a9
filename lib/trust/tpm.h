/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The TPM 2.0, through tss2's ESYS (the only module that uses it; the library is loaded on first
 * use). Sources: TCG "TPM 2.0 Library" parts 1-3 (rev 1.59), by command name;
 * systemd-cryptenroll(1) and the LUKS2 token `systemd-tpm2` for the form of what it enrols.
 *
 * Every command has a deadline of ten seconds (making a key: 90), and after a command without
 * answer none is sent: a TPM that hangs costs seconds, not the boot. The kernel gives the command
 * up after five minutes at most; the end of the process, a kexec and a reboot wait for that.
 * Sessions that carry a secret are salted with the primary key and encrypt it (AES-128-CFB):
 * against who listens on the bus.
 *
 * Errors, of all functions:
 *   -ENODEV      there is no TPM (no device, nobody answers)
 *   -EOPNOTSUPP  the tss2 libraries are missing, or the TPM lacks the algorithm
 *   -EIO         the TPM reports an error; tpm_error() says which
 *   -ETIMEDOUT   the TPM does not answer in time
 *   -EBUSY       locked out: too many wrong PINs (TPM_RC_LOCKOUT)
 *   -EACCES      wrong PIN
 *   -EPERM       the policy does not hold: PCRs, a signature, or a cap
 *   -EBADMSG     the blob is damaged, or another TPM's
 *   -ENOENT      no such NV index
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "secret.h"

#define TPM_PCRS 24
#define TPM_DIGEST_MAX 64
#define TPM_SHA256_SIZE 32
#define TPM_BRANCHES_MAX 8 /* of TPM2_PolicyOR */
#define TPM_BLOB_MAX 2048
#define TPM_BALENA_NV 0x1500000u

struct tpm; /* an open connection */

enum tpm_bank {
	TPM_BANK_SHA1,
	TPM_BANK_SHA256,
	TPM_BANK_SHA384,
	TPM_BANK_SHA512,
	TPM_BANK_COUNT,
};

/* `sha1`, `sha256`, …; constant string. */
const char *tpm_bank_name(enum tpm_bank bank);
/* TPM_BANK_COUNT for any other text. */
enum tpm_bank tpm_bank_of(const char *name);
/* Bytes of a bank's digests. */
size_t tpm_bank_size(enum tpm_bank bank);
/* TCG algorithm identifier (TPM_ALG_ID: 0x0004, 0x000b, 0x000c, 0x000d); TPM_BANK_COUNT for
 * others. */
enum tpm_bank tpm_bank_of_alg(uint16_t alg);
uint16_t tpm_bank_alg(enum tpm_bank bank);

/* What a PCR holds after an event with this digest, in place: a tcglog_extend_fn. Needs libcrypto. */
int tpm_bank_extend(uint16_t alg, uint8_t *value, const uint8_t *digest, size_t size, void *data);

/* What the bootloader extends PCRs with when nothing shall be unsealed any more. */
#define TPM_CAP "tugboot: unlocked"

/* Keys that blobs are sealed under, in the owner hierarchy. */
enum tpm_primary {
	TPM_PRIMARY_ECC,
	TPM_PRIMARY_RSA,
};

struct tpm_pcr_values {
	uint32_t pcrs; /* which of them are filled in, a bit each */
	enum tpm_bank bank;
	uint8_t value[TPM_PCRS][TPM_DIGEST_MAX];
};

/* One way to fulfil a policy: these PCRs with these values. */
struct tpm_branch {
	uint32_t pcrs;
	uint8_t digest
		[TPM_SHA256_SIZE]; /* of the whole policy up to and with this TPM2_PolicyPCR */
	/* What the PCRs were then, NULL when not known. Only explains a refusal. */
	const struct tpm_pcr_values *values;
};

/*
 * What a volume's token says about its sealed secret. Borrowed pointers, as long as the token's.
 * The policy is, in this order: TPM2_PolicyAuthorize where there is a public key (over PolicyPCR of
 * pubkey_pcrs), TPM2_PolicyPCR of one branch, TPM2_PolicyOR where there are several branches,
 * TPM2_PolicyAuthValue with a PIN.
 */
struct tpm_sealed {
	const uint8_t
		*blob; /* TPM2B_PRIVATE and TPM2B_PUBLIC behind each other, as systemd has it */
	size_t blob_size;
	enum tpm_primary primary;
	bool noda; /* the primary has TPMA_OBJECT_NODA (Tugboot's own form); systemd's has not */
	enum tpm_bank bank;
	unsigned branches; /* 0: no PCRs beside the signed ones */
	struct tpm_branch branch[TPM_BRANCHES_MAX];
	const char *pubkey_pem; /* NULL: no signed policy */
	size_t pubkey_size;
	uint32_t pubkey_pcrs;
	bool pin;
	bool has_policy_hash;
	uint8_t policy_hash[TPM_SHA256_SIZE]; /* of the whole policy; checked before the unseal */
};

/* Finds the signature of a policy digest, from a signature file (pcrsig.h). -ENOENT: none. */
typedef int tpm_signature_fn(const uint8_t policy[static TPM_SHA256_SIZE],
			     const struct tpm_sealed *sealed, uint8_t *signature, size_t size,
			     size_t *ret_size, void *data);

/* Why a policy does not hold, for the log. */
struct tpm_refusal {
	/* The first PCR that differs, of the branch that comes nearest, or that no signature is
	 * there for; -1 when that cannot be told: of several PCRs without their values then. */
	int pcr;
	uint8_t found[TPM_DIGEST_MAX];
};

/* Opens the TPM. tcti: NULL for /dev/tpmrm0 (else /dev/tpm0), `device:PATH`,
 * `swtpm:path=SOCKET`, or any other of tss2's (needs libtss2-tctildr; its deadlines are its
 * own). No command is sent yet. */
int tpm_open(const char *tcti, struct tpm **ret_tpm);
void tpm_close(struct tpm *tpm); /* flushes what is loaded; NULL is fine */
static inline void tpm_closep(struct tpm **tpm)
{
	tpm_close(*tpm);
}
#define _tpm_ _cleanup_(tpm_closep)

/* The last error of the TPM or the library in words ("TPM_RC_…: …"); a thread's own, also without a
 * connection (NULL). */
const char *tpm_error(const struct tpm *tpm);

/* Commands sent so far, all and those that unseal or read a secret, or derive from one. */
struct tpm_counts {
	unsigned commands, unseals;
};
struct tpm_counts tpm_counts(const struct tpm *tpm);

/* PCRs. pcrs is a bit mask; -EOPNOTSUPP when the bank is not allocated for one of them. */
int tpm_pcr_read(struct tpm *tpm, enum tpm_bank bank, uint32_t pcrs,
		 struct tpm_pcr_values *ret_values);
/* Bit mask of banks (1 << enum tpm_bank) that hold PCRs. */
int tpm_pcr_banks(struct tpm *tpm, unsigned *ret_banks);
/* Extends a PCR in every bank with the digests of this text (TPM2_PCR_Event); for the cap. */
int tpm_pcr_extend(struct tpm *tpm, unsigned pcr, const char *text);

/* Policies without a TPM: the digest after TPM2_PolicyPCR / PolicyOR / PolicyAuthorize /
 * AuthValue on top of `digest` (32 bytes, all zero at first), in place. TPM 2.0 part 3, 23.7,
 * 23.6, 23.16, 23.17. Need libcrypto. */
int tpm_policy_pcr(uint8_t digest[static TPM_SHA256_SIZE], const struct tpm_pcr_values *values);
int tpm_policy_or(uint8_t digest[static TPM_SHA256_SIZE], const struct tpm_branch *branches,
		  unsigned n);
int tpm_policy_authorize(uint8_t digest[static TPM_SHA256_SIZE], const char *pubkey_pem,
			 size_t pubkey_size);
int tpm_policy_auth_value(uint8_t digest[static TPM_SHA256_SIZE]);

/*
 * Unseals. The policy is compared with the PCRs before anything is loaded, and with the object's
 * own. pin: NULL or empty for none; -EACCES when one is needed then, without asking the TPM, which
 * counts. sign: NULL when there is no signature file. *ret_refusal (may be NULL) is filled on
 * -EPERM. The secret is the bytes that were sealed. After a primary without NODA, or a PIN,
 * TPM2_Shutdown(CLEAR) has been sent, whatever the result is.
 */
int tpm_unseal(struct tpm *tpm, const struct tpm_sealed *sealed, const struct secret *pin,
	       tpm_signature_fn *sign, void *data, struct secret *ret_secret,
	       struct tpm_refusal *ret_refusal);

/*
 * Seals under a policy: sealed->primary, noda, bank, branches (with their digests), pubkey and pin
 * say which; blob is not looked at. Fills policy_hash and writes the blob to buf. The object has
 * NODA itself when noda is set and there is no PIN. Leaves nothing in the TPM. -EINVAL for a secret
 * of more than 128 bytes, and when sealed->pin and pin disagree; -ENOSPC when buf is too small.
 */
int tpm_seal(struct tpm *tpm, struct tpm_sealed *sealed, const struct secret *pin,
	     const struct secret *secret, uint8_t *buf, size_t size, size_t *ret_size);

/*
 * balena's form: a passphrase in NV index TPM_BALENA_NV, to be read under TPM2_PolicyPCR of `pcrs`,
 * or TPM2_PolicyOR of the digests in `policies` (files of 32 bytes beside it). The index's own
 * authPolicy says which; -EPERM when no combination gives it or the PCRs do not match.
 */
int tpm_balena_read(struct tpm *tpm, enum tpm_bank bank, uint32_t pcrs,
		    const struct tpm_branch *policies, unsigned n, struct secret *ret_secret,
		    struct tpm_refusal *ret_refusal);
/* Writes it: the index is defined when it is missing, or was never written (a cut); else -EEXIST.
 * For provisioning. */
int tpm_balena_define(struct tpm *tpm, const uint8_t policy[static TPM_SHA256_SIZE],
		      const struct secret *secret);

/* The dictionary attack counter (TPM_PT_LOCKOUT_COUNTER) and whether it is locked out now. */
int tpm_lockout(struct tpm *tpm, unsigned *ret_failures, bool *ret_locked);

/* Tells the TPM that power may go (TPM2_Shutdown(CLEAR)): without it, TPMs count a power cut after
 * the use of an authorised key as an attack. */
int tpm_shutdown(struct tpm *tpm);

/* size bytes of the TPM's random numbers. They cross the bus in the clear: to be mixed with
 * others. */
int tpm_random(struct tpm *tpm, void *buf, size_t size);
