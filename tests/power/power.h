/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest's side of the crash-state test: one static program, /init of a guest that Tugboot's own
 * kernel runs. It records operations on a disk whose writes QEMU logs (record.c), or reads the
 * environment in each of many states of a disk (check.c). Both go through lib/sys/envstore.h and
 * lib/base/slot.h, as the bootloader and the agents do; files of the agents go through the agents'
 * own code (keep.c and those that it names). What to do stands in the file /job.
 *
 * Trusts the test that made its disks and its job; what envstore reads there is meant to be broken.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "envstore.h"
#include "slot.h"

#define WORDS_MAX 24

/* Where the environment under test is. Strings are the job's. */
struct place {
	const char *dev;    /* partition with the files, NULL for none */
	const char *fstype; /* vfat, ext4 */
	const char *raw;    /* partition that is an environment itself, NULL for none */
};

/* The environment as a boot finds it: mounted read-only, opened, decided on. */
struct reading {
	int mounted; /* 0, or why not: a negative errno */
	int opened;
	struct envstore_place where;
	struct envstore store;
	struct boot_env env;
	struct slot_found found;
	struct slot_decision decision;
};

/* Both roots are there; `last` is how the last start ended. Whatever fails, *ret_reading can be
 * asked, and has to be closed. */
void reading_open(const struct place *place, enum slot_last last, struct reading *ret_reading);
/* 0, or a negative errno when the filesystem could not be unmounted. */
int reading_close(const struct place *place, struct reading *reading);
/* What was found, the decision and all variables as lines of text; what does not fit is cut. */
void reading_text(const struct reading *reading, char *buf, size_t size);

/* The mount, for those who write; nothing to do where the place has none. */
int place_mount(const struct place *place, bool writable);
int place_unmount(const struct place *place);
int place_set_writable(const struct place *place, bool writable);
/* What envstore_open_at() takes; the directory is open then, or -1 when there is none. */
int place_open(const struct place *place, struct envstore_place *ret_place);

/* Commands of a job, words[0] is the name. A negative errno ends the job. */
int record_command(char **words, size_t n);
int check_command(char **words, size_t n);

/* Where the partition is mounted. */
#define ROOT "/mnt"

/*
 * Files that an agent keeps, written and read by its own code. What is read is text, lines of
 * `name=value`; an operation tells with `EDIT number name=value` what will be read after it.
 */
struct keeper {
	const char *name;
	/* An operation on the mounted partition, whose root directory is dir_fd; number is its number. */
	int (*op)(int dir_fd, unsigned number, char **words, size_t n);
	/* What a boot makes of them; it is mounted read-only. */
	void (*read)(int dir_fd, char *buf, size_t size);
	/* That boot goes on and writes them anew: 0, or where it got stuck. */
	int (*go_on)(int dir_fd);
};

extern const struct keeper keep_config, keep_health, keep_network, keep_store, keep_time;

/* NULL for none; the name has len bytes. */
const struct keeper *keeper_named(const char *name, size_t len);
/* The text of one state, with `next=` and how going on ended, if that is asked for. A negative errno
 * when the filesystem could not be unmounted. */
int keeper_state(const struct keeper *keeper, const struct place *place, bool further, char *buf,
		 size_t size);

/* Has the directory, if it is there, just these names, or some of them? -ENOTEMPTY for another. */
int names_are(const char *dir, const char *const *names, size_t n);
/* Appends to a text; what does not fit is cut. */
void add_text(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* One line on the console. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
