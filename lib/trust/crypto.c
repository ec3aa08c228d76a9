/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libcrypto's digests, HKDF, AES-GCM and public keys. What is verified, unwrapped and read as PEM is
 * hostile; keys are the caller's. libcrypto wipes its own copies of them when their context is freed.
 */
#include "crypto.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <sys/random.h>

#include "library.h"

#define PEM_SIZE_MAX (64 * 1024)
#define RSA_BITS_MIN 2048
#define EC_BITS_MIN 256

LIBRARY_FUNCTION(BIO_free);
LIBRARY_FUNCTION(BIO_new_mem_buf);
LIBRARY_FUNCTION(BN_bn2binpad);
LIBRARY_FUNCTION(BN_free);
LIBRARY_FUNCTION(BN_get_word);
LIBRARY_FUNCTION(BN_num_bits);
LIBRARY_FUNCTION(CRYPTO_free);
LIBRARY_FUNCTION(ERR_clear_error);
LIBRARY_FUNCTION(EVP_CIPHER_CTX_ctrl);
LIBRARY_FUNCTION(EVP_CIPHER_CTX_free);
LIBRARY_FUNCTION(EVP_CIPHER_CTX_new);
LIBRARY_FUNCTION(EVP_CIPHER_fetch);
LIBRARY_FUNCTION(EVP_CIPHER_free);
LIBRARY_FUNCTION(EVP_CipherFinal_ex);
LIBRARY_FUNCTION(EVP_CipherInit_ex2);
LIBRARY_FUNCTION(EVP_CipherUpdate);
LIBRARY_FUNCTION(EVP_DigestFinal_ex);
LIBRARY_FUNCTION(EVP_DigestInit_ex2);
LIBRARY_FUNCTION(EVP_DigestSign);
LIBRARY_FUNCTION(EVP_DigestSignInit_ex);
LIBRARY_FUNCTION(EVP_DigestUpdate);
LIBRARY_FUNCTION(EVP_DigestVerify);
LIBRARY_FUNCTION(EVP_DigestVerifyInit_ex);
LIBRARY_FUNCTION(EVP_KDF_CTX_free);
LIBRARY_FUNCTION(EVP_KDF_CTX_new);
LIBRARY_FUNCTION(EVP_KDF_derive);
LIBRARY_FUNCTION(EVP_KDF_fetch);
LIBRARY_FUNCTION(EVP_KDF_free);
LIBRARY_FUNCTION(EVP_MD_CTX_free);
LIBRARY_FUNCTION(EVP_MD_CTX_new);
LIBRARY_FUNCTION(EVP_MD_fetch);
LIBRARY_FUNCTION(EVP_MD_free);
LIBRARY_FUNCTION(EVP_PKEY_free);
LIBRARY_FUNCTION(EVP_PKEY_get_bits);
LIBRARY_FUNCTION(EVP_PKEY_get_bn_param);
LIBRARY_FUNCTION(EVP_PKEY_is_a);
LIBRARY_FUNCTION(OPENSSL_init_crypto);
LIBRARY_FUNCTION(OSSL_LIB_CTX_get0_global_default);
LIBRARY_FUNCTION(OSSL_LIB_CTX_new);
LIBRARY_FUNCTION(PEM_read_bio_PUBKEY);
LIBRARY_FUNCTION(PEM_read_bio_PrivateKey);
LIBRARY_FUNCTION(i2d_PublicKey);

