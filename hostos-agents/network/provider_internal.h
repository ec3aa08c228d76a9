/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of provider.h know of each other. */
#pragma once

#include "provider.h"

/* A name that is there already stays once; one that cannot be shown is left out. -ENOMEM. */
int provider_list_add(struct provider_list *list, const char *name, bool vpn);

/* Adds what is up; a provider that does not run adds nothing. */
int provider_nm_list(struct bus *bus, struct provider_list *list);
int provider_networkd_list(struct bus *bus, struct provider_list *list);

/* The kernel's links (Documentation/ABI/testing/sysfs-class-net). */
#define LINKS_DIR "/sys/class/net"

/* Adds the tunnels among them that are up, whoever made them: tun and tap (but for those that are
 * ports of a bridge, as virtual machines have them), WireGuard, ppp. -ENOMEM. */
int links_tunnels(const char *directory, struct provider_list *list);
