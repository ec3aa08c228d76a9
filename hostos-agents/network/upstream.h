/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whom the device's own name server (dnsmasq, tugboot-dns.service) asks, and in which order. Pure.
 *
 * dnsmasq takes servers out of its own configuration and out of a resolv.conf, and in which order it
 * then has them depends on what was read last. Private names are known to the network's servers
 * alone, and a public server's "no such name" would end the search: so the order matters, and the
 * servers of both are written into one file, which dnsmasq keeps to (strict-order). The next server
 * is asked when one does not answer, or refuses, and not when it says that there is no such name.
 */
#pragma once

#include <stddef.h>

#include "paths.h"

/* The name server's own address: a loopback address on which nobody else listens. */
#define UPSTREAM_LISTEN "127.0.0.2"

/* What dnsServers says, from the config agent: lines of dnsmasq's `server=`. */
#define UPSTREAM_OWN RUN_DIR "/dnsmasq.servers"
/* In it: the network's servers belong here. Without it they come first. To dnsmasq it is a comment. */
#define UPSTREAM_MARK "#network"
/* Both, from the network agent, for dnsmasq's servers-file. */
#define UPSTREAM_ALL RUN_DIR "/dnsmasq.upstream"
/* Where /etc/resolv.conf leads. */
#define UPSTREAM_RESOLV RUN_DIR "/resolv.conf"
#define UPSTREAM_UNIT "tugboot-dns.service"

#define UPSTREAM_FILE_MAX 65536 /* bytes of each file that is read */

/*
 * own: the text of UPSTREAM_OWN; network: a resolv.conf(5) that the network's provider made, in
 * which names and addresses come from whoever answers DHCP. Lines that are not of their form are
 * passed over. Each server once; our own address never. The texts are the caller's to free. -ENOMEM.
 */
int upstream_make(const char *own, size_t own_size, const char *network, size_t network_size,
		  char **ret_servers, char **ret_resolv);
