/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded (LD_PRELOAD) into the real `tugboot`, this records in which order disks and TPM are
 * written, so that a test can make every state that a power cut would have left.
 *
 *   CUTS_IMAGES   image files, with ':' between
 *   CUTS_STATE    the file that swtpm keeps its state in
 *   CUTS_DIR      where the record goes: `events`, and the TPM's state before command N as `tpm-N`
 *
 * An event: a letter, then numbers of 4 bytes each, as this machine has them.
 *   W IMAGE OFFSET SIZE BYTES   about to be written        F IMAGE   synced
 *   T N CODE                    command N is about to be sent to the TPM
 *   R                           a file got its name (renameat2)
 */
#include <dlfcn.h>
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGES_MAX 8
#define STATE_MAX (1 << 20)
#define HEADER_SIZE 10 /* of a TPM command: tag, size, code */

static struct {
	int fd;
	struct stat image[IMAGES_MAX];
	unsigned images, commands;
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*pwrite)(int, const void *, size_t, off_t);
	ssize_t (*send)(int, const void *, size_t, int);
	int (*fsync)(int);
	int (*fdatasync)(int);
	int (*renameat2)(int, const char *, int, const char *, unsigned);
} hook = {.fd = -1};

static void must_write(int fd, const void *data, size_t size)
{
	if (hook.write(fd, data, size) != (ssize_t)size)
		err(2, "cuts_hook: write");
}

static void number(size_t value)
{
	uint32_t n = (uint32_t)value;

	must_write(hook.fd, &n, sizeof(n));
}

static void find(void *pointer, const char *name)
{
	void *address = dlsym(RTLD_NEXT, name);

	if (!address)
		errx(2, "cuts_hook: no %s", name);
	memcpy(pointer, &address, sizeof(address));
}

static void start(void)
{
	const char *dir = getenv("CUTS_DIR"), *images = getenv("CUTS_IMAGES");
	char path[4096], *list, *rest, *image;

	if (hook.fd >= 0)
		return;
	find(&hook.write, "write");
	find(&hook.pwrite, "pwrite");
	find(&hook.send, "send");
	find(&hook.fsync, "fsync");
	find(&hook.fdatasync, "fdatasync");
	find(&hook.renameat2, "renameat2");
	if (!dir || !images)
		errx(2, "cuts_hook: no CUTS_DIR, or no CUTS_IMAGES");
	rest = list = strdup(images);
	while (list && (image = strsep(&rest, ":")))
		if (hook.images == IMAGES_MAX || stat(image, &hook.image[hook.images++]) < 0)
			err(2, "cuts_hook: %s", image);
	free(list);
	(void)snprintf(path, sizeof(path), "%s/events", dir);
	hook.fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (hook.fd < 0)
		err(2, "cuts_hook: %s", path);
}

static int image_of(int fd)
{
	struct stat st;

	start();
	if (fd == hook.fd || fstat(fd, &st) < 0)
		return -1;
	for (unsigned i = 0; i < hook.images; i++)
		if (st.st_dev == hook.image[i].st_dev && st.st_ino == hook.image[i].st_ino)
			return (int)i;
	return -1;
}

static void record_write(int image, off_t offset, const void *data, size_t size)
{
	must_write(hook.fd, "W", 1);
	number((size_t)image);
	number((size_t)offset);
	number(size);
	must_write(hook.fd, data, size);
}

static void record_sync(int fd)
{
	int image = image_of(fd);

	if (image < 0)
		return;
	must_write(hook.fd, "F", 1);
	number((size_t)image);
}

/* What swtpm has on its disk now: it writes before it answers. */
static void record_command(const uint8_t *command)
{
	static char state[STATE_MAX];
	const char *from = getenv("CUTS_STATE"), *dir = getenv("CUTS_DIR");
	char path[4096];
	int in, out;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/tpm-%u", dir, hook.commands);
	in = open(from ? from : "", O_RDONLY | O_CLOEXEC);
	out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (in < 0 || out < 0)
		err(2, "cuts_hook: the TPM's state");
	n = read(in, state, sizeof(state));
	if (n <= 0 || n == sizeof(state))
		errx(2, "cuts_hook: a TPM's state of %zd bytes", n);
	must_write(out, state, (size_t)n);
	(void)close(in);
	(void)close(out);
	must_write(hook.fd, "T", 1);
	number(hook.commands++);
	number((size_t)command[6] << 24 | (size_t)command[7] << 16 | (size_t)command[8] << 8 |
	       command[9]);
}

ssize_t write(int fd, const void *data, size_t size)
{
	int image = image_of(fd);

	if (image >= 0)
		record_write(image, lseek(fd, 0, SEEK_CUR), data, size);
	return hook.write(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	int image = image_of(fd);

	if (image >= 0)
		record_write(image, offset, data, size);
	return hook.pwrite(fd, data, size, offset);
}

/* The same where offsets have 64 bits by another name. */
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
	return pwrite(fd, data, size, offset);
}

/* Other sockets are the kernel's crypto. */
ssize_t send(int fd, const void *data, size_t size, int flags)
{
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof(address);

	start();
	if (size >= HEADER_SIZE && getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
	    address.ss_family == AF_UNIX)
		record_command(data);
	return hook.send(fd, data, size, flags);
}

int fsync(int fd)
{
	start();
	record_sync(fd);
	return hook.fsync(fd);
}

int fdatasync(int fd)
{
	start();
	record_sync(fd);
	return hook.fdatasync(fd);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	int r;

	start();
	r = hook.renameat2(from_fd, from, to_fd, to, flags);
	if (r == 0)
		must_write(hook.fd, "R", 1);
	return r;
}
