/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON (RFC 8259) from a hostile hand, through json-c but strictly: what two readers could take for
 * two things is refused before anything is read. json-c itself, version 0.16, lets pass keys that
 * stand twice (the last one counts), NULs in keys and texts, single quotes and control characters.
 *
 * Each jsonread_ function refuses with -EBADMSG what is not of its form, a NULL value too.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "macro.h"

static inline void jsonread_put(struct json_object **object)
{
	(void)json_object_put(*object); /* whether others still hold it is of no interest */
}
#define _jsonread_ _cleanup_(jsonread_put)

/* An object of at most max bytes and nothing behind it, nested at most eight deep. -ENOMEM. The
 * tree is the caller's to put. */
int jsonread_parse(const char *json, size_t size, size_t max, struct json_object **ret_object);

/* Why a text is refused in which a key stands twice in an object; *ret_at is then the second one's
 * opening quote. */
#define JSONREAD_TWICE "a key twice in the same object"

/* The same nested at most `depth` deep. On -EBADMSG *ret_why (a constant string) is what is wrong
 * and *ret_at about where: a byte of the text, or its size when that is not known. */
int jsonread_parse_why(const char *json, size_t size, size_t max, int depth, const char **ret_why,
		       size_t *ret_at, struct json_object **ret_object);

/* Text of less than size bytes, without control characters, so that it can be shown. */
int jsonread_text(struct json_object *value, char *buf, size_t size);

typedef int jsonread_decode_fn(const char *text, size_t len, void *buf, size_t max,
			       size_t *ret_size);
/* At least one byte and at most max, in base64_decode()'s or hex_decode()'s form. */
int jsonread_bytes(struct json_object *value, jsonread_decode_fn *decode, uint8_t *buf, size_t max,
		   size_t *ret_size);

/* Just size bytes of hexadecimal digits. */
int jsonread_digest(struct json_object *value, uint8_t *buf, size_t size);

/* A number up to max (less than UINT_MAX / 10) as text, in the one way to write it: a key, or a
 * text as LUKS2 has them. */
int jsonread_number(const char *text, unsigned max, unsigned *ret_number);

/* PCRs as in [0, 7], each at most once; none is fine. */
int jsonread_pcrs(struct json_object *value, uint32_t *ret_pcrs);
