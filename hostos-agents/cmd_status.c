/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot status`: which slot runs and why, and what happens at the next boot. The forecast is the
 * bootloader's own policy, asked with the present environment. Field names of --json are an
 * interface, documented in tugboot(1).
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boots.h"
#include "facts.h"
#include "fd.h"
#include "place.h"
#include "running.h"
#include "slot.h"
#include "status.h"
#include "tugboot.h"

struct status {
	struct running running;
	const struct place *place; /* NULL: the boot partition was not found */
	bool next_known;	   /* false: it depends on a disk that cannot be seen from here */
	char named;
	struct slot_decision next;
	bool rolled_back;
	struct rollback rollback;
	const struct boots *boots; /* the last ones, as the health agent noted them */
	const char *why; /* of the rollback, as that one found it; NULL: nothing is known */
};

#define BOOTS_SHOWN 6

static struct status status_of(const struct running *running, const struct place *place,
			       const struct boots *boots)
{
	struct status status = {.running = *running, .place = place, .boots = boots};
	const struct boots_entry *failed = NULL;
	char text[ENV_NAME_MAX];
	bool is_named;

	if (!place)
		return status;
	status.named = slot_named(&place->env, &place->found, &is_named);
	status.next_known = place->disk_known || place->env.root_kind != ENV_ROOT_INDEX;
	status.next = slot_decide(&place->env, &place->found);
	status.rolled_back = envstore_get(&place->store, ENV_ROLLBACK, text, sizeof(text)) >= 0 &&
			     rollback_parse(text, &status.rollback);
	if (status.rolled_back && status.rollback.cause == SLOT_CAUSE_HEALTH)
		failed = boots_last_failed(boots, status.rollback.slot);
	status.why = failed && failed->why[0] ? failed->why : NULL;
	return status;
}

/* --- For people ----------------------------------------------------------------------------- */

static void print_line(const char *label, const char *text)
{
	printf("%-15s %s\n", label, text);
}

static void print_next(const struct status *status)
{
	const struct boot_env *env = &status->place->env;
	char text[SENTENCE_MAX];

	if (status->next_known) {
		next_words(&status->next, status->named, text);
		print_line("Next boot:", text);
		if (!status->place->disk_known && status->next.reason != SLOT_REASON_NONE)
			print_line(
				"",
				"(if both slots are there: their disk cannot be seen from here)");
	} else {
		(void)snprintf(text, sizeof(text),
			       "the slot on partition %u: which one cannot be seen from here",
			       env->root_index);
		print_line("Next boot:", text);
	}
	if (env->bad) {
		(void)snprintf(text, sizeof(text),
			       "slot %c: it is started only when nothing else can be", env->bad);
		print_line("Called bad:", text);
	}
	if (env->failures.times > 0) {
		(void)snprintf(text, sizeof(text),
			       "the committed slot failed %u %s; 'tugboot slot good' forgets it",
			       env->failures.times, env->failures.times == 1 ? "time" : "times");
		print_line("Failures:", text);
	}
	if (env->spared > 0) {
		(void)snprintf(text, sizeof(text),
			       "%u of at most %u ended by power cuts and clean reboots",
			       env->spared, ENV_SPARED_MAX);
		print_line("Tries spared:", text);
	}
	if (!env->trial) {
		print_line("Trial:", "none");
		return;
	}
	(void)snprintf(text, sizeof(text), "slot %c, %u of %u tries used", status->named,
		       env->count, env->limit);
	print_line("Trial:", status->next_known ? text : "pending");
	if (status->running.slot == status->named)
		print_line("", "keep it with 'tugboot slot good'");
}

static void print_environment(const struct place *place)
{
	char text[sizeof(place->shown) + SENTENCE_MAX];

	(void)snprintf(text, sizeof(text), "%s in %s (%s)", place->store.name, place->shown,
		       envstore_kind(&place->store));
	print_line("Environment:", text);
	if (place->store.note)
		print_line("", place->store.note);
	if (place->unreadable < 0)
		(void)snprintf(text, sizeof(text), "it %s: no slot can be put on trial; remove it",
			       place->store.problem);
	else if (place->store.problem)
		(void)snprintf(text, sizeof(text), "%s; the next write repairs it",
			       place->store.problem);
	if (place->store.problem)
		print_line("", text);
	if (place->env.damaged)
		print_line("", "a value in it means nothing; its default is used");
}

/* The newest first. */
static void print_boots(const struct boots *boots)
{
	const char *label = "Last boots:";
	char text[STORY_MAX];

	for (size_t i = 0; i < boots->n && i < BOOTS_SHOWN; i++) {
		size_t at = boots->n - 1 - i;

		story_words(&boots->entry[at], i > 0 ? &boots->entry[at + 1] : NULL, text);
		print_line(label, text);
		label = "";
	}
}

static void print_status(const struct status *status)
{
	char text[SENTENCE_MAX];

	running_words(&status->running, text);
	print_line("Running:", text);
	if (status->running.last != SLOT_LAST_UNKNOWN)
		print_line("Before that:", last_words(status->running.last));
	if (!status->place) {
		print_boots(status->boots);
		return;
	}
	print_next(status);
	if (status->rolled_back)
		rollback_words(&status->rollback, text);
	print_line("Last rollback:", status->rolled_back ? text : "none");
	if (status->why)
		print_line("", status->why);
	print_boots(status->boots);
	print_environment(status->place);
}

/* --- For programs --------------------------------------------------------------------------- */

static struct json_object *slot_json(char slot)
{
	switch (slot) {
	case 'A':
		return json_object_new_string("A");
	case 'B':
		return json_object_new_string("B");
	case 'R':
		return json_object_new_string("recovery");
	default:
		return NULL; /* null */
	}
}

static void add_tries(struct json_object *object, unsigned used, unsigned allowed)
{
	json_object_object_add(object, "tries_used", json_object_new_int((int)used));
	json_object_object_add(object, "tries_allowed", json_object_new_int((int)allowed));
}

static struct json_object *running_json(const struct running *running)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "by_tugboot", json_object_new_boolean(running->by_tugboot));
	json_object_object_add(object, "slot", slot_json(running->slot));
	json_object_object_add(object, "reason",
			       running->reason == SLOT_REASON_NONE
				       ? NULL
				       : json_object_new_string(slot_reason_name(running->reason)));
	add_tries(object, running->used, running->allowed);
	json_object_object_add(object, "cause",
			       json_object_new_string(slot_cause_name(running->cause)));
	json_object_object_add(object, "last_end",
			       json_object_new_string(slot_last_name(running->last)));
	return object;
}

static struct json_object *next_json(const struct status *status)
{
	struct json_object *object = json_object_new_object();
	const struct slot_decision *next = &status->next;

	json_object_object_add(object, "slot", slot_json(next->slot));
	json_object_object_add(object, "reason",
			       json_object_new_string(slot_reason_name(next->reason)));
	json_object_object_add(object, "cause",
			       json_object_new_string(slot_cause_name(next->cause)));
	add_tries(object, next->used, next->allowed);
	return object;
}

static struct json_object *trial_json(const struct status *status)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "slot",
			       status->next_known ? slot_json(status->named) : NULL);
	add_tries(object, status->place->env.count, status->place->env.limit);
	return object;
}

static struct json_object *rollback_json(const struct rollback *rollback, const char *why)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "from", slot_json(rollback->slot));
	json_object_object_add(object, "cause",
			       json_object_new_string(slot_cause_name(rollback->cause)));
	json_object_object_add(object, "tries_used", json_object_new_int((int)rollback->used));
	json_object_object_add(object, "why", why ? json_object_new_string(why) : NULL);
	return object;
}

static struct json_object *boots_json(const struct boots *boots)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < boots->n; i++) {
		const struct boots_entry *boot = &boots->entry[i];
		struct json_object *object = running_json(&boot->running);

		json_object_object_del(object, "by_tugboot");
		json_object_object_add(object, "id", json_object_new_string(boot->id));
		json_object_object_add(object, "time",
				       boot->when > 0 ? json_object_new_int64(boot->when) : NULL);
		json_object_object_add(object, "health",
				       json_object_new_string(boots_health_name(boot->health)));
		json_object_object_add(object, "why",
				       boot->why[0] ? json_object_new_string(boot->why) : NULL);
		json_object_object_add(object, "gave_up",
				       boot->gave_up ? rollback_json(&boot->rollback, NULL) : NULL);
		json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *slots_json(const struct place *place)
{
	static const struct {
		const char *name;
		enum part_role role;
	} slots[] = {{"A", PART_ROOT_A}, {"B", PART_ROOT_B}, {"recovery", PART_RECOVERY}};
	struct json_object *object = json_object_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(slots); i++) {
		const struct partition *part = &place->disk.role[slots[i].role];

		json_object_object_add(object, slots[i].name,
				       part->present ? json_object_new_string(part->dev) : NULL);
	}
	return object;
}

static struct json_object *environment_json(const struct place *place)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "kind",
			       json_object_new_string(envstore_kind(&place->store)));
	json_object_object_add(object, "file", json_object_new_string(place->store.name));
	json_object_object_add(object, "location", json_object_new_string(place->shown));
	json_object_object_add(object, "readable", json_object_new_boolean(place->unreadable == 0));
	json_object_object_add(object, "problem",
			       place->store.problem ? json_object_new_string(place->store.problem)
						    : NULL);
	return object;
}

static void print_json(const struct status *status)
{
	struct json_object *object = json_object_new_object();
	const struct place *place = status->place;

	json_object_object_add(object, "version", json_object_new_string(TUGBOOT_VERSION));
	json_object_object_add(object, "running", running_json(&status->running));
	json_object_object_add(object, "next_boot", status->next_known ? next_json(status) : NULL);
	json_object_object_add(object, "trial",
			       place && place->env.trial ? trial_json(status) : NULL);
	json_object_object_add(object, "bad_slot",
			       place && place->env.bad ? slot_json(place->env.bad) : NULL);
	json_object_object_add(object, "failures",
			       json_object_new_int(place ? (int)place->env.failures.times : 0));
	json_object_object_add(object, "tries_spared",
			       json_object_new_int(place ? (int)place->env.spared : 0));
	json_object_object_add(object, "last_rollback",
			       status->rolled_back ? rollback_json(&status->rollback, status->why)
						   : NULL);
	json_object_object_add(object, "slots",
			       place && place->disk_known ? slots_json(place) : NULL);
	json_object_object_add(object, "environment", place ? environment_json(place) : NULL);
	json_object_object_add(object, "boots", boots_json(status->boots));
	printf("%s\n", json_object_to_json_string_ext(
			       object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
					       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

/* Empty where nothing can be read: the story is for people. */
static struct boots *read_boots(void)
{
	struct boots *boots = calloc(1, sizeof(*boots));
	struct facts facts;

	if (boots && facts_read(&facts) == 0)
		(void)boots_read(facts.state_dir, boots);
	return boots;
}

enum result cmd_status(const struct options *options, char **args)
{
	_place_ struct place place = PLACE_NONE;
	_free_ struct boots *boots = read_boots();
	struct running running = {0};
	struct status status;
	enum result result;
	int r;

	(void)args; /* takes none */
	if (!boots)
		return complain("no memory");
	r = running_read(&running);
	if (r < 0)
		(void)complain("warning: cannot read /proc/cmdline: %s", strerror(-r));
	/* What runs can be said even where the environment cannot be found. */
	result = place_open(options->boot_dir, PLACE_LOOK, &place);
	status = status_of(&running, result == RESULT_OK ? &place : NULL, boots);
	if (options->json)
		print_json(&status);
	else
		print_status(&status);
	return result;
}
