/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's initramfs archive, made (Documentation/driver-api/early-userspace/buffer-format.rst:
 * "newc" cpio). Heads only: the caller writes the data behind each, padded to CPIO_ALIGN.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CPIO_ALIGN 4
#define CPIO_HEAD_MAX 512
#define CPIO_TYPE 0170000u
#define CPIO_DIRECTORY 0040000u
#define CPIO_REGULAR 0100000u
#define CPIO_LINK 0120000u

/* Bytes to add to size to make it end where the next head may begin. */
static inline size_t cpio_padding(uint64_t size)
{
	return (size_t)(-size & (CPIO_ALIGN - 1));
}

/*
 * The head of an entry, padded: path without a leading slash, mode of CPIO_* and permission bits,
 * size of its data (a link's: the target). inode is the caller's own number, unique in the archive.
 * Returns its length, or -ENAMETOOLONG.
 */
int cpio_head(char buf[static CPIO_HEAD_MAX], unsigned inode, const char *path, unsigned mode,
	      uint32_t size);

/* The entry that ends an archive. */
int cpio_end(char buf[static CPIO_HEAD_MAX]);
