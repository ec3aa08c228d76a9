/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PCRs of a boot from its event log: hostos-agents/predict.c, on a log and the PCRs of a real firmware. */
#include "predict.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base64.h"
#include "crypto.h"
#include "exact.h"
#include "macro.h"
#include "tcglog_sample.h"

/* Of unused functions of predict.c; main.c has them. */
enum result complain(const char *fmt, ...)
{
	(void)fmt;
	return RESULT_FAILED;
}

enum result complain_usage(const char *fmt, ...)
{
	(void)fmt;
	return RESULT_USAGE;
}

static struct tcglog tcglog;
static uint8_t bytes[1 << 17];
static struct tpm_pcr_values logged;

static const uint16_t algs[] = {0x04, 0x0b, 0x0c, 0x0d};

static void given_sample(void)
{
	size_t size;

	assert_int_equal(hex_decode(sample_log, strlen(sample_log), bytes, sizeof(bytes), &size),
			 0);
	assert_int_equal(tcglog_open(bytes, size, &tcglog), 0);
}

/* What a PCR really held. */
static void held(enum tpm_bank bank, unsigned pcr, uint8_t *value)
{
	size_t size;

	for (size_t i = 0; i < ARRAY_SIZE(sample_pcrs); i++)
		if (sample_pcrs[i].alg == algs[bank] && sample_pcrs[i].pcr == pcr) {
			assert_int_equal(hex_decode(sample_pcrs[i].value,
						    strlen(sample_pcrs[i].value), value,
						    TPM_DIGEST_MAX, &size),
					 0);
			return;
		}
	memset(value, 0, TPM_DIGEST_MAX);
}

static void a_replay_gives_what_the_firmware_left(void **state)
{
	uint8_t value[TPM_DIGEST_MAX];

	(void)state;
	given_sample();
	for (enum tpm_bank bank = TPM_BANK_SHA1; bank < TPM_BANK_COUNT; bank++) {
		assert_int_equal(predict_replay(&tcglog, bank, 0xff | 1u << 16, &logged), 0);
		assert_int_equal(logged.pcrs, 0xff | 1u << 16);
		assert_int_equal(logged.bank, bank);
		for (unsigned pcr = 0; pcr < TPM_PCRS; pcr++) {
			held(bank, pcr, value);
			if (logged.pcrs & 1u << pcr)
				assert_memory_equal(logged.value[pcr], value, tpm_bank_size(bank));
		}
	}
}

/* TPM2_PCR_Event: the digest of the text is what extends. */
static void extend(enum tpm_bank bank, uint8_t *value, const char *text)
{
	size_t size = tpm_bank_size(bank);
	uint8_t digest[TPM_DIGEST_MAX];
	const struct crypto_part of_text = {text, strlen(text)};
	const struct crypto_part parts[] = {{value, size}, {digest, size}};

	assert_int_equal(crypto_digest(tpm_bank_name(bank), &of_text, 1, digest, size), 0);
	assert_int_equal(crypto_digest(tpm_bank_name(bank), parts, 2, value, size), 0);
}

static void expect_verdict(const struct tpm_pcr_values *now, enum predict_verdict wanted)
{
	enum predict_verdict verdict = PREDICT_OTHER;

	assert_int_equal(predict_judge(&logged, now, 7, &verdict), 0);
	assert_int_equal(verdict, wanted);
}

static void a_pcr_is_as_logged_or_capped_or_something_else(void **state)
{
	(void)state;
	given_sample();
	for (enum tpm_bank bank = TPM_BANK_SHA1; bank < TPM_BANK_COUNT; bank++) {
		struct tpm_pcr_values now;

		assert_int_equal(predict_replay(&tcglog, bank, 1u << 7, &logged), 0);
		now = logged;
		expect_verdict(&now, PREDICT_LOGGED);
		extend(bank, now.value[7], "tugboot: unlocked");
		expect_verdict(&now, PREDICT_CAPPED);
		extend(bank, now.value[7], "tugboot: unlocked");
		expect_verdict(&now, PREDICT_OTHER);
		now = logged;
		extend(bank, now.value[7], "tugboot: unlockee");
		expect_verdict(&now, PREDICT_OTHER);
		now = logged;
		now.value[7][tpm_bank_size(bank) - 1] ^= 1;
		expect_verdict(&now, PREDICT_OTHER);
	}
}

static void events_are_kept_by_pcr_and_all_of_one_or_none(void **state)
{
	static struct token_branch_hint hint, one;
	struct tcglog_event event;
	unsigned n[TPM_PCRS] = {0};
	size_t pos = 0;

	(void)state;
	given_sample();
	while (tcglog_next(&tcglog, &pos, &event) == 1)
		if (event.type != TCGLOG_NO_ACTION)
			n[event.pcr]++;
	predict_events(&tcglog, TPM_BANK_SHA256, 1u << 4 | 1u << 7, &hint);
	assert_int_equal(hint.events, n[4] + n[7]);
	for (unsigned i = 0; i < hint.events; i++)
		assert_int_equal(hint.event[i].pcr, i < n[4] ? 4 : 7);
	predict_events(&tcglog, TPM_BANK_SHA256, 1u << 7, &one);
	assert_memory_equal(hint.event + n[4], one.event, n[7] * sizeof(one.event[0]));
	/* Replaying the eight digits is not possible; that they are the log's is. */
	pos = 0;
	for (unsigned i = 0; tcglog_next(&tcglog, &pos, &event) == 1;)
		if (event.pcr == 7 && event.type != TCGLOG_NO_ACTION)
			assert_memory_equal(one.event[i++].digest, tcglog_digest(&event, 0x0b), 4);
}

