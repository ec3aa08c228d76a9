/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What passes as a name, an address, a line: lib/base/valid.c. */
#include "valid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

typedef bool valid_fn(struct slice text);

/* In memory of exactly its size. */
static bool passes(valid_fn *is, const char *text, size_t len)
{
	return is(slice_of(exact(text, len), len));
}

static void expect(valid_fn *is, const char *const *texts, size_t n, bool passing)
{
	for (size_t i = 0; i < n; i++)
		if (passes(is, texts[i], strlen(texts[i])) != passing)
			fail_msg("'%s' is %s", texts[i], passing ? "refused" : "let pass");
}

#define LET_PASS(is, ...)                                         \
	do {                                                      \
		static const char *const texts[] = {__VA_ARGS__}; \
		expect(is, texts, ARRAY_SIZE(texts), true);       \
	} while (0)
#define REFUSE(is, ...)                                           \
	do {                                                      \
		static const char *const texts[] = {__VA_ARGS__}; \
		expect(is, texts, ARRAY_SIZE(texts), false);      \
	} while (0)

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
/* One too long for a label, a host name, the name of a rule. */
#define LONG_LABEL (A63 "a")
#define LONG_NAME (A63 ".a")
#define LONG_RULE (A63 A63 "aaa")

static void a_line_is_text_without_control_characters(void **state)
{
	(void)state;
	LET_PASS(valid_line, "", "a b", "\u00e4\u20ac\U0001f600", "[x] # ; = \"", "\u00a0");
	REFUSE(valid_line, "a\n", "\t", "\r", "\x7f", "\x1b[m", "\xc2\x85", "\xc2\x9b", "\u2028",
	       "\u2029", "\xff", "\xc0\x80", "\xc3", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80",
	       "\xf0\x80\x80\xaf", "\x80");
	assert_false(passes(valid_line, "a\0b", 3));
	assert_true(passes(valid_utf8, "a\0\n\x7f", 4));
	assert_false(passes(valid_utf8, "a\xc0\xaf", 3));
}

static void a_host_name_is_labels(void **state)
{
	(void)state;
	LET_PASS(valid_hostname, "a", "A-1", "0123456", "a.b.c", "my_device", A63, "x.123a");
	REFUSE(valid_hostname, "", ".", "a.", ".a", "a..b", "-a", "a-", "_a", "a_", "a b", "a\n",
	       LONG_LABEL, LONG_NAME, "1.2", "10.0.0.1", "a.1", "a/b", "\u00e4", "a:b", "$(x)",
	       "*");
	assert_false(passes(valid_hostname, "a\0", 2));
	LET_PASS(valid_name, "a.", "x.example.", A63 "." A63 "." A63);
	REFUSE(valid_name, ".", "a..", A63 "." A63 "." A63 "." A63, "1.2.3.4");
}

static void addresses_are_whole(void **state)
{
	(void)state;
	LET_PASS(valid_address, "0.0.0.0", "255.255.255.255", "::", "::1", "fe80::1",
		 "2001:db8:1:2:3:4:5:6", "::ffff:1.2.3.4");
	REFUSE(valid_address, "", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ",
	       " 1.2.3.4", "1.2.3.4\n", ":", ":::", "fe80::1%eth0", "[::1]", "1:2",
	       "::1::", "2001:db8:1:2:3:4:5:6:7", "g::", "0x1.1.1.1",
	       "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa");
	assert_false(passes(valid_address, "1.2.3.4\0", 8));
	LET_PASS(valid_port, "1", "53", "65535");
	REFUSE(valid_port, "", "0", "01", "65536", "99999", "123456", "-1", "+1", "1 ", "a");
	LET_PASS(valid_country, "DE", "de", "Gb", "00");
	REFUSE(valid_country, "", "D", "DEU", "0", "01", "D1", "D ", "\u00e4", "-f");
}

static void an_ntp_server_is_one_word(void **state)
{
	struct valid_ntp ntp = {0};

	(void)state;
	assert_true(valid_ntp_server(slice_str("a.b"), &ntp));
	assert_true(!ntp.nts && !ntp.address && slice_is(ntp.host, "a.b") && !ntp.port.data);
	assert_true(valid_ntp_server(slice_str("2001:db8::1"), &ntp));
	assert_true(ntp.address && slice_is(ntp.host, "2001:db8::1"));
	assert_true(valid_ntp_server(slice_str("nts://a.b:4461"), &ntp));
	assert_true(ntp.nts && slice_is(ntp.host, "a.b") && slice_is(ntp.port, "4461"));
	assert_true(valid_ntp_server(slice_str("nts://[2001:db8::1]:4461"), &ntp));
	assert_true(ntp.nts && ntp.address && slice_is(ntp.host, "2001:db8::1"));
	assert_true(valid_ntp_server(slice_str("nts://1.2.3.4"), &ntp));
	assert_true(ntp.nts && ntp.address && !ntp.port.data);
	assert_true(valid_ntp_server(slice_str("nts://a.b"), &ntp));
	assert_true(ntp.nts && !ntp.port.data);
	for (size_t i = 0; i < 14; i++) {
		static const char *const bad[] = {
			"",
			"nts://",
			"nts://:1",
			"nts://a:",
			"nts://a:0",
			"nts://[::1",
			"nts://[1.2.3.4]",
			"nts://a/b",
			"NTS://a",
			"ntp://a",
			"a b",
			"a\nb",
			"123",
			"a.b:123",
		};

		if (valid_ntp_server(slice_str(bad[i]), &ntp))
			fail_msg("'%s'", bad[i]);
		/* Untouched. */
		assert_true(slice_is(ntp.host, "a.b"));
	}
}

