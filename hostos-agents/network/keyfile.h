/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Key files: `[section]` and `key=value`, as NetworkManager's connections and configuration (GLib's
 * GKeyFile, nm-settings-keyfile(5)) and systemd's .network files have it. Whether a file that people
 * put on the boot partition has that form, and how a value is written so that it stays one value.
 * Pure; the text is hostile.
 */
#pragma once

#include <stddef.h>

#define KEYFILE_MAX (256 * 1024) /* bytes; certificates may be in it */

struct keyfile_problem {
	unsigned line; /* the first one is 1; 0: the file as a whole */
	const char *
		words; /* what is wrong there; constant. Values may be passwords and are not shown */
};

/*
 * Is every line empty, a comment ('#' or ';'), a section or a key with a value in one, is all of it
 * UTF-8 without control characters, and is there a section of this name? Lines may end as DOS has
 * it. -EBADMSG with *ret_problem filled in, -EFBIG with it too.
 */
int keyfile_check(const char *text, size_t size, const char *section,
		  struct keyfile_problem *ret_problem);

/* A value as GKeyFile reads it back to the same text: what ends a line, blanks at either end and '\'
 * are escaped. -ENOBUFS when it does not fit: buf of 2 * strlen(value) + 1 bytes always does. */
int keyfile_escape(const char *value, char *buf, size_t size);
