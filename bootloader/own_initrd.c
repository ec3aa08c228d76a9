/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tugboot's own initramfs, packed again from the root directory that the kernel unpacked it to: for
 * roots that ask for it. Nothing needs to keep the original in memory, where what is behind it (keys)
 * would stay too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "archive.h"
#include "cpio.h"
#include "fd.h"
#include "image.h"
#include "unlock.h"

#define PATH_SIZE 256
#define DEPTH_MAX 6

struct packer {
	struct archive archive;
	dev_t device; /* of the root directory: what is mounted below it is not ours */
};

static int put_file(struct packer *packer, int dir_fd, const char *name, const char *path,
		    const struct stat *st)
{
	_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	archive_put_file(&packer->archive, path, st->st_mode & 07777, fd, (uint64_t)st->st_size);
	return 0;
}

static int put_link(struct packer *packer, int dir_fd, const char *name, const char *path)
{
	char target[PATH_SIZE];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target));

	if (n < 0 || n == (ssize_t)sizeof(target))
		return -ENAMETOOLONG;
	archive_put(&packer->archive, path, CPIO_LINK | 0777, target, (size_t)n);
	return 0;
}

/* What one boot was given, the next is not: secrets, and what the EFI stub unpacked. */
static bool is_left_out(const char *path)
{
	return path[0] == '.' || streq(path, UNLOCK_KEY_FILE + 1);
}

static int put_directory(struct packer *packer, int fd, const char *path, unsigned depth)
{
	_closedir_ DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = -errno;
		close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir))) {
		const char *name = entry->d_name;
		char below[PATH_SIZE];
		struct stat st;
		int n, inner;

		if (streq(name, ".") || streq(name, ".."))
			continue;
		n = snprintf(below, sizeof(below), "%s%s%s", path, path[0] ? "/" : "", name);
		if (n < 0 || (size_t)n >= sizeof(below))
			return -ENAMETOOLONG;
		if (is_left_out(below))
			continue;
		if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		if (S_ISREG(st.st_mode))
			r = put_file(packer, dirfd(dir), name, below, &st);
		else if (S_ISLNK(st.st_mode))
			r = put_link(packer, dirfd(dir), name, below);
		if (!S_ISDIR(st.st_mode))
			continue;
		archive_put(&packer->archive, below, CPIO_DIRECTORY | (st.st_mode & 07777), NULL,
			    0);
		if (st.st_dev != packer->device || depth == DEPTH_MAX)
			continue;
		inner = openat(dirfd(dir), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		r = inner < 0 ? -errno : put_directory(packer, inner, below, depth + 1);
	}
	return r;
}

static int pack(struct packer *packer, int *ret_fd)
{
	int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	struct stat st;

	if (root < 0)
		return -errno;
	if (fstat(root, &st) < 0) {
		r = -errno;
		close(root);
		return r;
	}
	packer->device = st.st_dev;
	r = put_directory(packer, root, "", 0);
	return r < 0 ? r : archive_finish(&packer->archive, ret_fd);
}

int image_add_own_initrd(struct kernel *kernel)
{
	struct packer packer;
	int fd, r;

	archive_open("initrd", &packer.archive);
	r = pack(&packer, &fd);
	archive_done(&packer.archive);
	return r < 0 ? r : image_add_initrd(kernel, fd);
}
