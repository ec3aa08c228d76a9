/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A model check of the whole machine: bootloader, agent, updater, another program that writes the
 * environment, a user who reboots, roots that are broken in several ways, and a supply that may be
 * cut between and within any two writes. From two devices as they leave the factory every
 * interleaving is walked, without a limit on boots: the walk ends when nothing new follows.
 *
 * In each step the rules of DESIGN.md, section 2 ("Slot policy"), are asserted; when all states are
 * known, that from each of them a healthy root comes up when the power stays on. On a violation the
 * steps that lead to it are printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "machine.h"

/* ---- the states that are known ---- */

#define STATES_MAX (1u << 21)
#define TABLE_SIZE (1u << 22)

enum event {
	FACTORY,
	POWER_CUT,
	TORN_WRITE,
	WRITTEN_WHOLE,
	BOOTLOADER_STARTS,
	BOOTLOADER_WRITES,
	ROOT_COMES_UP,
	ROOT_PANICS,
	ROOT_HANGS,
	WATCHDOG_FIRES,
	SWITCHED_OFF_AND_ON,
	USER_REBOOTS,
	USER_SWITCHES,
	AGENT_SAYS_GOOD,
	AGENT_SAYS_BAD,
	UPDATER_MARKS_TARGET,
	UPDATER_BEGINS_TO_WRITE,
	UPDATER_HAS_WRITTEN,
	UPDATER_PUTS_ON_TRIAL,
	OTHER_PROGRAM_WRITES,
	OTHER_PROGRAM_IS_CUT,
	ROOT_BEGINS_TO_FAIL,
	EVENTS,
};

static const char *const event_names[EVENTS] = {
	"factory",
	"power cut",
	"power cut within the write",
	"written",
	"bootloader starts a root, no write",
	"bootloader begins to write",
	"root comes up",
	"root panics",
	"root hangs",
	"watchdog fires",
	"switched off and on by hand",
	"clean reboot",
	"user switches to the other root",
	"agent: good",
	"agent: bad",
	"updater: target marked bad",
	"updater: target half written",
	"updater: target written",
	"updater: target put on trial",
	"other program writes the front",
	"other program is cut",
	"committed root begins to fail",
};

/* Successors when the power stays on, nobody touches the device and no update runs. */
#define AHEAD_MAX 4

struct node {
	struct state state;
	uint32_t parent;
	uint32_t ahead[AHEAD_MAX];
	uint8_t event;
	uint8_t ahead_n;
	uint8_t resets; /* to a healthy root; RESETS_UNKNOWN */
	uint8_t pad;
};

#define RESETS_UNKNOWN 255

static struct world world;
static struct node *nodes;
static uint32_t *table;	     /* index + 1 */
static uint32_t nodes_n, at; /* at: the one whose successors are being made */
static size_t transitions;

static uint32_t state_hash(const struct state *s)
{
	const uint32_t *words = (const uint32_t *)s;
	uint32_t hash = 2166136261u;

	_Static_assert(sizeof(*s) % sizeof(*words) == 0, "hashed by words");
	for (size_t i = 0; i < sizeof(*s) / sizeof(*words); i++) {
		hash = (hash ^ words[i]) * 2654435761u;
		hash ^= hash >> 15;
	}
	return hash;
}

/* Which record is which does not matter, only whether it is the same: names are given anew in the
 * order of the places that hold one. */
static void rename_records(struct state *s)
{
	uint8_t names[EVIDENCE_LAST + 1] = {EVIDENCE_NONE, EVIDENCE_WATCHDOG};
	struct keys *const places[] = {&s->durable, &s->inflight, &s->front, &s->copy};
	uint8_t next = EVIDENCE_FIRST;

	if (s->record)
		s->record = names[s->record] = next++;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		uint8_t evidence = places[i]->evidence;

		if (evidence >= EVIDENCE_FIRST && !names[evidence])
			names[evidence] = next++;
		places[i]->evidence = names[evidence] & 7u;
	}
}

