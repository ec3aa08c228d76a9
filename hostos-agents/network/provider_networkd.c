/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * systemd-networkd as the provider: org.freedesktop.network1(5), networkctl(1) for the states. Its
 * list of links is no array of names, so the links themselves are the kernel's.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>

#include "fd.h"
#include "provider_internal.h"

#define SERVICE "org.freedesktop.network1"
#define LINK_PATH "/org/freedesktop/network1/link/"

static const struct bus_object manager = {SERVICE, "/org/freedesktop/network1", SERVICE ".Manager"};
static const struct bus_object properties = {SERVICE, "/org/freedesktop/network1",
					     "org.freedesktop.DBus.Properties"};

static int networkd_watch(struct bus *bus, bus_signal_fn *fn, void *arg)
{
	return bus_watch(bus, &properties, "PropertiesChanged", fn, arg);
}

static int networkd_state(struct bus *bus, struct provider_state *ret_state)
{
	_free_ char *operational = NULL, *online = NULL;
	struct provider_state found = {0};
	int r;

	r = bus_get_text(bus, &manager, "OperationalState", &operational);
	if (r >= 0)
		r = bus_get_text(bus, &manager, "OnlineState", &online);
	if (r < 0)
		return r;
	/* Routable: an address that is more than the link's own. Online: each link that is required to
	 * be (RequiredForOnline=); partial: one of them. */
	found.online = streq(operational, "routable") && !streq(online, "offline");
	found.full = found.online && streq(online, "online");
	(void)snprintf(found.words, sizeof(found.words), "systemd-networkd is %.32s and %.32s",
		       operational, online);
	*ret_state = found;
	return 0;
}

const struct provider provider_networkd = {
	.name = "systemd-networkd",
	.unit = "systemd-networkd.service",
	.watch = networkd_watch,
	.state = networkd_state,
};

/* The object of link 12 is link/_312: a first digit is escaped, sd_bus_path_encode(3). */
static int add_link(struct bus *bus, const char *name, struct provider_list *list)
{
	struct bus_object link = {SERVICE, NULL, SERVICE ".Link"};
	_free_ char *operational = NULL;
	char digits[16], path[64];
	unsigned index = if_nametoindex(name);
	int r;

	if (index == 0)
		return 0;
	(void)snprintf(digits, sizeof(digits), "%u", index);
	(void)snprintf(path, sizeof(path), LINK_PATH "_%02x%s", (unsigned)digits[0], digits + 1);
	link.path = path;
	r = bus_get_text(bus, &link, "OperationalState", &operational);
	if (r == -ESRCH) /* it does not run */
		return r;
	if (r < 0 || !(streq(operational, "routable") || streq(operational, "degraded")))
		return 0;
	return provider_list_add(list, name, false);
}

int provider_networkd_list(struct bus *bus, struct provider_list *list)
{
	_closedir_ DIR *dir = opendir(LINKS_DIR);
	struct dirent *entry;
	int r = 0;

	while (dir && r >= 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !streq(entry->d_name, "lo"))
			r = add_link(bus, entry->d_name, list);
	return r == -ESRCH ? 0 : r;
}
