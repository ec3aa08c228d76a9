/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeping the name servers' files; see nameservers.h. What NetworkManager wrote comes from whoever
 * answers DHCP: upstream_make() reads it. Owns the watches. */
#include "nameservers.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>

#include "fd.h"
#include "file.h"
#include "replace.h"
#include "upstream.h"

#define RUN "/run"
#define NM_NAME "NetworkManager"
#define NM_DIR RUN "/" NM_NAME
#define NM_FILE "no-stub-resolv.conf"

/* NetworkManager makes its directory when it starts, and its file anew for each change. */
static void watch_dir(struct nameservers *nameservers)
{
	nameservers->dir = inotify_add_watch(nameservers->fd, NM_DIR,
					     IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE |
						     IN_DELETE_SELF | IN_ONLYDIR);
}

int nameservers_open(struct nameservers *ret_nameservers)
{
	struct nameservers made = NAMESERVERS_NONE;

	made.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (made.fd < 0)
		return -errno;
	made.run = inotify_add_watch(made.fd, RUN, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
	if (made.run < 0) {
		int r = -errno;

		(void)close(made.fd); /* nothing was written */
		return r;
	}
	watch_dir(&made);
	*ret_nameservers = made;
	return 0;
}

void nameservers_done(struct nameservers *nameservers)
{
	close_p(&nameservers->fd);
	*nameservers = NAMESERVERS_NONE;
}

static bool is_news(struct nameservers *nameservers, const struct inotify_event *event)
{
	const char *name = event->len > 0 ? event->name : "";

	if (event->mask & IN_Q_OVERFLOW)
		return true;
	if (event->wd == nameservers->run && streq(name, NM_NAME)) {
		watch_dir(nameservers);
		return true;
	}
	if (event->wd != nameservers->dir)
		return false;
	if (event->mask & (IN_DELETE_SELF | IN_IGNORED)) {
		/* It may have been made again before the watch on it was gone. */
		watch_dir(nameservers);
		return true;
	}
	return streq(name, NM_FILE);
}

bool nameservers_news(struct nameservers *nameservers)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool news = false;
	ssize_t n;

	while ((n = read(nameservers->fd, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (struct inotify_event *)(buf + at);

			news = is_news(nameservers, event) || news;
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	return news;
}

/* A file that is not there, or too long to be one, says nothing. */
static int read_lines(const char *path, char **ret_text, size_t *ret_size)
{
	int r = file_read(AT_FDCWD, path, UPSTREAM_FILE_MAX, ret_text, ret_size);

	if (r == -ENOENT || r == -EFBIG) {
		*ret_text = NULL;
		*ret_size = 0;
		return 0;
	}
	return r;
}

int nameservers_update(void)
{
	_close_ int dir_fd = open(RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_free_ char *own = NULL, *network = NULL, *servers = NULL, *resolv = NULL;
	size_t own_size, network_size;
	int r;

	if (dir_fd < 0)
		return -errno;
	r = read_lines(UPSTREAM_OWN, &own, &own_size);
	if (r >= 0)
		r = read_lines(NM_DIR "/" NM_FILE, &network, &network_size);
	if (r >= 0)
		r = upstream_make(own, own_size, network, network_size, &servers, &resolv);
	if (r >= 0)
		r = replace_file(dir_fd, strrchr(UPSTREAM_RESOLV, '/') + 1, 0644, (gid_t)-1, resolv,
				 strlen(resolv));
	if (r >= 0)
		r = replace_file(dir_fd, strrchr(UPSTREAM_ALL, '/') + 1, 0644, (gid_t)-1, servers,
				 strlen(servers));
	return r;
}
