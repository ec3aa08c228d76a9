/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of `KEY VALUE` text; see line.h. Nothing about the text is trusted. */
#include "line.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool line_text_valid(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c == '\r') {
			if (i + 1 == text.len || text.data[i + 1] != '\n')
				return false;
		} else if ((c < ' ' && c != '\t' && c != '\n') || c == 0x7f) {
			return false;
		}
	}
	return true;
}

static struct slice trim(struct slice s)
{
	while (s.len > 0 && is_blank(s.data[0]))
		s = slice_from(s, 1);
	while (s.len > 0 && is_blank(s.data[s.len - 1]))
		s.len--;
	return s;
}

bool line_next(struct slice text, size_t *pos, struct slice *ret_line)
{
	struct slice rest, line;
	const char *end;

	if (*pos >= text.len)
		return false;
	rest = slice_from(text, *pos);
	end = memchr(rest.data, '\n', rest.len);
	line = slice_of(rest.data, end ? (size_t)(end - rest.data) : rest.len);
	*pos += line.len + (end ? 1 : 0);
	if (end && line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	*ret_line = trim(line);
	return true;
}

bool line_word(struct slice *rest, char extra, struct slice *ret_word)
{
	struct slice s = *rest;
	size_t n = 0;

	while (s.len > 0 && (is_blank(s.data[0]) || (extra && s.data[0] == extra)))
		s = slice_from(s, 1);
	if (s.len == 0)
		return false;
	while (n < s.len && !is_blank(s.data[n]) && !(extra && s.data[n] == extra))
		n++;
	*ret_word = slice_of(s.data, n);
	*rest = trim(slice_from(s, n));
	return true;
}

bool line_split(struct slice line, struct slice *ret_key, struct slice *ret_value)
{
	struct slice key;

	if (line.len > 0 && line.data[0] == '#')
		return false;
	if (!line_word(&line, 0, &key))
		return false;
	*ret_key = key;
	*ret_value = line;
	return true;
}

bool line_word_is(struct slice word, const char *s)
{
	size_t n = strlen(s);

	if (word.len != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (ascii_lower(word.data[i]) != ascii_lower(s[i]))
			return false;
	return true;
}
