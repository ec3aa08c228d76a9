/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LUKS2 metadata from its JSON. The tree of json-c is the caller's. */
#include "luksjson.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>

#define SECTOR 512u
#define SEGMENTS_MAX 32u
/* Objects in each other: metadata has five levels, tokens may have more. */
#define DEPTH_MAX 16

static void tokener_free(json_tokener **tokener)
{
	json_tokener_free(*tokener);
}

/* NULL when it is missing or of another type. */
static json_object *get(json_object *object, const char *key, json_type type)
{
	json_object *value;

	if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

static bool get_text(json_object *object, const char *key, char *buf, size_t size)
{
	json_object *value = get(object, key, json_type_string);
	size_t len;

	if (!value)
		return false;
	len = (size_t)json_object_get_string_len(value);
	if (len == 0 || len >= size || strlen(json_object_get_string(value)) != len)
		return false;
	memcpy(buf, json_object_get_string(value), len + 1);
	return true;
}

static bool get_uint(json_object *object, const char *key, unsigned *ret_value)
{
	json_object *value = get(object, key, json_type_int);
	int64_t n;

	if (!value)
		return false;
	n = json_object_get_int64(value);
	if (n < 0 || n > INT_MAX)
		return false;
	*ret_value = (unsigned)n;
	return true;
}

/* Numbers of 64 bits are text: decimal, without a sign or a leading zero. */
static bool get_uint64(json_object *object, const char *key, uint64_t *ret_value)
{
	uint64_t value = 0;
	char text[24];

	if (!get_text(object, key, text, sizeof(text)) || (text[0] == '0' && text[1]))
		return false;
	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*c - '0'), &value))
			return false;
	}
	*ret_value = value;
	return true;
}

/* The number that names an object of a list: "0" to "31". */
static bool index_of(const char *name, unsigned max, unsigned *ret_index)
{
	unsigned value = 0;
	size_t len = strlen(name);

	if (len == 0 || len > 2 || (name[0] == '0' && len > 1))
		return false;
	for (; *name; name++) {
		if (*name < '0' || *name > '9')
			return false;
		value = value * 10 + (unsigned)(*name - '0');
	}
	if (value >= max)
		return false;
	*ret_index = value;
	return true;
}

/* A list of such numbers as text, as a bit mask. */
static bool get_indices(json_object *object, const char *key, uint32_t *ret_bits)
{
	json_object *list = get(object, key, json_type_array);
	uint32_t bits = 0;

	if (!list)
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *item = json_object_array_get_idx(list, i);
		unsigned index;

		if (!json_object_is_type(item, json_type_string) ||
		    !index_of(json_object_get_string(item), 32, &index))
			return false;
		bits |= 1u << index;
	}
	*ret_bits = bits;
	return true;
}

static const char *read_segment(json_object *segment, struct luks_info *info)
{
	uint64_t offset, tweak;
	char text[16];

	if (!get_text(segment, "type", text, sizeof(text)))
		return "segment type";
	/* What a reencryption has not come to yet may be a plain part. */
	if (!streq(text, "crypt"))
		return info->reencrypting ? NULL : "segment type";
	if (!get_text(segment, "encryption", info->cipher, sizeof(info->cipher)))
		return "segment encryption";
	if (!get_uint64(segment, "offset", &offset) || offset % SECTOR)
		return "segment offset";
	if (!get_uint(segment, "sector_size", &info->sector_size) || info->sector_size < SECTOR ||
	    info->sector_size > 4096 || (info->sector_size & (info->sector_size - 1)))
		return "segment sector_size";
	info->data_offset = offset / SECTOR;
	info->integrity = json_object_object_get_ex(segment, "integrity", NULL);
	if (info->reencrypting)
		return NULL;
	if (!get_text(segment, "size", text, sizeof(text)) || !streq(text, "dynamic"))
		return "segment size";
	if (!get_uint64(segment, "iv_tweak", &tweak) || tweak != 0)
		return "segment iv_tweak";
	return NULL;
}

static const char *read_segments(json_object *root, struct luks_info *info)
{
	json_object *segments = get(root, "segments", json_type_object);
	json_object *first;

	if (!segments || json_object_object_length(segments) <= 0)
		return "segments";
	/* Those of a reencryption that are only kept for its end are counted as well: they are none of
	 * a volume that is left in peace. */
	info->segments = (unsigned)json_object_object_length(segments);
	if (info->segments > SEGMENTS_MAX)
		return "segments";
	first = get(segments, "0", json_type_object);
	return first ? read_segment(first, info) : "segment 0";
}

static const char *read_config(json_object *root, struct luks_info *info)
{
	json_object *config = get(root, "config", json_type_object);
	json_object *flags, *requirements, *mandatory;

	if (!config)
		return "config";
	flags = get(config, "flags", json_type_array);
	for (size_t i = 0; flags && i < json_object_array_length(flags); i++) {
		const char *flag = json_object_get_string(json_object_array_get_idx(flags, i));

		if (flag && streq(flag, "allow-discards"))
			info->allow_discards = true;
	}
	if (!json_object_object_get_ex(config, "requirements", &requirements))
		return NULL;
	if (!json_object_is_type(requirements, json_type_object))
		return "requirements";
	if (!json_object_object_get_ex(requirements, "mandatory", &mandatory))
		return NULL;
	if (!json_object_is_type(mandatory, json_type_array))
		return "requirements";
	for (size_t i = 0; i < json_object_array_length(mandatory); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(mandatory, i));

		/* "online-reencrypt", "online-reencrypt-v2", …: their version matters only to who goes on
		 * with it. */
		if (!name || (!startswith(name, "online-reencrypt") &&
			      !startswith(name, "offline-reencrypt")))
			return "requirements";
		info->reencrypting = true;
	}
	return NULL;
}

