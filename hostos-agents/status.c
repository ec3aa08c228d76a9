/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sentences of `tugboot status`: see status.h. */
#include "status.h"

#include <stdio.h>
#include <time.h>

const char *slot_words(char slot)
{
	switch (slot) {
	case 'A':
		return "slot A";
	case 'B':
		return "slot B";
	case 'R':
		return "the recovery system";
	default:
		return "nothing";
	}
}

/* Ends the sentence "slot B is not started: …". */
static const char *cause_words(enum slot_cause cause)
{
	switch (cause) {
	case SLOT_CAUSE_TRIES:
		return "its tries are used up";
	case SLOT_CAUSE_MISSING:
		return "its partition is not on this disk";
	case SLOT_CAUSE_REFUSED:
		return "it has no kernel that could be started";
	case SLOT_CAUSE_READ_ONLY:
		return "its try cannot be recorded";
	case SLOT_CAUSE_FAILED:
		return "it failed again and again";
	case SLOT_CAUSE_BAD:
		return "it was called bad";
	case SLOT_CAUSE_FLOOR:
		return "its version is below tugboot_floor";
	case SLOT_CAUSE_HEALTH:
		return "it was not healthy";
	default:
		return "it is not known why";
	}
}

void running_words(const struct running *running, char buf[static SENTENCE_MAX])
{
	const char *slot = slot_words(running->slot);

	if (!running->by_tugboot) {
		(void)snprintf(buf, SENTENCE_MAX, "not started by Tugboot");
		return;
	}
	switch (running->reason) {
	case SLOT_REASON_NORMAL:
		(void)snprintf(buf, SENTENCE_MAX, "%s", slot);
		break;
	case SLOT_REASON_TRIAL:
		(void)snprintf(buf, SENTENCE_MAX, "%s, on trial: try %u of %u", slot, running->used,
			       running->allowed);
		break;
	case SLOT_REASON_ROLLBACK:
		(void)snprintf(buf, SENTENCE_MAX,
			       "%s, rolled back: the other slot was given up%s%s", slot,
			       running->cause ? ", " : "",
			       running->cause ? cause_words(running->cause) : "");
		break;
	case SLOT_REASON_FALLBACK:
		(void)snprintf(
			buf, SENTENCE_MAX,
			"%s, as a fallback: what the environment asks for could not be done%s%s",
			slot, running->cause ? ", " : "",
			running->cause ? cause_words(running->cause) : "");
		break;
	case SLOT_REASON_RECOVERY:
		(void)snprintf(buf, SENTENCE_MAX, "%s: neither slot could be started", slot);
		break;
	default:
		(void)snprintf(buf, SENTENCE_MAX,
			       "%s, for a reason that this version does not know", slot);
	}
}

const char *last_words(enum slot_last last)
{
	switch (last) {
	case SLOT_LAST_CLEAN:
		return "shut down in good order";
	case SLOT_LAST_POWER:
		return "the power was cut";
	case SLOT_LAST_WATCHDOG:
		return "the watchdog reset it";
	case SLOT_LAST_PANIC:
		return "its kernel panicked";
	default:
		return "not known";
	}
}

void next_words(const struct slot_decision *next, char named, char buf[static SENTENCE_MAX])
{
	const char *slot = slot_words(next->slot), *cause = cause_words(next->cause);

	switch (next->reason) {
	case SLOT_REASON_NORMAL:
		(void)snprintf(buf, SENTENCE_MAX, "%s", slot);
		break;
	case SLOT_REASON_TRIAL:
		(void)snprintf(buf, SENTENCE_MAX, "%s, on trial: try %u of %u", slot, next->used,
			       next->allowed);
		break;
	case SLOT_REASON_ROLLBACK:
		(void)snprintf(buf, SENTENCE_MAX, "%s, rolled back; slot %c is given up: %s", slot,
			       named, cause);
		break;
	case SLOT_REASON_FALLBACK:
		if (next->slot == named)
			(void)snprintf(buf, SENTENCE_MAX, "%s, though %s: it is the only one", slot,
				       cause);
		else
			(void)snprintf(buf, SENTENCE_MAX, "%s, as a fallback for slot %c: %s", slot,
				       named, cause);
		break;
	case SLOT_REASON_RECOVERY:
		(void)snprintf(buf, SENTENCE_MAX, "%s: neither slot is on this disk", slot);
		break;
	default:
		(void)snprintf(buf, SENTENCE_MAX, "nothing: neither slot is on this disk");
	}
}

void rollback_words(const struct rollback *rollback, char buf[static SENTENCE_MAX])
{
	(void)snprintf(buf, SENTENCE_MAX, "from slot %c after %u %s: %s", rollback->slot,
		       rollback->used, rollback->used == 1 ? "try" : "tries",
		       cause_words(rollback->cause));
}

static const char *health_words(const struct boots_entry *boot)
{
	switch (boot->health) {
	case BOOTS_PASSED:
		return "; its tests passed";
	case BOOTS_FAILED:
		return "; its tests failed: ";
	case BOOTS_LEFT:
		return "; it ended before a verdict: ";
	case BOOTS_RUNNING:
		return "; no verdict";
	default:
		return boot->why[0] ? "; why: " : "";
	}
}

void story_words(const struct boots_entry *boot, const struct boots_entry *next,
		 char buf[static STORY_MAX])
{
	char when[32] = "at an unknown time", how[SENTENCE_MAX];
	const char *end = "";
	struct tm tm;
	time_t t = (time_t)boot->when;

	if (boot->when > 0 && localtime_r(&t, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	running_words(&boot->running, how);
	/* A rollback follows on boots that did not come far enough to leave a line: what it says of the
	 * end is about the last of those. */
	if (next && next->running.reason != SLOT_REASON_ROLLBACK &&
	    next->running.last != SLOT_LAST_UNKNOWN)
		end = last_words(next->running.last);
	(void)snprintf(buf, STORY_MAX, "%s  %s%s%s%s%s", when, how, health_words(boot),
		       boot->health == BOOTS_PASSED || boot->health == BOOTS_RUNNING ? ""
										     : boot->why,
		       *end ? "; " : "", end);
}
