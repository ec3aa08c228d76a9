/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recovery keys in systemd's form (systemd-cryptenroll(1), --recovery-key): 256 bits as 64 letters
 * of modhex, which lie in one place on most keyboards, in groups of 8 with dashes between. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RECOVERYKEY_BYTES 32
#define RECOVERYKEY_SIZE 71 /* characters */

/* text gets RECOVERYKEY_SIZE characters and a NUL. */
void recoverykey_format(const uint8_t bytes[static RECOVERYKEY_BYTES],
			char text[static RECOVERYKEY_SIZE + 1]);

/* Is it one, in exactly this form? -EINVAL. */
int recoverykey_check(const char *text, size_t len);
