/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `tugboot config schema`: which keys config.json has, for people, programs and the man page. */
#include <stdio.h>

#include "jsonread.h"
#include "schema.h"
#include "tugboot.h"

static const char *json_name(enum schema_json json)
{
	switch (json) {
	case SCHEMA_BOOLEAN:
		return "boolean";
	case SCHEMA_OBJECT:
		return "object";
	case SCHEMA_ARRAY:
		return "array";
	default:
		return "string";
	}
}

static enum result print_json(void)
{
	_jsonread_ struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < schema_keys_n; i++) {
		const struct schema_key *key = &schema_keys[i];
		struct json_object *entry = json_object_new_object();

		if (!list || !entry ||
		    json_object_object_add(entry, "key", json_object_new_string(key->path)) < 0 ||
		    json_object_object_add(entry, "json",
					   json_object_new_string(json_name(key->json))) < 0 ||
		    json_object_object_add(entry, "type", json_object_new_string(key->type)) < 0 ||
		    json_object_object_add(entry, "default",
					   json_object_new_string(key->default_words)) < 0 ||
		    json_object_object_add(entry, "help", json_object_new_string(key->help)) < 0 ||
		    json_object_array_add(list, entry) < 0)
			return complain("no memory");
	}
	printf("%s\n", json_object_to_json_string_ext(
			       list, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	return RESULT_OK;
}

/* Text in scdoc's language: its marks are taken for themselves. */
static void print_scdoc(const char *text)
{
	for (; *text; text++) {
		if (strchr("*_\\[#", *text))
			(void)putchar('\\');
		(void)putchar(*text);
	}
}

/* The section of keys of tugboot-config(5). */
static void print_man(void)
{
	for (size_t i = 0; i < schema_keys_n; i++) {
		printf("*%s*\n\t", schema_keys[i].path);
		print_scdoc(schema_keys[i].help);
		printf("++\nType: ");
		print_scdoc(schema_keys[i].type);
		printf(".++\nDefault: ");
		print_scdoc(schema_keys[i].default_words);
		printf(".\n\n");
	}
}

enum result cmd_config_schema(const struct options *options, char **args)
{
	(void)args; /* takes none */
	if (options->json)
		return print_json();
	if (options->man) {
		print_man();
		return RESULT_OK;
	}
	for (size_t i = 0; i < schema_keys_n; i++)
		printf("%s%s\n    %s\n    %s; default: %s\n", i > 0 ? "\n" : "",
		       schema_keys[i].path, schema_keys[i].help, schema_keys[i].type,
		       schema_keys[i].default_words);
	return RESULT_OK;
}
