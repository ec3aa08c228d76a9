/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of times: see timestore.h. */
#include "timestore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "facts.h"
#include "file.h"
#include "httpdate.h"
#include "log.h"
#include "paths.h"

#define NEW_SUFFIX ".new"
#define ANCHOR_STATUS "time.anchor"
#define ANCHOR_FORMAT "time_ms=%" PRId64 "\nboot_ms=%" PRId64 "\n"

/* Of /etc/timestamp. */
static int64_t build_timestamp(void)
{
	_free_ char *text = NULL;
	int64_t seconds;
	size_t size;
	int r;

	r = file_read(AT_FDCWD, TIMESTORE_BUILD, SAVEDTIME_MAX, &text, &size);
	if (r == -ENOENT)
		return TIME_NONE;
	if (r >= 0)
		r = timestamp_parse(text, size, &seconds);
	if (r < 0) {
		log_warn("time",
			 "file=%s error=%s expected=YYYYMMDDHHMMSS found=%s next=\"not used\"",
			 TIMESTORE_BUILD, log_errno(r), log_quote(text));
		return TIME_NONE;
	}
	return seconds * 1000;
}

int64_t timestore_build(void)
{
	/* Where no image build leaves a time, files that come with a system tell it: systemd's
	 * clock-epoch is there for that, and os-release is as old as the release. */
	static const char *const epochs[] = {"/usr/lib/clock-epoch", "/usr/lib/os-release"};
	int64_t build = build_timestamp();
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(epochs) && build == TIME_NONE; i++)
		if (stat(epochs[i], &st) == 0)
			build = (int64_t)st.st_mtime * 1000;
	return MAX(build, (int64_t)TIMESTORE_CODE_MS);
}

const char *timestore_dir(void)
{
	static struct facts facts;

	if (!facts.state_dir[0] && (facts_read(&facts) < 0 || !facts.state_dir[0]))
		(void)snprintf(facts.state_dir, sizeof(facts.state_dir), "%s",
			       TIMESTORE_DIR_DEFAULT);
	return facts.state_dir;
}

static int load_at(int dir_fd, struct savedtime *ret_saved)
{
	char text[SAVEDTIME_MAX];
	_close_ int fd = -1;
	size_t size;
	int r;

	*ret_saved = SAVEDTIME_NONE;
	r = file_open_regular(dir_fd, TIMESTORE_NAME, O_RDONLY, &fd);
	if (r >= 0)
		r = file_read_some(fd, text, sizeof(text), &size);
	if (r < 0)
		return r;
	return savedtime_parse(text, size, ret_saved);
}

int timestore_load(const char *dir, struct savedtime *ret_saved)
{
	_close_ int dir_fd = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	*ret_saved = SAVEDTIME_NONE;
	return dir_fd < 0 ? -errno : load_at(dir_fd, ret_saved);
}

/*
 * A new file, its data on the disk before its name: after a cut the name leads to the old file or
 * to the new one, whole. A file NEW_SUFFIX that a cut left behind is written over.
 */
static int replace(int dir_fd, const char *name, const char *text, size_t size, bool durable)
{
	_close_ int fd = -1;
	char new[64];

	if (snprintf(new, sizeof(new), "%s" NEW_SUFFIX, name) >= (int)sizeof(new))
		return -ENAMETOOLONG;
	(void)unlinkat(dir_fd, new, 0); /* it may be a link, or not ours */
	fd = openat(dir_fd, new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	errno = EIO; /* of a short write */
	if (write(fd, text, size) != (ssize_t)size || (durable && fsync(fd) < 0) ||
	    renameat(dir_fd, new, dir_fd, name) < 0) {
		int r = -errno;

		(void)unlinkat(dir_fd, new, 0); /* of no use to anybody */
		return r;
	}
	if (durable && fsync(dir_fd) < 0)
		return -errno;
	return 0;
}

int timestore_save(const char *dir, int64_t build, int64_t time, enum timestore_how how)
{
	struct savedtime saved;
	struct time_floors floors;
	char text[SAVEDTIME_MAX];
	_close_ int dir_fd = -1;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	dir_fd = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (dir_fd < 0 || flock(dir_fd, LOCK_EX) < 0)
		return -errno;
	(void)load_at(dir_fd, &saved); /* none is as good as one that cannot be used */
	floors = (struct time_floors){build, saved.proven, saved.synced};
	if (time < time_floor_hard(&floors) ||
	    time > (how == TIMESTORE_PROVEN ? TIME_LAST_MS : time_ceiling(&floors)))
		return -ERANGE;
	if (how == TIMESTORE_PROVEN)
		time_floors_prove(&floors, time);
	if (how == TIMESTORE_SYNCED)
		time_floors_sync(&floors, time);
	saved = (struct savedtime){time, floors.proven, floors.synced};
	return replace(dir_fd, TIMESTORE_NAME, text, savedtime_format(&saved, text), true);
}

void timestore_floors(const char *dir, int64_t build, struct time_floors *ret_floors)
{
	struct savedtime saved;

	(void)timestore_load(dir, &saved);
	*ret_floors = (struct time_floors){build, saved.proven, saved.synced};
}

int timestore_status_write(const char *name, const char *text)
{
	_close_ int dir_fd = -1;

	if ((mkdir(RUN_DIR, 0755) < 0 && errno != EEXIST) ||
	    (mkdir(STATUS_DIR, 0755) < 0 && errno != EEXIST))
		return -errno;
	dir_fd = open(STATUS_DIR, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	return replace(dir_fd, name, text, strlen(text), false);
}

int timestore_status_read(const char *name, char **ret_text)
{
	char path[128];

	(void)snprintf(path, sizeof(path), STATUS_DIR "/%s", name);
	return file_read(AT_FDCWD, path, TIMESTORE_STATUS_MAX, ret_text, NULL);
}

void timestore_anchor(struct time_anchor *ret_anchor)
{
	struct time_anchor anchor = {.time = TIME_NONE};
	_free_ char *text = NULL;

	if (timestore_status_read(ANCHOR_STATUS, &text) >= 0 &&
	    sscanf(text, ANCHOR_FORMAT, &anchor.time, &anchor.boot_ms) != 2)
		anchor.time = TIME_NONE;
	*ret_anchor = anchor;
}

int timestore_anchor_write(const struct time_anchor *anchor)
{
	char text[128];

	(void)snprintf(text, sizeof(text), ANCHOR_FORMAT, anchor->time, anchor->boot_ms);
	return timestore_status_write(ANCHOR_STATUS, text);
}

int timestore_value(const char *text, const char *key, char *buf, size_t size)
{
	size_t n = strlen(key);

	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");

		if (len > n && strncmp(line, key, n) == 0 && line[n] == '=') {
			if (len - n - 1 >= size)
				return -EMSGSIZE;
			memcpy(buf, line + n + 1, len - n - 1);
			buf[len - n - 1] = '\0';
			return 0;
		}
		line += len + (line[len] == '\n');
	}
	return -ENOENT;
}
