/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * systemd-cryptenroll's tokens with our unsealing, and secrets that we seal with systemd's own (its
 * plugin of cryptsetup): a real LUKS2 image, a real TPM (swtpm), Debian's programs.
 */
#include "swtpm.h"

#include <libcryptsetup.h>

#include "base64.h"
#include "crypto.h"
#include "library.h"
#include "token.h"

#define PASSWORD "what the image was made with"
#define PIN "a PIN"

static char *private_pem, *public_pem;

/* A boot: the PCRs start anew and firmware extends them. Orderly before, so that nothing counts. */
static void boot(void)
{
	struct tpm *tpm;

	tpm = swtpm_open();
	assert_int_equal(tpm_shutdown(tpm), 0);
	tpm_close(tpm);
	swtpm_power_cut();
	swtpm_power_on();
	tpm = swtpm_open();
	assert_int_equal(tpm_pcr_extend(tpm, 0, "firmware"), 0);
	assert_int_equal(tpm_pcr_extend(tpm, 7, "keys"), 0);
	assert_int_equal(tpm_pcr_extend(tpm, 11, "kernel"), 0);
	tpm_close(tpm);
}

static int image_setup(void **state)
{
	_close_ int fd = -1;

	(void)state;
	swtpm_new();
	fd = open(in_dir("image"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 18 << 20), 0);
	write_all(in_dir("password"), PASSWORD, strlen(PASSWORD));
	must_run("cryptsetup", "luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2",
		 "--pbkdf-force-iterations", "1000", in_dir("image"), in_dir("password"));
	must_run("openssl", "genrsa", "-out", in_dir("private.pem"), "2048");
	must_run("openssl", "rsa", "-in", in_dir("private.pem"), "-pubout", "-out",
		 in_dir("public.pem"));
	assert_int_equal(file_read(AT_FDCWD, in_dir("private.pem"), 1 << 16, &private_pem, NULL),
			 0);
	assert_int_equal(file_read(AT_FDCWD, in_dir("public.pem"), 1 << 16, &public_pem, NULL), 0);
	assert_int_equal(setenv("PASSWORD", PASSWORD, 1), 0);
	assert_int_equal(setenv("SYSTEMD_LOG_LEVEL", "emerg", 1), 0); /* of the plugin */
	assert_int_equal(setenv("NEWPIN", PIN, 1), 0);
	boot();
	return 0;
}

static int image_teardown(void **state)
{
	free(private_pem);
	free(public_pem);
	return swtpm_teardown(state);
}

static void enroll(const char *a, const char *b, const char *c)
{
	char device[160];

	(void)snprintf(device, sizeof(device), "--tpm2-device=%s", swtpm.tcti);
	must_run("systemd-cryptenroll", device, in_dir("image"), a, b, c);
	boot(); /* it leaves sessions in the TPM */
}

static struct token *token_of(const char *id)
{
	struct token *token = malloc(sizeof(*token));
	_free_ char *json = NULL;
	const char *what = "";

	assert_non_null(token);
	must_run("cryptsetup", "token", "export", "--token-id", id, "--json-file", in_dir("token"),
		 in_dir("image"));
	assert_int_equal(file_read(AT_FDCWD, in_dir("token"), TOKEN_JSON_MAX, &json, NULL), 0);
	if (token_parse(json, token, &what) < 0)
		fail_msg("token_parse: %s\n%s", what, json);
	(void)unlink(in_dir("token"));
	return token;
}

static bool opens_image(const struct secret *secret)
{
	char key[BASE64_SIZE(128) + 1];

	assert_true(secret->size <= 128);
	base64_encode(secret->data, secret->size, key);
	write_all(in_dir("key"), key, strlen(key));
	return run("cryptsetup", "open", "--test-passphrase", "--disable-external-tokens",
		   "--key-file", in_dir("key"), in_dir("image"), NULL) == 0;
}

/* As `ukify` or systemd-measure would have signed it, when `data` says so. */
static int sign(const uint8_t policy[static TPM_SHA256_SIZE], const struct tpm_sealed *sealed,
		uint8_t *signature, size_t size, size_t *ret_size, void *data)
{
	const bool *is_signed = data;

	assert_non_null(sealed->pubkey_pem);
	if (!*is_signed)
		return -ENOENT;
	return crypto_sign(private_pem, strlen(private_pem), policy, TPM_SHA256_SIZE, signature,
			   size, ret_size);
}

