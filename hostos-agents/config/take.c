/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values of config.json that are words, numbers and truths: what each must be (lib/base/valid.h),
 * and where it goes. Input: json-c's tree of a hostile text. See take.h; lists of lines are in
 * takelist.c.
 */
#include "take.h"

#include <errno.h>
#include <stdlib.h>

#include "config.h"
#include "jsonread.h"
#include "schema.h"
#include "valid.h"

#define INTERVAL_MAX 31536000u /* a year */
#define RESPONSE_MAX 256
#define LIST_MAX 64 /* servers, devices */
#define UUID_SHOWN 7

/* A string; without one the value is refused. An empty one is as good as no key. */
static bool take_text(struct schema_taking *taking, struct json_object *value,
		      struct slice *ret_text)
{
	if (!json_object_is_type(value, json_type_string)) {
		schema_refuse(taking, "", NULL, value);
		return false;
	}
	*ret_text =
		slice_of(json_object_get_string(value), (size_t)json_object_get_string_len(value));
	return ret_text->len > 0;
}

static bool take_boolean(struct schema_taking *taking, struct json_object *value, bool *ret_is)
{
	if (!json_object_is_type(value, json_type_boolean)) {
		schema_refuse(taking, "", NULL, value);
		return false;
	}
	*ret_is = json_object_get_boolean(value);
	return true;
}

static void take_choice(struct schema_taking *taking, struct json_object *value,
			enum config_choice *choice)
{
	bool is;

	if (take_boolean(taking, value, &is))
		*choice = is ? CONFIG_YES : CONFIG_NO;
}

