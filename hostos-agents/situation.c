/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a decision about slots depends on: see situation.h. */
#include "situation.h"

#include <string.h>

#include "slot.h"

enum result situation_open(const char *boot_dir, enum place_use use, struct place *place,
			   struct situation *ret_situation)
{
	struct situation s = {.env = &place->env};
	enum result result;
	bool is_named;
	int r;

	r = running_read(&s.running);
	if (r < 0)
		return complain("cannot read /proc/cmdline: %s", strerror(-r));
	result = place_open(boot_dir, use, place);
	if (result != RESULT_OK)
		return result;
	s.named = slot_named(&place->env, &place->found, &is_named);
	s.named_known = place->disk_known || place->env.root_kind != ENV_ROOT_INDEX;
	*ret_situation = s;
	return RESULT_OK;
}

bool situation_is_pending(const struct boot_env *env)
{
	return env->trial || env->backoff > 0 || env->failures.times > 0 || env->ended_clean ||
	       env->bad || (env->count_always && env->count > 0);
}

enum result situation_keep(struct place *place, char slot)
{
	struct env_edits edits;

	if (!situation_is_pending(&place->env)) {
		place_refresh(place);
		return RESULT_OK;
	}
	edits = slot_edits_good(&place->env, &place->found, slot);
	return place_apply(place, &edits);
}