static int unseal(const struct token *token, const char *pin_text, struct tpm_refusal *refusal)
{
	_secret_ struct secret pin = {0}, secret = {0};
	_tpm_ struct tpm *tpm = swtpm_open();
	bool is_signed = true;
	int r;

	assert_int_equal(secret_copy(pin_text, strlen(pin_text), &pin), 0);
	r = tpm_unseal(tpm, &token->sealed, &pin, sign, &is_signed, &secret, refusal);
	if (r < 0)
		return r;
	assert_true(opens_image(&secret));
	secret.data[0] ^= 1;
	assert_false(opens_image(&secret));
	return 0;
}

static void unseals(const struct token *token, const char *pin)
{
	int r = unseal(token, pin, NULL);

	if (r < 0)
		fail_msg("tpm_unseal: %d, %s", r, tpm_error(NULL));
}

static void change(unsigned pcr)
{
	_tpm_ struct tpm *tpm = swtpm_open();

	assert_int_equal(tpm_pcr_extend(tpm, pcr, "something else"), 0);
}

static void pcrs_of_cryptenroll_unseal(void **state)
{
	_free_ struct token *token = NULL;

	(void)state;
	enroll("--tpm2-pcrs=0+7", NULL, NULL);
	token = token_of("0");
	unseals(token, "");
	boot();
	unseals(token, "");
	change(7);
	assert_int_equal(unseal(token, "", NULL), -EPERM);
}

static void no_pcrs_of_cryptenroll_unseal(void **state)
{
	_free_ struct token *token = NULL;

	(void)state;
	enroll("--tpm2-pcrs=", NULL, NULL);
	token = token_of("0");
	assert_int_equal(token->sealed.branches, 0);
	unseals(token, "");
}

static void a_pin_of_cryptenroll_unseals(void **state)
{
	_free_ struct token *token = NULL;

	(void)state;
	enroll("--tpm2-pcrs=7", "--tpm2-with-pin=yes", NULL);
	token = token_of("0");
	assert_true(token->sealed.pin);
	unseals(token, PIN);
	assert_int_equal(unseal(token, "another PIN", NULL), -EACCES);
	assert_int_equal(unseal(token, "", NULL), -EACCES);
	unseals(token, PIN);
}

static void a_signed_policy_of_cryptenroll_unseals(void **state)
{
	_free_ struct token *token = NULL;
	_secret_ struct secret secret = {0};
	struct tpm_refusal refusal = {0};
	char key[192];
	struct tpm *tpm;
	bool is_signed = false;

	(void)state;
	(void)snprintf(key, sizeof(key), "--tpm2-public-key=%s", in_dir("public.pem"));
	enroll("--tpm2-pcrs=7", key, "--tpm2-public-key-pcrs=11");
	token = token_of("0");
	assert_non_null(token->sealed.pubkey_pem);
	assert_int_equal(token->sealed.pubkey_pcrs, 1u << 11);
	unseals(token, "");
	/* Another kernel: the signature is over the new value, and that is all it takes. */
	change(11);
	unseals(token, "");
	tpm = swtpm_open();
	assert_int_equal(tpm_unseal(tpm, &token->sealed, NULL, sign, &is_signed, &secret, &refusal),
			 -EPERM);
	assert_int_equal(refusal.pcr, 11);
	assert_int_equal(tpm_unseal(tpm, &token->sealed, NULL, NULL, NULL, &secret, NULL), -EPERM);
	tpm_close(tpm);
	change(7);
	assert_int_equal(unseal(token, "", NULL), -EPERM);
}

static void a_signed_policy_with_a_pin_of_cryptenroll_unseals(void **state)
{
	_free_ struct token *token = NULL;
	char key[192];

	(void)state;
	(void)snprintf(key, sizeof(key), "--tpm2-public-key=%s", in_dir("public.pem"));
	enroll(key, "--tpm2-pcrs=", "--tpm2-with-pin=yes");
	token = token_of("0");
	unseals(token, PIN);
	assert_int_equal(unseal(token, "another PIN", NULL), -EACCES);
}

/* A signature by another key does not do. */
static int forge(const uint8_t policy[static TPM_SHA256_SIZE], const struct tpm_sealed *sealed,
		 uint8_t *signature, size_t size, size_t *ret_size, void *data)
{
	int r = sign(policy, sealed, signature, size, ret_size, data);

	signature[17] ^= 1;
	return r;
}

