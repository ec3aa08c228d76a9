/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a decision about slots depends on, read under the environment's lock, and the one place that
 * calls a running slot good: for `tugboot slot` and for the health agent.
 */
#pragma once

#include <stdbool.h>

#include "place.h"
#include "running.h"
#include "tugboot.h"

struct situation {
	struct running running;
	char named;	  /* slot that the environment names */
	bool named_known; /* false: it names a partition, and the disk cannot be seen from here */
	const struct boot_env *env;
};

/* Opens the environment (place_open()) and gathers what a decision depends on. Complains on failure;
 * *place must be given to place_done() all the same. */
enum result situation_open(const char *boot_dir, enum place_use use, struct place *place,
			   struct situation *ret_situation);

/* Is there a trial, or another count, that a good boot ends? */
bool situation_is_pending(const struct boot_env *env);

/* Commits a slot, in one write; when nothing is pending, only the environment's copy is made as new as it.
 * The place is open for writing. */
enum result situation_keep(struct place *place, char slot);
