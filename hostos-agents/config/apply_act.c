/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The actions of a plan: see apply_act.h. What units and daemons answer is not trusted beyond
 * "it worked". Owns nothing.
 *
 * Before the daemons start there is nobody to be told, and a job that waits for others may wait for
 * us: units get no job then, but those of which a daemon runs already are noted for later.
 */
#include "apply_act.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus.h"
#include "chronyctl.h"
#include "do.h"
#include "fd.h"
#include "log.h"

#define UNIT_MS 45000u /* slow boards take their time to restart a daemon */
/* A daemon that dislikes its configuration ends soon after its start. */
#define SETTLE_MS 200
#define RESULT_MAX 40

struct step {
	const struct plan_action *action;
	unsigned facets; /* that asked for it */
};

static const char *const verb_words[PLAN_VERBS] = {
	[PLAN_RELOAD] = "reload",
	[PLAN_RESTART] = "restart",
	[PLAN_START] = "start",
	[PLAN_STOP] = "stop",
	[PLAN_SIGNAL] = "signal",
	[PLAN_SET_HOSTNAME] = "set the host name",
	[PLAN_UDEV_TRIGGER] = "trigger devices",
	[PLAN_CA_BUNDLE] = "make the store of certificates",
	[PLAN_JOURNAL] = "tell the journal",
	[PLAN_NM_RELOAD] = "reload NetworkManager",
	[PLAN_CHRONY_RELOAD] = "reload the sources of chrony",
};

void act_words(const struct plan_action *action, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%s%s%s", verb_words[action->verb], action->unit ? " " : "",
		       action->unit ? action->unit : "");
}

static bool same_action(const struct plan_action *a, const struct plan_action *b)
{
	if ((a->unit == NULL) != (b->unit == NULL) || (a->unit && !streq(a->unit, b->unit)))
		return false;
	/* A restart reads what a reload reads. */
	return a->verb == b->verb || (a->verb == PLAN_RELOAD && b->verb == PLAN_RESTART);
}

/* Each once, in the order of the plan, for all facets that asked. steps has room for all actions. */
static size_t collect(const struct plan *plan, unsigned facets, struct step *steps)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->actions; i++) {
		const struct plan_action *action = &plan->action[i];
		bool known = false;

		if (!(facets & 1u << action->facet))
			continue;
		for (size_t k = 0; k < n && !known; k++) {
			if (same_action(steps[k].action, action))
				steps[k].action = action; /* the stronger of the two */
			else if (!same_action(action, steps[k].action))
				continue;
			steps[k].facets |= 1u << action->facet;
			known = true;
		}
		if (!known)
			steps[n++] = (struct step){action, 1u << action->facet};
	}
	return n;
}

static bool is_up(struct bus *bus, const char *unit)
{
	char state[32];

	return bus_unit_state(bus, unit, state, sizeof(state)) == 0 &&
	       (streq(state, "active") || streq(state, "reloading"));
}

/* Is it to be seen to be well afterwards? */
static bool is_watched(enum plan_verb verb)
{
	return verb == PLAN_RELOAD || verb == PLAN_RESTART || verb == PLAN_START;
}

/* 1 when there was something to do. */
static int act_on_unit(const struct plan_action *action, enum apply_when when, struct bus *bus,
		       bool *ret_later)
{
	int r;

	if (!bus)
		return 0;
	if (action->verb == PLAN_START) {
		if (when == APPLY_BOOT) /* boot's own jobs do that */
			return 0;
		r = bus_unit(bus, UNIT_RESTART, action->unit, UNIT_MS);
		return r < 0 ? r : 1;
	}
	if (!is_up(bus, action->unit))
		return 0;
	if (action->verb == PLAN_SIGNAL) {
		r = bus_unit_kill(bus, action->unit, SIGHUP);
		return r < 0 ? r : 1;
	}
	if (when == APPLY_BOOT) {
		*ret_later = true;
		return 0;
	}
	r = bus_unit(bus,
		     action->verb == PLAN_RELOAD    ? UNIT_RELOAD_OR_TRY_RESTART
		     : action->verb == PLAN_RESTART ? UNIT_TRY_RESTART
						    : UNIT_STOP,
		     action->unit, UNIT_MS);
	/* Reloading is nothing that every unit can: that it restarts instead may have failed. */
	return r < 0 ? r : 1;
}

/* What the agent does itself. 1 when there was something to do. */
static int act_here(const struct plan_action *action, const char *root, enum apply_when when,
		    struct bus *bus, bool *ret_later)
{
	bool here = !root[0]; /* a tree beside the system has no daemons */
	int r = 0;

