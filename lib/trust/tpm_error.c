/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the TPM and the library say, as an errno and in words. Codes: TCG "TPM 2.0 Library" part 2,
 * 6.6 (TPM_RC), and "TSS 2.0 Overview", 3.14 (layers of response codes).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "tpm_internal.h"

static _Thread_local char words[200];

static const struct {
	TSS2_RC code;
	int error;
	const char *name, *meaning;
} codes[] = {
	{TPM2_RC_AUTH_FAIL, -EACCES, "TPM_RC_AUTH_FAIL", "wrong PIN, and counted"},
	{TPM2_RC_BAD_AUTH, -EACCES, "TPM_RC_BAD_AUTH", "wrong authorisation"},
	{TPM2_RC_LOCKOUT, -EBUSY, "TPM_RC_LOCKOUT", "locked out after too many failures"},
	{TPM2_RC_POLICY_FAIL, -EPERM, "TPM_RC_POLICY_FAIL", "the policy does not hold"},
	{TPM2_RC_POLICY, -EPERM, "TPM_RC_POLICY", "the policy does not hold"},
	{TPM2_RC_PCR_CHANGED, -EPERM, "TPM_RC_PCR_CHANGED", "a PCR changed meanwhile"},
	{TPM2_RC_SIGNATURE, -EPERM, "TPM_RC_SIGNATURE", "not signed by this key"},
	{TPM2_RC_TICKET, -EPERM, "TPM_RC_TICKET", "not signed by this key"},
	{TPM2_RC_LOCALITY, -EPERM, "TPM_RC_LOCALITY", "not from this locality"},
	{TPM2_RC_AUTH_UNAVAILABLE, -EPERM, "TPM_RC_AUTH_UNAVAILABLE", "not by this authorisation"},
	{TPM2_RC_AUTH_TYPE, -EPERM, "TPM_RC_AUTH_TYPE", "not by this authorisation"},
	{TPM2_RC_NV_AUTHORIZATION, -EPERM, "TPM_RC_NV_AUTHORIZATION", "not by this authorisation"},
	{TPM2_RC_INTEGRITY, -EBADMSG, "TPM_RC_INTEGRITY", "damaged, or made by another TPM"},
	{TPM2_RC_HANDLE, -ENOENT, "TPM_RC_HANDLE", "not there"},
	{TPM2_RC_NV_UNINITIALIZED, -ENOENT, "TPM_RC_NV_UNINITIALIZED", "never written"},
	{TPM2_RC_NV_DEFINED, -EEXIST, "TPM_RC_NV_DEFINED", "defined already"},
	{TPM2_RC_CURVE, -EOPNOTSUPP, "TPM_RC_CURVE", "the TPM lacks the curve"},
	{TPM2_RC_ASYMMETRIC, -EOPNOTSUPP, "TPM_RC_ASYMMETRIC", "the TPM lacks the algorithm"},
	{TPM2_RC_SYMMETRIC, -EOPNOTSUPP, "TPM_RC_SYMMETRIC", "the TPM lacks the algorithm"},
	{TPM2_RC_HASH, -EOPNOTSUPP, "TPM_RC_HASH", "the TPM lacks the algorithm"},
	{TPM2_RC_MODE, -EOPNOTSUPP, "TPM_RC_MODE", "the TPM lacks the algorithm"},
	{TPM2_RC_SCHEME, -EOPNOTSUPP, "TPM_RC_SCHEME", "the TPM lacks the algorithm"},
	{TPM2_RC_KEY_SIZE, -EOPNOTSUPP, "TPM_RC_KEY_SIZE", "the TPM lacks keys of this size"},
	{TPM2_RC_COMMAND_CODE, -EOPNOTSUPP, "TPM_RC_COMMAND_CODE", "the TPM lacks the command"},
	{TPM2_RC_INITIALIZE, -EIO, "TPM_RC_INITIALIZE", "the firmware has not started it"},
	{TPM2_RC_FAILURE, -EIO, "TPM_RC_FAILURE", "in failure mode"},
	{TPM2_RC_UPGRADE, -EIO, "TPM_RC_UPGRADE", "in the middle of an update"},
	{TPM2_RC_VALUE, -EIO, "TPM_RC_VALUE", "value refused"},
	{TPM2_RC_OBJECT_MEMORY, -EIO, "TPM_RC_OBJECT_MEMORY", "full of somebody's keys"},
	{TPM2_RC_SESSION_MEMORY, -EIO, "TPM_RC_SESSION_MEMORY", "full of somebody's sessions"},
	{TPM2_RC_NV_RATE, -EIO, "TPM_RC_NV_RATE", "its memory is written too often"},
	{TPM2_RC_NV_UNAVAILABLE, -EIO, "TPM_RC_NV_UNAVAILABLE", "its memory is not ready"},
	{TPM2_RC_NV_SPACE, -EIO, "TPM_RC_NV_SPACE", "its memory is full"},
	{TPM2_RC_RETRY, -EIO, "TPM_RC_RETRY", "busy"},
	{TPM2_RC_TESTING, -EIO, "TPM_RC_TESTING", "still testing itself"},
};

const char *tpm_error(const struct tpm *tpm)
{
	(void)tpm; /* of a connection that could not be opened there is none */
	return words;
}

int tpm_refused(int r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(words, sizeof(words), fmt, args);
	va_end(args);
	return r;
}

TSS2_RC tpm_code(TSS2_RC rc)
{
	rc &= ~(TSS2_RC)TSS2_RC_LAYER_MASK;
	if (rc & TPM2_RC_FMT1) /* bits 6 and 8-11: which parameter, handle or session */
		rc &= TPM2_RC_FMT1 | 0x3f;
	return rc;
}

int tpm_failed(const struct tpm *tpm, const char *command, TSS2_RC rc)
{
	TSS2_RC layer = rc & TSS2_RC_LAYER_MASK, code = tpm_code(rc);

	if (tpm && tpm->tcti.silent)
		return tpm_refused(-ETIMEDOUT, "%s: no answer in time", command);
	if (layer == TSS2_TCTI_RC_LAYER)
		return tpm_refused(-EIO, "%s: the connection failed (0x%x)", command, rc);
	/* The kernel's resource manager answers for commands that it does not pass on. */
	if (layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_TPM_RC_LAYER ||
	    layer == TSS2_RESMGR_RC_LAYER) {
		for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
			if (code == codes[i].code)
				return tpm_refused(codes[i].error, "%s: %s (0x%x), %s",
						   codes[i].name, codes[i].meaning, rc, command);
		return tpm_refused(-EIO, "%s: error 0x%x of the TPM", command, rc);
	}
	if (code == TSS2_BASE_RC_MEMORY)
		return tpm_refused(-ENOMEM, "%s: no memory", command);
	if (code == TSS2_BASE_RC_NOT_SUPPORTED || code == TSS2_BASE_RC_NOT_IMPLEMENTED)
		return tpm_refused(-EOPNOTSUPP, "%s: the library lacks it (0x%x)", command, rc);
	return tpm_refused(-EIO, "%s: error 0x%x of the library", command, rc);
}
