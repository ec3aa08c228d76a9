/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sealing and unsealing in our own form with a real TPM (swtpm); PCRs and policies beside
 * tpm2-tools; what goes over the wire, and what stays in memory; TPMs that are absent, silent or
 * talk nonsense.
 */
#include "sealing.h"

#include <pty.h>

#include "clock.h"
#include "crypto.h"

#define PCRS (1u << 0 | 1u << 7 | 1u << 11)

/* ---- sealing ---- */

static void what_is_sealed_to_pcrs_unseals(void **state)
{
	static const enum tpm_primary primaries[] = {TPM_PRIMARY_ECC, TPM_PRIMARY_RSA};
	_tpm_ struct tpm *tpm = swtpm_open();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(primaries); i++)
		for (enum tpm_bank bank = TPM_BANK_SHA1; bank < TPM_BANK_COUNT; bank++)
			for (unsigned k = 0; k < 4; k += bank == TPM_BANK_SHA256 ? 1 : 3) {
				struct sealing s = {
					.sealed = {.primary = primaries[i], .noda = k & 1}};

				add_branch_now(tpm, &s, bank, PCRS);
				seal(tpm, &s, k & 2 ? "a PIN" : NULL);
				assert_true(s.sealed.has_policy_hash);
				unseals(tpm, &s, k & 2 ? "a PIN" : NULL);
			}
}

static void each_branch_of_several_unseals(void **state)
{
	_tpm_ struct tpm *tpm = swtpm_open();

	(void)state;
	for (unsigned n = 1; n <= TPM_BRANCHES_MAX; n++)
		for (unsigned right = 0; right < n; right++) {
			struct sealing s = {.sealed.noda = true};

			for (unsigned i = 0; i < n; i++)
				if (i == right)
					add_branch_now(tpm, &s, TPM_BANK_SHA256, 1u << 0 | 1u << 7);
				else
					add_branch_other(tpm, &s, (uint8_t)(i + 1));
			seal(tpm, &s, NULL);
			unseals(tpm, &s, NULL);
		}
}

static void a_pcr_that_changed_is_named(void **state)
{
	_tpm_ struct tpm *tpm = swtpm_open();
	struct sealing s = {.sealed.noda = true};
	struct tpm_refusal refusal = {0};
	struct tpm_pcr_values now;
	struct tpm_counts before;

	(void)state;
	add_branch_now(tpm, &s, TPM_BANK_SHA256, 1u << 2 | 1u << 7 | 1u << 9);
	seal(tpm, &s, NULL);
	assert_int_equal(tpm_pcr_extend(tpm, 7, "another key"), 0);
	before = tpm_counts(tpm);
	assert_int_equal(unseal(tpm, &s, NULL, &refusal), -EPERM);
	assert_int_equal(refusal.pcr, 7);
	/* It cost one reading of PCRs, and no unseal. */
	assert_int_equal(tpm_counts(tpm).commands, before.commands + 1);
	assert_int_equal(tpm_counts(tpm).unseals, before.unseals);
	assert_int_equal(tpm_pcr_read(tpm, TPM_BANK_SHA256, 1u << 7, &now), 0);
	assert_memory_equal(refusal.found, now.value[7], TPM_SHA256_SIZE);
	/* Without the values that were, there is nothing to tell it by. */
	s.sealed.branch[0].values = NULL;
	assert_int_equal(unseal(tpm, &s, NULL, &refusal), -EPERM);
	assert_int_equal(refusal.pcr, -1);
}

/* Whatever is said in software: the TPM itself refuses. */
static void the_tpm_refuses_other_pcrs_itself(void **state)
{
	_tpm_ struct tpm *tpm = swtpm_open();
	_handle_ struct tpm_handle session = TPM_HANDLE(tpm);
	struct tpm_pcr_values values;

	(void)state;
	assert_int_equal(tpm_pcr_read(tpm, TPM_BANK_SHA256, PCRS, &values), 0);
	assert_int_equal(tpm_session(tpm, TPM2_SE_POLICY, ESYS_TR_NONE, 0, &session), 0);
	assert_int_equal(tpm_session_pcr(tpm, session.tr, &values, PCRS), 0);
	values.value[7][31] ^= 1;
	assert_int_equal(tpm_session_pcr(tpm, session.tr, &values, PCRS), -EPERM);
}

