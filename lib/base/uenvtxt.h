/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * U-Boot's text environments: the files that `env import -t` reads and `env export -t` writes, in
 * the form that balenaOS keeps on its boot partition (resinOS_uEnv.txt, extra_uEnv.txt,
 * bootcount.env).
 *
 * Format (U-Boot, lib/hashtable.c, himport_r() and hexport_r() with separator '\n'): lines
 * `name=value`. Blanks before a name are skipped; lines that start with '#' are comments; in a value
 * '\' takes the next byte as it is, which is how a newline or a '\' stands there; in a name and in a
 * comment it is a byte like any other. A NUL ends the text (bootcount.env has one as its last byte;
 * within a line U-Boot goes on behind it, which only damage puts there).
 * A '\r' before a newline belongs to the value; the decoder of lib/base/env.h trims it. A line of
 * blanks, or of a '\r', is blank. `name=` is a variable with an empty value here; U-Boot has no
 * such variables and takes both this and a line `name` as "no variable of this name".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "slice.h"

#define UENVTXT_SIZE_MAX (16 * 1024)

/* Borrowed from the text; value still escaped. */
struct uenvtxt_var {
	struct slice name;
	struct slice value;
};

/* 0 when every line up to the end (or the first NUL) is a variable, a comment or blank, the last
 * one is ended by a newline and what follows a NUL is NULs alone. Else -EUCLEAN; also when empty. */
int uenvtxt_check(const char *text, size_t size);

/* Walks the variables of any bytes; lines that are none are passed over, and so is a last line that
 * nothing ends. *pos starts at 0 and belongs to the walk. */
bool uenvtxt_next(const char *text, size_t size, size_t *pos, struct uenvtxt_var *ret_var);

/* Copies the unescaped value, terminated. Returns its length or -ENOBUFS. */
int uenvtxt_value(const struct uenvtxt_var *var, char *buf, size_t buf_size);

/* Value of a name (the last of several). -ENOENT, -ENOBUFS. */
int uenvtxt_get(const char *text, size_t size, const char *name, char *buf, size_t buf_size);

/* Not empty; no '=' and no newline; starts with neither '#' nor a blank. */
bool uenvtxt_name_valid(const char *name);

/*
 * Sets or (value NULL) removes a variable in text, which holds *size bytes of at most max. A
 * variable keeps its place (of several the first, the others go), a new one goes last; other lines
 * stay as they are. Bytes from the first NUL on, and a last line that nothing ends, go. -EINVAL for
 * a name that is not valid, -ENOSPC; text is unchanged then.
 */
int uenvtxt_set(char *text, size_t *size, size_t max, const char *name, const char *value);
