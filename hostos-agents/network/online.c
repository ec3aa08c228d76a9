/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot-agent network online`: waits until the provider says that the network is there, or a
 * deadline has passed. Subscribed first and asked then: a change between the two is a signal that
 * waits on the connection, and each signal leads to asking again. No polling.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "network.h"
#include "provider.h"
#include "valid.h"

/* The bus may not be there yet, or have been restarted: how long until that is tried again. */
#define RETRY_MS 500u

static const struct bus_object bus_daemon = {"org.freedesktop.DBus", "/org/freedesktop/DBus",
					     "org.freedesktop.DBus"};

static void on_signal(void *arg, const char *path, const char *interface, const char *member)
{
	bool *changed = arg;

	(void)path;
	(void)interface;
	(void)member; /* whatever it was: the state is asked for as a whole */
	*changed = true;
}

struct waiting {
	const struct provider *provider;
	bool full;
	uint64_t end; /* clock_ms() */
	struct provider_state state;
	bool changed;
};

static unsigned left_ms(const struct waiting *waiting)
{
	uint64_t now = clock_ms();

	return now >= waiting->end ? 0 : (unsigned)(waiting->end - now);
}

static int watch(struct waiting *waiting, struct bus *bus)
{
	int r = waiting->provider->watch(bus, on_signal, &waiting->changed);

	/* A provider that starts: signals of its name come from the bus daemon. */
	return r < 0 ? r
		     : bus_watch(bus, &bus_daemon, "NameOwnerChanged", on_signal,
				 &waiting->changed);
}

/* 1 when it is online, 0 at the deadline. */
static int wait_on(struct waiting *waiting, struct bus *bus)
{
	int r = watch(waiting, bus);

	while (r >= 0) {
		waiting->changed = false;
		r = waiting->provider->state(bus, &waiting->state);
		if (r == -ESRCH) {
			(void)snprintf(waiting->state.words, sizeof(waiting->state.words),
				       "%s does not run", waiting->provider->name);
			waiting->state.online = waiting->state.full = false;
		} else if (r < 0) {
			break;
		}
		if (waiting->full ? waiting->state.full : waiting->state.online)
			return 1;
		/* What came while it was asked is handled here too. */
		do {
			r = bus_process(bus, left_ms(waiting));
		} while (r > 0 && !waiting->changed);
		if (r == 0 && left_ms(waiting) == 0)
			return 0;
	}
	return r;
}

int online_wait(const struct provider *provider, unsigned timeout_s, bool full,
		struct provider_state *ret_state)
{
	struct waiting waiting = {
		.provider = provider, .full = full, .end = clock_ms() + (uint64_t)timeout_s * 1000};
	int r;

	for (;;) {
		_bus_ struct bus *bus = NULL;
		struct timespec pause = {0};
		unsigned left;

		r = bus_open(&bus);
		if (r >= 0)
			r = wait_on(&waiting, bus);
		if (r >= 0)
			break;
		(void)snprintf(waiting.state.words, sizeof(waiting.state.words),
			       "%s cannot be asked: %s", provider->name, log_errno(r));
		left = left_ms(&waiting);
		if (left == 0)
			break;
		left = left < RETRY_MS ? left : RETRY_MS;
		pause.tv_sec = left / 1000;
		pause.tv_nsec = (long)(left % 1000) * 1000000;
		(void)nanosleep(&pause, NULL); /* a signal ends the process or the pause */
	}
	*ret_state = waiting.state;
	return r > 0 ? 1 : 0;
}

static int usage(void)
{
	(void)fprintf(stderr, "Usage: tugboot-agent network online [--timeout=SECONDS] [--full]\n");
	return 2;
}

int online_main(char **args)
{
	const struct provider *provider;
	struct provider_state state;
	unsigned timeout = ONLINE_TIMEOUT_S;
	bool full = false;
	struct facts facts;
	int r;

	for (; *args; args++) {
		const char *value = startswith(*args, "--timeout=");

		if (streq(*args, "--full"))
			full = true;
		else if (!value || !valid_port(slice_str(value))) /* 1 to 65535 */
			return usage();
		else
			timeout = (unsigned)strtoul(value, NULL, 10);
	}
	r = facts_read(&facts);
	provider = r < 0 ? NULL : provider_choose(&facts);
	if (!provider) {
		log_line(LOG_ERROR, "network",
			 "online=no expected=\"NetworkManager or systemd-networkd, installed and "
			 "enabled\" found=none");
		return 1;
	}
	r = online_wait(provider, timeout, full, &state);
	log_line(r > 0 ? LOG_EVENT : LOG_ERROR, "network", "online=%s%s found=%s",
		 r > 0 ? "yes" : "no", r > 0 ? "" : " reason=deadline", log_quote(state.words));
	return r > 0 ? 0 : 1;
}