/* Finds a PIN whose SHA-256 ends in so many zero bytes. */
static void find_pin(unsigned zeros, char pin[static 16])
{
	uint8_t digest[TPM_SHA256_SIZE];
	unsigned n;

	for (unsigned i = 0;; i++) {
		const struct crypto_part part = {pin, (size_t)snprintf(pin, 16, "%u", i)};

		assert_int_equal(crypto_digest("sha256", &part, 1, digest, sizeof(digest)), 0);
		for (n = 0; n < zeros && digest[sizeof(digest) - 1 - n] == 0; n++)
			;
		if (n == zeros)
			return;
	}
}

static void a_pin_whose_hash_ends_in_zeros_unseals(void **state)
{
	_tpm_ struct tpm *tpm = swtpm_open();

	(void)state;
	for (unsigned zeros = 1; zeros <= 2; zeros++)
		for (int noda = 0; noda < 2; noda++) {
			struct sealing s = {.sealed.noda = noda};
			char pin[16];

			find_pin(zeros, pin);
			add_branch_now(tpm, &s, TPM_BANK_SHA256, PCRS);
			seal(tpm, &s, pin);
			unseals(tpm, &s, pin);
		}
}

static void a_damaged_blob_is_refused(void **state)
{
	_tpm_ struct tpm *tpm = swtpm_open();
	struct sealing s = {.sealed.noda = true}, bad;

	(void)state;
	add_branch_now(tpm, &s, TPM_BANK_SHA256, PCRS);
	seal(tpm, &s, NULL);
	for (size_t i = 0; i < s.sealed.blob_size; i++) {
		int r;

		bad = s;
		bad.sealed.blob = bad.blob;
		bad.blob[i] ^= 0x10;
		r = unseal(tpm, &bad, NULL, NULL);
		if (r != -EBADMSG)
			fail_msg("byte %zu: %d, %s", i, r, tpm_error(tpm));
	}
	bad = s;
	bad.sealed.blob = bad.blob;
	for (bad.sealed.blob_size = 0; bad.sealed.blob_size < s.sealed.blob_size;
	     bad.sealed.blob_size++)
		assert_int_equal(unseal(tpm, &bad, NULL, NULL), -EBADMSG);
	unseals(tpm, &s, NULL);
}

static void a_token_that_tells_another_policy_is_refused(void **state)
{
	_tpm_ struct tpm *tpm = swtpm_open();
	struct sealing s = {.sealed.noda = true}, bad;

	(void)state;
	add_branch_now(tpm, &s, TPM_BANK_SHA256, PCRS);
	add_branch_other(tpm, &s, 1);
	seal(tpm, &s, NULL);
	bad = s;
	bad.sealed.policy_hash[0] ^= 1;
	assert_int_equal(unseal(tpm, &bad, NULL, NULL), -EBADMSG);
	bad = s; /* a branch that was not sealed for */
	bad.sealed.branch[1].digest[0] ^= 1;
	assert_int_equal(unseal(tpm, &bad, NULL, NULL), -EBADMSG);
	bad = s;
	bad.sealed.branches = 0;
	assert_int_equal(unseal(tpm, &bad, NULL, NULL), -EBADMSG);
	bad = s;
	bad.sealed.branches = TPM_BRANCHES_MAX + 1;
	assert_int_equal(unseal(tpm, &bad, NULL, NULL), -EBADMSG);
	bad = s;
	bad.sealed.branch[0].pcrs = 0;
	assert_int_equal(unseal(tpm, &bad, NULL, NULL), -EBADMSG);
	bad = s; /* no key, and a PIN that the policy has not */
	bad.sealed.pin = true;
	assert_int_equal(unseal(tpm, &bad, "1", NULL), -EBADMSG);
	unseals(tpm, &s, NULL);
}

