/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as the story of the last boots: what was understood is written, and read again, as the
 * same. */
#include "boots.h"

#include <stdlib.h>

#include "must.h"

static void must_be_the_same(const struct boots_entry *a, const struct boots_entry *b)
{
	MUST(streq(a->id, b->id) && streq(a->why, b->why));
	MUST(a->when == b->when && a->health == b->health && a->gave_up == b->gave_up);
	MUST(a->running.slot == b->running.slot && a->running.reason == b->running.reason);
	MUST(a->running.cause == b->running.cause && a->running.last == b->running.last);
	MUST(a->running.used == b->running.used && a->running.allowed == b->running.allowed);
	MUST(a->rollback.slot == b->rollback.slot && a->rollback.cause == b->rollback.cause &&
	     a->rollback.used == b->rollback.used);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	static struct boots boots, again;
	static char text[BOOTS_FILE_MAX];

	boots_parse((const char *)input, input_size, &boots);
	MUST(boots.n <= BOOTS_MAX);
	for (size_t i = 0; i < boots.n; i++) {
		MUST(boots.entry[i].running.by_tugboot);
		for (const char *p = boots.entry[i].why; *p; p++)
			MUST(*p >= ' ' && *p <= '~');
	}
	boots_parse(text, boots_format(&boots, text), &again);
	MUST(again.n == boots.n);
	for (size_t i = 0; i < boots.n; i++)
		must_be_the_same(&boots.entry[i], &again.entry[i]);
	return 0;
}
