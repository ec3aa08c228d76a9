/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Log lines to /dev/kmsg. Values come from disks, so log_quote() leaves nothing that could forge a
 * line or steer a terminal.
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_SIZE 960 /* a record of /dev/kmsg is 1024 - its prefix */

static int kmsg_fd = -1;

int log_open(void)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	if (kmsg_fd >= 0)
		close(kmsg_fd);
	kmsg_fd = fd;
	return 0;
}

void log_line(enum log_level level, const char *event, const char *fmt, ...)
{
	int saved_errno = errno;
	char line[LINE_SIZE];
	size_t len;
	va_list ap;
	int n;

	n = snprintf(line, sizeof(line), "<%d>tugboot: %s ", level, event);
	len = n < 0 ? 0 : MIN((size_t)n, sizeof(line) - 2);
	va_start(ap, fmt);
	n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	len = n < 0 ? len : MIN(len + (size_t)n, sizeof(line) - 2);
	while (len > 0 && line[len - 1] == ' ')
		len--;
	line[len++] = '\n';

	if (kmsg_fd >= 0) {
		/* A log that cannot be written must not stop a boot. */
		if (write(kmsg_fd, line, len) == (ssize_t)len) {
			errno = saved_errno;
			return;
		}
	}
	(void)!write(STDERR_FILENO, line + 3, len - 3);
	errno = saved_errno;
}

static bool is_plain(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s > '~' || *s == '"' || *s == '\\')
			return false;
	return true;
}

const char *log_quote(const char *value)
{
	static _Thread_local char bufs[8][256];
	static _Thread_local unsigned next;
	char *buf = bufs[next++ % ARRAY_SIZE(bufs)];
	size_t len = 0;

	if (!value)
		value = "";
	if (is_plain(value) && strlen(value) < sizeof(bufs[0]))
		return strcpy(buf, value);

	buf[len++] = '"';
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (len > sizeof(bufs[0]) - 10) {
			memcpy(buf + len, "...", 3);
			len += 3;
			break;
		}
		if (c == '"' || c == '\\') {
			buf[len++] = '\\';
			buf[len++] = (char)c;
		} else if (c < ' ' || c > '~') {
			len += (size_t)snprintf(buf + len, 5, "\\x%02x", c);
		} else {
			buf[len++] = (char)c;
		}
	}
	buf[len++] = '"';
	buf[len] = '\0';
	return buf;
}

const char *log_errno(int error)
{
	const char *name = strerrorname_np(abs(error));

	return name ? name : "unknown";
}
