/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The encrypted volumes that a command is about, with their tokens. A header may have been written
 * by anybody who held the disk: what it says decides which key slots and tokens are touched, so
 * nothing is removed that another token still needs, and never the last way in.
 */
#pragma once

#include "luks.h"
#include "secret.h"
#include "token.h"
#include "tugboot.h"

#define ENROL_VOLUMES_MAX 16

struct enrol_volume {
	char *dev;	   /* owned: device or image file */
	const char *role;  /* constant string */
	int lock_fd;	   /* -1: only read */
	struct luks *luks; /* owned */
	struct luks_info info;
	struct token *token[LUKS_TOKENS];    /* owned; NULL: none, or one that cannot be read */
	const char *unreadable[LUKS_TOKENS]; /* what is wrong with one; constant string */
	struct secret key;		     /* the volume key, empty until enrol_keys() */
};

struct enrol_volumes {
	struct enrol_volume volume[ENROL_VOLUMES_MAX];
	unsigned n;
};

/*
 * Opens what args name (NULL-terminated: devices, image files, roles, ROLE=FILE); with none all
 * encrypted volumes of the boot disk. To write, each is locked against other runs until it is closed.
 */
enum result enrol_open(const struct options *options, char **args, bool to_write,
		       struct enrol_volumes *ret_volumes);
void enrol_close(struct enrol_volumes *volumes);
#define _enrol_ _cleanup_(enrol_close)

/* Reads the header again, after it was written. */
int enrol_reread(struct enrol_volume *volume);

/* Gets the volume keys by a passphrase: of --key-file, else typed. */
enum result enrol_keys(const struct options *options, struct enrol_volumes *volumes);

/* The tokens of some kinds (1 << enum token_kind), a bit each. */
uint32_t enrol_tokens(const struct enrol_volume *volume, unsigned kinds);

/* Key slots that go when these tokens go: theirs, unless another token names them. */
uint32_t enrol_slots_of(const struct enrol_volume *volume, uint32_t tokens);

/* Would the volume still open, by a key slot, without these tokens? */
bool enrol_opens_without(const struct enrol_volume *volume, uint32_t tokens);

/* Removes tokens and their key slots. See the .c for the order. */
int enrol_remove(struct enrol_volume *volume, uint32_t tokens);

/* What a cut left of a run, on all the volumes: half enrolments, and half removed ones. */
enum result enrol_clean(struct enrol_volumes *volumes);

/* "no space in the header", …, of what lib/trust/luks.h returns; constant string. */
const char *enrol_error(int r);
