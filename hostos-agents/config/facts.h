/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the running system is made of, as far as what is made of config.json depends on it. */
#pragma once

#include <limits.h>
#include <stdbool.h>

struct facts {
	bool network_manager,
		networkd; /* the provider: the first of these that is installed and enabled */
	bool resolved, chrony, avahi, timesyncd, sshd;
	bool dnsmasq; /* tugboot-dns.service, the device's name server beside NetworkManager */
	char engine_socket[108]; /* of the container engine (sun_path); empty: none */
	char state_dir
		[PATH_MAX]; /* outlives a root: <mount of PREFIX-state>/tugboot, else /var/lib/tugboot */
	char state_root
		[PATH_MAX]; /* where balenaOS's breadcrumbs are: mount of PREFIX-state, else as above */
	char data_dir[PATH_MAX]; /* <mount of PREFIX-data>/tugboot, else state_dir */
	char boot_dir
		[PATH_MAX]; /* mount of the boot partition, with config.json; empty: not mounted */
};

/* Looks at units on disk, at mounts and at the boot disk; no D-Bus. A part that cannot be looked at is
 * as absent. 0, or a negative errno when nothing can be looked at. */
int facts_read(struct facts *ret_facts);
