/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Certificates in PEM; see pemcert.h. The text is hostile; DER is read with checked lengths. */
#include "pemcert.h"

#include <errno.h>

#include "base64.h"
#include "macro.h"
#include "valid.h"

#define BEGIN "-----BEGIN "
#define END "-----END "
#define LABEL "CERTIFICATE-----"
#define LINE 64

enum {
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_SEQUENCE = 0x30,
	DER_CONTEXT_0 = 0xa0,
	DER_CONTEXT_3 = 0xa3,
};

/* The next value of a DER text: its tag, and what is in it. Lengths in the one way of DER. */
static int der_next(struct slice *rest, unsigned *ret_tag, struct slice *ret_inside)
{
	const unsigned char *p = (const unsigned char *)rest->data;
	size_t len, head = 2;

	if (rest->len < 2 || (p[0] & 0x1f) == 0x1f)
		return -EBADMSG;
	len = p[1];
	if (len > 0x80) {
		size_t n = len & 0x7f;

		if (n > 3 || rest->len < 2 + n || p[2] == 0)
			return -EBADMSG;
		len = 0;
		for (size_t i = 0; i < n; i++)
			len = len << 8 | p[2 + i];
		if (len < 0x80)
			return -EBADMSG;
		head += n;
	} else if (len == 0x80) {
		return -EBADMSG;
	}
	if (len > rest->len - head)
		return -EBADMSG;
	*ret_tag = p[0];
	*ret_inside = slice_of(rest->data + head, len);
	*rest = slice_from(*rest, head + len);
	return 0;
}

/* The next one, which is to have this tag. */
static int der_take(struct slice *rest, unsigned tag, struct slice *ret_inside)
{
	struct slice from = *rest, inside;
	unsigned found;

	if (der_next(&from, &found, &inside) < 0 || found != tag || inside.len == 0)
		return -EBADMSG;
	*rest = from;
	*ret_inside = inside;
	return 0;
}

/* TBSCertificate: version, serial number, signature's algorithm, issuer, validity, subject, key,
 * and at its end identifiers and extensions. */
static int check_tbs(struct slice rest)
{
	static const unsigned tags[] = {DER_INTEGER,  DER_SEQUENCE, DER_SEQUENCE,
					DER_SEQUENCE, DER_SEQUENCE, DER_SEQUENCE};
	struct slice inside;
	unsigned tag, last = 0;

	(void)der_take(&rest, DER_CONTEXT_0, &inside); /* version 1 does not say so */
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
		/* A subject may have no name. */
		if (der_next(&rest, &tag, &inside) < 0 || tag != tags[i])
			return -EBADMSG;
	while (rest.len > 0) {
		if (der_next(&rest, &tag, &inside) < 0 || tag <= last)
			return -EBADMSG;
		if (tag != 0x81 && tag != 0x82 && tag != DER_CONTEXT_3 && tag != 0xa1 &&
		    tag != 0xa2)
			return -EBADMSG;
		last = tag;
	}
	return 0;
}

int pemcert_check(const uint8_t *der, size_t size)
{
	struct slice rest = slice_of((const char *)der, size), certificate, tbs, inside;

	if (der_take(&rest, DER_SEQUENCE, &certificate) < 0 || rest.len > 0 ||
	    der_take(&certificate, DER_SEQUENCE, &tbs) < 0 || check_tbs(tbs) < 0 ||
	    der_take(&certificate, DER_SEQUENCE, &inside) < 0 ||
	    der_take(&certificate, DER_BIT_STRING, &inside) < 0 || certificate.len > 0)
		return -EBADMSG;
	return 0;
}

static int refuse(const char **ret_why, const char *why)
{
	if (ret_why)
		*ret_why = why;
	return -EBADMSG;
}

/* Base64 without its ends of lines and blanks, in a buffer of its own size. */
static int decode(struct slice body, uint8_t *der, size_t *ret_size)
{
	char digits[BASE64_SIZE(PEMCERT_MAX)];
	size_t n = 0;

	for (size_t i = 0; i < body.len; i++) {
		if (memchr(" \t\r\n", body.data[i], 4))
			continue;
		if (n == sizeof(digits))
			return -EBADMSG;
		digits[n++] = body.data[i];
	}
	return base64_decode(digits, n, der, PEMCERT_MAX, ret_size);
}

int pemcert_next(struct slice text, size_t *pos, uint8_t der[static PEMCERT_MAX], size_t *ret_size,
		 const char **ret_why)
{
	struct slice rest = slice_from(text, *pos), body;
	const char *begin, *end;
	size_t size;

	begin = rest.len > 0 ? memmem(rest.data, rest.len, BEGIN, strlen(BEGIN)) : NULL;
	if (!valid_rules(slice_of(rest.data, begin ? (size_t)(begin - rest.data) : rest.len)))
		return refuse(ret_why, "bytes that are no text");
	if (!begin)
		return 0;
	rest = slice_from(rest, (size_t)(begin - rest.data) + strlen(BEGIN));
	if (rest.len < strlen(LABEL) || memcmp(rest.data, LABEL, strlen(LABEL)) != 0)
		return refuse(ret_why, "something else in PEM than a certificate");
	rest = slice_from(rest, strlen(LABEL));
	end = memmem(rest.data, rest.len, END LABEL, strlen(END LABEL));
	if (!end)
		return refuse(ret_why, "a certificate without an end");
	body = slice_of(rest.data, (size_t)(end - rest.data));
	if (decode(body, der, &size) < 0)
		return refuse(ret_why, "a certificate that is not in base64");
	if (pemcert_check(der, size) < 0)
		return refuse(ret_why, "a certificate that is none inside");
	*pos = (size_t)(end - text.data) + strlen(END LABEL);
	*ret_size = size;
	return 1;
}

size_t pemcert_write(const uint8_t *der, size_t size, char *buf)
{
	char *out = stpcpy(buf, BEGIN LABEL "\n");

	for (size_t i = 0; i < size; i += LINE / 4 * 3) {
		base64_encode(der + i, MIN(size - i, (size_t)LINE / 4 * 3), out);
		out += strlen(out);
		*out++ = '\n';
	}
	out = stpcpy(out, END LABEL "\n");
	return (size_t)(out - buf);
}
