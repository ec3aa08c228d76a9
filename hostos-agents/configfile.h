/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.json as the command deals with it: where it is, what is wrong with it in words, keys as
 * people write them. Each function complains on failure.
 */
#pragma once

#include "config.h"
#include "jsonedit.h"
#include "place.h"
#include "store.h"
#include "tugboot.h"

struct configfile {
	struct place place; /* the boot partition */
	struct store_text text;
};

#define CONFIGFILE_NONE ((struct configfile){.place = PLACE_NONE})

/* Finds and reads it; says so when it is the copy. *ret_file must be given to configfile_done() all
 * the same. */
enum result configfile_open(const struct options *options, struct configfile *ret_file);

/* Reads another file, "-" for standard input, into text; of config.json's size at most. */
enum result configfile_read(const char *path, struct store_text *ret_text);

/* Names each problem on a line, after `shown`. */
enum result configfile_complain(const char *shown, const struct config_problems *problems);

/* Parses it, or names what is wrong with it. */
enum result configfile_parse(const char *shown, const struct store_text *text,
			     struct config **ret_config);

/* A key as os.network.wifi.randomMacAddressScan; what stands behind `os.udevRules.` is one name,
 * dots and all. Borrows from the key. Complains about a key that can be none. */
enum result configfile_path(const char *key, struct jsonedit_path *ret_path);

/* One change: value is JSON, NULL: remove the key. */
struct configfile_change {
	struct jsonedit_path path;
	char *value; /* owned by the caller */
};

/*
 * Changes config.json, all in one write: what somebody else writes meanwhile stays, too. When the
 * outcome would be refused, nothing is written and each reason is named. A key to be removed that
 * is not there is removed already.
 */
enum result configfile_change(const struct options *options,
			      const struct configfile_change *changes, size_t n);

void configfile_done(struct configfile *file);
#define _configfile_ _cleanup_(configfile_done)