static void what_another_tpm_sealed_is_refused(void **state)
{
	struct sealing s = {.sealed.noda = true};
	struct tpm *tpm = swtpm_open();

	(void)state;
	add_branch_now(tpm, &s, TPM_BANK_SHA256, PCRS);
	seal(tpm, &s, NULL);
	tpm_close(tpm);
	swtpm_end();
	swtpm_new();
	tpm = swtpm_open();
	assert_int_equal(unseal(tpm, &s, NULL, NULL), -EBADMSG);
	assert_non_null(strstr(tpm_error(tpm), "TPM_RC_INTEGRITY"));
	tpm_close(tpm);
}

static void secrets_of_any_size_are_sealed(void **state)
{
	_tpm_ struct tpm *tpm = swtpm_open();

	(void)state;
	for (size_t size = 0; size <= 129; size++) {
		_secret_ struct secret secret = {0}, out = {0};
		struct sealing s = {.sealed.noda = true};
		int r;

		assert_int_equal(secret_new(size, &secret), 0);
		memset(secret.data, 0xa5, size);
		add_branch_now(tpm, &s, TPM_BANK_SHA256, PCRS);
		r = tpm_seal(tpm, &s.sealed, NULL, &secret, s.blob, sizeof(s.blob),
			     &s.sealed.blob_size);
		if (size == 0 || size > 128) {
			assert_int_equal(r, -EINVAL);
			continue;
		}
		assert_int_equal(r, 0);
		s.sealed.blob = s.blob;
		assert_int_equal(tpm_unseal(tpm, &s.sealed, NULL, NULL, NULL, &out, NULL), 0);
		assert_int_equal(out.size, size);
		assert_memory_equal(out.data, secret.data, size);
	}
}

/* ---- PCRs and policies ---- */

static void pcrs_are_what_their_events_make_them(void **state)
{
	_tpm_ struct tpm *tpm = swtpm_open();
	unsigned banks = 0;

	(void)state;
	assert_int_equal(tpm_pcr_extend(tpm, 5, "one"), 0);
	assert_int_equal(tpm_pcr_extend(tpm, 5, "two"), 0);
	assert_int_equal(tpm_pcr_banks(tpm, &banks), 0);
	assert_int_equal(banks, (1u << TPM_BANK_COUNT) - 1);
	for (enum tpm_bank bank = TPM_BANK_SHA1; bank < TPM_BANK_COUNT; bank++) {
		static const char *const events[] = {"one", "two"};
		uint8_t value[TPM_DIGEST_MAX] = {0}, event[TPM_DIGEST_MAX];
		size_t size = tpm_bank_size(bank);
		struct tpm_pcr_values values;

		for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
			const struct crypto_part text = {events[i], strlen(events[i])};
			const struct crypto_part parts[] = {{value, size}, {event, size}};

			assert_int_equal(crypto_digest(tpm_bank_name(bank), &text, 1, event, size),
					 0);
			assert_int_equal(crypto_digest(tpm_bank_name(bank), parts, 2, value, size),
					 0);
		}
		/* All 24, which take several answers. */
		assert_int_equal(tpm_pcr_read(tpm, bank, (1u << TPM_PCRS) - 1, &values), 0);
		assert_int_equal(values.pcrs, (1u << TPM_PCRS) - 1);
		assert_memory_equal(values.value[5], value, size);
		for (unsigned pcr = 17; pcr <= 22; pcr++) /* ones, until there is a D-RTM */
			assert_int_equal(values.value[pcr][0], 0xff);
		assert_int_equal(values.value[4][0], 0);
		assert_int_equal(tpm_bank_of(tpm_bank_name(bank)), bank);
		assert_int_equal(tpm_bank_of_alg(tpm_bank_alg(bank)), bank);
	}
	assert_int_equal(tpm_bank_of("sha3"), TPM_BANK_COUNT);
	assert_int_equal(tpm_bank_of_alg(0x12), TPM_BANK_COUNT);
}

