/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system clock and the hardware clock (rtc(4); in UTC, as Linux devices have it). Setting needs
 * CAP_SYS_TIME. Times are milliseconds. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

int64_t sysclock_now(void);  /* since 1970 */
int64_t sysclock_boot(void); /* CLOCK_BOOTTIME: since the kernel has started */

/* Moves the clock at once by so much. */
int sysclock_step(int64_t by_ms);

/* Does the kernel call the clock synchronised (adjtimex(2), STA_UNSYNC)? */
bool sysclock_is_synced(void);

/* A descriptor that can be read when the clock was set by somebody; -errno. */
int sysclock_watch(void);
/* Arms it again, after it could be read. */
int sysclock_watch_again(int fd);

/* -ENOENT without an RTC, -EINVAL when it holds no time. */
int rtc_read(int64_t *ret_time);
int rtc_write(int64_t time);
