/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strict JSON; see jsonread.h. The text is hostile, the tree of json-c bounded by the text's
 * size. */
#include "jsonread.h"

#include <errno.h>
#include <string.h>

#include "base64.h"
#include "tpm.h"

#define DEPTH_MAX 8 /* five are in use */

/*
 * Counts the members of all objects by their colons. Refuses what json-c would let pass: other
 * quotes, NaN, control characters, NULs written as such or as an escape; *ret_at is where.
 */
static int scan(const char *json, size_t size, size_t *ret_members, size_t *ret_at)
{
	bool in_string = false;
	size_t members = 0;

	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)json[i];

		*ret_at = i;
		if (c < ' ' && (in_string || (c != '\t' && c != '\n' && c != '\r')))
			return -EBADMSG;
		if (c == '"') {
			in_string = !in_string;
		} else if (in_string && c == '\\') {
			if (size - i > 5 && memcmp(json + i + 1, "u0000", 5) == 0)
				return -EBADMSG;
			i++;
		} else if (!in_string && (c == '\'' || (c >= 'A' && c <= 'Z' && c != 'E'))) {
			return -EBADMSG; /* NaN and Infinity are no numbers of JSON */
		} else if (!in_string && c == ':') {
			members++;
		}
	}
	*ret_members = members;
	return 0;
}

/* The members that are there after a key took the place of the same one before. */
static size_t count_members(struct json_object *object)
{
	size_t members = 0;

	if (json_object_is_type(object, json_type_object)) {
		json_object_object_foreach(object, key, value)
		{
			(void)key; /* only the number of them counts */
			members += 1 + count_members(value);
		}
	} else if (json_object_is_type(object, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(object); i++)
			members += count_members(json_object_array_get_idx(object, i));
	}
	return members;
}

/* The end of the string that begins at pos, behind its quotes; size when it has none. */
static size_t string_end(const char *json, size_t size, size_t pos)
{
	for (pos++; pos < size && json[pos] != '"'; pos++)
		pos += json[pos] == '\\';
	return pos < size ? pos + 1 : size;
}

static bool is_key(const char *json, size_t size, size_t end)
{
	while (end < size && strchr(" \t\r\n", json[end]))
		end++;
	return end < size && json[end] == ':';
}

/* The same key as from begin to end once more in the same object; size when there is none, or when
 * *budget bytes were not enough to find it. */
static size_t find_again(const char *json, size_t size, size_t begin, size_t end, size_t *budget)
{
	size_t depth = 0;

	for (size_t i = end; i<size && * budget> 0; i++, (*budget)--) {
		if (json[i] == '{' || json[i] == '[') {
			depth++;
		} else if (json[i] == '}' || json[i] == ']') {
			if (depth-- == 0)
				break;
		} else if (json[i] == '"') {
			size_t close = string_end(json, size, i);

			if (depth == 0 && close - i == end - begin &&
			    memcmp(json + i, json + begin, end - begin) == 0 &&
			    is_key(json, size, close))
				return i;
			i = close - 1;
		}
	}
	return size;
}

/* Where a key stands for the second time, of a text that was parsed and has one; size when it is not
 * found: written in another way, or far away. */
static size_t find_twice(const char *json, size_t size)
{
	size_t budget = 16 * 1024 * 1024, end;

	for (size_t i = 0; i < size; i++) {
		if (json[i] != '"')
			continue;
		end = string_end(json, size, i);
		if (is_key(json, size, end)) {
			size_t again = find_again(json, size, i, end, &budget);

			if (again < size)
				return again;
		}
		i = end - 1;
	}
	return size;
}

static int refuse(const char *why, const char **ret_why)
{
	*ret_why = why;
	return -EBADMSG;
}

/* Some editors put one before a text. */
static bool has_byte_order_mark(const char *json, size_t size)
{
	return size >= 3 && memcmp(json, "\xef\xbb\xbf", 3) == 0;
}

/* What people do wrong, by how json-c stumbles over it. */
static const char *why_of(enum json_tokener_error error)
{
	switch (error) {
	case json_tokener_error_depth:
		return "nested too deeply";
	case json_tokener_error_parse_object_key_name:
		return "no key in quotes where one should be";
	case json_tokener_error_parse_object_key_sep:
		return "no ':' behind a key";
	case json_tokener_error_parse_object_value_sep:
	case json_tokener_error_parse_array:
		return "no ',' or bracket behind a value";
	case json_tokener_error_parse_string:
		return "a wrong escape in a string";
	default:
		return "something that may not stand there";
	}
}

