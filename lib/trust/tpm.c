/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The connection to the TPM: libraries, opening and closing, what it says of itself. The libraries
 * are trusted; so is the TPM, but not whoever else talks on its bus: see tpm_session.c.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "crypto.h"
#include "library.h"
#include "tpm_internal.h"
#include "wipe.h"

struct tpm_esys esys;
struct tpm_mu mu;

#define ESYS_SYMBOL(name) {"Esys_" #name, (void **)(void *)&esys.name},
#define MU_SYMBOL(name) {"Tss2_MU_" #name, (void **)(void *)&mu.name},

static const struct library_symbol esys_symbols[] = {TPM_ESYS_FUNCTIONS(ESYS_SYMBOL)};
static const struct library_symbol mu_symbols[] = {TPM_MU_FUNCTIONS(MU_SYMBOL)};
static struct library libesys = {"libtss2-esys.so.0", esys_symbols, ARRAY_SIZE(esys_symbols),
				 false};
static struct library libmu = {"libtss2-mu.so.0", mu_symbols, ARRAY_SIZE(mu_symbols), false};

static int libraries_load(void)
{
	int r;

	/* It writes every error to standard error, also those that we expect; what it is set to for
	 * debugging stays. Without memory for this it only talks too much. */
	(void)setenv("TSS2_LOG", "all+none", 0);
	r = crypto_load(); /* before ESYS would, which reads OpenSSL's configuration */
	if (r == 0)
		r = library_load(&libmu);
	if (r == 0)
		r = library_load(&libesys);
	if (r < 0)
		return tpm_refused(r, "tss2: a library is not there");
	return 0;
}

int tpm_open(const char *tcti, struct tpm **ret_tpm)
{
	_cleanup_(tpm_closep) struct tpm *tpm = calloc(1, sizeof(*tpm));
	TSS2_RC rc;
	int r;

	if (!tpm)
		return -ENOMEM;
	tpm->tcti.fd = -1;
	r = tpm_tcti_open(tcti, &tpm->tcti); /* first: most hosts without a TPM lack tss2, too */
	if (r < 0)
		return r;
	r = libraries_load();
	if (r < 0)
		return r;
	rc = esys.Initialize(&tpm->esys, (TSS2_TCTI_CONTEXT *)(void *)&tpm->tcti, NULL);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_failed(tpm, "Initialize", rc);
	*ret_tpm = take_ptr(tpm);
	return 0;
}

void tpm_close(struct tpm *tpm)
{
	if (!tpm)
		return;
	if (tpm->esys)
		esys.Finalize(&tpm->esys);
	tpm_tcti_close(&tpm->tcti);
	free(tpm);
}

struct tpm_counts tpm_counts(const struct tpm *tpm)
{
	return tpm->tcti.counts;
}

void tpm_free(void *data, size_t size)
{
	if (data) {
		explicit_bzero(data, size);
		esys.Free(data);
	}
}

static void wipe_in(void *memory, const void *secret, size_t size)
{
	uint8_t *p = memory, *end = p + malloc_usable_size(memory);

	while ((p = memmem(p, (size_t)(end - p), secret, size))) {
		explicit_bzero(p, size);
		p += size;
	}
}

/*
 * ESYS decrypts a response where it received it, and keeps the arguments of a command in case it
 * must be sent again; both are in its two contexts until another command overwrites them. What it
 * decrypted with was on the stack.
 */
void tpm_forget(struct tpm *tpm, const void *secret, size_t size)
{
	TSS2_SYS_CONTEXT *sys = NULL;

	if (size == 0)
		return;
	wipe_stack();
	wipe_in(tpm->esys, secret, size);
	if (esys.GetSysContext(tpm->esys, &sys) == TSS2_RC_SUCCESS && sys)
		wipe_in(sys, secret, size);
}

int tpm_property(struct tpm *tpm, uint32_t property, uint32_t *ret_value)
{
	TPMS_CAPABILITY_DATA *data = NULL;
	TPMI_YES_NO more;
	TSS2_RC rc = esys.GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
					TPM2_CAP_TPM_PROPERTIES, property, 1, &more, &data);
	const TPML_TAGGED_TPM_PROPERTY *list;
	int r = 0;

	if (rc != TSS2_RC_SUCCESS)
		return tpm_failed(tpm, "GetCapability", rc);
	list = &data->data.tpmProperties;
	if (list->count == 1 && list->tpmProperty[0].property == property)
		*ret_value = list->tpmProperty[0].value;
	else
		r = tpm_refused(-EOPNOTSUPP, "GetCapability: no property 0x%x", property);
	esys.Free(data);
	return r;
}

int tpm_lockout(struct tpm *tpm, unsigned *ret_failures, bool *ret_locked)
{
	uint32_t failures = 0, permanent = 0;
	int r = tpm_property(tpm, TPM2_PT_LOCKOUT_COUNTER, &failures);

	if (r < 0)
		return r;
	r = tpm_property(tpm, TPM2_PT_PERMANENT, &permanent);
	if (r < 0)
		return r;
	*ret_failures = failures;
	*ret_locked = permanent & TPMA_PERMANENT_INLOCKOUT;
	return 0;
}

int tpm_shutdown(struct tpm *tpm)
{
	TSS2_RC rc =
		esys.Shutdown(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_SU_CLEAR);

	return rc == TSS2_RC_SUCCESS ? 0 : tpm_failed(tpm, "Shutdown", rc);
}

int tpm_random(struct tpm *tpm, void *buf, size_t size)
{
	uint8_t *p = buf;

	while (size > 0) {
		TPM2B_DIGEST *random = NULL;
		/* Every TPM gives this much at once: as much as its smallest digest. */
		uint16_t want = (uint16_t)MIN(size, (size_t)TPM_SHA256_SIZE);
		TSS2_RC rc = esys.GetRandom(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
					    want, &random);
		size_t n;

		if (rc != TSS2_RC_SUCCESS)
			return tpm_failed(tpm, "GetRandom", rc);
		n = MIN((size_t)random->size, (size_t)want);
		memcpy(p, random->buffer, n);
		tpm_forget(tpm, random->buffer, n);
		tpm_free(random, sizeof(*random));
		if (n == 0)
			return tpm_refused(-EIO, "GetRandom: no random numbers");
		p += n;
		size -= n;
	}
	return 0;
}
