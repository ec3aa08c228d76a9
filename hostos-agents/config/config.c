/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.json to settings; see config.h. The text is hostile: json-c's tree of it is walked along
 * the table of schema.c, which owns what a value must be; here is how one is found, and how what is
 * wrong with it is said without doing what it says.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "jsonread.h"
#include "schema.h"
#include "valid.h"

#define DEPTH_MAX 32 /* of unknown keys; ours need five */
#define INTERVAL_DEFAULT 3600
#define PATH_SIZE 128 /* of paths of the schema */

/* --- Settings --------------------------------------------------------------------------------- */

int config_defaults(struct config **ret_config)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return -ENOMEM;
	config->connectivity_interval = INTERVAL_DEFAULT;
	*ret_config = config;
	return 0;
}

int config_list_add(struct config_list *list, const char *text, size_t len)
{
	char **item, *copy;

	copy = strndup(text, len);
	if (!copy)
		return -ENOMEM;
	item = reallocarray(list->item, list->items + 1, sizeof(*item));
	if (!item) {
		free(copy);
		return -ENOMEM;
	}
	item[list->items++] = copy;
	list->item = item;
	return 0;
}

static void list_done(struct config_list *list)
{
	for (size_t i = 0; i < list->items; i++)
		free(list->item[i]);
	free(list->item);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	list_done(&config->ntp_servers);
	list_done(&config->dns_servers);
	list_done(&config->ssh_keys);
	list_done(&config->installer.target_devices);
	for (size_t i = 0; i < config->udev_rules; i++) {
		free(config->udev_rule[i].name);
		free(config->udev_rule[i].text);
	}
	free(config->udev_rule);
	free(config->root_ca);
	free(config->connectivity_uri);
	free(config->connectivity_response);
	free(config);
}

/* --- Problems --------------------------------------------------------------------------------- */

/* A character (its bytes in UTF-8) that does something instead of being seen: controls, separators
 * of lines, and what turns the direction of writing. */
static bool is_hidden(const char *text, size_t len)
{
	const unsigned char *c = (const unsigned char *)text;

	if (len == 1)
		return c[0] < ' ' || c[0] == 0x7f;
	if (len == 2)
		return c[0] == 0xc2 && c[1] < 0xa0;
	return len == 3 && c[0] == 0xe2 &&
	       ((c[1] == 0x80 && c[2] >= 0xa8 && c[2] <= 0xae) ||
		(c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));
}

/* Copies text in UTF-8 to be shown: what is hidden becomes `?`, and what does not fit is cut
 * between characters, with `...` at the end. */
static void show(const char *text, char *buf, size_t size)
{
	size_t n = 0;

	while (*text) {
		size_t len = 1;

		while (((unsigned char)text[len] & 0xc0) == 0x80)
			len++;
		if (n + len + sizeof("...") > size) {
			(void)stpcpy(buf + n, "...");
			return;
		}
		if (is_hidden(text, len)) {
			buf[n++] = '?';
		} else {
			memcpy(buf + n, text, len);
			n += len;
		}
		text += len;
	}
	buf[n] = '\0';
}

static void show_value(struct json_object *found, bool secret, char *buf, size_t size)
{
	if (secret && json_object_is_type(found, json_type_string))
		(void)snprintf(buf, size, "(secret) string of %d bytes",
			       json_object_get_string_len(found));
	else if (secret)
		(void)snprintf(buf, size, "(secret) %s",
			       json_type_to_name(json_object_get_type(found)));
	else
		show(json_object_to_json_string_ext(found, JSON_C_TO_STRING_PLAIN |
								   JSON_C_TO_STRING_NOSLASHESCAPE),
		     buf, size);
}

/* The next place for a problem; NULL when all are in use, or this key has one already. */
static struct config_problem *next_problem(struct config_problems *problems, const char *key)
{
	size_t kept = MIN(problems->problems, (size_t)CONFIG_PROBLEMS_MAX);

	for (size_t i = 0; i < kept; i++)
		if (streq(problems->problem[i].key, key))
			return NULL;
	problems->problems++;
	return kept < CONFIG_PROBLEMS_MAX ? &problems->problem[kept] : NULL;
}

void schema_problem(struct config_problems *problems, const char *path, const char *part,
		    const char *expected, struct json_object *found, bool secret)
{
	struct config_problem *problem;
	char key[sizeof(problem->key)], raw[sizeof(problem->key) + 512];

	(void)snprintf(raw, sizeof(raw), "%s%s", path, part);
	show(raw, key, sizeof(key));
	problem = next_problem(problems, key);
	if (!problem)
		return;
	*problem = (struct config_problem){0};
	memcpy(problem->key, key, sizeof(key));
	show(expected, problem->expected, sizeof(problem->expected));
	show_value(found, secret, problem->found, sizeof(problem->found));
}

