/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the TPM module share, for them alone: ESYS's functions, the connection, handles
 * with an owner, and the steps that sealing, unsealing and reading an NV index have in common.
 */
#pragma once

#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_tctildr.h>

#include "tpm.h"

/* ---- the libraries (tpm.c) ---- */

#define TPM_ESYS_FUNCTIONS(F)   \
	F(Create)               \
	F(CreatePrimary)        \
	F(Finalize)             \
	F(FlushContext)         \
	F(Free)                 \
	F(GetCapability)        \
	F(GetRandom)            \
	F(GetSysContext)        \
	F(Initialize)           \
	F(Load)                 \
	F(LoadExternal)         \
	F(NV_DefineSpace)       \
	F(NV_Read)              \
	F(NV_ReadPublic)        \
	F(NV_UndefineSpace)     \
	F(NV_Write)             \
	F(PCR_Event)            \
	F(PCR_Read)             \
	F(PolicyAuthValue)      \
	F(PolicyAuthorize)      \
	F(PolicyOR)             \
	F(PolicyPCR)            \
	F(Shutdown)             \
	F(StartAuthSession)     \
	F(TRSess_SetAttributes) \
	F(TR_Close)             \
	F(TR_FromTPMPublic)     \
	F(TR_GetName)           \
	F(TR_SetAuth)           \
	F(Unseal)               \
	F(VerifySignature)

#define TPM_MU_FUNCTIONS(F)        \
	F(TPM2B_PRIVATE_Marshal)   \
	F(TPM2B_PRIVATE_Unmarshal) \
	F(TPM2B_PUBLIC_Marshal)    \
	F(TPM2B_PUBLIC_Unmarshal)

#define TPM_ESYS_POINTER(name) __typeof__(Esys_##name) *(name);
#define TPM_MU_POINTER(name) __typeof__(Tss2_MU_##name) *(name);

extern struct tpm_esys {
	TPM_ESYS_FUNCTIONS(TPM_ESYS_POINTER)
} esys;
extern struct tpm_mu {
	TPM_MU_FUNCTIONS(TPM_MU_POINTER)
} mu;

/* ---- what carries the commands (tpm_tcti.c) ---- */

/* An answer takes milliseconds; a key that is made, seconds (RSA on a slow chip: tens of them). */
#define TPM_TIMEOUT_MS 10000u
#define TPM_TIMEOUT_KEY_MS 90000u

struct tpm_tcti {
	TSS2_TCTI_CONTEXT_COMMON_V2 common; /* first: ESYS sees this */
	int fd;				    /* a device or socket; -1: the inner one carries */
	bool device;			    /* fd is a character device of the kernel's */
	TSS2_TCTI_CONTEXT *inner;	    /* owned */
	unsigned timeout_ms;		    /* of one command; TPM_TIMEOUT_MS */
	uint64_t deadline;		    /* of the command under way */
	struct tpm_exchange *exchange;	    /* owned: a device's command under way */
	bool silent;			    /* it did not answer once: nothing more is sent */
	struct tpm_counts counts;
};

int tpm_tcti_open(const char *tcti, struct tpm_tcti *ret_tcti);
void tpm_tcti_close(struct tpm_tcti *tcti);

/* ---- the connection (tpm.c) and its errors (tpm_error.c) ---- */

struct tpm {
	struct tpm_tcti tcti;
	ESYS_CONTEXT *esys; /* owned */
};

/* The negative errno for what a command returned; its words are kept for tpm_error(). */
int tpm_failed(const struct tpm *tpm, const char *command, TSS2_RC rc);
/* Keeps other words for tpm_error(), and returns r. */
int tpm_refused(int r, const char *fmt, ...) _printf_(2, 3);
/* The code without what it says of parameters, handles and sessions. */
TSS2_RC tpm_code(TSS2_RC rc);

/* One property of TPM2_CAP_TPM_PROPERTIES. */
int tpm_property(struct tpm *tpm, uint32_t property, uint32_t *ret_value);

