/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot config apply`, `confirm` and `status`: a whole configuration put in the place of
 * config.json, on trial if so wanted, and what the agent says of the one that holds. The agent puts it
 * into effect (config/agent_config.c); nothing here does.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus.h"
#include "configfile.h"
#include "confirm.h"
#include "fd.h"
#include "file.h"
#include "paths.h"
#include "tugboot.h"

#define AGENT "tugboot-config.service"
#define STATUS_MAX (64 * 1024)

static enum result complain_write(const struct place *place, int r)
{
	if (r == -EROFS)
		return complain("nothing is changed: %s is mounted read-only; try 'mount -o "
				"remount,rw %s'",
				place->shown, place->mount_point);
	if (r == -ESTALE)
		return complain("nothing is changed: another program has just written " CONFIG_FILE
				" in %s; try again",
				place->shown);
	return complain("cannot write " CONFIG_FILE " in %s: %s", place->shown, strerror(-r));
}

/* 0 seconds: not on trial. */
static enum result parse_seconds(const char *text, unsigned *ret_seconds)
{
	unsigned long seconds;
	char *end;

	*ret_seconds = 0;
	if (!text)
		return RESULT_OK;
	errno = 0;
	seconds = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || seconds == 0 ||
	    seconds > CONFIRM_MAX)
		return complain_usage("--confirm-within: expected seconds from 1 to %d, found '%s'",
				      CONFIRM_MAX, text);
	*ret_seconds = (unsigned)seconds;
	return RESULT_OK;
}

/* Who goes back is the agent: without it a trial would end with the next boot alone. */
static bool agent_runs(void)
{
	_bus_ struct bus *bus = NULL;
	char state[32];

	return bus_open(&bus) == 0 && bus_unit_state(bus, AGENT, state, sizeof(state)) == 0 &&
	       streq(state, "active");
}

static enum result begin_trial(const struct configfile *file, unsigned seconds)
{
	int r = confirm_begin(file->place.dir_fd, &file->text, seconds);

	if (r == -EALREADY)
		return complain("nothing is changed: the last 'tugboot config apply' waits for "
				"confirmation; say 'tugboot config confirm', or wait until it has "
				"gone back");
	return r < 0 ? complain_write(&file->place, r) : RESULT_OK;
}

static enum result apply(struct configfile *file, const struct store_text *text, unsigned seconds)
{
	enum result result = RESULT_OK;
	int r = place_make_writable(&file->place);

	if (r < 0)
		return complain_write(&file->place, r);
	if (seconds > 0)
		result = begin_trial(file, seconds);
	if (result != RESULT_OK)
		return result;
	r = store_write(file->place.dir_fd, file->text.data, file->text.size, text->data,
			text->size);
	if (r < 0 && seconds > 0)
		(void)confirm_end(file->place.dir_fd); /* else the agent does it, with no change */
	return r < 0 ? complain_write(&file->place, r) : RESULT_OK;
}

enum result cmd_config_apply(const struct options *options, char **args)
{
	_configfile_ struct configfile file = CONFIGFILE_NONE;
	struct store_text text = STORE_TEXT_NONE;
	_config_ struct config *config = NULL;
	enum result result;
	unsigned seconds;

	result = parse_seconds(options->confirm_within, &seconds);
	if (result == RESULT_OK)
		result = configfile_read(args[0], &text);
	if (result == RESULT_OK)
		result = configfile_parse(args[0], &text, &config);
	if (result == RESULT_OK && seconds > 0 && !options->force && !agent_runs())
		result = complain("nothing is changed: " AGENT " does not run, and nobody would go "
				  "back before the next boot; start it, or use --force");
	if (result == RESULT_OK)
		result = configfile_open(options, &file);
	if (result == RESULT_OK)
		result = apply(&file, &text, seconds);
	if (result == RESULT_OK && seconds > 0)
		printf("On trial for %u seconds: keep it with 'tugboot config confirm'.\n",
		       seconds);
	store_text_done(&text);
	return result;
}

enum result cmd_config_confirm(const struct options *options, char **args)
{
	_configfile_ struct configfile file = CONFIGFILE_NONE;
	_confirm_ struct confirm confirm = {0};
	enum result result = configfile_open(options, &file);
	int r;

	(void)args; /* takes none */
	if (result != RESULT_OK)
		return result;
	r = confirm_read(file.place.dir_fd, &confirm);
	if (r == -ENOENT)
		return complain("nothing waits for confirmation: it has gone back, or was kept");
	if (r == 0 && confirm.left_ms == 0)
		return complain("too late: it goes back");
	if (r == 0)
		r = place_make_writable(&file.place);
	if (r == 0)
		r = confirm_end(file.place.dir_fd);
	return r < 0 ? complain_write(&file.place, r) : RESULT_OK;
}

/* The agent's words, a line each; `since` for people. */
static void print_line(const char *line)
{
	const char *since = startswith(line, "since=");
	char when[64];
	time_t at;
	struct tm tm;

	if (!since) {
		printf("%s\n", line);
		return;
	}
	at = (time_t)strtoll(since, NULL, 10);
	if (localtime_r(&at, &tm) && strftime(when, sizeof(when), "%F %T %Z", &tm) > 0)
		printf("since=%s\n", when);
}

enum result cmd_config_status(const struct options *options, char **args)
{
	_configfile_ struct configfile file = CONFIGFILE_NONE;
	_confirm_ struct confirm confirm = {0};
	_free_ char *text = NULL;
	enum result result;
	char *rest, *line;
	int r;

	(void)args; /* takes none */
	r = file_read(AT_FDCWD, STATUS_DIR "/config", STATUS_MAX, &text, NULL);
	if (r < 0)
		return complain("the agent has not said anything since the start (%s): is " AGENT
				" there?",
				strerror(-r));
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			print_line(line);
	result = configfile_open(options, &file);
	if (result == RESULT_OK && confirm_read(file.place.dir_fd, &confirm) == 0)
		printf("trial=goes back in %" PRIu64 " s; 'tugboot config confirm' keeps it\n",
		       confirm.left_ms / 1000);
	return result;
}
