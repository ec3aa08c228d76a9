/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which provider there is, and what is up with it; see provider.h. What peers and the kernel say is
 * copied, and only what can be shown. */
#include "provider.h"

#include <errno.h>
#include <stdlib.h>

#include "fd.h"
#include "provider_internal.h"
#include "valid.h"

const struct provider *provider_choose(const struct facts *facts)
{
	return facts->network_manager ? &provider_nm : facts->networkd ? &provider_networkd : NULL;
}

void provider_list_done(struct provider_list *list)
{
	for (size_t i = 0; i < list->items; i++)
		free(list->item[i].name);
	free(list->item);
	*list = PROVIDER_LIST_NONE;
}

int provider_list_add(struct provider_list *list, const char *name, bool vpn)
{
	struct provider_connection *items;
	char *copy;

	if (!name[0] || !valid_line(slice_str(name)))
		return 0;
	for (size_t i = 0; i < list->items; i++)
		if (streq(list->item[i].name, name)) {
			list->item[i].vpn = list->item[i].vpn || vpn;
			return 0;
		}
	items = reallocarray(list->item, list->items + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	list->item = items;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	items[list->items++] = (struct provider_connection){copy, vpn};
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct provider_connection *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int provider_active_list(struct bus *bus, struct provider_list *ret_list)
{
	_cleanup_(provider_list_done) struct provider_list list = PROVIDER_LIST_NONE;
	int r = 0;

	if (bus)
		r = provider_nm_list(bus, &list);
	if (bus && r >= 0)
		r = provider_networkd_list(bus, &list);
	if (r >= 0)
		r = links_tunnels(LINKS_DIR, &list);
	if (r < 0)
		return r;
	if (list.items > 0)
		qsort(list.item, list.items, sizeof(list.item[0]), compare);
	*ret_list = list;
	list = PROVIDER_LIST_NONE;
	return 0;
}

bool provider_list_has(const struct provider_list *list, const char *name)
{
	for (size_t i = 0; i < list->items; i++)
		if (streq(list->item[i].name, name))
			return true;
	return false;
}
