/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keys of config.json: what `tugboot config schema` prints, tugboot-config(5) is made from and
 * config_parse() goes by. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct json_object;
struct config;
struct config_problems;

struct schema_key {
	const char *path;	   /* dotted, as os.network.wifi.randomMacAddressScan */
	const char *type;	   /* in words, as "boolean"; what `expected` of a problem says */
	const char *default_words; /* what holds without the key */
	const char *help;	   /* one line */
	bool secret;		   /* never shown */
	/* Checks and stores; on refusal -EBADMSG, with `expected` in words if narrower than type. */
	int (*take)(struct config *config, struct json_object *value, const char **ret_expected);
};

extern const struct schema_key schema_keys[];
extern const size_t schema_keys_n;

/* NULL for a path that is not of the schema. */
const struct schema_key *schema_find(const char *path);