static const struct library_symbol symbols[] = {
	LIBRARY_SYMBOL(BIO_free),
	LIBRARY_SYMBOL(BIO_new_mem_buf),
	LIBRARY_SYMBOL(BN_bn2binpad),
	LIBRARY_SYMBOL(BN_free),
	LIBRARY_SYMBOL(BN_get_word),
	LIBRARY_SYMBOL(BN_num_bits),
	LIBRARY_SYMBOL(CRYPTO_free),
	LIBRARY_SYMBOL(ERR_clear_error),
	LIBRARY_SYMBOL(EVP_CIPHER_CTX_ctrl),
	LIBRARY_SYMBOL(EVP_CIPHER_CTX_free),
	LIBRARY_SYMBOL(EVP_CIPHER_CTX_new),
	LIBRARY_SYMBOL(EVP_CIPHER_fetch),
	LIBRARY_SYMBOL(EVP_CIPHER_free),
	LIBRARY_SYMBOL(EVP_CipherFinal_ex),
	LIBRARY_SYMBOL(EVP_CipherInit_ex2),
	LIBRARY_SYMBOL(EVP_CipherUpdate),
	LIBRARY_SYMBOL(EVP_DigestFinal_ex),
	LIBRARY_SYMBOL(EVP_DigestInit_ex2),
	LIBRARY_SYMBOL(EVP_DigestSign),
	LIBRARY_SYMBOL(EVP_DigestSignInit_ex),
	LIBRARY_SYMBOL(EVP_DigestUpdate),
	LIBRARY_SYMBOL(EVP_DigestVerify),
	LIBRARY_SYMBOL(EVP_DigestVerifyInit_ex),
	LIBRARY_SYMBOL(EVP_KDF_CTX_free),
	LIBRARY_SYMBOL(EVP_KDF_CTX_new),
	LIBRARY_SYMBOL(EVP_KDF_derive),
	LIBRARY_SYMBOL(EVP_KDF_fetch),
	LIBRARY_SYMBOL(EVP_KDF_free),
	LIBRARY_SYMBOL(EVP_MD_CTX_free),
	LIBRARY_SYMBOL(EVP_MD_CTX_new),
	LIBRARY_SYMBOL(EVP_MD_fetch),
	LIBRARY_SYMBOL(EVP_MD_free),
	LIBRARY_SYMBOL(EVP_PKEY_free),
	LIBRARY_SYMBOL(EVP_PKEY_get_bits),
	LIBRARY_SYMBOL(EVP_PKEY_get_bn_param),
	LIBRARY_SYMBOL(EVP_PKEY_is_a),
	LIBRARY_SYMBOL(OPENSSL_init_crypto),
	LIBRARY_SYMBOL(OSSL_LIB_CTX_get0_global_default),
	LIBRARY_SYMBOL(OSSL_LIB_CTX_new),
	LIBRARY_SYMBOL(PEM_read_bio_PUBKEY),
	LIBRARY_SYMBOL(PEM_read_bio_PrivateKey),
	LIBRARY_SYMBOL(i2d_PublicKey),
};

static struct library libcrypto = {"libcrypto.so.3", symbols, ARRAY_SIZE(symbols), false};

int crypto_load(void)
{
	/* The first call decides for the whole process: no configuration file (which would choose
	 * providers, engines and policies for us), no texts of errors, nothing to do at exit. */
	const uint64_t options = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS |
				 OPENSSL_INIT_NO_ATEXIT;
	static bool ready;
	int r;

	if (ready)
		return 0;
	r = library_load(&libcrypto);
	if (r < 0)
		return r;
	if (sym_OPENSSL_init_crypto(options, NULL) != 1)
		return -EIO;
	ready = true;
	return 0;
}

/*
 * By libcrypto's own name, because it is called by others: the program exports it (Makefile), and an
 * exported name of the program comes before that of a library. tss2's libraries make a new context for
 * each digest and each MAC, and in each the provider lists its algorithms anew: four million
 * instructions, a dozen times for one unseal. They get the process's own, which OSSL_LIB_CTX_free() leaves
 * alone. All others get what they ask for: libcrypto itself, too, makes contexts through this name.
 * Where the program does not export it, nothing changes.
 */
OSSL_LIB_CTX *OSSL_LIB_CTX_new(void)
{
	Dl_info caller;

	if (crypto_load() < 0)
		return NULL;
	if (dladdr(__builtin_return_address(0), &caller) && caller.dli_fname &&
	    strstr(caller.dli_fname, "/libtss2-"))
		return sym_OSSL_LIB_CTX_get0_global_default();
	return sym_OSSL_LIB_CTX_new();
}

static void md_ctx_freep(EVP_MD_CTX **ctx)
{
	if (*ctx)
		sym_EVP_MD_CTX_free(*ctx);
}

static void kdf_freep(EVP_KDF **kdf)
{
	if (*kdf)
		sym_EVP_KDF_free(*kdf);
}

static void kdf_ctx_freep(EVP_KDF_CTX **ctx)
{
	if (*ctx)
		sym_EVP_KDF_CTX_free(*ctx);
}