/* A copy in *text, which holds none or the one before. */
static int keep(struct slice from, char **text)
{
	char *copy = strndup(from.data, from.len);

	if (!copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

/* Words with blanks between, each of which must pass. */
static int take_words(struct schema_taking *taking, struct json_object *value,
		      bool (*is)(struct slice word), struct config_list *list)
{
	struct slice text, rest;
	int r;

	if (!take_text(taking, value, &text))
		return 0;
	for (rest = text; rest.len > 0;) {
		struct slice word = rest;

		word.len = 0;
		while (word.len < rest.len && rest.data[word.len] != ' ')
			word.len++;
		rest = slice_from(rest, word.len < rest.len ? word.len + 1 : word.len);
		if (word.len == 0)
			continue;
		if (list->items == LIST_MAX || !is(word)) {
			schema_refuse(taking, "",
				      list->items == LIST_MAX ? "at most 64 words" : NULL, value);
			return 0;
		}
		r = config_list_add(list, word.data, word.len);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- Who the device is ------------------------------------------------------------------------ */

int take_hostname(struct schema_taking *taking, struct json_object *value)
{
	struct slice text;

	if (!take_text(taking, value, &text))
		return 0;
	if (!valid_hostname(text))
		schema_refuse(taking, "", NULL, value);
	else
		*stpncpy(taking->config->hostname, text.data, text.len) = '\0';
	return 0;
}

/* The host name of a device without one; hostname stands before uuid in the table, so that it is
 * known here. */
int take_uuid(struct schema_taking *taking, struct json_object *value)
{
	char *hostname = taking->config->hostname;
	struct slice text, first;

	if (!take_text(taking, value, &text))
		return 0;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == '\0' || !strchr("0123456789abcdefABCDEF-", text.data[i])) {
			schema_refuse(taking, "", NULL, value);
			return 0;
		}
	first = slice_of(text.data, MIN(text.len, (size_t)UUID_SHOWN));
	if (!valid_hostname(first))
		schema_refuse(taking, "", NULL, value);
	else if (!hostname[0])
		*stpncpy(hostname, first.data, first.len) = '\0';
	return 0;
}

int take_country(struct schema_taking *taking, struct json_object *value)
{
	struct slice text;

	if (!take_text(taking, value, &text))
		return 0;
	if (!valid_country(text)) {
		schema_refuse(taking, "", NULL, value);
		return 0;
	}
	for (size_t i = 0; i < 2; i++) {
		char c = text.data[i];

		taking->config->country[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
	}
	return 0;
}

int take_persistent_logging(struct schema_taking *taking, struct json_object *value)
{
	(void)take_boolean(taking, value, &taking->config->persistent_logging);
	return 0;
}

int take_development_mode(struct schema_taking *taking, struct json_object *value)
{
	(void)take_boolean(taking, value, &taking->config->development_mode);
	return 0;
}

/* --- Servers ---------------------------------------------------------------------------------- */

static bool is_ntp_server(struct slice word)
{
	struct valid_ntp parts;

	return valid_ntp_server(word, &parts);
}

int take_ntp_servers(struct schema_taking *taking, struct json_object *value)
{
	return take_words(taking, value, is_ntp_server, &taking->config->ntp_servers);
}

int take_ntp_defaults(struct schema_taking *taking, struct json_object *value)
{
	bool is;

	if (take_boolean(taking, value, &is))
		taking->config->ntp_only = !is;
	return 0;
}

static bool is_dns_server(struct slice word)
{
	struct valid_dns parts;

	return valid_dns_server(word, &parts);
}

int take_dns_servers(struct schema_taking *taking, struct json_object *value)
{
	struct config *config = taking->config;
	int r;

	if (json_object_is_type(value, json_type_string) &&
	    streq(json_object_get_string(value), "null")) {
		config->dns = CONFIG_DNS_NONE;
		return 0;
	}
	r = take_words(taking, value, is_dns_server, &config->dns_servers);
	if (config->dns_servers.items > 0)
		config->dns = CONFIG_DNS_LIST;
	return r;
}

/* --- The network ------------------------------------------------------------------------------ */

int take_random_mac_scan(struct schema_taking *taking, struct json_object *value)
{
	take_choice(taking, value, &taking->config->random_mac_scan);
	return 0;
}

int take_api_endpoint(struct schema_taking *taking, struct json_object *value)
{
	static const char path[] = "/connectivity-check";
	char url[VALID_URL_MAX + sizeof(path)];
	struct slice text;

	if (!take_text(taking, value, &text))
		return 0;
	if (!valid_url(text)) {
		schema_refuse(taking, "", NULL, value);
		return 0;
	}
	while (text.data[text.len - 1] == '/')
		text.len--;
	memcpy(url, text.data, text.len);
	memcpy(url + text.len, path, sizeof(path));
	return keep(slice_str(url), &taking->config->connectivity_uri);
}

/* apiEndpoint stands before this in the table: what it gave is replaced. */
int take_connectivity_uri(struct schema_taking *taking, struct json_object *value)
{
	struct config *config = taking->config;
	struct slice text;

	if (!take_text(taking, value, &text))
		return 0;
	if (slice_is(text, "null")) {
		config->connectivity_off = true;
		free(take_ptr(config->connectivity_uri));
		return 0;
	}
	if (!valid_url(text)) {
		schema_refuse(taking, "", NULL, value);
		return 0;
	}
	return keep(text, &config->connectivity_uri);
}

int take_connectivity_interval(struct schema_taking *taking, struct json_object *value)
{
	unsigned *interval = &taking->config->connectivity_interval;

	if (json_object_is_type(value, json_type_int)) {
		int64_t n = json_object_get_int64(value);

		if (n >= 0 && n <= INTERVAL_MAX) {
			*interval = (unsigned)n;
			return 0;
		}
	} else if (json_object_is_type(value, json_type_string) &&
		   jsonread_number(json_object_get_string(value), INTERVAL_MAX, interval) == 0) {
		return 0;
	}
	schema_refuse(taking, "", NULL, value);
	return 0;
}

int take_connectivity_response(struct schema_taking *taking, struct json_object *value)
{
	struct slice text;

	if (!take_text(taking, value, &text))
		return 0;
	if (text.len > RESPONSE_MAX || !valid_line(text)) {
		schema_refuse(taking, "", NULL, value);
		return 0;
	}
	return keep(text, &taking->config->connectivity_response);
}

/* --- The installer ---------------------------------------------------------------------------- */

int take_secureboot(struct schema_taking *taking, struct json_object *value)
{
	take_choice(taking, value, &taking->config->installer.secureboot);
	return 0;
}

int take_migrate_force(struct schema_taking *taking, struct json_object *value)
{
	take_choice(taking, value, &taking->config->installer.migrate_force);
	return 0;
}

int take_target_devices(struct schema_taking *taking, struct json_object *value)
{
	return take_words(taking, value, valid_device, &taking->config->installer.target_devices);
}
