/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tests of a trial: see healthtests.h. Every answer is hostile, every question has a deadline. */
#include "healthtests.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "engine.h"
#include "fd.h"
#include "log.h"
#include "netrecord.h"

#define PING_MS 10000u
/* A check of boot-complete.target that takes longer is waited for in the next round. */
#define CHECK_MS 5000u

#define BOOT_COMPLETE "boot-complete.target"

static const struct bus_object manager = {
	"org.freedesktop.systemd1",
	"/org/freedesktop/systemd1",
	"org.freedesktop.systemd1.Manager",
};

/* Without these no system is well, but not each has all of them: they must not have failed. */
static const char *const usual_units[] = {
	"dbus.service",
	"systemd-journald.service",
	"systemd-udevd.service",
	"NetworkManager.service",
	"systemd-networkd.service",
	"tugboot-config.service",
	"tugboot-network.service",
	"tugboot-time.service",
};

static const char *const command_dirs[] = {"/etc/tugboot/health.d", "/usr/lib/tugboot/health.d",
					   NULL};

enum healthtests_system healthtests_system(struct bus *bus, char why[static HEALTH_WHY_MAX])
{
	_free_ char *state = NULL;
	int r = -ENOTCONN;

	if (bus)
		r = bus_get_text(bus, &manager, "SystemState", &state);
	if (r < 0) {
		(void)snprintf(why, HEALTH_WHY_MAX, "systemd does not answer: %s", strerror(-r));
		return HEALTHTESTS_UNKNOWN;
	}
	(void)snprintf(why, HEALTH_WHY_MAX, "the system is %.40s", state);
	if (streq(state, "running") || streq(state, "degraded"))
		return HEALTHTESTS_UP;
	if (streq(state, "stopping"))
		return HEALTHTESTS_STOPPING;
	if (streq(state, "starting") || streq(state, "initializing"))
		return HEALTHTESTS_STARTING;
	return HEALTHTESTS_UNKNOWN;
}

/* Names what boot-complete.target requires and has failed; false when it is not found. */
static bool failed_check(struct bus *bus, char *buf, size_t size)
{
	struct bus_object unit = {manager.service, NULL, "org.freedesktop.systemd1.Unit"};
	_free_ char *path = NULL;
	char **required = NULL;
	bool found = false;

	if (bus_call_text(bus, &manager, "LoadUnit", BUS_TIMEOUT_MS, &path, "s", BOOT_COMPLETE) < 0)
		return false;
	unit.path = path;
	if (bus_get_list(bus, &unit, "Requires", &required) < 0)
		return false;
	for (char **name = required; *name && !found; name++) {
		char state[32];

		found = bus_unit_state(bus, *name, state, sizeof(state)) == 0 &&
			streq(state, "failed");
		if (found)
			(void)snprintf(buf, size, "%.*s has failed", (int)size - 16, *name);
	}
	bus_list_free(required);
	return found;
}

void healthtests_boot_complete(struct bus *bus, bool up, struct health_round *round)
{
	char state[32], why[HEALTH_WHY_MAX] = "it is not reached";
	int r;

	r = bus_unit_state(bus, BOOT_COMPLETE, state, sizeof(state));
	if (r == 0 && !streq(state, "active") && up) {
		r = bus_unit(bus, UNIT_START, BOOT_COMPLETE, CHECK_MS);
		if (r == 0)
			r = bus_unit_state(bus, BOOT_COMPLETE, state, sizeof(state));
		else if (r != -ETIMEDOUT && failed_check(bus, why, sizeof(why)))
			r = 0;
	}
	if (r == -ETIMEDOUT)
		health_round_add(round, BOOT_COMPLETE, HEALTH_WAIT, "its checks are under way");
	else if (r < 0)
		health_round_add(round, BOOT_COMPLETE, HEALTH_FAIL, "it cannot be started: %s",
				 strerror(-r));
	else if (streq(state, "active"))
		health_round_add(round, BOOT_COMPLETE, HEALTH_PASS, "reached");
	else
		health_round_add(round, BOOT_COMPLETE, up ? HEALTH_FAIL : HEALTH_WAIT, "%s", why);
}

/* `usual` ones need not be there. */
static void test_unit(struct bus *bus, const char *unit, bool usual, struct health_round *round)
{
	char state[32];
	int r;

	r = bus_unit_state(bus, unit, state, sizeof(state));
	if (r < 0) {
		health_round_add(round, unit, HEALTH_FAIL, "systemd does not tell its state: %s",
				 strerror(-r));
		return;
	}
	if (usual) {
		if (streq(state, "failed"))
			health_round_add(round, unit, HEALTH_FAIL, "it has failed");
		return;
	}
	if (streq(state, "active") || streq(state, "reloading") || streq(state, "refreshing"))
		health_round_add(round, unit, HEALTH_PASS, "active");
	else if (streq(state, "activating"))
		health_round_add(round, unit, HEALTH_WAIT, "it is activating");
	else
		health_round_add(round, unit, HEALTH_FAIL, "it is %s, and has to be active", state);
}

