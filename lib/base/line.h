/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Configuration text of the form `KEY VALUE`, a line each: what loader entries and extlinux.conf
 * have in common. The text is hostile; results borrow from it.
 */
#pragma once

#include "slice.h"

/* Is this text that a person could have written: no control characters but tabs, newlines, and
 * carriage returns that stand before a newline? Bytes from 0x80 up are taken as they are. */
bool line_text_valid(struct slice text);

/* The next line, without its end and without blanks at either side. *pos starts at 0 and then is
 * where the following line begins. False at the end of the text. */
bool line_next(struct slice text, size_t *pos, struct slice *ret_line);

/* The first word of *rest, which loses it and the separators round it. Words are separated by
 * blanks, tabs, and the character extra (0 for none). False when there is none left. */
bool line_word(struct slice *rest, char extra, struct slice *ret_word);

/* Splits a line into its first word and the rest, which may be empty but has a pointer. False for a
 * line that is empty or a comment. */
bool line_split(struct slice line, struct slice *ret_key, struct slice *ret_value);

/* Equal but for the case of ASCII letters. */
bool line_word_is(struct slice word, const char *s);
