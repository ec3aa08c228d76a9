/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot rauc`: the handler that RAUC calls for a boot loader of its kind "custom" (RAUC's
 * manual, "Integration", custom boot loader backend): `<handler> <verb> <arguments>`, the answer as
 * one line, status 0. RAUC's slots are ours by their `bootname`, A or B.
 *
 * RAUC installs with: set-state TARGET bad, the image is written, set-primary TARGET. What these
 * words mean here is decided below; what is written is the policy's affair (lib/base/slot.h).
 */
#include <stdio.h>
#include <string.h>

#include "place.h"
#include "planned.h"
#include "running.h"
#include "slot.h"
#include "tugboot.h"

struct view {
	char running; /* 'A', 'B', 'R' (recovery), or 0: not started by Tugboot */
	char named;   /* slot that the environment names */
	bool trial;   /* that slot is on trial */
};

/* Opens the environment, and sees to it that the slot which it names is known. */
static enum result view_open(const struct options *options, enum place_use use, struct place *place,
			     struct view *ret_view)
{
	struct running running;
	enum result result;
	bool is_named;
	int r;

	r = running_read(&running);
	if (r < 0)
		return complain("cannot read /proc/cmdline: %s", strerror(-r));
	result = place_open(options->boot_dir, use, place);
	if (result != RESULT_OK)
		return result;
	if (place->env.root_kind == ENV_ROOT_INDEX && !place->disk_known)
		return complain("the environment names partition %u, and which slot that is cannot "
				"be seen from here: try without --boot",
				place->env.root_index);
	*ret_view = (struct view){.running = running.by_tugboot ? running.slot : 0,
				  .named = slot_named(&place->env, &place->found, &is_named),
				  .trial = place->env.trial};
	return RESULT_OK;
}

static enum result parse_bootname(const char *text, char *ret_slot)
{
	if (!streq(text, "A") && !streq(text, "B"))
		return complain_usage(
			"'%s' is no slot: in RAUC's system.conf, set bootname=A and bootname=B",
			text);
	*ret_slot = text[0];
	return RESULT_OK;
}

/* The slot that the last rollback gave up; 0 when there is none. */
static char given_up(const struct place *place)
{
	struct rollback rollback;
	char text[ENV_NAME_MAX];

	if (envstore_get(&place->store, ENV_ROLLBACK, text, sizeof(text)) < 0 ||
	    !rollback_parse(text, &rollback))
		return 0;
	return rollback.slot;
}

/* The slot that the environment names is never bad: a rollback from it would name the other. */
static bool is_bad(const struct place *place, const struct view *view, char slot)
{
	return place->env.bad == slot || (given_up(place) == slot && view->named != slot);
}

enum result cmd_rauc_get_primary(const struct options *options, char **args)
{
	_place_ struct place place = PLACE_NONE;
	enum result result;
	struct view view = {0};

	(void)args; /* takes none */
	result = view_open(options, PLACE_READ, &place, &view);
	if (result == RESULT_OK)
		printf("%c\n", view.named);
	return result;
}

enum result cmd_rauc_get_current(const struct options *options, char **args)
{
	struct running running;
	int r;

	(void)options;
	(void)args; /* takes none */
	r = running_read(&running);
	if (r < 0)
		return complain("cannot read /proc/cmdline: %s", strerror(-r));
	if (!running.by_tugboot || (running.slot != 'A' && running.slot != 'B'))
		return complain("no slot is running: %s",
				running.by_tugboot ? "this is the recovery system"
						   : "this system was not started by Tugboot");
	printf("%c\n", running.slot);
	return RESULT_OK;
}

enum result cmd_rauc_get_state(const struct options *options, char **args)
{
	_place_ struct place place = PLACE_NONE;
	enum result result;
	struct view view = {0};
	char slot = 0;

	result = parse_bootname(args[0], &slot);
	if (result == RESULT_OK)
		result = view_open(options, PLACE_READ, &place, &view);
	if (result == RESULT_OK)
		printf("%s\n", is_bad(&place, &view, slot) ? "bad" : "good");
	return result;
}

/* A system on trial has one root behind it that is known to work: nobody is to overwrite that. */
static enum result check_fallback(const struct view *view, char slot)
{
	if (!view->trial || view->running != view->named || view->running == slot)
		return RESULT_OK;
	return complain(
		"slot %c, which is running, is itself on trial, and falls back to slot %c: first "
		"'rauc status mark-good' or 'tugboot slot good'",
		view->running, slot);
}

static enum result set_bad(struct place *place, const struct view *view, char slot)
{
	struct env_edits edits;
	enum result result;

	result = check_fallback(view, slot);
	if (result != RESULT_OK)
		return result;
	if (place->env.bad == slot && view->named != slot)
		return RESULT_OK;
	edits = slot_edits_bad(&place->env, &place->found, slot);
	return place_apply(place, &edits);
}

/* Of a slot that is not in use: nothing is held against it any more. */
static enum result forgive(struct place *place, char slot)
{
	struct env_edits edits = {0};

	if (place->env.bad == slot)
		env_edits_unset(&edits, ENV_BAD);
	if (given_up(place) == slot)
		env_edits_unset(&edits, ENV_ROLLBACK);
	return edits.n > 0 ? place_apply(place, &edits) : RESULT_OK;
}

enum result cmd_rauc_set_state(const struct options *options, char **args)
{
	_place_ struct place place = PLACE_NONE;
	enum result result;
	struct view view = {0};
	char slot = 0;
	bool good;

	result = parse_bootname(args[0], &slot);
	if (result != RESULT_OK)
		return result;
	good = streq(args[1], "good");
	if (!good && !streq(args[1], "bad"))
		return complain_usage("'%s' is no state: states are good and bad", args[1]);
	result = view_open(options, PLACE_WRITE, &place, &view);
	if (result != RESULT_OK)
		return result;
	if (!good)
		return set_bad(&place, &view, slot);
	if (view.running != slot || view.named != slot)
		return forgive(&place, slot);
	/* It decides anew, under a lock of its own. */
	place_done(&place);
	place = PLACE_NONE;
	return cmd_slot_good(options, (char *[]){NULL});
}

/*
 *   X is                                    set-primary X
 *   --------------------------------------- ---------------------------------------------
 *   running, and named                      nothing: it is primary, a trial goes on
 *   running, not named                      committed: it works, and an update is taken back
 *   what the running trial falls back to    committed, which ends the trial; refused when bad
 *   any other                               put on trial, and no longer bad
 */
static enum result set_primary(struct place *place, const struct view *view, char slot,
			       bool *ret_tried)
{
	struct env_edits edits;

	if (view->running == slot && view->named == slot)
		return RESULT_OK;
	if (view->running == slot) {
		edits = slot_edits_switch(&place->env, &place->found, slot);
	} else if (view->trial && view->running == view->named) {
		if (is_bad(place, view, slot))
			return check_fallback(view, slot);
		edits = slot_edits_switch(&place->env, &place->found, slot);
	} else {
		edits = slot_edits_try(&place->env, &place->found, slot);
		*ret_tried = true;
	}
	return place_apply(place, &edits);
}

enum result cmd_rauc_set_primary(const struct options *options, char **args)
{
	_place_ struct place place = PLACE_NONE;
	enum result result;
	struct view view = {0};
	bool tried = false;
	char slot = 0;

	result = parse_bootname(args[0], &slot);
	if (result == RESULT_OK)
		result = view_open(options, PLACE_WRITE, &place, &view);
	if (result != RESULT_OK)
		return result;
	if (!place.found.slot[slot_index(slot)].present)
		return complain("slot %c has no partition on %s: none is labelled tug-root%c, "
				"resin-root%c or balena-root%c",
				slot, place.disk.name, slot, slot, slot);
	result = set_primary(&place, &view, slot, &tried);
	place_done(&place); /* before others are asked: it may hide what is mounted elsewhere */
	place = PLACE_NONE;
	if (result == RESULT_OK && tried && !options->boot_dir)
		health_planned(slot);
	return result;
}
