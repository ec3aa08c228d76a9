/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * "change" to all devices, as `udevadm trigger` does it: into the uevent file of everything below
 * /sys/devices that has a subsystem. The kernel's files; what they say is not read.
 *
 * On a running system one after the other: udevd has a process for each event that comes while others
 * are being handled, up to dozens, and one that does them all else. It says in RUN_UDEV/queue, a file that
 * is there while events are, when it is done with one. It is waited for a moment each, and for
 * so long in all: then the other devices are told at once, as udevadm does.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "clock.h"
#include "do.h"
#include "fd.h"

#define DEPTH_MAX 40
#define RUN_UDEV "/run/udev"
#define QUEUE "queue"
#define EACH_MS 1000u
#define ALL_MS 20000u

/* Both -1 when nobody waits. */
struct patience {
	int queue_fd;  /* inotify of RUN_UDEV */
	int number_fd; /* of the kernel's last event */
	uint64_t deadline;
	bool heard; /* something from udevd */
};

static unsigned long long last_event(const struct patience *patience)
{
	char text[32] = "";

	if (pread(patience->number_fd, text, sizeof(text) - 1, 0) < 0)
		return 0;
	return strtoull(text, NULL, 10);
}

/* Has the queue become empty, in what has come so far? */
static bool is_done(const struct patience *patience)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool done = false;
	ssize_t n;

	while ((n = read(patience->queue_fd, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (struct inotify_event *)(buf + at);

			done = done || (event->len > 0 && streq(event->name, QUEUE));
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	return done;
}

static void wait_done(struct patience *patience)
{
	uint64_t now = clock_ms(), end = MIN(now + EACH_MS, patience->deadline);

	for (; now < end; now = clock_ms()) {
		struct pollfd fd = {.fd = patience->queue_fd, .events = POLLIN};

		if (poll(&fd, 1, (int)(end - now)) < 0 && errno != EINTR)
			return;
		if (is_done(patience)) {
			patience->heard = true;
			return;
		}
	}
	if (!patience->heard && access(RUN_UDEV "/" QUEUE, F_OK) < 0)
		patience->deadline = 0; /* it does not run */
}

static void trigger(int dir_fd, struct patience *patience)
{
	static const char change[] = "change";
	unsigned long long number = 0;
	_close_ int fd = -1;

	if (faccessat(dir_fd, "subsystem", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	fd = openat(dir_fd, "uevent", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (patience->queue_fd >= 0) {
		(void)is_done(patience); /* with those before */
		number = last_event(patience);
	}
	/* A device that has just gone, or that says no, needs no rules. */
	if (write(fd, change, sizeof(change) - 1) < 0)
		return;
	if (patience->queue_fd >= 0 && last_event(patience) != number)
		wait_done(patience);
}

static int walk(int dir_fd, struct patience *patience, unsigned depth)
{
	_closedir_ DIR *dir = fdopendir(dir_fd);
	struct dirent *entry;

	if (!dir) {
		(void)close(dir_fd); /* was not taken over */
		return -ENOMEM;
	}
	trigger(dirfd(dir), patience);
	while (depth < DEPTH_MAX && (entry = readdir(dir))) {
		int fd;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		fd = openat(dirfd(dir), entry->d_name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && walk(fd, patience, depth + 1) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

/* Without what it takes to wait, nobody does. */
static void have_patience(struct patience *patience)
{
	_close_ int queue = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	_close_ int number = open("/sys/kernel/uevent_seqnum", O_RDONLY | O_CLOEXEC);

	if (queue < 0 || number < 0 ||
	    inotify_add_watch(queue, RUN_UDEV, IN_DELETE | IN_ONLYDIR) < 0)
		return;
	patience->queue_fd = take_fd(queue);
	patience->number_fd = take_fd(number);
	patience->deadline = clock_ms() + ALL_MS;
}

int do_udev_trigger(bool live)
{
	struct patience patience = {.queue_fd = -1, .number_fd = -1};
	int fd = open("/sys/devices", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	if (live)
		have_patience(&patience);
	r = walk(fd, &patience, 0);
	close_p(&patience.queue_fd);
	close_p(&patience.number_fd);
	return r;
}
