/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Paths inside a root. */
#include "rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "file.h"

#define NAMES_LIMIT 512

static int open_inside(int root_fd, const char *path, int flags)
{
	struct open_how how = {
		/* a FIFO must not hang us; openat2 takes no other flags beside O_PATH */
		.flags = (unsigned)(flags | O_CLOEXEC | (flags & O_PATH ? 0 : O_NONBLOCK)),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int rootfs_open(int root_fd, const char *path, int *ret_fd)
{
	_close_ int fd = open_inside(root_fd, path, O_RDONLY | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*ret_fd = take_fd(fd);
	return 0;
}

int rootfs_open_any(int root_fd, const char *const *bases, struct slice path, int *ret_fd,
		    char *path_buf, size_t path_size)
{
	char first[512] = "";
	int r = -ENOENT;

	for (size_t i = 0; bases[i]; i++) {
		const char *slash = path.len > 0 && path.data[0] == '/' ? "" : "/";
		int n = snprintf(path_buf, path_size, "%s%s%.*s", bases[i], slash,
				 (int)MIN(path.len, 4096u), path.data);

		if (n < 0 || (size_t)n >= path_size)
			return -ENAMETOOLONG;
		if (i == 0)
			(void)snprintf(first, sizeof(first), "%s", path_buf);
		r = rootfs_open(root_fd, path_buf, ret_fd);
		if (r != -ENOENT && r != -ENOTDIR)
			return r;
	}
	(void)snprintf(path_buf, path_size, "%s", first);
	return r;
}

int rootfs_read(int root_fd, const char *path, size_t max, char **ret_data, size_t *ret_size)
{
	_close_ int fd = -1;
	int r = rootfs_open(root_fd, path, &fd);

	return r < 0 ? r : file_read_fd(fd, max, ret_data, ret_size);
}

void rootfs_list(int root_fd, const char *dir, const char *suffix, struct rootfs_names *ret_names)
{
	_close_ int fd = open_inside(root_fd, dir, O_RDONLY | O_DIRECTORY);
	_closedir_ DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct rootfs_names names = {0};
	struct dirent *entry;

	if (stream) {
		(void)take_fd(fd); /* the stream's now */
		names.name = calloc(NAMES_LIMIT, sizeof(char *));
	}
	while (names.name && names.n < NAMES_LIMIT && (entry = readdir(stream))) {
		if (entry->d_name[0] == '.' || !endswith(entry->d_name, suffix))
			continue;
		names.name[names.n] = strdup(entry->d_name);
		if (names.name[names.n])
			names.n++;
	}
	*ret_names = names;
}

void rootfs_names_done(struct rootfs_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->name[i]);
	free(names->name);
	*names = (struct rootfs_names){0};
}

int rootfs_link_name(int root_fd, const char *path, char *buf, size_t size)
{
	_close_ int fd = open_inside(root_fd, path, O_PATH | O_NOFOLLOW);
	char target[512];
	const char *base;
	ssize_t n;

	if (fd < 0)
		return fd;
	n = readlinkat(fd, "", target, sizeof(target) - 1);
	if (n < 0)
		return errno == ENOENT ? -EINVAL : -errno;
	target[n] = '\0';
	base = strrchr(target, '/');
	base = base ? base + 1 : target;
	if (strlen(base) >= size)
		return -ENAMETOOLONG;
	strcpy(buf, base);
	return 0;
}
