/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store of certificates, as update-ca-certificates(8) and openssl-rehash(1) leave it, so that a later
 * run of theirs finds nothing to do: in /etc/ssl/certs a link NAME.pem to each local certificate, a
 * link HASH.N to that, and all that is trusted in one file. The distribution's own links are left
 * alone. Certificates are hostile, the names of files root's.
 *
 * libcrypto is needed for the hash alone: in a process of its own, so that the resident agent stays
 * small.
 */
#include "do.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "apply_tree.h"
#include "certhash.h"
#include "fd.h"
#include "file.h"
#include "log.h"

#define STORE_DIR "/etc/ssl/certs"
#define BUNDLE STORE_DIR "/ca-certificates.crt"
#define LIST "/etc/ca-certificates.conf"
#define DISTRIBUTION "/usr/share/ca-certificates/"
#define LOCAL "/usr/local/share/ca-certificates"
#define CERTIFICATE_MAX (1024 * 1024)
#define LIST_MAX (1024 * 1024)
#define SAME_HASH_MAX 100

struct store {
	int root_fd, dir_fd; /* of the tree, and of STORE_DIR */
	FILE *bundle;
	int problem; /* of a certificate; the others are done all the same */
};

static int read_below(int root_fd, const char *path, size_t max, char **ret_data, size_t *ret_size)
{
	return file_read(root_fd, path + 1, max, ret_data, ret_size);
}

/* Each certificate ends with its line. */
static void append(struct store *store, const char *data, size_t size)
{
	(void)fwrite(data, 1, size, store->bundle); /* memory: fclose() tells */
	if (size > 0 && data[size - 1] != '\n')
		(void)fputc('\n', store->bundle);
}

static int read_target(int dir_fd, const char *name, char buf[static PATH_MAX])
{
	ssize_t n = readlinkat(dir_fd, name, buf, PATH_MAX - 1);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return 0;
}

static bool is_hash_name(const char *name)
{
	size_t hex = strspn(name, "0123456789abcdef");

	return hex == 8 && name[8] == '.' && isdigit((unsigned char)name[9]);
}

/* Removes the links that lead to what is not there any more: to local certificates, and to links that
 * were removed; those of a hash to `pem`, too, but the one called `keep` (either may be NULL). */
