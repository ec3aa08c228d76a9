/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hooks: see hooks.h. The old root was the good one before the trial, and is trusted as such. */
#include "hooks.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "disk.h"
#include "log.h"
#include "mount.h"
#include "paths.h"

#define BALENA_HOOKS "/etc/hostapp-update-hooks.d"
#define OLD_ROOT RUN_DIR "/old-root"

static const char *const commit_dirs[] = {"/etc/tugboot/commit.d", "/usr/lib/tugboot/commit.d",
					  NULL};
static const char *const rollback_dirs[] = {"/etc/tugboot/rollback.d",
					    "/usr/lib/tugboot/rollback.d", NULL};

static void run_list(const struct command_list *list, const char *const *environment,
		     unsigned timeout_s)
{
	for (size_t i = 0; i < list->n; i++) {
		struct command command = {
			.path = list->path[i], .environment = environment, .timeout_s = timeout_s};
		struct command_end end;
		char words[256];

		command_run(&command, &end);
		command_end_words(&command, &end, words, sizeof(words));
		if (end.status == 0)
			log_event("hook", "path=%s status=0", log_quote(command.path));
		else
			log_warn("hook", "path=%s error=%s next=goes-on", log_quote(command.path),
				 log_quote(words));
	}
}

static void run_hooks(const char *const *dirs, const char *phase, bool first_kind,
		      const char *const *environment, unsigned timeout_s)
{
	struct command_list list;
	int r;

	r = command_list_read(dirs, &list);
	if (r == 0) {
		run_list(&list, environment, timeout_s);
		command_list_done(&list);
		r = command_list_balena(BALENA_HOOKS, phase, first_kind, &list);
	}
	if (r == 0) {
		run_list(&list, environment, timeout_s);
		command_list_done(&list);
	}
	if (r < 0)
		log_warn("hooks", "error=%s next=goes-on", log_errno(r));
}

void hooks_commit(unsigned timeout_s)
{
	/* The right files are those of the running root (meta-balena, docs/hooks.md). */
	static const char *const environment[] = {"DURING_UPDATE=0", NULL};

	run_hooks(commit_dirs, "fwd_commit", false, environment, timeout_s);
}

/* Where another mount of it, which can be written, is in the way of one that cannot, it is shared, and
 * read-only for us all the same. */
static int mount_old(const struct partition *root)
{
	int r;

	r = mount_root(root->dev, root->fstype, OLD_ROOT, false, NULL);
	if (r != -EBUSY)
		return r;
	r = mount_root(root->dev, root->fstype, OLD_ROOT, true, NULL);
	if (r < 0)
		return r;
	return mount(NULL, OLD_ROOT, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0 ? -errno : 0;
}

static void bind_into(const char *path)
{
	char target[512];

	if (path[0] != '/' ||
	    (size_t)snprintf(target, sizeof(target), OLD_ROOT "%s", path) >= sizeof(target))
		return;
	/* A root without that directory has no hooks that need it. */
	if (mount(path, target, NULL, MS_BIND | MS_REC, NULL) < 0 && errno != ENOENT)
		log_warn("hooks", "bind=%s error=%s next=goes-on", log_quote(path),
			 log_errno(errno));
}

static int enter_old(const struct partition *root, const char *boot_dir, const char *state_dir)
{
	int r;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	r = mount_old(root);
	if (r < 0)
		return r;
	bind_into("/dev");
	bind_into("/proc");
	bind_into("/sys");
	bind_into("/run");
	bind_into(boot_dir);
	bind_into(state_dir);
	(void)mount("tmpfs", OLD_ROOT "/tmp", "tmpfs", MS_NODEV | MS_NOSUID, NULL);
	return chroot(OLD_ROOT) < 0 || chdir("/") < 0 ? -errno : 0;
}

/* The life of the process that the namespace is of; its exit status is an errno. */
static void rollback_child(const struct partition *root, const char *boot_dir,
			   const char *state_dir, char slot, unsigned timeout_s)
{
	char to[] = "TUGBOOT_SLOT=A";
	/* The right files are those of the other root: balenaOS's own word for it. */
	const char *const environment[] = {"DURING_UPDATE=1", to, NULL};
	int r;

	to[sizeof(to) - 2] = slot;
	r = enter_old(root, boot_dir, state_dir);
	if (r == 0)
		run_hooks(rollback_dirs, "forward", true, environment, timeout_s);
	_exit(r < 0 ? -r : 0);
}

int hooks_rollback(const struct partition *root, const char *boot_dir, const char *state_dir,
		   char slot, unsigned timeout_s)
{
	int status;
	pid_t pid;

	if (!root->present)
		return -ENODEV;
	if (streq(root->fstype, DISK_LUKS))
		return -EOPNOTSUPP;
	if (mkdir(RUN_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		rollback_child(root, boot_dir, state_dir, slot, timeout_s);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}
