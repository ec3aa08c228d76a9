/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a connection of the boot partition: what is taken has a section for each key and no
 * line that is something else. Any text as a value: escaped, it is one line and reads back. */
#include "keyfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"

/* As GKeyFile reads a value, for the escapes that are made. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (*from != '\\') {
			*to++ = *from;
			continue;
		}
		from++;
		MUST(*from && strchr("\\nrts", *from));
		*to++ = *from == 'n'   ? '\n'
			: *from == 'r' ? '\r'
			: *from == 't' ? '\t'
			: *from == 's' ? ' '
				       : '\\';
	}
	*to = '\0';
}

static void check_value(const char *value)
{
	size_t size = 2 * strlen(value) + 1;
	char *escaped = malloc(size);

	MUST(escaped && keyfile_escape(value, escaped, size) == 0);
	MUST(!strpbrk(escaped, "\n\r\t"));
	MUST(escaped[0] != ' ' && (!escaped[0] || escaped[strlen(escaped) - 1] != ' '));
	unescape(escaped);
	MUST(strcmp(escaped, value) == 0);
	free(escaped);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct keyfile_problem problem = {99, NULL};
	char *text = malloc(size + 1);
	int r;

	MUST(text);
	if (size > 0)
		memcpy(text, input, size);
	text[size] = '\0';
	r = keyfile_check(text, size, "connection", &problem);
	MUST(r == 0 || ((r == -EBADMSG || r == -EFBIG) && problem.words));
	if (r == 0) {
		MUST(problem.line == 99 && !problem.words);
		MUST(!memchr(text, '\0', size) && !memchr(text, '\033', size));
		MUST(strstr(text, "[connection]"));
		for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
			line += strspn(line, " \t");
			MUST(!*line || strchr("#;[\r", *line) || strchr(line, '='));
		}
	} else if (strlen(text) == size) {
		check_value(text);
	}
	free(text);
	return 0;
}