static uint32_t visit(struct state state, enum event event)
{
	const struct state *s = &state;

	rename_records(&state);
	transitions++;
	for (uint32_t i = state_hash(s) % TABLE_SIZE;; i = (i + 1) % TABLE_SIZE) {
		if (table[i] == 0) {
			assert_true(nodes_n < STATES_MAX);
			nodes[nodes_n] = (struct node){.state = *s,
						       .parent = at,
						       .event = (uint8_t)event,
						       .resets = RESETS_UNKNOWN};
			table[i] = ++nodes_n;
			return nodes_n - 1;
		}
		if (memcmp(&nodes[table[i] - 1].state, s, sizeof(*s)) == 0)
			return table[i] - 1;
	}
}

/* A step that needs a cut, a user or an updater. */
static void maybe(struct state s, enum event event)
{
	(void)visit(s, event);
}

/* A step that comes by itself. */
static void ahead(struct state s, enum event event)
{
	uint32_t i = visit(s, event);
	struct node *node = &nodes[at];

	for (unsigned n = 0; n < node->ahead_n; n++)
		if (node->ahead[n] == i)
			return;
	assert_true(node->ahead_n < AHEAD_MAX);
	node->ahead[node->ahead_n++] = i;
}

/* ---- what is said when a rule is broken ---- */

static void print_keys(struct keys k)
{
	print_message(" root=%c trial=%u count=%u spared=%u failures=%u:%s%s bad=%c",
		      k.root ? '@' + k.root : '-', k.trial, k.count, k.spared, k.times,
		      evidence_names[k.evidence], k.ended ? " ended" : "",
		      k.bad ? '@' + k.bad : '-');
}

static void print_trace(uint32_t node)
{
	static const char *const contents[] = {"old good",     "new good",	 "new crashes",
					       "new hangs",    "new sick",	 "new refused",
					       "half written", "rotten crashes", "rotten hangs"};
	const struct node *n = &nodes[node];

	if (n->event != FACTORY)
		print_trace(n->parent);
	print_message("  %-34s A: %s, B: %s;", event_names[n->event], contents[n->state.content[0]],
		      contents[n->state.content[1]]);
	print_keys(state_keys(&n->state));
	print_message("\n");
}

static void rule(bool holds, const char *text)
{
	if (holds)
		return;
	print_message(
		"world: tells_cuts=%d tells_panics=%d has_watchdog=%d tells_watchdog=%d always=%d "
		"eager=%d others=%d rots=%d\n",
		world.tells_cuts, world.tells_panics, world.has_watchdog, world.tells_watchdog,
		world.always, world.eager, world.others, world.rots);
	print_trace(at);
	fail_msg("%s", text);
}

/* ---- resets ---- */

static struct slot_found found_of(const struct state *s)
{
	struct slot_found found = {.last = s->last};

	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		found.slot[i].present = true;
		found.slot[i].index = 2 + i;
	}
	if (s->record)
		strcpy(found.evidence, evidence_names[s->record]);
	return found;
}

static struct state reset(struct state s, enum slot_last last)
{
	s.phase = BOOT;
	s.step = s.then = s.slot = s.updating = 0;
	s.last = (uint8_t)last;
	return s;
}

/* The power goes. When a root was started its try ends so; when it was about to be, that depends on
 * whether the write can be read. */
static struct state cut(struct state s)
{
	if (s.phase == START || s.phase == RUN || s.phase == HUNG)
		s.end = s.end_if_stored = END_CUT;
	return reset(s, world.tells_cuts ? SLOT_LAST_POWER : SLOT_LAST_UNKNOWN);
}

static struct state failed(struct state s, enum slot_last last)
{
	s.end = s.end_if_stored = END_FAULT;
	s.faulted = 1;
	return reset(s, last);
}

/* A name that nothing on the device remembers. */
static uint8_t next_record(const struct state *s)
{
	for (uint8_t r = EVIDENCE_FIRST;; r++)
		if (r != s->record && r != s->durable.evidence && r != s->inflight.evidence &&
		    r != s->front.evidence && r != s->copy.evidence) {
			assert_true(r <= EVIDENCE_LAST);
			return r;
		}
}

