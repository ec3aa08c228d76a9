/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PID 1. Sets the system up, arms the watchdog, starts the bootloader as a child and acts on how it
 * ended: jumps to the loaded kernel, switches to the mounted root, tries again without what made it
 * crash, or reboots. It reads no disk and parses nothing that comes from one. It never exits, and
 * every wait has an end and a next step.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cmdline.h"
#include "kexec.h"
#include "log.h"
#include "supervise.h"
#include "switch_root.h"
#include "system.h"

#define WATCHDOG_SECONDS 60
#define RUNS_MAX 6 /* each slot and the recovery may crash once, the start twice */
#define CRASH_WAIT_SECONDS 10

/* Only what runs as PID 1 of this kernel can be told of a crash by nobody: reboot, do not panic. */
static void on_fatal_signal(int signal)
{
	(void)signal;
	system_reboot("pid1-crash");
}

static void block_signals(void)
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
	sigset_t all;

	sigfillset(&all);
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
		(void)signal(fatal[i], on_fatal_signal);
		sigdelset(&all, fatal[i]);
	}
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
}

static struct watchdog arm_watchdog(const char *cmdline)
{
	unsigned seconds = cmdline_get_number(cmdline, "tugboot.watchdog", WATCHDOG_SECONDS, 3600);
	struct watchdog watchdog = WATCHDOG_NONE;
	int r;

	if (seconds == 0)
		return watchdog;
	r = watchdog_arm(seconds, &watchdog);
	if (r < 0)
		log_event("watchdog", "state=none error=%s", log_errno(r));
	else
		log_event("watchdog", "state=armed timeout=%us", watchdog.seconds);
	return watchdog;
}

/* Hands the watchdog to the kernel that comes, or stops it. */
static void release_watchdog(struct watchdog *watchdog, unsigned seconds)
{
	int r;

	if (watchdog->fd < 0)
		return;
	r = seconds > 0 ? watchdog_leave(watchdog, seconds) : watchdog_stop(watchdog);
	if (seconds > 0)
		log_event("watchdog", "state=left-running timeout=%us", watchdog->seconds);
	else
		log_event("watchdog", "state=%s", r < 0 ? "cannot-be-stopped" : "stopped");
}

/* Notes what the next run shall not touch. False when there is nothing left to leave out. */
static bool refuse(struct child_args *args, char slot)
{
	size_t n = strlen(args->refused);

	if (slot == 0) {
		if (args->no_environment)
			return false;
		args->no_environment = true;
		return true;
	}
	if (strchr(args->refused, slot) || n + 1 >= sizeof(args->refused))
		return false;
	args->refused[n] = slot;
	args->refused[n + 1] = '\0';
	return true;
}

_Noreturn static void boot(const char *cmdline)
{
	struct watchdog watchdog = arm_watchdog(cmdline);
	struct child_args args = {0};

	for (unsigned run = 0; run < RUNS_MAX; run++) {
		struct child_end end = supervise_run(&args, &watchdog);
		int r;

		if (!end.crashed && end.result == BOOT_GO) {
			release_watchdog(&watchdog, end.watch_seconds);
			r = kexec_go();
			log_line(LOG_ERROR, "kexec", "slot=%c error=%s next=\"the next candidate\"",
				 end.slot, log_errno(r));
			watchdog = arm_watchdog(cmdline);
		} else if (!end.crashed) {
			supervise_shell(&watchdog);
			system_reboot("nothing-to-start");
		}
		if (!refuse(&args, end.slot))
			break;
	}
	log_line(LOG_ERROR, "bootloader", "found=\"it keeps failing\" next=\"reboot in %d s\"",
		 CRASH_WAIT_SECONDS);
	supervise_shell(&watchdog);
	supervise_sleep(CRASH_WAIT_SECONDS, &watchdog);
	system_reboot("bootloader-failed");
}

/* The OS role: no watchdog is armed here, since the root may not know of it. */
_Noreturn static void start_os(const char *cmdline)
{
	const struct watchdog none = WATCHDOG_NONE;
	struct child_end end = supervise_run(&(struct child_args){0}, &none);

	if (!end.crashed && end.result == BOOT_SWITCH) {
		sigset_t no_signals;
		int r;

		sigemptyset(&no_signals);
		(void)sigprocmask(SIG_SETMASK, &no_signals, NULL);
		r = switch_root(cmdline);
		log_line(LOG_ERROR, "switch-root", "error=%s next=reboot", log_errno(r));
	}
	supervise_shell(&none);
	system_reboot("no-root");
}

int main(void)
{
	static char cmdline[CMDLINE_MAX];

	if (getpid() != 1) {
		fputs("This is Tugboot's PID 1; it runs from its own initramfs only.\n", stderr);
		return 1;
	}
	block_signals();
	system_setup();
	system_cmdline(cmdline);
	if (cmdline_is_boot_role(cmdline)) {
		system_log_all(cmdline_has(cmdline, "quiet"));
		boot(cmdline);
	}
	start_os(cmdline);
}
