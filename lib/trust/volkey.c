/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Wrapping of volume keys. The header's words come from the disk; the tag says whether they are true. */
#include "volkey.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base64.h"
#include "crypto.h"

#define INFO "tugboot volume keys"

static int describe(const struct luks_info *info, const char *role, char *buf, size_t size)
{
	int n = snprintf(buf, size, "tugboot-volume 1\n%s\n%s\n%s\n%" PRIu64 "\n%u\n%u\n",
			 info->uuid, role, info->cipher, info->data_offset, info->sector_size,
			 info->key_size);

	return n < 0 || (size_t)n >= size ? -EINVAL : n;
}

int volkey_derive(const struct secret *secret, struct secret *ret_wrapping)
{
	return crypto_derive(secret, INFO, ret_wrapping);
}

int volkey_wrap(const struct secret *wrapping, const struct luks_info *info, const char *role,
		const struct secret *key, uint8_t *wrapped, size_t size, size_t *ret_size)
{
	char aad[320];
	int n = describe(info, role, aad, sizeof(aad));

	if (n < 0 || key->size != info->key_size)
		return -EINVAL;
	return crypto_wrap(wrapping, aad, (size_t)n, key, wrapped, size, ret_size);
}

int volkey_unwrap(const struct secret *wrapping, const struct luks_info *info, const char *role,
		  const uint8_t *wrapped, size_t size, struct secret *ret_key)
{
	struct secret key = {0};
	char aad[320];
	int n = describe(info, role, aad, sizeof(aad)), r;

	if (n < 0)
		return -EBADMSG;
	r = crypto_unwrap(wrapping, aad, (size_t)n, wrapped, size, &key);
	if (r < 0)
		return r;
	if (key.size != info->key_size) {
		secret_done(&key);
		return -EBADMSG;
	}
	*ret_key = key;
	return 0;
}

int volkey_passphrase(const struct secret *secret, struct secret *ret_passphrase)
{
	size_t n = BASE64_SIZE(secret->size);
	struct secret text;
	int r = secret_new(n + 1, &text);

	if (r < 0)
		return r;
	base64_encode(secret->data, secret->size, (char *)text.data);
	text.size = n; /* without the NUL */
	*ret_passphrase = text;
	return 0;
}
