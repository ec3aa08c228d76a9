/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parts of a PE file for its Authenticode digest: see authenticode.h. Hostile input, nothing owned. */
#include "authenticode.h"

#include <errno.h>
#include <stdint.h>

#define MZ_SIZE 64
#define COFF_SIZE 24	  /* with the signature */
#define OPTIONAL_SIZE 112 /* of PE32+, without the data directories */
#define SECTION_SIZE 40
#define PE32_PLUS 0x20b
#define DIRECTORY_SECURITY 4

static uint32_t le16(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t le32(const uint8_t *p)
{
	return le16(p) | le16(p + 2) << 16;
}

struct pe_layout {
	size_t checksum, security; /* offsets of what is left out; security 0: there is none */
	size_t headers;		   /* size */
	size_t table, sections;	   /* of sections: offset, number */
	size_t certificates;	   /* bytes at the end */
};

static int read_layout(const uint8_t *data, size_t size, struct pe_layout *ret_layout)
{
	struct pe_layout layout = {0};
	size_t pe, optional, optional_size;

	if (size < MZ_SIZE || data[0] != 'M' || data[1] != 'Z')
		return -EBADMSG;
	pe = le32(data + 0x3c);
	if (pe > size || size - pe < COFF_SIZE + OPTIONAL_SIZE || memcmp(data + pe, "PE\0", 4) != 0)
		return -EBADMSG;
	layout.sections = le16(data + pe + 6);
	optional_size = le16(data + pe + 20);
	optional = pe + COFF_SIZE;
	if (optional_size < OPTIONAL_SIZE || optional_size > size - optional ||
	    le16(data + optional) != PE32_PLUS || layout.sections > AUTHENTICODE_SECTIONS_MAX)
		return -EBADMSG;
	layout.table = optional + optional_size;
	layout.checksum = optional + 64;
	layout.headers = le32(data + optional + 60);
	if (layout.headers > size || layout.table > layout.headers ||
	    layout.headers - layout.table < layout.sections * SECTION_SIZE)
		return -EBADMSG;
	if (le32(data + optional + 108) > DIRECTORY_SECURITY) {
		layout.security = optional + OPTIONAL_SIZE + (size_t)DIRECTORY_SECURITY * 8;
		if (layout.security + 8 > layout.table)
			return -EBADMSG;
		layout.certificates = le32(data + layout.security + 4);
	}
	*ret_layout = layout;
	return 0;
}

/* In the order of their place in the file. */
static void insert(struct slice *parts, size_t n, struct slice part)
{
	for (; n > 0 && parts[n - 1].data > part.data; n--)
		parts[n] = parts[n - 1];
	parts[n] = part;
}

int authenticode_parts(const void *data, size_t size,
		       struct slice ret_parts[static AUTHENTICODE_PARTS_MAX], size_t *ret_n)
{
	struct slice parts[AUTHENTICODE_PARTS_MAX];
	const uint8_t *p = data;
	const char *text = data;
	struct pe_layout layout;
	size_t n = 0, first, hashed;
	int r = read_layout(p, size, &layout);

	if (r < 0)
		return r;
	parts[n++] = slice_of(text, layout.checksum);
	first = layout.checksum + 4;
	if (layout.security > 0) {
		parts[n++] = slice_of(text + first, layout.security - first);
		first = layout.security + 8;
	}
	parts[n++] = slice_of(text + first, layout.headers - first);
	hashed = layout.headers;
	first = n;
	for (size_t i = 0; i < layout.sections; i++) {
		const uint8_t *section = p + layout.table + i * SECTION_SIZE;
		size_t len = le32(section + 16), at = le32(section + 20);

		if (len == 0)
			continue;
		if (at > size || len > size - at || len > size - hashed)
			return -EBADMSG;
		insert(parts + first, n - first, slice_of(text + at, len));
		n++;
		hashed += len;
	}
	/* What is behind the sections, without the signature. */
	if (size - hashed > layout.certificates)
		parts[n++] = slice_of(text + hashed, size - hashed - layout.certificates);
	memcpy(ret_parts, parts, n * sizeof(*parts));
	*ret_n = n;
	return 0;
}
