/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ownership by scope for file descriptors, memory and directory streams: `_close_ int fd`,
 * `_free_ char *p`, `_closedir_ DIR *d` are released when their scope ends, unless taken.
 */
#pragma once

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "macro.h"

static inline void close_p(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* what must be durable was fsynced before */
}

static inline void free_p(void *p)
{
	free(*(void **)p);
}

static inline void closedir_p(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

#define _close_ _cleanup_(close_p)
#define _free_ _cleanup_(free_p)
#define _closedir_ _cleanup_(closedir_p)

/* Moves ownership out of a descriptor that _close_ watches. */
#define take_fd(fd)             \
	({                      \
		int _fd = (fd); \
		(fd) = -1;      \
		_fd;            \
	})
