/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Certificates in PEM (RFC 7468): each is taken out of the text, looked at as far as its outer form
 * goes (X.509, RFC 5280 4.1: the parts of a certificate, each with its type and within its length),
 * and written again, so that nothing else of the text goes on. Signatures, names and dates are
 * not judged here. The text is hostile.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "slice.h"

#define PEMCERT_MAX 16384 /* bytes of one certificate in DER */

/*
 * The next certificate of the text from *pos on (0 at first), in DER: der has room for PEMCERT_MAX.
 * Text between is passed over when it is text. 1 with one, 0 at the end, -EBADMSG for what is no
 * certificate: a private key or anything else in PEM, wrong base64, wrong form; *ret_why (may be
 * NULL; a constant string) is then what is wrong.
 */
int pemcert_next(struct slice text, size_t *pos, uint8_t der[static PEMCERT_MAX], size_t *ret_size,
		 const char **ret_why);

/* Is this one certificate and nothing behind it? */
int pemcert_check(const uint8_t *der, size_t size);

/* Bytes of a certificate's text, and a NUL. */
#define PEMCERT_TEXT_SIZE(n) (((n) + 2) / 3 * 4 + ((n) + 47) / 48 + 55)
/* Writes it in PEM, in lines of 64; buf has PEMCERT_TEXT_SIZE(size). Returns the text's length. */
size_t pemcert_write(const uint8_t *der, size_t size, char *buf);
