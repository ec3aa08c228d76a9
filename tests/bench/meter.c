/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the bench runs as the first process of a kernel, to tell when that was: no C library, so that
 * its own start costs a few hundred instructions. Its name says what it does:
 *
 *	/init		print the processor's counter and CLOCK_MONOTONIC, power off
 *	/bench-stamp	write them to the kernel log, then be the real /init
 *	/bench-dump	print the whole kernel log with its times, power off
 *
 * The counter is read twice: first of all (tsc), and when the line is written, which gives the times
 * of the kernel log their place on it (written).
 *
 * Under `-icount shift=0` the processor's counter is the machine's instructions since reset. It trusts
 * nobody's input: there is none.
 */
#include <linux/reboot.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#ifndef __x86_64__
#error "the bench reads x86's time stamp counter"
#endif

#define O_RDONLY 0
#define O_WRONLY 1
#define O_RDWR 2
#define O_NONBLOCK 04000
#define CLOCK_MONOTONIC 1
#define TCSBRK 0x5409
#define EPIPE 32 /* /dev/kmsg: records were lost */

struct timespec64 {
	int64_t seconds, nanoseconds;
};

static long call(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static char *put_text(char *to, const char *s)
{
	while (*s)
		*to++ = *s++;
	return to;
}

static char *put_number(char *to, uint64_t n)
{
	char digits[20];
	size_t i = 0;

	do
		digits[i++] = (char)('0' + n % 10);
	while (n /= 10);
	while (i)
		*to++ = digits[--i];
	return to;
}

static int open_file(const char *path, int flags)
{
	return (int)call(SYS_open, (long)path, flags, 0, 0, 0);
}

static void write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		long n = call(SYS_write, fd, (long)data, (long)size, 0, 0);

		if (n <= 0)
			return; /* the bench misses the line and says so */
		data += n;
		size -= (size_t)n;
	}
}

_Noreturn static void power_off(void)
{
	(void)call(SYS_ioctl, 1, TCSBRK, 1, 0, 0); /* the console's last bytes */
	for (;;)
		(void)call(SYS_reboot, (long)LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
			   (long)LINUX_REBOOT_CMD_POWER_OFF, 0, 0);
}

static uint64_t counter(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static size_t stamp_line(char *line, const char *prefix, uint64_t tsc, const struct timespec64 *now)
{
	char *end = put_text(line, prefix);

	end = put_text(end, "bench: first-process tsc=");
	end = put_number(end, tsc);
	end = put_text(end, " monotonic=");
	end = put_number(end, (uint64_t)now->seconds * 1000000000u + (uint64_t)now->nanoseconds);
	end = put_text(end, " written=");
	end = put_number(end, counter());
	*end++ = '\n';
	return (size_t)(end - line);
}

static void dump_log(void)
{
	static char record[16384];
	int fd = open_file("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	long n;

	while ((n = call(SYS_read, fd, (long)record, sizeof(record), 0, 0)) > 0 || n == -EPIPE)
		if (n > 0) {
			write_all(1, "KMSG ", 5);
			write_all(1, record, (size_t)n);
		}
	write_all(1, "KMSG end\n", 9);
}

/* The process's stack as the kernel made it: argc, argv, NULL, envp. */
_Noreturn __attribute__((used)) static void meter(long *stack)
{
	uint64_t tsc = counter();
	char **argv = (char **)(stack + 1);
	struct timespec64 now = {0};
	char line[160];
	size_t size;

	(void)call(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0, 0);
	(void)call(SYS_mount, (long)"devtmpfs", (long)"/dev", (long)"devtmpfs", 0, 0);
	if (same(argv[0], "/bench-stamp")) {
		static char init[] = "/init";
		int fd = open_file("/dev/kmsg", O_WRONLY);

		/* Critical: shown on the console whatever its level. */
		size = stamp_line(line, "<2>", tsc, &now);
		write_all(fd, line, size);
		(void)call(SYS_close, fd, 0, 0, 0, 0);
		argv[0] = init;
		(void)call(SYS_execve, (long)init, (long)argv, (long)(argv + stack[0] + 1), 0, 0);
		power_off();
	}
	/* An initrd that a loader repacked may have had no console for the kernel to open. */
	if (call(SYS_ioctl, 1, TCSBRK, 1, 0, 0) < 0)
		for (int i = 0; i < 2; i++)
			(void)open_file("/dev/console", O_RDWR);
	if (same(argv[0], "/bench-dump")) {
		dump_log();
	} else {
		size = stamp_line(line, "", tsc, &now);
		write_all(1, line, size);
	}
	power_off();
}

__asm__(".globl _start\n"
	"_start:\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call meter\n");