int jsonread_parse_why(const char *json, size_t size, size_t max, int depth, const char **ret_why,
		       size_t *ret_at, struct json_object **ret_object)
{
	_jsonread_ struct json_object *object = NULL;
	struct json_tokener *tokener;
	enum json_tokener_error error;
	size_t members, end;
	int r;

	*ret_at = size;
	if (size > max)
		return refuse("too long", ret_why);
	r = scan(json, size, &members, ret_at);
	if (r < 0)
		return refuse("a character that may not stand there", ret_why);
	for (*ret_at = 0; *ret_at < size && strchr(" \t\r\n", json[*ret_at]);)
		(*ret_at)++;
	if (*ret_at == size)
		return refuse("nothing", ret_why);
	if (json[*ret_at] != '{')
		return refuse(has_byte_order_mark(json + *ret_at, size - *ret_at)
				      ? "a byte order mark"
				      : "no object",
			      ret_why);
	*ret_at = size;
	tokener = json_tokener_new_ex(depth);
	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, json, (int)size);
	end = json_tokener_get_parse_end(tokener);
	error = json_tokener_get_error(tokener);
	json_tokener_free(tokener);
	if (error == json_tokener_continue)
		return refuse("its end is missing", ret_why);
	*ret_at = end;
	if (error != json_tokener_success)
		return refuse(why_of(error), ret_why);
	if (end != size)
		return refuse("something behind its end", ret_why);
	if (!json_object_is_type(object, json_type_object))
		return refuse("no object", ret_why);
	if (count_members(object) != members) {
		*ret_at = find_twice(json, size);
		return refuse(JSONREAD_TWICE, ret_why);
	}
	*ret_object = take_ptr(object);
	return 0;
}

int jsonread_parse(const char *json, size_t size, size_t max, struct json_object **ret_object)
{
	const char *why;
	size_t at;

	return jsonread_parse_why(json, size, max, DEPTH_MAX, &why, &at, ret_object);
}

int jsonread_text(struct json_object *value, char *buf, size_t size)
{
	const char *text;
	size_t len;

	if (!json_object_is_type(value, json_type_string))
		return -EBADMSG;
	text = json_object_get_string(value);
	len = (size_t)json_object_get_string_len(value);
	if (len >= size)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return -EBADMSG;
	memcpy(buf, text, len + 1);
	return 0;
}

int jsonread_bytes(struct json_object *value, jsonread_decode_fn *decode, uint8_t *buf, size_t max,
		   size_t *ret_size)
{
	size_t size;

	if (!json_object_is_type(value, json_type_string) ||
	    decode(json_object_get_string(value), (size_t)json_object_get_string_len(value), buf,
		   max, &size) < 0 ||
	    size == 0)
		return -EBADMSG;
	*ret_size = size;
	return 0;
}

int jsonread_digest(struct json_object *value, uint8_t *buf, size_t size)
{
	size_t n;

	return jsonread_bytes(value, hex_decode, buf, size, &n) < 0 || n != size ? -EBADMSG : 0;
}

int jsonread_number(const char *text, unsigned max, unsigned *ret_number)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; text[i] >= '0' && text[i] <= '9' && n <= max; i++)
		n = n * 10 + (unsigned)(text[i] - '0');
	if (i == 0 || text[i] != '\0' || n > max || (text[0] == '0' && i > 1))
		return -EBADMSG;
	*ret_number = n;
	return 0;
}

int jsonread_pcrs(struct json_object *value, uint32_t *ret_pcrs)
{
	uint32_t pcrs = 0;

	if (!json_object_is_type(value, json_type_array))
		return -EBADMSG;
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		struct json_object *item = json_object_array_get_idx(value, i);
		int64_t pcr;

		if (!json_object_is_type(item, json_type_int))
			return -EBADMSG;
		pcr = json_object_get_int64(item);
		if (pcr < 0 || pcr >= TPM_PCRS || pcrs & 1u << pcr)
			return -EBADMSG;
		pcrs |= 1u << pcr;
	}
	*ret_pcrs = pcrs;
	return 0;
}
