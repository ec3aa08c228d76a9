/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The name that OpenSSL looks a certificate up by. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* X509_NAME_hash_ex(3) of the subject of the one certificate in a PEM text. -EBADMSG when there is none,
 * -E2BIG when there are more (they have no such name, see openssl-rehash(1)), -EOPNOTSUPP without
 * libcrypto, which is loaded and stays loaded. */
int certhash_read(const char *pem, size_t size, uint32_t *ret_hash);
