/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TPM event logs: lib/base/tcglog.c; a real one, and others from a writer. */
#include "tcglog.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base64.h"
#include "crypto.h"
#include "exact.h"
#include "macro.h"
#include "tcglog_sample.h"

#define DMA_TEXT "DMA Protection Disabled"
#define ALG_SM3 0x12

static uint8_t bytes[65536];
static size_t size;
static struct tcglog tcglog;
static struct tcglog_event event;

/* --- A writer of logs ---------------------------------------------------------------------- */

static void put(const void *data, size_t n)
{
	assert_true(n <= sizeof(bytes) - size);
	if (n > 0)
		memcpy(bytes + size, data, n);
	size += n;
}

static void put16(unsigned value)
{
	put((uint8_t[]){(uint8_t)value, (uint8_t)(value >> 8)}, 2);
}

static void put32(uint32_t value)
{
	put16(value & 0xffff);
	put16(value >> 16);
}

static unsigned size_of(uint16_t alg)
{
	switch (alg) {
	case TCGLOG_SHA1:
		return 20;
	case TCGLOG_SHA384:
		return 48;
	case TCGLOG_SHA512:
		return 64;
	default:
		return 32;
	}
}

static const char *hash_of(uint16_t alg)
{
	return alg == TCGLOG_SHA1     ? "sha1"
	       : alg == TCGLOG_SHA256 ? "sha256"
	       : alg == TCGLOG_SHA384 ? "sha384"
	       : alg == TCGLOG_SHA512 ? "sha512"
				      : NULL;
}

/* As firmware does: the digest of the event's data; where the test has no such hash, any bytes. */
static void put_digest(uint16_t alg, const void *data, size_t n)
{
	uint8_t digest[64];

	memset(digest, 0x5c, sizeof(digest));
	if (hash_of(alg))
		assert_int_equal(crypto_digest(hash_of(alg), &(struct crypto_part){data, n}, 1,
					       digest, sizeof(digest)),
				 0);
	put(digest, size_of(alg));
}

static void sha1_event(uint32_t pcr, uint32_t type, const void *data, size_t n)
{
	put32(pcr);
	put32(type);
	put_digest(TCGLOG_SHA1, data, n);
	put32((uint32_t)n);
	put(data, n);
}

static uint16_t banks[16];
static unsigned n_banks;

static void spec_id(const char *signature, unsigned major, unsigned vendor_size)
{
	size_t at = size;

	sha1_event(0, TCGLOG_NO_ACTION, NULL, 0);
	put(signature, 16);
	put("\0\0\0\0", 4);
	put((uint8_t[]){0, (uint8_t)major, 0, 2}, 4);
	put32(n_banks);
	for (unsigned i = 0; i < n_banks; i++) {
		put16(banks[i]);
		put16(size_of(banks[i]));
	}
	put((uint8_t[]){(uint8_t)vendor_size}, 1);
	for (unsigned i = 0; i < vendor_size; i++)
		put("v", 1);
	bytes[at + 28] = (uint8_t)(size - at - 32);
	bytes[at + 29] = (uint8_t)((size - at - 32) >> 8);
}

static void given_banks(unsigned n, const uint16_t *algs)
{
	n_banks = n;
	memcpy(banks, algs, n * sizeof(*algs));
	size = 0;
	spec_id("Spec ID Event03", 2, 0);
}

static void add(uint32_t pcr, uint32_t type, const void *data, size_t n)
{
	put32(pcr);
	put32(type);
	put32(n_banks);
	for (unsigned i = 0; i < n_banks; i++) {
		put16(banks[i]);
		put_digest(banks[i], data, n);
	}
	put32((uint32_t)n);
	put(data, n);
}

static void add_text(uint32_t pcr, uint32_t type, const char *text)
{
	add(pcr, type, text, strlen(text));
}

static void add_locality(uint8_t locality)
{
	uint8_t data[17] = "StartupLocality";

	data[16] = locality;
	add(0, TCGLOG_NO_ACTION, data, sizeof(data));
}

/* --- Helpers ------------------------------------------------------------------------------- */

static int open_log(void)
{
	return tcglog_open(exact(bytes, size), size, &tcglog);
}

