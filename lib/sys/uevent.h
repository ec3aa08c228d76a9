/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel uevents over netlink: news that a block device other than a mapping came, went or
 * changed. Used as a signal to
 * look at sysfs again, so a lost or forged message costs one look and decides nothing.
 */
#pragma once

/* A socket that is readable when uevents are there. Open it before the first look at sysfs, so that
 * nothing falls between. The fd is the caller's; a negative errno on failure. */
int uevent_open(void);

/*
 * Waits until a block device uevent comes or timeout_ms (0 or more) have passed, and takes all that
 * wait. Returns 1 for news, 0 for the deadline, a negative errno on failure. Messages that were lost
 * because there were too many count as news.
 */
int uevent_wait(int fd, int timeout_ms);
