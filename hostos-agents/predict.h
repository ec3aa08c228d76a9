/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What PCRs hold while Tugboot runs. The firmware's event log, replayed, gives that whatever was
 * extended since: Tugboot itself extends ("caps") PCRs once it has unlocked. The log is believed
 * only as far as it agrees with the TPM. The functions on logs and values are pure.
 */
#pragma once

#include "tcglog.h"
#include "token.h"
#include "tpm.h"
#include "tugboot.h"

/* Of all PCRs in one token; a header has little room. */
#define PREDICT_EVENTS_MAX 64

struct prediction {
	struct tpm_pcr_values values;
	struct token_branch_hint hint;
};

enum predict_verdict {
	PREDICT_LOGGED, /* the PCR holds what the log says */
	PREDICT_CAPPED, /* and was capped since */
	PREDICT_OTHER,	/* it holds something else */
};

/* Replays PCRs of a bank; those that no event extends are all zero. -ENOENT: no such bank in the log,
 * -EBADMSG: a damaged log. */
int predict_replay(const struct tcglog *log, enum tpm_bank bank, uint32_t pcrs,
		   struct tpm_pcr_values *ret_values);

/* How what a PCR holds came from what it held. */
int predict_judge(const struct tpm_pcr_values *logged, const struct tpm_pcr_values *held,
		  unsigned pcr, enum predict_verdict *ret_verdict);

/* The events of the PCRs, for a boot to explain a mismatch: all of a PCR's, or none when there are too many. */
void predict_events(const struct tcglog *log, enum tpm_bank bank, uint32_t pcrs,
		    struct token_branch_hint *hint);

/* Digests of an EFI file, in one bank. */
struct predict_efi {
	uint8_t file[TPM_DIGEST_MAX];
	bool has_kernel; /* one that its stub starts */
	uint8_t kernel[TPM_DIGEST_MAX];
};

/*
 * The value of PCR 4 where another EFI file is started in place of the one that was: the last event
 * EV_EFI_BOOT_SERVICES_APPLICATION with a file path is the file's (TCG PC Client Platform Firmware
 * Profile, 10.2.3), one behind it without a path the kernel's in it. Its events in hint are changed
 * alike. -ENOENT: no such event, -ENOTSUP: what is behind it is not one kernel, or the file has none.
 */
int predict_application(const struct tcglog *log, enum tpm_bank bank, const struct predict_efi *efi,
			uint8_t *ret_value, struct token_branch_hint *hint);

/* The PCRs of this boot while Tugboot ran, from the event log; with --current, as they are now. */
enum result predict_current(const struct options *options, struct tpm *tpm, enum tpm_bank bank,
			    uint32_t pcrs, struct prediction *ret_prediction);

/* Those of a boot with the file of --efi in place of this one's. Refuses PCRs for which that is not
 * known. */
enum result predict_next(const struct options *options, const struct prediction *current,
			 struct prediction *ret_prediction);

/* Parses PCR numbers as "0,7" or "0+7"; "none" for none. -EINVAL. */
int predict_pcrs(const char *text, uint32_t *ret_pcrs);

/* Refuses PCRs that anybody resets (16, 23), and warns of others that say little. */
enum result predict_check_pcrs(uint32_t pcrs);
