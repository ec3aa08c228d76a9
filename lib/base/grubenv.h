/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The GRUB environment block: the 1024 bytes that grub-editenv(1) and GRUB's load_env and save_env
 * read and write.
 *
 * Format (GRUB manual, "Environment block", and the behaviour of grub-editenv 2.06, measured by
 * tests/differential): the signature line, then lines `name=value`, then '#' up to the end. Lines
 * that start with '#' are comments. '\' takes the next byte as it is: in a value it stands before
 * a '\' or a newline; a newline after it ends no line, in a comment neither. The last byte that is
 * not padding is a newline.
 *
 * Two readers of different strictness:
 * - grubenv_check() says whether grub-editenv itself would accept and could change the block;
 * - grubenv_next() reads what is there from any bytes, so that a damaged file still names a slot.
 *
 * In a well-formed block without duplicate names, grubenv_set() and grubenv_unset() give the bytes
 * that `grub-editenv set` and `unset` give. Where grub-editenv does something else, this is why:
 *
 *   grub-editenv 2.06                              here
 *   ---------------------------------------------- ---------------------------------------------
 *   set changes the first of two lines of a name,  set leaves one line, in the place of the
 *   GRUB then reads the last; unset removes one    first; unset removes all
 *   takes a name that is empty, starts with '#'    -EINVAL: it could not be read back, or not
 *   or holds a newline                             under this name
 *   a line without '=' becomes part of the next    passed over, kept where it stands
 *   line's name
 *   "name\" + newline is a name over two lines     passed over, kept where it stands
 *   '#' inside such a name is part of it           a line that starts with '#' is a comment
 *   appends to a block whose last newline has a    -EUCLEAN: the block ends inside a value; what
 *   '\' before it, so that the new variable is     is set must be read back
 *   part of the value before
 *   keeps empty lines and lines of '#' alone,      these lines go when there is no room without
 *   which padding becomes when a newline is put    them
 *   behind it, and then has no room
 *   takes any size from 26 bytes, keeps it         1024 bytes and no other (-EMSGSIZE)
 *   create adds a comment that warns of editors    not written: 70 bytes more for variables
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define GRUBENV_SIZE 1024
#define GRUBENV_SIGNATURE "# GRUB Environment Block\n"

/* One variable as it stands in the block: borrowed from it, not terminated, value still escaped. */
struct grubenv_var {
	const char *name;
	size_t name_len;
	const char *value;
	size_t value_len;
};

/* Writes an empty block: signature and padding. */
void grubenv_init(char block[static GRUBENV_SIZE]);

/*
 * 0 when data is a whole, well-formed block; else a negative errno:
 * -EMSGSIZE the size is not 1024, -EBADMSG no signature, -EUCLEAN no newline (or only an escaped
 * one) before the padding.
 */
int grubenv_check(const char *data, size_t size);

/*
 * Walks the variables of any bytes, in order. *pos starts at 0 and belongs to the walk.
 * Lines whose name grubenv_name_valid() would refuse, or without '=', are passed over; a last line
 * that no newline ends is not a variable (it was cut off). Returns true and sets *ret_var while
 * there is one.
 */
bool grubenv_next(const char *data, size_t size, size_t *pos, struct grubenv_var *ret_var);

/*
 * Copies the unescaped value to buf, terminated. Returns its length; -ENOBUFS when it does not fit
 * in buf_size bytes with its end, buf is untouched then. A NUL ends the value, as for GRUB.
 */
int grubenv_value(const struct grubenv_var *var, char *buf, size_t buf_size);

/*
 * Value of a name (the last of several), unescaped. Returns its length; -ENOENT when there is none,
 * -ENOBUFS when it does not fit.
 */
int grubenv_get(const char *data, size_t size, const char *name, char *buf, size_t buf_size);

/* A name that the format can hold: not empty, no '=', no newline, not starting with '#'. (A '\' is
 * a byte like any other in a name.) */
bool grubenv_name_valid(const char *name);

/*
 * Sets name to value in a well-formed block. The variable keeps its place; a new one goes last, as
 * grub-editenv does. -EINVAL for a name that the format cannot hold, -ENOSPC when it does not fit,
 * -EBADMSG or -EUCLEAN for a block that is not well formed; the block is unchanged then.
 */
int grubenv_set(char block[static GRUBENV_SIZE], const char *name, const char *value);

/* Removes every variable of this name; 0 also when there was none. Errors as grubenv_set(). */
int grubenv_unset(char block[static GRUBENV_SIZE], const char *name);

/*
 * Makes a well-formed block from any bytes: keeps the block as it is when it is well formed, else
 * carries over, in order, every variable that grubenv_next() finds and that fits (of several with
 * one name the last), without comments. Returns true when it had to rebuild.
 */
bool grubenv_repair(const char *data, size_t size, char ret_block[static GRUBENV_SIZE]);
