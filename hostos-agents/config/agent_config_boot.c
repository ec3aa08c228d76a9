/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot-agent config boot` and `undo`, both once. At boot nothing may be missing: a text that is
 * refused, or not there, gives way to the last one that was good, that to the defaults. Settings on
 * trial that nobody confirmed before the power went are not put into effect at all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent_config.h"
#include "bus.h"
#include "confirm.h"
#include "fd.h"
#include "log.h"
#include "plan.h"

/* Puts back what was on trial. When the partition cannot be written to, its text is used all the
 * same, and the next boot tries again. */
static bool end_trial(const struct source *source, struct store_text *text)
{
	_confirm_ struct confirm confirm = {0};
	int r = confirm_read(source->dir_fd, &confirm);

	if (r < 0 || confirm.left_ms > 0)
		return false;
	r = source_make_writable(source);
	if (r == 0)
		r = confirm_go_back(source->dir_fd, &confirm);
	log_warn("config", "trial=\"not confirmed\" next=\"the settings before it hold\"%s%s",
		 r < 0 ? " written=" : "", r < 0 ? log_errno(r) : "");
	store_text_done(text);
	*text = (struct store_text){.data = take_ptr(confirm.text), .size = confirm.size};
	return true;
}

static int read_source(const struct facts *facts, struct store_text *ret_text)
{
	_source_ struct source source = SOURCE_NONE;
	int r = source_open(facts, &source);

	if (r < 0)
		return log_err(r, "config", "boot=none error=%s next=\"the last good settings\"",
			       log_errno(r));
	if (end_trial(&source, ret_text))
		return 0;
	r = store_read(source.dir_fd, ret_text);
	if (r == 0 && ret_text->from_copy)
		log_warn("config", "found=\"config.json is not whole\" next=\"its copy is used%s\"",
			 ret_text->damaged ? ", and put in its place" : "");
	if (r == 0 && ret_text->damaged) {
		int settled = source_make_writable(&source);

		if (settled == 0)
			settled = store_settle(source.dir_fd);
		if (settled < 0)
			log_warn("config", "found=\"cannot be put in its place\" error=%s",
				 log_errno(settled));
	}
	if (r < 0)
		(void)log_err(r, "config", "error=%s next=\"the last good settings\"",
			      log_errno(r));
	return r;
}

/* Texts in the order in which they count; the first that is not refused holds. */
static int take_first(const struct facts *facts, struct outcome *outcome)
{
	static const char *const names[] = {"config.json", "last-good", "defaults"};
	int r = -EBADMSG;

	for (size_t i = 0; i < ARRAY_SIZE(names) && r == -EBADMSG; i++) {
		static struct config_problems later;
		struct store_text text = STORE_TEXT_NONE;
		int got = i == 0   ? read_source(facts, &text)
			  : i == 1 ? lastgood_read(facts, &text)
				   : 0;

		if (i == 2) {
			text = (struct store_text){.data = strdup("{}"), .size = 2};
			got = text.data ? 0 : -ENOMEM;
		}
		/* A file that somebody removed, with its copy, may have had a good one before. */
		if (got == 0 && !(i == 0 && text.missing)) {
			outcome->source = text.from_copy ? "copy" : names[i];
			r = take_text(&text, facts, APPLY_BOOT, i == 0 ? outcome->problems : &later,
				      &outcome->result);
			if (i == 0 && r == -EBADMSG)
				outcome->state = "refused";
		}
		store_text_done(&text);
	}
	return r;
}

int agent_config_boot(void)
{
	static struct config_problems problems;
	struct outcome outcome = {.state = "applied", .problems = &problems};
	_free_ struct facts *facts = calloc(1, sizeof(*facts));
	int r = facts ? source_facts(facts) : -ENOMEM;

	if (r == 0)
		r = take_first(facts, &outcome);
	if (r < 0)
		return log_err(1, "config", "error=%s next=\"the agent tries again later\"",
			       log_errno(r));
	outcome_log(&outcome);
	outcome_store(&outcome);
	return 0;
}

/* The actions are those of the defaults, without their files. */
int agent_config_undo(void)
{
	_free_ struct facts *facts = calloc(1, sizeof(*facts));
	_config_ struct config *config = NULL;
	struct apply_result result = {0};
	_plan_ struct plan *plan = NULL;
	_bus_ struct bus *bus = NULL;
	size_t files;
	int r = facts ? source_facts(facts) : -ENOMEM;

	if (r == 0)
		r = config_defaults(&config);
	if (r == 0)
		r = plan_make(config, facts, &plan);
	if (r < 0)
		return log_err(1, "config", "error=%s", log_errno(r));
	(void)bus_open(&bus); /* without it only files go */
	files = plan->files;
	plan->files = 0;
	r = apply_plan(plan, facts, "", APPLY_LIVE, bus, &result);
	plan->files = files; /* for plan_free() */
	if (r < 0)
		return log_err(1, "config", "error=%s", log_errno(r));
	log_event("config", "undone=all files=%u actions=%u", result.files, result.actions);
	return 0;
}
