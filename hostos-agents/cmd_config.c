/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `tugboot config get|set|unset|check`: the keys of config.json, by the rules of schema.h. */
#include <stdio.h>
#include <stdlib.h>

#include "configfile.h"
#include "fd.h"
#include "jsonread.h"
#include "paths.h"
#include "schema.h"

#define DEPTH_MAX 32
#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
#define RULES "os.udevRules."

/* --- get -------------------------------------------------------------------------------------- */

static enum result open_tree(const struct options *options, struct configfile *file,
			     struct json_object **ret_tree)
{
	enum result result = configfile_open(options, file);
	const char *why;
	size_t at;

	if (result != RESULT_OK)
		return result;
	if (jsonread_parse_why(file->text.data, file->text.size, CONFIG_MAX, DEPTH_MAX, &why, &at,
			       ret_tree) < 0)
		return complain(CONFIG_FILE " in %s cannot be read as JSON: %s; see 'tugboot "
					    "config check'",
				file->place.shown, why);
	return RESULT_OK;
}

static bool only_scalars(struct json_object *array)
{
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		struct json_object *item = json_object_array_get_idx(array, i);

		if (json_object_is_type(item, json_type_object) ||
		    json_object_is_type(item, json_type_array))
			return false;
	}
	return true;
}

static void print_value(const char *path, struct json_object *value)
{
	if (schema_is_secret(path))
		printf("%s=(secret)\n", path);
	else if (json_object_is_type(value, json_type_array) && !schema_find(path) &&
		 !only_scalars(value))
		/* Who knows what is in there. */
		printf("%s=(%zu items)\n", path, json_object_array_length(value));
	else
		printf("%s=%s\n", path, json_object_to_json_string_ext(value, PLAIN));
}

/* All members below a path, a line each. */
static void print_all(const char *path, struct json_object *object)
{
	json_object_object_foreach(object, name, value)
	{
		_free_ char *inner = NULL;

		if (asprintf(&inner, "%s%s%s", path, path[0] ? "." : "", name) < 0)
			return;
		if (json_object_is_type(value, json_type_object))
			print_all(inner, value);
		else if (value)
			print_value(inner, value);
	}
}

static enum result print_one(const char *key, struct json_object *tree)
{
	const struct schema_key *known = schema_find(key);
	struct json_object *value = tree;
	struct jsonedit_path path;

	if (configfile_path(key, &path) != RESULT_OK)
		return RESULT_USAGE;
	for (size_t i = 0; i < path.names && value; i++) {
		_free_ char *name = strndup(path.name[i].data, path.name[i].len);

		if (!name)
			return complain("no memory");
		if (!json_object_object_get_ex(value, name, &value))
			value = NULL;
	}
	if (!value && known)
		return complain("%s is not set; its default: %s", key, known->default_words);
	if (!value)
		return complain("%s is not set", key);
	if (json_object_is_type(value, json_type_string))
		printf("%s\n", json_object_get_string(value));
	else
		printf("%s\n", json_object_to_json_string_ext(value, PLAIN));
	return RESULT_OK;
}

enum result cmd_config_get(const struct options *options, char **args)
{
	_jsonread_ struct json_object *tree = NULL;
	_configfile_ struct configfile file = CONFIGFILE_NONE;
	enum result result = open_tree(options, &file, &tree);

	if (result != RESULT_OK)
		return result;
	if (args[0])
		return print_one(args[0], tree);
	print_all("", tree);
	return RESULT_OK;
}

/* --- set, unset ------------------------------------------------------------------------------- */

/* One value of JSON and nothing else? */
static bool is_json(const char *text)
{
	_jsonread_ struct json_object *tree = NULL;
	_free_ char *whole = NULL;
	const char *why;
	size_t at;
	int len = asprintf(&whole, "{\"v\":%s}", text);

	return len > 0 &&
	       jsonread_parse_why(whole, (size_t)len, CONFIG_MAX, DEPTH_MAX, &why, &at, &tree) ==
		       0 &&
	       json_object_object_length(tree) == 1;
}

/* The value as people write it, in JSON; the caller's. NULL without memory. A key of text takes any
 * text as it is; others take JSON, and what is none is text, for the schema to refuse. */
static char *value_in_json(const char *key, const char *text)
{
	const struct schema_key *known = schema_find(key);
	bool is_text = known ? known->json == SCHEMA_STRING : startswith(key, RULES) != NULL;
	_jsonread_ struct json_object *string = NULL;

	if (!is_text && is_json(text))
		return strdup(text);
	string = json_object_new_string(text);
	return string ? strdup(json_object_to_json_string_ext(string, PLAIN)) : NULL;
}

static enum result read_change(char *arg, bool set, struct configfile_change *change)
{
	char *equals = strchr(arg, '=');

	if (!set)
		return configfile_path(arg, &change->path);
	if (!equals)
		return complain_usage("'%s' is not KEY=VALUE", arg);
	*equals = '\0';
	change->value = value_in_json(arg, equals + 1);
	return change->value ? configfile_path(arg, &change->path) : complain("no memory");
}

static enum result change(const struct options *options, char **args, bool set)
{
	struct configfile_change *changes;
	enum result result = RESULT_OK;
	size_t n = 0;

	while (args[n])
		n++;
	changes = calloc(n, sizeof(*changes));
	if (!changes)
		return complain("no memory");
	for (size_t i = 0; i < n && result == RESULT_OK; i++)
		result = read_change(args[i], set, &changes[i]);
	if (result == RESULT_OK)
		result = configfile_change(options, changes, n);
	for (size_t i = 0; i < n; i++)
		free(changes[i].value);
	free(changes);
	return result;
}

enum result cmd_config_set(const struct options *options, char **args)
{
	return change(options, args, true);
}

enum result cmd_config_unset(const struct options *options, char **args)
{
	return change(options, args, false);
}

/* --- check ------------------------------------------------------------------------------------ */

enum result cmd_config_check(const struct options *options, char **args)
{
	_configfile_ struct configfile file = CONFIGFILE_NONE;
	_config_ struct config *config = NULL;
	enum result result;

	result = args[0] ? configfile_read(args[0], &file.text) : configfile_open(options, &file);
	if (result == RESULT_OK)
		result = configfile_parse(args[0] ? args[0] : CONFIG_FILE, &file.text, &config);
	if (result == RESULT_OK)
		printf("ok\n");
	return result;
}
