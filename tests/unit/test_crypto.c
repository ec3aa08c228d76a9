/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libcrypto as we use it (lib/trust/crypto.c): published vectors, and signatures and keys that the
 * openssl command and systemd-measure made or check.
 */
#include "crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base64.h"
#include "exact.h"
#include "fd.h"
#include "file.h"

static char dir[] = "/tmp/test_crypto.XXXXXX";

static size_t unhex(const char *hex, uint8_t *buf, size_t max)
{
	size_t size;

	assert_int_equal(hex_decode(hex, strlen(hex), buf, max, &size), 0);
	return size;
}

static struct secret secret_hex(const char *hex)
{
	uint8_t bytes[256];
	struct secret secret;
	size_t size = unhex(hex, bytes, sizeof(bytes));

	assert_int_equal(secret_copy(bytes, size, &secret), 0);
	return secret;
}

static void assert_hex(const void *data, size_t size, const char *hex)
{
	char text[1024];

	assert_true(2 * size < sizeof(text));
	hex_encode(data, size, text);
	assert_string_equal(text, hex);
}

/* ---- digests: FIPS 180-4's examples, of "abc" in two parts ---- */

static void digests_are_the_published_ones(void **state)
{
	static const struct {
		const char *name;
		size_t size;
		const char *abc, *nothing;
	} known[] = {
		{"sha1", 20, "a9993e364706816aba3e25717850c26c9cd0d89d",
		 "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{"sha256", 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"sha384", 48,
		 "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
		 "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
		 "38b060a751ac96384cd9327eb1b1e36a21fdb71114be0743"
		 "4c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b"},
		{"sha512", 64,
		 "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		 "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
		 "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
		 "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"},
	};
	const struct crypto_part parts[] = {{"a", 1}, {NULL, 0}, {"bc", 2}};
	uint8_t digest[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		size_t size = known[i].size;

		assert_int_equal(
			crypto_digest(known[i].name, parts, ARRAY_SIZE(parts), digest, size), 0);
		assert_hex(digest, size, known[i].abc);
		assert_int_equal(crypto_digest(known[i].name, NULL, 0, digest, sizeof(digest)), 0);
		assert_hex(digest, size, known[i].nothing);
		assert_int_equal(crypto_digest(known[i].name, NULL, 0, digest, size - 1), -ENOSPC);
	}
	assert_int_equal(crypto_digest("md5", NULL, 0, digest, sizeof(digest)), -EINVAL);
}

/* ---- HKDF: RFC 5869, A.3, and the first 32 bytes of its output ---- */

