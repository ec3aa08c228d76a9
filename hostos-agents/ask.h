/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Secrets that come from whoever calls the command: a file, standard input, or typed without an
 * echo. Whoever calls is trusted; nothing of it is printed.
 */
#pragma once

#include "secret.h"
#include "tugboot.h"

/* The bytes of a file as they are, "-" for standard input; what for says what it is, in a complaint. */
enum result ask_file(const char *path, const char *what, struct secret *ret_secret);

/* One line typed on the terminal, without its end. */
enum result ask_terminal(const char *prompt, struct secret *ret_secret);

/* A PIN: of --pin-file, without a line's end, else typed; twice when it is a new one. */
enum result ask_pin(const struct options *options, bool is_new, struct secret *ret_pin);
