/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Base64 (RFC 4648, 4) and hexadecimal text (RFC 4648, 8), exact: no blanks, no line breaks,
 * canonical padding; hexadecimal digits in either case. Time does not depend on the bytes, only on
 * their number: keys go through here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define BASE64_SIZE(n) (((n) + 2) / 3 * 4) /* text of n bytes, without a NUL */

/* text gets BASE64_SIZE(size) characters and a NUL. */
void base64_encode(const void *data, size_t size, char *text);
/* -EBADMSG: not base64. -ENOSPC: longer than max bytes. buf and *ret_size stay untouched then. */
int base64_decode(const char *text, size_t len, void *buf, size_t max, size_t *ret_size);

/* text gets 2 * size lower-case digits and a NUL. */
void hex_encode(const void *data, size_t size, char *text);
/* As base64_decode(). */
int hex_decode(const char *text, size_t len, void *buf, size_t max, size_t *ret_size);