void schema_refuse(struct schema_taking *taking, const char *part, const char *expected,
		   struct json_object *found)
{
	schema_problem(taking->problems, taking->key->path, part,
		       expected ? expected : taking->key->type, found, taking->key->secret);
}

void config_problem_words(const struct config_problem *problem, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%s: expected %s, found %s",
		       problem->key[0] ? problem->key : CONFIG_TEXT, problem->expected,
		       problem->found);
}

/* The key that begins at `at`, to be shown. */
static void show_key(const char *json, size_t size, size_t at, char *buf, size_t max)
{
	char raw[PATH_SIZE];
	size_t n = 0;

	for (at++; at < size && json[at] != '"' && n + 1 < sizeof(raw); at++)
		raw[n++] = json[at];
	raw[n] = '\0';
	show(raw, buf, max);
}

/* The text as a whole. Nothing of it but a name of a key is shown: there may be a secret in it. */
static void problem_of_text(struct config_problems *problems, const char *json, size_t size,
			    const char *why, size_t at)
{
	struct config_problem *problem = next_problem(problems, "");
	size_t line = 1, column = 1;

	if (!problem)
		return;
	*problem = (struct config_problem){0};
	(void)snprintf(problem->expected, sizeof(problem->expected),
		       "one JSON object (RFC 8259) of at most %d bytes", CONFIG_MAX);
	if (size > CONFIG_MAX) {
		(void)snprintf(problem->found, sizeof(problem->found), "%zu bytes", size);
		return;
	}
	if (at >= size && size > 0 && json[size - 1] == '\n')
		at = size - 1; /* the last line is not the one behind it */
	for (size_t i = 0; i < at && i < size; i++) {
		column = json[i] == '\n' ? 1 : column + 1;
		line += json[i] == '\n';
	}
	if (streq(why, JSONREAD_TWICE) && at < size) {
		char key[64];

		show_key(json, size, at, key, sizeof(key));
		(void)snprintf(problem->found, sizeof(problem->found),
			       "the key \"%s\" twice, line %zu, column %zu", key, line, column);
		return;
	}
	(void)snprintf(problem->found, sizeof(problem->found), "%s, line %zu, column %zu", why,
		       line, column);
}

/* --- The walk --------------------------------------------------------------------------------- */

/* The value at a path of the schema; NULL when it is not there or null, or a container on the way
 * to it is none, which is noted. */
static struct json_object *find(struct json_object *tree, const char *path,
				struct config_problems *problems)
{
	char name[PATH_SIZE], so_far[PATH_SIZE];
	struct json_object *value = tree;

	for (const char *p = path;; p++) {
		size_t len = strcspn(p, ".");

		(void)snprintf(name, sizeof(name), "%.*s", (int)len, p);
		if (!json_object_object_get_ex(value, name, &value) || !value)
			return NULL;
		p += len;
		if (*p == '\0')
			return value;
		if (!json_object_is_type(value, json_type_object)) {
			(void)snprintf(so_far, sizeof(so_far), "%.*s", (int)(p - path), path);
			schema_problem(problems, so_far, "", "object", value, false);
			return NULL;
		}
	}
}

int config_parse(const char *json, size_t size, struct config **ret_config,
		 struct config_problems *problems)
{
	_jsonread_ struct json_object *tree = NULL;
	_config_ struct config *config = NULL;
	const char *why = "";
	size_t at = 0;
	int r;

	problems->problems = 0;
	/* json-c lets halves of surrogate pairs pass. */
	if (size <= CONFIG_MAX && !valid_utf8(slice_of(json, size))) {
		problem_of_text(problems, json, size, "bytes that are no UTF-8", size);
		return -EBADMSG;
	}
	r = jsonread_parse_why(json, size, CONFIG_MAX, DEPTH_MAX, &why, &at, &tree);
	if (r == -EBADMSG)
		problem_of_text(problems, json, size, why, at);
	if (r < 0)
		return r;
	r = config_defaults(&config);
	if (r < 0)
		return r;
	for (size_t i = 0; i < schema_keys_n; i++) {
		struct schema_taking taking = {config, problems, &schema_keys[i]};
		struct json_object *value = find(tree, schema_keys[i].path, problems);

		r = value ? schema_keys[i].take(&taking, value) : 0;
		if (r < 0)
			return r;
	}
	if (problems->problems > 0)
		return -EBADMSG;
	*ret_config = take_ptr(config);
	return 0;
}
