/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The network before an update: see netrecord.h. */
#include "netrecord.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "line.h"
#include "macro.h"
#include "statefile.h"

#define NAMES_MAX 256
#define NAME_MAX_SHOWN 128

static bool is_printable(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.data[i] < ' ' || s.data[i] == 0x7f)
			return false;
	return s.len > 0;
}

static int add(struct provider_list *list, struct slice name, bool vpn)
{
	struct provider_connection *grown;
	char *copy;

	grown = realloc(list->item, (list->items + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	list->item = grown;
	copy = strndup(name.data, name.len);
	if (!copy)
		return -ENOMEM;
	list->item[list->items++] = (struct provider_connection){.name = copy, .vpn = vpn};
	return 0;
}

int netrecord_parse(const char *text, size_t size, struct provider_list *ret_list)
{
	struct provider_list list = PROVIDER_LIST_NONE;
	struct slice line, kind;
	size_t pos = 0;

	while (list.items < NAMES_MAX && line_next(slice_of(text, size), &pos, &line)) {
		int r;

		if (!line_word(&line, 0, &kind) ||
		    (!slice_is(kind, "vpn") && !slice_is(kind, "up")) || !is_printable(line))
			continue;
		r = add(&list, line, slice_is(kind, "vpn"));
		if (r < 0) {
			provider_list_done(&list);
			return r;
		}
	}
	*ret_list = list;
	return 0;
}

int netrecord_format(const struct provider_list *list, char **ret_text)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < list->items; i++)
		(void)fprintf(f, "%s %s\n", list->item[i].vpn ? "vpn" : "up", list->item[i].name);
	if (fclose(f) != 0) {
		free(text);
		return -ENOMEM;
	}
	*ret_text = text;
	return (int)size;
}

void netrecord_compare(const struct provider_list *before, const struct provider_list *now,
		       struct health_round *round)
{
	const char *other = NULL;
	bool any_other = false;

	for (size_t i = 0; i < now->items; i++)
		any_other = any_other || !now->item[i].vpn;
	for (size_t i = 0; i < before->items; i++) {
		const struct provider_connection *was = &before->item[i];

		if (!was->vpn) {
			other = other ? other : was->name;
		} else if (provider_list_has(now, was->name)) {
			health_round_add(round, "vpn", HEALTH_PASS, "%.*s is up", NAME_MAX_SHOWN,
					 was->name);
		} else {
			health_round_add(round, "vpn", HEALTH_FAIL,
					 "%.*s was up before the update and is not", NAME_MAX_SHOWN,
					 was->name);
		}
	}
	if (!other)
		return;
	if (any_other)
		health_round_add(round, "network", HEALTH_PASS, "a connection is up");
	else
		health_round_add(round, "network", HEALTH_FAIL,
				 "%.*s was up before the update; no connection is", NAME_MAX_SHOWN,
				 other);
}

int netrecord_save(const struct facts *facts, struct bus *bus)
{
	struct provider_list list = PROVIDER_LIST_NONE;
	_free_ char *text = NULL;
	int r;

	r = provider_active_list(bus, &list);
	if (r < 0)
		return r;
	r = netrecord_format(&list, &text);
	provider_list_done(&list);
	if (r < 0)
		return r;
	return statefile_write(facts->state_dir, NETRECORD_FILE, text, (size_t)r);
}

int netrecord_load(const struct facts *facts, struct provider_list *ret_list)
{
	_free_ char *text = NULL;
	size_t size;
	int r;

	r = statefile_read(facts->state_dir, NETRECORD_FILE, NETRECORD_MAX, &text, &size);
	return r < 0 ? r : netrecord_parse(text, size, ret_list);
}
