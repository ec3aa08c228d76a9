/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel images: what a file is by its first bytes, and whether an x86 bzImage is whole and can
 * be started by kexec in 64-bit mode. The file is hostile, and often truncated: a kernel that
 * fails here costs nothing, one that fails after kexec costs a reset.
 *
 * x86: Documentation/arch/x86/boot.rst ("The Real-Mode Kernel Header"). What kexec demands is in
 * arch/x86/kernel/kexec-bzimage64.c. arm64: Documentation/arch/arm64/booting.rst ("Call the kernel
 * image"). EFI zboot: drivers/firmware/efi/libstub/zboot-header.S.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

/* First bytes of a file that suffice for all functions here. pe_extent() needs more of arm64's. */
#define BZIMAGE_HEAD_SIZE 1024

enum kernel_format {
	KERNEL_UNKNOWN,
	KERNEL_BZIMAGE,
	KERNEL_ARM64, /* Image */
	KERNEL_ZBOOT, /* EFI zboot: a compressed Image in an EFI program */
	KERNEL_GZIP,  /* anything gzipped: Image.gz */
	KERNEL_ELF,   /* vmlinux */
};

/* Never fails; a head that is too short for a mark does not have it. */
enum kernel_format kernel_format(const void *head, size_t head_size);

/* For the log: `bzImage`, `arm64 Image`, …; constant string. */
const char *kernel_format_name(enum kernel_format format);

#define BZIMAGE_PROTOCOL_MIN 0x020c /* 2.12, the first with xloadflags */

/* A bzImage's header, decoded and not judged. */
struct bzimage {
	uint16_t protocol; /* 0x020f is 2.15 */
	bool loaded_high;  /* a bzImage, not a zImage */
	bool relocatable;
	bool entry64;		 /* XLF_KERNEL_64: has the 64-bit entry */
	bool above_4g;		 /* XLF_CAN_BE_LOADED_ABOVE_4G */
	uint64_t setup_size;	 /* bytes of boot sector and setup code */
	uint64_t image_size;	 /* bytes that the file must have: setup and kernel */
	uint32_t cmdline_size;	 /* longest command line, without its end */
	uint32_t init_size;	 /* memory needed to start */
	uint64_t version_offset; /* of the version text in the file; 0 when it has none */
};

/* -ENOEXEC no bzImage; -ENODATA its header is cut off by head_size. */
int bzimage_parse(const void *head, size_t head_size, struct bzimage *ret_image);

/*
 * Judges a header for a file of file_size bytes. A larger file is fine: signatures follow the
 * kernel.
 *
 * -ENOTSUP  cannot be started with kexec in 64-bit mode: protocol older than BZIMAGE_PROTOCOL_MIN,
 *           a zImage, no 64-bit entry, or not above 4 GiB; the fields say which
 * -EUCLEAN  contradictory: no kernel behind the setup code
 * -ENODATA  truncated: file_size is less than image_size
 */
int bzimage_check(const struct bzimage *image, uint64_t file_size);

/* The longest release there can be: utsname's field without its end. */
#define KERNEL_RELEASE_MAX 64
/* Read this many bytes at version_offset, or less when the file ends. */
#define BZIMAGE_VERSION_SIZE 128

/*
 * The release (`6.1.0-56-cloud-amd64`) of the version text `6.1.0-56-cloud-amd64 (builder) #1 SMP
 * …`, borrowed from it. Safe as a file name: letters, digits and `.-_+~:` only, not starting with
 * a '.'.
 * -ENODATA when the text ends before the release does, -EBADMSG for anything else.
 */
int bzimage_release(const char *text, size_t size, struct slice *ret_release);

/* An arm64 Image's header. */
struct arm64_image {
	uint64_t text_offset;
	uint64_t
		image_size; /* in memory, .bss included: the file may be smaller. 0: before Linux 3.17 */
	bool big_endian;
	unsigned page_size; /* bytes; 0 when not said */
	uint32_t pe_offset; /* of the PE header; 0 without an EFI entry */
};

/*
 * -ENOEXEC no arm64 Image, -ENODATA its header is cut off by head_size, -ENOTSUP a size that kexec
 * refuses (0). Whether the file is whole is for pe_extent() to say, when pe_offset is not 0.
 */
int arm64_image_parse(const void *head, size_t head_size, struct arm64_image *ret_image);
