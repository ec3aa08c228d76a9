/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands in the bootloader's place in the initramfs of some boot tests, and fails as `sabotage=` on
 * the command line says; when it has nothing to do, the real one, /bootloader.real, is started.
 *
 * sabotage=HOW:WHEN. HOW: crash (by a signal), exit (with a status that means nothing), hang.
 * WHEN: start (until it is told to leave the environment out), A or B (after it has said that it
 * works on this slot, until it is told to leave that out), always. `sabotage=none`: never.
 *
 * sabotage=end:LETTER starts the real one, passes on what it says, and ends it when it says that it
 * unlocks this volume, or the TPM (lib/base/progress.h; 0: none), until it is told to leave that out.
 *
 * Trusts the tests, which write the command line.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "progress.h"

#define DEADLINE_SECONDS 2

static void fail(const char *how)
{
	if (strncmp(how, "crash", 5) == 0)
		(void)raise(SIGSEGV);
	if (strncmp(how, "hang", 4) == 0)
		for (;;)
			(void)pause();
	_exit(77);
}

static bool has_argument(char *argv[], const char *prefix, char letter)
{
	for (char **arg = argv + 1; *arg; arg++)
		if (strncmp(*arg, prefix, strlen(prefix)) == 0 &&
		    (!letter || strchr(*arg + strlen(prefix), letter)))
			return true;
	return false;
}

/* Between PID 1 and the real one. Does not return. */
static void end_at(char letter, char *argv[])
{
	struct progress message;
	int fds[2], status;
	pid_t pid;

	if (pipe(fds) < 0 || (pid = fork()) < 0)
		_exit(78);
	if (pid == 0) {
		if (dup2(fds[1], PROGRESS_FD) == PROGRESS_FD)
			(void)execv("/bootloader.real", argv);
		_exit(79);
	}
	(void)close(fds[1]);
	while (read(fds[0], &message, sizeof(message)) == (ssize_t)sizeof(message)) {
		if (write(PROGRESS_FD, &message, sizeof(message)) != (ssize_t)sizeof(message))
			_exit(78);
		if (message.step != STEP_UNLOCK || message.slot != letter)
			continue;
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, &status, 0);
		fail("crash");
	}
	_exit(waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 78);
}

int main(int argc, char *argv[])
{
	char line[4096];
	const char *how, *when;
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	(void)argc;
	line[n > 0 ? n : 0] = '\0';
	how = strstr(line, "sabotage=");
	how = how ? how + strlen("sabotage=") : "none";
	when = how + strcspn(how, ": \n");
	when += *when == ':';

	if (strncmp(when, "always", 6) == 0)
		fail(how);
	if (strncmp(when, "start", 5) == 0 && !has_argument(argv, ARG_NO_ENVIRONMENT, 0))
		fail(how);
	if ((*when == 'A' || *when == 'B') && strncmp(how, "end:", 4) != 0 &&
	    !has_argument(argv, ARG_REFUSED, *when)) {
		struct progress message = {
			.step = STEP_SLOT, .slot = *when, .seconds = DEADLINE_SECONDS};

		if (write(PROGRESS_FD, &message, sizeof(message)) != (ssize_t)sizeof(message))
			_exit(78);
		fail(how);
	}
	if (strncmp(how, "end:", 4) == 0) {
		char letter = *when == '0' ? '\0' : *when;

		if (letter ? !has_argument(argv, ARG_REFUSED, letter)
			   : !has_argument(argv, ARG_NO_ENVIRONMENT, 0)) {
			argv[0] = (char *)"/bootloader";
			end_at(letter, argv);
		}
	}
	argv[0] = (char *)"/bootloader";
	execv("/bootloader.real", argv);
	return 79;
}
