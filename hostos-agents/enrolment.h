/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A new way in, put on all volumes of a command: one sealed secret, or one recovery key. Safe against
 * power cuts; see the .c for the order of writes.
 */
#pragma once

#include "enrolvol.h"
#include "predict.h"
#include "tpm.h"

/* What is to be written. */
struct enrolment {
	struct token
		*token; /* tugboot-tpm2 or tugboot-recovery; what differs by volume is filled in */
	struct token *systemd;		 /* systemd-tpm2 for the same key slot; NULL: none */
	const struct secret *passphrase; /* of the key slot: 256 random bits, as text */
	const struct secret *secret;	 /* that wraps the volume keys; NULL for a recovery key */
	/* Called once everything is on the disks and checked, before it counts as done. May be NULL. */
	enum result (*ready)(void *data);
	void *data;
};

/* Writes it to all volumes, whose keys are known, and reads it back. On failure nothing is left of it. */
enum result enrolment_write(struct enrol_volumes *volumes, const struct enrolment *enrolment);

/* How a secret is to be sealed. */
struct enrol_policy {
	enum tpm_primary primary;
	enum tpm_bank bank;
	uint32_t pcrs;		/* of the branches; 0: none */
	const char *pubkey_pem; /* NULL: none */
	size_t pubkey_size;
	uint32_t pubkey_pcrs;
	bool pin, systemd;
	unsigned branches;
	struct tpm_branch branch[TPM_BRANCHES_MAX];
	struct token_branch_hint hint[TPM_BRANCHES_MAX];
};

/* Adds a branch for these values, unless there is one like it. */
enum result enrol_policy_add(struct enrol_policy *policy, const struct prediction *prediction);

/*
 * All of an enrolment by TPM: a new secret, sealed under the policy, unsealed once for a check, and put on all volumes,
 * whose keys are known.
 */
enum result enrol_by_tpm(const struct options *options, struct tpm *tpm,
			 const struct enrol_policy *policy, struct enrol_volumes *volumes);

/* Opens the TPM, with a complaint that says what helps. */
enum result enrol_open_tpm(const struct options *options, struct tpm **ret_tpm);
