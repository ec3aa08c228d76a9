/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of config.json that hold several texts: rules, keys, certificates. Hostile; see take.h. */
#include "take.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base64.h"
#include "config.h"
#include "fd.h"
#include "jsonread.h"
#include "pemcert.h"
#include "schema.h"
#include "sshkey.h"
#include "valid.h"

#define RULES_MAX 256
#define RULE_MAX 65536 /* bytes of one */
#define KEYS_MAX 256
#define CA_MAX 262144 /* bytes in PEM */

static struct slice text_of(struct json_object *value)
{
	return slice_of(json_object_get_string(value), (size_t)json_object_get_string_len(value));
}

/* --- os.udevRules ----------------------------------------------------------------------------- */

static int add_rule(struct config *config, const char *name, struct slice text)
{
	struct config_rule *rule = &config->udev_rule[config->udev_rules];

	rule->name = strdup(name);
	rule->text = strndup(text.data, text.len);
	config->udev_rules++; /* config_free() knows of it from here on */
	return rule->name && rule->text ? 0 : -ENOMEM;
}

static int compare_rules(const void *a, const void *b)
{
	return strcmp(((const struct config_rule *)a)->name, ((const struct config_rule *)b)->name);
}

/* The name goes into a message by schema_refuse() alone, which makes it fit to be shown. */
static void refuse_rule(struct schema_taking *taking, const char *name, const char *expected,
			struct json_object *found)
{
	char part[300];

	(void)snprintf(part, sizeof(part), ".%s", name); /* cut when it is longer */
	schema_refuse(taking, part, expected, found);
}

static int take_rule(struct schema_taking *taking, const char *name, struct json_object *value)
{
	if (!valid_rule_name(slice_str(name))) {
		_jsonread_ struct json_object *found = json_object_new_string(name);

		refuse_rule(taking, name,
			    "a name of letters, digits and '-_.+:@' for a file of rules", found);
	} else if (!value) {
		return 0;
	} else if (!json_object_is_type(value, json_type_string)) {
		refuse_rule(taking, name, "string: rules of udev(7)", value);
	} else if (text_of(value).len > RULE_MAX || !valid_rules(text_of(value))) {
		refuse_rule(taking, name, "text of at most 65536 bytes without control characters",
			    value);
	} else if (taking->config->udev_rules == RULES_MAX) {
		refuse_rule(taking, name, "at most 256 names", value);
	} else {
		return add_rule(taking->config, name, text_of(value));
	}
	return 0;
}

int take_udev_rules(struct schema_taking *taking, struct json_object *value)
{
	struct config *config = taking->config;

	if (!json_object_is_type(value, json_type_object)) {
		schema_refuse(taking, "", NULL, value);
		return 0;
	}
	config->udev_rule = calloc(RULES_MAX, sizeof(*config->udev_rule));
	if (!config->udev_rule)
		return -ENOMEM;
	json_object_object_foreach(value, name, rule)
	{
		int r = take_rule(taking, name, rule);

		if (r < 0)
			return r;
	}
	if (config->udev_rules > 1)
		qsort(config->udev_rule, config->udev_rules, sizeof(*config->udev_rule),
		      compare_rules);
	return 0;
}

/* --- os.sshKeys ------------------------------------------------------------------------------- */

int take_ssh_keys(struct schema_taking *taking, struct json_object *value)
{
	if (!json_object_is_type(value, json_type_array)) {
		schema_refuse(taking, "", NULL, value);
		return 0;
	}
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		struct json_object *item = json_object_array_get_idx(value, i);
		char part[32], expected[128];
		const char *why;
		struct slice line;
		int r;

		(void)snprintf(part, sizeof(part), "[%zu]", i);
		if (i == KEYS_MAX) {
			schema_refuse(taking, part, "at most 256 keys", item);
			return 0;
		}
		if (!json_object_is_type(item, json_type_string)) {
			schema_refuse(taking, part, "string: an SSH public key", item);
			continue;
		}
		if (sshkey_parse(text_of(item), &line, &why) < 0) {
			(void)snprintf(expected, sizeof(expected),
				       "an SSH public key without options (this: %s)", why);
			schema_refuse(taking, part, expected, item);
			continue;
		}
		r = config_list_add(&taking->config->ssh_keys, line.data, line.len);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- balenaRootCA ----------------------------------------------------------------------------- */

/* base64(1) breaks lines; people leave the breaks in. */
static size_t without_breaks(struct slice text, char *buf)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		if (!memchr(" \r\n", text.data[i], 3))
			buf[n++] = text.data[i];
	return n;
}

/* All certificates of the text, written again. */
static int collect(struct slice pem, char *out, size_t max, size_t *ret_size, const char **ret_why)
{
	uint8_t der[PEMCERT_MAX];
	size_t pos = 0, n, size = 0;
	int r;

	while ((r = pemcert_next(pem, &pos, der, &n, ret_why)) > 0) {
		if (PEMCERT_TEXT_SIZE(n) > max - size) {
			*ret_why = "too long";
			return -EBADMSG;
		}
		size += pemcert_write(der, n, out + size);
	}
	if (r == 0 && size == 0) {
		*ret_why = "no certificate";
		return -EBADMSG;
	}
	*ret_size = size;
	return r;
}

int take_root_ca(struct schema_taking *taking, struct json_object *value)
{
	_free_ char *base64 = NULL, *pem = NULL, *out = NULL;
	const char *why = "not in base64";
	char expected[128];
	struct slice text;
	size_t size;
	int r = -EBADMSG;

	if (!json_object_is_type(value, json_type_string)) {
		schema_refuse(taking, "", NULL, value);
		return 0;
	}
	text = text_of(value);
	if (text.len == 0)
		return 0;
	base64 = malloc(text.len);
	pem = malloc(text.len);
	out = malloc(CA_MAX);
	if (!base64 || !pem || !out)
		return -ENOMEM;
	if (base64_decode(base64, without_breaks(text, base64), pem, text.len, &size) == 0)
		r = collect(slice_of(pem, size), out, CA_MAX, &size, &why);
	if (r < 0) {
		(void)snprintf(expected, sizeof(expected), "%s (this: %s)", taking->key->type, why);
		schema_refuse(taking, "", expected, value);
		return 0;
	}
	/* Of its size: it is kept for as long as the agent runs. */
	taking->config->root_ca = strndup(out, size);
	taking->config->root_ca_size = size;
	return taking->config->root_ca ? 0 : -ENOMEM;
}
