/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hardware watchdog (Documentation/watchdog/watchdog-api.rst): armed by PID 1 before the first
 * disk is read, so that nothing after that can hang the device for good.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct watchdog {
	int fd;		  /* -1: there is none */
	unsigned seconds; /* what the hardware took */
};

#define WATCHDOG_NONE ((struct watchdog){.fd = -1})

/* Opens and arms the first watchdog. The hardware may take another timeout than asked for: it is in
 * `seconds`. -ENOENT when there is none; *ret_watchdog is WATCHDOG_NONE on failure. */
int watchdog_arm(unsigned seconds, struct watchdog *ret_watchdog);

/* Postpones the reset by the timeout again. Nothing when there is none. */
void watchdog_ping(const struct watchdog *watchdog);

/* Leaves it running with a new timeout, beyond the end of this process. */
int watchdog_leave(struct watchdog *watchdog, unsigned seconds);

/* What the first watchdog says of the last reset (WDIOC_GETBOOTSTATUS). */
enum watchdog_status {
	WATCHDOG_SAYS_NOTHING, /* also when there is none */
	WATCHDOG_FIRED,
	WATCHDOG_SAW_POWER_FAIL,
};
enum watchdog_status watchdog_status(void);

/* Stops it. -EBUSY when the hardware or the kernel's `nowayout` keeps it running. */
int watchdog_stop(struct watchdog *watchdog);

/*
 * File name of the kernel module that drives the first watchdog, as `iTCO_wdt.ko`, for looking it up
 * in a root's modules. NULL when there is no watchdog or its driver is not known here. Constant string.
 */
const char *watchdog_module(void);