/* A log of SHA-256 alone, with so many events in PCR 0 and one in PCR 1. */
static void given_many(unsigned events)
{
	static const char head[] = "Spec ID Event03\0"
				   "\0\0\0\0\0\2\0\2\1\0\0\0\x0b\0\x20\0";
	size_t at = 32 + sizeof(head);

	memset(bytes, 0, sizeof(bytes));
	bytes[4] = TCGLOG_NO_ACTION;
	bytes[28] = sizeof(head);
	memcpy(bytes + 32, head, sizeof(head));
	for (unsigned i = 0; i <= events; i++) {
		bytes[at] = i == events;
		bytes[at + 4] = TCGLOG_SEPARATOR;
		bytes[at + 8] = 1;
		bytes[at + 12] = 0x0b;
		bytes[at + 14] = (uint8_t)i;
		at += 12 + 2 + 32 + 4;
	}
	assert_int_equal(tcglog_open(bytes, at, &tcglog), 0);
}

static void events_that_are_too_many_are_left_out(void **state)
{
	static struct token_branch_hint hint;

	(void)state;
	given_many(PREDICT_EVENTS_MAX - 1);
	predict_events(&tcglog, TPM_BANK_SHA256, 3, &hint);
	assert_int_equal(hint.events, PREDICT_EVENTS_MAX);
	given_many(PREDICT_EVENTS_MAX);
	predict_events(&tcglog, TPM_BANK_SHA256, 3, &hint);
	assert_int_equal(hint.events, PREDICT_EVENTS_MAX); /* PCR 1's have no room */
	assert_int_equal(hint.event[PREDICT_EVENTS_MAX - 1].pcr, 0);
	given_many(PREDICT_EVENTS_MAX + 1);
	predict_events(&tcglog, TPM_BANK_SHA256, 3, &hint);
	assert_int_equal(hint.events, 1);
	assert_int_equal(hint.event[0].pcr, 1);
}

/* Puts the file's own digest in its place: the value must come out as it was. */
static void the_file_that_was_started_gives_the_pcr_that_was(void **state)
{
	static struct token_branch_hint hint, before;
	struct predict_efi efi = {0};
	struct tcglog_event event;
	uint8_t value[TPM_DIGEST_MAX], real[TPM_DIGEST_MAX];
	size_t pos = 0;

	(void)state;
	given_sample();
	while (tcglog_next(&tcglog, &pos, &event) == 1)
		if (event.pcr == 4 && event.type == 0x80000003u)
			memcpy(efi.file, tcglog_digest(&event, 0x0b), TPM_SHA256_SIZE);
	predict_events(&tcglog, TPM_BANK_SHA256, 1u << 4, &hint);
	before = hint;
	assert_int_equal(predict_application(&tcglog, TPM_BANK_SHA256, &efi, value, &hint), 0);
	held(TPM_BANK_SHA256, 4, real);
	assert_memory_equal(value, real, TPM_SHA256_SIZE);
	assert_memory_equal(&hint, &before, sizeof(hint));
	efi.file[0] ^= 1;
	assert_int_equal(predict_application(&tcglog, TPM_BANK_SHA256, &efi, value, &hint), 0);
	assert_memory_not_equal(value, real, TPM_SHA256_SIZE);
	assert_memory_not_equal(&hint, &before, sizeof(hint));
}

static void a_log_without_a_started_file_gives_nothing(void **state)
{
	static struct token_branch_hint hint;
	uint8_t value[TPM_DIGEST_MAX] = {0x55};
	const struct predict_efi efi = {0};

	(void)state;
	given_many(3);
	assert_int_equal(predict_application(&tcglog, TPM_BANK_SHA256, &efi, value, &hint),
			 -ENOENT);
	assert_int_equal(value[0], 0x55);
}

static void lists_of_pcrs_are_read(void **state)
{
	static const struct {
		const char *text;
		uint32_t pcrs;
	} good[] = {{"7", 1u << 7}, {"0,7", 0x81}, {"0+7,23", 0x800081}, {"none", 0}, {"", 0}};
	static const char *const bad[] = {",",	 "7,", ",7", "24",	   "7,7", "7-8",
					  "7 8", "a",  "-1", "4294967303", "0007"};
	uint32_t pcrs;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		pcrs = 0x5a5a;
		assert_int_equal(predict_pcrs(exact(good[i].text, strlen(good[i].text) + 1), &pcrs),
				 0);
		assert_int_equal(pcrs, good[i].pcrs);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		pcrs = 0x5a5a;
		if (predict_pcrs(exact(bad[i], strlen(bad[i]) + 1), &pcrs) != -EINVAL)
			fail_msg("'%s' is taken", bad[i]);
		assert_int_equal(pcrs, 0x5a5a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_replay_gives_what_the_firmware_left),
		cmocka_unit_test(a_pcr_is_as_logged_or_capped_or_something_else),
		cmocka_unit_test(events_are_kept_by_pcr_and_all_of_one_or_none),
		cmocka_unit_test(events_that_are_too_many_are_left_out),
		cmocka_unit_test(the_file_that_was_started_gives_the_pcr_that_was),
		cmocka_unit_test(a_log_without_a_started_file_gives_nothing),
		cmocka_unit_test(lists_of_pcrs_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
