/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What settings come to on this system: which files, and what is to be told to whom when they have
 * changed. Pure: computed from settings and facts, no I/O; apply.h does it. A plan is whole: a file
 * of an earlier plan that is not in this one is removed (or what was there before is put back).
 *
 * Each facet (facet_*.c) plans a few keys: its files, and the actions that follow when one of its
 * files has changed, appeared or gone. A facet whose files stay as they are has no effect at all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "config.h"
#include "facts.h"

enum facet {
	FACET_HOSTNAME,		/* hostname: /etc/hostname, the kernel's, avahi's */
	FACET_JOURNAL,		/* persistentLogging */
	FACET_NTP,		/* ntpServers */
	FACET_DNS,		/* dnsServers */
	FACET_NETWORK,		/* os.network.*: the provider's configuration */
	FACET_SETTINGS_NETWORK, /* NETWORK_SETTINGS: country and so on, for the network agent */
	FACET_SETTINGS_TIME,	/* TIME_SETTINGS: connectivity for HTTPS time */
	FACET_ROOT_CA,		/* balenaRootCA */
	FACET_UDEV,		/* os.udevRules */
	FACET_SSH,		/* os.sshKeys, developmentMode: sshd on port 22222 */
	FACET_CONSOLE,		/* developmentMode: login on the serial console */
	FACET_ENGINE,		/* developmentMode: the engine's socket on the network */
	FACETS,
};

/* As in messages: "hostname", "dns"; constant string. */
const char *facet_name(enum facet facet);

struct plan_file {
	enum facet facet;
	char *path; /* absolute */
	mode_t mode;
	char *data; /* NULL with link */
	size_t size;
	char *link;   /* a symbolic link to this; NULL: a file */
	bool restore; /* the system may have had its own there: it is kept and put back in the end */
};

enum plan_verb {
	/* A unit's; one that is not active (or not there) is left alone, but by START. */
	PLAN_RELOAD,  /* ReloadOrTryRestartUnit */
	PLAN_RESTART, /* TryRestartUnit */
	PLAN_START,   /* StartUnit; it is stopped first when it runs with an older configuration */
	PLAN_STOP,
	PLAN_SIGNAL, /* SIGHUP to the main process */
	/* Done by the config agent itself (do_*.c), without a process. */
	PLAN_SET_HOSTNAME,  /* the kernel's, and avahi's over D-Bus */
	PLAN_UDEV_TRIGGER,  /* "change" to all devices, after udevd has read its rules */
	PLAN_CA_BUNDLE,	    /* what update-ca-certificates(8) makes */
	PLAN_JOURNAL,	    /* journald starts or stops keeping its log, see facet_journal.c */
	PLAN_NM_RELOAD,	    /* NetworkManager reads its configuration (D-Bus Reload) */
	PLAN_CHRONY_RELOAD, /* chronyd reads its sources, over its own socket (time/chronyctl.h) */
	PLAN_VERBS,
};

struct plan_action {
	enum facet facet;
	enum plan_verb verb;
	char *unit; /* of a unit's verbs; for PLAN_SET_HOSTNAME the name, NULL: what /etc/hostname
		     * says by then, else the system's default; for PLAN_JOURNAL the log's
		     * directory, NULL: not kept; else NULL */
};

struct plan {
	struct plan_file *file;
	size_t files;
	struct plan_action *action; /* in the order in which they are to be done */
	size_t actions;
};

/* Everything. -ENOMEM. *ret_plan is the caller's. */
int plan_make(const struct config *config, const struct facts *facts, struct plan **ret_plan);
void plan_free(struct plan *plan);

static inline void plan_freep(struct plan **plan)
{
	plan_free(*plan);
}
#define _plan_ _cleanup_(plan_freep)

/* May a file be there? Absolute, below /etc, /run or the directory of local CA certificates,
 * without "..". */
bool plan_path_allowed(const char *path);

/* For facets. Each copies what it is given. 0 or -ENOMEM; of files -EINVAL too, for a path that is
 * not allowed or planned already: then there is no plan. */
int plan_add_file(struct plan *plan, enum facet facet, mode_t mode, const char *path,
		  const char *data, size_t size);
/* The same for text made by a format. */
int plan_add_text(struct plan *plan, enum facet facet, mode_t mode, const char *path,
		  const char *fmt, ...) _printf_(5, 6);
int plan_add_link(struct plan *plan, enum facet facet, const char *path, const char *target);
/* Marks the last file as one that the system may have had before. */
void plan_restore_later(struct plan *plan);
int plan_add_action(struct plan *plan, enum facet facet, enum plan_verb verb, const char *unit);

/* The facets' own functions, in facet_*.c; plan_make() calls each once. */
typedef int facet_plan_fn(const struct config *config, const struct facts *facts,
			  struct plan *plan);
facet_plan_fn facet_hostname, facet_journal, facet_ntp, facet_dns, facet_network,
	facet_settings_network, facet_settings_time, facet_root_ca, facet_udev, facet_ssh,
	facet_console, facet_engine;
