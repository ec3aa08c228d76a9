/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files below a root: see apply_tree.h. Everything in the tree may be a user's; nothing that is read
 * is interpreted.
 *
 * A file is put by: made beside its place, written, fsync, renamed over it, fsync of the directory.
 * Cut at any point, the name is the old or the new thing; what was made beside it goes with the
 * next write or removal there, which takes the same name.
 */
#include "apply_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fd.h"
#include "file.h"

/* The config agent's alone: other agents, which are told of a change while it is being recorded,
 * write in the same directories by names of their own. */
#define BESIDE ".tugboot-config-new"
#define KEPT_DIR "/etc/tugboot/kept/"

void thing_done(struct thing *thing)
{
	free(thing->data);
	*thing = (struct thing){0};
}

bool thing_same(const struct thing *a, const struct thing *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == THING_NONE)
		return true;
	if (a->kind == THING_FILE && (a->mode != b->mode || a->uid != b->uid || a->gid != b->gid))
		return false;
	return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

bool tree_is_volatile(const char *path)
{
	return startswith(path, "/run/") != NULL;
}

/* One directory in another one. */
static int open_part(int dir_fd, const char *name, int *ret_fd)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	if (errno == ENOTDIR && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISLNK(st.st_mode) ? -ELOOP : -ENOTDIR;
	return -errno;
}

/* A directory below dir_fd, no link on the way. Not openat2(2): a service that may not make set-uid files
 * (RestrictSUIDSGID=) may not call it. */
static int open_dir(int dir_fd, const char *path, int *ret_fd)
{
	_close_ int at = -1;
	int r = open_part(dir_fd, ".", &at);

	while (r == 0 && *path) {
		size_t len = strcspn(path, "/");
		char part[NAME_MAX + 1];
		int next = -1;

		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(part, path, len);
		part[len] = '\0';
		if (len == 0 || streq(part, ".."))
			return -EINVAL;
		r = open_part(at, part, &next);
		if (r < 0)
			break;
		close_p(&at);
		at = next;
		path += len;
		path += *path == '/';
	}
	if (r == 0)
		*ret_fd = take_fd(at);
	return r;
}

/* Makes the directories that are missing on the way to `dir` (relative), one after the other. */
static int make_dirs(int root_fd, const char *dir, bool durable, struct manifest *made)
{
	_close_ int at = fcntl(root_fd, F_DUPFD_CLOEXEC, 0);
	char path[PATH_MAX];

	if (at < 0)
		return -errno;
	for (const char *p = dir; *p;) {
		size_t len = strcspn(p, "/");
		char part[NAME_MAX + 1];
		int next = -1, r;

		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(part, p, len);
		part[len] = '\0';
		p += len;
		if (mkdirat(at, part, 0755) == 0) {
			(void)snprintf(path, sizeof(path), "/%.*s", (int)(p - dir), dir);
			r = made ? manifest_add_dir(made, path) : 0;
			if (r == 0 && durable && fsync(at) < 0)
				r = -errno;
			if (r < 0)
				return r;
		} else if (errno != EEXIST) {
			return -errno;
		}
		r = open_part(at, part, &next);
		if (r < 0)
			return r;
		close_p(&at);
		at = next;
		p += strspn(p, "/");
	}
	return 0;
}

/* The directory of a path, opened, and the last name in it (borrowed from path). */
static int open_parent(int root_fd, const char *path, int *ret_fd, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];

	if (path[0] != '/' || strlen(path) >= sizeof(dir))
		return -EINVAL;
	*ret_name = slash + 1;
	if (slash == path)
		return open_dir(root_fd, ".", ret_fd);
	memcpy(dir, path + 1, (size_t)(slash - path - 1));
	dir[slash - path - 1] = '\0';
	return open_dir(root_fd, dir, ret_fd);
}

static int make_parent(int root_fd, const char *path, struct manifest *made)
{
	char dir[PATH_MAX];

	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path - 1), path + 1);
	return make_dirs(root_fd, dir, !tree_is_volatile(path), made);
}

static int read_link(int dir_fd, const char *name, struct thing *ret_thing)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	*ret_thing = (struct thing){.kind = THING_LINK, .data = strdup(target), .size = (size_t)n};
	return ret_thing->data ? 0 : -ENOMEM;
}

