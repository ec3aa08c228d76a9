/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings that the config agent wrote for another agent, read by that one; see settings.h. The
 * file is root's and made by us; what does not look so is refused all the same. */
#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include "fd.h"
#include "file.h"
#include "jsonread.h"
#include "valid.h"

#define SETTINGS_MAX 65536

int settings_parse(const char *text, size_t size, struct settings *ret_settings)
{
	char *lines = malloc(size + 2);
	size_t n = 0;

	if (!lines)
		return -ENOMEM;
	while (n < size) {
		const char *end = memchr(text + n, '\n', size - n);
		size_t len = end ? (size_t)(end - text) - n : 0;

		/* A last line without an end is a cut one. */
		if (!end || !memchr(text + n, '=', len) || text[n] == '=' ||
		    !valid_line(slice_of(text + n, len))) {
			free(lines);
			return -EBADMSG;
		}
		memcpy(lines + n, text + n, len);
		lines[n + len] = '\0';
		n += len + 1;
	}
	lines[n] = lines[n + 1] = '\0';
	ret_settings->text = lines;
	return 0;
}

int settings_read(const char *path, struct settings *ret_settings)
{
	_free_ char *text = NULL;
	size_t size = 0;
	int r;

	r = file_read(AT_FDCWD, path, SETTINGS_MAX, &text, &size);
	if (r < 0 && r != -ENOENT)
		return r;
	return settings_parse(text, size, ret_settings);
}

const char *settings_get(const struct settings *settings, const char *key)
{
	for (const char *line = settings->text; line && line[0]; line += strlen(line) + 1) {
		const char *value = startswith(line, key);

		if (value && value[0] == '=')
			return value + 1;
	}
	return NULL;
}

bool settings_is(const struct settings *settings, const char *key)
{
	const char *value = settings_get(settings, key);

	return value && streq(value, "yes");
}

unsigned settings_number(const struct settings *settings, const char *key, unsigned otherwise)
{
	const char *value = settings_get(settings, key);
	unsigned n;

	if (!value || jsonread_number(value, UINT_MAX / 10 - 1, &n) < 0)
		return otherwise;
	return n;
}

void settings_done(struct settings *settings)
{
	free(settings->text);
	*settings = SETTINGS_NONE;
}
