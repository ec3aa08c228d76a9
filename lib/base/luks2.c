/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LUKS2's binary header: big endian, at fixed places. */
#include "luks2.h"

#include <errno.h>

#include "macro.h"

#define AT_VERSION 6
#define AT_SIZE 8
#define AT_SEQUENCE 16
#define AT_LABEL 24
#define AT_CHECKSUM_NAME 72
#define AT_UUID 168
#define AT_OFFSET 256
#define CHECKSUM_NAME_SIZE 32

static uint64_t get(const uint8_t *p, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | p[i];
	return value;
}

/* A text field, which has a NUL. */
static bool get_text(const uint8_t *p, char *buf, size_t size)
{
	if (!memchr(p, '\0', size))
		return false;
	memcpy(buf, p, size);
	return true;
}

int luks2_parse(const void *data, size_t size, bool second, uint64_t offset,
		struct luks2_header *ret_header)
{
	const char *magic = second ? "SKUL\xba\xbe" : "LUKS\xba\xbe";
	struct luks2_header header = {0};
	char name[CHECKSUM_NAME_SIZE];
	const uint8_t *p = data;

	if (size < LUKS2_HEADER || memcmp(p, magic, 6) != 0 || get(p + AT_VERSION, 2) != 2)
		return -EMEDIUMTYPE;
	header.size = get(p + AT_SIZE, 8);
	header.sequence = get(p + AT_SEQUENCE, 8);
	if (header.size < LUKS2_MIN || header.size > LUKS2_MAX ||
	    (header.size & (header.size - 1)) || get(p + AT_OFFSET, 8) != offset ||
	    (second && offset != header.size))
		return -EBADMSG;
	if (!get_text(p + AT_UUID, header.uuid, sizeof(header.uuid)) || !header.uuid[0] ||
	    !get_text(p + AT_LABEL, header.label, sizeof(header.label)) ||
	    !get_text(p + AT_CHECKSUM_NAME, name, sizeof(name)) || !streq(name, "sha256"))
		return -EBADMSG;
	memcpy(header.checksum, p + LUKS2_CHECKSUM, sizeof(header.checksum));
	*ret_header = header;
	return 0;
}