/* Wipes and frees what ESYS handed out. */
void tpm_free(void *data, size_t size);
/* Wipes what ESYS itself still holds of a secret in its buffers. */
void tpm_forget(struct tpm *tpm, const void *secret, size_t size);

/* ---- keys and sessions (tpm_session.c) ---- */

/* A key or a session in the TPM; flushed at the end of its scope. */
struct tpm_handle {
	struct tpm *tpm;
	ESYS_TR tr; /* ESYS_TR_NONE: none */
};
#define TPM_HANDLE(tpm)             \
	{                           \
		(tpm), ESYS_TR_NONE \
	}
void tpm_handle_done(struct tpm_handle *handle);
#define _handle_ _cleanup_(tpm_handle_done)

/* A session without TPMA_SESSION_CONTINUESESSION went with the command that it was used for, when
 * that succeeded: nothing to flush. Commands are dear: around each, the kernel's resource manager
 * swaps all that is loaded. */
void tpm_handle_used(struct tpm_handle *session);

/* Makes the primary key. */
int tpm_primary(struct tpm *tpm, enum tpm_primary primary, bool noda, struct tpm_handle *handle);
/* One to salt sessions with, of an algorithm that the TPM has. */
int tpm_primary_any(struct tpm *tpm, struct tpm_handle *handle);

/* Starts a session (TPM2_SE_HMAC or TPM2_SE_POLICY), salted with a key unless that is
 * ESYS_TR_NONE. attributes: TPMA_SESSION_ENCRYPT for a secret in the response, _DECRYPT for one
 * in the command. */
int tpm_session(struct tpm *tpm, TPM2_SE type, ESYS_TR salt, TPMA_SESSION attributes,
		struct tpm_handle *handle);

/* TPM2_PolicyPCR of these PCRs, which must have these values: -EPERM else. */
int tpm_session_pcr(struct tpm *tpm, ESYS_TR session, const struct tpm_pcr_values *values,
		    uint32_t pcrs);
int tpm_session_or(struct tpm *tpm, ESYS_TR session, const struct tpm_branch *branches, unsigned n);
/* TPM2_PolicyAuthorize: the session's digest is `policy`, signed so. */
int tpm_session_authorize(struct tpm *tpm, ESYS_TR session, const struct tpm_sealed *sealed,
			  const uint8_t policy[static TPM_SHA256_SIZE], const uint8_t *signature,
			  size_t size);

/* ---- policies without a TPM (tpm_policy.c), PCRs (tpm_pcr.c) ---- */

/* The selection of these PCRs, three bytes wide as everywhere. */
TPML_PCR_SELECTION tpm_pcr_selection(enum tpm_bank bank, uint32_t pcrs);

/* What PCR values are hashed to in TPM2_PolicyPCR. -EINVAL when one of pcrs has no value, or for
 * none. */
int tpm_policy_pcr_digest(const struct tpm_pcr_values *values, uint32_t pcrs,
			  uint8_t ret_digest[static TPM_SHA256_SIZE]);
/* tpm_policy_pcr() of some of the values. */
int tpm_policy_pcrs(uint8_t digest[static TPM_SHA256_SIZE], const struct tpm_pcr_values *values,
		    uint32_t pcrs);
/* The whole policy, one branch of it fulfilled or none: branch is the digest after its
 * TPM2_PolicyPCR. */
int tpm_policy_whole(const struct tpm_sealed *sealed, const uint8_t branch[static TPM_SHA256_SIZE],
		     uint8_t ret_digest[static TPM_SHA256_SIZE]);
/* Which branch do these PCRs fulfil, so that the policy becomes `wanted`? -EPERM: none, and why.
 * -EBADMSG: they would, but `wanted` is another policy. *ret_branch stays 0 when there are no
 * branches. */
int tpm_policy_choose(const struct tpm_sealed *sealed, const struct tpm_pcr_values *values,
		      const uint8_t wanted[static TPM_SHA256_SIZE], unsigned *ret_branch,
		      struct tpm_refusal *ret_refusal);
