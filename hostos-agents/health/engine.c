/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The container engine's ping: see engine.h. */
#include "engine.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "clock.h"
#include "fd.h"
#include "macro.h"

static const char request[] = "GET /_ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

int engine_parse_status(const char *answer, size_t size)
{
	static const char begin[] = "HTTP/1.";
	size_t len = strlen(begin);
	int status = 0;

	if (memcmp(answer, begin, MIN(size, len)) != 0)
		return -EPROTO;
	if (size < len + 5)
		return -EAGAIN;
	/* RFC 9112, section 4: one digit of version, a space, three digits of status */
	if (answer[len] < '0' || answer[len] > '9' || answer[len + 1] != ' ')
		return -EPROTO;
	for (size_t i = len + 2; i < len + 5; i++) {
		if (answer[i] < '0' || answer[i] > '9')
			return -EPROTO;
		status = status * 10 + (answer[i] - '0');
	}
	if (status < 100 || status > 599)
		return -EPROTO;
	if (size == len + 5)
		return -EAGAIN;
	return answer[len + 5] == ' ' || answer[len + 5] == '\r' ? status : -EPROTO;
}

static int wait_for(int fd, short events, uint64_t deadline)
{
	struct pollfd p = {.fd = fd, .events = events};
	uint64_t now = clock_ms();
	int n;

	if (now >= deadline)
		return -ETIMEDOUT;
	n = poll(&p, 1, (int)MIN(deadline - now, (uint64_t)60000));
	return n < 0 && errno != EINTR ? -errno : 0;
}

static int open_socket(const char *path, uint64_t deadline, int *ret_fd)
{
	_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	/* EAGAIN: its queue is full; nothing tells when there is room again. */
	while (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (clock_ms() >= deadline)
			return -ETIMEDOUT;
		(void)poll(NULL, 0, 100);
	}
	*ret_fd = take_fd(fd);
	return 0;
}

static int ask(int fd, uint64_t deadline)
{
	size_t sent = 0;

	while (sent < sizeof(request) - 1) {
		ssize_t n = send(fd, request + sent, sizeof(request) - 1 - sent, MSG_NOSIGNAL);
		int r;

		if (n >= 0) {
			sent += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = wait_for(fd, POLLOUT, deadline);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The first line is all that is read. */
static int answer(int fd, uint64_t deadline)
{
	char buf[512];
	size_t have = 0;

	for (;;) {
		ssize_t n = recv(fd, buf + have, sizeof(buf) - have, 0);
		int r;

		if (n == 0)
			return -EPROTO;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			have += (size_t)n;
			r = engine_parse_status(buf, have);
			if (r != -EAGAIN)
				return r;
			continue;
		}
		r = wait_for(fd, POLLIN, deadline);
		if (r < 0)
			return r;
	}
}

int engine_ping(const char *socket_path, unsigned timeout_ms, unsigned *ret_status)
{
	uint64_t deadline = clock_ms() + timeout_ms;
	_close_ int fd = -1;
	int r;

	r = open_socket(socket_path, deadline, &fd);
	if (r == 0)
		r = ask(fd, deadline);
	if (r == 0)
		r = answer(fd, deadline);
	if (r < 0)
		return r;
	*ret_status = (unsigned)r;
	return r == 200 ? 0 : -EREMOTEIO;
}

const char *const *engine_units(const char *socket_path)
{
	static const struct {
		const char *socket, *units[3];
	} known[] = {
		{"/docker.sock", {"docker.service"}},
		{"/balena-engine.sock", {"balena.service", "balena-engine.service"}},
		{"/podman.sock", {"podman.socket"}},
		{"", {NULL}},
	};
	size_t i = 0;

	while (!endswith(socket_path, known[i].socket))
		i++;
	return known[i].units;
}
