/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of agents in one state of a partition: what all keepers have in common. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "fd.h"
#include "power.h"

static const struct keeper *const keepers[] = {
	&keep_config, &keep_health, &keep_network, &keep_store, &keep_time,
};

const struct keeper *keeper_named(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(keepers); i++)
		if (strlen(keepers[i]->name) == len && strncmp(keepers[i]->name, name, len) == 0)
			return keepers[i];
	return NULL;
}

void add_text(char *buf, size_t size, const char *fmt, ...)
{
	size_t len = strlen(buf);
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(buf + len, size - len, fmt, args);
	va_end(args);
}

int names_are(const char *dir, const char *const *names, size_t n)
{
	_closedir_ DIR *d = opendir(dir);
	struct dirent *entry;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(d))) {
		bool known = streq(entry->d_name, ".") || streq(entry->d_name, "..");

		for (size_t i = 0; i < n && !known; i++)
			known = streq(entry->d_name, names[i]);
		if (!known)
			return -ENOTEMPTY;
	}
	return 0;
}

int keeper_state(const struct keeper *keeper, const struct place *place, bool further, char *buf,
		 size_t size)
{
	int dir_fd, r = place_mount(place, false);

	buf[0] = '\0';
	if (r < 0) {
		add_text(buf, size, "mount=%d\n", r);
		return 0;
	}
	dir_fd = open(ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	keeper->read(dir_fd, buf, size);
	if (further) {
		r = place_set_writable(place, true);
		if (r == 0)
			r = keeper->go_on(dir_fd);
		add_text(buf, size, "next=%d\n", r);
	}
	(void)close(dir_fd);
	return place_unmount(place);
}
