/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of the kernel before this one: see pstore.h. Their content is hostile text. */
#include "pstore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "fd.h"
#include "file.h"
#include "macro.h"

#define DIRECTORY "/sys/fs/pstore"
#define BACKEND "/sys/module/pstore/parameters/backend"
#define RECORDS_MAX 256

/* Records of a kernel's end start with the line `Panic#1 Part1`, of one that went on `Oops#…`
 * (fs/pstore/platform.c, pstore_dump()). */
static bool is_panic(int dir_fd, const char *name)
{
	_close_ int fd = -1;
	char start[8];
	size_t size;

	return file_open_regular(dir_fd, name, O_RDONLY, &fd) == 0 &&
	       file_read_some(fd, start, sizeof(start), &size) == 0 && size == sizeof(start) &&
	       memcmp(start, "Panic#", 6) == 0;
}

static bool is_newer(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

static void look_at(int dir_fd, const char *name, struct timespec *newest, struct pstore *pstore)
{
	const char *record = startswith(name, "dmesg-");
	struct stat st;

	pstore->memory_kept = true;
	if (!record || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (pstore->panic[0] && !is_newer(&st.st_mtim, newest)) || !is_panic(dir_fd, name))
		return;
	*newest = st.st_mtim;
	(void)snprintf(pstore->panic, sizeof(pstore->panic), "%.12s@%u.%06u", record,
		       (unsigned)st.st_mtim.tv_sec, (unsigned)(st.st_mtim.tv_nsec / 1000));
}

int pstore_read(struct pstore *ret_pstore)
{
	struct pstore pstore = {0};
	struct timespec newest = {0};
	char backend[32] = "";
	_close_ int fd = open(BACKEND, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, backend, sizeof(backend) - 1);
	const struct dirent *entry;
	DIR *dir;

	pstore.in_memory = n > 0 && startswith(backend, "ramoops");
	if (mount("pstore", DIRECTORY, "pstore", MS_NODEV | MS_NOSUID | MS_NOEXEC, NULL) < 0 &&
	    errno != EBUSY)
		return -errno;
	dir = opendir(DIRECTORY);
	if (!dir)
		return -errno;
	for (unsigned i = 0; i < RECORDS_MAX && (entry = readdir(dir)); i++)
		if (entry->d_name[0] != '.')
			look_at(dirfd(dir), entry->d_name, &newest, &pstore);
	(void)closedir(dir);
	*ret_pstore = pstore;
	return 0;
}
