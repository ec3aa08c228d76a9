/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the bench runs as /bench-processes, before Tugboot's PID 1: a second process watches the first by
 * ptrace and writes a line to the kernel log for each process that it and its descendants start and
 * for each program that they become. Then the first one becomes /init. Counts nothing but
 * userland: kernel threads are not its descendants. It reads no input.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC)

static int log_fd = -1;

static void say(const char *fmt, long a, long b)
{
	char line[128];
	int n;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	n = snprintf(line, sizeof(line), fmt, a, b);
#pragma GCC diagnostic pop
	if (n > 0 && write(log_fd, line, (size_t)n) != n)
		exit(1); /* then the bench misses the lines that it waits for */
}

static void on_stop(pid_t pid, int status)
{
	int event = status >> 16, signal = WSTOPSIG(status);
	unsigned long value = 0;

	switch (event) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		(void)ptrace(PTRACE_GETEVENTMSG, pid, NULL, &value);
		say("<2>bench: process pid=%ld parent=%ld\n", (long)value, pid);
		break;
	case PTRACE_EVENT_EXEC:
		say("<2>bench: exec pid=%ld%.0ld\n", pid, 0);
		break;
	default:
		break;
	}
	/* A stop that is no event is a signal on its way. */
	(void)ptrace(PTRACE_CONT, pid, NULL, (long)(event ? 0 : signal));
}

_Noreturn static void watch(pid_t first, int ready_fd)
{
	int status;
	pid_t pid;

	if (ptrace(PTRACE_SEIZE, first, NULL, (long)EVENTS) < 0)
		say("<2>bench: cannot watch pid=%ld errno=%ld\n", first, errno);
	else
		say("<2>bench: watching pid=%ld%.0ld\n", first, 0);
	if (write(ready_fd, "", 1) != 1)
		exit(1);
	close(ready_fd);
	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR)
		if (pid > 0 && WIFSTOPPED(status))
			on_stop(pid, status);
	exit(0);
}

int main(int argc, char **argv)
{
	pid_t self = getpid();
	int ready[2];
	char byte;

	(void)argc;
	(void)mount("devtmpfs", "/dev", "devtmpfs", 0, NULL); /* open() tells when that failed */
	log_fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (log_fd < 0 || pipe2(ready, O_CLOEXEC) < 0)
		return 1;
	if (fork() == 0)
		watch(self, ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		return 1;
	argv[0] = (char[]){"/init"};
	(void)execv(argv[0], argv);
	return 1;
}
