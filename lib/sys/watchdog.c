/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hardware watchdog, through its device node and sysfs. */
#include "watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "fd.h"

#define NODE "/dev/watchdog0"
#define IDENTITY "/sys/class/watchdog/watchdog0/identity"
#define STATUS "/sys/class/watchdog/watchdog0/bootstatus"

int watchdog_arm(unsigned seconds, struct watchdog *ret_watchdog)
{
	_close_ int fd = open(NODE, O_WRONLY | O_CLOEXEC);
	int timeout = (int)seconds;

	*ret_watchdog = WATCHDOG_NONE;
	if (fd < 0)
		return -errno;
	/* Fixed-timeout hardware refuses this; then it runs with what it has. */
	if (ioctl(fd, WDIOC_SETTIMEOUT, &timeout) < 0 && ioctl(fd, WDIOC_GETTIMEOUT, &timeout) < 0)
		timeout = (int)seconds;
	ret_watchdog->fd = take_fd(fd);
	ret_watchdog->seconds = (unsigned)timeout;
	return 0;
}

void watchdog_ping(const struct watchdog *watchdog)
{
	if (watchdog->fd >= 0)
		(void)ioctl(watchdog->fd, WDIOC_KEEPALIVE, 0); /* if it fails, the reset says so */
}

int watchdog_leave(struct watchdog *watchdog, unsigned seconds)
{
	int timeout = (int)seconds, r = 0;

	if (watchdog->fd < 0)
		return 0;
	if (ioctl(watchdog->fd, WDIOC_SETTIMEOUT, &timeout) < 0)
		r = -errno;
	watchdog_ping(watchdog);
	watchdog->seconds = r < 0 ? watchdog->seconds : (unsigned)timeout;
	return r;
}

enum watchdog_status watchdog_status(void)
{
	_close_ int fd = open(STATUS, O_RDONLY | O_CLOEXEC);
	char text[16] = "";
	unsigned long status;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return WATCHDOG_SAYS_NOTHING;
	status = strtoul(text, NULL, 10);
	if (status & WDIOF_CARDRESET)
		return WATCHDOG_FIRED;
	return status & WDIOF_POWERUNDER ? WATCHDOG_SAW_POWER_FAIL : WATCHDOG_SAYS_NOTHING;
}

int watchdog_stop(struct watchdog *watchdog)
{
	int option = WDIOS_DISABLECARD, r = 0;

	if (watchdog->fd < 0)
		return 0;
	/* Two ways: the ioctl, and the magic character before close. Drivers know one or both. */
	if (ioctl(watchdog->fd, WDIOC_SETOPTIONS, &option) < 0)
		r = -errno;
	if (write(watchdog->fd, "V", 1) == 1)
		r = 0;
	close_p(&watchdog->fd);
	*watchdog = WATCHDOG_NONE;
	return r < 0 ? -EBUSY : 0;
}

const char *watchdog_module(void)
{
	/* Identity as the driver reports it (struct watchdog_info), and the driver's module. */
	static const struct {
		const char *identity, *module;
	} drivers[] = {
		{"iTCO_wdt", "iTCO_wdt.ko"},
		{"i6300ESB timer", "i6300esb.ko"},
		{"SP5100 TCO timer", "sp5100_tco.ko"},
		{"wdat_wdt", "wdat_wdt.ko"},
	};
	char identity[64] = "";
	_close_ int fd = open(IDENTITY, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, identity, sizeof(identity) - 1);

	if (n <= 0)
		return NULL;
	identity[n] = '\0';
	identity[strcspn(identity, "\n")] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (streq(identity, drivers[i].identity))
			return drivers[i].module;
	return NULL;
}