static struct state panicked(struct state s)
{
	if (world.tells_panics)
		s.record = next_record(&s);
	return failed(s, SLOT_LAST_UNKNOWN);
}

/* ---- the store ---- */

/* These keys are what counts now. Another root on trial has not failed yet. */
static struct state stored(struct state s, struct keys keys)
{
	if (keys.root != s.durable.root || keys.count == 0)
		s.faulted = 0;
	s.durable = s.inflight = keys;
	return s;
}

static struct state finish(struct state s, struct keys keys)
{
	enum then then = s.then;

	s = stored(s, keys);
	s.step = s.then = 0;
	if (then == THEN_REBOOT) {
		s.end = s.end_if_stored;
		return reset(s, SLOT_LAST_UNKNOWN);
	}
	s.phase = then == THEN_START ? START : RUN;
	if (then == THEN_START)
		s.end = s.end_if_stored = END_NONE;
	return s;
}

static bool is_unsettled(const struct state *s)
{
	return env_choose(s->front_form, s->copy_form) == ENV_FROM_COPY;
}

/* Begins to store; what changes nothing causes no write, but that a cut one is completed. */
static struct state write_begin(struct state s, struct keys keys, enum then then)
{
	s.then = (uint8_t)then;
	if (keys_equal(keys, state_keys(&s)) && !is_unsettled(&s))
		return finish(s, keys);
	s.phase = WRITE;
	s.step = is_unsettled(&s) ? REPAIR_FRONT : COPY_PENDING;
	s.inflight = keys;
	return s;
}

/* A front in which some sectors are new: what its own readers make of it is anybody's guess. */
static void front_torn(struct state s, struct keys new)
{
	struct state torn = s;

	torn.front = (struct keys){0};
	torn.front_form = ENV_FRONT_BROKEN;
	maybe(cut(torn), TORN_WRITE);
	if (s.copy_form != ENV_COPY_PENDING)
		return;
	torn.front_form = ENV_FRONT_WHOLE;
	torn.front = s.front;
	torn.front.root = new.root;
	torn.front.trial = 0;
	maybe(cut(torn), TORN_WRITE);
	torn.front = s.front;
	torn.front.trial = new.trial;
	torn.front.count = new.count;
	maybe(cut(torn), TORN_WRITE);
}

static struct state copy_broken(struct state s)
{
	s.copy = (struct keys){0};
	s.copy_form = ENV_COPY_NONE;
	return s;
}

static void step_write(struct state s)
{
	struct keys now = state_keys(&s);

	maybe(cut(s), POWER_CUT);
	switch (s.step) {
	case REPAIR_FRONT:
		front_torn(s, now);
		s.front = now;
		s.front_form = ENV_FRONT_WHOLE;
		break;
	case REPAIR_MARK:
		if (s.copy_form == ENV_COPY_PENDING) {
			maybe(cut(copy_broken(s)), TORN_WRITE);
			s.copy_form = ENV_COPY_SETTLED;
		}
		if (keys_equal(s.inflight, now)) {
			ahead(finish(s, now), WRITTEN_WHOLE);
			return;
		}
		break;
	case COPY_PENDING:
		maybe(cut(copy_broken(s)), TORN_WRITE);
		s.copy = s.inflight;
		s.copy_form = ENV_COPY_PENDING;
		break;
	case NEW_FRONT:
		front_torn(s, s.inflight);
		s.front = s.inflight;
		s.front_form = ENV_FRONT_WHOLE;
		break;
	case COPY_SETTLED:
		maybe(cut(copy_broken(s)), TORN_WRITE);
		s.copy_form = ENV_COPY_SETTLED;
		ahead(finish(s, s.inflight), WRITTEN_WHOLE);
		return;
	}
	s.step++;
	ahead(s, WRITTEN_WHOLE);
}

/* ---- the bootloader ---- */