static void drop_links(struct store *store, const char *pem, const char *keep)
{
	int fd = openat(store->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char target[PATH_MAX];
		bool gone = false;

		if (read_target(store->dir_fd, entry->d_name, target) < 0)
			continue;
		if (pem)
			gone = streq(target, pem) && is_hash_name(entry->d_name) &&
			       !streq(entry->d_name, keep);
		else if (startswith(target, LOCAL "/"))
			gone = faccessat(store->root_fd, target + 1, F_OK, 0) < 0;
		else if (!strchr(target, '/'))
			gone = faccessat(store->dir_fd, target, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
		if (gone)
			(void)unlinkat(store->dir_fd, entry->d_name, 0); /* it leads nowhere */
	}
}

static int link_hash(struct store *store, const char *pem, uint32_t hash)
{
	for (unsigned i = 0; i < SAME_HASH_MAX; i++) {
		char name[16], target[PATH_MAX];
		int r;

		(void)snprintf(name, sizeof(name), "%08x.%u", hash, i);
		r = read_target(store->dir_fd, name, target);
		if (r == -ENOENT)
			r = symlinkat(pem, store->dir_fd, name) < 0 ? -errno : 0;
		else if (r < 0 || !streq(target, pem))
			continue;
		if (r == 0)
			drop_links(store, pem, name);
		return r;
	}
	return -EEXIST;
}

/* NAME.pem for …/NAME.crt, with the characters replaced that the script replaces. */
static void pem_name(const char *path, char buf[static NAME_MAX + 1])
{
	const char *base = strrchr(path, '/') + 1;

	(void)snprintf(buf, NAME_MAX + 1, "%.*s.pem", (int)(strlen(base) - strlen(".crt")), base);
	for (char *p = buf; *p; p++)
		*p = *p == ' ' || *p == ',' ? '_' : *p == '(' || *p == ')' ? '=' : *p;
}

static int add_local(struct store *store, const char *path)
{
	char pem[NAME_MAX + 1], full[PATH_MAX];
	_free_ char *data = NULL;
	struct thing link;
	uint32_t hash;
	size_t size;
	int r = read_below(store->root_fd, path, CERTIFICATE_MAX, &data, &size);

	if (r < 0)
		return r;
	r = certhash_read(data, size, &hash);
	if (r < 0 && r != -E2BIG)
		return r;
	append(store, data, size);
	pem_name(path, pem);
	link = (struct thing){.kind = THING_LINK, .data = (char *)path, .size = strlen(path)};
	if (read_target(store->dir_fd, pem, full) < 0 || !streq(full, path)) {
		int put;

		(void)snprintf(full, sizeof(full), STORE_DIR "/%s", pem);
		put = tree_put(store->root_fd, full, &link, NULL);
		if (put < 0)
			return put;
	}
	return r == 0 ? link_hash(store, pem, hash) : 0;
}

/* In the order of their names, with directories in it, as find(1) and sort(1) give them. */
static int collect(int root_fd, const char *path, char ***list, size_t *n, unsigned depth)
{
	int fd = openat(root_fd, path + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	while (dir && r == 0 && (entry = readdir(dir))) {
		char below[PATH_MAX];
		struct stat st;
		char **more;

		if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &st, 0) < 0 ||
		    snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >= PATH_MAX)
			continue;
		if (S_ISDIR(st.st_mode) && depth > 0)
			r = collect(root_fd, below, list, n, depth - 1);
		if (!S_ISREG(st.st_mode) || !endswith(entry->d_name, ".crt"))
			continue;
		more = reallocarray(*list, *n + 1, sizeof(**list));
		if (!more)
			return -ENOMEM;
		*list = more;
		more[*n] = strdup(below);
		if (!more[*n])
			return -ENOMEM;
		(*n)++;
	}
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_all_local(struct store *store)
{
	char **list = NULL;
	size_t n = 0;
	int r = collect(store->root_fd, LOCAL, &list, &n, 4);

	if (n > 0)
		qsort(list, n, sizeof(*list), by_name);
	for (size_t i = 0; i < n; i++) {
		int added = r == 0 ? add_local(store, list[i]) : 0;

		if (added < 0) {
			(void)log_err(added, "root-ca",
				      "file=%s error=%s found=\"not usable; left out\"", list[i],
				      log_errno(added));
			store->problem = added;
		}
		free(list[i]);
	}
	free(list);
	return r;
}

/* Those of the distribution that are chosen: see update-ca-certificates(8). */
static int add_chosen(struct store *store)
{
	_free_ char *list = NULL;
	char *rest, *line;
	int r = read_below(store->root_fd, LIST, LIST_MAX, &list, NULL);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	rest = list;
	while ((line = strsep(&rest, "\n"))) {
		_free_ char *data = NULL;
		char path[PATH_MAX];
		size_t size;

		if (*line == '\0' || *line == '#' || *line == '!' ||
		    snprintf(path, sizeof(path), DISTRIBUTION "%s", line) >= PATH_MAX)
			continue;
		r = read_below(store->root_fd, path, CERTIFICATE_MAX, &data, &size);
		if (r == -ENOENT)
			continue; /* as the script, which says so when it is run */
		if (r < 0)
			return r;
		append(store, data, size);
	}
	return 0;
}

static int store_bundle(struct store *store, const char *text, size_t size)
{
	_thing_ struct thing before = {0};
	struct thing bundle = {
		.kind = THING_FILE,
		.data = (char *)text,
		.size = size,
		.mode = 0644,
		.uid = geteuid(),
		.gid = getegid(),
	};
	int r = tree_read(store->root_fd, BUNDLE, &before);

	if (r < 0 || thing_same(&before, &bundle))
		return r;
	return tree_put(store->root_fd, BUNDLE, &bundle, NULL);
}

static int make_store(const char *root)
{
	_close_ int root_fd = open(root[0] ? root : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_close_ int dir_fd = -1;
	struct store store = {.root_fd = root_fd};
	char *text = NULL;
	size_t size;
	int r;

	if (root_fd < 0)
		return -errno;
	dir_fd = openat(root_fd, &STORE_DIR[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return errno == ENOENT ? 0 : -errno;
	store.dir_fd = dir_fd;
	store.bundle = open_memstream(&text, &size);
	if (!store.bundle)
		return -ENOMEM;
	(void)tree_clean(dir_fd); /* what is as it was is not written, and cleans up nothing */
	drop_links(&store, NULL, NULL); /* to certificates */
	drop_links(&store, NULL, NULL); /* and to those links */
	r = add_chosen(&store);
	if (r == 0)
		r = add_all_local(&store);
	if (fclose(store.bundle) != 0)
		r = -ENOMEM;
	if (r == 0)
		r = store_bundle(&store, text, size);
	if (r == 0 && fsync(dir_fd) < 0)
		r = -errno;
	free(text);
	return r < 0 ? r : store.problem;
}

int do_ca_bundle(const char *root)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(-make_store(root) & 0xff);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}
