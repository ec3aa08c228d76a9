/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The GRUB environment block. See grubenv.h for the format and for where this differs from
 * grub-editenv. Input is hostile; nothing here allocates, and a block is only changed as a whole.
 */
#include "grubenv.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "macro.h"

#define SIGNATURE_LEN (sizeof(GRUBENV_SIGNATURE) - 1)

/* A block under construction. Once something did not fit, full stays set. */
struct builder {
	char *block;
	size_t used;
	bool full;
};

static void put(struct builder *b, const char *bytes, size_t n)
{
	if (b->full || n > GRUBENV_SIZE - b->used) {
		b->full = true;
		return;
	}
	memcpy(b->block + b->used, bytes, n);
	b->used += n;
}

/* A variable's line; the value is plain, and escaped here. */
static void put_variable(struct builder *b, const char *name, size_t name_len, const char *value,
			 size_t value_len)
{
	put(b, name, name_len);
	put(b, "=", 1);
	for (size_t i = 0; i < value_len; i++) {
		if (value[i] == '\\' || value[i] == '\n')
			put(b, "\\", 1);
		put(b, value + i, 1);
	}
	put(b, "\n", 1);
}

static void pad(struct builder *b)
{
	memset(b->block + b->used, '#', GRUBENV_SIZE - b->used);
	b->used = GRUBENV_SIZE;
}

void grubenv_init(char block[static GRUBENV_SIZE])
{
	struct builder b = {.block = block};

	put(&b, GRUBENV_SIGNATURE, SIGNATURE_LEN);
	pad(&b);
}

/* Where the line that starts at `start` ends: the place of its newline. False when none ends it. */
static bool line_end(const char *data, size_t size, size_t start, size_t *ret_end)
{
	for (size_t i = start; i < size; i++) {
		if (data[i] == '\\') {
			i++;
		} else if (data[i] == '\n') {
			*ret_end = i;
			return true;
		}
	}
	return false;
}

/* Length of the lines in a block, without the padding. */
static int content_length(const char block[static GRUBENV_SIZE], size_t *ret_length)
{
	size_t length = GRUBENV_SIZE, at = 0, end;

	if (memcmp(block, GRUBENV_SIGNATURE, SIGNATURE_LEN) != 0)
		return -EBADMSG;
	/* Stops at the signature's newline at the latest. */
	while (block[length - 1] == '#')
		length--;
	if (block[length - 1] != '\n')
		return -EUCLEAN;
	while (at < length) {
		if (!line_end(block, length, at, &end))
			return -EUCLEAN;
		at = end + 1;
	}
	*ret_length = length;
	return 0;
}

int grubenv_check(const char *data, size_t size)
{
	size_t length;

	if (size != GRUBENV_SIZE)
		return -EMSGSIZE;
	return content_length(data, &length);
}

static bool name_valid(const char *name, size_t len)
{
	return len > 0 && name[0] != '#' && !memchr(name, '=', len) && !memchr(name, '\n', len) &&
	       !memchr(name, '\0', len);
}

bool grubenv_name_valid(const char *name)
{
	return name_valid(name, strlen(name));
}

/* Is the line of len bytes (without its newline) a variable? */
static bool parse_line(const char *line, size_t len, struct grubenv_var *ret_var)
{
	const char *equals = memchr(line, '=', len);
	size_t name_len;

	if (!equals)
		return false;
	name_len = (size_t)(equals - line);
	if (!name_valid(line, name_len))
		return false;
	*ret_var = (struct grubenv_var){
		.name = line,
		.name_len = name_len,
		.value = equals + 1,
		.value_len = len - name_len - 1,
	};
	return true;
}

bool grubenv_next(const char *data, size_t size, size_t *pos, struct grubenv_var *ret_var)
{
	size_t start, end;

	while (*pos < size) {
		start = *pos;
		if (!line_end(data, size, start, &end)) {
			*pos = size;
			return false;
		}
		*pos = end + 1;
		if (parse_line(data + start, end - start, ret_var))
			return true;
	}
	return false;
}

static bool var_is(const struct grubenv_var *var, const char *name, size_t name_len)
{
	return var->name_len == name_len && memcmp(var->name, name, name_len) == 0;
}

