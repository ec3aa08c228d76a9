/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of the config agent: agent_config*.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apply.h"
#include "config.h"
#include "facts.h"
#include "macro.h"
#include "store.h"

/* --- The boot partition's directory (agent_config_source.c) ----------------------------------- */

struct source {
	int dir_fd;	   /* owned; -1: the boot partition is not there */
	bool mounted_here; /* for this process alone, read-only */
};

#define SOURCE_NONE ((struct source){.dir_fd = -1})

/* The boot partition is taken to be mounted there from now on, whatever the disk says; kept. */
void source_force(const char *boot_dir);
/* facts_read(), and what was forced. */
int source_facts(struct facts *ret_facts);

/* Where it is mounted, or else mounted for us. -ENODEV when there is none. */
int source_open(const struct facts *facts, struct source *ret_source);
/* Lets us write to it, when it is ours to say; -EROFS comes with the write otherwise. */
int source_make_writable(const struct source *source);
void source_done(struct source *source);
#define _source_ _cleanup_(source_done)

/* The last settings that were good, below facts.state_dir; 0600. -ENOENT. */
int lastgood_read(const struct facts *facts, struct store_text *ret_text);
int lastgood_write(const struct facts *facts, const struct store_text *text);

/* --- A text put into effect (agent_config_take.c) --------------------------------------------- */

/* What holds, for `tugboot config status`. */
struct outcome {
	const char *state;  /* applied, refused, failed, missing, unreadable; constant string */
	const char *source; /* config.json, copy, last-good, defaults, none; constant string */
	struct config_problems *problems; /* borrowed; NULL: none */
	struct apply_result result;
};

/* Parses, plans, applies. -EBADMSG when the text is refused: *problems says why, and nothing was done. */
int take_text(const struct store_text *text, const struct facts *facts, enum apply_when when,
	      struct config_problems *problems, struct apply_result *ret_result);

/* Says on the log what was done and what was not. */
void outcome_log(const struct outcome *outcome);
/* Writes STATUS_DIR/config; no values of secrets are in it. A failure is logged. */
void outcome_store(const struct outcome *outcome);

/* --- Verbs ------------------------------------------------------------------------------------ */

int agent_config_boot(void);
/* Everything that the agent has put on the system goes: for a package that is removed. */
int agent_config_undo(void);
int agent_config_watch(void);
