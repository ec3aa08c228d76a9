/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A public key as ssh-keygen(1) writes it, a line of authorized_keys of sshd(8): `ALGORITHM BASE64
 * [COMMENT]`. Options before it (`command=…`) make another thing of a key, and are refused. The
 * text is hostile; no I/O, no cryptography: whether it is a key that somebody has is sshd's to ask.
 * Format of the blob: RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4, OpenSSH's PROTOCOL.u2f.
 */
#pragma once

#include "slice.h"

#define SSHKEY_MAX 8192 /* bytes of a line; RSA keys of 16384 bits have 2800 */

/* *ret_line is the line as it is to be written, without blanks at its end; borrowed. -EBADMSG for
 * anything else than one key; *ret_why (a constant string) is then what is wrong. */
int sshkey_parse(struct slice text, struct slice *ret_line, const char **ret_why);
