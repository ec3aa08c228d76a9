/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The boot environment as the slot policy sees it: the few keys that choose a slot, decoded from
 * text that may be anything, and the edits that a decision asks for. Which file or partition the
 * text came from, and in which format, is the store's affair (lib/sys/envstore.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "macro.h"

/* Key names: DESIGN.md, section 2, "Environment". */
#define ENV_ROOT "resin_root_part"
#define ENV_TRIAL "upgrade_available"
#define ENV_COUNT "bootcount"
#define ENV_LIMIT "bootlimit"
#define ENV_CMDLINE "extra_os_cmdline"
/* Ours: `always` counts committed boots too. */
#define ENV_COUNT_MODE "tugboot_count"
/* Ours: what the last rollback left, `<slot>:<cause>:<tries used>`, cause one of enum slot_cause. */
#define ENV_ROLLBACK "tugboot_rollback"
/* Ours: reboots in a row after which nothing could be started; the wait doubles with each. */
#define ENV_BACKOFF "tugboot_backoff"
/* Ours: `clean` from a shutdown in good order until the next start: that try did not fail. */
#define ENV_ENDED "tugboot_ended"
/* Ours: tries in a row that ended without a failure and without success: power cuts and clean
 * reboots. They cost no try, up to ENV_SPARED_MAX. */
#define ENV_SPARED "tugboot_spared"
/* Ours: how often the committed root failed, `<times>:<unix time>:<evidence>`; evidence names the
 * panic record that was counted last, so that none counts twice, or is `watchdog`. */
#define ENV_FAILURES "tugboot_failures"
/* Ours: slot that is not to be started while another one can be: an update is being written to it,
 * or somebody called it bad. */
#define ENV_BAD "tugboot_bad"
/* Ours: lowest VERSION_ID (os-release(5)) of a root that is started while another can be. */
#define ENV_FLOOR "tugboot_floor"
/* Ours: `ramoops` says that this board's ramoops memory outlives every reset, and that the kernels of
 * both roots keep their console there: then a power cut can be told from a reset. */
#define ENV_POWER "tugboot_power"
/* SWUpdate's: 0 nothing, 1 installed, 2 testing, 3 failed (SWUpdate, "Update state"). Only ever
 * changed from 1 or 2 to 3, by a rollback. */
#define ENV_USTATE "ustate"

#define ENV_LIMIT_DEFAULT 2u
/* Larger limits and counts are taken as this one, so that trials end. */
#define ENV_LIMIT_MAX 99u

/* Tries that may be spared in a row: a trial that never comes to a verdict ends, too. */
#define ENV_SPARED_MAX 10u
/* Failures of a committed root that are further apart than this, in seconds of a clock that is
 * set, have nothing to do with each other. */
#define ENV_FAILURES_APART (24 * 60 * 60)

#define ENV_NAME_MAX 64
#define ENV_VALUE_MAX 1024
#define ENV_EDITS_MAX 12
#define ENV_EVIDENCE_MAX 40

/* What resin_root_part says. */
enum env_root_kind {
	ENV_ROOT_UNSET,	  /* no such key, or empty */
	ENV_ROOT_SLOT,	  /* `A` or `B` */
	ENV_ROOT_INDEX,	  /* hex index of a partition */
	ENV_ROOT_INVALID, /* anything else */
};

struct boot_env {
	enum env_root_kind root_kind;
	char root_slot;	     /* 'A' or 'B' with ENV_ROOT_SLOT */
	unsigned root_index; /* partition number with ENV_ROOT_INDEX, 1 or more */
	bool trial;	     /* upgrade_available is 1 */
	unsigned count;	     /* tries used; 0 for text that is no number */
	unsigned limit;	     /* tries allowed, 1..ENV_LIMIT_MAX */
	bool count_always;
	unsigned backoff;
	bool ended_clean;
	unsigned spared;
	struct {
		unsigned times;
		long long when; /* Unix time; 0: not known */
		char evidence[ENV_EVIDENCE_MAX];
	} failures;
	char bad;	    /* 'A', 'B' or 0 */
	bool ustate_open;   /* ustate is 1 or 2 */
	bool root_by_index; /* resin_root_part is to be written as an index */
	bool damaged;	    /* a key above held text that had to be replaced by a default */
};

/* Looks a key up: copies its value to buf, returns its length or a negative errno. */
typedef int (*env_get_fn)(const void *source, const char *name, char *buf, size_t buf_size);

/* Decodes the keys. Never fails: each value that is missing or no use takes its default. */
void boot_env_decode(env_get_fn get, const void *source, struct boot_env *ret_env);

/* One change; with `unset` the key is removed. Owned by value, so that a decision can be copied. */
struct env_edit {
	char name[ENV_NAME_MAX];
	char value[ENV_NAME_MAX];
	bool unset;
};

/* All changes of one decision; a store applies them in one write. */
struct env_edits {
	size_t n;
	struct env_edit edit[ENV_EDITS_MAX];
};

/* Adds a change. The text is printf-like and must fit in ENV_NAME_MAX; n must stay in bounds:
 * both are the caller's constants, so a failure is a programming error and aborts. */
void env_edits_set(struct env_edits *edits, const char *name, const char *fmt, ...) _printf_(3, 4);
void env_edits_unset(struct env_edits *edits, const char *name);
