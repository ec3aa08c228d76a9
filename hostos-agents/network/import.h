/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections that people put on the boot partition (system-connections/, as balenaOS has it),
 * copied to where the network's provider reads them, and removed there again when they are gone.
 *
 * A list of what came from the boot partition is kept in a file: lines of sixteen hexadecimal
 * digits, a blank, a name. The digits say which content was copied: a connection that was changed
 * on the device stays so until the one on the boot partition is another one. Files that are not in
 * the list are somebody else's, and left alone.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#define IMPORT_NAME_MAX 200 /* bytes of a file's name */
#define IMPORT_FILES_MAX 256

struct import_kind {
	const char *suffix;  /* NULL: any name */
	const char *section; /* that such a file must have, see keyfile.h */
};

struct import_target {
	const struct import_kind
		*kind; /* the first one whose suffix fits; ended by a NULL section */
	const char *directory;
	mode_t mode;
	gid_t group; /* (gid_t)-1: root's */
	const char *list;
};

struct import_result {
	unsigned written, removed, kept, refused;
};

/* May this be the name of a connection's file? UTF-8 without control characters and '/', not
 * beginning with a dot; neither an explanation (README…) nor put aside (….ignore, …~). */
bool import_name_valid(const char *name);

/*
 * Makes the directory have what `source` has. A source that is not there is one without files. A
 * file that is refused is named in the log, and what was copied under its name before stays. 0, or a
 * negative errno with an unknown part done, which the next run completes.
 */
int import_connections(const char *source, const struct import_target *target,
		       struct import_result *ret_result);