/* The write that was in flight when the power went is either there or not. */
static struct state read_environment(struct state s)
{
	struct keys keys = state_keys(&s);

	rule(keys_equal(keys, s.durable) || keys_equal(keys, s.inflight),
	     "a cut write is read as the old keys or as the new ones");
	if (!keys_equal(keys, s.durable))
		s.end = s.end_if_stored;
	s.end_if_stored = s.end;
	return stored(s, keys);
}

/* As bootloader/main.c does it. False: nothing can be started. */
static bool decide(const struct state *s, struct slot_decision *ret)
{
	struct boot_env env = keys_decode(s->durable);
	struct slot_found found = found_of(s);

	for (;;) {
		unsigned slot;

		*ret = slot_decide(&env, &found);
		if (!ret->slot)
			return false;
		slot = slot_index(ret->slot);
		if (s->content[slot] != NEW_REFUSED)
			return true;
		rule(!found.slot[slot].refused, "a refused slot is not tried twice");
		found.slot[slot].refused = true;
	}
}

static void check_start(const struct state *s, const struct slot_decision *d, struct keys after)
{
	unsigned slot = slot_index(d->slot);
	uint8_t content = s->content[slot], other = s->content[!slot];
	bool counted = after.root == slot + 1u && d->edits.n > 0 && (after.trial || after.always);
	bool named = s->durable.root == slot + 1u;
	struct slot_found found = found_of(s);
	struct boot_env env = keys_decode(s->durable);
	enum slot_last last = slot_last(&env, &found);

	/* rule 2 */
	if (s->durable.trial && named && d->reason == SLOT_REASON_TRIAL) {
		rule(after.count + after.spared > s->durable.count + s->durable.spared,
		     "a trial is counted, so it ends");
		rule(after.count == d->used && after.count >= 1, "a trial's count is stored");
		rule(after.trial == 1, "a trial stays one");
	}
	/* rule 3 */
	if (!s->durable.trial && !world.always && s->end != END_FAULT &&
	    s->last != SLOT_LAST_WATCHDOG)
		rule(d->edits.n == 0 || s->record != s->durable.evidence,
		     "a committed root is started without a write");
	/* rule 4: protection */
	if (!counted && content != OLD_GOOD && content < ROTTEN_CRASHES)
		rule(other != OLD_GOOD, "no new root is started without a count");
	if (content == HALF)
		rule(!is_good(other) || (counted && (d->reason == SLOT_REASON_TRIAL ||
						     d->reason == SLOT_REASON_ROLLBACK)),
		     "no half-written root is started while another one can be");
	/* rule 4: cuts and clean reboots */
	if (s->durable.trial && named && s->durable.spared < ENV_SPARED_MAX &&
	    s->durable.count > 0 && last != SLOT_LAST_PANIC && last != SLOT_LAST_WATCHDOG &&
	    (s->end == END_CLEAN || (s->end == END_CUT && world.tells_cuts)))
		rule(after.count == s->durable.count, "no cut and no clean reboot uses a try up");
	if (s->durable.trial && d->reason == SLOT_REASON_TRIAL && s->end == END_FAULT &&
	    s->last != SLOT_LAST_POWER)
		rule(after.count == s->durable.count + 1, "a failure uses a try up");
	if (d->reason == SLOT_REASON_ROLLBACK && d->cause == SLOT_CAUSE_TRIES && !s->faulted) {
		rule(after.count <= 1 && s->durable.count >= 2, "a rollback needs two tries");
		if (world.tells_cuts)
			rule(s->durable.spared == ENV_SPARED_MAX,
			     "cuts alone roll nothing back before they are too many");
	}
}

static void step_boot(struct state s)
{
	struct slot_decision d;
	struct keys after;

	maybe(cut(s), POWER_CUT);
	s = read_environment(s);
	if (!decide(&s, &d)) {
		rule(!is_good(s.content[0]) && !is_good(s.content[1]), "what can be started is");
		return;
	}
	after = keys_after(s.durable, &d.edits);
	check_start(&s, &d, after);
	s.slot = slot_index(d.slot) & 1u;
	s.last = SLOT_LAST_UNKNOWN;
	if (d.edits.n > 0)
		s.end_if_stored = END_CUT;
	s = write_begin(s, after, THEN_START);
	ahead(s, s.phase == WRITE ? BOOTLOADER_WRITES : BOOTLOADER_STARTS);
}

