/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files in memory, made to be given to kexec. */
#pragma once

#include <stdint.h>

/* An empty one, to be written; the name is for /proc alone. A descriptor or a negative errno. */
int memfile_open(const char *name);

/* Copies size bytes from `offset` of another file to where `to` stands. -ENODATA when it is shorter. */
int memfile_copy(int to, int from, uint64_t offset, uint64_t size);

/* Opens it again, for reading: kexec takes none through a descriptor that writes. fd stays the
 * caller's, who closes it first. */
int memfile_finish(int fd, int *ret_fd);
