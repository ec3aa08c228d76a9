/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes one member of a JSON text and leaves every other byte of it as it is: the order of keys,
 * numbers as they are written, members that nobody here knows, the way it is laid out. The text is
 * hostile but was parsed before (what is read here is only where values begin and end): whether the
 * outcome is right is asked of a parser again. Names are compared as they stand in the text.
 */
#pragma once

#include <stddef.h>

#include "slice.h"

#define JSONEDIT_DEPTH 16

/* Where a member is: names from the outermost object inwards. */
struct jsonedit_path {
	struct slice name[JSONEDIT_DEPTH];
	size_t names; /* at least one */
};

/*
 * Gives the member this value (JSON text), in its place when it is there, else at the end of the
 * innermost object of the path that is there, with the objects that are missing; laid out as the
 * members beside it. *ret_json is the caller's, with a NUL behind it. -ENOTDIR when something on
 * the way is no object (null is as good as not there), -EINVAL for a name that cannot stand as it
 * is, -EBADMSG for what is no JSON, -ENOMEM.
 */
int jsonedit_set(struct slice json, const struct jsonedit_path *path, struct slice value,
		 char **ret_json, size_t *ret_size);

/* Removes the member, and the objects round it that it leaves empty but for the outermost. -ENOENT
 * when it is not there; else as above. */
int jsonedit_unset(struct slice json, const struct jsonedit_path *path, char **ret_json,
		   size_t *ret_size);
