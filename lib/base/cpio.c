/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Heads of cpio entries; all values are the caller's own. */
#include "cpio.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define END_NAME "TRAILER!!!"

static int format_head(char buf[static CPIO_HEAD_MAX], unsigned inode, const char *path,
		       unsigned mode, unsigned links, uint32_t size)
{
	size_t n;
	int head = snprintf(buf, CPIO_HEAD_MAX,
			    "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s", inode,
			    mode, 0u, 0u, links, 0u, size, 0u, 0u, 0u, 0u,
			    (unsigned)strlen(path) + 1, 0u, path);

	if (head < 0 || (size_t)head + 1 + CPIO_ALIGN > CPIO_HEAD_MAX)
		return -ENAMETOOLONG;
	n = (size_t)head + 1; /* the name's NUL */
	memset(buf + n, 0, cpio_padding(n));
	return (int)(n + cpio_padding(n));
}

int cpio_head(char buf[static CPIO_HEAD_MAX], unsigned inode, const char *path, unsigned mode,
	      uint32_t size)
{
	return format_head(buf, inode, path, mode, (mode & CPIO_TYPE) == CPIO_DIRECTORY ? 2 : 1,
			   size);
}

int cpio_end(char buf[static CPIO_HEAD_MAX])
{
	return format_head(buf, 0, END_NAME, 0, 1, 0);
}
