/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the running system was started: see running.h. */
#include "running.h"

#include <fcntl.h>

#include "cmdline.h"
#include "fd.h"
#include "file.h"
#include "macro.h"

/* Longer command lines do not exist on any architecture. */
#define CMDLINE_READ_MAX (64 * 1024)

/* Digits up to `end`, the character that must follow them; up to ENV_LIMIT_MAX. */
static bool parse_tries(const char **text, char end, unsigned *ret_n)
{
	const char *p = *text;
	unsigned n = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (unsigned)(*p - '0');
		if (n > ENV_LIMIT_MAX)
			return false;
	}
	if (*p != end)
		return false;
	*text = p + (end != '\0');
	*ret_n = n;
	return true;
}

static char parse_slot(const char *text)
{
	if (streq(text, "A") || streq(text, "B"))
		return text[0];
	return streq(text, "recovery") ? 'R' : 0;
}

static enum slot_reason parse_reason(const char *text)
{
	for (enum slot_reason i = SLOT_REASON_NORMAL; i <= SLOT_REASON_RECOVERY; i++)
		if (streq(text, slot_reason_name(i)))
			return i;
	return SLOT_REASON_NONE;
}

static enum slot_cause parse_cause(const char *text)
{
	for (enum slot_cause i = SLOT_CAUSE_TRIES; i < SLOT_CAUSE_COUNT; i++)
		if (streq(text, slot_cause_name(i)))
			return i;
	return SLOT_CAUSE_NONE;
}

static enum slot_last parse_last(const char *text)
{
	for (enum slot_last i = SLOT_LAST_CLEAN; i <= SLOT_LAST_PANIC; i++)
		if (streq(text, slot_last_name(i)))
			return i;
	return SLOT_LAST_UNKNOWN;
}

struct running running_parse(const char *cmdline)
{
	struct running running = {0};
	const char *p;
	char buf[16];

	if (cmdline_get(cmdline, "tugboot.slot", buf, sizeof(buf)) < 0)
		return running;
	running.slot = parse_slot(buf);
	if (!running.slot)
		return running;
	running.by_tugboot = true;
	if (cmdline_get(cmdline, "tugboot.reason", buf, sizeof(buf)) >= 0)
		running.reason = parse_reason(buf);
	if (cmdline_get(cmdline, "tugboot.cause", buf, sizeof(buf)) >= 0)
		running.cause = parse_cause(buf);
	if (cmdline_get(cmdline, "tugboot.last", buf, sizeof(buf)) >= 0)
		running.last = parse_last(buf);
	if (cmdline_get(cmdline, "tugboot.tries", buf, sizeof(buf)) >= 0) {
		unsigned used, allowed;

		p = buf;
		if (parse_tries(&p, '/', &used) && parse_tries(&p, '\0', &allowed)) {
			running.used = used;
			running.allowed = allowed;
		}
	}
	return running;
}

int running_read(struct running *ret_running)
{
	_free_ char *cmdline = NULL;
	int r;

	r = file_read(AT_FDCWD, "/proc/cmdline", CMDLINE_READ_MAX, &cmdline, NULL);
	if (r < 0)
		return r;
	*ret_running = running_parse(cmdline);
	return 0;
}

bool rollback_parse(const char *text, struct rollback *ret_rollback)
{
	struct rollback rollback = {.slot = text[0]};

	if ((text[0] != 'A' && text[0] != 'B') || text[1] != ':')
		return false;
	text += 2;
	for (enum slot_cause i = SLOT_CAUSE_TRIES; i < SLOT_CAUSE_COUNT; i++) {
		const char *rest = startswith(text, slot_cause_name(i));

		if (!rest || *rest != ':')
			continue;
		rest++;
		if (!parse_tries(&rest, '\0', &rollback.used))
			return false;
		rollback.cause = i;
		*ret_rollback = rollback;
		return true;
	}
	return false;
}
