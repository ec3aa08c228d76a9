/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts of config.json; see valid.h. They are hostile; what is not expressly fine is refused. */
#include "valid.h"

#include <arpa/inet.h>

#include "line.h"
#include "macro.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(char c)
{
	return is_digit(c) || is_letter(c);
}

static bool all_digits(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_digit(s.data[i]))
			return false;
	return s.len > 0;
}

/* Length of the UTF-8 sequence at the start of s (RFC 3629), 0 when there is none; *ret_rune is the
 * character. */
static size_t utf8_first(struct slice s, unsigned *ret_rune)
{
	static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned c = (unsigned char)s.data[0];
	size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
	unsigned rune = n <= 1 ? c : c & (0x7fu >> n);

	if (n == 0 || n > s.len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		unsigned next = (unsigned char)s.data[i];

		if ((next & 0xc0) != 0x80)
			return 0;
		rune = rune << 6 | (next & 0x3f);
	}
	if (rune < least[n] || rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff))
		return 0;
	*ret_rune = rune;
	return n;
}

bool valid_utf8(struct slice text)
{
	unsigned rune;

	for (size_t i = 0, n; i < text.len; i += n) {
		n = utf8_first(slice_from(text, i), &rune);
		if (n == 0)
			return false;
	}
	return true;
}

static bool is_text(struct slice text, const char *control)
{
	for (size_t i = 0, n; i < text.len; i += n) {
		unsigned rune;

		n = utf8_first(slice_from(text, i), &rune);
		if (n == 0 || rune == 0)
			return false;
		if ((rune < ' ' || (rune >= 0x7f && rune < 0xa0)) &&
		    (rune > 0x7f || !strchr(control, (int)rune)))
			return false;
		if (rune == 0x2028 || rune == 0x2029)
			return false;
	}
	return true;
}

bool valid_line(struct slice text)
{
	return is_text(text, "");
}

bool valid_rules(struct slice text)
{
	return is_text(text, "\t\n\r") && line_text_valid(text);
}

/* --- Names and addresses ---------------------------------------------------------------------- */

/* Up to and without the first c, or all; *rest is what is behind it, {NULL, 0} without c. */
static struct slice cut(struct slice text, char c, struct slice *ret_rest)
{
	const char *at = text.len > 0 ? memchr(text.data, c, text.len) : NULL;
	size_t len = at ? (size_t)(at - text.data) : text.len;

	*ret_rest = at ? slice_from(text, len + 1) : slice_of(NULL, 0);
	return slice_of(text.data, len);
}

static bool is_label(struct slice label)
{
	if (label.len == 0 || label.len > 63 || !is_alnum(label.data[0]) ||
	    !is_alnum(label.data[label.len - 1]))
		return false;
	for (size_t i = 0; i < label.len; i++)
		if (!is_alnum(label.data[i]) && label.data[i] != '-' && label.data[i] != '_')
			return false;
	return true;
}

/* A last label of digits alone behind others is what resolvers take for a part of an address. */
static bool is_name(struct slice text, size_t max)
{
	struct slice rest = text, label;
	unsigned labels = 0;

	if (text.len == 0 || text.len > max)
		return false;
	do {
		label = cut(rest, '.', &rest);
		if (!is_label(label))
			return false;
		labels++;
	} while (rest.data);
	return labels == 1 || !all_digits(label);
}

bool valid_hostname(struct slice text)
{
	return is_name(text, VALID_HOSTNAME_MAX);
}

bool valid_name(struct slice text)
{
	if (text.len > 1 && text.data[text.len - 1] == '.')
		text.len--;
	return is_name(text, VALID_NAME_MAX);
}

static bool is_family(struct slice text, int family)
{
	unsigned char address[sizeof(struct in6_addr)];
	char word[INET6_ADDRSTRLEN];

	if (text.len == 0 || text.len >= sizeof(word) || memchr(text.data, '\0', text.len))
		return false;
	memcpy(word, text.data, text.len);
	word[text.len] = '\0';
	return inet_pton(family, word, address) == 1;
}

bool valid_address(struct slice text)
{
	return is_family(text, AF_INET) || is_family(text, AF_INET6);
}

bool valid_port(struct slice text)
{
	unsigned port = 0;

	if (!all_digits(text) || text.len > 5 || text.data[0] == '0')
		return false;
	for (size_t i = 0; i < text.len; i++)
		port = port * 10 + (unsigned)(text.data[i] - '0');
	return port <= 65535;
}

