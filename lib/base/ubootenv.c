/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * U-Boot's binary environment; see ubootenv.h for the format. Images are hostile: every offset is
 * checked against the image, nothing is read before its end was seen. An image is changed in place
 * and belongs to the caller; a change is made when it is known to fit, so a failed one leaves it as
 * it was. The only file that uses zlib.
 */
#include "ubootenv.h"

#include <errno.h>
#include <string.h>

#include <zlib.h>

#define FLAG_OFFSET 4

static uint32_t checksum(const char *image, size_t size, enum ubootenv_form form)
{
	return (uint32_t)crc32(0, (const Bytef *)image + form, (uInt)(size - form));
}

int ubootenv_check(const char *image, size_t size, enum ubootenv_form form)
{
	uint32_t stored;

	if (size < UBOOTENV_SIZE_MIN || size > UBOOTENV_SIZE_MAX)
		return -EMSGSIZE;
	memcpy(&stored, image, sizeof(stored));
	return stored == checksum(image, size, form) ? 0 : -EBADMSG;
}

int ubootenv_choose(bool valid0, uint8_t flag0, bool valid1, uint8_t flag1,
		    enum ubootenv_scheme scheme)
{
	if (!valid0)
		return valid1 ? 1 : -1;
	if (!valid1)
		return 0;
	if (scheme == UBOOTENV_INCREMENTAL && flag0 == UINT8_MAX && flag1 == 0)
		return 1;
	if (scheme == UBOOTENV_INCREMENTAL && flag0 == 0 && flag1 == UINT8_MAX)
		return 0;
	return flag1 > flag0 ? 1 : 0;
}

uint8_t ubootenv_flag_after(uint8_t flag, enum ubootenv_scheme scheme)
{
	return scheme == UBOOTENV_BOOLEAN ? 1 : (uint8_t)(flag + 1);
}

void ubootenv_init(char *image, size_t size, enum ubootenv_form form)
{
	memset(image, 0, size);
	ubootenv_seal(image, size, form, 0);
}

/* The entry at `at`, whatever it holds, without its NUL. False at the empty string that ends the
 * list, and where no NUL follows. */
static bool entry_at(const char *image, size_t size, size_t at, struct slice *ret_entry)
{
	const char *end;

	if (at >= size || image[at] == '\0')
		return false;
	end = memchr(image + at, '\0', size - at);
	if (!end)
		return false;
	*ret_entry = slice_of(image + at, (size_t)(end - (image + at)));
	return true;
}

static bool parse_entry(struct slice entry, struct ubootenv_var *ret_var)
{
	const char *equals = memchr(entry.data, '=', entry.len);

	if (!equals || equals == entry.data)
		return false;
	ret_var->name = slice_of(entry.data, (size_t)(equals - entry.data));
	ret_var->value = slice_from(entry, ret_var->name.len + 1);
	return true;
}

bool ubootenv_next(const char *image, size_t size, enum ubootenv_form form, size_t *pos,
		   struct ubootenv_var *ret_var)
{
	struct slice entry;

	while (entry_at(image, size, form + *pos, &entry)) {
		*pos += entry.len + 1;
		if (parse_entry(entry, ret_var))
			return true;
	}
	return false;
}

int ubootenv_get(const char *image, size_t size, enum ubootenv_form form, const char *name,
		 char *buf, size_t buf_size)
{
	struct ubootenv_var var;
	struct slice last = {0};
	size_t pos = 0;

	while (ubootenv_next(image, size, form, &pos, &var))
		if (slice_is(var.name, name))
			last = var.value;
	if (!last.data)
		return -ENOENT;
	if (last.len >= buf_size)
		return -ENOBUFS;
	memcpy(buf, last.data, last.len);
	buf[last.len] = '\0';
	return (int)last.len;
}

static bool name_valid(struct slice name)
{
	return name.len > 0 && !memchr(name.data, '=', name.len) &&
	       !memchr(name.data, '\0', name.len);
}

bool ubootenv_name_valid(const char *name)
{
	return name_valid(slice_str(name));
}

