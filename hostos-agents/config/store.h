/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.json on the boot partition: FAT, written by others too (a supervisor, a person), cut off
 * from power at any moment. Read: a text that is whole. Written: atomically, and never over a change
 * that somebody else made meanwhile.
 *
 * FAT's rename is not atomic in a cut: beside config.json its last good content is kept in a second
 * file, written first; a reader that finds config.json missing, empty or cut takes that one and says
 * so. The order of writes is argued in store.c and proven by tests/power.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct store_text {
	char *data; /* owned, with a NUL behind it */
	size_t size;
	bool from_copy; /* config.json was not whole, or a write of ours was cut: this is the copy */
	bool damaged; /* with from_copy: what is in config.json is nobody's text, see store_settle() */
	bool missing; /* there is none, and no copy: data is "{}" */
};

/* The copy's file: one line of ours, then the content. A name of 8.3 characters: one entry in a FAT. */
#define STORE_COPY "tugboot.cfg"

#define STORE_TEXT_NONE ((struct store_text){0})

void store_text_done(struct store_text *text);

/*
 * Reads it from an open directory, not while it is being written: the same content twice, before
 * and after which the file is the same and as old. -EAGAIN when it did not stay the same for long
 * enough, -EFBIG, -EBADMSG when neither file is JSON (*ret_text is then config.json as it is, for the message).
 */
int store_read(int dir_fd, struct store_text *ret_text);

/* Takes the lock (flock(2) on the directory) for which other tugboot processes wait, at most ten
 * seconds: -EBUSY. Closing *ret_fd gives it back. The functions below take it themselves. */
int store_lock(int dir_fd, int *ret_fd);

/*
 * Writes it: takes the lock (flock(2) on the directory) for which other tugboot processes wait,
 * compares what store_read() gives with `expected` (NULL: whatever) and writes `data`, durably, read back.
 * -ESTALE when it is not as expected. The partition must be mounted writable. The same text as is
 * there is not written again. A config.json that is not whole is replaced: see from_copy.
 */
int store_write(int dir_fd, const char *expected, size_t expected_size, const char *data,
		size_t size);

/* Makes the copy as config.json is, after somebody else changed it to something that was checked to
 * be good. Writes nothing when it is the same. */
int store_keep_copy(int dir_fd, const struct store_text *good);

/*
 * Repairs what a cut left: config.json gets the copy's content when it is missing, empty, unreadable or
 * no text, or when a write of ours was cut. A text that is only wrong is somebody's work and stays.
 * 1 when something was repaired, 0 when there was nothing to do.
 */
int store_settle(int dir_fd);