static void a_bank_that_is_not_there_is_told(void **state)
{
	_tpm_ struct tpm *tpm = NULL;
	struct tpm_pcr_values values;
	unsigned banks = 0;

	(void)state;
	must_run("tpm2_pcrallocate", "sha1:none+sha256:all+sha384:none+sha512:none");
	must_run("tpm2_shutdown", "-c");
	swtpm_power_cut();
	swtpm_power_on();
	tpm = swtpm_open();
	assert_int_equal(tpm_pcr_banks(tpm, &banks), 0);
	assert_int_equal(banks, 1u << TPM_BANK_SHA256);
	assert_int_equal(tpm_pcr_read(tpm, TPM_BANK_SHA1, PCRS, &values), -EOPNOTSUPP);
	assert_int_equal(tpm_pcr_read(tpm, TPM_BANK_SHA256, PCRS, &values), 0);
	assert_int_equal(tpm_pcr_extend(tpm, 7, "text"), 0);
}

static void a_cap_closes_the_door(void **state)
{
	_tpm_ struct tpm *tpm = swtpm_open();
	struct sealing s = {.sealed.noda = true};

	(void)state;
	add_branch_now(tpm, &s, TPM_BANK_SHA256, PCRS);
	seal(tpm, &s, NULL);
	unseals(tpm, &s, NULL);
	assert_int_equal(tpm_pcr_extend(tpm, 11, "cap"), 0);
	assert_int_equal(unseal(tpm, &s, NULL, NULL), -EPERM);
	assert_int_equal(tpm_pcr_extend(tpm, TPM_PCRS, "cap"), -EINVAL);
	assert_int_equal(tpm_pcr_extend(tpm, 17, "cap"), -EPERM); /* of another locality */
}

static void file_is(const char *name, const uint8_t digest[static TPM_SHA256_SIZE])
{
	_free_ char *data = NULL;
	size_t size;

	assert_int_equal(file_read(AT_FDCWD, in_dir(name), 4096, &data, &size), 0);
	assert_int_equal(size, TPM_SHA256_SIZE);
	assert_memory_equal(data, digest, size);
}

static void policies_are_those_of_tpm2_tools(void **state)
{
	uint8_t digest[TPM_SHA256_SIZE];
	struct tpm_branch branches[2] = {0};
	struct tpm_pcr_values values;
	struct tpm *tpm = swtpm_open();
	char list[400];

	(void)state;
	assert_int_equal(tpm_pcr_extend(tpm, 7, "text"), 0);
	tpm_close(tpm);
	for (enum tpm_bank bank = TPM_BANK_SHA1; bank < TPM_BANK_COUNT; bank++) {
		tpm = swtpm_open();
		assert_int_equal(tpm_pcr_read(tpm, bank, PCRS, &values), 0);
		tpm_close(tpm);
		memset(digest, 0, sizeof(digest));
		assert_int_equal(tpm_policy_pcr(digest, &values), 0);
		(void)snprintf(list, sizeof(list), "%s:0,7,11", tpm_bank_name(bank));
		must_run("tpm2_startauthsession", "-S", in_dir("session"));
		must_run("tpm2_policypcr", "-S", in_dir("session"), "-l", list, "-L",
			 in_dir("pcr"));
		file_is("pcr", digest);
		must_run("tpm2_policyauthvalue", "-S", in_dir("session"), "-L", in_dir("auth"));
		must_run("tpm2_flushcontext", in_dir("session"));
		assert_int_equal(tpm_policy_auth_value(digest), 0);
		file_is("auth", digest);
	}
	memcpy(branches[0].digest, digest, sizeof(digest));
	memset(branches[1].digest, 1, sizeof(digest));
	write_all(in_dir("other"), branches[1].digest, sizeof(digest));
	assert_int_equal(tpm_policy_or(digest, branches, 2), 0);
	(void)snprintf(list, sizeof(list), "sha256:%s,%s", in_dir("auth"), in_dir("other"));
	must_run("tpm2_startauthsession", "-S", in_dir("session"));
	must_run("tpm2_policyor", "-S", in_dir("session"), "-L", in_dir("or"), list);
	must_run("tpm2_flushcontext", in_dir("session"));
	file_is("or", digest);
	assert_int_equal(tpm_policy_or(digest, branches, 1), -EINVAL);
	assert_int_equal(tpm_policy_or(digest, branches, TPM_BRANCHES_MAX + 1), -EINVAL);
	values.pcrs = 0;
	assert_int_equal(tpm_policy_pcr(digest, &values), -EINVAL);
	assert_int_equal(tpm_policy_authorize(digest, "no key", 6), -EINVAL);
	file_is("or", digest); /* failures leave it as it is */
}

