/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LUKS2's binary header (LUKS2 On-Disk Format 1.1, 2.2): where its JSON is, and what is not in that. The
 * bytes are hostile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LUKS2_HEADER 512   /* bytes that hold all fields */
#define LUKS2_JSON 4096	   /* where the JSON begins, from the header's start */
#define LUKS2_CHECKSUM 448 /* where the checksum is, counted as zero in it */
#define LUKS2_CHECKSUM_SIZE 64
#define LUKS2_MIN 0x4000 /* bytes of a header with its JSON */
#define LUKS2_MAX 0x400000

struct luks2_header {
	uint64_t size; /* of header and JSON; the second one begins there, and is as long */
	uint64_t sequence;
	char uuid[40];
	char label[48];
	uint8_t checksum[32]; /* SHA-256 */
};

/* Parses the first header, or the second one, which says itself that it is at offset. -EMEDIUMTYPE: no
 * LUKS2 magic and version; -EBADMSG: damaged, or with another checksum than SHA-256. */
int luks2_parse(const void *data, size_t size, bool second, uint64_t offset,
		struct luks2_header *ret_header);
