/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loaded before a server of the time tests: it sees the true time, whatever its kernel's clock was
 * set to. That is CLOCK_BOOTTIME, which nobody sets, plus TRUTH_MS of the environment. Time stamps
 * of packets would be the kernel's clock again: they are refused, as by a kernel that has none.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int64_t truth_ns(void)
{
	static int64_t offset_ns;
	struct timespec t;

	if (!offset_ns) {
		const char *text = getenv("TRUTH_MS");

		offset_ns = (text ? strtoll(text, NULL, 10) : 1) * 1000000;
	}
	syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec + offset_ns;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	int64_t ns;

	if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)
		return (int)syscall(SYS_clock_gettime, id, t);
	ns = truth_ns();
	t->tv_sec = ns / 1000000000;
	t->tv_nsec = ns % 1000000000;
	return 0;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	int64_t ns = truth_ns();

	(void)zone;
	t->tv_sec = ns / 1000000000;
	t->tv_usec = ns % 1000000000 / 1000;
	return 0;
}

time_t time(time_t *ret)
{
	time_t t = truth_ns() / 1000000000;

	if (ret)
		*ret = t;
	return t;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	if (level == SOL_SOCKET &&
	    (name == SO_TIMESTAMP || name == SO_TIMESTAMPNS || name == SO_TIMESTAMPING)) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return (int)syscall(SYS_setsockopt, fd, level, name, value, size);
}
