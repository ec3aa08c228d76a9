/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Takes the bootloader's care for secrets away, to show that a search of memory finds them then: a
 * library that an image with this in /etc/ld.so.preload loads before all others, whose functions for
 * wiping do not wipe. PID 1 is static and not changed by it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SECRET_SIZE 4096 /* SECRET_MAX of lib/sys/secret.h */

/* The bootloader is linked to a fixed place, below all libraries. libcryptsetup clears new memory with
 * the same function, and relies on it. */
#define PROGRAM_END ((uintptr_t)1 << 32)

void __explicit_bzero_chk(void *memory, size_t size, size_t room); // NOLINT: glibc's own name

static void clear(void *memory, size_t size, const void *caller)
{
	if ((uintptr_t)caller < PROGRAM_END)
		return;
	for (size_t i = 0; i < size; i++)
		((volatile char *)memory)[i] = 0;
}

void explicit_bzero(void *memory, size_t size)
{
	clear(memory, size, __builtin_return_address(0));
}

void __explicit_bzero_chk(void *memory, size_t size, size_t room) // NOLINT: as above
{
	(void)room;
	clear(memory, size, __builtin_return_address(0));
}

/* Memory of secrets is not given back before the end: others would write on it. */
int munmap(void *memory, size_t size)
{
	if (size == SECRET_SIZE && (uintptr_t)__builtin_return_address(0) < PROGRAM_END)
		return 0;
	return (int)syscall(SYS_munmap, memory, size);
}

/* Copies of secrets are looked for by this list: see lib/trust/wipe.c. */
int openat(int dir_fd, const char *path, int flags, ...)
{
	va_list args;
	int mode;

	if (strcmp(path, "/proc/self/maps") == 0) {
		errno = ENOENT;
		return -1;
	}
	va_start(args, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(args, int) : 0;
	va_end(args);
	return (int)syscall(SYS_openat, dir_fd, path, flags, mode);
}
