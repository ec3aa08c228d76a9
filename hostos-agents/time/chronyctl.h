/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Talks to chronyd over its own socket, as chronyc does and without it. chronyd is the system's;
 * what it answers is hostile all the same (chronyproto.h). Every answer is waited for at most half
 * a second.
 */
#pragma once

#include "chronyproto.h"
#include "macro.h"

#define CHRONY_DIR "/run/chrony"
#define CHRONY_SOURCES_MAX 64u /* more are not looked at */

struct chronyctl {
	int fd;
	uint32_t sequence;
	char name[64]; /* of our own socket; empty: none */
};

#define CHRONYCTL_NONE ((struct chronyctl){.fd = -1})

/* -ENOENT or -ECONNREFUSED when chronyd does not run. */
int chronyctl_open(struct chronyctl *ret_ctl);
void chronyctl_done(struct chronyctl *ctl);
#define _chronyctl_ _cleanup_(chronyctl_done)

/* What chronyd knows. */
struct chrony_view {
	struct chrony_tracking tracking;
	struct chrony_activity activity;
	unsigned sources, reachable, falsetickers;
	bool has_selected;  /* a source was chosen; chronyd may have refused to follow it */
	bool authenticated; /* by NTS or a key */
	struct chrony_source selected;
};

/* -ETIMEDOUT when chronyd does not answer, and errors of chronyproto.h. */
int chronyctl_view(struct chronyctl *ctl, struct chrony_view *ret_view);

/* A request without parameters: CHRONY_ONLINE, CHRONY_REFRESH, CHRONY_MAKESTEP,
 * CHRONY_RESET_SOURCES, CHRONY_RELOAD_SOURCES. */
int chronyctl_do(struct chronyctl *ctl, enum chrony_command command);
/* Polls all sources now. */
int chronyctl_burst(struct chronyctl *ctl);
/*
 * The clock was set by somebody else than chronyd: what it has measured is worth nothing, and it is
 * to measure anew. It notices large steps by itself, but only those that happen while it waits: one
 * that happens while it works would be taken for a clock that runs wildly.
 */
int chronyctl_clock_was_set(struct chronyctl *ctl);

/* Does chronyd follow a source (not its own clock)? */
bool chrony_view_is_synced(const struct chrony_view *view);

/* Makes chronyd read its sources directories again; for the config agent. -ENOENT when chronyd does
 * not run, which is as good: it reads them when it starts. */
int chrony_reload_sources(void);
