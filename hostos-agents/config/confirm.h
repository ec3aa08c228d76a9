/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A configuration on trial: the text before it is kept beside config.json, with a deadline, before
 * the new one is written (`tugboot config apply --confirm-within`). Whoever finds it past the
 * deadline, or in another boot, puts it back: the resident agent, or the one at boot.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "macro.h"
#include "store.h"

#define CONFIRM_FILE "tugboot.try" /* of 8.3 characters: one entry in a FAT */
#define CONFIRM_MAX 86400	   /* seconds */

struct confirm {
	char *text; /* owned: what config.json was before */
	size_t size;
	uint64_t left_ms; /* 0: it is to go back now */
};

void confirm_done(struct confirm *confirm);
#define _confirm_ _cleanup_(confirm_done)

/* Keeps the text, durably. -EALREADY when another one waits for confirmation. */
int confirm_begin(int dir_fd, const struct store_text *before, unsigned seconds);

/* -ENOENT when nothing waits. What is damaged is as nothing: it was cut before anything was tried, or
 * while it was confirmed. */
int confirm_read(int dir_fd, struct confirm *ret_confirm);

/* Keeps what is there: the text before it is forgotten. Nothing when nothing waits. */
int confirm_end(int dir_fd);

/* Puts the text before it back, then forgets it. Cut anywhere, it can be done again. */
int confirm_go_back(int dir_fd, const struct confirm *confirm);
