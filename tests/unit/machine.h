/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The whole machine as one small state, for test_machine.c: what the two keepings of the boot
 * environment hold, what is in the two slots, what the hardware remembers, and how far the actor
 * that runs has come. Everything that an actor decides is decided by the real code
 * (boot_env_decode, slot_decide, slot_edits_*, env_choose); here is only what surrounds it.
 *
 * All values are numbers and all padding is zero, so that states are compared as bytes.
 */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "env.h"
#include "envchoice.h"
#include "slot.h"

/* ---- keys ---- */

/* Names of panic records: as many as can be told apart at a time, and one. */
enum evidence { EVIDENCE_NONE, EVIDENCE_WATCHDOG, EVIDENCE_FIRST, EVIDENCE_LAST = 6 };

/* Failures that are counted further change nothing: the limit is 2. */
#define TIMES_MAX 7

struct keys {
	uint32_t root : 2; /* 0 unset, 1 A, 2 B */
	uint32_t trial : 1;
	uint32_t count : 3;
	uint32_t spared : 4;
	uint32_t times : 3; /* tugboot_failures */
	uint32_t evidence : 3;
	uint32_t ended : 1;
	uint32_t bad : 2;
	uint32_t always : 1;
	uint32_t extra : 1; /* a key that another program sets, and that nobody may lose */
	uint32_t pad : 11;
};

static const char *const evidence_names[] = {"", "watchdog", "r1", "r2", "r3", "r4", "r5"};

static int keys_get(const void *source, const char *name, char *buf, size_t size)
{
	const struct keys *k = source;
	int n = 0;

	if (streq(name, ENV_ROOT) && k->root)
		n = snprintf(buf, size, "%c", '@' + k->root);
	else if (streq(name, ENV_TRIAL))
		n = snprintf(buf, size, "%u", k->trial);
	else if (streq(name, ENV_COUNT))
		n = snprintf(buf, size, "%u", k->count);
	else if (streq(name, ENV_SPARED) && k->spared)
		n = snprintf(buf, size, "%u", k->spared);
	else if (streq(name, ENV_FAILURES) && k->evidence)
		n = snprintf(buf, size, "%u:0:%s", k->times, evidence_names[k->evidence]);
	else if (streq(name, ENV_ENDED) && k->ended)
		n = snprintf(buf, size, "clean");
	else if (streq(name, ENV_BAD) && k->bad)
		n = snprintf(buf, size, "%c", '@' + k->bad);
	else if (streq(name, ENV_COUNT_MODE) && k->always)
		n = snprintf(buf, size, "always");
	return n > 0 ? n : -ENOENT;
}

static struct boot_env keys_decode(struct keys keys)
{
	struct boot_env env;

	boot_env_decode(keys_get, &keys, &env);
	return env;
}

static void keys_set_failures(struct keys *k, const char *value)
{
	const char *evidence = strrchr(value, ':') + 1;

	k->times = MIN((uint32_t)atoi(value), (uint32_t)TIMES_MAX) & 7u;
	for (uint32_t i = 0; i < ARRAY_SIZE(evidence_names); i++)
		if (streq(evidence, evidence_names[i]))
			k->evidence = i & 7u;
}

static struct keys keys_after(struct keys k, const struct env_edits *edits)
{
	for (size_t i = 0; i < edits->n; i++) {
		const struct env_edit *e = &edits->edit[i];
		uint32_t number = e->unset ? 0 : (uint32_t)atoi(e->value);
		uint32_t slot = e->unset ? 0 : (uint32_t)(e->value[0] - '@');

		if (streq(e->name, ENV_ROOT))
			k.root = slot & 3u;
		else if (streq(e->name, ENV_TRIAL))
			k.trial = number & 1u;
		else if (streq(e->name, ENV_COUNT))
			k.count = number & 7u;
		else if (streq(e->name, ENV_SPARED))
			k.spared = number & 15u;
		else if (streq(e->name, ENV_FAILURES))
			keys_set_failures(&k, e->value);
		else if (streq(e->name, ENV_ENDED))
			k.ended = !e->unset;
		else if (streq(e->name, ENV_BAD))
			k.bad = slot & 3u;
		else if (!streq(e->name, ENV_ROLLBACK) && !streq(e->name, ENV_BACKOFF))
			abort(); /* a key that this model does not know */
	}
	return k;
}

static bool keys_equal(struct keys a, struct keys b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

/* ---- the machine ---- */

enum content {
	OLD_GOOD, /* has been called good once */
	NEW_GOOD, /* would be, if it came to it */
	NEW_CRASHES,
	NEW_HANGS,
	NEW_SICK,    /* comes up, and does not find itself well */
	NEW_REFUSED, /* its kernel cannot be loaded */
	HALF,	     /* an update is being written, or was cut: anything may happen */
	ROTTEN_CRASHES,
	ROTTEN_HANGS, /* were good, and began to fail */
};

enum phase {
	BOOT,  /* reset; the bootloader is about to read */
	WRITE, /* somebody's decision is being stored */
	START, /* a root's kernel has been jumped into */
	RUN,   /* it came up */
	HUNG,  /* and nothing but a hand on the switch ends it */
};

/* Writes of one decision, lib/base/envchoice.h; the first two after a write that was cut. */
enum write_step { REPAIR_FRONT, REPAIR_MARK, COPY_PENDING, NEW_FRONT, COPY_SETTLED };

/* What the actor that writes does next. */
enum then { THEN_START, THEN_RUN, THEN_REBOOT };

enum updating { IDLE, MARKED, WRITING, WRITTEN };

/* How the try that was started last really ended; a failure stays one until it was counted. */
enum end { END_NONE, END_CUT, END_CLEAN, END_FAULT };

struct state {
	struct keys front, copy;
	struct keys durable; /* what was stored, and what would be after the write in flight: a
				 reader must see one of the two */
	struct keys inflight;
	uint8_t front_form; /* enum env_front */
	uint8_t copy_form;  /* enum env_copy */
	uint8_t phase;
	uint8_t step;
	uint8_t then;
	uint8_t slot; /* 0 A, 1 B: that starts, runs, or is started after the write */
	uint8_t content[SLOT_COUNT];
	uint8_t updating;
	uint8_t last;	/* enum slot_last, as the hardware says it */
	uint8_t record; /* enum evidence: newest panic record */
	uint8_t end;
	uint8_t end_if_stored; /* what `end` becomes when the write in flight turns out stored */
	uint8_t faulted;       /* the root on trial failed by itself since it was put on trial */
	uint8_t pad[2];
};

/* What the machine is made of. */
struct world {
	bool tells_cuts;   /* memory that outlives a reset, but not a cut */
	bool tells_panics; /* pstore */
	bool has_watchdog;
	bool tells_watchdog;
	bool always; /* tugboot_count=always */
	bool eager;  /* updates begin while the running root is on trial itself */
	bool others; /* another program writes the front */
	bool rots;
};

static char slot_letter(unsigned slot)
{
	return slot ? 'B' : 'A';
}

static bool is_good(uint8_t content)
{
	return content == OLD_GOOD || content == NEW_GOOD;
}

/* What a reader sees. */
static struct keys state_keys(const struct state *s)
{
	switch (env_choose(s->front_form, s->copy_form)) {
	case ENV_FROM_COPY:
		return s->copy;
	case ENV_FROM_FRONT:
		return s->front_form == ENV_FRONT_WHOLE ? s->front : (struct keys){0};
	default:
		return (struct keys){0};
	}
}
