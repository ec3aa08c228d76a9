/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of a PE32+ file its Authenticode digest covers: the digest that a firmware extends into PCR 4
 * when it starts the file, and that its signature signs. Microsoft, "Windows Authenticode Portable
 * Executable Signature Format", "Calculating the PE Image Hash". The file is hostile: all parts lie in it.
 */
#pragma once

#include "slice.h"

#define AUTHENTICODE_SECTIONS_MAX 96 /* as Windows has it */
#define AUTHENTICODE_PARTS_MAX (AUTHENTICODE_SECTIONS_MAX + 4)

/* The parts to hash, in their order, into data. -EBADMSG: no PE32+ file, or one that contradicts itself. */
int authenticode_parts(const void *data, size_t size,
		       struct slice ret_parts[static AUTHENTICODE_PARTS_MAX], size_t *ret_n);
