/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as `KEY VALUE` text. */
#include "line.h"

#include "must.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void must_be_trimmed(struct slice s)
{
	MUST(s.len == 0 || (!is_blank(s.data[0]) && !is_blank(s.data[s.len - 1])));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct slice text = {(const char *)input, input_size};
	struct slice line, key, value, word;
	bool valid = line_text_valid(text);
	size_t pos = 0, last = 0;

	while (line_next(text, &pos, &line)) {
		MUST(pos > last && pos <= text.len);
		must_lie_in(line, slice_of(text.data + last, pos - last));
		must_be_trimmed(line);
		MUST(line.len == 0 || !memchr(line.data, '\n', line.len));
		MUST(!valid || line.len == 0 || !memchr(line.data, '\r', line.len));
		if (line_split(line, &key, &value)) {
			MUST(key.len > 0 && key.data[0] != '#');
			must_lie_in(key, line);
			must_lie_in(value, line);
			MUST(value.data >= key.data + key.len);
			must_be_trimmed(value);
		}
		for (size_t before = line.len + 1; line_word(&line, ',', &word);) {
			MUST(word.len > 0 && !memchr(word.data, ',', word.len));
			MUST(line.len < before);
			before = line.len;
		}
		last = pos;
	}
	MUST(pos == text.len);
	return 0;
}