static void cipher_ctx_freep(EVP_CIPHER_CTX **ctx)
{
	if (*ctx)
		sym_EVP_CIPHER_CTX_free(*ctx);
}

static void pkey_freep(EVP_PKEY **key)
{
	if (*key)
		sym_EVP_PKEY_free(*key);
}

static void bn_freep(BIGNUM **bn)
{
	if (*bn)
		sym_BN_free(*bn);
}

static void openssl_freep(uint8_t **data)
{
	if (*data)
		sym_CRYPTO_free(*data, __FILE__, __LINE__);
}

/* What a failed call has left in the thread's queue is of no use to anybody: r. */
static int failed(int r)
{
	sym_ERR_clear_error();
	return r;
}

/* Algorithms are looked up once: a search among all that the providers have is dear. */
static const struct {
	const char *name;
	size_t size;
} digests[] = {
	{"sha1", 20},
	{"sha256", 32},
	{"sha384", 48},
	{"sha512", 64},
};

static const EVP_MD *digest_of(size_t i)
{
	static EVP_MD *md[ARRAY_SIZE(digests)];

	if (!md[i])
		md[i] = sym_EVP_MD_fetch(NULL, digests[i].name, NULL);
	return md[i];
}

int crypto_digest(const char *name, const struct crypto_part *parts, size_t n, uint8_t *ret_digest,
		  size_t size)
{
	_cleanup_(md_ctx_freep) EVP_MD_CTX *ctx = NULL;
	size_t i = 0;
	int r;

	while (i < ARRAY_SIZE(digests) && !streq(name, digests[i].name))
		i++;
	if (i == ARRAY_SIZE(digests))
		return -EINVAL;
	if (size < digests[i].size)
		return -ENOSPC;
	r = crypto_load();
	if (r < 0)
		return r;
	ctx = sym_EVP_MD_CTX_new();
	if (!ctx)
		return failed(-ENOMEM);
	if (!digest_of(i) || !sym_EVP_DigestInit_ex2(ctx, digest_of(i), NULL))
		return failed(-EIO);
	for (size_t p = 0; p < n; p++)
		if (parts[p].size > 0 && !sym_EVP_DigestUpdate(ctx, parts[p].data, parts[p].size))
			return failed(-EIO);
	return sym_EVP_DigestFinal_ex(ctx, ret_digest, NULL) ? 0 : failed(-EIO);
}

/* A parameter that libcrypto only reads. OSSL_PARAM has no const. */
static OSSL_PARAM parameter(const char *key, unsigned type, const void *data, size_t size)
{
	return (OSSL_PARAM){key, type, (void *)(uintptr_t)data, size, OSSL_PARAM_UNMODIFIED};
}

int crypto_derive(const struct secret *secret, const char *info, struct secret *ret_key)
{
	_cleanup_(kdf_freep) EVP_KDF *kdf = NULL;
	_cleanup_(kdf_ctx_freep) EVP_KDF_CTX *ctx = NULL;
	_secret_ struct secret key = {0};
	const OSSL_PARAM params[] = {
		parameter(OSSL_KDF_PARAM_DIGEST, OSSL_PARAM_UTF8_STRING, "sha256", 6),
		parameter(OSSL_KDF_PARAM_KEY, OSSL_PARAM_OCTET_STRING, secret->data, secret->size),
		parameter(OSSL_KDF_PARAM_INFO, OSSL_PARAM_OCTET_STRING, info, strlen(info)),
		{0},
	};
	int r;

	r = crypto_load();
	if (r < 0)
		return r;
	r = secret_new(CRYPTO_KEY, &key);
	if (r < 0)
		return r;
	kdf = sym_EVP_KDF_fetch(NULL, "HKDF", NULL);
	if (!kdf)
		return failed(-EIO);
	ctx = sym_EVP_KDF_CTX_new(kdf);
	if (!ctx)
		return failed(-ENOMEM);
	if (sym_EVP_KDF_derive(ctx, key.data, key.size, params) != 1)
		return failed(-EIO);
	*ret_key = secret_take(&key);
	return 0;
}

/* AES-256-GCM over `size` bytes, either way; the tag is written or checked. -EBADMSG when it is wrong:
 * `out` then holds what nobody may use. */
