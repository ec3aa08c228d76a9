/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * U-Boot's text environments; see uenvtxt.h for the format. The text is hostile. It is changed in
 * place and belongs to the caller; a change is made when it is known to fit, so a failed one leaves
 * it as it was.
 */
#include "uenvtxt.h"

#include <errno.h>
#include <string.h>

enum line_kind {
	LINE_OTHER, /* blank or a comment */
	LINE_VARIABLE,
	LINE_BAD,
};

/* What stands between two newlines. */
struct text_line {
	enum line_kind kind;
	size_t start, end; /* end: behind its newline */
	struct uenvtxt_var var;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The text counts up to its first NUL. */
static size_t text_length(const char *text, size_t size)
{
	const char *nul = size > 0 ? memchr(text, '\0', size) : NULL;

	return nul ? (size_t)(nul - text) : size;
}

/* The line at `start` of a text without NULs; false when no newline ends it. Only in a value does a
 * '\' take the newline behind it. */
static bool line_at(const char *text, size_t length, size_t start, struct text_line *ret_line)
{
	struct text_line line = {.kind = LINE_OTHER, .start = start};
	size_t at = start, name, equals;

	while (at < length && is_blank(text[at]))
		at++;
	name = at;
	while (at < length && text[at] != '\n' && (text[at] != '=' || text[name] == '#'))
		at++;
	if (at == length)
		return false;
	equals = at;
	if (text[at] == '=') {
		for (at++; at < length && text[at] != '\n'; at++)
			if (text[at] == '\\')
				at++;
		if (at >= length)
			return false;
		line.kind = equals > name ? LINE_VARIABLE : LINE_BAD;
		line.var.name = slice_of(text + name, equals - name);
		line.var.value = slice_of(text + equals + 1, at - equals - 1);
	} else if (at > name && text[name] != '#' && !(at == name + 1 && text[name] == '\r')) {
		line.kind = LINE_BAD;
	}
	line.end = at + 1;
	*ret_line = line;
	return true;
}

int uenvtxt_check(const char *text, size_t size)
{
	size_t length = text_length(text, size), at = 0;
	struct text_line line;

	if (length == 0)
		return -EUCLEAN;
	for (; at < length; at = line.end)
		if (!line_at(text, length, at, &line) || line.kind == LINE_BAD)
			return -EUCLEAN;
	while (at < size)
		if (text[at++] != '\0')
			return -EUCLEAN;
	return 0;
}

bool uenvtxt_next(const char *text, size_t size, size_t *pos, struct uenvtxt_var *ret_var)
{
	size_t length = text_length(text, size);
	struct text_line line;

	while (*pos < length && line_at(text, length, *pos, &line)) {
		*pos = line.end;
		if (line.kind == LINE_VARIABLE) {
			*ret_var = line.var;
			return true;
		}
	}
	return false;
}

/* Length of the plain value; copies it to buf unless that is NULL. */
static size_t unescape(struct slice value, char *buf)
{
	size_t n = 0;

	for (size_t i = 0; i < value.len; i++) {
		/* A line never ends in an escape; a caller's own slice may. */
		if (value.data[i] == '\\' && i + 1 < value.len)
			i++;
		if (buf)
			buf[n] = value.data[i];
		n++;
	}
	return n;
}

int uenvtxt_value(const struct uenvtxt_var *var, char *buf, size_t buf_size)
{
	size_t n = unescape(var->value, NULL);

	if (n >= buf_size)
		return -ENOBUFS;
	buf[unescape(var->value, buf)] = '\0';
	return (int)n;
}

int uenvtxt_get(const char *text, size_t size, const char *name, char *buf, size_t buf_size)
{
	struct uenvtxt_var var, last = {0};
	size_t pos = 0;

	while (uenvtxt_next(text, size, &pos, &var))
		if (slice_is(var.name, name))
			last = var;
	return last.name.data ? uenvtxt_value(&last, buf, buf_size) : -ENOENT;
}

bool uenvtxt_name_valid(const char *name)
{
	return name[0] != '\0' && name[0] != '#' && !is_blank(name[0]) && !strpbrk(name, "=\n");
}

static bool needs_escape(char c)
{
	return c == '\\' || c == '\n';
}

/* Bytes of a variable's line. */
static size_t line_size(const char *name, const char *value)
{
	size_t n = strlen(name) + 2;

	for (; *value; value++)
		n += needs_escape(*value) ? 2 : 1;
	return n;
}

static void write_line(char *to, const char *name, const char *value)
{
	size_t n = strlen(name);

	memcpy(to, name, n);
	to += n;
	*to++ = '=';
	for (; *value; value++) {
		if (needs_escape(*value))
			*to++ = '\\';
		*to++ = *value;
	}
	*to = '\n';
}

/* Where the lines of a name are, and how many bytes they take. */
struct occurrences {
	size_t first; /* offset; of the end when there is none */
	size_t bytes;
	size_t end; /* of all lines */
};

static struct occurrences find_all(const char *text, size_t length, const char *name)
{
	struct occurrences found = {0};
	struct text_line line;
	bool any = false;

	for (; line_at(text, length, found.end, &line); found.end = line.end) {
		if (line.kind != LINE_VARIABLE || !slice_is(line.var.name, name))
			continue;
		if (!any)
			found.first = line.start;
		any = true;
		found.bytes += line.end - line.start;
	}
	if (!any)
		found.first = found.end;
	return found;
}

/* Takes the lines of a name out, from the first one on; returns the new end. */
static size_t cut_out(char *text, const char *name, const struct occurrences *found)
{
	size_t at = found->first, to = found->first;
	struct text_line line;

	while (at < found->end && line_at(text, found->end, at, &line)) {
		if (line.kind != LINE_VARIABLE || !slice_is(line.var.name, name)) {
			memmove(text + to, text + at, line.end - at);
			to += line.end - at;
		}
		at = line.end;
	}
	return to;
}

int uenvtxt_set(char *text, size_t *size, size_t max, const char *name, const char *value)
{
	size_t length = text_length(text, *size), end, n;
	struct occurrences found;

	if (!uenvtxt_name_valid(name))
		return -EINVAL;
	found = find_all(text, length, name);
	n = value ? line_size(name, value) : 0;
	end = found.end - found.bytes;
	if (n > max - end)
		return -ENOSPC;
	(void)cut_out(text, name, &found); /* to `end` */
	if (value) {
		memmove(text + found.first + n, text + found.first, end - found.first);
		write_line(text + found.first, name, value);
	}
	*size = end + n;
	return 0;
}
