/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Commands that the system or its makers put in directories: health tests and hooks. Each is an
 * executable that is started by its path, without a shell, with nothing but what is said here in its
 * environment, in a process group of its own, of which nothing is left when it has ended or its time is over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define COMMAND_PATH_MAX 512
#define COMMAND_SAID_MAX 160

struct command_list {
	char (*path)[COMMAND_PATH_MAX]; /* sorted by file name */
	size_t n;
};

#define COMMAND_LIST_NONE ((struct command_list){0})

void command_list_done(struct command_list *list);

/*
 * The executables in directories, which are given in the order of their weight, the first one has
 * the most: of files with the same name its one counts, and one that is empty, or a link to /dev/null,
 * masks the others. Names that begin
 * with a dot, or end with `~` or as dpkg's (.dpkg-new…), are passed over. Directories that are not there
 * have none; -ENOMEM.
 */
int command_list_read(const char *const *dirs, struct command_list *ret_list);

/* balenaOS's update hooks (balena-os/meta-balena, docs/hooks.md): the executables in dir/NAME/ whose name
 * contains `phase` ("fwd_commit", "forward"), sorted; with `first_kind` those in dir itself, too. */
int command_list_balena(const char *dir, const char *phase, bool first_kind,
			struct command_list *ret_list);

struct command {
	const char *path;
	const char *const *environment; /* beside PATH; NULL-terminated, may be NULL */
	unsigned timeout_s;
};

struct command_end {
	int status; /* exit status, 128 + signal, or a negative errno: -ETIMEDOUT, or why it did not start */
	char said[COMMAND_SAID_MAX]; /* the last line that it wrote, printable; empty: none */
};

/* Runs it to its end. What it writes goes to our standard error, too. */
void command_run(const struct command *command, struct command_end *ret_end);

/* "ended with 3: text", "was killed by signal 9", "did not end within 60 s", … */
void command_end_words(const struct command *command, const struct command_end *end, char *buf,
		       size_t size);
