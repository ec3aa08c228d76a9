/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The signed description of a dm-verity root; see verityfile.h. Nothing about the text is trusted. */
#include "verityfile.h"

#include <errno.h>

#include "base64.h"
#include "slice.h"
#include "verity.h"

#define FORMAT "tugboot-verity-1"

/* Takes the line `key value` off the front of the text. */
static bool take(struct slice *text, const char *key, struct slice *ret_value)
{
	const char *end = text->len > 0 ? memchr(text->data, '\n', text->len) : NULL;
	size_t len = end ? (size_t)(end - text->data) : 0, key_len = strlen(key);

	if (len < key_len + 2 || memcmp(text->data, key, key_len) != 0 ||
	    text->data[key_len] != ' ')
		return false;
	*ret_value = slice_of(text->data + key_len + 1, len - key_len - 1);
	*text = slice_from(*text, len + 1);
	return true;
}

/* Decimal digits without a leading zero. */
static bool parse_offset(struct slice value, uint64_t *ret_offset)
{
	uint64_t offset = 0;

	if (value.len > 1 && value.data[0] == '0')
		return false;
	for (size_t i = 0; i < value.len; i++) {
		unsigned digit = (unsigned)(unsigned char)value.data[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(offset, 10, &offset) ||
		    __builtin_add_overflow(offset, digit, &offset))
			return false;
	}
	*ret_offset = offset;
	return offset <= INT64_MAX && offset % VERITY_SUPERBLOCK == 0;
}

int verityfile_parse(const char *text, size_t size, struct verityfile *ret_file)
{
	struct slice rest = slice_of(text, size), format, root_hash, offset, superblock, signature;
	struct verityfile file = {0};
	size_t n = 0;

	if (size > VERITYFILE_SIZE_MAX || !take(&rest, "format", &format) ||
	    !slice_is(format, FORMAT) || !take(&rest, "root-hash", &root_hash) ||
	    !take(&rest, "hash-offset", &offset) || !take(&rest, "superblock", &superblock))
		return -EBADMSG;
	file.signed_size = size - rest.len;
	if (!take(&rest, "signature", &signature) || rest.len > 0)
		return -EBADMSG;
	if (!parse_offset(offset, &file.hash_offset) ||
	    hex_decode(root_hash.data, root_hash.len, file.root_hash, sizeof(file.root_hash),
		       &file.root_hash_size) < 0 ||
	    file.root_hash_size < VERITYFILE_HASH_MIN ||
	    hex_decode(superblock.data, superblock.len, file.superblock, sizeof(file.superblock),
		       &n) < 0 ||
	    n != sizeof(file.superblock) ||
	    base64_decode(signature.data, signature.len, file.signature, sizeof(file.signature),
			  &file.signature_size) < 0 ||
	    file.signature_size == 0)
		return -EBADMSG;
	*ret_file = file;
	return 0;
}
