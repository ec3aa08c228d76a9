/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Set-up of the system around PID 1. Nothing here reads a disk. */
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>

#include "fd.h"
#include "log.h"

#define KLOG_CONSOLE_LEVEL 8 /* syslog(2): SYSLOG_ACTION_CONSOLE_LEVEL */

static void mount_one(const char *type, const char *target, unsigned long flags, const char *data)
{
	(void)mkdir(target, 0755); /* mount says what is wrong with it */
	if (mount(type, target, type, flags, data) < 0 && errno != EBUSY)
		log_warn("mount", "type=%s on=%s error=%s next=\"go on without\"", type, target,
			 log_errno(errno));
}

static void write_text(const char *path, const char *text)
{
	_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, text,
			     strlen(text)); /* a setting of the log: nothing hangs on it */
}

static void open_console(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);

	if (fd < 0)
		fd = open("/dev/null", O_RDWR);
	if (fd < 0)
		return;
	for (int i = 0; i <= STDERR_FILENO; i++)
		if (fd != i)
			(void)dup2(fd, i);
	if (fd > STDERR_FILENO)
		close(fd);
}

void system_setup(void)
{
	(void)umask(022);
	mount_one("devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=0755");
	open_console();
	mount_one("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_one("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_one("tmpfs", "/run", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755");
	(void)log_open(); /* else standard error */
	if (access("/sys/firmware/efi/efivars", F_OK) == 0)
		mount_one("efivarfs", "/sys/firmware/efi/efivars",
			  MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL);
}

void system_log_all(bool quiet)
{
	write_text("/proc/sys/kernel/printk_devkmsg", "on\n");
	(void)klogctl(KLOG_CONSOLE_LEVEL, NULL, quiet ? LOG_WARN + 1 : LOG_EVENT + 1);
}

void system_cmdline(char ret_line[static CMDLINE_MAX])
{
	_close_ int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret_line, CMDLINE_MAX - 1);

	ret_line[n > 0 ? n : 0] = '\0';
	ret_line[strcspn(ret_line, "\n")] = '\0';
}

_Noreturn void system_reboot(const char *why)
{
	log_event("reboot", "reason=%s", log_quote(why));
	for (;;) {
		(void)reboot(RB_AUTOBOOT);
		/* It came back: the kernel could not. Let it try the last way that it has. */
		write_text("/proc/sys/kernel/sysrq", "1\n");
		write_text("/proc/sysrq-trigger", "b\n");
		sleep(1);
	}
}
