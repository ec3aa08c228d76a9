/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keys of config.json: what `tugboot config schema` prints, tugboot-config(5) is made from and
 * config_parse() goes by. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct json_object;
struct config;
struct config_problems;
struct schema_key;

/* A value being taken over, and where what is wrong with it is said. */
struct schema_taking {
	struct config *config;
	struct config_problems *problems;
	const struct schema_key *key;
};

/* What a value is in JSON, and how people give one on a command line: a string as it is, others in
 * JSON. */
enum schema_json { SCHEMA_STRING, SCHEMA_BOOLEAN, SCHEMA_OBJECT, SCHEMA_ARRAY };

struct schema_key {
	const char *path;	   /* dotted, as os.network.wifi.randomMacAddressScan */
	const char *type;	   /* in words, as "boolean"; what `expected` of a problem says */
	const char *default_words; /* what holds without the key */
	const char *help;	   /* one line */
	/* Checks and stores a value that is there and not null; says with schema_refuse() what it
	 * cannot take. 0 (refused or not) or -ENOMEM. */
	int (*take)(struct schema_taking *taking, struct json_object *value);
	enum schema_json json;
	bool secret; /* its value is never shown in a message: people put private keys there */
};

extern const struct schema_key schema_keys[];
extern const size_t schema_keys_n;

/* NULL for a path that is not of the schema. */
const struct schema_key *schema_find(const char *path);

/* Does a key that is not of the schema, by its name, hold what nobody is to see, as deviceApiKey?
 * For a path: any name in it. */
bool schema_is_secret(const char *path);

/* Notes that a value, or a part of it (part: what stands behind the key's path, "" for all of it),
 * is not what it must be; expected NULL: the key's type. */
void schema_refuse(struct schema_taking *taking, const char *part, const char *expected,
		   struct json_object *found);

/* The same for any path, as config_parse() needs it. */
void schema_problem(struct config_problems *problems, const char *path, const char *part,
		    const char *expected, struct json_object *found, bool secret);
