/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uboot_nor: which of two valid copies libubootenv takes on NOR flash, where flags are boolean, and
 * which lib/base takes, for all 65 536 pairs of flags; and what a write by libubootenv leaves.
 * Prints `NUMBER NAME` lines and `FAIL …` lines; exit status 1 when there is one.
 *
 * There is no flash here: /dev/mtd0 and /dev/mtd1 are files in memory, which this program shows to
 * the library as NOR flash, by system calls of its own. The choice is libubootenv's.
 *
 * One pair is known to differ: of two copies whose flags are both 255 it takes copy 1, U-Boot
 * (env/flash.c) and lib/base take copy 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libuboot.h>
#include <mtd/mtd-user.h>

#include "macro.h"
#include "ubootenv.h"

#define SIZE 64
#define COPIES 2

static const char *const flash_names[COPIES] = {"/dev/mtd0", "/dev/mtd1"};
static int flash_fd[COPIES];
static unsigned long long failures;

static void failed(unsigned flag0, unsigned flag1, const char *promise)
{
	failures++;
	(void)printf("FAIL flags %u and %u: %s\n", flag0, flag1, promise);
}

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(2);
}

/* --- What the library sees of the system ------------------------------------------------------ */

/* The number of a piece of flash, or -1. */
static int flash_number(const char *path)
{
	for (int i = 0; i < COPIES; i++)
		if (streq(path, flash_names[i]))
			return i;
	return -1;
}

char *realpath(const char *restrict path, char *restrict resolved)
{
	if (resolved)
		abort();
	return strdup(path);
}

int stat(const char *restrict path, struct stat *restrict st)
{
	if (flash_number(path) < 0) {
		errno = ENOENT;
		return -1;
	}
	*st = (struct stat){.st_mode = S_IFCHR | 0600};
	return 0;
}

int open(const char *path, int flags, ...)
{
	int i = flash_number(path);
	char name[32];

	if (i >= 0) {
		(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", flash_fd[i]);
		path = name;
	}
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
}

int ioctl(int fd, unsigned long request, ...)
{
	struct mtd_info_user *info;
	va_list args;

	(void)fd;
	va_start(args, request);
	if (request == MEMGETINFO) {
		info = va_arg(args, struct mtd_info_user *);
		*info = (struct mtd_info_user){
			.type = MTD_NORFLASH, .size = SIZE, .erasesize = SIZE, .writesize = 1};
	}
	va_end(args);
	/* Erasing before writing changes nothing here, and there is no lock. */
	return 0;
}

/* --- The comparison --------------------------------------------------------------------------- */

static void make_flash(int i, uint8_t flag)
{
	char image[SIZE];

	ubootenv_init(image, SIZE, UBOOTENV_REDUNDANT);
	if (ubootenv_set(image, SIZE, UBOOTENV_REDUNDANT, "copy", i ? "1" : "0") < 0)
		abort();
	ubootenv_seal(image, SIZE, UBOOTENV_REDUNDANT, flag);
	if (pwrite(flash_fd[i], image, SIZE, 0) != SIZE)
		die("flash");
}

static struct uboot_ctx *their_open(void)
{
	struct uboot_env_device devices[COPIES];
	struct uboot_ctx *ctx;

	for (int i = 0; i < COPIES; i++)
		devices[i] = (struct uboot_env_device){
			.devname = (char *)(uintptr_t)flash_names[i],
			.envsize = SIZE,
			.sectorsize = SIZE,
			.envsectors = 1,
		};
	if (libuboot_initialize(&ctx, devices) < 0 || libuboot_open(ctx) < 0) {
		(void)fprintf(stderr, "libubootenv does not take the flash\n");
		exit(2);
	}
	return ctx;
}

static int their_choice(struct uboot_ctx *ctx)
{
	char *value = libuboot_get_env(ctx, "copy");
	int copy = value ? atoi(value) : -1;

	free(value);
	return copy;
}

static int our_choice(void)
{
	char image[COPIES][SIZE];
	bool valid[COPIES];

	for (int i = 0; i < COPIES; i++) {
		if (pread(flash_fd[i], image[i], SIZE, 0) != SIZE)
			die("flash");
		valid[i] = ubootenv_check(image[i], SIZE, UBOOTENV_REDUNDANT) == 0;
	}
	return ubootenv_choose(valid[0], (uint8_t)image[0][4], valid[1], (uint8_t)image[1][4],
			       UBOOTENV_BOOLEAN);
}

static void compare(unsigned flag0, unsigned flag1)
{
	struct uboot_ctx *ctx;
	int ours, theirs;

	make_flash(0, (uint8_t)flag0);
	make_flash(1, (uint8_t)flag1);
	ctx = their_open();
	theirs = their_choice(ctx);
	ours = our_choice();
	if (flag0 == 255 && flag1 == 255) {
		if (ours != 0 || theirs != 1)
			failed(flag0, flag1, "the known difference");
	} else if (ours != theirs) {
		failed(flag0, flag1, "both take the same copy");
	}
	/* Written: the other copy is active, and the old one obsolete. */
	if (libuboot_set_env(ctx, "copy", theirs ? "0" : "1") != 0 || libuboot_env_store(ctx) != 0)
		failed(flag0, flag1, "libubootenv writes");
	else if (our_choice() != 1 - theirs)
		failed(flag0, flag1, "the copy that it wrote counts from then on");
	libuboot_close(ctx);
	libuboot_exit(ctx);
}

int main(void)
{
	unsigned long long pairs = 0;

	for (int i = 0; i < COPIES; i++) {
		flash_fd[i] = memfd_create(flash_names[i], MFD_CLOEXEC);
		if (flash_fd[i] < 0)
			die("memfd_create");
	}
	for (unsigned flag0 = 0; flag0 < 256; flag0++)
		for (unsigned flag1 = 0; flag1 < 256; flag1++, pairs++)
			compare(flag0, flag1);
	(void)printf("%llu pairs of flags\n", pairs);
	return failures > 0;
}