bool valid_country(struct slice text)
{
	return text.len == 2 &&
	       ((is_letter(text.data[0]) && is_letter(text.data[1])) || slice_is(text, "00"));
}

/* --- Servers ---------------------------------------------------------------------------------- */

static bool has_prefix(struct slice text, const char *prefix)
{
	return text.len >= strlen(prefix) && memcmp(text.data, prefix, strlen(prefix)) == 0;
}

/* HOST[:PORT] of a URL; *ret_host is without brackets. */
static bool take_authority(struct slice text, struct slice *ret_host, struct slice *ret_port)
{
	struct slice host, rest, port;

	if (has_prefix(text, "[")) {
		host = cut(slice_from(text, 1), ']', &rest);
		if (!rest.data || !is_family(host, AF_INET6))
			return false;
		if (rest.len > 0 && rest.data[0] != ':')
			return false;
		port = rest.len > 0 ? slice_from(rest, 1) : slice_of(NULL, 0);
	} else {
		host = cut(text, ':', &port);
		/* One label of digits alone is an address to some programs. */
		if (!is_family(host, AF_INET) && (!valid_name(host) || all_digits(host)))
			return false;
	}
	if (port.data && !valid_port(port))
		return false;
	*ret_host = host;
	*ret_port = port;
	return true;
}

bool valid_ntp_server(struct slice text, struct valid_ntp *ret_parts)
{
	struct valid_ntp parts = {.host = text, .port = {NULL, 0}};

	if (has_prefix(text, "nts://")) {
		parts.nts = true;
		if (!take_authority(slice_from(text, strlen("nts://")), &parts.host, &parts.port))
			return false;
	} else if (!valid_address(text) && (!valid_name(text) || all_digits(text))) {
		return false;
	}
	parts.address = valid_address(parts.host);
	*ret_parts = parts;
	return true;
}

bool valid_dns_server(struct slice text, struct valid_dns *ret_parts)
{
	struct valid_dns parts = {.domain = {NULL, 0}};
	struct slice rest = text;

	if (has_prefix(text, "/")) {
		parts.domain = cut(slice_from(text, 1), '/', &rest);
		if (!rest.data || !valid_name(parts.domain))
			return false;
	}
	parts.address = cut(rest, '#', &parts.port);
	if (!valid_address(parts.address) || (parts.port.data && !valid_port(parts.port)))
		return false;
	*ret_parts = parts;
	return true;
}

bool valid_url(struct slice text)
{
	struct slice host, port;
	size_t scheme, end;

	scheme = has_prefix(text, "https://")  ? strlen("https://")
		 : has_prefix(text, "http://") ? strlen("http://")
					       : 0;
	if (scheme == 0 || text.len > VALID_URL_MAX)
		return false;
	for (end = scheme; end < text.len && !strchr("/?", text.data[end]); end++)
		if (text.data[end] == '\0')
			return false;
	if (!take_authority(slice_of(text.data + scheme, end - scheme), &host, &port))
		return false;
	for (; end < text.len; end++) {
		char c = text.data[end];

		if (c == '%') {
			if (text.len - end < 3 ||
			    !strchr("0123456789abcdefABCDEF", text.data[end + 1]) ||
			    !strchr("0123456789abcdefABCDEF", text.data[end + 2]) ||
			    text.data[end + 1] == '\0' || text.data[end + 2] == '\0')
				return false;
		} else if (c == '\0' || (!is_alnum(c) && !strchr("-._~:/?@!$&'()*+,;=", c))) {
			return false;
		}
	}
	return true;
}

/* --- Names of files --------------------------------------------------------------------------- */

static bool is_of(struct slice text, const char *others)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_alnum(text.data[i]) &&
		    (text.data[i] == '\0' || !strchr(others, text.data[i])))
			return false;
	return text.len > 0 && is_alnum(text.data[0]);
}

bool valid_rule_name(struct slice text)
{
	for (size_t i = 1; i < text.len; i++)
		if (text.data[i] == '.' && text.data[i - 1] == '.')
			return false;
	return text.len <= VALID_RULE_NAME_MAX && is_of(text, "-_.+:@") &&
	       text.data[text.len - 1] != '.';
}

bool valid_device(struct slice text)
{
	struct slice rest = text, part;

	if (text.len > VALID_NAME_MAX)
		return false;
	do {
		part = cut(rest, '/', &rest);
		if (!is_of(part, "-_.+:@=#"))
			return false;
	} while (rest.data);
	return true;
}