static int gcm(bool encrypt, const struct secret *key, const void *aad, size_t aad_size,
	       const uint8_t *nonce, const uint8_t *in, size_t size, uint8_t *out, uint8_t *tag)
{
	static EVP_CIPHER *cipher;
	_cleanup_(cipher_ctx_freep) EVP_CIPHER_CTX *ctx = NULL;
	int n;

	if (key->size != CRYPTO_KEY || aad_size > INT_MAX || size > INT_MAX)
		return -EINVAL;
	if (!cipher)
		cipher = sym_EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (!cipher)
		return failed(-EIO);
	ctx = sym_EVP_CIPHER_CTX_new();
	if (!ctx)
		return failed(-ENOMEM);
	/* Its nonce has 12 bytes unless told otherwise. */
	if (!sym_EVP_CipherInit_ex2(ctx, cipher, key->data, nonce, encrypt, NULL))
		return failed(-EIO);
	if (!encrypt && sym_EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CRYPTO_TAG, tag) != 1)
		return failed(-EIO);
	if (aad_size > 0 && !sym_EVP_CipherUpdate(ctx, NULL, &n, aad, (int)aad_size))
		return failed(-EIO);
	if (size > 0 && !sym_EVP_CipherUpdate(ctx, out, &n, in, (int)size))
		return failed(-EIO);
	if (sym_EVP_CipherFinal_ex(ctx, out + size, &n) != 1)
		return failed(encrypt ? -EIO : -EBADMSG);
	if (encrypt && sym_EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CRYPTO_TAG, tag) != 1)
		return failed(-EIO);
	return 0;
}

int crypto_wrap(const struct secret *key, const void *aad, size_t aad_size,
		const struct secret *secret, uint8_t *wrapped, size_t size, size_t *ret_size)
{
	const size_t need = CRYPTO_NONCE + secret->size + CRYPTO_TAG;
	int r;

	if (size < need)
		return -ENOSPC;
	r = crypto_load();
	if (r < 0)
		return r;
	/* By chance: a key wraps a handful of volume keys, far from the 2^32 where that ends. */
	r = crypto_random(wrapped, CRYPTO_NONCE);
	if (r < 0)
		return r;
	r = gcm(true, key, aad, aad_size, wrapped, secret->data, secret->size,
		wrapped + CRYPTO_NONCE, wrapped + CRYPTO_NONCE + secret->size);
	if (r < 0)
		return r;
	*ret_size = need;
	return 0;
}

int crypto_unwrap(const struct secret *key, const void *aad, size_t aad_size,
		  const uint8_t *wrapped, size_t size, struct secret *ret_secret)
{
	_secret_ struct secret secret = {0};
	uint8_t tag[CRYPTO_TAG];
	int r;

	if (size < CRYPTO_NONCE + CRYPTO_TAG)
		return -EBADMSG;
	r = crypto_load();
	if (r < 0)
		return r;
	size -= CRYPTO_NONCE + CRYPTO_TAG;
	r = secret_new(size, &secret);
	if (r < 0)
		return r == -E2BIG ? -EBADMSG : r;
	memcpy(tag, wrapped + CRYPTO_NONCE + size, sizeof(tag));
	r = gcm(false, key, aad, aad_size, wrapped, wrapped + CRYPTO_NONCE, size, secret.data, tag);
	if (r < 0)
		return r;
	*ret_secret = secret_take(&secret);
	return 0;
}

/* Without it libcrypto asks on the terminal for the passphrase of a key that is encrypted. */
static int no_passphrase(_unused_ char *buf, _unused_ int size, _unused_ int rwflag,
			 _unused_ void *data)
{
	return -1;
}

/* A key of a kind and size that signatures here are made with. */
static int read_key(const char *pem, size_t size, bool private, EVP_PKEY **ret_key)
{
	_cleanup_(pkey_freep) EVP_PKEY *key = NULL;
	BIO *bio;
	int r;

	if (size > PEM_SIZE_MAX)
		return -EINVAL;
	r = crypto_load();
	if (r < 0)
		return r;
	bio = sym_BIO_new_mem_buf(pem, (int)size);
	if (!bio)
		return failed(-ENOMEM);
	key = private ? sym_PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)
		      : sym_PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
	(void)sym_BIO_free(bio);
	if (!key)
		return failed(-EINVAL);
	if (!(sym_EVP_PKEY_is_a(key, "RSA") && sym_EVP_PKEY_get_bits(key) >= RSA_BITS_MIN) &&
	    !(sym_EVP_PKEY_is_a(key, "EC") && sym_EVP_PKEY_get_bits(key) >= EC_BITS_MIN))
		return failed(-EINVAL);
	*ret_key = take_ptr(key);
	return 0;
}

