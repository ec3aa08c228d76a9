/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a text to a system that is as it says, and what is said about it. The text is hostile; what is
 * shown of it is what config.h says is safe to show. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent_config.h"
#include "apply_tree.h"
#include "bus.h"
#include "fd.h"
#include "log.h"
#include "paths.h"
#include "plan.h"

int take_text(const struct store_text *text, const struct facts *facts, enum apply_when when,
	      struct config_problems *problems, struct apply_result *ret_result)
{
	_config_ struct config *config = NULL;
	_plan_ struct plan *plan = NULL;
	_bus_ struct bus *bus = NULL;
	int r;

	*problems = (struct config_problems){0};
	r = config_parse(text->data, text->size, &config, problems);
	if (r == 0)
		r = plan_make(config, facts, &plan);
	if (r < 0)
		return r;
	/* Each time anew: a daemon that was restarted is no matter then. Without it files are put all
	 * the same. */
	r = bus_open(&bus);
	if (r < 0)
		log_warn("config", "bus=none error=%s next=\"daemons are not told\"", log_errno(r));
	return apply_plan(plan, facts, "", when, bus, ret_result);
}

static void facet_list(unsigned facets, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < FACETS; i++) {
		int n;

		if (!(facets & 1u << i))
			continue;
		n = snprintf(buf + len, size - len, "%s%s", len ? "," : "", facet_name(i));
		if (n < 0 || (size_t)n >= size - len)
			return;
		len += (size_t)n;
	}
}

void outcome_log(const struct outcome *outcome)
{
	const struct apply_result *result = &outcome->result;
	const struct config_problems *problems = outcome->problems;
	char list[256];

	for (size_t i = 0; problems && i < MIN(problems->problems, (size_t)CONFIG_PROBLEMS_MAX);
	     i++) {
		const struct config_problem *problem = &problems->problem[i];

		log_line(LOG_ERROR, "config",
			 "key=%s expected=%s found=%s next=\"settings stay as they are\"",
			 log_quote(problem->key), log_quote(problem->expected),
			 log_quote(problem->found));
	}
	for (unsigned i = 0; i < FACETS; i++)
		if (result->failed & 1u << i)
			log_line(LOG_ERROR, "config",
				 "refused=%s reason=%s next=\"what it had before holds\"",
				 facet_name(i), log_quote(result->why[i]));
	if (!result->changed)
		return;
	facet_list(result->changed, list, sizeof(list));
	log_event("config", "applied=%s files=%u actions=%u source=%s", list, result->files,
		  result->actions, outcome->source);
}

static void print_outcome(FILE *out, const struct outcome *outcome)
{
	const struct config_problems *problems = outcome->problems;
	char words[sizeof(struct config_problem) + 64];

	(void)fprintf(out, "state=%s\nsource=%s\nsince=%lld\n", outcome->state, outcome->source,
		      (long long)time(NULL));
	for (unsigned i = 0; i < FACETS; i++)
		if (outcome->result.failed & 1u << i)
			(void)fprintf(out, "failed=%s: %s\n", facet_name(i),
				      outcome->result.why[i]);
	for (size_t i = 0; problems && i < MIN(problems->problems, (size_t)CONFIG_PROBLEMS_MAX);
	     i++) {
		config_problem_words(&problems->problem[i], words, sizeof(words));
		(void)fprintf(out, "problem=%s\n", words);
	}
}

void outcome_store(const struct outcome *outcome)
{
	_close_ int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct thing thing = {.kind = THING_FILE, .mode = 0644, .uid = geteuid(), .gid = getegid()};
	FILE *out = open_memstream(&thing.data, &thing.size);
	int r;

	if (!out)
		return;
	print_outcome(out, outcome);
	r = fclose(out) != 0 ? -ENOMEM
	    : root < 0	     ? -errno
			     : tree_put(root, STATUS_DIR "/config", &thing, NULL);
	thing_done(&thing);
	if (r < 0)
		log_warn("config", "file=" STATUS_DIR "/config error=%s", log_errno(r));
}
