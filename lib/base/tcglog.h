/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The TPM event log that the firmware leaves: TCG PC Client Platform Firmware Profile (rev 1.05),
 * section 10: a first event in SHA-1 form, which for TPM 2.0 is a TCG_EfiSpecIDEvent that lists the
 * banks and their digest sizes, then TCG_PCR_EVENT2 with any number of digests. Without such a
 * first event: SHA-1 only (TCG_PCR_EVENT). Little endian. Read from
 * /sys/kernel/security/tpm0/binary_bios_measurements. Hostile: a log is believed only where
 * replaying it gives what the PCRs hold.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

#define TCGLOG_PCRS 24
#define TCGLOG_BANKS_MAX 8
#define TCGLOG_DIGEST_MAX 64

/* TPM_ALG_ID of the banks that there are names for (TPM 2.0 part 2, 6.3). */
#define TCGLOG_SHA1 0x0004u
#define TCGLOG_SHA256 0x000bu
#define TCGLOG_SHA384 0x000cu
#define TCGLOG_SHA512 0x000du

/* Event types that we look at: same document, 10.4.1. */
#define TCGLOG_NO_ACTION 0x3u
#define TCGLOG_SEPARATOR 0x4u
#define TCGLOG_EFI_ACTION 0x80000007u

#define TCGLOG_FILE "/sys/kernel/security/tpm0/binary_bios_measurements"

struct tcglog_bank {
	uint16_t alg; /* TPM_ALG_ID */
	uint16_t size;
};

struct tcglog {
	struct slice data;
	size_t first; /* where events begin, behind the specification event */
	bool crypto_agile;
	unsigned banks;
	struct tcglog_bank bank[TCGLOG_BANKS_MAX];
};

struct tcglog_event {
	uint32_t pcr, type;
	unsigned digests;
	struct {
		uint16_t alg;
		const uint8_t *digest; /* into the log */
	} digest[TCGLOG_BANKS_MAX];
	struct slice data; /* into the log */
};

/* Reads the head; *ret_log borrows the data. -EBADMSG: damaged, or empty. -ENOTSUP: a version that
 * we do not know. -E2BIG: more banks than TCGLOG_BANKS_MAX. */
int tcglog_open(const void *data, size_t size, struct tcglog *ret_log);

/*
 * The next event; *pos is 0 at first and opaque. 1, 0 at the end, -EBADMSG when the rest is
 * damaged: cut off, a digest of a bank that the head does not list or two of one, a PCR that there
 * is not. A tail of zeros or of 0xff alone is the end.
 */
int tcglog_next(const struct tcglog *log, size_t *pos, struct tcglog_event *ret_event);

/* The event's digest in a bank, NULL when it has none. */
const uint8_t *tcglog_digest(const struct tcglog_event *event, uint16_t alg);

/* Name of an event type, "EV_SEPARATOR"; "unknown" for others. Constant string. */
const char *tcglog_type_name(uint32_t type);

/*
 * Did the firmware say that DMA protection was off ("DMA Protection Disabled", EV_EFI_ACTION in PCR
 * 7; Windows firmware requirement for Kernel DMA protection)? 1, 0, or -EBADMSG for a log that is
 * damaged before it says so. It is known by its text, with or without a NUL, and by the digest of
 * the text, which is what a replay proves; of whatever PCR and type, as no other event has either.
 */
int tcglog_dma_disabled(const struct tcglog *log);

/* One extend: *value = H(*value || digest); of `size` bytes. The caller's, as lib/base has no
 * digests. 0 or -errno. */
typedef int tcglog_extend_fn(uint16_t alg, uint8_t *value, const uint8_t *digest, size_t size,
			     void *data);

struct tcglog_values {
	uint32_t pcrs; /* that events extended */
	uint16_t alg;
	size_t size;
	uint8_t value[TCGLOG_PCRS][TCGLOG_DIGEST_MAX];
};

/* Replays a bank: PCR 0 starts at the locality that a StartupLocality event (EV_NO_ACTION) names,
 * which stands before PCR 0's other events. -ENOENT: no such bank. -EBADMSG: damaged, or two
 * localities. Errors of extend. */
int tcglog_replay(const struct tcglog *log, uint16_t alg, tcglog_extend_fn *extend, void *data,
		  struct tcglog_values *ret_values);
