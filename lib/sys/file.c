/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading and rewriting files: see file.h. Trusts nothing that it reads, keeps nothing.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "clock.h"

/* The unit that disks write whole. Larger real sectors only make the argument below stronger. */
#define SECTOR 512u

int file_open_regular(int dir_fd, const char *name, int flags, int *ret_fd)
{
	_close_ int fd =
		openat(dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0644);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -ENOTSUP;
	*ret_fd = take_fd(fd);
	return 0;
}

int file_read_some(int fd, char *buf, size_t size, size_t *ret_size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(fd, buf + have, size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	*ret_size = have;
	return 0;
}

int file_read_fd(int fd, size_t max, char **ret_data, size_t *ret_size)
{
	_free_ char *data = NULL;
	size_t have = 0, room = 0;

	if (max > SIZE_MAX / 4)
		return -EINVAL;
	/* One byte more than max tells a file that just fits from one that is longer; the growth by
	 * doubling keeps a wrong st_size from mattering. */
	while (have == room && room < max + 1) {
		size_t n;
		char *more;
		int r;

		room = MIN(room == 0 ? (size_t)4096 : room * 2, max + 1);
		more = realloc(data, room + 1);
		if (!more)
			return -ENOMEM;
		data = more;
		r = file_read_some(fd, data + have, room - have, &n);
		if (r < 0)
			return r;
		have += n;
	}
	if (have > max)
		return -EFBIG;
	data[have] = '\0';
	*ret_data = take_ptr(data);
	if (ret_size)
		*ret_size = have;
	return 0;
}

int file_read(int dir_fd, const char *path, size_t max, char **ret_data, size_t *ret_size)
{
	_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	return file_read_fd(fd, max, ret_data, ret_size);
}

static int pwrite_all(int fd, const char *data, size_t size, size_t offset)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, data, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		data += n;
		size -= (size_t)n;
		offset += (size_t)n;
	}
	return 0;
}

/* The sectors, first to one past the last, in which the new bytes differ from the old ones. */
static bool changed_range(const char *old, size_t old_size, const char *data, size_t size,
			  size_t *ret_from, size_t *ret_to)
{
	size_t from = SIZE_MAX, to = 0;

	for (size_t at = 0; at < size; at += SECTOR) {
		size_t n = MIN((size_t)SECTOR, size - at);

		if (old_size >= at + n && memcmp(old + at, data + at, n) == 0)
			continue;
		if (from == SIZE_MAX)
			from = at;
		to = at + n;
	}
	if (from == SIZE_MAX)
		return false;
	*ret_from = from;
	*ret_to = to;
	return true;
}

/* What the disk now holds: the page cache would answer with what was meant to be written. */
static int read_back(int fd, const char *data, size_t size)
{
	_free_ char *back = NULL;
	size_t back_size;
	int r;

	/* Advice only: a filesystem without it (tmpfs) has no other copy to be read. */
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	r = file_read_fd(fd, size, &back, &back_size);
	if (r == -EFBIG)
		return -EIO;
	if (r < 0)
		return r;
	return back_size == size && memcmp(back, data, size) == 0 ? 0 : -EIO;
}

int file_rewrite_range(int fd, off_t offset, const char *data, size_t size)
{
	_free_ char *old = malloc(size);
	size_t old_size, from, to;
	int r;

	if (!old)
		return -ENOMEM;
	if (lseek(fd, offset, SEEK_SET) < 0)
		return -errno;
	r = file_read_some(fd, old, size, &old_size);
	if (r < 0)
		return r;
	if (!changed_range(old, old_size, data, size, &from, &to))
		return 0;
	r = pwrite_all(fd, data + from, to - from, (size_t)offset + from);
	if (r < 0)
		return r;
	if (fsync(fd) < 0)
		return -errno;
	(void)posix_fadvise(fd, offset, (off_t)size, POSIX_FADV_DONTNEED);
	if (lseek(fd, offset, SEEK_SET) < 0)
		return -errno;
	r = file_read_some(fd, old, size, &old_size);
	if (r < 0)
		return r;
	return old_size == size && memcmp(old, data, size) == 0 ? 0 : -EIO;
}

