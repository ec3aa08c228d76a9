/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `tugboot config diff`: what config.json, or another one in its place, would change. */
#include <stdio.h>
#include <stdlib.h>

#include "apply.h"
#include "configfile.h"
#include "facts.h"
#include "fd.h"
#include "jsonread.h"
#include "paths.h"
#include "schema.h"

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
#define DEPTH_MAX 32

static void print_change(const char *path, struct json_object *from, struct json_object *to)
{
	bool secret = schema_is_secret(path);

	printf("%s: %s -> %s\n", path,
	       !from	? "not set"
	       : secret ? "(secret)"
			: json_object_to_json_string_ext(from, PLAIN),
	       !to	? "not set"
	       : secret ? "(secret)"
			: json_object_to_json_string_ext(to, PLAIN));
}

/* Keys below a path that are not the same in both; one of the objects may be NULL. */
static void compare(const char *path, struct json_object *from, struct json_object *to,
		    bool *ret_differ);

static void compare_member(const char *path, const char *name, struct json_object *from,
			   struct json_object *to, bool *ret_differ)
{
	_free_ char *inner = NULL;

	if (asprintf(&inner, "%s%s%s", path, path[0] ? "." : "", name) < 0)
		return;
	if (json_object_is_type(from, json_type_object) ||
	    json_object_is_type(to, json_type_object)) {
		compare(inner, json_object_is_type(from, json_type_object) ? from : NULL,
			json_object_is_type(to, json_type_object) ? to : NULL, ret_differ);
	} else if (!json_object_equal(from, to)) {
		print_change(inner, from, to);
		*ret_differ = true;
	}
}

static void compare(const char *path, struct json_object *from, struct json_object *to,
		    bool *ret_differ)
{
	struct json_object *other;

	if (from) {
		json_object_object_foreach(from, name, value)
		{
			other = NULL;
			(void)json_object_object_get_ex(to, name, &other); /* NULL when not there */
			compare_member(path, name, value, other, ret_differ);
		}
	}
	if (to) {
		json_object_object_foreach(to, new_name, new_value)
		{
			if (!json_object_object_get_ex(from, new_name, &other))
				compare_member(path, new_name, NULL, new_value, ret_differ);
		}
	}
}

static struct json_object *tree_of(const struct store_text *text)
{
	struct json_object *tree = NULL;
	const char *why;
	size_t at;

	/* One that cannot be read has no keys; the new one was parsed before. */
	(void)jsonread_parse_why(text->data, text->size, CONFIG_MAX, DEPTH_MAX, &why, &at, &tree);
	return tree;
}

static void say_line(void *arg, const char *line)
{
	bool *any = arg;

	*any = true;
	printf("%s\n", line);
}

/* What is to be done to the system for these settings. */
static enum result show_plan(const struct config *config, bool *ret_any)
{
	_plan_ struct plan *plan = NULL;
	struct facts facts = {0};
	int r;

	r = facts_read(&facts);
	if (r == 0)
		r = plan_make(config, &facts, &plan);
	if (r == 0)
		r = apply_show(plan, &facts, say_line, ret_any);
	return r < 0 ? complain("cannot tell what would change: %s", strerror(-r)) : RESULT_OK;
}

enum result cmd_config_diff(const struct options *options, char **args)
{
	_configfile_ struct configfile file = CONFIGFILE_NONE;
	_jsonread_ struct json_object *from = NULL, *to = NULL;
	struct store_text text = STORE_TEXT_NONE;
	_config_ struct config *config = NULL;
	enum result result;
	bool any = false;

	result = configfile_open(options, &file);
	if (result == RESULT_OK && args[0])
		result = configfile_read(args[0], &text);
	if (result == RESULT_OK)
		result = configfile_parse(args[0] ? args[0] : CONFIG_FILE,
					  args[0] ? &text : &file.text, &config);
	if (result == RESULT_OK && args[0]) {
		from = tree_of(&file.text);
		to = tree_of(&text);
		compare("", from, to, &any);
	}
	store_text_done(&text);
	if (result == RESULT_OK)
		result = show_plan(config, &any);
	if (result == RESULT_OK && !any)
		printf("nothing would change\n");
	return result;
}
