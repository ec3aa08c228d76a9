/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tunnels among the kernel's links, as sysfs shows them: nothing is asked of those who made them. A
 * link that goes while it is looked at is not there. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>

#include "fd.h"
#include "file.h"
#include "provider_internal.h"

#define ATTRIBUTE_MAX 4096

/* A number in C's notation, 0 where there is none. */
static unsigned long number(int dir_fd, const char *name)
{
	_free_ char *text = NULL;

	if (file_read(dir_fd, name, ATTRIBUTE_MAX, &text, NULL) < 0)
		return 0;
	return strtoul(text, NULL, 0);
}

static bool is_wireguard(int dir_fd)
{
	_free_ char *text = NULL;

	return file_read(dir_fd, "uevent", ATTRIBUTE_MAX, &text, NULL) == 0 &&
	       strstr(text, "DEVTYPE=wireguard\n");
}

/* Tunnels say "unknown" of their state for as long as they are set up: they have no carrier. */
static bool is_up(int dir_fd)
{
	_free_ char *text = NULL;

	if (!(number(dir_fd, "flags") & IFF_UP))
		return false;
	return file_read(dir_fd, "operstate", ATTRIBUTE_MAX, &text, NULL) == 0 &&
	       (streq(text, "up\n") || streq(text, "unknown\n"));
}

static bool is_tunnel(int dir_fd)
{
	if (faccessat(dir_fd, "brport", F_OK, 0) == 0)
		return false;
	return faccessat(dir_fd, "tun_flags", F_OK, 0) == 0 || is_wireguard(dir_fd) ||
	       number(dir_fd, "type") == ARPHRD_PPP;
}

int links_tunnels(const char *directory, struct provider_list *list)
{
	_closedir_ DIR *dir = opendir(directory);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_close_ int fd = -1;
		int r;

		if (entry->d_name[0] == '.')
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || !is_tunnel(fd) || !is_up(fd))
			continue;
		r = provider_list_add(list, entry->d_name, true);
		if (r < 0)
			return r;
	}
	return 0;
}
