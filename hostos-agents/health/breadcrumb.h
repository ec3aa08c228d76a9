/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files by which balenaOS's updater, its rollback scripts and its supervisor know of a trial
 * (balena-os/meta-balena, docs/rollbacks.md), in the root directory of the state partition:
 *
 *   rollback-health-breadcrumb, rollback-altboot-breadcrumb   an update is not decided yet
 *   rollback-health-triggered    its tests failed, and the old root came back
 *   rollback-altboot-triggered   it did not come up, and the old root came back
 *
 * They are empty there; only whether they exist counts. Ours hold the slot that is on trial, `A` or
 * `B`, so that what a power cut left behind can be told from what is still to come. *-triggered
 * files stay until an update is put on trial, or somebody has read and removed them.
 */
#pragma once

#include <stdbool.h>

#include "healthpolicy.h"

struct breadcrumb {
	bool present; /* any of the two */
	char slot;    /* 0 when it does not say */
};

/* dir: facts.state_root. What cannot be read is as if it did not say a slot. */
struct breadcrumb breadcrumb_read(const char *dir);

/* Both, for this slot. Writes nothing when they are so already. */
int breadcrumb_leave(const char *dir, char slot);

/* Both away. The one that is kept longest says the slot. */
int breadcrumb_clear(const char *dir);

/* The flag that tells of a rollback; its text says why, for people. */
int breadcrumb_tell(const char *dir, enum health_way way, const char *why);

/* Both flags away: a new trial begins. */
int breadcrumb_forget(const char *dir);
