/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any text, any member set in it and removed again. Of JSON as json-c's strict reader takes it, the
 * outcome is JSON again, with this value and all others as they were. Input: the path up to a
 * newline; the text.
 */
#include "jsonedit.h"

#include <errno.h>
#include <stdlib.h>

#include "fd.h"
#include "jsonread.h"
#include "must.h"

#define VALUE "[\"new\"]"
#define JSON_MAX (1 << 20)

static bool read_path(char *text, struct jsonedit_path *path)
{
	path->names = 0;
	for (char *name = text; path->names < JSONEDIT_DEPTH; name += strlen(name) + 1) {
		char *dot = strchr(name, '.');

		if (dot)
			*dot = '\0';
		path->name[path->names++] = slice_str(name);
		if (!dot)
			return true;
	}
	return false;
}

static int parse(const char *json, size_t size, struct json_object **ret_tree)
{
	const char *why;
	size_t at;

	return jsonread_parse_why(json, size, JSON_MAX, 64, &why, &at, ret_tree);
}

/* What is at the path; NULL when nothing is. */
static struct json_object *at_path(struct json_object *tree, const struct jsonedit_path *path)
{
	for (size_t i = 0; i < path->names && tree; i++)
		if (!json_object_object_get_ex(tree, path->name[i].data, &tree))
			return NULL;
	return tree;
}

/* A name that the text writes with escapes is another one to jsonedit: left out here. */
static void check(struct slice text, struct json_object *before, const struct jsonedit_path *path)
{
	_jsonread_ struct json_object *tree = NULL, *undone = NULL;
	_free_ char *with = NULL, *without = NULL;
	struct json_object *value;
	size_t size, size_without;
	int r;

	r = jsonedit_set(text, path, slice_str(VALUE), &with, &size);
	if (r < 0) {
		MUST(r == -ENOTDIR || r == -EINVAL);
		return;
	}
	MUST(with[size] == '\0');
	r = parse(with, size, &tree);
	if (r < 0)
		return; /* too deep or too long now */
	value = at_path(tree, path);
	MUST(value && streq(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN), VALUE));
	/* All others as they were. */
	for (size_t n = path->names; n > 0; n--) {
		struct jsonedit_path round = *path;
		struct json_object *is, *was;

		round.names = n - 1;
		is = round.names > 0 ? at_path(tree, &round) : tree;
		was = round.names > 0 ? at_path(before, &round) : before;
		if (!json_object_is_type(was, json_type_object))
			continue;
		json_object_object_foreach(was, name, old)
		{
			struct json_object *now = NULL;

			MUST(json_object_object_get_ex(is, name, &now));
			MUST(streq(name, path->name[n - 1].data) || json_object_equal(old, now));
		}
	}
	MUST(jsonedit_unset(slice_of(with, size), path, &without, &size_without) == 0);
	MUST(parse(without, size_without, &undone) == 0);
	MUST(!at_path(undone, path));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	_free_ char *name = take_string(&input, &input_size);
	struct slice text = slice_of((const char *)input, input_size);
	_jsonread_ struct json_object *tree = NULL;
	_free_ char *out = NULL, *other = NULL;
	struct jsonedit_path path;
	size_t size;

	if (!read_path(name, &path))
		return 0;
	if (parse(text.data, text.len, &tree) == 0 && !memchr(text.data, '\\', text.len)) {
		check(text, tree, &path);
		return 0;
	}
	/* Anything else must only not be read past its end. */
	(void)jsonedit_set(text, &path, slice_str(VALUE), &out, &size);
	(void)jsonedit_unset(text, &path, &other, &size);
	return 0;
}