/* ---- on the wire and in memory ---- */

static void no_secret_goes_over_the_wire(void **state)
{
	static const char pin[] = "a PIN";
	_tpm_ struct tpm *tpm = swtpm_open();
	const struct crypto_part part = {pin, strlen(pin)};
	uint8_t hash[TPM_SHA256_SIZE];

	(void)state;
	for (unsigned k = 0; k < 4; k++) {
		struct sealing s = {.sealed = {.noda = k & 1}};

		add_branch_now(tpm, &s, TPM_BANK_SHA256, PCRS);
		wire_watch(tpm, 0);
		seal(tpm, &s, k & 2 ? pin : NULL);
		unseals(tpm, &s, k & 2 ? pin : NULL);
		assert_true(wire.size > 1000);
		assert_true(wire_has(s.sealed.policy_hash, TPM_SHA256_SIZE)); /* it is looked at */
		for (size_t i = 0; i + 8 <= strlen(SECRET); i++)
			assert_false(wire_has(SECRET + i, 8));
		/* Not before, as it is wiped wherever it is. */
		assert_int_equal(crypto_digest("sha256", &part, 1, hash, sizeof(hash)), 0);
		assert_false(wire_has(hash, sizeof(hash)));
		tpm_close(tpm);
		tpm = swtpm_open();
	}
}

/* Is it anywhere in our memory that can be written? Freed memory included. */
static unsigned copies_in_memory(const uint8_t *secret, size_t size)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	_close_ int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	unsigned long begin, end;
	char access[8], line[512];
	unsigned found = 0;

	assert_non_null(maps);
	assert_true(fd >= 0);
	while (fgets(line, sizeof(line), maps)) {
		uint8_t buf[8192 + 64];

		/* The sanitizer's own, by their size. */
		if (sscanf(line, "%lx-%lx %7s", &begin, &end, access) != 3 || access[1] != 'w' ||
		    end - begin > 1ul << 30)
			continue;
		for (unsigned long at = begin; at < end; at += 8192) {
			ssize_t n = pread(fd, buf, MIN(sizeof(buf), end - at), (off_t)at);

			for (ssize_t i = 0; i + (ssize_t)size <= n && i < 8192; i++) {
				size_t k = 0;

				/* It is given turned over, so as not to find itself. */
				while (k < size && (buf[i + (ssize_t)k] ^ secret[k]) == 0xff)
					k++;
				found += k == size;
			}
		}
		explicit_bzero(buf, sizeof(buf));
	}
	(void)fclose(maps);
	return found;
}

static void turn(uint8_t *turned, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		turned[i] = bytes[i] ^ 0xff;
}

static void what_is_unsealed_is_wiped(void **state)
{
	struct sealing s = {.sealed.noda = true};
	struct tpm *tpm = swtpm_open();
	_secret_ struct secret secret = {0}, out = {0};
	uint8_t turned[16];

	(void)state;
	assert_int_equal(secret_new(16, &secret), 0);
	assert_int_equal(crypto_random(secret.data, 16), 0);
	turn(turned, secret.data, sizeof(turned));
	add_branch_now(tpm, &s, TPM_BANK_SHA256, PCRS);
	s.sealed.blob = s.blob;
	assert_int_equal(tpm_seal(tpm, &s.sealed, NULL, &secret, s.blob, sizeof(s.blob),
				  &s.sealed.blob_size),
			 0);
	assert_int_equal(copies_in_memory(turned, sizeof(turned)), 1);
	assert_int_equal(tpm_unseal(tpm, &s.sealed, NULL, NULL, NULL, &out, NULL), 0);
	assert_int_equal(copies_in_memory(turned, sizeof(turned)), 2);
	tpm_close(tpm);
	secret_done(&secret);
	secret_done(&out);
	assert_int_equal(copies_in_memory(turned, sizeof(turned)), 0);
}

