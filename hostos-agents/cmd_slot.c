/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot slot`: decisions about slots, each stored in one write. What is written is the policy's
 * affair (slot_edits_*() in lib/base/slot.h); here is what must hold before.
 */
#include <stdio.h>
#include <string.h>

#include "place.h"
#include "planned.h"
#include "running.h"
#include "situation.h"
#include "slot.h"
#include "tugboot.h"

static enum result parse_slot(const char *text, char *ret_slot)
{
	if (!streq(text, "A") && !streq(text, "B"))
		return complain_usage("'%s' is no slot: slots are A and B", text);
	*ret_slot = text[0];
	return RESULT_OK;
}

static enum result check_present(const struct options *options, const struct place *place,
				 char slot)
{
	if (options->force || place->found.slot[slot_index(slot)].present)
		return RESULT_OK;
	return complain(
		"slot %c has no partition on %s: none is labelled tug-root%c, resin-root%c or "
		"balena-root%c; --force does it all the same",
		slot, place->disk.name, slot, slot, slot);
}

static enum result check_try(const struct options *options, const struct situation *s, char slot)
{
	char running = s->running.slot;

	if (options->force)
		return RESULT_OK;
	if (running == slot)
		return complain("slot %c is the running one: put the other slot on trial, or use "
				"'tugboot slot good' to keep this one",
				slot);
	/* Its fallback would be a slot that nobody has called good. */
	if (running && s->env->trial && s->named_known && s->named == running)
		return complain(
			"slot %c, which is running, is itself on trial: decide that first with "
			"'tugboot slot good' or 'tugboot slot switch %c'",
			running, slot);
	return RESULT_OK;
}

static enum result try_slot(const struct options *options, char slot)
{
	_place_ struct place place = PLACE_NONE;
	struct env_edits edits;
	struct situation s;
	enum result result;

	result = situation_open(options->boot_dir, PLACE_WRITE, &place, &s);
	if (result == RESULT_OK)
		result = check_try(options, &s, slot);
	if (result == RESULT_OK)
		result = check_present(options, &place, slot);
	if (result != RESULT_OK)
		return result;
	edits = slot_edits_try(&place.env, &place.found, slot);
	result = place_apply(&place, &edits);
	if (result == RESULT_OK)
		printf("Slot %c is tried at the next boot, %u %s; then 'tugboot slot good' from %c "
		       "keeps it, else slot %c comes back.\n",
		       slot, s.env->limit, s.env->limit == 1 ? "try" : "tries", slot,
		       slot_other(slot));
	return result;
}

enum result cmd_slot_try(const struct options *options, char **args)
{
	enum result result;
	char slot = 0;

	result = parse_slot(args[0], &slot);
	if (result == RESULT_OK)
		result = try_slot(options, slot);
	/* Of another system's boot partition nothing else is known. */
	if (result == RESULT_OK && !options->boot_dir)
		health_planned(slot);
	return result;
}

/* Which slot `good` commits: the running one, which must be the one that the environment names. */
static enum result choose_good(const struct options *options, const struct situation *s,
			       char *ret_slot)
{
	char running = s->running.slot;

	if (options->force) {
		*ret_slot = running == 'A' || running == 'B' ? running : s->named;
		return RESULT_OK;
	}
	if (!s->running.by_tugboot)
		return complain(
			"this system was not started by Tugboot, so no slot is running; --force "
			"keeps slot %c, which the environment names",
			s->named);
	if (running == 'R')
		return complain("the recovery system is running, which is no slot: choose one with "
				"'tugboot slot switch A|B'");
	if (!s->named_known)
		return complain(
			"the environment names partition %u, and which slot that is cannot be "
			"seen from here: try without --boot, or --force",
			s->env->root_index);
	if (running != s->named && s->env->trial)
		return complain(
			"slot %c is running, but slot %c is on trial: boot %c and say it there, or "
			"stay here with 'tugboot slot switch %c'",
			running, s->named, s->named, running);
	if (running != s->named)
		return complain(
			"slot %c is running, but the environment names %c; use %c from now on with "
			"'tugboot slot switch %c'",
			running, s->named, running, running);
	*ret_slot = running;
	return RESULT_OK;
}

enum result cmd_slot_good(const struct options *options, char **args)
{
	_place_ struct place place = PLACE_NONE;
	struct situation s;
	enum result result;
	bool pending, trial;
	char slot = 0;

	(void)args; /* takes none */
	result = situation_open(options->boot_dir, PLACE_WRITE, &place, &s);
	if (result == RESULT_OK)
		result = choose_good(options, &s, &slot);
	if (result != RESULT_OK)
		return result;
	pending = situation_is_pending(s.env);
	trial = s.env->trial;
	result = situation_keep(&place, slot);
	if (result != RESULT_OK)
		return result;
	if (!pending)
		printf("Slot %c is not on trial: nothing to do.\n", slot);
	else
		printf(trial ? "Slot %c is kept: its trial has succeeded.\n"
			     : "Slot %c is good: its counters are reset.\n",
		       slot);
	return result;
}

enum result cmd_slot_switch(const struct options *options, char **args)
{
	_place_ struct place place = PLACE_NONE;
	struct env_edits edits;
	struct situation s;
	enum result result;
	char slot = 0;

	result = parse_slot(args[0], &slot);
	if (result == RESULT_OK)
		result = situation_open(options->boot_dir, PLACE_WRITE, &place, &s);
	if (result == RESULT_OK)
		result = check_present(options, &place, slot);
	if (result != RESULT_OK)
		return result;
	edits = slot_edits_switch(&place.env, &place.found, slot);
	result = place_apply(&place, &edits);
	if (result == RESULT_OK)
		printf("Slot %c is used from the next boot on, without a trial: if it fails, "
		       "nothing "
		       "returns to slot %c.\n",
		       slot, slot_other(slot));
	return result;
}

enum result cmd_slot_bad(const struct options *options, char **args)
{
	_place_ struct place place = PLACE_NONE;
	struct env_edits edits;
	struct situation s = {0};
	enum result result;
	char slot = 0;

	result = parse_slot(args[0], &slot);
	if (result == RESULT_OK)
		result = situation_open(options->boot_dir, PLACE_WRITE, &place, &s);
	if (result != RESULT_OK)
		return result;
	if (!s.named_known && !options->force)
		return complain(
			"the environment names partition %u, and which slot that is cannot be "
			"seen from here: try without --boot, or --force",
			s.env->root_index);
	edits = slot_edits_bad(&place.env, &place.found, slot);
	result = place_apply(&place, &edits);
	if (result != RESULT_OK)
		return result;
	if (slot == s.named)
		printf("Slot %c is given up: slot %c is started from the next boot on.\n", slot,
		       slot_other(slot));
	else
		printf("Slot %c is not started while another one can be, until it is put on "
		       "trial.\n",
		       slot);
	return RESULT_OK;
}

enum result cmd_slot_ended(const struct options *options, char **args)
{
	_place_ struct place place = PLACE_NONE;
	struct env_edits edits = slot_edits_ended();
	struct situation s = {0};
	enum result result;

	(void)args; /* takes none */
	result = situation_open(options->boot_dir, PLACE_WRITE, &place, &s);
	if (result != RESULT_OK)
		return result;
	/* A shutdown writes nothing when nothing is counted; nor does one of a system that is not
	 * the one whose tries are counted. */
	if (!slot_is_counted(s.env) || s.env->count == 0 || s.env->ended_clean ||
	    (s.named_known && s.running.slot != s.named))
		return RESULT_OK;
	return place_apply(&place, &edits);
}
