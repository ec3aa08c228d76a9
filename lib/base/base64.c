/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Base64 and hexadecimal text; see base64.h. The text is hostile, the bytes may be a key: digits
 * are made and read by arithmetic on all of them, without a table or a branch that depends on one,
 * and whether the text was well-formed is asked at its end.
 */
#include "base64.h"

#include <errno.h>

/* All bits set when lo <= c <= hi, else none; all of them at most 255. */
static unsigned within(unsigned c, unsigned lo, unsigned hi)
{
	return 0u - (((lo - 1 - c) & (c - hi - 1)) >> 31);
}

/* What to add to c to get its digit's value is in the mask of its range alone; -1 for no digit. */
static unsigned base64_value(char digit)
{
	unsigned c = (unsigned char)digit;
	unsigned value = ~0u;

	value += within(c, 'A', 'Z') & (c - 'A' + 1);
	value += within(c, 'a', 'z') & (c - 'a' + 26 + 1);
	value += within(c, '0', '9') & (c - '0' + 52 + 1);
	value += within(c, '+', '+') & (62 + 1);
	value += within(c, '/', '/') & (63 + 1);
	return value;
}

static char base64_digit(unsigned value)
{
	unsigned c = 0;

	/* Zero is below every range, so the first one starts at one. */
	value++;
	c += within(value, 1, 26) & (value - 1 + 'A');
	c += within(value, 27, 52) & (value - 27 + 'a');
	c += within(value, 53, 62) & (value - 53 + '0');
	c += within(value, 63, 63) & '+';
	c += within(value, 64, 64) & '/';
	return (char)c;
}

void base64_encode(const void *data, size_t size, char *text)
{
	const uint8_t *p = data;

	for (; size > 0; text += 4) {
		size_t n = size < 3 ? size : 3;
		unsigned bits = (unsigned)p[0] << 16;

		bits |= n > 1 ? (unsigned)p[1] << 8 : 0;
		bits |= n > 2 ? p[2] : 0;
		text[0] = base64_digit(bits >> 18);
		text[1] = base64_digit(bits >> 12 & 63);
		text[2] = n > 1 ? base64_digit(bits >> 6 & 63) : '=';
		text[3] = n > 2 ? base64_digit(bits & 63) : '=';
		p += n;
		size -= n;
	}
	*text = '\0';
}

int base64_decode(const char *text, size_t len, void *buf, size_t max, size_t *ret_size)
{
	uint8_t *out = buf;
	unsigned bad = 0;
	size_t size, padding = 0, digits;

	if (len % 4 != 0)
		return -EBADMSG;
	while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
		padding++;
	digits = len - padding;
	size = len / 4 * 3 - padding;
	if (size > max)
		return -ENOSPC;

	/* Well-formed first: buf stays as it was otherwise. */
	for (size_t i = 0; i < digits; i++)
		bad |= base64_value(text[i]);
	if (digits > 0 && padding > 0) {
		/* The last digit's bits that are of no byte are zero, or two texts would mean the
		 * same. */
		bad |= 0u - ((base64_value(text[digits - 1]) & (padding == 1 ? 3u : 15u)) != 0);
	}
	if (bad >> 6 != 0)
		return -EBADMSG;

	for (size_t i = 0, o = 0; i < digits; i += 4) {
		unsigned bits = base64_value(text[i]) << 18 | base64_value(text[i + 1]) << 12;

		bits |= i + 2 < digits ? base64_value(text[i + 2]) << 6 : 0;
		bits |= i + 3 < digits ? base64_value(text[i + 3]) : 0;
		for (unsigned shift = 24; shift > 0 && o < size; o++) {
			shift -= 8;
			out[o] = (uint8_t)(bits >> shift);
		}
	}
	*ret_size = size;
	return 0;
}

static unsigned hex_value(char digit)
{
	unsigned c = (unsigned char)digit;
	unsigned value = ~0u;

	value += within(c, '0', '9') & (c - '0' + 1);
	value += within(c, 'a', 'f') & (c - 'a' + 10 + 1);
	value += within(c, 'A', 'F') & (c - 'A' + 10 + 1);
	return value;
}

static char hex_digit(unsigned value)
{
	return (char)(value + '0' + (within(value, 10, 15) & ('a' - 10 - '0')));
}

void hex_encode(const void *data, size_t size, char *text)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++) {
		*text++ = hex_digit(p[i] >> 4);
		*text++ = hex_digit(p[i] & 15);
	}
	*text = '\0';
}

int hex_decode(const char *text, size_t len, void *buf, size_t max, size_t *ret_size)
{
	uint8_t *out = buf;
	unsigned bad = 0;

	if (len % 2 != 0)
		return -EBADMSG;
	if (len / 2 > max)
		return -ENOSPC;
	for (size_t i = 0; i < len; i++)
		bad |= hex_value(text[i]);
	if (bad >> 4 != 0)
		return -EBADMSG;
	for (size_t i = 0; i < len / 2; i++)
		out[i] = (uint8_t)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
	*ret_size = len / 2;
	return 0;
}