/* ---- roots ---- */

static void hangs(struct state s)
{
	if (world.has_watchdog) {
		ahead(failed(s, world.tells_watchdog ? SLOT_LAST_WATCHDOG : SLOT_LAST_UNKNOWN),
		      WATCHDOG_FIRES);
		return;
	}
	s.phase = HUNG;
	s.updating = 0;
	ahead(s, ROOT_HANGS);
}

static void step_start(struct state s)
{
	maybe(cut(s), POWER_CUT);
	switch (s.content[s.slot]) {
	case NEW_CRASHES:
	case ROTTEN_CRASHES:
		ahead(panicked(s), ROOT_PANICS);
		break;
	case NEW_HANGS:
	case ROTTEN_HANGS:
		hangs(s);
		break;
	case HALF:
		ahead(panicked(s), ROOT_PANICS);
		hangs(s);
		break;
	default:
		s.phase = RUN;
		ahead(s, ROOT_COMES_UP);
	}
}

static struct state reboot_cleanly(struct state s, struct keys keys)
{
	struct boot_env env = keys_decode(keys);
	const struct env_edits ended = slot_edits_ended();

	if (!slot_is_counted(&env)) {
		s.end = s.end_if_stored = END_CLEAN;
		return reset(s, SLOT_LAST_UNKNOWN);
	}
	/* Cut before this is stored, the try ends by a cut. */
	s.end = END_CUT;
	s.end_if_stored = END_CLEAN;
	return write_begin(s, keys_after(keys, &ended), THEN_REBOOT);
}

static void step_update(struct state s, const struct boot_env *env, const struct slot_found *found)
{
	unsigned target = !s.slot;
	struct env_edits edits;

	switch (s.updating) {
	case IDLE:
		/* Not while another root is to be started next. */
		if (s.durable.root != s.slot + 1u || (s.durable.trial && !world.eager))
			return;
		edits = slot_edits_bad(env, found, slot_letter(target));
		s.updating = MARKED;
		maybe(write_begin(s, keys_after(s.durable, &edits), THEN_RUN),
		      UPDATER_MARKS_TARGET);
		break;
	case MARKED:
		s.updating = WRITING;
		s.content[target] = NEW_REFUSED;
		maybe(s, UPDATER_BEGINS_TO_WRITE);
		s.content[target] = HALF;
		maybe(s, UPDATER_BEGINS_TO_WRITE);
		break;
	case WRITING:
		s.updating = WRITTEN;
		for (unsigned c = NEW_GOOD; c <= NEW_REFUSED; c++) {
			s.content[target] = (uint8_t)c;
			maybe(s, UPDATER_HAS_WRITTEN);
		}
		break;
	case WRITTEN:
		/* Its fallback would be a root that nobody has called good. */
		if (s.durable.trial)
			return;
		edits = slot_edits_try(env, found, slot_letter(target));
		s.updating = IDLE;
		rule(keys_after(s.durable, &edits).count == 0,
		     "a trial begins with all of its tries");
		maybe(write_begin(s, keys_after(s.durable, &edits), THEN_RUN),
		      UPDATER_PUTS_ON_TRIAL);
		break;
	}
}

/* grub-editenv, which knows nothing of the copy. When it is cut, what is left is the copy, or, when
 * nobody has made one yet, nothing: that is its own affair. */
static void step_other_program(struct state s)
{
	struct state broken = s;

	rule(!is_unsettled(&s), "a cut write is completed before a root is started");
	s.front.extra ^= 1;
	s.inflight = s.front;
	maybe(cut(s), OTHER_PROGRAM_IS_CUT);
	if (s.copy_form == ENV_COPY_SETTLED) {
		broken.front = (struct keys){0};
		broken.front_form = ENV_FRONT_BROKEN;
		broken.inflight = broken.copy;
		maybe(cut(broken), OTHER_PROGRAM_IS_CUT);
	}
	s.durable = s.front;
	maybe(s, OTHER_PROGRAM_WRITES);
}