/* Length of the plain value; copies it to buf unless that is NULL. */
static size_t unescape(const struct grubenv_var *var, char *buf)
{
	size_t n = 0;

	for (size_t i = 0; i < var->value_len; i++) {
		/* A line never ends in an escape, so there is a byte after each '\'; a caller's own
		 * slice may lack it. */
		if (var->value[i] == '\\' && i + 1 < var->value_len)
			i++;
		if (var->value[i] == '\0')
			break;
		if (buf)
			buf[n] = var->value[i];
		n++;
	}
	return n;
}

int grubenv_value(const struct grubenv_var *var, char *buf, size_t buf_size)
{
	size_t n = unescape(var, NULL);

	if (n >= buf_size || n > INT_MAX)
		return -ENOBUFS;
	buf[unescape(var, buf)] = '\0';
	return (int)n;
}

int grubenv_get(const char *data, size_t size, const char *name, char *buf, size_t buf_size)
{
	struct grubenv_var var, last = {0};
	size_t pos = 0, name_len = strlen(name);

	while (grubenv_next(data, size, &pos, &var))
		if (var_is(&var, name, name_len))
			last = var;
	return last.name ? grubenv_value(&last, buf, buf_size) : -ENOENT;
}

/* A line that says nothing: empty, or of '#' alone. Padding becomes one when a newline is put
 * behind it, and a block full of it could take no variable any more. */
static bool is_filler(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (line[i] != '#')
			return false;
	return true;
}

/* Builds the block anew, line by line: each line of this name gives way, the first one to the new
 * value. value NULL removes. */
static void rebuild(struct builder *b, const char block[static GRUBENV_SIZE], size_t length,
		    const char *name, const char *value, bool drop_filler)
{
	size_t end, name_len = strlen(name);
	struct grubenv_var var;
	bool placed = !value;

	for (size_t at = 0; line_end(block, length, at, &end); at = end + 1) {
		if (drop_filler && is_filler(block + at, end - at))
			continue;
		if (!parse_line(block + at, end - at, &var) || !var_is(&var, name, name_len)) {
			put(b, block + at, end + 1 - at);
		} else if (!placed) {
			put_variable(b, name, name_len, value, strlen(value));
			placed = true;
		}
	}
	if (!placed)
		put_variable(b, name, name_len, value, strlen(value));
}

static int rewrite(char block[static GRUBENV_SIZE], const char *name, const char *value)
{
	char new_block[GRUBENV_SIZE];
	struct builder b = {.block = new_block};
	size_t length;
	int r;

	if (!grubenv_name_valid(name))
		return -EINVAL;
	r = content_length(block, &length);
	if (r < 0)
		return r;

	rebuild(&b, block, length, name, value, false);
	if (b.full) {
		b = (struct builder){.block = new_block};
		rebuild(&b, block, length, name, value, true);
	}
	if (b.full)
		return -ENOSPC;
	pad(&b);
	memcpy(block, new_block, GRUBENV_SIZE);
	return 0;
}

int grubenv_set(char block[static GRUBENV_SIZE], const char *name, const char *value)
{
	return rewrite(block, name, value);
}

int grubenv_unset(char block[static GRUBENV_SIZE], const char *name)
{
	return rewrite(block, name, NULL);
}

/* Does a later line have the same name? */
static bool is_superseded(const char *data, size_t size, size_t pos, const struct grubenv_var *var)
{
	struct grubenv_var later;

	while (grubenv_next(data, size, &pos, &later))
		if (var_is(&later, var->name, var->name_len))
			return true;
	return false;
}

bool grubenv_repair(const char *data, size_t size, char ret_block[static GRUBENV_SIZE])
{
	char plain[GRUBENV_SIZE];
	struct builder b = {.block = ret_block};
	struct grubenv_var var;
	size_t pos = 0;

	if (grubenv_check(data, size) == 0) {
		memcpy(ret_block, data, GRUBENV_SIZE);
		return false;
	}
	put(&b, GRUBENV_SIGNATURE, SIGNATURE_LEN);
	while (grubenv_next(data, size, &pos, &var)) {
		struct builder with = b;
		int value_len = grubenv_value(&var, plain, sizeof(plain));

		if (value_len < 0)
			continue;
		put_variable(&with, var.name, var.name_len, plain, (size_t)value_len);
		/* Asked last: it is the only question that costs a walk. */
		if (!with.full && !is_superseded(data, size, pos, &var))
			b = with;
	}
	pad(&b);
	return true;
}