/*
 * In place, and not "temporary file, fsync, rename, fsync the directory". The file is small, has
 * its final size and is allocated, on FAT or ext4:
 *
 * - In place, a write that changes bytes of one sector is as atomic as the disk's sector: the old
 *   or the new content. One that changes two adjacent sectors goes out as one request; a cut may
 *   leave one of them old. Nothing else on the disk matters to the content: on FAT the directory
 *   entry is rewritten for the time stamp alone, its size and first cluster stay as they are; the
 *   FAT is not touched. On ext4 the block is overwritten where it is, without journal.
 * - A rename on FAT has no atomicity to offer. It writes the allocation of the new cluster in each
 *   copy of the FAT, the data, a new directory entry (more for long names), the entry that is
 *   replaced, the removal of the temporary one, and the release of the old cluster: six sectors or
 *   more, in an order that the kernel does not promise. A cut between them leaves no file, two
 *   entries for one cluster, or lost clusters, and the next fsck may "repair" the wrong one.
 *
 * So only the range of sectors that differ is written; most changes to a boot environment touch its
 * first sector only. What remains, two sectors that change together, needs redundant copies and is
 * the affair of whoever keeps them.
 *
 * Order: data, fsync, then (only when the size was wrong) truncate, fsync. A file that was too long
 * holds the new bytes at its start before its end is cut off; one that was too short or missing had
 * nothing to lose.
 *
 * A file that is made, or grows, on FAT: its clusters are chained in the FAT in one place, its entry
 * says where they begin in another, and fsync(2) of the file writes the entry before the FAT. Cut in
 * between, the entry leads to clusters that are free: the file cannot be read, nor written (the
 * kernel's answer to that is a read-only filesystem), and whoever gets these clusters next shares
 * them. fsync(2) of the directory writes the FAT and leaves the file's entry, which still says that
 * it is empty; so it goes first.
 *
 * A file that cannot be read at all, for that reason or for a bad sector, is made anew.
 */
int file_sync_directory(int dir_fd)
{
	_close_ int dir = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return -errno;
	return fsync(dir) < 0 ? -errno : 0;
}

static int rewrite(int dir_fd, int fd, const char *data, size_t size)
{
	_free_ char *old = malloc(size);
	size_t old_size, from, to;
	struct stat st;
	bool changed;
	int r;

	if (!old)
		return -ENOMEM;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* Bytes that cannot be read are as good as none: a bad sector heals when it is written. */
	r = file_read_some(fd, old, size, &old_size);
	if (r < 0)
		old_size = 0;

	changed = changed_range(old, old_size, data, size, &from, &to);
	if (!changed && st.st_size == (off_t)size)
		return 0;
	if (changed) {
		r = pwrite_all(fd, data + from, to - from, from);
		if (r == 0 && st.st_size < (off_t)size)
			r = file_sync_directory(dir_fd);
		if (r < 0)
			return r;
		if (fsync(fd) < 0)
			return -errno;
	}
	if (st.st_size > (off_t)size) {
		if (ftruncate(fd, (off_t)size) < 0)
			return -errno;
		if (fsync(fd) < 0)
			return -errno;
	}
	return read_back(fd, data, size);
}

static int rewrite_named(int dir_fd, const char *name, const char *data, size_t size)
{
	_close_ int fd = -1;
	int r;

	r = file_open_regular(dir_fd, name, O_RDWR, &fd);
	if (r == -ENOENT)
		r = file_open_regular(dir_fd, name, O_RDWR | O_CREAT | O_EXCL, &fd);
	return r < 0 ? r : rewrite(dir_fd, fd, data, size);
}

int file_rewrite(int dir_fd, const char *name, const char *data, size_t size)
{
	int r = rewrite_named(dir_fd, name, data, size);

	if ((r == -EIO || r == -EUCLEAN) && unlinkat(dir_fd, name, 0) == 0)
		r = rewrite_named(dir_fd, name, data, size);
	return r;
}

#define LOCK_STEP_MS 10

/* A flock() that waits has no deadline of its own. */
int file_lock(int fd, unsigned wait_ms)
{
	uint64_t deadline = clock_ms() + wait_ms;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (clock_ms() >= deadline)
			return -EBUSY;
		(void)nanosleep(&(struct timespec){.tv_nsec = LOCK_STEP_MS * 1000000L}, NULL);
	}
	return 0;
}
