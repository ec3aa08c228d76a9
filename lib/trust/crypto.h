/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Digests, key wrapping and signatures, through OpenSSL's libcrypto (the only file that uses it; the
 * library is loaded on first use: libcryptsetup and tss2 bring it anyway).
 * Errors: -EOPNOTSUPP no libcrypto, -EBADMSG not authentic, -EINVAL not a key, -EIO anything else.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "secret.h"

#define CRYPTO_NONCE 12
#define CRYPTO_TAG 16
#define CRYPTO_KEY 32

/* Loads libcrypto and starts it without its configuration file. The other functions do so themselves;
 * who loads a library that uses libcrypto calls it first, or that library's start decides. */
int crypto_load(void);

/* Of n parts behind each other. name: "sha1", "sha256", "sha384", "sha512", -EINVAL for others. size is
 * what ret_digest has room for: -ENOSPC when that is less than the digest. */
struct crypto_part {
	const void *data;
	size_t size;
};
int crypto_digest(const char *name, const struct crypto_part *parts, size_t n, uint8_t *ret_digest,
		  size_t size);

/* HKDF-SHA256 (RFC 5869) without salt: the key that wraps volume keys, from the unsealed secret. */
int crypto_derive(const struct secret *secret, const char *info, struct secret *ret_key);

/* AES-256-GCM (NIST SP 800-38D). wrapped: nonce, ciphertext, tag; CRYPTO_NONCE + CRYPTO_TAG longer than the secret. */
int crypto_wrap(const struct secret *key, const void *aad, size_t aad_size,
		const struct secret *secret, uint8_t *wrapped, size_t size, size_t *ret_size);
int crypto_unwrap(const struct secret *key, const void *aad, size_t aad_size,
		  const uint8_t *wrapped, size_t size, struct secret *ret_secret);

/* RSASSA-PKCS1-v1_5 or ECDSA (DER) over SHA-256 of data, with a PEM public key ("PUBLIC KEY"). Keys of
 * less than 2048 (RSA) or 256 bits (EC) are none: -EINVAL, here and below. */
int crypto_verify(const char *pem, size_t pem_size, const void *data, size_t size,
		  const uint8_t *signature, size_t signature_size);
/* The same made, with a PEM private key: for tests and `tugboot` on a signing host. */
int crypto_sign(const char *pem, size_t pem_size, const void *data, size_t size, uint8_t *signature,
		size_t max, size_t *ret_size);

/* RSA public key in PEM: modulus (big endian) and exponent, for TPM2B_PUBLIC. */
int crypto_rsa_public(const char *pem, size_t pem_size, uint8_t *modulus, size_t max,
		      size_t *ret_size, uint32_t *ret_exponent);
/* SHA-256 of the key's own bytes (RSA: PKCS #1's RSAPublicKey in DER, EC: the point), which is the `pkfp`
 * of systemd's signature files. */
int crypto_fingerprint(const char *pem, size_t pem_size, uint8_t ret_digest[static 32]);

/* The kernel's random numbers; needs no libcrypto. */
int crypto_random(void *buf, size_t size);
