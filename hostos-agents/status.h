/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `tugboot status` shows, in words: sentences for people, made from what the policy decided.
 * No I/O.
 */
#pragma once

#include <stddef.h>

#include "boots.h"
#include "running.h"
#include "slot.h"

#define SENTENCE_MAX 200

/* `slot A`, `the recovery system`, `nothing`; constant string. */
const char *slot_words(char slot);

/* How the running system was started. */
void running_words(const struct running *running, char buf[static SENTENCE_MAX]);

/* How the system before this one ended; constant string. */
const char *last_words(enum slot_last last);

/* What the next boot starts and why; named is the slot that the environment names. */
void next_words(const struct slot_decision *next, char named, char buf[static SENTENCE_MAX]);

/* One of the last boots; next is the one after it, or NULL. `TIME  how it was started; its verdict; how it
 * ended`. */
#define STORY_MAX (3 * SENTENCE_MAX)
void story_words(const struct boots_entry *boot, const struct boots_entry *next,
		 char buf[static STORY_MAX]);

/* What the last rollback was. */
void rollback_words(const struct rollback *rollback, char buf[static SENTENCE_MAX]);
