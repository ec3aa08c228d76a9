/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * NetworkManager as the provider: org.freedesktop.NetworkManager(5) in its D-Bus reference. Trusts
 * its numbers, copies its texts.
 */
#include <errno.h>
#include <stdio.h>

#include "fd.h"
#include "provider_internal.h"

#define SERVICE "org.freedesktop.NetworkManager"

static const struct bus_object manager = {SERVICE, "/org/freedesktop/NetworkManager", SERVICE};
static const struct bus_object properties = {SERVICE, "/org/freedesktop/NetworkManager",
					     "org.freedesktop.DBus.Properties"};

/* NMState, NMConnectivityState, NMActiveConnectionState. */
enum {
	STATE_LOCAL = 50, /* connected, without a default route */
	STATE_GLOBAL = 70,
	CONNECTIVITY_FULL = 4,
	ACTIVE_ACTIVATED = 2,
};

static const char *state_words(uint64_t state)
{
	static const struct {
		uint64_t state;
		const char *words;
	} known[] = {
		{10, "asleep"},
		{20, "disconnected"},
		{30, "disconnecting"},
		{40, "connecting"},
		{STATE_LOCAL, "connected, without a default route"},
		{60, "connected, but the Internet does not answer"},
		{STATE_GLOBAL, "connected"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].state == state)
			return known[i].words;
	return "in an unknown state";
}

static int nm_watch(struct bus *bus, bus_signal_fn *fn, void *arg)
{
	int r = bus_watch(bus, &manager, "StateChanged", fn, arg);

	return r < 0 ? r : bus_watch(bus, &properties, "PropertiesChanged", fn, arg);
}

static int nm_state(struct bus *bus, struct provider_state *ret_state)
{
	struct provider_state found = {0};
	uint64_t state, startup, connectivity;
	int r;

	r = bus_get_number(bus, &manager, "State", &state);
	if (r >= 0)
		r = bus_get_number(bus, &manager, "Startup", &startup);
	if (r >= 0)
		r = bus_get_number(bus, &manager, "Connectivity", &connectivity);
	if (r < 0)
		return r;
	/* Without a default route the network may be all that there is here; as long as NetworkManager
	 * is still starting connections, another one may bring it. */
	found.online = state >= STATE_GLOBAL || (state >= STATE_LOCAL && !startup);
	found.full = found.online && (state >= STATE_GLOBAL || connectivity == CONNECTIVITY_FULL);
	(void)snprintf(found.words, sizeof(found.words),
		       "NetworkManager is %s (state %u, connectivity %u%s)", state_words(state),
		       (unsigned)state, (unsigned)connectivity, startup ? ", still starting" : "");
	*ret_state = found;
	return 0;
}

const struct provider provider_nm = {
	.name = "NetworkManager",
	.unit = "NetworkManager.service",
	.watch = nm_watch,
	.state = nm_state,
};

/* One that goes while it is asked about is not up. */
static int add_active(struct bus *bus, const char *path, struct provider_list *list)
{
	const struct bus_object active = {SERVICE, path, SERVICE ".Connection.Active"};
	_free_ char *id = NULL, *type = NULL;
	uint64_t state, vpn;

	if (bus_get_number(bus, &active, "State", &state) < 0 || state != ACTIVE_ACTIVATED ||
	    bus_get_number(bus, &active, "Vpn", &vpn) < 0 ||
	    bus_get_text(bus, &active, "Id", &id) < 0 ||
	    bus_get_text(bus, &active, "Type", &type) < 0 || streq(type, "loopback"))
		return 0;
	return provider_list_add(list, id,
				 vpn || streq(type, "wireguard") || streq(type, "tun") ||
					 streq(type, "ppp") || streq(type, "ip-tunnel"));
}

int provider_nm_list(struct bus *bus, struct provider_list *list)
{
	char **paths;
	int r;

	r = bus_get_list(bus, &manager, "ActiveConnections", &paths);
	if (r == -ESRCH)
		return 0;
	if (r < 0)
		return r;
	for (char **path = paths; *path && r >= 0; path++)
		r = add_active(bus, *path, list);
	bus_list_free(paths);
	return r;
}
