/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Secrets asked for: see ask.h. They are read into their own memory, past any buffer of stdio. */
#include "ask.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <termios.h>

#include "fd.h"

static int read_all(int fd, struct secret *secret)
{
	secret->size = 0;
	for (;;) {
		ssize_t n = read(fd, secret->data + secret->size, SECRET_MAX - secret->size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		secret->size += (size_t)n;
		if (secret->size == SECRET_MAX)
			return -EFBIG;
	}
}

enum result ask_file(const char *path, const char *what, struct secret *ret_secret)
{
	bool is_stdin = streq(path, "-");
	_close_ int fd = is_stdin ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	_secret_ struct secret secret = {0};
	int r;

	if (!is_stdin && fd < 0)
		return complain("cannot read the %s from %s: %s", what, path, strerror(errno));
	r = secret_new(0, &secret);
	if (r == 0)
		r = read_all(is_stdin ? STDIN_FILENO : fd, &secret);
	if (r < 0)
		return complain("cannot read the %s from %s: %s", what,
				is_stdin ? "standard input" : path, strerror(-r));
	if (secret.size == 0)
		return complain("the %s in %s is empty", what, is_stdin ? "standard input" : path);
	*ret_secret = secret_take(&secret);
	return RESULT_OK;
}

static int read_line(int fd, struct secret *secret)
{
	secret->size = 0;
	while (secret->size < SECRET_MAX) {
		ssize_t n = read(fd, secret->data + secret->size, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 || secret->data[secret->size] == '\n')
			return 0;
		secret->size++;
	}
	return -EFBIG;
}

enum result ask_terminal(const char *prompt, struct secret *ret_secret)
{
	_close_ int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	_secret_ struct secret secret = {0};
	struct termios before, silent;
	int r;

	if (fd < 0 || tcgetattr(fd, &before) < 0)
		return complain("there is no terminal to ask for the %s: give it in a file, "
				"see 'tugboot --help'",
				prompt);
	r = secret_new(0, &secret);
	if (r < 0)
		return complain("no memory");
	silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	(void)dprintf(fd, "%s: ", prompt);
	if (tcsetattr(fd, TCSAFLUSH, &silent) < 0)
		return complain("the terminal does not stop its echo: %s", strerror(errno));
	r = read_line(fd, &secret);
	(void)tcsetattr(fd, TCSAFLUSH, &before);
	(void)dprintf(fd, "\n");
	if (r < 0)
		return complain("cannot read the %s: %s", prompt, strerror(-r));
	if (secret.size == 0)
		return complain("the %s is empty", prompt);
	*ret_secret = secret_take(&secret);
	return RESULT_OK;
}

enum result ask_pin(const struct options *options, bool is_new, struct secret *ret_pin)
{
	_secret_ struct secret pin = {0}, again = {0};
	enum result result;

	if (options->pin_file) {
		result = ask_file(options->pin_file, "PIN", &pin);
		if (result != RESULT_OK)
			return result;
		if (pin.data[pin.size - 1] == '\n')
			pin.size--;
		if (pin.size == 0)
			return complain("the PIN is empty");
	} else {
		result = ask_terminal("PIN", &pin);
		if (result == RESULT_OK && is_new)
			result = ask_terminal("PIN again", &again);
		if (result != RESULT_OK)
			return result;
		if (is_new &&
		    (pin.size != again.size || memcmp(pin.data, again.data, pin.size) != 0))
			return complain("these are two different PINs");
	}
	*ret_pin = secret_take(&pin);
	return RESULT_OK;
}