static void step_run(struct state s)
{
	struct boot_env env = keys_decode(s.durable);
	const struct slot_found found = found_of(&s);
	bool named = s.durable.root == s.slot + 1u, good = is_good(s.content[s.slot]);
	struct env_edits edits;

	maybe(cut(s), POWER_CUT);
	maybe(panicked(s), ROOT_PANICS);
	step_update(s, &env, &found);
	if (world.others)
		step_other_program(s);
	if (good && named) {
		struct state verified = s;

		edits = slot_edits_good(&env, &found, slot_letter(s.slot));
		verified.content[s.slot] = OLD_GOOD;
		maybe(write_begin(verified, keys_after(s.durable, &edits), THEN_RUN),
		      AGENT_SAYS_GOOD);
	}
	if (s.updating != IDLE)
		return;
	if (good) {
		maybe(reboot_cleanly(s, s.durable), USER_REBOOTS);
	} else {
		/* It waits for its health in vain. */
		struct keys bad;

		ahead(reboot_cleanly(s, s.durable), USER_REBOOTS);
		edits = slot_edits_bad(&env, &found, slot_letter(s.slot));
		bad = keys_after(s.durable, &edits);
		if (!keys_equal(bad, s.durable))
			ahead(write_begin(s, bad, THEN_RUN), AGENT_SAYS_BAD);
	}
	if (s.content[!s.slot] == OLD_GOOD) {
		edits = slot_edits_switch(&env, &found, slot_letter(!s.slot));
		maybe(write_begin(s, keys_after(s.durable, &edits), THEN_RUN), USER_SWITCHES);
	}
	if (world.rots && s.content[s.slot] == OLD_GOOD && s.content[!s.slot] == OLD_GOOD) {
		if (world.tells_panics || world.always) {
			s.content[s.slot] = ROTTEN_CRASHES;
			maybe(panicked(s), ROOT_BEGINS_TO_FAIL);
		}
		if (world.tells_watchdog || world.always) {
			s.content[s.slot] = ROTTEN_HANGS;
			maybe(cut(s), ROOT_BEGINS_TO_FAIL);
		}
	}
}

static void step(struct state s)
{
	switch (s.phase) {
	case BOOT:
		step_boot(s);
		break;
	case WRITE:
		step_write(s);
		break;
	case START:
		step_start(s);
		break;
	case RUN:
		step_run(s);
		break;
	case HUNG:
		ahead(cut(s), SWITCHED_OFF_AND_ON);
		break;
	}
}

/* ---- does a healthy root come up? ---- */

static bool is_healthy(const struct state *s)
{
	return s->phase == RUN && is_good(s->content[s->slot]);
}

/* Resets from a node to a healthy root by the longest way; false while it is not known. */
static bool resets_of(const struct node *node, uint8_t *ret_resets)
{
	uint8_t most = 0;

	if (is_healthy(&node->state)) {
		*ret_resets = 0;
		return true;
	}
	for (unsigned i = 0; i < node->ahead_n; i++) {
		const struct node *next = &nodes[node->ahead[i]];
		unsigned resets = next->resets;

		if (resets == RESETS_UNKNOWN)
			return false;
		if (next->state.phase == BOOT)
			resets++;
		most = (uint8_t)MAX(most, resets);
	}
	*ret_resets = most;
	return node->ahead_n > 0;
}

static unsigned check_liveness(void)
{
	unsigned bound = 0;

	for (bool changed = true; changed;) {
		changed = false;
		for (uint32_t i = nodes_n; i-- > 0;)
			if (nodes[i].resets == RESETS_UNKNOWN &&
			    resets_of(&nodes[i], &nodes[i].resets)) {
				changed = true;
				bound = MAX(bound, (unsigned)nodes[i].resets);
			}
	}
	for (at = 0; at < nodes_n; at++) {
		const struct state *s = &nodes[at].state;

		if (is_good(s->content[0]) || is_good(s->content[1]))
			rule(nodes[at].resets != RESETS_UNKNOWN,
			     "a healthy root comes up in the end");
	}
	return bound;
}

