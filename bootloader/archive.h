/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An initramfs archive (cpio.h) being written to a file in memory. The first error stays, and
 * archive_finish() returns it, so that entries can be put one after the other.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct archive {
	int fd; /* owned */
	unsigned inode;
	int error;
};

#define ARCHIVE_NONE ((struct archive){.fd = -1})

/* Begins one. archive_done() in any case. */
void archive_open(const char *name, struct archive *ret_archive);

/* An entry with its data (NULL for none): path without a leading slash, mode as for cpio_head(). */
void archive_put(struct archive *archive, const char *path, unsigned mode, const void *data,
		 size_t size);

/* A regular file, of size bytes, with the data of fd. */
void archive_put_file(struct archive *archive, const char *path, unsigned permissions, int fd,
		      uint64_t size);

/* Ends it: a descriptor to read it with, as memfile_finish(). Or the first error. */
int archive_finish(struct archive *archive, int *ret_fd);

void archive_done(struct archive *archive);

#define _archive_ _cleanup_(archive_done)
