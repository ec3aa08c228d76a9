/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* System clock and RTC: see sysclock.h. What the RTC says is hostile. */
#include "sysclock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtc.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <time.h>

#include "fd.h"
#include "macro.h"

static int64_t read_clock(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t); /* cannot fail for these clocks */
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t sysclock_now(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t sysclock_boot(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

int sysclock_step(int64_t by_ms)
{
	int64_t to = sysclock_now() + by_ms;
	struct timespec t = {.tv_sec = (time_t)(to / 1000), .tv_nsec = (long)(to % 1000) * 1000000};

	if (to < 0)
		return -EINVAL;
	return clock_settime(CLOCK_REALTIME, &t) < 0 ? -errno : 0;
}

bool sysclock_is_synced(void)
{
	struct timex timex = {0};

	return adjtimex(&timex) >= 0 && !(timex.status & STA_UNSYNC);
}

int sysclock_watch_again(int fd)
{
	/* A time that never comes: it is for the cancellation alone. */
	struct itimerspec never = {.it_value.tv_sec = INT32_MAX};
	uint64_t count;

	(void)!read(fd, &count, sizeof(count)); /* ECANCELED is what it is for */
	never.it_value.tv_sec += time(NULL);
	if (timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0)
		return -errno;
	return 0;
}

int sysclock_watch(void)
{
	_close_ int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	int r;

	if (fd < 0)
		return -errno;
	r = sysclock_watch_again(fd);
	return r < 0 ? r : take_fd(fd);
}

static int open_rtc(int flags)
{
	/* The link is made by udev, which may not run yet. */
	static const char *const names[] = {"/dev/rtc", "/dev/rtc0"};
	int fd = -1;

	for (size_t i = 0; i < ARRAY_SIZE(names) && fd < 0; i++)
		fd = open(names[i], flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int rtc_read(int64_t *ret_time)
{
	_close_ int fd = open_rtc(O_RDONLY);
	struct rtc_time rtc;
	struct tm tm = {0};
	time_t t;

	if (fd < 0)
		return fd == -ENXIO || fd == -ENODEV ? -ENOENT : fd;
	if (ioctl(fd, RTC_RD_TIME, &rtc) < 0)
		return -errno;
	tm.tm_year = rtc.tm_year;
	tm.tm_mon = rtc.tm_mon;
	tm.tm_mday = rtc.tm_mday;
	tm.tm_hour = rtc.tm_hour;
	tm.tm_min = rtc.tm_min;
	tm.tm_sec = rtc.tm_sec;
	t = timegm(&tm);
	if (t < 0)
		return -EINVAL;
	*ret_time = (int64_t)t * 1000;
	return 0;
}

int rtc_write(int64_t time)
{
	_close_ int fd = open_rtc(O_WRONLY);
	time_t seconds = (time_t)((time + 500) / 1000);
	struct rtc_time rtc = {0};
	struct tm tm;

	if (fd < 0)
		return fd;
	if (!gmtime_r(&seconds, &tm))
		return -EINVAL;
	rtc.tm_year = tm.tm_year;
	rtc.tm_mon = tm.tm_mon;
	rtc.tm_mday = tm.tm_mday;
	rtc.tm_hour = tm.tm_hour;
	rtc.tm_min = tm.tm_min;
	rtc.tm_sec = tm.tm_sec;
	return ioctl(fd, RTC_SET_TIME, &rtc) < 0 ? -errno : 0;
}
