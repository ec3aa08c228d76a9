/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands with a deadline: see command.h. What they write is hostile text. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "clock.h"
#include "fd.h"
#include "macro.h"

#define COMMANDS_MAX 128
#define ENVIRONMENT_MAX 16
/* Of a child that could not be started. */
#define STATUS_NOT_STARTED 127

/* --- Which --- */

void command_list_done(struct command_list *list)
{
	free(list->path);
	*list = COMMAND_LIST_NONE;
}
#define _commands_ _cleanup_(command_list_done)

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int by_name(const void *a, const void *b)
{
	const char *x = a, *y = b;
	int order = strcmp(base_name(x), base_name(y));

	return order ? order : strcmp(x, y);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool is_name(const char *name)
{
	return name[0] != '.' && !endswith(name, "~") && !strstr(name, ".dpkg-");
}

static int list_add(struct command_list *list, const char *path)
{
	char(*grown)[COMMAND_PATH_MAX];

	if (list->n == COMMANDS_MAX || strlen(path) >= COMMAND_PATH_MAX)
		return -E2BIG;
	grown = realloc(list->path, (list->n + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	list->path = grown;
	strcpy(list->path[list->n++], path);
	return 0;
}

static bool list_has_name(const struct command_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (streq(base_name(list->path[i]), name))
			return true;
	return false;
}

/* Something that can be run, or masks what can (*ret_mask). */
static bool is_command(const char *path, bool *ret_mask)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	*ret_mask = !S_ISREG(st.st_mode) || st.st_size == 0;
	if (S_ISCHR(st.st_mode))
		return true;
	return S_ISREG(st.st_mode) && (*ret_mask || access(path, X_OK) == 0);
}

/* Adds those of one directory whose name is not there yet; `with` (NULL: any) is a part of it. */
static int list_directory(struct command_list *list, struct command_list *masks, const char *dir,
			  const char *with)
{
	_closedir_ DIR *d = opendir(dir);
	const struct dirent *entry;
	int r = 0;

	if (!d)
		return 0; /* has none */
	while (r == 0 && (entry = readdir(d))) {
		char path[COMMAND_PATH_MAX];
		bool mask;

		if (!is_name(entry->d_name) || (with && !strstr(entry->d_name, with)) ||
		    (size_t)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name) >=
			    sizeof(path) ||
		    !is_command(path, &mask) || list_has_name(list, entry->d_name) ||
		    list_has_name(masks, entry->d_name))
			continue;
		r = list_add(mask ? masks : list, path);
	}
	return r;
}

int command_list_read(const char *const *dirs, struct command_list *ret_list)
{
	_commands_ struct command_list list = COMMAND_LIST_NONE, masks = COMMAND_LIST_NONE;
	int r = 0;

	for (; r == 0 && *dirs; dirs++)
		r = list_directory(&list, &masks, *dirs, NULL);
	if (r < 0)
		return r;
	if (list.n > 0)
		qsort(list.path, list.n, sizeof(*list.path), by_name);
	*ret_list = list;
	list = COMMAND_LIST_NONE;
	return 0;
}

static int is_hook_directory(const struct dirent *entry)
{
	return is_name(entry->d_name);
}

int command_list_balena(const char *dir, const char *phase, bool first_kind,
			struct command_list *ret_list)
{
	_commands_ struct command_list list = COMMAND_LIST_NONE;
	struct dirent **entries = NULL;
	int n, r = 0;

	n = scandir(dir, &entries, is_hook_directory, alphasort);
	for (int i = 0; i < n; i++) {
		/* Two hooks may have files of the same name: nothing masks here. */
		_commands_ struct command_list masks = COMMAND_LIST_NONE, own = COMMAND_LIST_NONE;
		char path[COMMAND_PATH_MAX];
		bool mask;

		(void)snprintf(path, sizeof(path), "%.250s/%.255s", dir, entries[i]->d_name);
		free(entries[i]);
		if (r == 0 && first_kind && is_command(path, &mask) && !mask)
			r = list_add(&list, path);
		if (r == 0)
			r = list_directory(&own, &masks, path, phase);
		for (size_t j = 0; r == 0 && j < own.n; j++)
			r = list_add(&list, own.path[j]);
	}
	free(entries);
	if (r < 0)
		return r;
	/* In the order of the hooks, then of their files: that of whole paths. */
	if (list.n > 0)
		qsort(list.path, list.n, sizeof(*list.path), by_path);
	*ret_list = list;
	list = COMMAND_LIST_NONE;
	return 0;
}

/* --- Running one --- */

static void child(const struct command *command, int output)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *argv[] = {(char *)command->path, NULL}, *envp[ENVIRONMENT_MAX + 2] = {path};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
	    dup2(output, STDERR_FILENO) < 0)
		_exit(STATUS_NOT_STARTED);
	for (size_t i = 0; command->environment && i < ENVIRONMENT_MAX; i++) {
		envp[i + 1] = (char *)command->environment[i];
		if (!command->environment[i])
			break;
	}
	if (chdir("/") == 0)
		(void)execve(command->path, argv, envp);
	dprintf(STDERR_FILENO, "cannot be started: %s\n", strerror(errno));
	_exit(STATUS_NOT_STARTED);
}

