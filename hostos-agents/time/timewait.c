/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot-agent time wait`: holds services that want a good clock (After=time-sync.target) until
 * there is one: NTP keeps it, HTTPS has set it, or HTTPS is off and there is nothing to wait for.
 * Never for longer than its deadline, and it never fails: what waits has to run without a network,
 * too.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "clock.h"
#include "fd.h"
#include "log.h"
#include "paths.h"
#include "timestore.h"
#include "timeverbs.h"

#define DEADLINE_MS 45000u

static bool is_good(void)
{
	_free_ char *text = NULL;
	char value[32];

	if (timestore_status_read(TIME_STATUS, &text) < 0)
		return false;
	if (timestore_value(text, "synced", value, sizeof(value)) >= 0 && streq(value, "yes"))
		return true;
	return timestore_value(text, "https", value, sizeof(value)) >= 0 &&
	       (streq(value, "ok") || streq(value, "off"));
}

int time_wait(void)
{
	uint64_t end = clock_ms() + DEADLINE_MS, now;
	_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char events[4096];

	/* The directory first, then the look: nothing is missed in between. */
	(void)mkdir(RUN_DIR, 0755);
	(void)mkdir(STATUS_DIR, 0755);
	if (fd < 0 || inotify_add_watch(fd, STATUS_DIR, IN_MOVED_TO) < 0) {
		log_warn("time", "wait error=%s next=\"services are not held\"", log_errno(errno));
		return EXIT_SUCCESS;
	}
	while (!is_good()) {
		now = clock_ms();
		if (now >= end) {
			log_warn("time", "wait=%us found=\"no good time\" next=\"services start\"",
				 DEADLINE_MS / 1000);
			return EXIT_SUCCESS;
		}
		if (poll(&pfd, 1, (int)(end - now)) > 0)
			(void)!read(fd, events, sizeof(events)); /* that something came is all */
	}
	return EXIT_SUCCESS;
}