/* ---- the worlds ---- */

static void visit_factory(enum env_copy copy)
{
	struct state s = {
		.front = {.root = 1, .always = world.always & 1},
		.front_form = ENV_FRONT_WHOLE,
		.copy_form = (uint8_t)copy,
	};

	s.durable = s.inflight = s.front;
	if (copy == ENV_COPY_SETTLED)
		s.copy = s.front;
	maybe(s, FACTORY);
}

static unsigned walk(struct world w)
{
	world = w;
	memset(table, 0, TABLE_SIZE * sizeof(*table));
	nodes_n = at = 0;
	visit_factory(ENV_COPY_NONE);
	visit_factory(ENV_COPY_SETTLED);
	for (; at < nodes_n; at++)
		step(nodes[at].state);
	return check_liveness();
}

#define ALL_HARDWARE 16
#define SILENT_WATCHDOG 8 /* none whose watchdog says that it fired */
#define CUTS_AT_MOST 2	  /* nothing is told but cuts */

/* Every combination of the hardware's first bits, with these policies and events. */
static void walk_hardware(const char *name, unsigned hardware, struct world w)
{
	size_t states = 0;
	unsigned bound = 0, worlds = 0;

	transitions = 0;
	for (unsigned bits = 0; bits < hardware; bits++) {
		w.tells_cuts = bits & 1;
		w.tells_panics = bits & 2;
		w.has_watchdog = bits & 4;
		w.tells_watchdog = bits & 8;
		if (w.tells_watchdog && !w.has_watchdog)
			continue;
		bound = MAX(bound, walk(w));
		states += nodes_n;
		worlds++;
	}
	print_message(
		"machine, %s: %zu states and %zu transitions in %u worlds, a healthy root comes "
		"up within %u resets\n",
		name, states, transitions, worlds, bound);
	assert_true(bound <= ENV_SPARED_MAX + 2 * ENV_LIMIT_DEFAULT);
}

static void no_cut_breaks_a_rule(void **state)
{
	(void)state;
	walk_hardware("updates", ALL_HARDWARE, (struct world){0});
}

static void no_update_that_begins_during_a_trial_breaks_a_rule(void **state)
{
	(void)state;
	walk_hardware("updates during a trial", SILENT_WATCHDOG, (struct world){.eager = true});
}

static void no_write_of_another_program_breaks_a_rule(void **state)
{
	(void)state;
	walk_hardware("another program", SILENT_WATCHDOG, (struct world){.others = true});
}

static void a_committed_root_that_begins_to_fail_is_left(void **state)
{
	(void)state;
	walk_hardware("roots that begin to fail", ALL_HARDWARE, (struct world){.rots = true});
}

static void count_always_needs_no_word_of_the_hardware(void **state)
{
	(void)state;
	walk_hardware("every boot counted", CUTS_AT_MOST,
		      (struct world){.always = true, .rots = true});
}

static int make_tables(void **state)
{
	(void)state;
	nodes = calloc(STATES_MAX, sizeof(*nodes));
	table = calloc(TABLE_SIZE, sizeof(*table));
	return nodes && table ? 0 : -1;
}

static int free_tables(void **state)
{
	(void)state;
	free(nodes);
	free(table);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_cut_breaks_a_rule),
		cmocka_unit_test(no_update_that_begins_during_a_trial_breaks_a_rule),
		cmocka_unit_test(no_write_of_another_program_breaks_a_rule),
		cmocka_unit_test(a_committed_root_that_begins_to_fail_is_left),
		cmocka_unit_test(count_always_needs_no_word_of_the_hardware),
	};

	return cmocka_run_group_tests_name("machine", tests, make_tables, free_tables);
}