/* All events; their number, or the error. */
static int walk(void)
{
	size_t pos = 0;
	int n = 0, r = open_log();

	if (r < 0)
		return r;
	while ((r = tcglog_next(&tcglog, &pos, &event)) > 0)
		n++;
	return r < 0 ? r : n;
}

static int extend(uint16_t alg, uint8_t *value, const uint8_t *digest, size_t n, void *data)
{
	const struct crypto_part parts[] = {{value, n}, {digest, n}};
	unsigned *count = data;

	if (count)
		++*count;
	return crypto_digest(hash_of(alg), parts, 2, value, TCGLOG_DIGEST_MAX);
}

static int fails(uint16_t alg, uint8_t *value, const uint8_t *digest, size_t n, void *data)
{
	(void)alg, (void)value, (void)digest, (void)n, (void)data;
	return -EIO;
}

static void given_sample(void)
{
	assert_int_equal(hex_decode(sample_log, strlen(sample_log), bytes, sizeof(bytes), &size),
			 0);
}

/* --- A real log ---------------------------------------------------------------------------- */

static void replaying_a_real_log_gives_what_the_pcrs_hold(void **state)
{
	static struct tcglog_values values;
	unsigned extends = 0;

	(void)state;
	given_sample();
	assert_int_equal(open_log(), 0);
	assert_true(tcglog.crypto_agile);
	assert_int_equal(tcglog.banks, 4);
	for (size_t i = 0; i < ARRAY_SIZE(sample_pcrs); i++) {
		char text[2 * TCGLOG_DIGEST_MAX + 1];

		assert_int_equal(
			tcglog_replay(&tcglog, sample_pcrs[i].alg, extend, &extends, &values), 0);
		assert_int_equal(values.pcrs, 0x2ff);
		assert_int_equal(values.size, size_of(sample_pcrs[i].alg));
		assert_int_equal(values.alg, sample_pcrs[i].alg);
		hex_encode(values.value[sample_pcrs[i].pcr], values.size, text);
		assert_string_equal(text, sample_pcrs[i].value);
	}
	assert_int_equal(ARRAY_SIZE(sample_pcrs), 4 * 9);
	/* As many events are extended as there are. */
	assert_int_equal(extends, ARRAY_SIZE(sample_pcrs) * 24);
	assert_int_equal(walk(), 24);
	assert_int_equal(tcglog_dma_disabled(&tcglog), 0);
}

static void the_events_of_a_real_log_are_what_they_are(void **state)
{
	size_t pos = 0;

	(void)state;
	given_sample();
	assert_int_equal(open_log(), 0);
	assert_int_equal(tcglog_next(&tcglog, &pos, &event), 1);
	assert_int_equal(event.pcr, 0);
	assert_string_equal(tcglog_type_name(event.type), "EV_S_CRTM_VERSION");
	assert_int_equal(event.digests, 4);
	assert_true(slice_eq(event.data, slice_of("\0\0", 2)));
	for (int i = 0; i < 3; i++)
		assert_int_equal(tcglog_next(&tcglog, &pos, &event), 1);
	assert_int_equal(event.pcr, 7);
	assert_string_equal(tcglog_type_name(event.type), "EV_EFI_VARIABLE_DRIVER_CONFIG");
	while (tcglog_next(&tcglog, &pos, &event) > 0)
		;
	assert_int_equal(event.pcr, 5);
	assert_string_equal(tcglog_type_name(event.type), "EV_EFI_ACTION");
	assert_true(slice_is(event.data, "Exit Boot Services Returned with Success"));
}

/* A bit of any digest; a bit of a PCR's number or of a type is one of extends, too. */
static void a_changed_digest_gives_other_values(void **state)
{
	static struct tcglog_values good, values;
	const uint8_t *digest;
	unsigned changed = 0;
	size_t pos = 0;

	(void)state;
	given_sample();
	assert_int_equal(open_log(), 0);
	assert_int_equal(tcglog_replay(&tcglog, TCGLOG_SHA256, extend, NULL, &good), 0);
	while (tcglog_next(&tcglog, &pos, &event) > 0) {
		struct tcglog copy;
		uint8_t *at;

		digest = tcglog_digest(&event, TCGLOG_SHA256);
		assert_non_null(digest);
		at = bytes + ((const char *)digest - tcglog.data.data);
		*at ^= 1;
		assert_int_equal(tcglog_open(bytes, size, &copy), 0);
		assert_int_equal(tcglog_replay(&copy, TCGLOG_SHA256, extend, NULL, &values), 0);
		assert_memory_not_equal(values.value[event.pcr], good.value[event.pcr], 32);
		*at ^= 1;
		changed++;
	}
	assert_int_equal(changed, 24);
}

