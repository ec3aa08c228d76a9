/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unified kernel images: where in the file the kernel, the initrd and the rest are. Works on the
 * first bytes of the file and its size, so that the parts can be handed to the kernel without
 * reading the file into memory. The file is hostile: every range handed out lies inside it,
 * behind the headers.
 *
 * PE32+: Microsoft "PE Format", sections "MS-DOS Stub", "COFF File Header", "Optional Header",
 * "Section Table". UKI: UAPI.5 "Unified Kernel Image", sections "UKI Components" and
 * "Multi-Profile UKIs". https://uapi-group.org/specifications/specs/unified_kernel_image/
 *
 * Of a section, min(VirtualSize, SizeOfRawData) bytes count: SizeOfRawData is rounded up to the
 * file's alignment, and what VirtualSize has more would be zeros. Profiles: sections before the
 * first `.profile` are the base; those of the wanted profile take their place, by name. With no
 * `.profile` in the file only profile 0 exists and is the base.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PE_MACHINE_X86_64 0x8664
#define PE_MACHINE_ARM64 0xaa64

/* Enough of the file's first bytes for any real image; the whole file when it is smaller. */
#define PE_HEAD_SIZE (64 * 1024)

enum pe_part {
	PE_LINUX,
	PE_OSREL,
	PE_CMDLINE,
	PE_INITRD,
	PE_UCODE, /* a cpio archive that goes before the initrd */
	PE_DTB,	  /* the first one of several */
	PE_UNAME,
	PE_PART_COUNT,
};

/* A part of the file. size 0: it is not there, or empty. */
struct pe_range {
	uint64_t offset;
	uint64_t size;
};

struct pe_uki {
	uint16_t machine;
	unsigned n_profiles; /* `.profile` sections */
	struct pe_range part[PE_PART_COUNT];
};

/*
 * Finds the parts. head holds the first head_size bytes of a file of file_size bytes; text in
 * them may end with NUL bytes or a newline, which the caller strips.
 *
 * -ENOEXEC  a PE32+ file, but no UKI: no `.linux`, or an empty one (an addon, a kernel)
 * -EBADMSG  no PE32+ file at all
 * -ENOTSUP  for another machine, one of 32 bits (a PE32 file) included
 * -ENODATA  truncated: the file ends before its headers or a section do
 * -ENOBUFS  the headers reach beyond head: more of the file is needed
 * -EUCLEAN  contradictory: a section lies in the headers, or stands twice in a profile
 * -ENOENT   no such profile
 */
int pe_uki_locate(const void *head, size_t head_size, uint64_t file_size, uint16_t machine,
		  unsigned profile, struct pe_uki *ret_uki);

/*
 * Where the last section of any PE32+ file ends: a smaller file is truncated. For kernels, which
 * are PE files when they have an EFI entry. Errors -EBADMSG, -ENODATA (the file ends within its
 * headers) and -ENOBUFS as above.
 */
int pe_extent(const void *head, size_t head_size, uint64_t file_size, uint64_t *ret_end);

/* The section's name, `.linux`; constant string. */
const char *pe_part_name(enum pe_part part);
