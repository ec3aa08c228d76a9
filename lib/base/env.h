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

#define ENV_LIMIT_DEFAULT 2u
/* Larger limits and counts are taken as this one, so that trials end. */
#define ENV_LIMIT_MAX 99u

#define ENV_NAME_MAX 64
#define ENV_VALUE_MAX 1024
#define ENV_EDITS_MAX 8

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
	bool damaged; /* a key above held text that had to be replaced by a default */
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
