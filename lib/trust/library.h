/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Libraries that are loaded when they are first needed: a boot without an encrypted volume does not
 * pay for libcryptsetup, and a host without a TPM need not have the TPM libraries.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct library_symbol {
	const char *name;
	void **pointer; /* filled in */
};

struct library {
	const char *file; /* file name with version, as in "libcryptsetup.so.12" */
	const struct library_symbol *symbol;
	size_t symbols;
	bool loaded;
};

/* Declares the pointer through which a library's function is called. */
#define LIBRARY_FUNCTION(function) static __typeof__(function) *sym_##function
/* Its line in the table. */
#define LIBRARY_SYMBOL(function)                            \
	{                                                   \
#function, (void **)(void *)&sym_##function \
	}

/*
 * Says that the libraries are in a filesystem image, which is mounted on `directory` (one where the
 * dynamic loader looks) when the first of them is needed: unpacking them would cost every boot. Both
 * strings are kept.
 */
void library_image(const char *image, const char *directory);

/* Loads it unless it is loaded. -EOPNOTSUPP when the file or one of the functions is missing, which
 * the log says by name. It stays loaded. */
int library_load(struct library *library);
