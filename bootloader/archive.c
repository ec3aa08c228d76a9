/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing archives. Paths and data are the boot's own. */
#include "archive.h"

#include <errno.h>
#include <unistd.h>

#include "cpio.h"
#include "fd.h"
#include "memfile.h"

void archive_open(const char *name, struct archive *ret_archive)
{
	struct archive archive = {.fd = memfile_open(name)};

	archive.error = archive.fd < 0 ? archive.fd : 0;
	*ret_archive = archive;
}

static void put(struct archive *archive, const void *data, size_t size)
{
	if (archive->error == 0 && write(archive->fd, data, size) != (ssize_t)size)
		archive->error = -ENOSPC;
}

static void put_head(struct archive *archive, const char *path, unsigned mode, uint64_t size)
{
	char head[CPIO_HEAD_MAX];
	int n = size > UINT32_MAX ? -EFBIG
				  : cpio_head(head, ++archive->inode, path, mode, (uint32_t)size);

	if (n > 0)
		put(archive, head, (size_t)n);
	else if (archive->error == 0)
		archive->error = n;
}

static void put_padding(struct archive *archive, uint64_t size)
{
	static const char zeros[CPIO_ALIGN];

	put(archive, zeros, cpio_padding(size));
}

void archive_put(struct archive *archive, const char *path, unsigned mode, const void *data,
		 size_t size)
{
	put_head(archive, path, mode, size);
	if (size > 0)
		put(archive, data, size);
	put_padding(archive, size);
}

void archive_put_file(struct archive *archive, const char *path, unsigned permissions, int fd,
		      uint64_t size)
{
	put_head(archive, path, CPIO_REGULAR | permissions, size);
	if (archive->error == 0)
		archive->error = memfile_copy(archive->fd, fd, 0, size);
	put_padding(archive, size);
}

int archive_finish(struct archive *archive, int *ret_fd)
{
	char end[CPIO_HEAD_MAX];

	put(archive, end, (size_t)cpio_end(end));
	return archive->error < 0 ? archive->error : memfile_finish(archive->fd, ret_fd);
}

void archive_done(struct archive *archive)
{
	close_p(&archive->fd);
	archive->fd = -1;
}
