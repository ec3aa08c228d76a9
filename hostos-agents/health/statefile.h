/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files that outlive a power cut, each in a directory of the state partition. */
#pragma once

#include <stddef.h>

/* Makes a file hold just this: written beside it, made durable, renamed, the directory made durable. After
 * a cut it is as before or as wanted. The directory (one level) is made when it is missing. */
int statefile_write(const char *dir, const char *name, const char *data, size_t size);

/* The same for a file that no cut outlives, as in /run: whoever reads it sees all of it. */
int statefile_show(const char *dir, const char *name, const char *data, size_t size);

/* Removes it, durably, and what a cut left beside it. It need not be there. */
int statefile_remove(const char *dir, const char *name);

/* Reads at most max bytes; *ret_data is the caller's, with a NUL behind it. -ENOENT, -ELOOP for a
 * symbolic link, others of file.h. */
int statefile_read(const char *dir, const char *name, size_t max, char **ret_data,
		   size_t *ret_size);
