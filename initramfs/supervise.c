/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starting, watching and ending the bootloader. Its messages are not trusted to be sane: a deadline
 * has an upper bound here, and so has every wait.
 */
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "clock.h"
#include "fd.h"
#include "log.h"

#define BOOTLOADER "/bootloader"
#define SHELL "/bin/sh"
#define FIRST_DEADLINE_MS 10000u /* until the first message */
#define GRACE_MS 5000u		 /* from SIGKILL, or the last word, to giving up on its end */
#define SECONDS_MAX 1200u
#define PING_MS 5000u

static const char *step_name(unsigned step)
{
	static const char *const names[STEP_COUNT] = {
		[STEP_START] = "start",
		[STEP_DISK] = "disk",
		[STEP_ENVIRONMENT] = "environment",
		[STEP_SLOT] = "slot",
		[STEP_UNLOCK] = "unlock",
		[STEP_RECORD] = "record",
		[STEP_WAIT] = "wait",
		[STEP_WATCHDOG] = "watchdog",
	};

	return step < STEP_COUNT ? names[step] : "unknown";
}

static int signal_fd(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

_Noreturn static void child_exec(const struct child_args *args, int progress_fd)
{
	char refused[sizeof(ARG_REFUSED) + sizeof(args->refused)];
	char *argv[4] = {(char *)BOOTLOADER};
	size_t n = 1;
	sigset_t none;

	if (args->refused[0]) {
		(void)snprintf(refused, sizeof(refused), ARG_REFUSED "%s", args->refused);
		argv[n++] = refused;
	}
	if (args->no_environment)
		argv[n++] = (char *)ARG_NO_ENVIRONMENT;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setsid();
	/* dup2() to the same number would keep close-on-exec, so it goes by way of another. */
	if (progress_fd == PROGRESS_FD)
		progress_fd = dup(progress_fd);
	if (dup2(progress_fd, PROGRESS_FD) == PROGRESS_FD)
		execv(BOOTLOADER, argv);
	_exit(127);
}

static void take_messages(int fd, struct child_end *end, uint64_t *deadline)
{
	struct progress message;

	while (read(fd, &message, sizeof(message)) == (ssize_t)sizeof(message)) {
		if (message.step == STEP_WATCHDOG) {
			end->watch_seconds = message.seconds;
			continue;
		}
		if (message.step == STEP_END) {
			end->last_word = message.seconds;
			*deadline = clock_ms() + GRACE_MS;
			continue;
		}
		if (message.step >= STEP_COUNT)
			continue;
		end->step = message.step;
		end->slot = message.slot;
		*deadline = clock_ms() + 1000u * MIN((unsigned)message.seconds, SECONDS_MAX);
	}
}

/* Reaps everything; true when the child itself was among it. */
static bool reap(pid_t child, int *ret_status)
{
	bool seen = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == child) {
			*ret_status = status;
			seen = true;
		}
	return seen;
}

/* Waits for the child, its messages, or the next duty; true when it has ended. */
static bool watch(pid_t child, int sig_fd, int progress_fd, struct child_end *end,
		  const struct watchdog *watchdog, int *ret_status)
{
	uint64_t deadline = clock_ms() + FIRST_DEADLINE_MS, now;
	bool killed = false;

	for (;;) {
		struct pollfd fds[] = {{.fd = sig_fd, .events = POLLIN},
				       {.fd = progress_fd, .events = POLLIN}};
		struct signalfd_siginfo info;

		watchdog_ping(watchdog);
		now = clock_ms();
		(void)poll(fds, ARRAY_SIZE(fds),
			   now < deadline ? (int)MIN(deadline - now, PING_MS) : 0);
		if (fds[0].revents)
			(void)!read(sig_fd, &info, sizeof(info));
		take_messages(progress_fd, end, &deadline);
		if (fds[1].revents & POLLHUP)
			progress_fd = -1; /* nothing more comes */
		if (reap(child, ret_status))
			return true;
		if (clock_ms() < deadline)
			continue;
		if (end->last_word >= 0) {
			log_warn("hang", "found=\"a driver that does not let the bootloader end\" "
					 "next=\"go on when it does, within minutes\"");
			*ret_status = W_EXITCODE(end->last_word, 0);
			return true;
		}
		if (killed)
			return false;
		log_line(LOG_ERROR, "hang",
			 "step=%s slot=%s next=\"end it, refuse what it worked on\"",
			 step_name(end->step), log_quote((char[]){end->slot, 0}));
		(void)kill(child, SIGKILL);
		killed = true;
		deadline = clock_ms() + GRACE_MS;
	}
}

struct child_end supervise_run(const struct child_args *args, const struct watchdog *watchdog)
{
	struct child_end end = {.crashed = true, .last_word = -1};
	_close_ int sig_fd = signal_fd();
	_close_ int read_fd = -1;
	_close_ int write_fd = -1;
	int fds[2], status = 0;
	pid_t child;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
		log_line(LOG_ERROR, "bootloader", "error=%s next=reboot", log_errno(errno));
		return end;
	}
	read_fd = fds[0];
	write_fd = fds[1];
	child = fork();
	if (child < 0) {
		log_line(LOG_ERROR, "bootloader", "error=%s next=reboot", log_errno(errno));
		return end;
	}
	if (child == 0)
		child_exec(args, write_fd);
	close_p(&write_fd);
	write_fd = -1;

	if (!watch(child, sig_fd, read_fd, &end, watchdog, &status)) {
		log_line(LOG_ERROR, "hang",
			 "found=\"bootloader stuck in the kernel\" next=\"go on without it\"");
		return end;
	}
	if (WIFEXITED(status) &&
	    (WEXITSTATUS(status) == BOOT_GO || WEXITSTATUS(status) == BOOT_SWITCH ||
	     WEXITSTATUS(status) == BOOT_REBOOT || WEXITSTATUS(status) == BOOT_FAILED)) {
		end.crashed = false;
		end.result = (enum boot_result)WEXITSTATUS(status);
		return end;
	}
	log_line(LOG_ERROR, "crash", "step=%s slot=%s %s=%d next=\"refuse what it worked on\"",
		 step_name(end.step), log_quote((char[]){end.slot, 0}),
		 WIFSIGNALED(status) ? "signal" : "status",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return end;
}

void supervise_sleep(unsigned seconds, const struct watchdog *watchdog)
{
	uint64_t end = clock_ms() + 1000u * (uint64_t)seconds, now;

	while ((now = clock_ms()) < end) {
		watchdog_ping(watchdog);
		(void)poll(NULL, 0, (int)MIN(end - now, PING_MS));
	}
}

void supervise_shell(const struct watchdog *watchdog)
{
	pid_t pid;

	if (access(SHELL, X_OK) < 0)
		return;
	log_event("shell", "reason=\"development build\" next=\"reboot when it ends\"");
	pid = fork();
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		(void)setsid();
		(void)ioctl(STDIN_FILENO, TIOCSCTTY, 1);
		execl(SHELL, "sh", "-l", NULL);
		_exit(127);
	}
	/* A person may take any time: this is the one wait that only they end. */
	for (int status; pid > 0 && !reap(pid, &status);)
		supervise_sleep(1, watchdog);
}
