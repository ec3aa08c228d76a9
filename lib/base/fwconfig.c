/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fw_env.config; see fwconfig.h. The text is hostile; nothing of it is kept but what was checked. */
#include "fwconfig.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "line.h"
#include "macro.h"
#include "ubootenv.h"

#define WORDS_MIN 3
#define WORDS_MAX 6

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* A whole word as a number of at most max. Base 0: by its prefix. */
static bool parse_number(struct slice word, unsigned base, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (base != 10 && word.len > 2 && word.data[0] == '0' && (word.data[1] | 0x20) == 'x') {
		base = 16;
		word = slice_from(word, 2);
	} else if (base == 0) {
		base = word.len > 1 && word.data[0] == '0' ? 8 : 10;
	}
	if (word.len == 0)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		unsigned digit = (unsigned)digit_of(word.data[i]);

		if (digit >= base || value > (max - digit) / base)
			return false;
		value = value * base + digit;
	}
	*ret_value = value;
	return true;
}

static bool parse_offset(struct slice word, int64_t *ret_offset)
{
	bool negative = word.len > 0 && word.data[0] == '-';
	uint64_t value;

	if (negative || (word.len > 0 && word.data[0] == '+'))
		word = slice_from(word, 1);
	if (!parse_number(word, 0, INT64_MAX, &value))
		return false;
	*ret_offset = negative ? -(int64_t)value : (int64_t)value;
	return true;
}

static bool parse_size(struct slice word, size_t *ret_size)
{
	uint64_t value;

	if (!parse_number(word, 16, SIZE_MAX, &value))
		return false;
	*ret_size = (size_t)value;
	return true;
}

/* The words of a line, up to a comment. Returns how many, one more than WORDS_MAX for too many. */
static size_t split(struct slice line, struct slice words[static WORDS_MAX])
{
	struct slice word;
	size_t n = 0;

	while (line_word(&line, 0, &word) && word.data[0] != '#') {
		if (n == WORDS_MAX)
			return WORDS_MAX + 1;
		words[n++] = word;
	}
	return n;
}

static int parse_copy(const struct slice *words, size_t n, struct fwconfig *config, size_t i)
{
	__typeof__(config->copy[0]) copy = {0};
	size_t no_lock;

	if (n < WORDS_MIN || n > WORDS_MAX || words[0].len >= sizeof(copy.device) ||
	    memchr(words[0].data, '\0', words[0].len))
		return -EINVAL;
	memcpy(copy.device, words[0].data, words[0].len);
	if (!parse_offset(words[1], &copy.offset) || !parse_size(words[2], &copy.size) ||
	    (n > 3 && !parse_size(words[3], &copy.sector_size)) ||
	    (n > 4 && !parse_size(words[4], &copy.sectors)) ||
	    (n > 5 && !parse_size(words[5], &no_lock)))
		return -EINVAL;
	config->copy[i] = copy;
	return 0;
}

/* Does a copy lie where a device may have bytes, whatever its size? */
static bool is_possible(int64_t offset, size_t size)
{
	return offset < 0 ? offset <= -(int64_t)size : offset <= INT64_MAX - (int64_t)size;
}

/* Only copies that count from the same side can be compared; the others nobody knows here. */
static bool overlap(const struct fwconfig *config)
{
	int64_t a = config->copy[0].offset, b = config->copy[1].offset;
	int64_t size = (int64_t)config->copy[0].size;

	return streq(config->copy[0].device, config->copy[1].device) && (a < 0) == (b < 0) &&
	       MAX(a, b) - MIN(a, b) < size;
}

static int check_copy(const struct fwconfig *config, size_t i)
{
	size_t size = config->copy[i].size;

	if (size < UBOOTENV_SIZE_MIN || size > UBOOTENV_SIZE_MAX ||
	    !is_possible(config->copy[i].offset, size))
		return -ERANGE;
	if (i > 0 && (size != config->copy[0].size || overlap(config)))
		return -ERANGE;
	return 0;
}

int fwconfig_parse(const char *text, size_t size, struct fwconfig *ret_config, unsigned *ret_line)
{
	struct slice all = slice_of(text, size), line, words[WORDS_MAX];
	struct fwconfig config = {0};
	unsigned number = 0;
	size_t pos = 0, n;
	int r = 0;

	while (r == 0 && line_next(all, &pos, &line)) {
		number++;
		n = split(line, words);
		if (n == 0)
			continue;
		if (config.n == FWCONFIG_COPIES_MAX)
			r = -E2BIG;
		if (r == 0)
			r = parse_copy(words, n, &config, config.n);
		if (r == 0)
			r = check_copy(&config, config.n);
		config.n++;
	}
	if (r == 0 && config.n == 0) {
		r = -ENODATA;
		number = 0;
	}
	if (r < 0) {
		*ret_line = number;
		return r;
	}
	*ret_config = config;
	return 0;
}
