/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PCRs: banks, reading, extending. TCG "TPM 2.0 Library" part 3, 22. */
#include <errno.h>

#include "crypto.h"
#include "tpm_internal.h"

#define EVENT_MAX 1024 /* TPM2B_EVENT */

static const struct {
	const char *name;
	TPM2_ALG_ID alg;
	uint8_t size;
} banks[TPM_BANK_COUNT] = {
	[TPM_BANK_SHA1] = {"sha1", TPM2_ALG_SHA1, TPM2_SHA1_DIGEST_SIZE},
	[TPM_BANK_SHA256] = {"sha256", TPM2_ALG_SHA256, TPM2_SHA256_DIGEST_SIZE},
	[TPM_BANK_SHA384] = {"sha384", TPM2_ALG_SHA384, TPM2_SHA384_DIGEST_SIZE},
	[TPM_BANK_SHA512] = {"sha512", TPM2_ALG_SHA512, TPM2_SHA512_DIGEST_SIZE},
};

const char *tpm_bank_name(enum tpm_bank bank)
{
	return bank < TPM_BANK_COUNT ? banks[bank].name : "unknown";
}

enum tpm_bank tpm_bank_of(const char *name)
{
	enum tpm_bank bank = TPM_BANK_SHA1;

	while (bank < TPM_BANK_COUNT && !streq(banks[bank].name, name))
		bank++;
	return bank;
}

size_t tpm_bank_size(enum tpm_bank bank)
{
	return bank < TPM_BANK_COUNT ? banks[bank].size : 0;
}

uint16_t tpm_bank_alg(enum tpm_bank bank)
{
	return bank < TPM_BANK_COUNT ? banks[bank].alg : TPM2_ALG_NULL;
}

enum tpm_bank tpm_bank_of_alg(uint16_t alg)
{
	enum tpm_bank bank = TPM_BANK_SHA1;

	while (bank < TPM_BANK_COUNT && banks[bank].alg != alg)
		bank++;
	return bank;
}

int tpm_bank_extend(uint16_t alg, uint8_t *value, const uint8_t *digest, size_t size,
		    void *data _unused_)
{
	const struct crypto_part parts[] = {{value, size}, {digest, size}};

	return crypto_digest(tpm_bank_name(tpm_bank_of_alg(alg)), parts, ARRAY_SIZE(parts), value,
			     size);
}

TPML_PCR_SELECTION tpm_pcr_selection(enum tpm_bank bank, uint32_t pcrs)
{
	TPML_PCR_SELECTION selection = {
		.count = 1,
		.pcrSelections = {{.hash = tpm_bank_alg(bank), .sizeofSelect = TPM_PCRS / 8}},
	};

	for (unsigned i = 0; i < TPM_PCRS / 8; i++)
		selection.pcrSelections[0].pcrSelect[i] = (uint8_t)(pcrs >> (8 * i));
	return selection;
}

/* The PCRs of a bank in a selection that the TPM made. */
static uint32_t selected(const TPML_PCR_SELECTION *selection, enum tpm_bank bank)
{
	uint32_t pcrs = 0;

	for (uint32_t i = 0; i < MIN(selection->count, (uint32_t)TPM2_NUM_PCR_BANKS); i++) {
		const TPMS_PCR_SELECTION *s = &selection->pcrSelections[i];

		for (unsigned k = 0; s->hash == tpm_bank_alg(bank) && k < TPM_PCRS / 8; k++)
			if (k < s->sizeofSelect)
				pcrs |= (uint32_t)s->pcrSelect[k] << (8 * k);
	}
	return pcrs;
}

/* Takes over the digests of an answer, which are in the order of the PCRs. */
static int take(const TPML_DIGEST *digests, uint32_t pcrs, struct tpm_pcr_values *values)
{
	size_t size = tpm_bank_size(values->bank);
	uint32_t n = 0;

	for (unsigned pcr = 0; pcr < TPM_PCRS; pcr++) {
		if (!(pcrs & 1u << pcr))
			continue;
		if (n >= digests->count || digests->digests[n].size != size)
			return tpm_refused(-EIO, "PCR_Read: an answer that does not fit itself");
		memcpy(values->value[pcr], digests->digests[n++].buffer, size);
		values->pcrs |= 1u << pcr;
	}
	return 0;
}

int tpm_pcr_read(struct tpm *tpm, enum tpm_bank bank, uint32_t pcrs,
		 struct tpm_pcr_values *ret_values)
{
	struct tpm_pcr_values values = {.bank = bank};

	if (bank >= TPM_BANK_COUNT || pcrs >> TPM_PCRS)
		return -EINVAL;
	/* An answer has eight at most. */
	while (values.pcrs != pcrs) {
		TPML_PCR_SELECTION in = tpm_pcr_selection(bank, pcrs & ~values.pcrs), *out = NULL;
		TPML_DIGEST *digests = NULL;
		uint32_t counter, got;
		TSS2_RC rc = esys.PCR_Read(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &in,
					   &counter, &out, &digests);
		int r;

		if (rc != TSS2_RC_SUCCESS)
			return tpm_failed(tpm, "PCR_Read", rc);
		got = selected(out, bank) & pcrs & ~values.pcrs;
		r = got == 0 ? tpm_refused(-EOPNOTSUPP, "PCR_Read: no bank %s", banks[bank].name)
			     : take(digests, got, &values);
		esys.Free(out);
		esys.Free(digests);
		if (r < 0)
			return r;
	}
	*ret_values = values;
	return 0;
}

int tpm_pcr_banks(struct tpm *tpm, unsigned *ret_banks)
{
	TPMS_CAPABILITY_DATA *data = NULL;
	TPMI_YES_NO more;
	unsigned found = 0;
	TSS2_RC rc = esys.GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
					TPM2_CAP_PCRS, 0, 1, &more, &data);

	if (rc != TSS2_RC_SUCCESS)
		return tpm_failed(tpm, "GetCapability", rc);
	for (enum tpm_bank bank = TPM_BANK_SHA1; bank < TPM_BANK_COUNT; bank++)
		if (selected(&data->data.assignedPCR, bank) != 0)
			found |= 1u << bank;
	esys.Free(data);
	*ret_banks = found;
	return 0;
}

int tpm_pcr_extend(struct tpm *tpm, unsigned pcr, const char *text)
{
	TPM2B_EVENT event = {.size = (uint16_t)strlen(text)};
	TPML_DIGEST_VALUES *digests = NULL;
	TSS2_RC rc;

	if (pcr >= TPM_PCRS || strlen(text) > EVENT_MAX)
		return -EINVAL;
	memcpy(event.buffer, text, event.size);
	/* PCRs have an empty authorisation. */
	rc = esys.PCR_Event(tpm->esys, ESYS_TR_PCR0 + pcr, ESYS_TR_PASSWORD, ESYS_TR_NONE,
			    ESYS_TR_NONE, &event, &digests);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_failed(tpm, "PCR_Event", rc);
	esys.Free(digests);
	return 0;
}