/* Slots of other types ("reencrypt") are used, but open nothing. */
static const char *read_slot(json_object *slot, bool bound, struct luks_slot *ret_slot,
			     unsigned *ret_key_size)
{
	json_object *area, *kdf;
	unsigned bytes;
	char type[16];

	ret_slot->used = true;
	if (!get_text(slot, "type", type, sizeof(type)))
		return "keyslot type";
	if (!streq(type, "luks2"))
		return NULL;
	ret_slot->bound = bound;
	area = get(slot, "area", json_type_object);
	kdf = get(slot, "kdf", json_type_object);
	if (!area || !kdf)
		return "keyslot area or kdf";
	if (!get_uint(slot, "key_size", ret_key_size))
		return "keyslot key_size";
	if (!get_text(area, "encryption", ret_slot->area_cipher, sizeof(ret_slot->area_cipher)))
		return "keyslot area encryption";
	if (!get_uint(area, "key_size", &bytes) || bytes > SECRET_MAX)
		return "keyslot area key_size";
	ret_slot->area_key_bits = bytes * 8;
	if (!get_text(kdf, "type", type, sizeof(type)))
		return "keyslot kdf";
	if (streq(type, "pbkdf2"))
		return get_uint(kdf, "iterations", &ret_slot->iterations) &&
				       get_text(kdf, "hash", ret_slot->hash, sizeof(ret_slot->hash))
			       ? NULL
			       : "keyslot kdf";
	if (!streq(type, "argon2i") && !streq(type, "argon2id"))
		return "keyslot kdf";
	ret_slot->argon2 = true;
	return get_uint(kdf, "time", &ret_slot->iterations) &&
			       get_uint(kdf, "memory", &ret_slot->memory_kib)
		       ? NULL
		       : "keyslot kdf";
}

/* The slots that open the data: those of the digests of segment 0, the newer one while a
 * reencryption is on its way. */
static const char *read_digests(json_object *root, uint32_t *ret_bound)
{
	json_object *digests = get(root, "digests", json_type_object);

	if (!digests)
		return "digests";
	json_object_object_foreach(digests, name, digest)
	{
		uint32_t slots, segments;
		unsigned index;

		if (!index_of(name, 32, &index) || !json_object_is_type(digest, json_type_object) ||
		    !get_indices(digest, "keyslots", &slots) ||
		    !get_indices(digest, "segments", &segments))
			return "digest";
		if (segments & 1u)
			*ret_bound |= slots;
	}
	return NULL;
}

static const char *read_slots(json_object *root, struct luks_info *info)
{
	json_object *slots = get(root, "keyslots", json_type_object);
	uint32_t bound = 0;
	const char *wrong;

	if (!slots)
		return "keyslots";
	wrong = read_digests(root, &bound);
	if (wrong)
		return wrong;
	json_object_object_foreach(slots, name, slot)
	{
		unsigned index, key_size = 0;
		bool binds;

		if (!index_of(name, LUKS_SLOTS, &index) ||
		    !json_object_is_type(slot, json_type_object))
			return "keyslot";
		binds = bound & (1u << index);
		wrong = read_slot(slot, binds, &info->slot[index], &key_size);
		if (wrong)
			return wrong;
		if (!info->slot[index].bound)
			continue;
		/* All of them hold the same key. */
		if (key_size == 0 || (info->key_size && info->key_size != key_size))
			return "keyslot key_size";
		info->key_size = key_size;
	}
	return NULL;
}

static const char *read_tokens(json_object *root, struct luks_info *info)
{
	json_object *tokens = get(root, "tokens", json_type_object);

	if (!tokens)
		return "tokens";
	json_object_object_foreach(tokens, name, token)
	{
		unsigned index;

		if (!index_of(name, LUKS_TOKENS, &index) ||
		    !json_object_is_type(token, json_type_object))
			return "token";
		info->tokens |= 1u << index;
	}
	return NULL;
}

int luksjson_open(const char *json, size_t size, struct json_object **ret_tree)
{
	_cleanup_(tokener_free) json_tokener *tokener = NULL;
	json_object *tree;

	if (size > INT_MAX)
		return -EBADMSG;
	tokener = json_tokener_new_ex(DEPTH_MAX);
	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	tree = json_tokener_parse_ex(tokener, json, (int)size);
	if (!json_object_is_type(tree, json_type_object)) {
		luksjson_close(tree);
		return -EBADMSG;
	}
	*ret_tree = tree;
	return 0;
}

void luksjson_close(struct json_object *tree)
{
	(void)json_object_put(tree);
}

int luksjson_info(struct json_object *tree, struct luks_info *ret_info, const char **ret_what)
{
	static const char *(*const readers[])(json_object * root, struct luks_info * info) = {
		read_config, /* first: whether the segments are those of a reencryption */
		read_segments,
		read_slots,
		read_tokens,
	};
	struct luks_info info = {0};

	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		const char *wrong = readers[i](tree, &info);

		if (wrong) {
			*ret_what = wrong;
			return -EBADMSG;
		}
	}
	*ret_info = info;
	return 0;
}

int luksjson_token(struct json_object *tree, int token, const char **ret_json)
{
	json_object *tokens = get(tree, "tokens", json_type_object), *one;
	char name[16];

	(void)snprintf(name, sizeof(name), "%d", token);
	one = tokens ? get(tokens, name, json_type_object) : NULL;
	if (!one)
		return -ENOENT;
	*ret_json = json_object_to_json_string_ext(one, JSON_C_TO_STRING_PLAIN |
								JSON_C_TO_STRING_NOSLASHESCAPE);
	return *ret_json ? 0 : -ENOMEM;
}