/* The shell way looked for the text within so many lines of a dump: three banks pushed it out. */
static void dma_protection_is_seen_off_with_any_number_of_banks(void **state)
{
	static const uint16_t all[] = {TCGLOG_SHA1, TCGLOG_SHA256, TCGLOG_SHA384, TCGLOG_SHA512,
				       ALG_SM3,	    0x27,	   0x99,	  0x98};
	static struct tcglog_values values;

	(void)state;
	for (unsigned n = 1; n <= TCGLOG_BANKS_MAX; n++)
		for (unsigned from = 0; from < TCGLOG_BANKS_MAX; from++) {
			uint16_t some[TCGLOG_BANKS_MAX];

			for (unsigned i = 0; i < n; i++)
				some[i] = all[(from + i) % TCGLOG_BANKS_MAX];
			given_banks(n, some);
			add_text(0, 8, "version");
			add_text(7, TCGLOG_EFI_ACTION, "DMA Protection Enabled");
			assert_int_equal(walk(), 2);
			assert_int_equal(tcglog.banks, n);
			assert_int_equal(tcglog_dma_disabled(&tcglog), 0);
			add_text(7, TCGLOG_EFI_ACTION, DMA_TEXT);
			add_text(7, TCGLOG_SEPARATOR, "");
			assert_int_equal(walk(), 4);
			assert_int_equal(event.digests, n);
			assert_int_equal(tcglog_dma_disabled(&tcglog), 1);
			for (unsigned i = 0; i < n; i++)
				assert_non_null(tcglog_digest(&event, some[i]));
			assert_null(tcglog_digest(&event, 0x97));
			assert_int_equal(tcglog_replay(&tcglog, 0x97, fails, NULL, &values),
					 -ENOENT);
		}
	n_banks = TCGLOG_BANKS_MAX + 1;
	memcpy(banks, all, sizeof(all));
	banks[TCGLOG_BANKS_MAX] = 0x97;
	size = 0;
	spec_id("Spec ID Event03", 2, 0);
	assert_int_equal(open_log(), -E2BIG);
}

static void given_two_banks(void)
{
	static const uint16_t two[] = {TCGLOG_SHA256, TCGLOG_SHA1};

	given_banks(2, two);
}

/* What was extended is the digest: whoever changes the text does not change that. */
static void a_renamed_dma_event_is_known_by_its_digest(void **state)
{
	static const uint16_t each[] = {TCGLOG_SHA1, TCGLOG_SHA256, TCGLOG_SHA384, TCGLOG_SHA512};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(each); i++) {
		given_banks(1, &each[i]);
		add_text(7, TCGLOG_EFI_ACTION, DMA_TEXT);
		bytes[size - 1] = 'D';
		assert_int_equal(open_log(), 0);
		assert_int_equal(tcglog_dma_disabled(&tcglog), 1);
		bytes[size - 5 - strlen(DMA_TEXT)] ^= 1;
		assert_int_equal(open_log(), 0);
		assert_int_equal(tcglog_dma_disabled(&tcglog), 0);
	}
}

static void the_dma_event_is_known_wherever_it_stands(void **state)
{
	(void)state;
	given_two_banks();
	add(7, TCGLOG_EFI_ACTION, DMA_TEXT, sizeof(DMA_TEXT)); /* with a NUL */
	assert_int_equal(open_log(), 0);
	assert_int_equal(tcglog_dma_disabled(&tcglog), 1);
	given_two_banks();
	add_text(6, 5, DMA_TEXT);
	assert_int_equal(open_log(), 0);
	assert_int_equal(tcglog_dma_disabled(&tcglog), 1);
	/* Not extended: anybody's word. */
	given_two_banks();
	add_text(7, TCGLOG_NO_ACTION, DMA_TEXT);
	add_text(7, TCGLOG_EFI_ACTION, DMA_TEXT "!");
	add_text(7, TCGLOG_EFI_ACTION, "DMA Protection Disable");
	add_text(7, TCGLOG_EFI_ACTION, "");
	assert_int_equal(open_log(), 0);
	assert_int_equal(tcglog_dma_disabled(&tcglog), 0);
	put("x", 1);
	assert_int_equal(open_log(), 0);
	assert_int_equal(tcglog_dma_disabled(&tcglog), -EBADMSG);
}

