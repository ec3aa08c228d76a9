/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as each of the values of valid.h, as an SSH key and as PEM: what passes holds nothing
 * that could end a line or a word, and its parts lie in it. */
#include "valid.h"

#include <errno.h>

#include "must.h"
#include "pemcert.h"
#include "sshkey.h"

/* One word, without quotes and what begins a comment or a variable anywhere. */
static void must_be_a_word(struct slice text)
{
	MUST(text.len > 0);
	for (size_t i = 0; i < text.len; i++)
		MUST((unsigned char)text.data[i] > ' ' && (unsigned char)text.data[i] < 0x7f &&
		     !memchr("\"'`\\;$|<>{}", text.data[i], 11));
	MUST(text.data[0] != '-' && text.data[0] != '#' && text.data[0] != '[');
}

static void check_words(struct slice text)
{
	struct valid_ntp ntp;
	struct valid_dns dns;

	if (valid_hostname(text)) {
		must_be_a_word(text);
		MUST(valid_name(text) && text.len <= VALID_HOSTNAME_MAX);
	}
	if (valid_name(text)) {
		must_be_a_word(text);
		MUST(!valid_address(text));
	}
	if (valid_address(text) || valid_port(text) || valid_country(text))
		must_be_a_word(text);
	if (valid_ntp_server(text, &ntp)) {
		must_be_a_word(text);
		must_lie_in(ntp.host, text);
		must_lie_in(ntp.port, text);
		must_be_a_word(ntp.host);
	}
	if (valid_dns_server(text, &dns)) {
		must_be_a_word(text);
		must_lie_in(dns.address, text);
		must_lie_in(dns.port, text);
		must_lie_in(dns.domain, text);
		MUST(valid_address(dns.address));
	}
	if (valid_url(text))
		MUST(text.len > 7 && valid_line(text) && !memchr(text.data, ' ', text.len) &&
		     !memchr(text.data, '"', text.len) && !memchr(text.data, '\\', text.len));
	if (valid_rule_name(text)) {
		must_be_a_word(text);
		MUST(!memchr(text.data, '/', text.len) && text.data[0] != '.');
	}
	if (valid_device(text)) {
		must_be_a_word(text);
		MUST(text.data[0] != '/' && text.data[0] != '.' &&
		     !memmem(text.data, text.len, "/.", 2));
	}
}

static void check_texts(struct slice text)
{
	if (valid_line(text)) {
		MUST(valid_utf8(text) && valid_rules(text));
		for (size_t i = 0; i < text.len; i++)
			MUST((unsigned char)text.data[i] >= ' ' && text.data[i] != 0x7f);
	}
	if (valid_rules(text))
		MUST(valid_utf8(text) && !(text.len > 0 && memchr(text.data, '\0', text.len)));
}

static void check_key(struct slice text)
{
	struct slice line = {NULL, 0};
	const char *why = NULL;
	int r = sshkey_parse(text, &line, &why);

	if (r < 0) {
		MUST(r == -EBADMSG && why && !line.data);
		return;
	}
	must_lie_in(line, text);
	MUST(line.len > 20 && !memchr(line.data, '\n', line.len) &&
	     !memchr(line.data, '\r', line.len) && !memchr(line.data, '\0', line.len));
	MUST(line.data[0] >= 'a' && line.data[0] <= 'z' ? true : line.data[0] >= '-');
}

static void check_pem(struct slice text)
{
	static uint8_t der[PEMCERT_MAX], again[PEMCERT_MAX];
	static char pem[PEMCERT_TEXT_SIZE(PEMCERT_MAX)];
	size_t pos = 0, size = 0, before, size_again = 0, pos_again = 0;
	const char *why = NULL;
	int r;

	for (;;) {
		before = pos;
		r = pemcert_next(text, &pos, der, &size, &why);
		if (r <= 0)
			break;
		MUST(pos > before && pos <= text.len && size > 0 && size <= sizeof(der));
		MUST(pemcert_check(der, size) == 0);
		MUST(pemcert_write(der, size, pem) < PEMCERT_TEXT_SIZE(size));
		MUST(pemcert_next(slice_str(pem), &pos_again, again, &size_again, NULL) == 1);
		MUST(size == size_again && memcmp(der, again, size) == 0);
		pos_again = 0;
	}
	MUST(r == 0 || (r == -EBADMSG && why && pos == before));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct slice text = slice_of((const char *)input, input_size);

	check_words(text);
	check_texts(text);
	check_key(text);
	check_pem(text);
	return 0;
}