static void derived_keys_are_those_of_rfc_5869(void **state)
{
	_secret_ struct secret ikm = secret_hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
	_secret_ struct secret key = {0}, other = {0};

	(void)state;
	assert_int_equal(crypto_derive(&ikm, "", &key), 0);
	assert_int_equal(key.size, CRYPTO_KEY);
	assert_hex(key.data, key.size,
		   "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
	assert_int_equal(crypto_derive(&ikm, "tugboot volume keys", &other), 0);
	assert_memory_not_equal(key.data, other.data, CRYPTO_KEY);
}

/* Openssl's own HKDF, with the info that volume keys are wrapped under. */
static void derived_keys_are_those_of_openssl(void **state)
{
	_secret_ struct secret ikm = secret_hex("00112233445566778899aabbccddeeff");
	_secret_ struct secret key = {0};
	char line[256] = "", plain[65];
	FILE *openssl;

	(void)state;
	assert_int_equal(crypto_derive(&ikm, "tugboot volume keys", &key), 0);
	openssl = popen("openssl kdf -keylen 32 -kdfopt digest:SHA256"
			" -kdfopt hexkey:00112233445566778899aabbccddeeff"
			" -kdfopt info:'tugboot volume keys' HKDF | tr -d ':\n' | tr A-F a-f",
			"re");
	assert_non_null(openssl);
	(void)!fgets(line, sizeof(line), openssl);
	assert_int_equal(pclose(openssl), 0);
	hex_encode(key.data, key.size, plain);
	assert_string_equal(line, plain);
}

/* ---- AES-256-GCM ---- */

/* McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13 to 16, which NIST's
 * SP 800-38D refers to: nonce, ciphertext, tag as we have them behind each other. */
static const struct {
	const char *key, *aad, *wrapped, *plain;
} gcm_cases[] = {
	{"0000000000000000000000000000000000000000000000000000000000000000", "",
	 "000000000000000000000000"
	 "530f8afbc74536b9a963b4f1c4cb738b",
	 ""},
	{"0000000000000000000000000000000000000000000000000000000000000000", "",
	 "000000000000000000000000"
	 "cea7403d4d606b6e074ec5d3baf39d18"
	 "d0d1c8a799996bf0265b98b5d48ab919",
	 "00000000000000000000000000000000"},
	{"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "",
	 "cafebabefacedbaddecaf888"
	 "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	 "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
	 "b094dac5d93471bdec1a502270e3cc6c",
	 "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"},
	{"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	 "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	 "cafebabefacedbaddecaf888"
	 "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	 "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
	 "76fc6ece0f4e1768cddf8853bb2d551b",
	 "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"},
};

static void wrapped_keys_open_as_published(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(gcm_cases); i++) {
		_secret_ struct secret key = secret_hex(gcm_cases[i].key);
		_secret_ struct secret plain = {0};
		uint8_t aad[64], wrapped[128];
		size_t aad_size = unhex(gcm_cases[i].aad, aad, sizeof(aad));
		size_t size = unhex(gcm_cases[i].wrapped, wrapped, sizeof(wrapped));

		assert_int_equal(
			crypto_unwrap(&key, aad, aad_size, exact(wrapped, size), size, &plain), 0);
		assert_hex(plain.data, plain.size, gcm_cases[i].plain);
	}
}

