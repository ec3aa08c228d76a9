/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the bootloader tells PID 1 while it works, and how it ends. PID 1 gives the bootloader a pipe
 * as descriptor PROGRESS_FD; each message is written whole (it is smaller than PIPE_BUF). From them
 * PID 1 knows how long to wait, and what to refuse next time when the bootloader crashes or hangs.
 */
#pragma once

#include <stdint.h>

#define PROGRESS_FD 3

enum progress_step {
	STEP_START,
	STEP_DISK,
	STEP_ENVIRONMENT,
	STEP_SLOT,   /* slot names the candidate that is being worked on from now on */
	STEP_UNLOCK, /* slot names the volume (see ARG_REFUSED) whose header is being read, or none */
	STEP_RECORD,
	STEP_WAIT,     /* nothing could be started: waiting for a disk, then reboot */
	STEP_WATCHDOG, /* no step: leave the watchdog running over kexec, with `seconds`; 0 stops it */
	STEP_END, /* no step: all is done, `seconds` is the exit status (below). A driver that still
			* waits for its device can hold the process itself for minutes. */
	STEP_COUNT,
};

struct progress {
	uint8_t step;
	char slot;	  /* 'A', 'B', 'R', 0 before one is chosen; lower case: a volume */
	uint16_t seconds; /* the step ends within this time, or PID 1 ends it */
};

/* Exit statuses of the bootloader. Anything else, and any signal, is a crash. */
enum boot_result {
	BOOT_GO = 0,	  /* boot role: a kernel is loaded, jump to it */
	BOOT_SWITCH = 10, /* OS role: the root is mounted on SYSROOT, switch to it */
	BOOT_REBOOT = 11, /* nothing to start, back-off is over: reboot */
	BOOT_FAILED = 12, /* OS role: no root within the deadline: reboot */
};

/* Where the OS role mounts the root. */
#define SYSROOT "/sysroot"

/* Arguments of the bootloader: slots not to try (`refused=AB`; `b`, `s` and `d` are the encrypted boot,
 * state and data volumes, `T` the TPM), and `no-environment`. */
#define ARG_REFUSED "refused="
#define ARG_NO_ENVIRONMENT "no-environment"
