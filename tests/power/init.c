/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first process: a console, the job's lines one after the other, power off. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "file.h"
#include "power.h"

#define JOB_MAX (64 * 1024)

void say(const char *fmt, ...)
{
	char line[8192];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line) - 1)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		return; /* nobody left to tell */
	(void)tcdrain(STDOUT_FILENO);
}

static void console_open(void)
{
	int fd;

	(void)mkdir("/dev", 0755);
	(void)mount("dev", "/dev", "devtmpfs", 0, NULL);
	(void)mkdir("/proc", 0755);
	(void)mount("proc", "/proc", "proc", 0, NULL);
	(void)mkdir("/sys", 0755);
	(void)mount("sys", "/sys", "sysfs", 0, NULL);
	fd = open("/dev/console", O_RDWR | O_NOCTTY);
	if (fd < 0)
		_exit(1);
	for (int i = 0; i < 3; i++)
		(void)dup2(fd, i);
	/* A filesystem that was cut has much to say, a hundred thousand times. */
	(void)klogctl(6, NULL, 0);
}

static int run_line(char *line)
{
	char *words[WORDS_MAX + 1] = {0};
	size_t n = 0;

	for (char *word = strtok(line, " "); word && n < WORDS_MAX; word = strtok(NULL, " "))
		words[n++] = word;
	if (n == 0)
		return 0;
	return endswith(words[0], "check") ? check_command(words, n) : record_command(words, n);
}

int main(void)
{
	_free_ char *job = NULL;
	char *rest;
	int r;

	console_open();
	r = file_read(AT_FDCWD, "/job", JOB_MAX, &job, NULL);
	rest = job;
	while (r == 0 && rest && *rest) {
		char *line = strsep(&rest, "\n");

		r = run_line(line);
	}
	say("JOB done=%d", r);
	sync();
	(void)reboot(RB_POWER_OFF);
	return 1;
}