/* Takes in what it wrote, passes it on, and keeps the last line that says something. */
static bool take_output(int fd, char said[static COMMAND_SAID_MAX], size_t *len)
{
	char buf[1024];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n == 0)
		return false;
	(void)!write(STDERR_FILENO, buf, (size_t)n);
	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] == '\n') {
			*len = SIZE_MAX; /* the next character begins a line */
			continue;
		}
		if (*len == SIZE_MAX) {
			*len = 0;
		}
		if (*len < COMMAND_SAID_MAX - 1)
			said[(*len)++] = buf[i] < ' ' || buf[i] > '~' ? '?' : buf[i];
		said[*len] = '\0';
	}
	return true;
}

/* Until it has ended, or the deadline; true when it has ended. Output that is still held open by what it
 * left behind is not waited for. */
static bool watch(int pid_fd, int output, uint64_t deadline, char said[static COMMAND_SAID_MAX])
{
	struct pollfd fds[] = {{.fd = pid_fd, .events = POLLIN}, {.fd = output, .events = POLLIN}};
	size_t len = 0;

	for (;;) {
		uint64_t now = clock_ms();

		if (now >= deadline)
			return false;
		if (poll(fds, ARRAY_SIZE(fds), (int)MIN(deadline - now, (uint64_t)60000)) < 0 &&
		    errno != EINTR)
			return false;
		if (fds[1].revents && !take_output(output, said, &len))
			fds[1].fd = -1;
		else if (fds[0].revents)
			break;
	}
	/* What is in the pipe now is all of it. */
	while (fds[1].fd >= 0 && poll(&fds[1], 1, 0) > 0 && take_output(output, said, &len))
		;
	return true;
}

static int end_status(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void command_run(const struct command *command, struct command_end *ret_end)
{
	uint64_t deadline = clock_ms() + (uint64_t)command->timeout_s * 1000;
	_close_ int output = -1, input = -1, pid_fd = -1;
	struct command_end end = {0};
	int pipe_fds[2];
	bool ended;
	pid_t pid;

	*ret_end = (struct command_end){.status = -ECHILD};
	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		ret_end->status = -errno;
		return;
	}
	output = pipe_fds[0];
	input = pipe_fds[1];
	pid = fork();
	if (pid == 0)
		child(command, input);
	if (pid < 0) {
		ret_end->status = -errno;
		return;
	}
	(void)setpgid(pid, pid); /* whoever is first */
	close_p(&input);
	input = -1;
	pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	ended = pid_fd >= 0 && watch(pid_fd, output, deadline, end.said);
	/* Before it is waited for, so that the group's number is still its own. */
	(void)kill(-pid, SIGKILL);
	end.status = end_status(pid);
	if (!ended)
		end.status = -ETIMEDOUT;
	*ret_end = end;
}

void command_end_words(const struct command *command, const struct command_end *end, char *buf,
		       size_t size)
{
	const char *colon = end->said[0] ? ": " : "";

	if (end->status == -ETIMEDOUT)
		(void)snprintf(buf, size, "did not end within %u s%s%s", command->timeout_s, colon,
			       end->said);
	else if (end->status < 0)
		(void)snprintf(buf, size, "could not be started: %s", strerror(-end->status));
	else if (end->status > 128)
		(void)snprintf(buf, size, "was killed by signal %d%s%s", end->status - 128, colon,
			       end->said);
	else
		(void)snprintf(buf, size, "ended with %d%s%s", end->status, colon, end->said);
}
