/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Switching to the root. The kernel's own rules for init are followed (init/main.c). */
#include "switch_root.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmdline.h"
#include "log.h"
#include "macro.h"
#include "progress.h"

#define ARGS_MAX 32

/* Words behind `--`, in place; the line belongs to the caller and stays. */
static size_t init_args(char *line, char **args, size_t max)
{
	struct cmdline_arg arg;
	bool behind = false;
	size_t pos = 0, n = 0;

	while (cmdline_next(line, &pos, &arg) && n < max) {
		bool end = line[pos] == '\0';

		if (behind) {
			args[n++] = line + (arg.text - line);
			if (!end)
				line[pos++] = '\0';
		} else {
			behind = cmdline_is_end_mark(&arg);
		}
		if (end)
			break;
	}
	return n;
}

static void move_mounts(void)
{
	static const char *const mounts[] = {"/dev", "/proc", "/sys", "/run"};
	char target[32];

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		(void)snprintf(target, sizeof(target), SYSROOT "%s", mounts[i]);
		if (mount(mounts[i], target, NULL, MS_MOVE, NULL) == 0)
			continue;
		log_warn("switch-root", "mount=%s error=%s next=\"the root's init mounts its own\"",
			 mounts[i], log_errno(errno));
		(void)umount2(mounts[i], MNT_DETACH);
	}
}

int switch_root(const char *cmdline)
{
	static const char *const programs[] = {"/sbin/init", "/etc/init", "/bin/init"};
	char line[4096], program[256];
	char *argv[ARGS_MAX + 2] = {0};
	int r;

	/* The initramfs stays below the root for good: give its memory back. */
	(void)unlink("/init");
	(void)unlink("/bootloader");
	move_mounts();
	if (chdir(SYSROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		return -errno;

	(void)snprintf(line, sizeof(line), "%s", cmdline);
	(void)init_args(line, argv + 1, ARGS_MAX);
	r = cmdline_get(cmdline, "init", program, sizeof(program));
	if (r > 0) {
		argv[0] = program;
		execv(program, argv);
		r = -errno;
		log_line(LOG_ERROR, "init", "program=%s error=%s next=\"the usual names\"",
			 log_quote(program), log_errno(errno));
	}
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		argv[0] = (char *)programs[i];
		execv(programs[i], argv);
		r = -errno;
	}
	return r;
}