/* Short of all PINs being tried against it, the hash of one is the PIN. */
static void the_hash_of_a_pin_is_wiped(void **state)
{
	static const struct crypto_part part = {"a PIN", 5};
	struct sealing s = {.sealed.noda = true};
	struct tpm *tpm = swtpm_open();
	uint8_t hash[TPM_SHA256_SIZE], turned[TPM_SHA256_SIZE];

	(void)state;
	assert_int_equal(crypto_digest("sha256", &part, 1, hash, sizeof(hash)), 0);
	turn(turned, hash, sizeof(hash));
	explicit_bzero(hash, sizeof(hash));
	add_branch_now(tpm, &s, TPM_BANK_SHA256, PCRS);
	seal(tpm, &s, "a PIN");
	assert_int_equal(copies_in_memory(turned, sizeof(turned)), 0);
	unseals(tpm, &s, "a PIN");
	assert_int_equal(copies_in_memory(turned, sizeof(turned)), 0);
	tpm_close(tpm);
	assert_int_equal(copies_in_memory(turned, sizeof(turned)), 0);
}

static void nothing_stays_in_the_tpm(void **state)
{
	static const TPM2_HANDLE kinds[] = {TPM2_TRANSIENT_FIRST, TPM2_LOADED_SESSION_FIRST};
	_tpm_ struct tpm *tpm = swtpm_open();

	(void)state;
	for (unsigned k = 0; k < 4; k++) {
		struct sealing s = {.sealed.noda = true};

		add_branch_now(tpm, &s, TPM_BANK_SHA256, PCRS);
		seal(tpm, &s, "1");
		assert_int_equal(unseal(tpm, &s, k == 0 ? "2" : "1", NULL), k == 0 ? -EACCES : 0);
		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
			TPMS_CAPABILITY_DATA *data = NULL;
			TPMI_YES_NO more;

			assert_int_equal(esys.GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE,
							    ESYS_TR_NONE, TPM2_CAP_HANDLES,
							    kinds[i], 8, &more, &data),
					 0);
			assert_int_equal(data->data.handles.count, 0);
			esys.Free(data);
		}
	}
}

static void an_unseal_is_counted_once(void **state)
{
	_tpm_ struct tpm *tpm = swtpm_open();
	struct sealing s = {.sealed.noda = true};
	struct tpm_counts before;

	(void)state;
	add_branch_now(tpm, &s, TPM_BANK_SHA256, PCRS);
	seal(tpm, &s, NULL);
	assert_int_equal(tpm_counts(tpm).unseals, 0);
	before = tpm_counts(tpm);
	unseals(tpm, &s, NULL);
	assert_int_equal(tpm_counts(tpm).unseals, 1);
	print_message("%u commands for an unseal\n", tpm_counts(tpm).commands - before.commands);
}

static void random_numbers_differ(void **state)
{
	_tpm_ struct tpm *tpm = swtpm_open();
	uint8_t a[100] = {0}, b[100] = {0};

	(void)state;
	assert_int_equal(tpm_random(tpm, a, sizeof(a)), 0);
	assert_int_equal(tpm_random(tpm, b, sizeof(b)), 0);
	for (size_t i = 0; i + 10 <= sizeof(a); i += 10)
		assert_memory_not_equal(a + i, b + i, 10);
}

/* ---- TPMs that are none ---- */

static void where_there_is_no_tpm_that_is_told(void **state)
{
	char file[] = "device:/tmp/test_tpm.XXXXXX";
	struct tpm *tpm = NULL;
	int fd = mkstemp(strchr(file, '/'));

	(void)state;
	assert_true(fd >= 0);
	if (access("/dev/tpmrm0", F_OK) < 0 && access("/dev/tpm0", F_OK) < 0)
		assert_int_equal(tpm_open(NULL, &tpm), -ENODEV);
	assert_int_equal(tpm_open("device:/dev/no-such-tpm", &tpm), -ENODEV);
	assert_int_equal(tpm_open(file, &tpm), -ENODEV);
	assert_int_equal(unlink(strchr(file, '/')), 0);
	(void)close(fd); /* nothing was written to it */
	assert_int_equal(tpm_open("swtpm:path=/tmp/no-such-socket", &tpm), -ENODEV);
	assert_int_equal(tpm_open("nonsense", &tpm), -ENODEV);
	assert_null(tpm);
}

