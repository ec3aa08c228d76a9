/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes the system be as a plan says: files first, each atomically and durably where it is to last;
 * then, for facets of which a file changed, their actions; then a look whether the units that were
 * acted on are well. When one is not, its facet goes back to the files that it had and acts again.
 *
 * What was applied is recorded in <root>RUN_DIR/applied and, for files outside /run, on the root that they
 * are on, in <root>/etc/tugboot/applied, before they are written: after a power cut the next run knows
 * every file that may be ours, and whose actions may not have been done. A file that is no longer
 * planned is removed, or what was there before put back (it is kept in /etc/tugboot/kept). A file
 * at a planned path that is neither ours, nor the same, nor to be restored later, is a user's: its facet fails.
 * Below RUN_DIR all that is planned is ours by its place.
 */
#pragma once

#include "plan.h"

enum apply_when {
	APPLY_BOOT, /* before the daemons have started: files, and the agent's own verbs; units that are not up need none */
	APPLY_LIVE,
};

struct apply_result {
	unsigned changed;      /* bit of each facet that was put into effect */
	unsigned failed;       /* bit of each that was not, and is as it was before */
	unsigned files;	       /* written or removed */
	unsigned actions;      /* done */
	unsigned restarts;     /* those of them that a unit can bear only so often */
	char why[FACETS][160]; /* of what failed, in words */
};

/* What apply would do, without doing it: a line for each file and action to `say`. */
int apply_show(const struct plan *plan, const struct facts *facts,
	       void (*say)(void *arg, const char *line), void *arg);

struct bus;
/* bus may be NULL with APPLY_BOOT (too early) and in tests of files. root is put before every path
 * ("" on a system; tests have a directory). A facet that failed does not keep others from being
 * applied. A negative errno only when nothing could be done at all. */
int apply_plan(const struct plan *plan, const struct facts *facts, const char *root,
	       enum apply_when when, struct bus *bus, struct apply_result *ret_result);