/* Offset of the first byte behind the last entry. */
static size_t content_end(const char *image, size_t size, enum ubootenv_form form)
{
	struct slice entry;
	size_t at = form;

	while (entry_at(image, size, at, &entry))
		at += entry.len + 1;
	return at;
}

/* Where the entries of a name are, and how many bytes they take with their NULs. */
struct occurrences {
	size_t first; /* offset; of the end when there is none */
	size_t bytes;
	size_t end; /* of all entries */
};

static struct occurrences find_all(const char *image, size_t size, enum ubootenv_form form,
				   struct slice name)
{
	struct occurrences found = {.end = content_end(image, size, form)};
	struct ubootenv_var var;
	size_t pos = 0;

	found.first = found.end;
	while (ubootenv_next(image, size, form, &pos, &var)) {
		if (!slice_eq(var.name, name))
			continue;
		if (found.bytes == 0)
			found.first = (size_t)(var.name.data - image);
		found.bytes += var.name.len + var.value.len + 2;
	}
	return found;
}

/* Takes the entries of a name out, from the first one on; returns the new end. */
static size_t cut_out(char *image, size_t size, struct slice name, const struct occurrences *found)
{
	struct ubootenv_var var;
	struct slice entry;
	size_t at = found->first, to = found->first;

	while (at < found->end && entry_at(image, size, at, &entry)) {
		size_t len = entry.len + 1;

		if (!parse_entry(entry, &var) || !slice_eq(var.name, name)) {
			memmove(image + to, image + at, len);
			to += len;
		}
		at += len;
	}
	return to;
}

/* Puts an entry at `at`, before all that stands there up to end. */
static void put_in(char *image, size_t at, size_t end, struct slice name, struct slice value)
{
	size_t len = name.len + value.len + 2;
	char *to = image + at;

	memmove(to + len, to, end - at);
	memcpy(to, name.data, name.len);
	to[name.len] = '=';
	if (value.len > 0)
		memcpy(to + name.len + 1, value.data, value.len);
	to[len - 1] = '\0';
}

/* Is there room for len bytes behind `end`, and for the empty string behind them? */
static bool has_room(size_t size, size_t end, size_t len)
{
	return len < size - end;
}

int ubootenv_set(char *image, size_t size, enum ubootenv_form form, const char *name,
		 const char *value)
{
	struct slice n = slice_str(name), v = slice_str(value);
	struct occurrences found;
	size_t end;

	if (!name_valid(n))
		return -EINVAL;
	found = find_all(image, size, form, n);
	if (!has_room(size, found.end - found.bytes, n.len + v.len + 2))
		return -ENOSPC;
	end = cut_out(image, size, n, &found);
	put_in(image, found.first, end, n, v);
	image[end + n.len + v.len + 2] = '\0';
	return 0;
}

int ubootenv_unset(char *image, size_t size, enum ubootenv_form form, const char *name)
{
	struct slice n = slice_str(name);
	struct occurrences found;

	if (!name_valid(n))
		return -EINVAL;
	found = find_all(image, size, form, n);
	if (found.bytes > 0)
		image[cut_out(image, size, n, &found)] = '\0';
	return 0;
}

int ubootenv_append(char *image, size_t size, enum ubootenv_form form, struct slice name,
		    struct slice value)
{
	size_t end, len = name.len + value.len + 2;

	if (!name_valid(name) || (value.len > 0 && memchr(value.data, '\0', value.len)))
		return -EINVAL;
	end = content_end(image, size, form);
	if (!has_room(size, end, len))
		return -ENOSPC;
	put_in(image, end, end, name, value);
	image[end + len] = '\0';
	return 0;
}

void ubootenv_seal(char *image, size_t size, enum ubootenv_form form, uint8_t flag)
{
	size_t end = content_end(image, size, form);
	uint32_t crc;

	memset(image + end, 0, size - end);
	if (form == UBOOTENV_REDUNDANT)
		image[FLAG_OFFSET] = (char)flag;
	crc = checksum(image, size, form);
	memcpy(image, &crc, sizeof(crc));
}