static void no_bit_of_a_wrapped_key_can_be_changed(void **state)
{
	const size_t last = ARRAY_SIZE(gcm_cases) - 1;
	_secret_ struct secret key = secret_hex(gcm_cases[last].key);
	struct secret plain = {0};
	uint8_t aad[64], wrapped[128];
	size_t aad_size = unhex(gcm_cases[last].aad, aad, sizeof(aad));
	size_t size = unhex(gcm_cases[last].wrapped, wrapped, sizeof(wrapped));

	(void)state;
	for (size_t bit = 0; bit < 8 * size; bit++) {
		wrapped[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(crypto_unwrap(&key, aad, aad_size, wrapped, size, &plain),
				 -EBADMSG);
		wrapped[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * aad_size; bit++) {
		aad[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(crypto_unwrap(&key, aad, aad_size, wrapped, size, &plain),
				 -EBADMSG);
		aad[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(crypto_unwrap(&key, aad, aad_size, exact(wrapped, cut), cut,
					       &plain),
				 -EBADMSG);
	assert_int_equal(crypto_unwrap(&key, aad, aad_size - 1, wrapped, size, &plain), -EBADMSG);
	key.data[0] ^= 1;
	assert_int_equal(crypto_unwrap(&key, aad, aad_size, wrapped, size, &plain), -EBADMSG);
	assert_null(plain.data);
}

static void what_is_wrapped_opens_and_is_different_each_time(void **state)
{
	_secret_ struct secret key = secret_hex(gcm_cases[3].key);
	_secret_ struct secret secret = {0}, plain = {0};
	uint8_t one[256], two[256];
	size_t size = 0;

	(void)state;
	assert_int_equal(secret_new(64, &secret), 0);
	assert_int_equal(crypto_random(secret.data, secret.size), 0);
	assert_int_equal(crypto_wrap(&key, "aad", 3, &secret, one, sizeof(one), &size), 0);
	assert_int_equal(size, 64 + CRYPTO_NONCE + CRYPTO_TAG);
	assert_int_equal(crypto_wrap(&key, "aad", 3, &secret, two, size, &size), 0);
	assert_memory_not_equal(one, two, CRYPTO_NONCE);
	assert_memory_not_equal(one + CRYPTO_NONCE, two + CRYPTO_NONCE, 64);
	assert_int_equal(crypto_unwrap(&key, "aad", 3, exact(two, size), size, &plain), 0);
	assert_int_equal(plain.size, 64);
	assert_memory_equal(plain.data, secret.data, 64);
	assert_int_equal(crypto_wrap(&key, "aad", 3, &secret, one, size - 1, &size), -ENOSPC);
	key.size = 16;
	assert_int_equal(crypto_wrap(&key, "aad", 3, &secret, one, sizeof(one), &size), -EINVAL);
	key.size = CRYPTO_KEY;
}

/* ---- signatures ---- */

/* A key, and what `systemd-measure sign` wrote of a policy digest with it. */
static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
			  "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAlHHxj/CvMU8UTteFPlpL\n"
			  "atIGStc+SGEEiE4DwFsXySxygxv8fdzCmXEmNY+Vt/7kzGNMDm8BFahWRiQXIUIV\n"
			  "T2zgiu1shg7oFOmF84qZeIHAIafgtRcQqNIcZFK5ezNDDPa2Tv+GvI3g+fsp1xrB\n"
			  "Fwa+0SY2H2X3dUiDkLJSF1XfXTtBo8TtWXE8gimw8tUyzrd8Llc4Pg4lrcj79/DQ\n"
			  "Ti3jEG1wFzzPlePfPOSTsBclYbgMbl+jnw2dGz/+LPEegmbkbbKYNwO4BnlD1+Pm\n"
			  "gDfKagDPI3ciVM5yesUkXHGUvIic2GAG4nvTMSvOpp3N7huePs/ELpSz7nOOJu4R\n"
			  "aQIDAQAB\n"
			  "-----END PUBLIC KEY-----\n";
static const char policy[] = "b8d9879f9737f2731337d414a74b0e7ca3fa15a7f20e80323806b0b8a7c680a0";
static const char fingerprint[] =
	"b467b37623c53b93d72488c7f5f408cae7ef2bcd4927462995ab20e9ee04882f";
static const char policy_signature[] =
	"2d28f794f9f1807cce5c57b8f6c26ba55eea36f008eb5bebb11f50233ec06e0b"
	"ebfb8313a663a14ca53d829b1e01937d5a7052f1125baf565ebb1c0cce141d1e"
	"8d08abcde48802e80148bd69d9aabffa056a38cbab48518730ce2f53f51db867"
	"e6c37bfaf21b24b2435467372fd7aca0e7f1161a842b1388f2dfa9a2daf2fa63"
	"1a3a1f24f53dd31e316b82610cc8a88f88fa76d440a72958a9e8075afa8168a7"
	"923df5b8a5208d3dcbc46aab215ed3e6a9b0103ebf734daa0a854af067783bea"
	"e349f674467128811c24deee4df6af9f212d1d0627f76fda03b18c489ed6be41"
	"4ce528f5be803bfe37ff5b7745a6b689dcb675c8506a9cc6577a0bfed8ef7278";
static const char modulus_hex[] =
	"9471f18ff0af314f144ed7853e5a4b6ad2064ad73e486104884e03c05b17c92c"
	"72831bfc7ddcc2997126358f95b7fee4cc634c0e6f0115a8564624172142154f"
	"6ce08aed6c860ee814e985f38a997881c021a7e0b51710a8d21c6452b97b3343"
	"0cf6b64eff86bc8de0f9fb29d71ac11706bed126361f65f775488390b2521755"
	"df5d3b41a3c4ed59713c8229b0f2d532ceb77c2e57383e0e25adc8fbf7f0d04e"
	"2de3106d70173ccf95e3df3ce493b0172561b80c6e5fa39f0d9d1b3ffe2cf11e"
	"8266e46db2983703b8067943d7e3e68037ca6a00cf23772254ce727ac5245c71"
	"94bc889cd86006e27bd3312bcea69dcdee1b9e3ecfc42e94b3ee738e26ee1169";

static void signatures_of_systemd_measure_hold(void **state)
{
	uint8_t digest[32], signature[256];
	size_t size = unhex(policy_signature, signature, sizeof(signature));

	(void)state;
	assert_int_equal(unhex(policy, digest, sizeof(digest)), 32);
	assert_int_equal(crypto_verify(pem, strlen(pem), digest, 32, signature, size), 0);
	for (size_t i = 0; i < sizeof(digest); i++) {
		digest[i] ^= 1;
		assert_int_equal(crypto_verify(pem, strlen(pem), digest, 32, signature, size),
				 -EBADMSG);
		digest[i] ^= 1;
	}
	for (size_t i = 0; i < size; i += 15) {
		signature[i] ^= 1;
		assert_int_equal(crypto_verify(pem, strlen(pem), digest, 32, signature, size),
				 -EBADMSG);
		signature[i] ^= 1;
	}
	assert_int_equal(crypto_verify(pem, strlen(pem), digest, 32, signature, size - 1),
			 -EBADMSG);
	assert_int_equal(crypto_verify(pem, strlen(pem), digest, 32, NULL, 0), -EBADMSG);
}

static void fingerprints_are_those_of_systemd_measure(void **state)
{
	uint8_t digest[32];

	(void)state;
	assert_int_equal(crypto_fingerprint(pem, strlen(pem), digest), 0);
	assert_hex(digest, 32, fingerprint);
}

static void an_rsa_key_has_its_modulus_and_exponent(void **state)
{
	uint8_t modulus[256];
	uint32_t exponent = 0;
	size_t size = 0;

	(void)state;
	assert_int_equal(crypto_rsa_public(pem, strlen(pem), modulus, 256, &size, &exponent), 0);
	assert_hex(modulus, size, modulus_hex);
	assert_int_equal(exponent, 65537);
	assert_int_equal(crypto_rsa_public(pem, strlen(pem), modulus, 255, &size, &exponent),
			 -ENOSPC);
}

_printf_(1, 2) static int shell(const char *fmt, ...)
{
	char command[1024];
	va_list ap;
	int n;

	n = snprintf(command, sizeof(command), "exec 2>/dev/null >&2; cd %s; ", dir);
	va_start(ap, fmt);
	(void)vsnprintf(command + n, sizeof(command) - (size_t)n, fmt, ap);
	va_end(ap);
	return system(command); /* NOLINT(cert-env33-c): a test's own */
}

static char *load(const char *name, size_t *ret_size)
{
	char path[128], *data;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(file_read(AT_FDCWD, path, 65536, &data, ret_size), 0);
	return data;
}

/* Keys that openssl makes: it signs what we verify, and the other way round. */
static void openssl_and_we_agree_on_signatures(void **state)
{
	static const char *const kinds[] = {
		"RSA -pkeyopt rsa_keygen_bits:2048",
		"RSA -pkeyopt rsa_keygen_bits:3072",
		"EC -pkeyopt ec_paramgen_curve:P-256",
		"EC -pkeyopt ec_paramgen_curve:P-384",
	};
	static const char data[] = "what is signed";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_free_ char *public = NULL, *private = NULL, *theirs = NULL;
		size_t public_size, private_size, theirs_size, size = 0;
		uint8_t ours[512];
		FILE *out;

		assert_int_equal(shell("openssl genpkey -algorithm %s -out key &&"
				       " openssl pkey -in key -pubout -out public &&"
				       " printf '%s' >data &&"
				       " openssl dgst -sha256 -sign key -out theirs data",
				       kinds[i], data),
				 0);
		public = load("public", &public_size);
		private = load("key", &private_size);
		theirs = load("theirs", &theirs_size);
		assert_int_equal(crypto_verify(exact(public, public_size), public_size, data,
					       strlen(data), (uint8_t *)theirs, theirs_size),
				 0);
		assert_int_equal(crypto_verify(public, public_size, data, strlen(data) - 1,
					       (uint8_t *)theirs, theirs_size),
				 -EBADMSG);
		/* Another's key. */
		assert_int_equal(crypto_verify(pem, strlen(pem), data, strlen(data),
					       (uint8_t *)theirs, theirs_size),
				 -EBADMSG);
		assert_int_equal(crypto_sign(private, private_size, data, strlen(data), ours,
					     sizeof(ours), &size),
				 0);
		assert_int_equal(crypto_sign(private, private_size, data, strlen(data), ours, 32,
					     &(size_t){0}),
				 -ENOSPC);
		out = fopen(strcat(strcpy((char[128]){0}, dir), "/ours"), "we");
		assert_non_null(out);
		assert_int_equal(fwrite(ours, 1, size, out), size);
		assert_int_equal(fclose(out), 0);
		assert_int_equal(shell("openssl dgst -sha256 -verify public -signature ours data"),
				 0);
		if (kinds[i][0] == 'E')
			assert_int_equal(crypto_rsa_public(public, public_size, ours, sizeof(ours),
							   &size, &(uint32_t){0}),
					 -EINVAL);
	}
}

static void weak_odd_and_encrypted_keys_are_none(void **state)
{
	static const char *const odd[] = {
		"openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024",
		"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-192",
		"openssl genpkey -algorithm ED25519",
		"openssl genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048",
		"openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -aes256 -pass pass:x",
		"echo nonsense",
		"echo",
	};
	uint8_t signature[512], digest[32];
	size_t size;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		_free_ char *private = NULL, *public = NULL;
		size_t private_size, public_size;

		assert_int_equal(
			shell("(%s) >key; openssl pkey -in key -passin pass:x -pubout >public;"
			      " true",
			      odd[i]),
			0);
		private = load("key", &private_size);
		public = load("public", &public_size);
		assert_int_equal(crypto_sign(private, private_size, "x", 1, signature,
					     sizeof(signature), &size),
				 -EINVAL);
		/* The public half of an encrypted key is as good as any. */
		if (!strstr(odd[i], "-aes256"))
			assert_int_equal(crypto_fingerprint(public, public_size, digest), -EINVAL);
	}
	/* A public key where a private one belongs, cut short, and too long. */
	assert_int_equal(crypto_sign(pem, strlen(pem), "x", 1, signature, sizeof(signature), &size),
			 -EINVAL);
	for (size_t cut = 0; cut < strlen(pem) - 1; cut += 7)
		assert_int_equal(crypto_fingerprint(exact(pem, cut), cut, digest), -EINVAL);
	assert_int_equal(crypto_fingerprint(pem, (size_t)1 << 32, digest), -EINVAL);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return shell("rm -r %s", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_the_published_ones),
		cmocka_unit_test(derived_keys_are_those_of_rfc_5869),
		cmocka_unit_test(derived_keys_are_those_of_openssl),
		cmocka_unit_test(wrapped_keys_open_as_published),
		cmocka_unit_test(no_bit_of_a_wrapped_key_can_be_changed),
		cmocka_unit_test(what_is_wrapped_opens_and_is_different_each_time),
		cmocka_unit_test(signatures_of_systemd_measure_hold),
		cmocka_unit_test(fingerprints_are_those_of_systemd_measure),
		cmocka_unit_test(an_rsa_key_has_its_modulus_and_exponent),
		cmocka_unit_test(openssl_and_we_agree_on_signatures),
		cmocka_unit_test(weak_odd_and_encrypted_keys_are_none),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
