/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PCR values of a boot, from its event log: see predict.h. */
#include "predict.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "authenticode.h"
#include "crypto.h"
#include "fd.h"
#include "file.h"
#include "pe.h"

#define LOG_MAX ((size_t)4 * 1024 * 1024)
#define RESETTABLE (1u << 16 | 1u << 23)
#define LATE_LAUNCH 0x007e0000u /* 17-22: 0xff until a measured late launch */

#define EFI_MAX ((size_t)256 * 1024 * 1024)
#define EV_APPLICATION 0x80000003u /* EV_EFI_BOOT_SERVICES_APPLICATION */
#define APPLICATION_PCR 4u
/* Those that an EFI file also changes, by what its stub and kernel measure of its parts. */
#define STUB_PCRS (1u << 8 | 1u << 9 | 1u << 11 | 1u << 12 | 1u << 13)

int predict_replay(const struct tcglog *log, enum tpm_bank bank, uint32_t pcrs,
		   struct tpm_pcr_values *ret_values)
{
	static struct tcglog_values replayed;
	struct tpm_pcr_values values = {.bank = bank, .pcrs = pcrs};
	int r = tcglog_replay(log, tpm_bank_alg(bank), tpm_bank_extend, NULL, &replayed);

	if (r < 0)
		return r;
	for (unsigned pcr = 0; pcr < TPM_PCRS; pcr++)
		if (pcrs & replayed.pcrs & 1u << pcr)
			memcpy(values.value[pcr], replayed.value[pcr], tpm_bank_size(bank));
	*ret_values = values;
	return 0;
}

int predict_judge(const struct tpm_pcr_values *logged, const struct tpm_pcr_values *held,
		  unsigned pcr, enum predict_verdict *ret_verdict)
{
	const struct crypto_part cap = {TPM_CAP, strlen(TPM_CAP)};
	size_t size = tpm_bank_size(logged->bank);
	uint8_t value[TPM_DIGEST_MAX], digest[TPM_DIGEST_MAX];
	int r;

	if (memcmp(logged->value[pcr], held->value[pcr], size) == 0) {
		*ret_verdict = PREDICT_LOGGED;
		return 0;
	}
	memcpy(value, logged->value[pcr], size);
	r = crypto_digest(tpm_bank_name(logged->bank), &cap, 1, digest, size);
	if (r == 0)
		r = tpm_bank_extend(tpm_bank_alg(logged->bank), value, digest, size, NULL);
	if (r < 0)
		return r;
	*ret_verdict = memcmp(value, held->value[pcr], size) == 0 ? PREDICT_CAPPED : PREDICT_OTHER;
	return 0;
}

static void events_of(const struct tcglog *log, enum tpm_bank bank, unsigned pcr,
		      struct token_branch_hint *hint)
{
	unsigned first = hint->events;
	struct tcglog_event event;
	size_t pos = 0;

	while (tcglog_next(log, &pos, &event) == 1) {
		const uint8_t *digest = tcglog_digest(&event, tpm_bank_alg(bank));

		if (event.pcr != pcr || event.type == TCGLOG_NO_ACTION || !digest)
			continue;
		if (hint->events == PREDICT_EVENTS_MAX) {
			hint->events = first;
			return;
		}
		hint->event[hint->events].pcr = (uint8_t)pcr;
		memcpy(hint->event[hint->events++].digest, digest, 4);
	}
}

void predict_events(const struct tcglog *log, enum tpm_bank bank, uint32_t pcrs,
		    struct token_branch_hint *hint)
{
	hint->events = 0;
	for (unsigned pcr = 0; pcr < TPM_PCRS; pcr++)
		if (pcrs & 1u << pcr)
			events_of(log, bank, pcr, hint);
}

