/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The actions of a plan: what is told to whom, in which order, and whether it went well. */
#pragma once

#include <stdbool.h>

#include "apply.h"

struct bus;

struct act_result {
	unsigned done;	   /* actions */
	unsigned restarts; /* those that (re)started or reloaded a unit */
	unsigned failed;   /* bit of each facet of which a unit or an action failed */
	unsigned later;	   /* bit of each facet that is to act again when the system is up */
	char why[FACETS][160];
};

/* Acts for the facets whose bit is set, each action once. root as for apply_plan(). */
int act_plan(const struct plan *plan, unsigned facets, const char *root, enum apply_when when,
	     struct bus *bus, struct act_result *ret_result);

/* As words, for people: "restart chrony.service". */
void act_words(const struct plan_action *action, char *buf, size_t size);
