/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any two texts as the list of name servers and the network's resolv.conf: what comes out are lines
 * of the two forms that they may have, and nothing of one becomes another line. */
#include "upstream.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"

#define SERVER_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:#%/-_"

static void check_servers(char *text)
{
	for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
		if (!rest) {
			MUST(!*line);
			break;
		}
		MUST(strncmp(line, "server=", 7) == 0 && line[7]);
		MUST(strspn(line + 7, SERVER_CHARACTERS) == strlen(line + 7));
		MUST(strcmp(line + 7, UPSTREAM_LISTEN) != 0);
	}
}

static void check_resolv(const char *text)
{
	static const char head[] = "# Made by tugboot-agent(8) of what the network says.\n";
	static const char tail[] = "nameserver 127.0.0.2\noptions timeout:2 attempts:4\n";
	const char *search = text + sizeof(head) - 1;

	MUST(strncmp(text, head, sizeof(head) - 1) == 0);
	if (strcmp(search, tail) == 0)
		return;
	MUST(strncmp(search, "search ", 7) == 0);
	search = strchr(search, '\n');
	MUST(search && strcmp(search + 1, tail) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	const uint8_t *middle = size > 0 ? memchr(input, '\0', size) : NULL;
	size_t own_size = middle ? (size_t)(middle - input) : size;
	size_t network_size = middle ? size - own_size - 1 : 0;
	char *servers = NULL, *resolv = NULL;
	char *own = malloc(own_size + 1), *network = malloc(network_size + 1);

	/* One byte before each, none behind: the sanitizer sees a read too far. */
	MUST(own && network);
	if (own_size > 0)
		memcpy(own + 1, input, own_size);
	if (network_size > 0)
		memcpy(network + 1, middle + 1, network_size);
	MUST(upstream_make(own + 1, own_size, network + 1, network_size, &servers, &resolv) == 0);
	check_servers(servers);
	check_resolv(resolv);
	free(servers);
	free(resolv);
	free(own);
	free(network);
	return 0;
}
