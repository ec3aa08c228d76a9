/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PE32+ section table; see pe.h. Everything in the file is hostile: offsets are 32-bit numbers
 * added in 64 bits, and no field is read before its place is known to lie within the bytes at
 * hand.
 */
#include "pe.h"

#include <errno.h>
#include <string.h>

#include "macro.h"

/* "PE Format": offsets of the fields that are used. */
enum {
	DOS_HEADER_SIZE = 64,
	DOS_PE_OFFSET = 0x3c,
	PE_SIGNATURE_SIZE = 4,
	COFF_MACHINE = 0,
	COFF_SECTIONS = 2,
	COFF_OPTIONAL_SIZE = 16,
	COFF_SIZE = 20,
	OPTIONAL_MAGIC = 0,
	OPTIONAL_PE32 = 0x10b,
	OPTIONAL_PE32PLUS = 0x20b,
	OPTIONAL_SIZE_MIN = 112, /* up to the data directories */
	SECTION_NAME_SIZE = 8,
	SECTION_VIRTUAL_SIZE = 8,
	SECTION_RAW_SIZE = 16,
	SECTION_RAW_OFFSET = 20,
	SECTION_SIZE = 40,
};

static const char *const part_names[PE_PART_COUNT] = {
	[PE_LINUX] = ".linux",	 [PE_OSREL] = ".osrel", [PE_CMDLINE] = ".cmdline",
	[PE_INITRD] = ".initrd", [PE_UCODE] = ".ucode", [PE_DTB] = ".dtb",
	[PE_UNAME] = ".uname",
};

struct pe {
	uint16_t machine;
	unsigned n_sections;
	const uint8_t *sections; /* the table, all of it at hand */
	uint64_t headers_end;	 /* of the table in the file */
};

struct section {
	const uint8_t *name; /* SECTION_NAME_SIZE bytes, NULs after a shorter one */
	uint32_t virtual_size, raw_size, raw_offset;
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

/* Are the bytes up to end at hand? If not: is the file that short, or is head? */
static int need(uint64_t end, size_t head_size, uint64_t file_size)
{
	if (end > file_size)
		return -ENODATA;
	return end > head_size ? -ENOBUFS : 0;
}

static int parse_headers(const uint8_t *head, size_t head_size, uint64_t file_size, struct pe *ret)
{
	struct pe pe = {0};
	uint64_t coff, optional;
	unsigned optional_size;
	int r;

	/* More bytes at hand than there are in the file would be the caller's slip. */
	head_size = (size_t)MIN((uint64_t)head_size, file_size);
	if (head_size < 2 || head[0] != 'M' || head[1] != 'Z')
		return -EBADMSG;
	r = need(DOS_HEADER_SIZE, head_size, file_size);
	if (r < 0)
		return r;
	coff = (uint64_t)get32(head + DOS_PE_OFFSET) + PE_SIGNATURE_SIZE;
	r = need(coff + COFF_SIZE, head_size, file_size);
	if (r < 0)
		return r;
	if (memcmp(head + coff - PE_SIGNATURE_SIZE, "PE\0", PE_SIGNATURE_SIZE) != 0)
		return -EBADMSG;

	pe.machine = get16(head + coff + COFF_MACHINE);
	pe.n_sections = get16(head + coff + COFF_SECTIONS);
	optional_size = get16(head + coff + COFF_OPTIONAL_SIZE);
	optional = coff + COFF_SIZE;
	if (optional_size < OPTIONAL_SIZE_MIN)
		return -EBADMSG;
	pe.headers_end = optional + optional_size + (uint64_t)pe.n_sections * SECTION_SIZE;
	r = need(pe.headers_end, head_size, file_size);
	if (r < 0)
		return r;
	if (get16(head + optional + OPTIONAL_MAGIC) == OPTIONAL_PE32)
		return -ENOTSUP;
	if (get16(head + optional + OPTIONAL_MAGIC) != OPTIONAL_PE32PLUS)
		return -EBADMSG;
	pe.sections = head + optional + optional_size;
	*ret = pe;
	return 0;
}

static struct section get_section(const struct pe *pe, unsigned i)
{
	const uint8_t *p = pe->sections + (size_t)i * SECTION_SIZE;

	return (struct section){
		.name = p,
		.virtual_size = get32(p + SECTION_VIRTUAL_SIZE),
		.raw_size = get32(p + SECTION_RAW_SIZE),
		.raw_offset = get32(p + SECTION_RAW_OFFSET),
	};
}

static bool section_is(const struct section *section, const char *name)
{
	/* As strncmp() fills with NULs: a name of eight bytes has no end. */
	return strncmp((const char *)section->name, name, SECTION_NAME_SIZE) == 0;
}

/* The part of the file that counts, checked. */
static int section_range(const struct pe *pe, const struct section *section, uint64_t file_size,
			 struct pe_range *ret)
{
	struct pe_range range = {
		.offset = section->raw_offset,
		.size = MIN(section->virtual_size, section->raw_size),
	};

	if (range.size == 0) {
		*ret = (struct pe_range){0};
		return 0;
	}
	if (range.offset < pe->headers_end)
		return -EUCLEAN;
	/* All of the raw size: a file cut within the padding is cut as well. */
	if (range.offset + section->raw_size > file_size)
		return -ENODATA;
	*ret = range;
	return 0;
}

static int part_of(const struct section *section)
{
	for (int i = 0; i < PE_PART_COUNT; i++)
		if (section_is(section, part_names[i]))
			return i;
	return -1;
}

int pe_uki_locate(const void *head, size_t head_size, uint64_t file_size, uint16_t machine,
		  unsigned profile, struct pe_uki *ret_uki)
{
	struct pe_uki uki = {0};
	/* Which parts have been seen in the base and in the wanted profile. */
	bool in_base[PE_PART_COUNT] = {0}, in_profile[PE_PART_COUNT] = {0};
	struct pe pe;
	int r;

	r = parse_headers(head, head_size, file_size, &pe);
	if (r < 0)
		return r;
	if (pe.machine != machine)
		return -ENOTSUP;
	uki.machine = pe.machine;

	for (unsigned i = 0; i < pe.n_sections; i++) {
		struct section section = get_section(&pe, i);
		bool base = uki.n_profiles == 0;
		bool *seen = base ? in_base : in_profile;
		int part;

		if (section_is(&section, ".profile")) {
			uki.n_profiles++;
			continue;
		}
		part = part_of(&section);
		if (part < 0 || (!base && uki.n_profiles - 1 != profile))
			continue;
		if (seen[part]) {
			if (part == PE_DTB)
				continue;
			return -EUCLEAN;
		}
		seen[part] = true;
		r = section_range(&pe, &section, file_size, &uki.part[part]);
		if (r < 0)
			return r;
	}
	if (uki.part[PE_LINUX].size == 0)
		return -ENOEXEC;
	if (profile > 0 && profile >= uki.n_profiles)
		return -ENOENT;
	*ret_uki = uki;
	return 0;
}

int pe_extent(const void *head, size_t head_size, uint64_t file_size, uint64_t *ret_end)
{
	struct pe pe;
	uint64_t end;
	int r;

	r = parse_headers(head, head_size, file_size, &pe);
	if (r < 0)
		return r;
	end = pe.headers_end;
	for (unsigned i = 0; i < pe.n_sections; i++) {
		struct section section = get_section(&pe, i);

		if (section.raw_size > 0)
			end = MAX(end, (uint64_t)section.raw_offset + section.raw_size);
	}
	*ret_end = end;
	return 0;
}

const char *pe_part_name(enum pe_part part)
{
	return part_names[part];
}
