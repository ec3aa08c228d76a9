/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volume keys in tokens: each volume's key is wrapped under one key that is derived from the unsealed
 * secret, so that any number of volumes costs one unseal and one derivation.
 *
 * What is authenticated with it (the AAD of crypto_wrap()) is what the header says of the volume:
 * UUID, role, cipher, offset, sector size and key size. A header that was swapped with another
 * volume's, copied or rewritten does not unwrap.
 */
#pragma once

#include "luks.h"
#include "secret.h"

/* The wrapping key, from the secret. */
int volkey_derive(const struct secret *secret, struct secret *ret_wrapping);

/* role: `rootA`, …. wrapped: TOKEN_WRAPPED_MAX bytes are enough. */
int volkey_wrap(const struct secret *wrapping, const struct luks_info *info, const char *role,
		const struct secret *key, uint8_t *wrapped, size_t size, size_t *ret_size);

/* -EBADMSG: not this volume's, or damaged. */
int volkey_unwrap(const struct secret *wrapping, const struct luks_info *info, const char *role,
		  const uint8_t *wrapped, size_t size, struct secret *ret_key);

/* The passphrase of a token's key slot: the base64 text of the secret, as systemd has it. */
int volkey_passphrase(const struct secret *secret, struct secret *ret_passphrase);
