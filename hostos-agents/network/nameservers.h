/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files of upstream.h, kept as the network and dnsServers say. The network's part is what
 * NetworkManager writes whatever resolver it believes in: no-stub-resolv.conf, NetworkManager.conf(5).
 */
#pragma once

#include <stdbool.h>

struct nameservers {
	int fd;	      /* inotify(7): readable when there may be news; owned */
	int run, dir; /* watches: for the directory's coming, and in it; -1: none */
};

#define NAMESERVERS_NONE ((struct nameservers){-1, -1, -1})

/* Watched when this returns: nameservers_update() after it misses nothing. */
int nameservers_open(struct nameservers *ret_nameservers);
void nameservers_done(struct nameservers *nameservers);

/* Takes what has come. True when nameservers_update() is due. */
bool nameservers_news(struct nameservers *nameservers);

/* Writes both files. 1 when dnsmasq has to read its own again, 0 when that is as it was. */
int nameservers_update(void);
