/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Encrypted volumes of one boot: which there are, whether the disk is as the device's maker said,
 * how their keys are got, and that nothing can get them again once the root's kernel runs.
 *
 * Keys are in locked memory from the moment that they are known until unlock_end() wipes them.
 */
#pragma once

#include <stdbool.h>

#include "boot.h"
#include "luks.h"
#include "secret.h"
#include "token.h"
#include "tpm.h"

enum unlock_method {
	UNLOCK_TPM2,	 /* without anybody there */
	UNLOCK_PIN,	 /* the TPM, with a PIN typed on the console */
	UNLOCK_RECOVERY, /* recovery key typed on the console */
	UNLOCK_KEYFILE,	 /* a file in the initramfs: for development */
	UNLOCK_METHODS,
};

/* How the root gets the keys (tugboot.keys=). */
enum unlock_keys {
	KEYS_OS,     /* the OS role, in a key bag */
	KEYS_INITRD, /* the root's own initrd, as key files */
	KEYS_NONE,
};

/* What the device's maker says on the signed command line. */
struct unlock_policy {
	struct volume_policy volumes;
	enum unlock_method method[UNLOCK_METHODS];
	unsigned methods;
	enum unlock_keys keys;
	bool dma_required; /* tugboot.dma=require: refuse when the firmware says that it was off */
	bool log_required; /* tugboot.log=require: refuse without an event log */
	bool tugboot_form; /* tugboot.form=tugboot: no other enrolment counts */
	uint32_t balena_pcrs;
	uint32_t verity; /* roots that must be signed, 1u << role each */
};

struct unlock_volume {
	enum part_role role;
	char dev[64];
	struct luks_info info;
	struct token *token; /* owned array */
	unsigned tokens;
	const char *problem;	  /* why it is not opened; constant string */
	bool by_tpm;		  /* what the TPM gave opened it */
	struct secret key;	  /* the volume key; empty until a method gave it */
	struct secret passphrase; /* what opened a key slot, for roots with their own initrd */
};

#define UNLOCK_VOLUMES PART_ROLE_COUNT

struct unlock {
	bool prepared;
	bool refused; /* the disk or the machine is not as it must be: no key is given out */
	struct unlock_policy policy;
	struct unlock_volume volume[UNLOCK_VOLUMES];
	unsigned volumes;
	struct tpm *tpm;      /* owned */
	bool mapped;	      /* the root's mapping is there */
	const char *by;	      /* how the keys were got; constant string */
	unsigned derivations; /* of wrapping keys; luks_derivations() counts those of key slots */
};

/* unlock_policy.c: reads the command line. -EINVAL for a word that is not known: then nothing is
 * unlocked. */
int unlock_policy_read(const char *cmdline, struct unlock_policy *ret_policy);
const char *unlock_method_name(enum unlock_method method);

/* unlock.c: opens the volume that holds *part, if it is one: part is then the filesystem in it. 0
 * also for what is not encrypted and need not be. Asks each method once a boot. */
int unlock_partition(struct boot *boot, struct partition *part);
/* Closes the mapping that unlock_partition() made. */
void unlock_close(struct boot *boot);
/* Before the jump: nothing that runs from now on can unlock again. Fails only where a policy wants
 * encryption, and the TPM gave keys in this boot but does not close: one that is broken must not keep
 * the owner of a recovery key out. */
int unlock_end(struct boot *boot);
/* Wipes and forgets what is known, for another disk. */
void unlock_forget(struct boot *boot);

/* Has it a key, or will it not get one? */
bool unlock_is_open(const struct unlock_volume *volume);
/* Volumes for which a key is still looked for. */
unsigned unlock_left(const struct unlock *unlock);
/* Volumes that are open by what the TPM gave. */
unsigned unlock_opened_by_tpm(const struct unlock *unlock);
/* Key derivations of this boot, of either kind. */
unsigned unlock_derivations(const struct unlock *unlock);

/* unlock_volumes.c: finds the volumes, reads their headers and tokens, judges them. */
int unlock_volumes_read(struct boot *boot);
/* Tells PID 1 that this volume is worked on now, and is to be refused when that crashes us. */
void unlock_volume_tell(const struct unlock_volume *volume, unsigned seconds);

/* The volume's key, by a passphrase for one of these slots (a bit each, or UNLOCK_ANY_SLOT). -ENOKEY:
 * none of them takes it, or there are none. */
#define UNLOCK_ANY_SLOT UINT32_MAX
int unlock_volume_key(struct unlock_volume *volume, uint32_t slots,
		      const struct secret *passphrase);

/* unlock_tpm.c: by the TPM. pin is empty for those that need none. Gives keys to volumes that have
 * none; the number of volumes that still have none, or a negative errno (-EACCES: wrong PIN). */
int unlock_by_tpm(struct boot *boot, const struct secret *pin);
/* Is there a TPM that may be asked? It says why not. */
int unlock_tpm_ready(struct boot *boot);
/* Is there a volume without a key that a PIN would open? */
bool unlock_wants_pin(const struct boot *boot);
/* Caps the PCRs of every policy on this disk. -EIO when one of them could not be. */
int unlock_cap(struct boot *boot);

/* unlock_tokens.c: the same by the headers' tokens alone. 0, -EACCES, -EBUSY or -ETIMEDOUT. */
int unlock_by_tokens(struct boot *boot, const struct secret *pin);

/* unlock_measured.c: what the firmware measured, and whether it can be believed. -EPERM when not;
 * other errors are the TPM's. */
int unlock_measured_check(struct boot *boot, struct tpm *tpm);
/* Says which PCR and event differ from what was enrolled. */
void unlock_explain(const struct unlock_volume *volume, const struct token *token,
		    const struct tpm_pcr_values *now);

#define UNLOCK_KEY_FILE "/tugboot.key"

/* unlock_typed.c: PIN, recovery key, key file. Same results as unlock_by_tpm(). */
int unlock_by_pin(struct boot *boot);
int unlock_by_recovery(struct boot *boot);
int unlock_by_keyfile(struct boot *boot);
/* Wipes and removes the key file: the root's kernel is not to find it. */
void unlock_keyfile_done(void);

/* Tries a passphrase on every volume without a key; slots: of which, by a token's word, or all. */
int unlock_try_passphrase(struct boot *boot, const struct secret *passphrase, bool recovery_only);

/* unlock_keys.c: an archive with the keys, as a file to put behind the initrd. -ENODATA: nothing to
 * hand over. */
int unlock_keys_initrd(const struct boot *boot, bool tugboot_initrd, int *ret_fd);