int predict_pcrs(const char *text, uint32_t *ret_pcrs)
{
	uint32_t pcrs = 0;

	if (streq(text, "none") || streq(text, "")) {
		*ret_pcrs = 0;
		return 0;
	}
	for (;;) {
		unsigned pcr = 0, digits = 0;

		for (; *text >= '0' && *text <= '9' && digits < 3; text++, digits++)
			pcr = pcr * 10 + (unsigned)(*text - '0');
		if (digits == 0 || pcr >= TPM_PCRS || pcrs & 1u << pcr)
			return -EINVAL;
		pcrs |= 1u << pcr;
		if (*text == '\0')
			break;
		if (*text != ',' && *text != '+')
			return -EINVAL;
		text++;
	}
	*ret_pcrs = pcrs;
	return 0;
}

enum result predict_check_pcrs(uint32_t pcrs)
{
	if (pcrs & RESETTABLE)
		return complain_usage("PCR %d says nothing: any program resets it",
				      pcrs & 1u << 16 ? 16 : 23);
	if (pcrs & LATE_LAUNCH)
		(void)complain("warning: PCR %d is for a measured late launch, which Tugboot does "
			       "not do",
			       __builtin_ctz(pcrs & LATE_LAUNCH));
	return RESULT_OK;
}

static void warn_unmeasured(const struct tpm_pcr_values *values)
{
	static const uint8_t zero[TPM_DIGEST_MAX];

	for (unsigned pcr = 0; pcr < TPM_PCRS; pcr++)
		if (values->pcrs & 1u << pcr &&
		    memcmp(values->value[pcr], zero, tpm_bank_size(values->bank)) == 0)
			(void)complain("warning: nothing is measured into PCR %u: it protects "
				       "from nothing",
				       pcr);
}

static enum result judge(const struct tpm_pcr_values *logged, const struct tpm_pcr_values *held)
{
	for (unsigned pcr = 0; pcr < TPM_PCRS; pcr++) {
		enum predict_verdict verdict = PREDICT_OTHER;
		int r;

		if (!(logged->pcrs & 1u << pcr))
			continue;
		r = predict_judge(logged, held, pcr, &verdict);
		if (r < 0)
			return complain("cannot compute digests: %s", strerror(-r));
		if (verdict == PREDICT_OTHER)
			return complain(
				"PCR %u holds neither what the event log says nor that and "
				"Tugboot's cap: the log is of another boot, or something else "
				"measures into it. Choose other PCRs, a signed policy, or "
				"--current to take it as it is now",
				pcr);
	}
	return RESULT_OK;
}

struct open_log {
	char *data; /* owned */
	struct tcglog log;
};

static void open_log_done(struct open_log *log)
{
	free(log->data);
}

static enum result open_log(const struct options *options, struct open_log *ret_log)
{
	const char *path = options->event_log ? options->event_log : TCGLOG_FILE;
	struct open_log log = {0};
	size_t size = 0;
	int r = file_read(AT_FDCWD, path, LOG_MAX, &log.data, &size);

	if (r == 0)
		r = size == 0 ? -ENOENT : tcglog_open(log.data, size, &log.log);
	if (r == 0) {
		*ret_log = log;
		return RESULT_OK;
	}
	free(log.data);
	if (r == -ENOENT)
		return complain("there is no event log (%s), so it is not known what the PCRs are "
				"while Tugboot runs: --event-log FILE, or --current to take them "
				"as they are now",
				path);
	return complain("cannot read the event log %s: %s", path,
			r == -EBADMSG || r == -ENOTSUP || r == -E2BIG ? "it is damaged, or of a "
									"form not known"
								      : strerror(-r));
}

