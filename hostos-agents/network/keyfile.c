/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The form of key files; see keyfile.h. Trusts nothing, owns nothing. */
#include "keyfile.h"

#include <errno.h>
#include <stdbool.h>

#include "slice.h"
#include "valid.h"

/* Text as people write it: blanks and tabs, no other control character. */
static bool plain(struct slice text)
{
	while (text.len > 0) {
		const char *tab = memchr(text.data, '\t', text.len);
		size_t len = tab ? (size_t)(tab - text.data) : text.len;

		if (!valid_line(slice_of(text.data, len)))
			return false;
		text = slice_from(text, tab ? len + 1 : len);
	}
	return true;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct slice strip(struct slice text)
{
	while (text.len > 0 && blank(text.data[0]))
		text = slice_from(text, 1);
	while (text.len > 0 && blank(text.data[text.len - 1]))
		text.len--;
	return text;
}

struct state {
	bool in_section, found;
};

/* What is wrong with a line, NULL when nothing is. */
static const char *check_line(struct slice line, const char *section, struct state *state)
{
	const char *equals;

	if (!plain(line))
		return "a control character, or no UTF-8";
	line = strip(line);
	if (line.len == 0 || line.data[0] == '#' || line.data[0] == ';')
		return NULL;
	if (line.data[0] == '[') {
		struct slice name = slice_of(line.data + 1, line.len - 1);

		if (name.len < 2 || name.data[name.len - 1] != ']')
			return "a section without its ']'";
		name.len--;
		if (memchr(name.data, '[', name.len) || memchr(name.data, ']', name.len))
			return "a section with brackets in its name";
		state->in_section = true;
		state->found = state->found || slice_is(name, section);
		return NULL;
	}
	equals = memchr(line.data, '=', line.len);
	if (!equals)
		return "neither a section nor KEY=VALUE";
	if (equals == line.data)
		return "a value without a key";
	return state->in_section ? NULL : "a key before the first section";
}

int keyfile_check(const char *text, size_t size, const char *section,
		  struct keyfile_problem *ret_problem)
{
	struct slice rest = slice_of(text, size);
	struct state state = {0};
	unsigned number = 0;

	if (size > KEYFILE_MAX) {
		*ret_problem = (struct keyfile_problem){0, "too long"};
		return -EFBIG;
	}
	while (rest.len > 0) {
		const char *end = memchr(rest.data, '\n', rest.len), *words;
		struct slice line = slice_of(rest.data, end ? (size_t)(end - rest.data) : rest.len);

		rest = slice_from(rest, end ? line.len + 1 : line.len);
		number++;
		if (end && line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		words = check_line(line, section, &state);
		if (words) {
			*ret_problem = (struct keyfile_problem){number, words};
			return -EBADMSG;
		}
	}
	if (!state.found) {
		*ret_problem =
			(struct keyfile_problem){0, "the section that it must have is missing"};
		return -EBADMSG;
	}
	return 0;
}

int keyfile_escape(const char *value, char *buf, size_t size)
{
	size_t len = strlen(value), n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = value[i];
		char escape = c == '\\'				     ? '\\'
			      : c == '\n'			     ? 'n'
			      : c == '\r'			     ? 'r'
			      : c == '\t'			     ? 't'
			      : c == ' ' && (i == 0 || i + 1 == len) ? 's'
								     : '\0';

		if (n + 3 > size)
			return -ENOBUFS;
		if (escape)
			buf[n++] = '\\';
		buf[n++] = escape ? escape : c;
	}
	if (n + 1 > size)
		return -ENOBUFS;
	buf[n] = '\0';
	return 0;
}
