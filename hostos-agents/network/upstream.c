/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The order of name servers; see upstream.h. Trusts nothing; owns what it hands out until then. */
#include "upstream.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "fd.h"
#include "line.h"
#include "slice.h"
#include "valid.h"

#define SERVERS_MAX 32
#define SEARCH_MAX 32

struct servers {
	struct slice item[SERVERS_MAX];
	size_t items;
};

static void add(struct servers *servers, struct slice word)
{
	for (size_t i = 0; i < servers->items; i++)
		if (slice_eq(servers->item[i], word))
			return;
	if (servers->items < SERVERS_MAX)
		servers->item[servers->items++] = word;
}

/* An address as resolv.conf has it: a link-local one may say its interface. */
static bool is_nameserver(struct slice word)
{
	const char *scope = word.len > 0 ? memchr(word.data, '%', word.len) : NULL;
	size_t len = scope ? (size_t)(scope - word.data) : word.len;

	if (slice_is(word, UPSTREAM_LISTEN) || !valid_address(slice_of(word.data, len)))
		return false;
	if (!scope)
		return true;
	for (size_t i = len + 1; i < word.len; i++) {
		char c = word.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    !strchr("-_.", c))
			return false;
	}
	return memchr(word.data, ':', len) && word.len > len + 1 && word.len <= len + 16;
}

static void add_network(struct servers *servers, struct slice network)
{
	struct slice line, word;
	size_t pos = 0;

	while (line_next(network, &pos, &line))
		if (line_word(&line, 0, &word) && slice_is(word, "nameserver") &&
		    line_word(&line, 0, &word) && is_nameserver(word))
			add(servers, word);
}

static void add_all(struct servers *servers, struct slice own, struct slice network)
{
	struct slice line;
	struct valid_dns dns;
	bool marked = false;
	size_t pos = 0;

	while (line_next(own, &pos, &line))
		marked = marked || slice_is(line, UPSTREAM_MARK);
	if (!marked)
		add_network(servers, network);
	for (pos = 0; line_next(own, &pos, &line);) {
		if (slice_is(line, UPSTREAM_MARK)) {
			add_network(servers, network);
		} else if (line.len > 7 && memcmp(line.data, "server=", 7) == 0) {
			line = slice_from(line, 7);
			if (valid_dns_server(line, &dns) &&
			    (dns.port.data || !slice_is(dns.address, UPSTREAM_LISTEN)))
				add(servers, line);
		}
	}
}

/* The domains in which short names are looked up: of the last such line, as resolv.conf(5) has it. */
static void write_search(FILE *out, struct slice network)
{
	struct slice line, word, domains = {0};
	size_t pos = 0, n = 0;

	while (line_next(network, &pos, &line))
		if (line_word(&line, 0, &word) &&
		    (slice_is(word, "search") || slice_is(word, "domain")))
			domains = line;
	while (n < SEARCH_MAX && line_word(&domains, 0, &word))
		if (valid_name(word))
			(void)fprintf(out, "%s%.*s", n++ == 0 ? "search " : " ", (int)word.len,
				      word.data);
	if (n > 0)
		(void)fputc('\n', out);
}

static int write_resolv(struct slice network, char **ret_text)
{
	_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return -ENOMEM;
	(void)fputs("# Made by tugboot-agent(8) of what the network says.\n", out);
	write_search(out, network);
	/* The same question again, two seconds or more after the first, makes dnsmasq ask the next
	 * server; so there are as many attempts as a device usually has servers. */
	(void)fputs("nameserver " UPSTREAM_LISTEN "\noptions timeout:2 attempts:4\n", out);
	if (fclose(out) != 0)
		return -ENOMEM;
	*ret_text = take_ptr(text);
	return 0;
}

int upstream_make(const char *own, size_t own_size, const char *network, size_t network_size,
		  char **ret_servers, char **ret_resolv)
{
	_free_ char *text = NULL, *resolv = NULL;
	struct servers servers = {.items = 0};
	size_t size = 0;
	FILE *out;
	int r;

	add_all(&servers, slice_of(own, own_size), slice_of(network, network_size));
	r = write_resolv(slice_of(network, network_size), &resolv);
	if (r < 0)
		return r;
	out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < servers.items; i++)
		(void)fprintf(out, "server=%.*s\n", (int)servers.item[i].len, servers.item[i].data);
	if (fclose(out) != 0)
		return -ENOMEM;
	*ret_servers = take_ptr(text);
	*ret_resolv = take_ptr(resolv);
	return 0;
}
