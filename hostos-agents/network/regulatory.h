/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The country whose rules for radio hold, over nl80211 (generic netlink, linux/nl80211.h). Plain
 * netlink and no library: it is three requests of one attribute each, and libnl would stay in the
 * memory of an agent that never ends. Needs CAP_NET_ADMIN.
 */
#pragma once

/* A socket that is readable when something happened that may want the country set again: the
 * wireless layer was loaded, or a wireless device appeared. The fd is the caller's. */
int regulatory_open(int *ret_fd);

/* Takes what waits on it. 1 when a wireless device or layer has appeared, 0 when it was something
 * else, a negative errno. News that were lost because there were too many count as news. */
int regulatory_news(int fd);

/* Asks for a country: two letters, or 00 for what is allowed everywhere. Devices follow it as soon as
 * the kernel has found it in its database. -ENODEV when there is no wireless layer (yet), which this
 * does not load. */
int regulatory_set(const char country[2]);

/* The one that holds: two characters and a NUL. -ENODEV as above. */
int regulatory_get(char ret_country[3]);