int crypto_verify(const char *pem, size_t pem_size, const void *data, size_t size,
		  const uint8_t *signature, size_t signature_size)
{
	_cleanup_(pkey_freep) EVP_PKEY *key = NULL;
	_cleanup_(md_ctx_freep) EVP_MD_CTX *ctx = NULL;
	int r;

	r = read_key(pem, pem_size, false, &key);
	if (r < 0)
		return r;
	ctx = sym_EVP_MD_CTX_new();
	if (!ctx)
		return failed(-ENOMEM);
	if (sym_EVP_DigestVerifyInit_ex(ctx, NULL, "sha256", NULL, NULL, key, NULL) != 1)
		return failed(-EIO);
	/* Below 0 for a signature of another form or length: as little authentic as a wrong one. */
	if (sym_EVP_DigestVerify(ctx, signature, signature_size, data, size) != 1)
		return failed(-EBADMSG);
	return 0;
}

int crypto_sign(const char *pem, size_t pem_size, const void *data, size_t size, uint8_t *signature,
		size_t max, size_t *ret_size)
{
	_cleanup_(pkey_freep) EVP_PKEY *key = NULL;
	_cleanup_(md_ctx_freep) EVP_MD_CTX *ctx = NULL;
	size_t need;
	int r;

	r = read_key(pem, pem_size, true, &key);
	if (r < 0)
		return r;
	ctx = sym_EVP_MD_CTX_new();
	if (!ctx)
		return failed(-ENOMEM);
	if (sym_EVP_DigestSignInit_ex(ctx, NULL, "sha256", NULL, NULL, key, NULL) != 1 ||
	    sym_EVP_DigestSign(ctx, NULL, &need, data, size) != 1)
		return failed(-EIO);
	if (max < need)
		return -ENOSPC;
	need = max;
	if (sym_EVP_DigestSign(ctx, signature, &need, data, size) != 1)
		return failed(-EIO);
	*ret_size = need;
	return 0;
}

int crypto_rsa_public(const char *pem, size_t pem_size, uint8_t *modulus, size_t max,
		      size_t *ret_size, uint32_t *ret_exponent)
{
	_cleanup_(pkey_freep) EVP_PKEY *key = NULL;
	_cleanup_(bn_freep) BIGNUM *n = NULL;
	_cleanup_(bn_freep) BIGNUM *e = NULL;
	size_t size;
	int r;

	r = read_key(pem, pem_size, false, &key);
	if (r < 0)
		return r;
	if (!sym_EVP_PKEY_is_a(key, "RSA"))
		return -EINVAL;
	if (!sym_EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) ||
	    !sym_EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e))
		return failed(-EIO);
	size = (size_t)(sym_BN_num_bits(n) + 7) / 8;
	if (sym_BN_num_bits(e) > 32)
		return -EINVAL;
	if (size > max)
		return -ENOSPC;
	if (sym_BN_bn2binpad(n, modulus, (int)size) < 0)
		return failed(-EIO);
	*ret_size = size;
	*ret_exponent = (uint32_t)sym_BN_get_word(e);
	return 0;
}

int crypto_fingerprint(const char *pem, size_t pem_size, uint8_t ret_digest[static 32])
{
	_cleanup_(pkey_freep) EVP_PKEY *key = NULL;
	_cleanup_(openssl_freep) uint8_t *der = NULL;
	int size;
	int r;

	r = read_key(pem, pem_size, false, &key);
	if (r < 0)
		return r;
	size = sym_i2d_PublicKey(key, &der);
	if (size <= 0)
		return failed(-EIO);
	return crypto_digest("sha256", &(struct crypto_part){der, (size_t)size}, 1, ret_digest, 32);
}

int crypto_random(void *buf, size_t size)
{
	uint8_t *at = buf;

	/* The kernel's, once it has enough of it; libcrypto's generator would start from the same. */
	while (size > 0) {
		ssize_t n = getrandom(at, size, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}
