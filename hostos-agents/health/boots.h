/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The story of the last boots, for `tugboot status`: the file `boots` in facts.state_dir, a line for
 * each boot that came up far enough to write one, written when it starts and at its verdict:
 *
 *   ID slot=B reason=trial tries=1/2 cause=none last=clean time=1732345678 health=failed
 *   gave-up=B:tries-used:2 why=free text to the end of the line
 *
 * (on one line; ID is the kernel's boot_id). The text is hostile: a line that does not parse is passed
 * over. How a boot ended is what the next one says of it (last=).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "healthpolicy.h"
#include "running.h"

#define BOOTS_FILE "boots"
#define BOOTS_MAX 16
#define BOOTS_LINE_MAX 640
#define BOOTS_FILE_MAX (BOOTS_MAX * BOOTS_LINE_MAX)

/* What became of a boot, as its own health agent has it. */
enum boots_health {
	BOOTS_NONE,    /* nothing to decide */
	BOOTS_RUNNING, /* a trial without a verdict */
	BOOTS_PASSED,
	BOOTS_FAILED,
	BOOTS_LEFT, /* it was shut down before a verdict */
	BOOTS_HEALTHS,
};

struct boots_entry {
	char id[37]; /* of /proc/sys/kernel/random/boot_id */
	struct running running;
	long long when; /* Unix time, 0 when the clock was not set */
	enum boots_health health;
	bool gave_up; /* this boot found or made a rollback */
	struct rollback rollback;
	char why[HEALTH_BECAUSE_MAX]; /* printable; may be empty */
};

struct boots {
	struct boots_entry entry[BOOTS_MAX]; /* the oldest first */
	size_t n;
};

void boots_parse(const char *text, size_t size, struct boots *ret_boots);

/* The file's text; buf has BOOTS_FILE_MAX bytes. Returns its length. */
size_t boots_format(const struct boots *boots, char *buf);

/* Puts an entry in the place of the one of the same boot, or behind the others; the oldest one goes when
 * there are too many. */
void boots_put(struct boots *boots, const struct boots_entry *entry);

/* The newest boot of a slot that failed for its health; NULL when there is none. */
const struct boots_entry *boots_last_failed(const struct boots *boots, char slot);

const char *boots_health_name(enum boots_health health);

/* dir is facts.state_dir. A file that is not there has no boots. */
int boots_read(const char *dir, struct boots *ret_boots);
/* Reads, puts, writes. */
int boots_note(const char *dir, const struct boots_entry *entry);
/* The id of this boot. */
int boots_id(char buf[static 37]);
