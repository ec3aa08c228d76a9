/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The saved time of the time agent:
 *
 *   op time save SECONDS guess|synced|proven   timestore_save(), as hourly and at shutdown
 *
 * Read by `time boot` itself, on a clock that says 1970: to what it sets the clock is what counts.
 * The guest has no state partition, so that its state directory is the default one: a link to ours.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "power.h"
#include "sysclock.h"
#include "timestore.h"
#include "timeverbs.h"

#define STATE_DIR ROOT "/tugboot"
/* By a slow guest, between setting the clock and looking at it. */
#define LATE_S 60
#define NEXT_S 1950000000LL

/* --- Operations ------------------------------------------------------------------------------- */

static int64_t latest(const struct savedtime *saved)
{
	return MAX(saved->time, MAX(saved->proven, saved->synced));
}

static void add_saved(char *buf, size_t size, const struct savedtime *saved)
{
	const int64_t times[] = {saved->time, saved->proven, saved->synced};

	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		add_text(buf, size, times[i] == TIME_NONE ? "/none" : "/%" PRId64, times[i] / 1000);
}

static int time_op(int dir_fd, unsigned number, char **words, size_t n)
{
	static struct savedtime saved = SAVEDTIME_NONE; /* of the operations so far */
	static const char *const hows[] = {"guess", "synced", "proven"};
	enum timestore_how how = TIMESTORE_GUESS;
	struct time_floors floors = {timestore_build(), saved.proven, saved.synced};
	char text[128] = "";

	(void)dir_fd;
	if (n != 3 || !streq(words[0], "save"))
		return -EINVAL;
	saved.time = strtoll(words[1], NULL, 10) * 1000;
	while (how < TIMESTORE_PROVEN && !streq(words[2], hows[how]))
		how++;
	if (how == TIMESTORE_PROVEN)
		time_floors_prove(&floors, saved.time);
	if (how == TIMESTORE_SYNCED)
		time_floors_sync(&floors, saved.time);
	saved.proven = floors.proven;
	saved.synced = floors.synced;
	add_saved(text, sizeof(text), &saved);
	say("EDIT %u saved=%s", number, text);
	say("EDIT %u clock=%" PRId64, number, latest(&saved) / 1000);
	return timestore_save(STATE_DIR, timestore_build(), saved.time, how);
}

/* --- States ----------------------------------------------------------------------------------- */

static void make_dirs(void)
{
	(void)mkdir("/run", 0755);
	(void)mkdir("/var", 0755);
	(void)mkdir("/var/lib", 0755);
	(void)symlink(STATE_DIR, TIMESTORE_DIR_DEFAULT); /* all of it there after the first state */
}

/* To what `time boot` sets the clock from 1970: seconds, or "unsaved" for some time that is not below
 * the build's. */
static void add_boot(char *buf, size_t size)
{
	int64_t told, build = timestore_build() / 1000, now;
	char source[16] = "", when[32] = "";
	_free_ char *status = NULL;
	struct tm tm = {0};

	(void)clock_settime(CLOCK_REALTIME, &(struct timespec){.tv_sec = 1000});
	if (time_boot() != EXIT_SUCCESS || timestore_status_read(TIME_STATUS_BOOT, &status) < 0 ||
	    timestore_value(status, "source", source, sizeof(source)) < 0 ||
	    timestore_value(status, "time", when, sizeof(when)) < 0 ||
	    !strptime(when, "%Y-%m-%dT%H:%M:%SZ", &tm)) {
		add_text(buf, size, "clock=failed\n");
		return;
	}
	now = sysclock_now() / 1000;
	told = timegm(&tm);
	if (now < told || now > told + LATE_S || now < build)
		add_text(buf, size, "clock=is %" PRId64 ", not %s\n", now, when);
	else if (streq(source, "saved"))
		add_text(buf, size, "clock=%" PRId64 "\n", told);
	else
		add_text(buf, size, "clock=unsaved\n");
}

static void time_read(int dir_fd, char *buf, size_t size)
{
	struct savedtime saved;
	int r = timestore_load(STATE_DIR, &saved);

	(void)dir_fd;
	make_dirs();
	add_text(buf, size, "saved=");
	if (r == -ENOENT)
		add_text(buf, size, "none");
	else if (r < 0)
		add_text(buf, size, "error%d", r);
	else
		add_saved(buf, size, &saved);
	add_text(buf, size, "\n");
	add_boot(buf, size);
}

/* It is saved under NTP, and once more at the shutdown. */
static int time_go_on(int dir_fd)
{
	static const char *const names[] = {TIMESTORE_NAME};
	const struct timespec end = {.tv_sec = NEXT_S + 10};
	struct savedtime before, after = SAVEDTIME_NONE;
	int r;

	(void)dir_fd;
	(void)timestore_load(STATE_DIR, &before);
	r = timestore_save(STATE_DIR, timestore_build(), NEXT_S * 1000, TIMESTORE_SYNCED);
	if (r == 0)
		r = timestore_load(STATE_DIR, &after);
	if (r < 0)
		return r;
	if (after.time != NEXT_S * 1000 || after.synced != after.time ||
	    after.proven != before.proven)
		return -EBADMSG;
	if (clock_settime(CLOCK_REALTIME, &end) < 0 || time_save() != EXIT_SUCCESS)
		return -EIO;
	r = timestore_load(STATE_DIR, &after);
	if (r == 0 && (after.time / 1000 < end.tv_sec || after.time / 1000 > end.tv_sec + LATE_S ||
		       after.synced != NEXT_S * 1000 || after.proven != before.proven))
		r = -EBADMSG;
	return r < 0 ? r : names_are(STATE_DIR, names, ARRAY_SIZE(names));
}

const struct keeper keep_time = {"time", time_op, time_read, time_go_on};
