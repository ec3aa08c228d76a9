/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the config agent has put on the system, as text: a line for each thing.
 *
 *   file FACET PATH   a file or link of ours
 *   kept FACET PATH   the same; what was there before is kept (apply_tree.h) and to be put back
 *   dir PATH          a directory that we made
 *   todo FACET        files of it were about to change; its actions may not have been done
 *
 * Pure. The text is the agent's own, in a directory of root's; a line that says nothing known is
 * passed over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "macro.h"
#include "plan.h"

struct manifest_file {
	char *path; /* owned */
	enum facet facet;
	bool kept;
};

struct manifest {
	struct manifest_file *file;
	size_t files;
	char **dir;
	size_t dirs;
	unsigned todo; /* bit of each facet */
};

/* -ENOMEM. A path that the agent may not write to (plan_path_allowed()) is left out. */
int manifest_parse(const char *text, struct manifest *ret_manifest);
/* The caller's to free. */
int manifest_format(const struct manifest *manifest, char **ret_text);
void manifest_done(struct manifest *manifest);

#define _manifest_ _cleanup_(manifest_done)

/* NULL when it is not there. Borrowed, until the manifest changes. */
const struct manifest_file *manifest_find(const struct manifest *manifest, const char *path);
/* Adds it unless it is there; -ENOMEM. Paths are copied. */
int manifest_add(struct manifest *manifest, const char *path, enum facet facet, bool kept);
int manifest_add_dir(struct manifest *manifest, const char *path);