static void a_false_signature_does_not_unseal(void **state)
{
	_free_ struct token *token = NULL;
	_secret_ struct secret secret = {0};
	bool is_signed = true;
	char key[192];
	struct tpm *tpm;

	(void)state;
	(void)snprintf(key, sizeof(key), "--tpm2-public-key=%s", in_dir("public.pem"));
	enroll(key, "--tpm2-pcrs=", NULL);
	token = token_of("0");
	tpm = swtpm_open();
	assert_int_equal(tpm_unseal(tpm, &token->sealed, NULL, forge, &is_signed, &secret, NULL),
			 -EPERM);
	assert_null(secret.data);
	tpm_close(tpm);
	unseals(token, "");
}

/* ---- systemd's own unsealing: its plugin of cryptsetup, which is told the TPM by its
 * parameters ---- */

LIBRARY_FUNCTION(crypt_init);
LIBRARY_FUNCTION(crypt_load);
LIBRARY_FUNCTION(crypt_free);
LIBRARY_FUNCTION(crypt_activate_by_token_pin);

static const struct library_symbol symbols[] = {
	LIBRARY_SYMBOL(crypt_init),
	LIBRARY_SYMBOL(crypt_load),
	LIBRARY_SYMBOL(crypt_free),
	LIBRARY_SYMBOL(crypt_activate_by_token_pin),
};
static struct library libcryptsetup = {"libcryptsetup.so.12", symbols, ARRAY_SIZE(symbols), false};

/* systemd 252, src/cryptsetup/cryptsetup-tokens/luks2-tpm2.h. */
struct plugin_params {
	uint32_t search_pcr_mask;
	const char *device, *signature_path;
};

static bool systemd_opens(const char *pin, const char *signature)
{
	struct plugin_params params = {UINT32_MAX, swtpm.tcti, signature};
	struct crypt_device *cd = NULL;
	int r;

	assert_int_equal(library_load(&libcryptsetup), 0);
	assert_int_equal(sym_crypt_init(&cd, in_dir("image")), 0);
	assert_int_equal(sym_crypt_load(cd, CRYPT_LUKS2, NULL), 0);
	r = sym_crypt_activate_by_token_pin(cd, NULL, "systemd-tpm2", CRYPT_ANY_TOKEN, pin,
					    pin ? strlen(pin) : 0, &params, 0);
	sym_crypt_free(cd);
	return r >= 0;
}

/* The file of signatures that systemd reads, for what PCR 11 is now. */
static void write_signature(const struct tpm_sealed *sealed)
{
	uint8_t policy[TPM_SHA256_SIZE] = {0}, signature[512], fingerprint[32];
	char pol[65], pkfp[65], sig[BASE64_SIZE(512) + 1], json[2048];
	struct tpm_pcr_values values;
	bool is_signed = true;
	size_t size;

	{
		_tpm_ struct tpm *tpm = swtpm_open();

		assert_int_equal(tpm_pcr_read(tpm, TPM_BANK_SHA256, 1u << 11, &values), 0);
	}
	assert_int_equal(tpm_policy_pcr(policy, &values), 0);
	assert_int_equal(sign(policy, sealed, signature, sizeof(signature), &size, &is_signed), 0);
	assert_int_equal(crypto_fingerprint(public_pem, strlen(public_pem), fingerprint), 0);
	hex_encode(policy, sizeof(policy), pol);
	hex_encode(fingerprint, sizeof(fingerprint), pkfp);
	base64_encode(signature, size, sig);
	(void)snprintf(
		json, sizeof(json),
		"{\"sha256\":[{\"pcrs\":[11],\"pkfp\":\"%s\",\"pol\":\"%s\",\"sig\":\"%s\"}]}",
		pkfp, pol, sig);
	write_all(in_dir("signature"), json, strlen(json));
}

