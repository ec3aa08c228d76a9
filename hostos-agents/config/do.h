/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the config agent does itself when settings have changed: do_*.c. No process is started. */
#pragma once

#include <stdbool.h>

struct bus;

/* The kernel's name, and avahi's when it runs. NULL: what /etc/hostname says, else "localhost". bus
 * may be NULL. */
int do_hostname(const char *name, struct bus *bus);

/* "change" to all devices, as `udevadm trigger`; what a device answers is no failure. live: one
 * after the other, for at most 20 s. */
int do_udev_trigger(bool live);

/* The store of certificates below root, as update-ca-certificates(8) makes it of what is in
 * /usr/share/ca-certificates (as /etc/ca-certificates.conf says) and /usr/local/share/ca-certificates.
 * Nothing where there is no /etc/ssl/certs. -EBADMSG for a file that is no certificate. */
int do_ca_bundle(const char *root);

/* The log kept in a directory (made when missing), or in memory alone (NULL): see facet_journal.c. */
int do_journal(const char *directory, struct bus *bus);

/* NetworkManager reads its configuration; nothing when it does not run. */
int do_nm_reload(struct bus *bus);