static void a_dns_server_is_an_address_with_port_and_domain(void **state)
{
	struct valid_dns dns = {.address = {NULL, 0}};

	(void)state;
	assert_true(valid_dns_server(slice_str("1.2.3.4"), &dns));
	assert_true(slice_is(dns.address, "1.2.3.4") && !dns.port.data && !dns.domain.data);
	assert_true(valid_dns_server(slice_str("::1#5353"), &dns));
	assert_true(slice_is(dns.address, "::1") && slice_is(dns.port, "5353"));
	assert_true(valid_dns_server(slice_str("/a.b/1.2.3.4#53"), &dns));
	assert_true(slice_is(dns.domain, "a.b") && slice_is(dns.address, "1.2.3.4"));
	for (size_t i = 0; i < 12; i++) {
		static const char *const bad[] = {
			"",	     "#53",	     "1.2.3.4#",
			"1.2.3.4#0", "a.b",	     "/a.b/",
			"/a.b",	     "//1.2.3.4",    "/a/b/1.2.3.4",
			"1.2.3.4/x", "1.2.3.4@eth0", "/#/1.2.3.4",
		};

		if (valid_dns_server(slice_str(bad[i]), &dns))
			fail_msg("'%s'", bad[i]);
		assert_true(slice_is(dns.domain, "a.b"));
	}
}

static void a_url_is_http_to_a_host(void **state)
{
	(void)state;
	LET_PASS(valid_url, "http://a", "https://a.b/", "http://1.2.3.4:80/x?y=z&a=%20;b",
		 "http://[::1]", "http://[::1]:8080/", "https://a?b", "http://a/~x/'(y)*!$,@:+=");
	REFUSE(valid_url, "", "http://", "http:///", "a", "//a", "ftp://a", "HTTP://a", "http:/a",
	       "http://a b", "http://a/ ", "http://a/\n", "http://u@a/", "http://u:p@a/",
	       "http://a#b", "http://a/#", "http://a:0/", "http://a:/", "http://[::1/",
	       "http://[::1]x/", "http://[1.2.3.4]/", "http://a/%", "http://a/%4", "http://a/%4g",
	       "http://a/\"", "http://a/<", "http://a/\\", "http://a/^", "http://a/`", "http://a/{",
	       "http://a/|", "http://\u00e4/", "http://a/\u00e4", "http://-a/", "http://1/");
	assert_false(passes(valid_url, "http://a/\0", 10));
	assert_false(passes(valid_url, "http://a\0/", 10));
	assert_false(passes(valid_url, "http://a/%\0\0", 12));
}

static void names_of_files_lead_nowhere_else(void **state)
{
	(void)state;
	LET_PASS(valid_rule_name, "56", "99-usb", "a.rules", "x_y+z@1:2.b");
	REFUSE(valid_rule_name, "", ".", "..", ".a", "-a", "a/b", "/a", "../a", "a..b", "a.", "a b",
	       "a\n", "$(a)", "`a`", "a;b", "a*", "a\\b", "\u00e4", LONG_RULE);
	assert_false(passes(valid_rule_name, "a\0b", 3));
	LET_PASS(valid_device, "sda", "nvme0n1", "disk/by-id/usb-X_1:0", "mapper/a.b");
	REFUSE(valid_device, "", "/", "/dev/sda", "a/", "a//b", "../a", "a/../b", ".", "..", "a/.",
	       "a b", "a\n", "a;b", "-a", "a/-b", "sd*", "$a", "\u00e4");
	assert_false(passes(valid_device, "a\0b", 3));
}

static void rules_may_have_lines(void **state)
{
	(void)state;
	LET_PASS(valid_rules, "", "A==\"b\"\n", "a\tb\r\nc", "\u00e4\n");
	REFUSE(valid_rules, "a\rb", "\r", "\x1b", "a\x7f", "\xff", "\xc2\x85", "a\x0b", "\x08");
	assert_false(passes(valid_rules, "a\0b", 3));
}

/* Every byte in the place of one letter: only what is named gets through, whatever is round it. */
static void no_other_byte_passes_anywhere(void **state)
{
	static const struct {
		valid_fn *is;
		const char *around, *also; /* X is replaced */
	} cases[] = {
		{valid_hostname, "aXb", "-_."},
		{valid_name, "aXb.example", "-_."},
		{valid_rule_name, "aXb", "-_.+:@"},
		{valid_device, "aXb", "-_.+:@=#/"},
		{valid_url, "http://a/X", "-._~:/?@!$&'()*+,;="},
		{valid_url, "http://aXb/", "-_.?/"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int c = 0; c < 256; c++) {
			size_t len = strlen(cases[i].around);
			char text[32], *x;
			bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
				    (c >= 'A' && c <= 'Z') || (c > 0 && strchr(cases[i].also, c));

			strcpy(text, cases[i].around);
			x = strchr(text, 'X');
			*x = (char)c;
			if (passes(cases[i].is, text, len) != fine)
				fail_msg("%s with byte 0x%02x", cases[i].around, (unsigned)c);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_text_without_control_characters),
		cmocka_unit_test(a_host_name_is_labels),
		cmocka_unit_test(addresses_are_whole),
		cmocka_unit_test(an_ntp_server_is_one_word),
		cmocka_unit_test(a_dns_server_is_an_address_with_port_and_domain),
		cmocka_unit_test(a_url_is_http_to_a_host),
		cmocka_unit_test(names_of_files_lead_nowhere_else),
		cmocka_unit_test(rules_may_have_lines),
		cmocka_unit_test(no_other_byte_passes_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
