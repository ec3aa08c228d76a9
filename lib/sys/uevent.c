/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel uevents (Documentation/core-api/kobject.rst; NETLINK_KOBJECT_UEVENT, multicast group 1).
 * The kernel is the sender; what others send to the group can only wake us.
 */
#include "uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "fd.h"

#define GROUP_KERNEL 1

int uevent_open(void)
{
	const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = GROUP_KERNEL};
	_close_ int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(fd);
}

/* A message is strings one after the other; the subsystem is one of them. Mappings are not news: we make
 * them ourselves, and would never wait after a root in one was refused. */
static bool is_block(const char *message, size_t size)
{
	static const char subsystem[] = "SUBSYSTEM=block", mapping[] = "\0DEVNAME=dm-";

	return memmem(message, size, subsystem, sizeof(subsystem)) &&
	       !memmem(message, size, mapping, sizeof(mapping) - 1);
}

/* Takes all messages that wait: was one of a block device, or was one lost? */
static bool drain(int fd)
{
	char message[4096];
	bool news = false;
	ssize_t n;

	for (;;) {
		n = recv(fd, message, sizeof(message), MSG_DONTWAIT);
		if (n >= 0)
			news |= is_block(message, (size_t)n);
		else if (errno == ENOBUFS)
			news = true;
		else if (errno != EINTR)
			return news;
	}
}

int uevent_wait(int fd, int timeout_ms)
{
	uint64_t end = clock_ms() + (uint64_t)timeout_ms;
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	for (;;) {
		uint64_t now = clock_ms();
		int r = poll(&pfd, 1, now < end ? (int)(end - now) : 0);

		if (r < 0 && errno != EINTR)
			return -errno;
		if (r > 0 && drain(fd))
			return 1;
		if (clock_ms() >= end)
			return 0;
	}
}