static void logs_of_sha1_alone_are_read(void **state)
{
	static const char *const signatures[] = {NULL, "Spec ID Event00", "Spec ID Event02"};
	static struct tcglog_values values;
	uint8_t expected[64] = {0}, digest[20];

	(void)state;
	assert_int_equal(crypto_digest("sha1", &(struct crypto_part){"one", 3}, 1, digest,
				       sizeof(digest)),
			 0);
	assert_int_equal(extend(TCGLOG_SHA1, expected, digest, 20, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(signatures); i++) {
		size = 0;
		n_banks = 0;
		if (signatures[i])
			spec_id(signatures[i], 1, 0);
		sha1_event(4, 5, "one", 3);
		assert_int_equal(open_log(), 0);
		assert_false(tcglog.crypto_agile);
		assert_int_equal(tcglog.banks, 1);
		assert_int_equal(walk(), 1);
		assert_int_equal(event.pcr, 4);
		assert_true(slice_is(event.data, "one"));
		assert_int_equal(tcglog_dma_disabled(&tcglog), 0);
		assert_int_equal(tcglog_replay(&tcglog, TCGLOG_SHA1, extend, NULL, &values), 0);
		assert_int_equal(values.pcrs, 1u << 4);
		assert_memory_equal(values.value[4], expected, 20);
		assert_int_equal(tcglog_replay(&tcglog, TCGLOG_SHA256, extend, NULL, &values),
				 -ENOENT);
		sha1_event(7, TCGLOG_EFI_ACTION, DMA_TEXT, strlen(DMA_TEXT));
		assert_int_equal(walk(), 2);
		assert_int_equal(tcglog_dma_disabled(&tcglog), 1);
	}
}

static void pcr_0_starts_at_the_locality_that_the_log_names(void **state)
{
	static struct tcglog_values values;
	uint8_t digest[32];

	(void)state;
	assert_int_equal(crypto_digest("sha256", &(struct crypto_part){"version", 7}, 1, digest,
				       sizeof(digest)),
			 0);
	for (unsigned locality = 0; locality < 256; locality++) {
		uint8_t expected[64] = {0};
		bool known = locality == 0 || locality == 3 || locality == 4;

		given_two_banks();
		add_locality((uint8_t)locality);
		add_text(0, 8, "version");
		add_text(1, 8, "version");
		assert_int_equal(open_log(), 0);
		assert_int_equal(tcglog_replay(&tcglog, TCGLOG_SHA256, extend, NULL, &values),
				 known ? 0 : -EBADMSG);
		if (!known)
			continue;
		assert_int_equal(values.pcrs, 3);
		assert_int_equal(extend(TCGLOG_SHA256, values.value[2], digest, 32, NULL), 0);
		assert_memory_equal(values.value[1], values.value[2], 32);
		expected[31] = (uint8_t)locality;
		assert_int_equal(extend(TCGLOG_SHA256, expected, digest, 32, NULL), 0);
		assert_memory_equal(values.value[0], expected, 32);
	}
}

static void a_locality_is_named_once_and_in_time(void **state)
{
	static struct tcglog_values values;

	(void)state;
	values.pcrs = 12345;
	given_two_banks();
	add_locality(3);
	add_locality(3);
	assert_int_equal(open_log(), 0);
	assert_int_equal(tcglog_replay(&tcglog, TCGLOG_SHA256, extend, NULL, &values), -EBADMSG);
	given_two_banks();
	add_text(0, 8, "version");
	add_locality(3);
	assert_int_equal(open_log(), 0);
	assert_int_equal(tcglog_replay(&tcglog, TCGLOG_SHA256, extend, NULL, &values), -EBADMSG);
	given_two_banks();
	add(0, TCGLOG_NO_ACTION, "StartupLocality", 16);
	assert_int_equal(open_log(), 0);
	assert_int_equal(tcglog_replay(&tcglog, TCGLOG_SHA256, extend, NULL, &values), -EBADMSG);
	assert_int_equal(values.pcrs, 12345);
	/* It is extended where it is another event. */
	given_two_banks();
	add(0, TCGLOG_SEPARATOR, "StartupLocality\0\3", 17);
	assert_int_equal(open_log(), 0);
	assert_int_equal(tcglog_replay(&tcglog, TCGLOG_SHA256, extend, NULL, &values), 0);
	assert_int_equal(values.pcrs, 1);
}

static void an_error_of_the_extend_ends_the_replay(void **state)
{
	static struct tcglog_values values;

	(void)state;
	given_two_banks();
	add_text(0, 8, "version");
	assert_int_equal(open_log(), 0);
	assert_int_equal(tcglog_replay(&tcglog, TCGLOG_SHA256, fails, NULL, &values), -EIO);
}

/* Firmware lists banks that it then has no digests for; such events are not of that bank. */
static void an_event_may_lack_a_bank(void **state)
{
	static struct tcglog_values values;
	unsigned extends = 0;

	(void)state;
	given_two_banks();
	n_banks = 1;
	add_text(4, 5, "in SHA-256 alone");
	n_banks = 2;
	add_text(4, 5, "in both");
	assert_int_equal(walk(), 2);
	assert_int_equal(tcglog_replay(&tcglog, TCGLOG_SHA1, extend, &extends, &values), 0);
	assert_int_equal(extends, 1);
	assert_int_equal(tcglog_replay(&tcglog, TCGLOG_SHA256, extend, &extends, &values), 0);
	assert_int_equal(extends, 3);
}

/* --- Damaged logs -------------------------------------------------------------------------- */

static void a_log_that_is_cut_off_is_damaged(void **state)
{
	size_t whole;
	int events = 0;

	(void)state;
	given_sample();
	whole = size;
	for (size = 0; size < whole; size++) {
		int n = walk();

		/* Between two events nothing is missed. */
		if (n >= 0) {
			assert_in_range(n - events, 0, 1);
			events = n;
		} else {
			assert_int_equal(n, -EBADMSG);
		}
	}
	assert_int_equal(events, 23);
}

static void a_tail_of_zeros_or_ones_is_the_end(void **state)
{
	uint8_t tail[100];
	size_t end;

	(void)state;
	given_sample();
	end = size;
	for (unsigned fill = 0; fill < 256; fill++)
		for (size_t n = 1; n <= sizeof(tail); n += 3) {
			bool blank = fill == 0 || fill == 0xff;

			memset(tail, (int)fill, sizeof(tail));
			size = end;
			put(tail, n);
			assert_int_equal(walk(), blank ? 24 : -EBADMSG);
			/* But not when something stands in it. */
			bytes[size - 1] ^= 0x10;
			if (n > 1)
				assert_int_equal(walk(), -EBADMSG);
		}
}

static void damaged_events_are_refused(void **state)
{
	size_t at;

	(void)state;
	given_two_banks();
	at = size;
	add_text(0, 8, "version");
	assert_int_equal(walk(), 1);

	bytes[at] = 24;
	assert_int_equal(walk(), -EBADMSG);
	bytes[at] = 23;
	assert_int_equal(walk(), 1);
	bytes[at + 3] = 0x80;
	assert_int_equal(walk(), -EBADMSG);
	/* What is not extended has no PCR. */
	bytes[at + 4] = TCGLOG_NO_ACTION;
	assert_int_equal(walk(), 1);
	bytes[at + 8] = 0;
	assert_int_equal(walk(), -EBADMSG);
	bytes[at + 8] = 3;
	assert_int_equal(walk(), -EBADMSG);
	bytes[at + 8] = 2;
	bytes[at + 11] = 1;
	assert_int_equal(walk(), -EBADMSG);
	bytes[at + 11] = 0;
	/* A bank that is not listed; one of them twice. */
	bytes[at + 12] = TCGLOG_SHA384;
	assert_int_equal(walk(), -EBADMSG);
	bytes[at + 12] = TCGLOG_SHA1;
	assert_int_equal(walk(), -EBADMSG);
	bytes[at + 12] = TCGLOG_SHA256;
	assert_int_equal(walk(), 1);
	bytes[size - strlen("version") - 1] = 0xff;
	assert_int_equal(walk(), -EBADMSG);
}

static void a_damaged_head_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		int error;
	} cases[] = {
		{32 + 13, '1', -ENOTSUP},			  /* Spec ID Event13 */
		{32 + 14, '4', -ENOTSUP},			  /* Spec ID Event04 */
		{32 + 15, ' ', -ENOTSUP}, {32 + 21, 3, -ENOTSUP}, /* version 3.0 */
		{32 + 24, 0, -EBADMSG},				  /* no bank */
		{32 + 24, 3, -EBADMSG},	  {32 + 24, 9, -E2BIG},
		{32 + 27, 1, -E2BIG},	  {32 + 28, TCGLOG_SHA1, -EBADMSG}, /* of another size */
		{32 + 30, 33, -EBADMSG},  {32 + 30, 0, -EBADMSG},
		{32 + 36, 1, -EBADMSG}, /* vendor's bytes that are not there */
		{28, 36, -EBADMSG},	/* cut off before them */
		{28, 35, -EBADMSG},	  {28, 24, -EBADMSG},
		{31, 0x80, -EBADMSG},	  {0, 24, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		given_two_banks();
		assert_int_equal(open_log(), 0);
		memset(&tcglog, 0, sizeof(tcglog));
		bytes[cases[i].at] = cases[i].value;
		if (open_log() != cases[i].error)
			fail_msg("byte %zu = %u: %d", cases[i].at, cases[i].value, open_log());
		if (cases[i].error < 0)
			assert_int_equal(tcglog.banks, 0);
	}
	banks[0] = banks[1] = ALG_SM3;
	size = 0;
	spec_id("Spec ID Event03", 2, 0);
	assert_int_equal(open_log(), -EBADMSG);
	size = 0;
	assert_int_equal(open_log(), -EBADMSG);
	memset(bytes, 0, 100);
	size = 100;
	assert_int_equal(open_log(), -EBADMSG);
}