enum result predict_current(const struct options *options, struct tpm *tpm, enum tpm_bank bank,
			    uint32_t pcrs, struct prediction *ret_prediction)
{
	_cleanup_(open_log_done) struct open_log log = {0};
	struct prediction prediction = {0};
	struct tpm_pcr_values held;
	enum result result;
	int r;

	if (pcrs == 0) {
		*ret_prediction = prediction;
		return RESULT_OK;
	}
	r = tpm_pcr_read(tpm, bank, pcrs, &held);
	if (r < 0)
		return complain("cannot read the PCRs of bank %s: %s", tpm_bank_name(bank),
				tpm_error(tpm));
	prediction.values = held;
	if (!options->current) {
		result = open_log(options, &log);
		if (result != RESULT_OK)
			return result;
		r = predict_replay(&log.log, bank, pcrs, &prediction.values);
		if (r < 0)
			return complain(r == -ENOENT ? "the event log has no digests of bank %s: "
						       "choose another --bank"
						     : "the event log is damaged (bank %s)",
					tpm_bank_name(bank));
		result = judge(&prediction.values, &held);
		if (result != RESULT_OK)
			return result;
		predict_events(&log.log, bank, pcrs, &prediction.hint);
	}
	warn_unmeasured(&prediction.values);
	strcpy(prediction.hint.name, options->current ? "as it was" : "this boot");
	*ret_prediction = prediction;
	return RESULT_OK;
}

/* ---- the next boot ---- */

static uint64_t le(const char *p, unsigned bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | (uint8_t)p[bytes];
	return value;
}

/* UEFI_IMAGE_LOAD_EVENT: four words of 8 bytes, the last one the size of the device path that
 * follows. A node of it: type, subtype, two bytes of size. */
static bool has_file_path(struct slice data)
{
	size_t at = 32, end;

	if (data.len < at || le(data.data + 24, 8) > data.len - at)
		return false;
	end = at + (size_t)le(data.data + 24, 8);
	while (end - at >= 4) {
		size_t size = (size_t)le(data.data + at + 2, 2);

		if (data.data[at] == 4 && data.data[at + 1] == 4) /* media, file path */
			return true;
		if (size < 4 || size > end - at)
			return false;
		at += size;
	}
	return false;
}

static bool is_measured(const struct tcglog_event *event)
{
	return event->pcr == APPLICATION_PCR && event->type != TCGLOG_NO_ACTION;
}

/* Where among the events of the PCR the file's is, and its kernel's, -1: none. */
static int find_application(const struct tcglog *log, int *ret_file, int *ret_kernel)
{
	int file = -1, kernel = -1, n = 0, behind = 0, r;
	struct tcglog_event event;
	size_t pos = 0;

	while ((r = tcglog_next(log, &pos, &event)) == 1) {
		if (!is_measured(&event))
			continue;
		if (event.type == EV_APPLICATION && has_file_path(event.data)) {
			file = n;
			behind = 0;
			kernel = -1;
		} else if (event.type == EV_APPLICATION && file >= 0) {
			kernel = n;
			behind++;
		}
		n++;
	}
	if (r < 0)
		return r;
	if (file < 0)
		return -ENOENT;
	if (behind > 1)
		return -ENOTSUP;
	*ret_file = file;
	*ret_kernel = kernel;
	return 0;
}

/* The n-th event of the PCR in a hint. */
static void change_hint(struct token_branch_hint *hint, int n, const uint8_t *digest)
{
	for (unsigned i = 0; i < hint->events; i++)
		if (hint->event[i].pcr == APPLICATION_PCR && n-- == 0)
			memcpy(hint->event[i].digest, digest, sizeof(hint->event[i].digest));
}

int predict_application(const struct tcglog *log, enum tpm_bank bank, const struct predict_efi *efi,
			uint8_t *ret_value, struct token_branch_hint *hint)
{
	uint8_t value[TPM_DIGEST_MAX] = {0};
	int file = -1, kernel = -1, n = 0;
	struct tcglog_event event;
	size_t pos = 0;
	int r = find_application(log, &file, &kernel);

	if (r < 0)
		return r;
	if (kernel >= 0 && !efi->has_kernel)
		return -ENOTSUP;
	for (; r == 0 && tcglog_next(log, &pos, &event) == 1;) {
		const uint8_t *digest;

		if (!is_measured(&event))
			continue;
		digest = n == file     ? efi->file
			 : n == kernel ? efi->kernel
				       : tcglog_digest(&event, tpm_bank_alg(bank));
		if (!digest)
			return -ENOENT;
		if (n == file || n == kernel)
			change_hint(hint, n, digest);
		r = tpm_bank_extend(tpm_bank_alg(bank), value, digest, tpm_bank_size(bank), NULL);
		n++;
	}
	if (r == 0)
		memcpy(ret_value, value, tpm_bank_size(bank));
	return r;
}

