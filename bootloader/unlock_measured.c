/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the firmware measured. The event log is in plain memory, so it counts only where replaying
 * it gives what the TPM holds. Without a log, or with one that does not fit, nobody knows whether
 * DMA protection was on: that is not safe by default.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>

#include "base64.h"
#include "file.h"
#include "log.h"
#include "tcglog.h"
#include "unlock.h"

#define SECURITYFS "/sys/kernel/security"
#define EVENT_LOG_MAX ((size_t)1024 * 1024)
#define DMA_PCR 7u

static int read_log(char **ret_data, size_t *ret_size)
{
	int r = file_read(AT_FDCWD, TCGLOG_FILE, EVENT_LOG_MAX, ret_data, ret_size);

	if (r != -ENOENT)
		return r;
	if (mount("securityfs", SECURITYFS, "securityfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) <
	    0)
		return -errno;
	return file_read(AT_FDCWD, TCGLOG_FILE, EVENT_LOG_MAX, ret_data, ret_size);
}

static int refuse(const char *found, const char *expected, const char *fix)
{
	return log_err(-EPERM, "tamper", "found=\"%s\" expected=\"%s\" next=\"%s\"", found,
		       expected, fix);
}

/* Does the log say of the DMA PCR what the TPM says? In the first bank that both have. 1 when it does,
 * or the TPM's error. */
static int is_believable(const struct tcglog *log, struct tpm *tpm)
{
	static struct tcglog_values replayed;

	for (unsigned i = 0; i < log->banks; i++) {
		enum tpm_bank bank = tpm_bank_of_alg(log->bank[i].alg);
		struct tpm_pcr_values held;
		int r;

		if (bank == TPM_BANK_COUNT || bank == TPM_BANK_SHA1)
			continue;
		r = tpm_pcr_read(tpm, bank, 1u << DMA_PCR, &held);
		if (r == -EOPNOTSUPP)
			continue;
		if (r < 0)
			return r;
		return tcglog_replay(log, log->bank[i].alg, tpm_bank_extend, NULL, &replayed) ==
			       0 &&
		       memcmp(replayed.value[DMA_PCR], held.value[DMA_PCR], tpm_bank_size(bank)) ==
			       0;
	}
	return 0;
}

int unlock_measured_check(struct boot *boot, struct tpm *tpm)
{
	const struct unlock_policy *policy = &boot->unlock->policy;
	_free_ char *data = NULL;
	struct tcglog log = {0};
	size_t size;
	int r;

	if (!policy->dma_required && !policy->log_required)
		return 0;
	r = read_log(&data, &size);
	if (r == 0)
		r = size == 0 ? -ENOENT : tcglog_open(data, size, &log);
	if (r < 0) {
		if (!policy->log_required)
			return 0;
		return refuse(r == -EBADMSG || r == -ENOTSUP || r == -E2BIG
				      ? "an event log that cannot be read"
				      : "no event log",
			      "the firmware's measurements",
			      "no unlocking by the TPM; tugboot.log=ignore where there is no log");
	}
	r = tcglog_dma_disabled(&log);
	if (r < 0 && policy->log_required)
		return refuse("a damaged event log", "the firmware's measurements",
			      "no unlocking by the TPM");
	if (r == 1 && policy->dma_required)
		return refuse("DMA protection disabled, an event in PCR 7",
			      "DMA protection, or tugboot.dma=ignore",
			      "no unlocking by the TPM: any device on the bus could read the keys");
	r = policy->log_required ? is_believable(&log, tpm) : 1;
	if (r < 0)
		return log_err(r, "tpm", "found=\"%s\" error=%s next=\"do without it\"",
			       r == -ETIMEDOUT ? "one that does not answer" : "a TPM error",
			       log_quote(tpm_error(tpm)));
	if (r == 0)
		return refuse("an event log that does not give PCR 7 as the TPM holds it",
			      "the log of this start", "no unlocking by the TPM");
	return 0;
}

/* The first of a PCR's events at or behind `from`; hint->events when there is none. */
static unsigned next_hint(const struct token_branch_hint *hint, unsigned from, unsigned pcr)
{
	while (from < hint->events && hint->event[from].pcr != pcr)
		from++;
	return from;
}

/* The first event of a PCR whose digest is not the one that was there at enrolment. */
static void explain_event(const struct token_branch_hint *hint, enum tpm_bank bank, unsigned pcr)
{
	unsigned number = 0, next = next_hint(hint, 0, pcr);
	_free_ char *data = NULL;
	struct tcglog_event event;
	struct tcglog log;
	size_t size, pos = 0;

	if (next == hint->events)
		return; /* the token had no room for them */
	if (read_log(&data, &size) < 0 || tcglog_open(data, size, &log) < 0)
		return;
	while (tcglog_next(&log, &pos, &event) == 1) {
		const uint8_t *digest = tcglog_digest(&event, tpm_bank_alg(bank));

		if (event.pcr != pcr || event.type == TCGLOG_NO_ACTION || !digest)
			continue;
		number++;
		if (next == hint->events || memcmp(hint->event[next].digest, digest, 4) != 0) {
			log_line(LOG_ERROR, "pcr", "pcr=%u event=%u type=%s found=\"%s\"", pcr,
				 number, tcglog_type_name(event.type),
				 next == hint->events ? "an event that was not there"
						      : "another digest than enrolled");
			return;
		}
		next = next_hint(hint, next + 1, pcr);
	}
	if (next < hint->events)
		log_line(LOG_ERROR, "pcr", "pcr=%u found=\"%u events\" expected=more", pcr, number);
}

/* The branch that differs least is the one that was meant. */
static unsigned differing(const struct tpm_pcr_values *was, const struct tpm_pcr_values *now,
			  uint32_t pcrs, uint32_t *ret_pcrs)
{
	size_t size = tpm_bank_size(now->bank);
	uint32_t differ = 0;

	for (unsigned pcr = 0; pcr < TPM_PCRS; pcr++)
		if ((pcrs & was->pcrs & now->pcrs & (1u << pcr)) &&
		    memcmp(was->value[pcr], now->value[pcr], size) != 0)
			differ |= 1u << pcr;
	*ret_pcrs = differ;
	return (unsigned)__builtin_popcount(differ);
}

void unlock_explain(const struct unlock_volume *volume, const struct token *token,
		    const struct tpm_pcr_values *now)
{
	const struct token_branch_hint *best = NULL;
	uint32_t best_pcrs = 0;

	for (unsigned i = 0; i < token->sealed.branches; i++) {
		uint32_t pcrs;
		unsigned n =
			differing(&token->hint[i].values, now, token->sealed.branch[i].pcrs, &pcrs);

		if (n > 0 && (!best || n < (unsigned)__builtin_popcount(best_pcrs))) {
			best = &token->hint[i];
			best_pcrs = pcrs;
		}
	}
	for (unsigned pcr = 0; best && pcr < TPM_PCRS; pcr++) {
		char found[2 * TPM_DIGEST_MAX + 1], expected[2 * TPM_DIGEST_MAX + 1];

		if (!(best_pcrs & (1u << pcr)))
			continue;
		hex_encode(now->value[pcr], tpm_bank_size(now->bank), found);
		hex_encode(best->values.value[pcr], tpm_bank_size(now->bank), expected);
		log_line(LOG_ERROR, "pcr", "volume=%s pcr=%u bank=%s found=%s expected=%s",
			 partname_of(volume->role), pcr, tpm_bank_name(now->bank), found, expected);
		explain_event(best, now->bank, pcr);
	}
}
