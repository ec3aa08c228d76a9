/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recovery keys as text: see recoverykey.h. */
#include "recoverykey.h"

#include <errno.h>
#include <string.h>

#define GROUP 8

static const char modhex[] = "cbdefghijklnrtuv";

void recoverykey_format(const uint8_t bytes[static RECOVERYKEY_BYTES],
			char text[static RECOVERYKEY_SIZE + 1])
{
	char *p = text;

	for (size_t i = 0; i < RECOVERYKEY_BYTES; i++) {
		if (i > 0 && 2 * i % GROUP == 0)
			*p++ = '-';
		*p++ = modhex[bytes[i] >> 4];
		*p++ = modhex[bytes[i] & 15];
	}
	*p = '\0';
}

int recoverykey_check(const char *text, size_t len)
{
	if (len != RECOVERYKEY_SIZE)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (i % (GROUP + 1) == GROUP ? text[i] != '-'
					     : text[i] == '\0' || !strchr(modhex, text[i]))
			return -EINVAL;
	return 0;
}
