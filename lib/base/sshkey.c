/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of authorized_keys; see sshkey.h. The text is hostile. */
#include "sshkey.h"

#include <errno.h>
#include <stdint.h>

#include "base64.h"
#include "macro.h"
#include "valid.h"

/* What follows the algorithm's name in a blob, in this order; 'c' is the curve's name, which is the
 * end of the algorithm's, 's' any string, 'n' a positive number, 'e' 32 bytes, 'p' a point. */
static const struct {
	const char *name, *parts;
} algorithms[] = {
	{"ssh-ed25519", "e"},
	{"ssh-rsa", "nn"},
	{"ecdsa-sha2-nistp256", "cp"},
	{"ecdsa-sha2-nistp384", "cp"},
	{"ecdsa-sha2-nistp521", "cp"},
	{"sk-ssh-ed25519@openssh.com", "es"},
	{"sk-ecdsa-sha2-nistp256@openssh.com", "cps"},
	{"ssh-dss", "nnnn"},
};

/* The next string of a blob (RFC 4251 5), with its length before it. */
static int take_string(struct slice *rest, struct slice *ret_string)
{
	const unsigned char *p = (const unsigned char *)rest->data;
	uint32_t len;

	if (rest->len < 4)
		return -EBADMSG;
	len = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	if (len > rest->len - 4)
		return -EBADMSG;
	*ret_string = slice_of(rest->data + 4, len);
	*rest = slice_from(*rest, 4 + (size_t)len);
	return 0;
}

static bool is_part(char kind, struct slice part, const char *algorithm)
{
	const char *curve = strstr(algorithm, "nistp");

	switch (kind) {
	case 'e':
		return part.len == 32;
	case 'n':
		return part.len > 0 && !((unsigned char)part.data[0] & 0x80);
	case 'c':
		return curve && part.len == strlen("nistp256") &&
		       memcmp(part.data, curve, part.len) == 0;
	case 'p':
		return part.len > 1 && part.data[0] == 4; /* uncompressed, as OpenSSH has them */
	default:
		return true;
	}
}

/* The parts behind the algorithm's name. Of one that we do not know: strings, to the end. */
static int check_parts(struct slice rest, struct slice algorithm)
{
	const char *parts = NULL, *name = "";
	struct slice part;

	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (slice_is(algorithm, algorithms[i].name)) {
			name = algorithms[i].name;
			parts = algorithms[i].parts;
		}
	if (!parts && rest.len == 0)
		return -EBADMSG;
	for (size_t i = 0; parts ? parts[i] != '\0' : rest.len > 0; i++)
		if (take_string(&rest, &part) < 0 || (parts && !is_part(parts[i], part, name)))
			return -EBADMSG;
	return rest.len == 0 ? 0 : -EBADMSG;
}

static struct slice take_word(struct slice *rest)
{
	size_t n = 0;
	struct slice word;

	while (n < rest->len && rest->data[n] != ' ' && rest->data[n] != '\t')
		n++;
	word = slice_of(rest->data, n);
	while (n < rest->len && (rest->data[n] == ' ' || rest->data[n] == '\t'))
		n++;
	*rest = slice_from(*rest, n);
	return word;
}

static bool is_algorithm(struct slice word)
{
	for (size_t i = 0; i < word.len; i++) {
		char c = word.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    (c == '\0' || !strchr("-@.", c)))
			return false;
	}
	/* Certificates are no keys to log in with by themselves. */
	return word.len > 3 && word.len <= 64 && memchr(word.data, '-', word.len) &&
	       !memmem(word.data, word.len, "-cert-", strlen("-cert-"));
}

static int refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EBADMSG;
}

int sshkey_parse(struct slice text, struct slice *ret_line, const char **ret_why)
{
	char blob[SSHKEY_MAX];
	struct slice line = text, rest, algorithm, base64, inner, name;
	size_t size;

	while (line.len > 0 && strchr(" \t\r\n", line.data[line.len - 1]) &&
	       line.data[line.len - 1] != '\0')
		line.len--;
	if (line.len > SSHKEY_MAX)
		return refuse(ret_why, "too long");
	rest = line;
	algorithm = take_word(&rest);
	base64 = take_word(&rest);
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] == '\n' || line.data[i] == '\r')
			return refuse(ret_why, "more than one line");
	if (!is_algorithm(algorithm))
		return refuse(ret_why, "no algorithm at its beginning");
	if (base64_decode(base64.data, base64.len, blob, sizeof(blob), &size) < 0 || size == 0)
		return refuse(ret_why, "no base64 behind the algorithm");
	inner = slice_of(blob, size);
	if (take_string(&inner, &name) < 0)
		return refuse(ret_why, "cut off");
	if (!slice_eq(name, algorithm))
		return refuse(ret_why, "another algorithm inside than outside");
	if (check_parts(inner, algorithm) < 0)
		return refuse(ret_why, "not of its algorithm's form");
	/* A tab is a blank between words to sshd, and nothing else in a comment. */
	for (struct slice part = rest, word; part.len > 0;) {
		word = take_word(&part);
		if (!valid_line(word))
			return refuse(ret_why, "control characters in the comment");
	}
	*ret_line = line;
	return 0;
}
