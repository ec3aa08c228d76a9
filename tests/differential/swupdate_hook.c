/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded (LD_PRELOAD) into Debian's real swupdate, this calls SWUpdate's own functions for its
 * boot loader's environment instead of its main(): a process for each environment would take hours.
 * SWUpdate finds its files by paths that are compiled in, so the process gets a mount namespace of
 * its own, with empty file systems in memory where they are.
 *
 *   swupdate grub|uboot
 *
 * Requests on standard input: a letter, the number of strings (4 bytes), and each string with its
 * length before it (4 bytes); numbers are little-endian, as the machines are that this runs on.
 * Answers on standard output: a result (4 bytes), and a string in the same form, of length -1 when
 * there is none.
 *
 *   w PATH BYTES   writes a file                    r PATH          reads one
 *   g NAME         bootloader_env_get()             s NAME VALUE    bootloader_env_set()
 *   u NAME         bootloader_env_unset()           a BYTES         bootloader_apply_list()
 *
 * Exit status 77 when the namespace cannot be made, 2 when anything else is not as expected.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define STRINGS_MAX 2
#define STRING_MAX (1 << 20)
#define LIST_PATH "/boot/list"

/* What SWUpdate exports: pointers to the chosen boot loader's functions. */
struct swupdate {
	int (*set_bootloader)(const char *name);
	int (**env_set)(const char *name, const char *value);
	int (**env_unset)(const char *name);
	char *(**env_get)(const char *name);
	int (**apply_list)(const char *path);
};

typedef int main_fn(int, char **, char **);
typedef int start_fn(main_fn *, int, char **, void (*)(void), void (*)(void), void (*)(void),
		     void *);

start_fn __libc_start_main;

static _Noreturn void die(const char *what, int status)
{
	(void)fprintf(stderr, "swupdate_hook: %s: %s\n", what, strerror(errno));
	_exit(status);
}

static void *symbol(const char *name)
{
	void *address = dlsym(RTLD_DEFAULT, name);

	if (!address) {
		(void)fprintf(stderr, "swupdate_hook: this swupdate has no %s\n", name);
		_exit(2);
	}
	return address;
}

static void write_file(const char *path, const char *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || close(fd) < 0)
		die(path, 2);
}

static void write_map(const char *path, unsigned id)
{
	char map[32];
	int n = snprintf(map, sizeof(map), "0 %u 1\n", id);

	write_file(path, map, (size_t)n);
}

/* Root of the user namespace that was just entered. */
static void become_root(unsigned uid, unsigned gid)
{
	write_map("/proc/self/uid_map", uid);
	write_file("/proc/self/setgroups", "deny", 4);
	write_map("/proc/self/gid_map", gid);
}

static void make_places(void)
{
	/* What is under /etc is loaded by now. */
	static const char *const places[] = {"/boot", "/etc"};
	unsigned uid = getuid(), gid = getgid();

	if (unshare(CLONE_NEWNS | (uid ? CLONE_NEWUSER : 0)) < 0)
		die("cannot make a mount namespace", 77);
	if (uid)
		become_root(uid, gid);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("/", 77);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (mount("tmpfs", places[i], "tmpfs", MS_NOSUID | MS_NODEV, NULL) < 0)
			die(places[i], 77);
	/* For libubootenv's lock file, so that several of these do not wait for each other; where
	 * it cannot be, they do. */
	(void)mount("tmpfs", "/run/lock", "tmpfs", MS_NOSUID | MS_NODEV, NULL);
	if (mkdir("/boot/grub", 0700) < 0)
		die("/boot/grub", 2);
}

/* Reads n bytes; false at the end of the input. */
static bool take(void *bytes, size_t n)
{
	size_t got = fread(bytes, 1, n, stdin);

	if (got > 0 && got < n)
		die("half a request", 2);
	return got == n;
}

static char *take_string(uint32_t *ret_size)
{
	uint32_t size;
	char *s;

	if (!take(&size, sizeof(size)) || size > STRING_MAX)
		die("request", 2);
	s = malloc(size + 1);
	if (!s || (size > 0 && !take(s, size)))
		die("request", 2);
	s[size] = '\0';
	*ret_size = size;
	return s;
}

static void answer(int32_t result, const char *bytes, size_t size)
{
	uint32_t length = bytes ? (uint32_t)size : UINT32_MAX;

	if (fwrite(&result, sizeof(result), 1, stdout) != 1 ||
	    fwrite(&length, sizeof(length), 1, stdout) != 1 ||
	    (bytes && fwrite(bytes, 1, size, stdout) != size))
		die("answer", 2);
}

static void answer_file(const char *path)
{
	static char bytes[STRING_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));

	if (fd >= 0)
		(void)close(fd); /* read only */
	answer(n < 0 ? -errno : 0, n < 0 ? NULL : bytes, n < 0 ? 0 : (size_t)n);
}

static void serve_one(const struct swupdate *swupdate, char what, char **strings,
		      const uint32_t *sizes)
{
	char *value;

	switch (what) {
	case 'w':
		write_file(strings[0], strings[1], sizes[1]);
		answer(0, NULL, 0);
		break;
	case 'r':
		answer_file(strings[0]);
		break;
	case 'g':
		value = (*swupdate->env_get)(strings[0]);
		answer(0, value, value ? strlen(value) : 0);
		free(value);
		break;
	case 's':
		answer((*swupdate->env_set)(strings[0], strings[1]), NULL, 0);
		break;
	case 'u':
		answer((*swupdate->env_unset)(strings[0]), NULL, 0);
		break;
	case 'a':
		write_file(LIST_PATH, strings[0], sizes[0]);
		answer((*swupdate->apply_list)(LIST_PATH), NULL, 0);
		break;
	default:
		die("unknown request", 2);
	}
}

static void serve(const struct swupdate *swupdate)
{
	char what, *strings[STRINGS_MAX];
	uint32_t n, sizes[STRINGS_MAX] = {0};

	while (take(&what, 1)) {
		if (!take(&n, sizeof(n)) || n > STRINGS_MAX)
			die("request", 2);
		for (uint32_t i = 0; i < STRINGS_MAX; i++)
			strings[i] = i < n ? take_string(&sizes[i]) : NULL;
		serve_one(swupdate, what, strings, sizes);
		for (uint32_t i = 0; i < n; i++)
			free(strings[i]);
		/* Many requests may be on their way: an answer waits for no one. */
		if (fflush(stdout) != 0)
			die("answer", 2);
	}
}

static int instead_of_main(int argc, char **argv, char **envp)
{
	const struct swupdate swupdate = {
		.set_bootloader = (int (*)(const char *))symbol("set_bootloader"),
		.env_set = symbol("bootloader_env_set"),
		.env_unset = symbol("bootloader_env_unset"),
		.env_get = symbol("bootloader_env_get"),
		.apply_list = symbol("bootloader_apply_list"),
	};

	(void)envp;
	if (argc != 2 || swupdate.set_bootloader(argv[1]) != 0) {
		(void)fprintf(stderr, "swupdate_hook: SWUpdate does not know this boot loader\n");
		return 2;
	}
	make_places();
	serve(&swupdate);
	return 0;
}

/* Called by the program's start, once all constructors have run: SWUpdate's boot loaders have
 * registered by then. */
int __libc_start_main(main_fn *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
		      void (*rtld_fini)(void), void *stack_end)
{
	start_fn *real = (start_fn *)dlsym(RTLD_NEXT, "__libc_start_main");

	(void)main; /* that is what this file is for */
	if (!real)
		die("__libc_start_main", 2);
	return real(instead_of_main, argc, argv, init, fini, rtld_fini, stack_end);
}
