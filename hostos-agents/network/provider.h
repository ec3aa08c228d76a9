/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The network's provider behind one interface: NetworkManager, or systemd-networkd. Asked over
 * D-Bus; which links are VPNs is asked of the kernel, since not every VPN is made by the provider.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "bus.h"
#include "facts.h"

struct provider_state {
	bool online; /* a route to somewhere: NetworkManager is connected, networkd's links are as asked */
	bool full; /* and, where that is checked, the Internet answers; not checked counts as full */
	char words[160]; /* what was found, for people; printable */
};

struct provider {
	const char *name; /* "NetworkManager", "systemd-networkd" */
	const char *unit;
	/* Subscribes to all that may change the state. Ask for the state after this and after each
	 * call of fn, and nothing is missed. It need not run yet. */
	int (*watch)(struct bus *bus, bus_signal_fn *fn, void *arg);
	/* Asks. -ESRCH when it does not run (yet). */
	int (*state)(struct bus *bus, struct provider_state *ret_state);
};

extern const struct provider provider_nm, provider_networkd;

/* The one that this system uses, NULL for none. */
const struct provider *provider_choose(const struct facts *facts);

struct provider_connection {
	char *name; /* as its provider calls it, or the link's; printable, the list's */
	bool vpn;   /* a VPN, or a tunnel: tun, tap, WireGuard, ppp */
};

struct provider_list {
	struct provider_connection *item; /* sorted by name, each name once */
	size_t items;
};

#define PROVIDER_LIST_NONE ((struct provider_list){0})

/*
 * What is up now: NetworkManager's active connections, networkd's links that carry addresses, the
 * kernel's tunnels, whichever of them are there; bus may be NULL, then the kernel's alone. A
 * provider that does not run adds nothing. -ENOMEM, or what the bus failed with; *ret_list is the
 * caller's, untouched on failure.
 */
int provider_active_list(struct bus *bus, struct provider_list *ret_list);

void provider_list_done(struct provider_list *list);

/* Is one of that name up? */
bool provider_list_has(const struct provider_list *list, const char *name);
