/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sealed objects; see tpmblob.h. Every field is taken off the front of what is left, if it is
 * there. */
#include "tpmblob.h"

#include <errno.h>

/* TPM 2.0 part 2: 6.3, 8.3.2. */
enum {
	ALG_KEYEDHASH = 0x0008,
	ALG_SHA256 = 0x000b,
	ALG_NULL = 0x0010,
	ATTRIBUTE_FIXED_TPM = 1u << 1,
	ATTRIBUTE_FIXED_PARENT = 1u << 4,
	ATTRIBUTE_NODA = 1u << 10,
};

/* True and moves on when so many bytes are left. */
static bool take(struct slice *rest, size_t size, const uint8_t **ret_bytes)
{
	if (rest->len < size)
		return false;
	*ret_bytes = (const uint8_t *)rest->data;
	*rest = slice_from(*rest, size);
	return true;
}

static bool take16(struct slice *rest, unsigned *ret_value)
{
	const uint8_t *p;

	if (!take(rest, 2, &p))
		return false;
	*ret_value = (unsigned)p[0] << 8 | p[1];
	return true;
}

static bool take32(struct slice *rest, uint32_t *ret_value)
{
	unsigned high, low;

	if (!take16(rest, &high) || !take16(rest, &low))
		return false;
	*ret_value = (uint32_t)high << 16 | low;
	return true;
}

/* A TPM2B: size and so many bytes. */
static bool take_sized(struct slice *rest, struct slice *ret_bytes)
{
	const uint8_t *p;
	unsigned size;

	if (!take16(rest, &size) || !take(rest, size, &p))
		return false;
	*ret_bytes = slice_of((const char *)p, size);
	return true;
}

/* TPMT_PUBLIC; NULL, or what is wrong. */
static const char *parse_public(struct slice rest, struct tpmblob *blob)
{
	const uint32_t fixed = ATTRIBUTE_FIXED_TPM | ATTRIBUTE_FIXED_PARENT;
	unsigned type, name_alg, scheme;
	struct slice policy, unique;
	uint32_t attributes;

	if (!take16(&rest, &type) || !take16(&rest, &name_alg) || !take32(&rest, &attributes) ||
	    !take_sized(&rest, &policy))
		return "public area is cut off";
	if (type != ALG_KEYEDHASH)
		return "not sealed data";
	if (name_alg != ALG_SHA256)
		return "name algorithm is not SHA-256";
	if ((attributes & ~(uint32_t)ATTRIBUTE_NODA) != fixed)
		return "attributes allow more than a policy does";
	if (policy.len != TPMBLOB_POLICY_SIZE)
		return "no policy of SHA-256's size";
	/* Behind any other scheme there would be its details, and the object would be a key. */
	if (!take16(&rest, &scheme) || scheme != ALG_NULL)
		return "not sealed data";
	if (!take_sized(&rest, &unique) || unique.len != TPMBLOB_POLICY_SIZE)
		return "public area without its digest";
	if (rest.len > 0)
		return "bytes behind the public area's fields";
	blob->noda = attributes & ATTRIBUTE_NODA;
	blob->policy = (const uint8_t *)policy.data;
	return NULL;
}

static const char *parse(struct slice rest, struct tpmblob *blob)
{
	if (!take_sized(&rest, &blob->private_area) || blob->private_area.len == 0)
		return "no private area";
	if (!take_sized(&rest, &blob->public_area) || blob->public_area.len == 0)
		return "no public area";
	if (rest.len > 0)
		return "bytes behind the public area";
	return parse_public(blob->public_area, blob);
}

int tpmblob_parse(const void *data, size_t size, struct tpmblob *ret_blob, const char **ret_what)
{
	struct tpmblob blob = {0};
	const char *what = parse(slice_of(data, size), &blob);

	if (what) {
		if (ret_what)
			*ret_what = what;
		return -EBADMSG;
	}
	*ret_blob = blob;
	return 0;
}
