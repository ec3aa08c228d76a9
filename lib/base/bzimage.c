/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel image headers; see bzimage.h. The file is hostile: every field is read only when its place
 * lies within the bytes at hand, and sizes are computed in 64 bits from 32-bit fields.
 */
#include "bzimage.h"

#include <errno.h>
#include <string.h>

/* Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header". */
enum {
	X86_SETUP_SECTS = 0x1f1,
	X86_SYSSIZE = 0x1f4,
	X86_BOOT_FLAG = 0x1fe,
	X86_MAGIC = 0x202,
	X86_VERSION = 0x206,
	X86_KERNEL_VERSION = 0x20e,
	X86_LOADFLAGS = 0x211,
	X86_RELOCATABLE = 0x234,
	X86_XLOADFLAGS = 0x236,
	X86_CMDLINE_SIZE = 0x238,
	X86_INIT_SIZE = 0x260,
	X86_HEADER_END = 0x264,

	X86_SECTOR = 512,
	X86_SETUP_SECTS_DEFAULT = 4, /* what 0 means */
	X86_LOADED_HIGH = 1 << 0,
	X86_XLF_KERNEL_64 = 1 << 0,
	X86_XLF_CAN_BE_LOADED_ABOVE_4G = 1 << 1,
	X86_CMDLINE_SIZE_OLD = 255, /* before protocol 2.06 */
};

/* Documentation/arch/arm64/booting.rst, "Call the kernel image". */
enum {
	ARM64_TEXT_OFFSET = 8,
	ARM64_IMAGE_SIZE = 16,
	ARM64_FLAGS = 24,
	ARM64_MAGIC = 56,
	ARM64_PE_OFFSET = 60,
	ARM64_HEADER_END = 64,