int tree_read(int root_fd, const char *path, struct thing *ret_thing)
{
	_close_ int dir = -1, fd = -1;
	struct thing thing = {0};
	const char *name;
	struct stat st = {0};
	int r = open_parent(root_fd, path, &dir, &name);

	if (r == 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r == -ENOENT) {
		*ret_thing = thing;
		return 0;
	}
	if (r < 0)
		return r;
	if (S_ISLNK(st.st_mode))
		return read_link(dir, name, ret_thing);
	if (!S_ISREG(st.st_mode)) {
		*ret_thing = (struct thing){.kind = THING_OTHER};
		return 0;
	}
	r = file_open_regular(dir, name, O_RDONLY, &fd);
	if (r == 0)
		r = file_read_fd(fd, TREE_MAX, &thing.data, &thing.size);
	if (r < 0)
		return r;
	thing.kind = THING_FILE;
	thing.mode = st.st_mode & 07777;
	thing.uid = st.st_uid;
	thing.gid = st.st_gid;
	*ret_thing = thing;
	return 0;
}

static int write_file(int dir_fd, const char *name, const struct thing *thing, bool durable)
{
	_close_ int fd =
		openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	for (size_t at = 0; at < thing->size;) {
		ssize_t n = write(fd, thing->data + at, thing->size - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += (size_t)n;
	}
	if ((thing->uid != geteuid() || thing->gid != getegid()) &&
	    fchown(fd, thing->uid, thing->gid) < 0)
		return -errno;
	if (fchmod(fd, thing->mode) < 0)
		return -errno;
	return durable && fsync(fd) < 0 ? -errno : 0;
}

int tree_clean(int dir_fd)
{
	return unlinkat(dir_fd, BESIDE, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int replace(int dir_fd, const char *name, const struct thing *thing, bool durable)
{
	int r = tree_clean(dir_fd);

	if (r < 0)
		return r;
	r = thing->kind == THING_FILE ? write_file(dir_fd, BESIDE, thing, durable)
	    : symlinkat(thing->data, dir_fd, BESIDE) < 0 ? -errno
							 : 0;
	if (r == 0 && renameat(dir_fd, BESIDE, dir_fd, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir_fd, BESIDE, 0); /* the next write does it otherwise */
	return r;
}

int tree_put(int root_fd, const char *path, const struct thing *thing, struct manifest *made)
{
	bool durable = !tree_is_volatile(path);
	_close_ int dir = -1;
	const char *name;
	int r = open_parent(root_fd, path, &dir, &name);

	if (r == -ENOENT && thing->kind == THING_NONE)
		return 0;
	if (r == -ENOENT) {
		r = make_parent(root_fd, path, made);
		if (r == 0)
			r = open_parent(root_fd, path, &dir, &name);
	}
	if (r < 0)
		return r;
	if (thing->kind != THING_NONE)
		r = replace(dir, name, thing, durable);
	else if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		r = -errno;
	else
		r = tree_clean(dir);
	if (r == 0 && durable && fsync(dir) < 0)
		r = -errno;
	return r;
}

int tree_missing_dirs(int root_fd, const char *path, struct manifest *missing)
{
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		char dir[PATH_MAX];
		int r;

		if ((size_t)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path) >=
		    sizeof(dir))
			return -ENAMETOOLONG;
		if (faccessat(root_fd, dir + 1, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
			continue;
		r = manifest_add_dir(missing, dir);
		if (r < 0)
			return r;
	}
	return 0;
}

void tree_remove_dir(int root_fd, const char *path)
{
	_close_ int dir = -1;
	const char *name;

	/* One that somebody uses meanwhile stays, and is theirs. */
	if (open_parent(root_fd, path, &dir, &name) == 0)
		(void)unlinkat(dir, name, AT_REMOVEDIR);
}

int tree_kept_path(const char *path, char *buf, size_t size)
{
	char *to = buf + strlen(KEPT_DIR), *end = buf + size;

	if (size <= strlen(KEPT_DIR))
		return -ENAMETOOLONG;
	strcpy(buf, KEPT_DIR);
	for (const char *p = path + 1; *p; p++) {
		const char *as = *p == '/' ? "%2F" : *p == '%' ? "%25" : NULL;

		if (end - to < 4)
			return -ENAMETOOLONG;
		if (as) {
			memcpy(to, as, 3);
			to += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
	return to - buf - (ptrdiff_t)strlen(KEPT_DIR) > NAME_MAX ? -ENAMETOOLONG : 0;
}