static int digest_image(struct slice image, enum tpm_bank bank, uint8_t *ret_digest)
{
	struct slice ranges[AUTHENTICODE_PARTS_MAX];
	struct crypto_part parts[AUTHENTICODE_PARTS_MAX];
	size_t n = 0;
	int r = authenticode_parts(image.data, image.len, ranges, &n);

	for (size_t i = 0; i < n; i++)
		parts[i] = (struct crypto_part){ranges[i].data, ranges[i].len};
	return r < 0 ? r
		     : crypto_digest(tpm_bank_name(bank), parts, n, ret_digest,
				     tpm_bank_size(bank));
}

static enum result digest_efi(const char *path, enum tpm_bank bank, struct predict_efi *ret_efi)
{
	static const uint16_t machines[] = {PE_MACHINE_X86_64, PE_MACHINE_ARM64};
	struct predict_efi efi = {0};
	struct pe_uki uki = {0};
	_free_ char *data = NULL;
	size_t size = 0;
	int r = file_read(AT_FDCWD, path, EFI_MAX, &data, &size), located = -ENOEXEC;

	if (r < 0)
		return complain("cannot read %s: %s", path, strerror(-r));
	r = digest_image(slice_of(data, size), bank, efi.file);
	if (r < 0)
		return complain("%s is no EFI file, or a damaged one", path);
	for (size_t i = 0; i < ARRAY_SIZE(machines) && located < 0; i++)
		located = pe_uki_locate(data, MIN(size, (size_t)PE_HEAD_SIZE), size, machines[i], 0,
					&uki);
	if (located == 0) {
		const struct pe_range *linux_part = &uki.part[PE_LINUX];

		efi.has_kernel =
			digest_image(slice_of(data + linux_part->offset, (size_t)linux_part->size),
				     bank, efi.kernel) == 0;
	}
	*ret_efi = efi;
	return RESULT_OK;
}

enum result predict_next(const struct options *options, const struct prediction *current,
			 struct prediction *ret_prediction)
{
	_cleanup_(open_log_done) struct open_log log = {0};
	struct prediction next = *current;
	uint32_t unknown = current->values.pcrs & STUB_PCRS;
	struct predict_efi efi = {0};
	enum result result;
	int r;

	if (options->current)
		return complain_usage("--efi needs the event log, and --current does without it");
	if (unknown)
		return complain("PCR %d also holds parts of the EFI file that its stub measures, "
				"which is not predicted: use a signed policy for it",
				__builtin_ctz(unknown));
	if (!(current->values.pcrs & 1u << APPLICATION_PCR)) {
		(void)complain("warning: the enrolment is not under PCR %u, so the EFI file "
			       "changes nothing in it",
			       APPLICATION_PCR);
		*ret_prediction = next;
		return RESULT_OK;
	}
	result = digest_efi(options->efi, current->values.bank, &efi);
	if (result == RESULT_OK)
		result = open_log(options, &log);
	if (result != RESULT_OK)
		return result;
	r = predict_application(&log.log, current->values.bank, &efi,
				next.values.value[APPLICATION_PCR], &next.hint);
	if (r < 0)
		return complain("cannot predict PCR %u: %s", APPLICATION_PCR,
				r == -ENOENT	? "the event log names no EFI file that was started"
				: r == -ENOTSUP ? "this boot did not start a file like this one"
						: strerror(-r));
	strcpy(next.hint.name, "next boot");
	*ret_prediction = next;
	return RESULT_OK;
}