	ARM64_FLAG_BE = 1 << 0,
	ARM64_FLAG_PAGE_SHIFT = 1,
	ARM64_FLAG_PAGE_MASK = 3,
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static bool has(const uint8_t *head, size_t head_size, size_t at, const char *mark, size_t len)
{
	return head_size >= len && at <= head_size - len && memcmp(head + at, mark, len) == 0;
}

static bool is_bzimage(const uint8_t *head, size_t head_size)
{
	return has(head, head_size, X86_BOOT_FLAG, "\x55\xaa", 2) &&
	       has(head, head_size, X86_MAGIC, "HdrS", 4);
}

static bool is_arm64(const uint8_t *head, size_t head_size)
{
	return has(head, head_size, ARM64_MAGIC, "ARM\x64", 4);
}

enum kernel_format kernel_format(const void *head, size_t head_size)
{
	if (is_bzimage(head, head_size))
		return KERNEL_BZIMAGE;
	if (is_arm64(head, head_size))
		return KERNEL_ARM64;
	if (has(head, head_size, 0, "MZ", 2) && has(head, head_size, 4, "zimg", 4))
		return KERNEL_ZBOOT;
	if (has(head, head_size, 0, "\x1f\x8b\x08", 3))
		return KERNEL_GZIP;
	if (has(head, head_size, 0,
		"\x7f"
		"ELF",
		4))
		return KERNEL_ELF;
	return KERNEL_UNKNOWN;
}

const char *kernel_format_name(enum kernel_format format)
{
	switch (format) {
	case KERNEL_BZIMAGE:
		return "bzImage";
	case KERNEL_ARM64:
		return "arm64 Image";
	case KERNEL_ZBOOT:
		return "EFI zboot";
	case KERNEL_GZIP:
		return "gzip";
	case KERNEL_ELF:
		return "ELF";
	case KERNEL_UNKNOWN:
		break;
	}
	return "unknown";
}

int bzimage_parse(const void *data, size_t head_size, struct bzimage *ret_image)
{
	const uint8_t *head = data;
	struct bzimage image = {.cmdline_size = X86_CMDLINE_SIZE_OLD};
	unsigned setup_sects, version;
	uint32_t syssize;

	if (head_size >= X86_VERSION && !is_bzimage(head, head_size))
		return -ENOEXEC;
	if (head_size < X86_HEADER_END)
		return -ENODATA;

	image.protocol = get16(head + X86_VERSION);
	image.loaded_high = head[X86_LOADFLAGS] & X86_LOADED_HIGH;
	setup_sects = head[X86_SETUP_SECTS];
	if (setup_sects == 0)
		setup_sects = X86_SETUP_SECTS_DEFAULT;
	image.setup_size = (setup_sects + 1) * X86_SECTOR;
	syssize = get32(head + X86_SYSSIZE);
	if (image.protocol < 0x0204)
		syssize &= 0xffff; /* the upper half was another field */
	image.image_size = image.setup_size + (uint64_t)syssize * 16;

	/* Counted from the first setup sector; only there it is valid. */
	version = get16(head + X86_KERNEL_VERSION);
	if (version != 0 && version < setup_sects * X86_SECTOR)
		image.version_offset = version + X86_SECTOR;

	/* Fields that older protocols do not have hold code there. */
	if (image.protocol >= 0x0205)
		image.relocatable = head[X86_RELOCATABLE] != 0;
	if (image.protocol >= 0x0206)
		image.cmdline_size = get32(head + X86_CMDLINE_SIZE);
	if (image.protocol >= 0x020a)
		image.init_size = get32(head + X86_INIT_SIZE);
	if (image.protocol >= BZIMAGE_PROTOCOL_MIN) {
		uint16_t flags = get16(head + X86_XLOADFLAGS);

		image.entry64 = flags & X86_XLF_KERNEL_64;
		image.above_4g = flags & X86_XLF_CAN_BE_LOADED_ABOVE_4G;
	}
	*ret_image = image;
	return 0;
}

int bzimage_check(const struct bzimage *image, uint64_t file_size)
{
	if (image->protocol < BZIMAGE_PROTOCOL_MIN || !image->loaded_high || !image->entry64 ||
	    !image->above_4g)
		return -ENOTSUP;
	if (image->image_size <= image->setup_size)
		return -EUCLEAN;
	if (file_size < image->image_size)
		return -ENODATA;
	return 0;
}

static bool is_release_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c != '\0' && strchr(".-_+~:", c));
}

int bzimage_release(const char *text, size_t size, struct slice *ret_release)
{
	size_t n = 0;

	while (n < size && n <= KERNEL_RELEASE_MAX && is_release_char(text[n]))
		n++;
	if (n > KERNEL_RELEASE_MAX)
		return -EBADMSG;
	if (n == size)
		return -ENODATA;
	if (n == 0 || text[0] == '.' || (text[n] != ' ' && text[n] != '\0'))
		return -EBADMSG;
	*ret_release = slice_of(text, n);
	return 0;
}

int arm64_image_parse(const void *data, size_t head_size, struct arm64_image *ret_image)
{
	static const unsigned page_sizes[] = {0, 4096, 16384, 65536};
	const uint8_t *head = data;
	struct arm64_image image = {0};
	uint64_t flags;

	if (head_size >= ARM64_PE_OFFSET && !is_arm64(head, head_size))
		return -ENOEXEC;
	if (head_size < ARM64_HEADER_END)
		return -ENODATA;

	image.text_offset = get64(head + ARM64_TEXT_OFFSET);
	image.image_size = get64(head + ARM64_IMAGE_SIZE);
	flags = get64(head + ARM64_FLAGS);
	image.big_endian = flags & ARM64_FLAG_BE;
	image.page_size = page_sizes[flags >> ARM64_FLAG_PAGE_SHIFT & ARM64_FLAG_PAGE_MASK];
	image.pe_offset = get32(head + ARM64_PE_OFFSET);
	if (image.image_size == 0)
		return -ENOTSUP;
	*ret_image = image;
	return 0;
}
