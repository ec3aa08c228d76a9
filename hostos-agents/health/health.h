/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The health agent's own: what one run knows, and the steps that health.c and trial.c share. Each step
 * says in the log what kept it from being done; what it was for goes on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "boots.h"
#include "bus.h"
#include "disk.h"
#include "facts.h"
#include "healthconf.h"
#include "healthpolicy.h"
#include "paths.h"

#define STATUS_FILE "health"
#define STATUS_MAX (32 * 1024)

struct health {
	struct healthconf conf;
	struct facts facts;
	struct boots_entry entry; /* of this boot in the story */
	struct partition other_root;
	uint64_t begun_ms; /* the first run in this boot */
	bool again;	   /* not the first */
};

enum decided {
	DECIDED,
	DECIDED_BY_OTHERS, /* nothing is on trial there any more */
	NOT_DECIDED,	   /* it could not be stored */
};

/* Keeps the running slot, or gives the named one up: one write of the environment, under whose lock it must
 * still be as it was. */
enum decided health_decide_slot(const struct health *health, bool keep, char named,
				enum slot_cause cause);

/* The entry, as it is now, in the story. */
void health_note(const struct health *health);

/* The status file, STATUS_DIR/health: it outlives a restart of ours, and no reboot. round may be NULL. */
void health_show(const struct health *health, const char *state, const char *why,
		 const struct health_round *round);

/* The *-triggered file; the breadcrumbs away. */
void health_tell(const struct health *health, enum health_way way, const char *why);
void health_clear_crumbs(const struct health *health);

/* What remains of a trial that has passed: commit hooks, then breadcrumbs away. */
void health_finish(const struct health *health);

/* Until the time has passed, or a unit's job has ended: then the tests may say something else. bus may be
 * NULL. */
void health_wait(struct bus *bus, uint64_t wait_ms);

/* Tests the running root until there is a verdict, and acts on it. Returns an exit status, or not at all: the
 * system reboots. */
int health_trial(struct health *health);
