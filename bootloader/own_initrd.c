/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tugboot's own initramfs, packed again from the root directory that the kernel unpacked it to: for
 * roots that ask for it. Nothing needs to keep the original in memory, where what is behind it (keys)
 * would stay too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "cpio.h"
#include "fd.h"
#include "image.h"
#include "unlock.h"

#define PATH_SIZE 256
#define DEPTH_MAX 6

struct packer {
	int fd;
	unsigned inode;
	dev_t device; /* of the root directory: what is mounted below it is not ours */
};

static int put(const struct packer *packer, const void *data, size_t size)
{
	return write(packer->fd, data, size) == (ssize_t)size ? 0 : -EIO;
}

static int put_head(struct packer *packer, const char *path, unsigned mode, size_t size)
{
	char head[CPIO_HEAD_MAX];
	int n = size > UINT32_MAX ? -EFBIG
				  : cpio_head(head, ++packer->inode, path, mode, (uint32_t)size);

	return n < 0 ? n : put(packer, head, (size_t)n);
}

static int put_padding(const struct packer *packer, size_t size)
{
	static const char zeros[CPIO_ALIGN];

	return put(packer, zeros, cpio_padding(size));
}

static int put_file(struct packer *packer, int dir_fd, const char *name, const char *path,
		    const struct stat *st)
{
	_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t left = (size_t)st->st_size;
	int r;

	if (fd < 0)
		return -errno;
	r = put_head(packer, path, CPIO_REGULAR | (st->st_mode & 07777), left);
	while (r == 0 && left > 0) {
		ssize_t n = sendfile(packer->fd, fd, NULL, left);

		if (n <= 0)
			return -EIO;
		left -= (size_t)n;
	}
	return r < 0 ? r : put_padding(packer, (size_t)st->st_size);
}

static int put_link(struct packer *packer, int dir_fd, const char *name, const char *path)
{
	char target[PATH_SIZE];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target));
	int r;

	if (n < 0 || n == (ssize_t)sizeof(target))
		return -ENAMETOOLONG;
	r = put_head(packer, path, CPIO_LINK | 0777, (size_t)n);
	if (r == 0)
		r = put(packer, target, (size_t)n);
	return r < 0 ? r : put_padding(packer, (size_t)n);
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
		r = put_head(packer, below, CPIO_DIRECTORY | (st.st_mode & 07777), 0);
		if (r < 0 || st.st_dev != packer->device || depth == DEPTH_MAX)
			continue;
		inner = openat(dirfd(dir), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		r = inner < 0 ? -errno : put_directory(packer, inner, below, depth + 1);
	}
	return r;
}

int image_add_own_initrd(struct kernel *kernel)
{
	_close_ int fd = memfd_create("initrd", MFD_CLOEXEC);
	struct packer packer = {.fd = fd};
	char end[CPIO_HEAD_MAX], path[40];
	struct stat st;
	int root, r;

	if (fd < 0 || stat("/", &st) < 0)
		return -errno;
	packer.device = st.st_dev;
	root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = root < 0 ? -errno : put_directory(&packer, root, "", 0);
	if (r == 0)
		r = put(&packer, end, (size_t)cpio_end(end));
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	root = open(path, O_RDONLY | O_CLOEXEC); /* kexec takes none that is open for writing */
	return root < 0 ? -errno : image_add_initrd(kernel, root);
}
