/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Key bags; see keybag.h. The file comes out of memory that the boot role filled, but is read as if
 * it were hostile. Everything is checked where it lies before anything is copied, so that keys are
 * in the caller's memory alone.
 */
#include "keybag.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "macro.h"
#include "partname.h"

#define MAGIC "TUGKEYS1"
#define MAGIC_SIZE 8
#define HEAD_SIZE (MAGIC_SIZE + 4)

/* Of a volume, up to its key. */
enum {
	AT_ROLE = 0,
	AT_FLAGS = 1,
	AT_KEY_SIZE = 2,
	AT_SECTOR_SIZE = 4,
	AT_OFFSET = 8,
	AT_UUID = 16,
	AT_CIPHER = 56,
	AT_NAME = 96,
	AT_KEY = 128,
};

_Static_assert(HEAD_SIZE + KEYBAG_VOLUMES * (AT_KEY + KEYBAG_KEY_MAX) <= KEYBAG_SIZE_MAX,
	       "a full bag fits");

static uint64_t get(const uint8_t *p, size_t size)
{
	uint64_t value = 0;

	while (size-- > 0)
		value = value << 8 | p[size];
	return value;
}

static void put(uint8_t *p, size_t size, uint64_t value)
{
	for (size_t i = 0; i < size; i++, value >>= 8)
		p[i] = (uint8_t)value;
}

/* Printable, not empty, and NULs behind it. */
static bool is_text(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	if (len == 0 || len == size)
		return false;
	for (size_t i = 0; i < size; i++)
		if (i < len ? text[i] <= ' ' || text[i] > '~' : text[i] != '\0')
			return false;
	return true;
}

static bool is_name(const char *name, size_t size)
{
	return is_text(name, size) && !memchr(name, '/', size) && !streq(name, ".") &&
	       !streq(name, "..");
}

static bool are_numbers_valid(uint8_t role, uint8_t flags, size_t key_size, uint32_t sector_size)
{
	return role > PART_NONE && role < PART_ROLE_COUNT &&
	       (flags & ~(KEYBAG_DISCARDS | KEYBAG_READ_ONLY)) == 0 && key_size > 0 &&
	       key_size <= KEYBAG_KEY_MAX &&
	       (sector_size == 512 || sector_size == 1024 || sector_size == 2048 ||
		sector_size == 4096);
}

/* Where each volume begins. */
static bool find_volumes(const uint8_t *data, size_t size, const uint8_t **ret_volume, unsigned n)
{
	size_t at = HEAD_SIZE;

	for (unsigned i = 0; i < n; i++) {
		const uint8_t *p = data + at;
		size_t key_size;

		if (size - at < AT_KEY)
			return false;
		key_size = get(p + AT_KEY_SIZE, 2);
		if (!are_numbers_valid(p[AT_ROLE], p[AT_FLAGS], key_size,
				       (uint32_t)get(p + AT_SECTOR_SIZE, 4)) ||
		    !is_text((const char *)p + AT_UUID, AT_CIPHER - AT_UUID) ||
		    !is_text((const char *)p + AT_CIPHER, AT_NAME - AT_CIPHER) ||
		    !is_name((const char *)p + AT_NAME, AT_KEY - AT_NAME))
			return false;
		if (size - at - AT_KEY < key_size)
			return false;
		for (unsigned j = 0; j < i; j++)
			if (memcmp(p + AT_UUID, ret_volume[j] + AT_UUID, AT_CIPHER - AT_UUID) ==
				    0 ||
			    memcmp(p + AT_NAME, ret_volume[j] + AT_NAME, AT_KEY - AT_NAME) == 0)
				return false;
		ret_volume[i] = p;
		at += AT_KEY + key_size;
	}
	return at == size;
}

static void copy_volume(const uint8_t *p, struct keybag_volume *volume)
{
	volume->role = p[AT_ROLE];
	volume->flags = p[AT_FLAGS];
	volume->key_size = (uint16_t)get(p + AT_KEY_SIZE, 2);
	volume->sector_size = (uint32_t)get(p + AT_SECTOR_SIZE, 4);
	volume->offset = get(p + AT_OFFSET, 8);
	memcpy(volume->uuid, p + AT_UUID, sizeof(volume->uuid));
	memcpy(volume->cipher, p + AT_CIPHER, sizeof(volume->cipher));
	memcpy(volume->name, p + AT_NAME, sizeof(volume->name));
	memcpy(volume->key, p + AT_KEY, volume->key_size);
}

int keybag_parse(const void *data, size_t size, struct keybag *ret_bag)
{
	const uint8_t *volume[KEYBAG_VOLUMES];
	const uint8_t *p = data;
	uint64_t n;

	if (size < HEAD_SIZE || memcmp(p, MAGIC, MAGIC_SIZE) != 0)
		return -EBADMSG;
	n = get(p + MAGIC_SIZE, 4);
	if (n > KEYBAG_VOLUMES || !find_volumes(p, size, volume, (unsigned)n))
		return -EBADMSG;
	memset(ret_bag, 0, sizeof(*ret_bag));
	ret_bag->n = (unsigned)n;
	for (unsigned i = 0; i < ret_bag->n; i++)
		copy_volume(volume[i], &ret_bag->volume[i]);
	return 0;
}

static bool is_volume_valid(const struct keybag *bag, unsigned i)
{
	const struct keybag_volume *volume = &bag->volume[i];

	if (!are_numbers_valid(volume->role, volume->flags, volume->key_size,
			       volume->sector_size) ||
	    !is_text(volume->uuid, sizeof(volume->uuid)) ||
	    !is_text(volume->cipher, sizeof(volume->cipher)) ||
	    !is_name(volume->name, sizeof(volume->name)))
		return false;
	for (unsigned j = 0; j < i; j++)
		if (streq(volume->uuid, bag->volume[j].uuid) ||
		    streq(volume->name, bag->volume[j].name))
			return false;
	return true;
}

int keybag_format(const struct keybag *bag, void *buf, size_t size, size_t *ret_size)
{
	size_t needed = HEAD_SIZE;
	uint8_t *p = buf;

	if (bag->n > KEYBAG_VOLUMES)
		return -EINVAL;
	for (unsigned i = 0; i < bag->n; i++) {
		if (!is_volume_valid(bag, i))
			return -EINVAL;
		needed += AT_KEY + (size_t)bag->volume[i].key_size;
	}
	if (needed > size)
		return -ENOSPC;

	memcpy(p, MAGIC, MAGIC_SIZE);
	put(p + MAGIC_SIZE, 4, bag->n);
	p += HEAD_SIZE;
	for (unsigned i = 0; i < bag->n; i++) {
		const struct keybag_volume *volume = &bag->volume[i];

		p[AT_ROLE] = volume->role;
		p[AT_FLAGS] = volume->flags;
		put(p + AT_KEY_SIZE, 2, volume->key_size);
		put(p + AT_SECTOR_SIZE, 4, volume->sector_size);
		put(p + AT_OFFSET, 8, volume->offset);
		memcpy(p + AT_UUID, volume->uuid, sizeof(volume->uuid));
		memcpy(p + AT_CIPHER, volume->cipher, sizeof(volume->cipher));
		memcpy(p + AT_NAME, volume->name, sizeof(volume->name));
		memcpy(p + AT_KEY, volume->key, volume->key_size);
		p += AT_KEY + (size_t)volume->key_size;
	}
	*ret_size = needed;
	return 0;
}
