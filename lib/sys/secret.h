/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Secrets: keys, passphrases, PINs. Their memory is their own mapping: locked (never swapped), left
 * out of core dumps and of children, wiped when it is given back. Nothing else holds a copy: who
 * passes a secret to a library that copies it wipes after it (wipe.h of lib/trust).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "macro.h"

#define SECRET_MAX 4096

struct secret {
	uint8_t *data; /* owned; NULL when there is none */
	size_t size;   /* bytes used, at most SECRET_MAX */
};

/* Room for a secret, all zero, of size bytes. -E2BIG over SECRET_MAX, -ENOMEM. When memory cannot be
 * locked (RLIMIT_MEMLOCK) it is used all the same. */
int secret_new(size_t size, struct secret *ret_secret);

/* The same with a copy of data. */
int secret_copy(const void *data, size_t size, struct secret *ret_secret);

/* Wipes and gives back; also for one that is empty. */
void secret_done(struct secret *secret);

/* Moves: *from is empty afterwards. */
static inline struct secret secret_take(struct secret *from)
{
	struct secret moved = *from;

	*from = (struct secret){0};
	return moved;
}

#define _secret_ _cleanup_(secret_done)