/* Seals in systemd's form and puts token and key slot into the image. */
static void enroll_ours(struct tpm_sealed *sealed, uint32_t pcrs, const char *pin_text)
{
	_free_ struct token *token = calloc(1, sizeof(*token));
	_secret_ struct secret secret = {0}, pin = {0};
	_free_ char *json = NULL;
	struct tpm_pcr_values values;
	char key[BASE64_SIZE(32) + 1];
	struct tpm *tpm = swtpm_open();

	assert_non_null(token);
	assert_int_equal(secret_new(32, &secret), 0);
	assert_int_equal(crypto_random(secret.data, secret.size), 0);
	assert_int_equal(
		secret_copy(pin_text ? pin_text : "", pin_text ? strlen(pin_text) : 0, &pin), 0);
	assert_int_equal(tpm_pcr_read(tpm, TPM_BANK_SHA256, pcrs, &values), 0);
	sealed->blob = token->blob;
	sealed->bank = TPM_BANK_SHA256;
	sealed->branches = 1;
	sealed->branch[0].pcrs = pcrs;
	sealed->pin = pin_text;
	if (sealed->pubkey_pem)
		assert_int_equal(tpm_policy_authorize(sealed->branch[0].digest, sealed->pubkey_pem,
						      sealed->pubkey_size),
				 0);
	assert_int_equal(tpm_policy_pcr(sealed->branch[0].digest, &values), 0);
	assert_int_equal(tpm_seal(tpm, sealed, &pin, &secret, token->blob, sizeof(token->blob),
				  &sealed->blob_size),
			 0);
	tpm_close(tpm);
	token->kind = TOKEN_SYSTEMD_TPM2;
	strcpy(token->type, "systemd-tpm2");
	token->slots = 1u << 1;
	token->sealed = *sealed;
	assert_int_equal(token_format(token, &json), 0);
	base64_encode(secret.data, secret.size, key);
	write_all(in_dir("key"), key, strlen(key));
	write_all(in_dir("json"), json, strlen(json));
	must_run("cryptsetup", "luksAddKey", "--key-slot", "1", "--pbkdf", "pbkdf2",
		 "--pbkdf-force-iterations", "1000", "--key-file", in_dir("password"),
		 in_dir("image"), in_dir("key"));
	must_run("cryptsetup", "token", "import", "--token-id", "0", "--json-file", in_dir("json"),
		 in_dir("image"));
}

/* Systemd and we open it, before and after a reset, and not when a PCR is another. */
static void both_open(struct tpm_sealed sealed, const char *pin)
{
	_free_ char *signature = sealed.pubkey_pem ? strdup(in_dir("signature")) : NULL;
	_free_ struct token *token = NULL;

	enroll_ours(&sealed, 1u << 0 | 1u << 7, pin);
	if (signature)
		write_signature(&sealed);
	assert_true(systemd_opens(pin, signature));
	boot();
	token = token_of("0");
	assert_int_equal(token->sealed.primary, sealed.primary);
	unseals(token, pin ? pin : "");
	change(0);
	assert_false(systemd_opens(pin, signature));
	assert_int_equal(unseal(token, pin ? pin : "", NULL), -EPERM);
	boot();
	assert_true(systemd_opens(pin, signature));
}

static void systemd_opens_what_we_seal_under_an_ecc_key(void **state)
{
	(void)state;
	both_open((struct tpm_sealed){.primary = TPM_PRIMARY_ECC}, NULL);
}

static void systemd_opens_what_we_seal_under_an_rsa_key(void **state)
{
	(void)state;
	both_open((struct tpm_sealed){.primary = TPM_PRIMARY_RSA}, NULL);
}

static void systemd_opens_what_we_seal_with_a_pin(void **state)
{
	(void)state;
	both_open((struct tpm_sealed){.primary = TPM_PRIMARY_ECC}, PIN);
	assert_false(systemd_opens("another PIN", NULL));
}

static void systemd_opens_what_we_seal_under_a_signed_policy(void **state)
{
	(void)state;
	both_open((struct tpm_sealed){.primary = TPM_PRIMARY_RSA,
				      .pubkey_pem = public_pem,
				      .pubkey_size = strlen(public_pem),
				      .pubkey_pcrs = 1u << 11},
		  PIN);
}

/* The leak of a string in tss2's TCTI, which systemd uses. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libtss2-tcti-swtpm";
}

int main(void)
{
#define WITH_IMAGE(test) cmocka_unit_test_setup_teardown(test, image_setup, image_teardown)
	const struct CMUnitTest tests[] = {
		WITH_IMAGE(pcrs_of_cryptenroll_unseal),
		WITH_IMAGE(no_pcrs_of_cryptenroll_unseal),
		WITH_IMAGE(a_pin_of_cryptenroll_unseals),
		WITH_IMAGE(a_signed_policy_of_cryptenroll_unseals),
		WITH_IMAGE(a_signed_policy_with_a_pin_of_cryptenroll_unseals),
		WITH_IMAGE(a_false_signature_does_not_unseal),
		WITH_IMAGE(systemd_opens_what_we_seal_under_an_ecc_key),
		WITH_IMAGE(systemd_opens_what_we_seal_under_an_rsa_key),
		WITH_IMAGE(systemd_opens_what_we_seal_with_a_pin),
		WITH_IMAGE(systemd_opens_what_we_seal_under_a_signed_policy),
	};

	return cmocka_run_group_tests_name("tpm_systemd", tests, NULL, NULL);
}
