/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Operations on the files of a boot partition that are cut off by a power cut, meet an error, or
 * meet each other. An operation runs in a process of its own, which ends within the system call
 * where the power goes; what it has written until then is on the disk, in order, and a write may
 * have got half way. The directory, and the memory behind `device`, are shared with the test.
 *
 * Included by one test: it stands between that test's code and libc.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "macro.h"

enum { POWER_GONE = 42 };

struct outage {
	int cut_at;   /* the step at which the power goes; 0: it stays */
	int write_at; /* the write that gives EIO; 0: none */
	int read_at;  /* the read that gives EIO; 0: none */
	bool stop;    /* before the first write, until somebody continues the process */
};

#define NO_OUTAGE ((struct outage){0})

static struct outage outage;
static int steps, writes, reads;
static unsigned cuts; /* operations that were cut, for the record */

/* What the test and its operations share. */
struct device {
	char health[2];	   /* of slots A and B: enum health */
	char started;	   /* 'A', 'B' or 0 */
	bool sleeps;	   /* nothing was started, and nothing ends that */
	bool faulted;	   /* the outage's error was met */
	unsigned bypasses; /* programs started, writes to what is no regular file */
	unsigned loader;   /* which of the old boot loaders counts */
};

static struct device *device;
static int dir = -1; /* the boot partition */

/* Whatever changes the disk passes here once for each state that a cut may leave. */
static bool power_goes(void)
{
	return outage.cut_at > 0 && ++steps == outage.cut_at;
}

static void step(void)
{
	if (power_goes())
		_exit(POWER_GONE);
}

static bool is_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	device->bypasses += !is_regular(fd);
	if (outage.stop) {
		outage.stop = false;
		(void)raise(SIGSTOP);
	}
	if (outage.write_at > 0 && ++writes == outage.write_at) {
		device->faulted = true;
		errno = EIO;
		return -1;
	}
	step();
	if (power_goes()) {
		(void)syscall(SYS_pwrite64, fd, data, size / 2, offset);
		_exit(POWER_GONE);
	}
	return syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t read(int fd, void *data, size_t size)
{
	if (outage.read_at > 0 && ++reads == outage.read_at) {
		device->faulted = true;
		errno = EIO;
		return -1;
	}
	return syscall(SYS_read, fd, data, size);
}

int ftruncate(int fd, off_t size)
{
	step();
	return (int)syscall(SYS_ftruncate, fd, size);
}

int unlinkat(int at, const char *name, int flags)
{
	step();
	return (int)syscall(SYS_unlinkat, at, name, flags);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	step();
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

/* Programs that somebody wants to start are counted, and not there. */
int execve(const char *path, char *const argv[], char *const envp[])
{
	(void)path;
	(void)argv;
	(void)envp;
	device->bypasses++;
	errno = ENOENT;
	return -1;
}

int system(const char *command)
{
	(void)command;
	device->bypasses++;
	return -1;
}

static pid_t begin(void (*operation)(void), struct outage o)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		outage = o;
		operation();
		_exit(0);
	}
	return pid;
}

/* True when the operation came to its end, false when the power went. */
static bool end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == POWER_GONE);
	cuts += WEXITSTATUS(status) == POWER_GONE;
	return WEXITSTATUS(status) == 0;
}

static bool run(void (*operation)(void), struct outage o)
{
	return end(begin(operation, o));
}

/* Two of them at a time: the second one begins when the first one has read and not yet written. */
static void run_both(void (*first)(void), void (*second)(void))
{
	pid_t a = begin(first, (struct outage){.stop = true}), b;
	int status;

	assert_int_equal(waitpid(a, &status, WUNTRACED), a);
	assert_true(WIFSTOPPED(status));
	b = begin(second, NO_OUTAGE);
	/* Time for one that does not wait; one that does is not done before the first one. */
	for (unsigned i = 0; i < 30; i++) {
		siginfo_t info = {0};

		assert_int_equal(waitid(P_PID, (id_t)b, &info, WEXITED | WNOHANG | WNOWAIT), 0);
		if (info.si_pid == b)
			break;
		(void)usleep(10000);
	}
	assert_int_equal(kill(a, SIGCONT), 0);
	assert_true(end(a));
	assert_true(end(b));
}
