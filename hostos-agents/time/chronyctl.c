/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client of chronyd: see chronyctl.h. */
#include "chronyctl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "clock.h"
#include "fd.h"

#define SERVER CHRONY_DIR "/chronyd.sock"
#define WAIT_MS 500
/* Of each source of which enough has been heard. */
#define BURST_GOOD 4
#define BURST_ALL 8

void chronyctl_done(struct chronyctl *ctl)
{
	if (ctl->name[0])
		(void)unlink(ctl->name); /* chronyd's directory goes with the service */
	if (ctl->fd >= 0)
		(void)close(ctl->fd);
	*ctl = CHRONYCTL_NONE;
}

int chronyctl_open(struct chronyctl *ret_ctl)
{
	_chronyctl_ struct chronyctl ctl = CHRONYCTL_NONE;
	struct sockaddr_un ours = {.sun_family = AF_UNIX}, theirs = {.sun_family = AF_UNIX};

	if (access(CHRONY_DIR, F_OK) < 0)
		return -errno;
	ctl.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ctl.fd < 0)
		return -errno;
	if (getrandom(&ctl.sequence, sizeof(ctl.sequence), 0) != sizeof(ctl.sequence))
		return -EIO;
	/* chronyd answers to a name only, and only where it may write. */
	(void)snprintf(ctl.name, sizeof(ctl.name), CHRONY_DIR "/tugboot.%d.sock", (int)getpid());
	(void)unlink(ctl.name); /* of a process that had this number before */
	memcpy(ours.sun_path, ctl.name, sizeof(ctl.name));
	memcpy(theirs.sun_path, SERVER, sizeof(SERVER));
	/* It has other rights than we have; the directory is closed to everybody else. */
	if (bind(ctl.fd, (struct sockaddr *)&ours, sizeof(ours)) < 0 || chmod(ctl.name, 0666) < 0 ||
	    connect(ctl.fd, (struct sockaddr *)&theirs, sizeof(theirs)) < 0)
		return -errno;
	*ret_ctl = ctl;
	ctl.fd = -1; /* the caller's now, and so is the name */
	ctl.name[0] = '\0';
	return 0;
}

/* Sends a request and waits for its reply; others' replies are thrown away. */
static int ask(struct chronyctl *ctl, const uint8_t request[static CHRONY_REQUEST_SIZE],
	       enum chrony_command command, uint8_t reply[static CHRONY_REPLY_MAX],
	       size_t *ret_size)
{
	uint64_t end = clock_ms() + WAIT_MS, now;
	struct pollfd pfd = {.fd = ctl->fd, .events = POLLIN};
	ssize_t n;
	int r;

	if (send(ctl->fd, request, CHRONY_REQUEST_SIZE, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno; /* it takes nothing any more */
	while ((now = clock_ms()) < end) {
		r = poll(&pfd, 1, (int)(end - now));
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r <= 0)
			continue;
		n = recv(ctl->fd, reply, CHRONY_REPLY_MAX, MSG_DONTWAIT);
		if (n < 0)
			return -errno;
		r = chrony_reply_check(reply, (size_t)n, ctl->sequence, command);
		if (r == -EAGAIN)
			continue;
		*ret_size = (size_t)n;
		return r;
	}
	return -ETIMEDOUT;
}

int chronyctl_do(struct chronyctl *ctl, enum chrony_command command)
{
	uint8_t request[CHRONY_REQUEST_SIZE], reply[CHRONY_REPLY_MAX];
	size_t size;

	chrony_request(request, ++ctl->sequence, command);
	return ask(ctl, request, command, reply, &size);
}

int chronyctl_burst(struct chronyctl *ctl)
{
	uint8_t request[CHRONY_REQUEST_SIZE], reply[CHRONY_REPLY_MAX];
	size_t size;

	chrony_request_burst(request, ++ctl->sequence, BURST_GOOD, BURST_ALL);
	return ask(ctl, request, CHRONY_BURST, reply, &size);
}

int chronyctl_clock_was_set(struct chronyctl *ctl)
{
	int r = chronyctl_do(ctl, CHRONY_RESET_SOURCES);
	int burst_r = chronyctl_burst(ctl);

	return r < 0 ? r : burst_r;
}

static int view_source(struct chronyctl *ctl, uint32_t index, struct chrony_view *view)
{
	uint8_t request[CHRONY_REQUEST_SIZE], reply[CHRONY_REPLY_MAX];
	struct chrony_source source;
	size_t size;
	int r;

	chrony_request_source(request, ++ctl->sequence, index);
	r = ask(ctl, request, CHRONY_SOURCE_DATA, reply, &size);
	if (r >= 0)
		r = chrony_reply_source(reply, size, &source);
	if (r < 0)
		return r;
	view->sources++;
	view->reachable += source.reach != 0;
	view->falsetickers += source.state == CHRONY_FALSETICKER;
	if (source.state != CHRONY_SELECTED || view->has_selected)
		return 0;
	chrony_request_auth(request, ++ctl->sequence, &source.address);
	r = ask(ctl, request, CHRONY_AUTH_DATA, reply, &size);
	if (r >= 0)
		r = chrony_reply_auth(reply, size, &view->authenticated);
	/* A reference clock has no such data; what cannot be told is not authenticated. */
	if (r < 0)
		view->authenticated = false;
	view->selected = source;
	view->has_selected = true;
	return r == -ETIMEDOUT ? r : 0;
}

int chronyctl_view(struct chronyctl *ctl, struct chrony_view *ret_view)
{
	uint8_t request[CHRONY_REQUEST_SIZE], reply[CHRONY_REPLY_MAX];
	struct chrony_view view = {0};
	uint32_t n = 0;
	size_t size;
	int r;

	chrony_request(request, ++ctl->sequence, CHRONY_TRACKING);
	r = ask(ctl, request, CHRONY_TRACKING, reply, &size);
	if (r >= 0)
		r = chrony_reply_tracking(reply, size, &view.tracking);
	if (r < 0)
		return r;
	chrony_request(request, ++ctl->sequence, CHRONY_ACTIVITY);
	r = ask(ctl, request, CHRONY_ACTIVITY, reply, &size);
	if (r >= 0)
		r = chrony_reply_activity(reply, size, &view.activity);
	if (r < 0)
		return r;
	chrony_request(request, ++ctl->sequence, CHRONY_N_SOURCES);
	r = ask(ctl, request, CHRONY_N_SOURCES, reply, &size);
	if (r >= 0)
		r = chrony_reply_n_sources(reply, size, &n);
	for (uint32_t i = 0; r >= 0 && i < MIN(n, CHRONY_SOURCES_MAX); i++) {
		r = view_source(ctl, i, &view);
		if (r == -ENOENT || r == -EIO) /* it went meanwhile */
			r = 0;
	}
	if (r < 0)
		return r;
	*ret_view = view;
	return 0;
}

bool chrony_view_is_synced(const struct chrony_view *view)
{
	return view->tracking.leap != CHRONY_LEAP_UNSYNCHRONISED && view->tracking.ref_id != 0 &&
	       view->tracking.ref_id != CHRONY_REF_LOCAL;
}

int chrony_reload_sources(void)
{
	_chronyctl_ struct chronyctl ctl = CHRONYCTL_NONE;
	int r = chronyctl_open(&ctl);

	if (r == -ECONNREFUSED)
		return -ENOENT;
	return r < 0 ? r : chronyctl_do(&ctl, CHRONY_RELOAD_SOURCES);
}