static void other_tctis_are_tss2s(void **state)
{
	_tpm_ struct tpm *tpm = NULL;
	char command[256];
	unsigned banks = 0;

	(void)state;
	(void)snprintf(command, sizeof(command), "cmd:tpm2_send --tcti swtpm:path=%s", swtpm.sock);
	assert_int_equal(tpm_open(command, &tpm), 0);
	assert_int_equal(tpm_pcr_banks(tpm, &banks), 0);
	assert_true(banks & 1u << TPM_BANK_SHA256);
}

/* A TPM that hangs: the first command waits out its deadline, and no other is sent. */
static void is_silent(struct tpm *tpm)
{
	struct sealing s = {.sealed = {.blob = s.blob}};
	struct tpm_pcr_values values;
	uint64_t begin = clock_ms();
	unsigned sent;

	tpm->tcti.timeout_ms = 300;
	assert_int_equal(tpm_pcr_read(tpm, TPM_BANK_SHA256, PCRS, &values), -ETIMEDOUT);
	assert_true(clock_ms() - begin >= 300);
	assert_non_null(strstr(tpm_error(tpm), "no answer"));
	sent = tpm_counts(tpm).commands;
	begin = clock_ms();
	assert_int_equal(tpm_shutdown(tpm), -ETIMEDOUT);
	assert_int_equal(try_seal(tpm, &s, NULL), -ETIMEDOUT);
	assert_true(clock_ms() - begin < 300);
	assert_int_equal(tpm_counts(tpm).commands, sent);
}

static void a_silent_tpm_costs_one_deadline(void **state)
{
	_tpm_ struct tpm *tpm = swtpm_open();

	(void)state;
	assert_int_equal(kill(swtpm.pid, SIGSTOP), 0);
	is_silent(tpm);
	assert_int_equal(kill(swtpm.pid, SIGCONT), 0);
}

/* A terminal is a character device that takes commands, and what the test does with its other
 * end is what the kernel's driver may do. */
static struct tpm *open_terminal(int *ret_master, int *ret_slave)
{
	struct tpm *tpm = NULL;
	struct termios raw;
	char tcti[128], name[64];

	assert_int_equal(openpty(ret_master, ret_slave, name, NULL, NULL), 0);
	assert_int_equal(tcgetattr(*ret_slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(*ret_slave, TCSANOW, &raw), 0);
	(void)snprintf(tcti, sizeof(tcti), "device:%s", name);
	assert_int_equal(tpm_open(tcti, &tpm), 0);
	return tpm;
}

static void a_silent_device_costs_one_deadline(void **state)
{
	int master, slave, kept;
	struct tpm *tpm = open_terminal(&master, &slave);

	(void)state;
	kept = tpm->tcti.fd;
	is_silent(tpm);
	tpm_close(tpm);
	/* Left open, as closing the kernel's would wait. */
	assert_int_equal(close(kept), 0);
	(void)close(master);
	(void)close(slave);
}

/* Passes commands from a terminal to swtpm and back, until that goes. */
static void bridge(int master)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char buf[4096];
	ssize_t n;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	strcpy(address.sun_path, swtpm.sock);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		_exit(1);
	while ((n = read(master, buf, sizeof(buf))) > 0) {
		if (write(fd, buf, (size_t)n) != n || (n = read(fd, buf, sizeof(buf))) <= 0)
			break;
		/* In two pieces, with time between them. */
		if (write(master, buf, 7) != 7)
			break;
		(void)nanosleep(&(struct timespec){0, 1000000}, NULL);
		if (write(master, buf + 7, (size_t)n - 7) != n - 7)
			break;
	}
	_exit(0);
}

static void a_device_is_spoken_to(void **state)
{
	struct sealing s = {.sealed.noda = true};
	int master, slave;
	struct tpm *tpm = open_terminal(&master, &slave);
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		bridge(master);
	add_branch_now(tpm, &s, TPM_BANK_SHA256, PCRS);
	seal(tpm, &s, "a PIN");
	unseals(tpm, &s, "a PIN");
	tpm_close(tpm);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)close(master);
	(void)close(slave);
}