static void what_vendors_add_to_the_head_is_passed_over(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 200; n += 50) {
		banks[0] = TCGLOG_SHA256;
		banks[1] = 0x1234; /* an algorithm that nobody knows */
		n_banks = 2;
		size = 0;
		spec_id("Spec ID Event03", 2, n);
		add_text(0, 8, "version");
		assert_int_equal(walk(), 1);
	}
}

static void types_have_their_names(void **state)
{
	(void)state;
	assert_string_equal(tcglog_type_name(TCGLOG_NO_ACTION), "EV_NO_ACTION");
	assert_string_equal(tcglog_type_name(TCGLOG_SEPARATOR), "EV_SEPARATOR");
	assert_string_equal(tcglog_type_name(0xd), "EV_IPL");
	assert_string_equal(tcglog_type_name(0x13), "EV_POST_CODE2");
	assert_string_equal(tcglog_type_name(0x14), "unknown");
	assert_string_equal(tcglog_type_name(TCGLOG_EFI_ACTION), "EV_EFI_ACTION");
	assert_string_equal(tcglog_type_name(0x800000e0), "EV_EFI_VARIABLE_AUTHORITY");
	assert_string_equal(tcglog_type_name(0xffffffff), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replaying_a_real_log_gives_what_the_pcrs_hold),
		cmocka_unit_test(the_events_of_a_real_log_are_what_they_are),
		cmocka_unit_test(a_changed_digest_gives_other_values),
		cmocka_unit_test(dma_protection_is_seen_off_with_any_number_of_banks),
		cmocka_unit_test(a_renamed_dma_event_is_known_by_its_digest),
		cmocka_unit_test(the_dma_event_is_known_wherever_it_stands),
		cmocka_unit_test(logs_of_sha1_alone_are_read),
		cmocka_unit_test(pcr_0_starts_at_the_locality_that_the_log_names),
		cmocka_unit_test(a_locality_is_named_once_and_in_time),
		cmocka_unit_test(an_error_of_the_extend_ends_the_replay),
		cmocka_unit_test(an_event_may_lack_a_bank),
		cmocka_unit_test(a_log_that_is_cut_off_is_damaged),
		cmocka_unit_test(a_tail_of_zeros_or_ones_is_the_end),
		cmocka_unit_test(damaged_events_are_refused),
		cmocka_unit_test(a_damaged_head_is_refused),
		cmocka_unit_test(what_vendors_add_to_the_head_is_passed_over),
		cmocka_unit_test(types_have_their_names),
	};

	return cmocka_run_group_tests_name("tcglog", tests, NULL, NULL);
}