	if (action->verb == PLAN_CA_BUNDLE) {
		r = do_ca_bundle(root);
		return r < 0 ? r : 1;
	}
	if (!here)
		return 0;
	switch (action->verb) {
	case PLAN_SET_HOSTNAME:
		r = do_hostname(action->unit, bus);
		break;
	case PLAN_UDEV_TRIGGER:
		r = do_udev_trigger(when == APPLY_LIVE);
		break;
	case PLAN_JOURNAL:
		*ret_later = when == APPLY_BOOT;
		r = when == APPLY_BOOT || !bus ? 0 : do_journal(action->unit, bus);
		break;
	case PLAN_NM_RELOAD:
		r = bus ? do_nm_reload(bus) : 0;
		break;
	case PLAN_CHRONY_RELOAD:
		r = chrony_reload_sources();
		if (r == -ENOENT || r == -ECONNREFUSED || r == -ESRCH)
			return 0; /* it does not run, and reads them when it starts */
		break;
	default:
		return -EINVAL;
	}
	return r < 0 ? r : 1;
}

static void note(struct act_result *result, unsigned facets, const char *text)
{
	result->failed |= facets;
	for (unsigned i = 0; i < FACETS; i++)
		if (facets & 1u << i && !result->why[i][0])
			(void)snprintf(result->why[i], sizeof(result->why[i]), "%s", text);
}

/* Property Result of a service, as systemd.exec(5) has it: "exit-code", "timeout". */
static void unit_result(struct bus *bus, const char *unit, char buf[static RESULT_MAX])
{
	static const struct bus_object manager = {"org.freedesktop.systemd1",
						  "/org/freedesktop/systemd1",
						  "org.freedesktop.systemd1.Manager"};
	struct bus_object object = {"org.freedesktop.systemd1", NULL,
				    "org.freedesktop.systemd1.Service"};
	_free_ char *path = NULL, *text = NULL;

	strcpy(buf, "unknown");
	if (bus_call_text(bus, &manager, "GetUnit", UNIT_MS, &path, "s", unit) < 0)
		return;
	object.path = path;
	if (bus_get_text(bus, &object, "Result", &text) == 0)
		(void)snprintf(buf, RESULT_MAX, "%s", text);
}

static void note_unit(struct bus *bus, const struct step *step, const char *what,
		      struct act_result *result)
{
	char text[160], unit[RESULT_MAX], state[32] = "unknown";

	unit_result(bus, step->action->unit, unit);
	(void)bus_unit_state(bus, step->action->unit, state, sizeof(state)); /* as it is named */
	(void)snprintf(text, sizeof(text), "%.60s is %.12s after its %.12s (result %.20s, %s)",
		       step->action->unit, state, verb_words[step->action->verb], unit, what);
	note(result, step->facets, text);
}

static void run_step(const struct step *step, const char *root, enum apply_when when,
		     struct bus *bus, struct act_result *result, bool *ret_acted)
{
	const struct plan_action *action = step->action;
	bool of_unit = action->verb <= PLAN_SIGNAL, later = false;
	char words[100], text[160];
	int r;

	if (of_unit && root[0])
		return;
	r = of_unit ? act_on_unit(action, when, bus, &later)
		    : act_here(action, root, when, bus, &later);
	if (later)
		result->later |= step->facets;
	if (r > 0)
		result->done++;
	*ret_acted = r > 0;
	if (r >= 0)
		return;
	if (of_unit) {
		note_unit(bus, step, log_errno(r), result);
		return;
	}
	act_words(action, words, sizeof(words));
	(void)snprintf(text, sizeof(text), "cannot %s: %s", words, strerror(-r));
	note(result, step->facets, text);
}

int act_plan(const struct plan *plan, unsigned facets, const char *root, enum apply_when when,
	     struct bus *bus, struct act_result *ret_result)
{
	_free_ struct step *steps = calloc(plan->actions + 1, sizeof(*steps));
	_free_ bool *watched = calloc(plan->actions + 1, sizeof(*watched));
	bool any = false;
	size_t n;

	if (!steps || !watched)
		return -ENOMEM;
	*ret_result = (struct act_result){0};
	n = collect(plan, facets, steps);
	for (size_t i = 0; i < n; i++) {
		bool acted = false;

		run_step(&steps[i], root, when, bus, ret_result, &acted);
		watched[i] = acted && is_watched(steps[i].action->verb);
		any = any || watched[i];
		if (watched[i] || (acted && steps[i].action->verb == PLAN_JOURNAL))
			ret_result->restarts++;
	}
	if (any)
		(void)nanosleep(&(struct timespec){.tv_nsec = SETTLE_MS * 1000000L}, NULL);
	for (size_t i = 0; i < n; i++)
		if (watched[i] && !is_up(bus, steps[i].action->unit))
			note_unit(bus, &steps[i], "not active", ret_result);
	return 0;
}