/* Answers each command with something that is no answer, from a seed. */
static void talk_nonsense(int listening, unsigned seed)
{
	uint8_t buf[4096];
	int fd = accept(listening, NULL, NULL);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	srand(seed);
	while (read(fd, buf, sizeof(buf)) > 0) {
		size_t size = 10 + (size_t)rand() % 300;

		for (size_t i = 0; i < size; i++)
			buf[i] = (uint8_t)rand();
		if (seed % 4 != 0) { /* a head that holds */
			buf[0] = 0x80;
			buf[1] = seed % 4 == 1 ? 2 : 1;
			buf[2] = buf[3] = 0;
			buf[4] = (uint8_t)(size >> 8);
			buf[5] = (uint8_t)size;
			memset(buf + 6, 0, 4);
		}
		if (send(fd, buf, size, MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

static void a_tpm_that_talks_nonsense_is_refused(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char tcti[160];

	(void)state;
	strcpy(address.sun_path, in_dir("nonsense"));
	(void)snprintf(tcti, sizeof(tcti), "swtpm:path=%s", address.sun_path);
	for (unsigned seed = 0; seed < 200; seed++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		struct sealing s = {.sealed = {.noda = true, .blob = s.blob}};
		struct tpm_pcr_values values;
		struct tpm *tpm = NULL;
		unsigned banks;
		bool locked;
		pid_t pid;

		(void)unlink(address.sun_path);
		assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
		assert_int_equal(listen(fd, 1), 0);
		pid = fork();
		if (pid == 0)
			talk_nonsense(fd, seed);
		(void)close(fd);
		assert_int_equal(tpm_open(tcti, &tpm), 0);
		tpm->tcti.timeout_ms = 200;
		(void)tpm_pcr_read(tpm, TPM_BANK_SHA256, PCRS, &values);
		(void)tpm_pcr_banks(tpm, &banks);
		(void)tpm_lockout(tpm, &banks, &locked);
		assert_true(try_seal(tpm, &s, NULL) < 0);
		tpm_close(tpm);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
}

int main(void)
{
#define WITH_TPM(test) cmocka_unit_test_setup_teardown(test, swtpm_setup, swtpm_teardown)
	const struct CMUnitTest tests[] = {
		WITH_TPM(what_is_sealed_to_pcrs_unseals),
		WITH_TPM(each_branch_of_several_unseals),
		WITH_TPM(a_pcr_that_changed_is_named),
		WITH_TPM(the_tpm_refuses_other_pcrs_itself),
		WITH_TPM(a_pin_whose_hash_ends_in_zeros_unseals),
		WITH_TPM(a_damaged_blob_is_refused),
		WITH_TPM(a_token_that_tells_another_policy_is_refused),
		WITH_TPM(what_another_tpm_sealed_is_refused),
		WITH_TPM(secrets_of_any_size_are_sealed),
		WITH_TPM(pcrs_are_what_their_events_make_them),
		WITH_TPM(a_bank_that_is_not_there_is_told),
		WITH_TPM(a_cap_closes_the_door),
		WITH_TPM(policies_are_those_of_tpm2_tools),
		WITH_TPM(no_secret_goes_over_the_wire),
		WITH_TPM(what_is_unsealed_is_wiped),
		WITH_TPM(the_hash_of_a_pin_is_wiped),
		WITH_TPM(nothing_stays_in_the_tpm),
		WITH_TPM(an_unseal_is_counted_once),
		WITH_TPM(random_numbers_differ),
		cmocka_unit_test(where_there_is_no_tpm_that_is_told),
		WITH_TPM(other_tctis_are_tss2s),
		WITH_TPM(a_silent_tpm_costs_one_deadline),
		WITH_TPM(a_silent_device_costs_one_deadline),
		WITH_TPM(a_device_is_spoken_to),
		WITH_TPM(a_tpm_that_talks_nonsense_is_refused),
	};

	return cmocka_run_group_tests_name("tpm", tests, NULL, NULL);
}