static void test_units(const struct healthtests *tests, struct bus *bus, struct health_round *round)
{
	for (size_t i = 0; i < ARRAY_SIZE(usual_units); i++)
		test_unit(bus, usual_units[i], true, round);
	for (size_t i = 0; i < tests->conf->units; i++)
		test_unit(bus, tests->conf->unit[i], false, round);
}

static void test_network(const struct healthtests *tests, struct bus *bus,
			 struct health_round *round)
{
	struct provider_list now = PROVIDER_LIST_NONE;
	int r;

	if (!tests->conf->network || !tests->before || tests->before->items == 0)
		return;
	r = provider_active_list(bus, &now);
	if (r < 0) {
		/* A provider that is just starting has not all of its objects yet. */
		health_round_add(round, "network", HEALTH_WAIT, "its provider does not answer: %s",
				 strerror(-r));
		return;
	}
	netrecord_compare(tests->before, &now, round);
	provider_list_done(&now);
}

/* Installed, but nobody wants it to run. */
static bool is_disabled(struct bus *bus, const char *unit)
{
	struct bus_object object = {manager.service, NULL, "org.freedesktop.systemd1.Unit"};
	_free_ char *path = NULL, *enabled = NULL;

	if (bus_call_text(bus, &manager, "LoadUnit", BUS_TIMEOUT_MS, &path, "s", unit) < 0)
		return false;
	object.path = path;
	if (bus_get_text(bus, &object, "UnitFileState", &enabled) < 0)
		return false;
	return streq(enabled, "disabled") || streq(enabled, "masked") || !*enabled;
}

/* The one that runs, or else the first that is there and wanted; NULL when there is none. */
static const char *choose_engine_unit(struct bus *bus, const char *const *units)
{
	const char *wanted = NULL;

	for (; *units; units++) {
		char state[32];

		if (bus_unit_state(bus, *units, state, sizeof(state)) == 0 &&
		    streq(state, "active"))
			return *units;
		if (!wanted && !is_disabled(bus, *units))
			wanted = *units;
	}
	return wanted;
}

static void test_engine(const struct healthtests *tests, struct bus *bus,
			struct health_round *round)
{
	const struct healthconf *conf = tests->conf;
	bool named = conf->engine == HEALTHCONF_ENGINE_SOCKET;
	const char *socket = named ? conf->engine_socket : tests->facts->engine_socket;
	const char *unit = conf->engine_unit[0] ? conf->engine_unit : NULL;
	unsigned status = 0;
	int r;

	if (conf->engine == HEALTHCONF_ENGINE_NO || !*socket)
		return;
	if (!unit && *engine_units(socket)) {
		unit = choose_engine_unit(bus, engine_units(socket));
		if (!unit && !named)
			return; /* installed, and not in use */
	}
	if (unit)
		test_unit(bus, unit, false, round);
	r = engine_ping(socket, PING_MS, &status);
	if (r == 0)
		health_round_add(round, "engine", HEALTH_PASS, "%s answers", socket);
	else if (r == -EREMOTEIO)
		health_round_add(round, "engine", HEALTH_FAIL, "%s answers its ping with %u",
				 socket, status);
	else
		health_round_add(round, "engine", HEALTH_FAIL, "%s does not answer its ping: %s",
				 socket, strerror(-r));
}

static void test_commands(const struct healthtests *tests, struct health_round *round)
{
	struct command_list list;
	int r;

	r = command_list_read(command_dirs, &list);
	if (r < 0) {
		health_round_add(round, "health.d", HEALTH_FAIL, "cannot be read: %s",
				 strerror(-r));
		return;
	}
	for (size_t i = 0; i < list.n; i++) {
		struct command command = {.path = list.path[i],
					  .timeout_s = tests->conf->command_timeout};
		const char *name = strrchr(command.path, '/') + 1;
		struct command_end end;
		char words[HEALTH_WHY_MAX];

		command_run(&command, &end);
		command_end_words(&command, &end, words, sizeof(words));
		if (end.status == 0)
			health_round_add(round, name, HEALTH_PASS, "%s", end.said);
		else
			health_round_add(round, name, HEALTH_FAIL, "it %s", words);
	}
	command_list_done(&list);
}

void healthtests_round(const struct healthtests *tests, struct bus *bus,
		       struct health_round *ret_round, bool *ret_stopping)
{
	enum healthtests_system system;
	char why[HEALTH_WHY_MAX];

	ret_round->n = 0;
	system = healthtests_system(bus, why);
	*ret_stopping = system == HEALTHTESTS_STOPPING;
	if (system == HEALTHTESTS_UP)
		health_round_add(ret_round, "system", HEALTH_PASS, "%s", why);
	else
		health_round_add(ret_round, "system",
				 system == HEALTHTESTS_STARTING ? HEALTH_WAIT : HEALTH_FAIL, "%s",
				 why);
	if (bus) {
		healthtests_boot_complete(bus, system == HEALTHTESTS_UP, ret_round);
		test_units(tests, bus, ret_round);
		test_network(tests, bus, ret_round);
		test_engine(tests, bus, ret_round);
	}
	/* They are for a system that is up. */
	if (system == HEALTHTESTS_UP)
		test_commands(tests, ret_round);
}
