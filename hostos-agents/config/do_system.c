/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Host name, log and NetworkManager: what is told to the kernel or to one daemon; see do.h. The names
 * have been checked; what daemons answer counts as yes or no. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "bus.h"
#include "config.h"
#include "do.h"
#include "fd.h"
#include "file.h"
#include "log.h"

#define CALL_MS 5000u
#define UNIT_MS 45000u
#define BUSY_PAUSE_MS 250
#define BUSY_TRIES 12

#define LOG_DIR "/var/log/journal"
#define MOUNT "var-log-journal.mount"
#define JOURNALD "systemd-journald.service"
#define FLUSH "systemd-journal-flush.service"

static int tell_avahi(const char *name, struct bus *bus)
{
	static const struct bus_object avahi = {"org.freedesktop.Avahi", "/",
						"org.freedesktop.Avahi.Server"};
	char label[HOSTNAME_MAX + 1];
	_free_ char *has = NULL;
	int r;

	/* mDNS has one label: what stands before the first dot. */
	(void)snprintf(label, sizeof(label), "%.*s", (int)strcspn(name, "."), name);
	r = bus_call_text(bus, &avahi, "GetHostName", CALL_MS, &has, NULL);
	if (r == 0 && !streq(has, label))
		r = bus_call(bus, &avahi, "SetHostName", CALL_MS, "s", label);
	return r == -ESRCH ? 0 : r;
}

int do_hostname(const char *name, struct bus *bus)
{
	char text[HOSTNAME_MAX + 1] = "localhost";
	_free_ char *file = NULL;

	if (name) {
		(void)snprintf(text, sizeof(text), "%s", name);
	} else if (file_read(AT_FDCWD, "/etc/hostname", 4096, &file, NULL) == 0) {
		size_t len = strcspn(file, " \t\n");

		if (len > 0 && len <= HOSTNAME_MAX && file[0] != '#')
			(void)snprintf(text, sizeof(text), "%.*s", (int)len, file);
	}
	if (sethostname(text, strlen(text)) < 0)
		return -errno;
	return bus ? tell_avahi(text, bus) : 0;
}

static int make_directory(const char *path)
{
	char part[PATH_MAX];

	if (strlen(path) >= sizeof(part))
		return -ENAMETOOLONG;
	for (const char *p = path + 1;; p++) {
		if (*p && *p != '/')
			continue;
		memcpy(part, path, (size_t)(p - path));
		part[p - path] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		if (!*p)
			return 0;
	}
}

static bool is_same_place(const char *a, const char *b)
{
	struct stat one, other;

	return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

/* Most often systemd reads the unit only now. It may know it with another directory, or (before
 * version 246) know that there was none: it reads all units anew then, and starts its generators. */
static int start_mount(struct bus *bus, const char *directory)
{
	int r = bus_unit(bus, UNIT_START, MOUNT, UNIT_MS);
	bool known = r == 0;

	if (r < 0 && r != -ENOENT)
		return r;
	if (known && is_same_place(directory, LOG_DIR))
		return 0;
	r = bus_manager_reload(bus);
	if (r == 0)
		r = bus_unit(bus, UNIT_RESTART, MOUNT, UNIT_MS);
	if (r == 0 || !known)
		return r;
	log_warn("config", "mount=" LOG_DIR " error=%s next=\"the next boot has it there\"",
		 log_errno(r));
	return 0;
}

/* A mount whose files somebody is reading may be busy for a moment more. By itself: what brings the
 * log to its place in a boot (systemd-journal-flush.service) may require it, and would be stopped
 * and started for nothing when journald has let go of it. */
static int stop_mount(struct bus *bus, unsigned tries)
{
	int r = -EIO;

	for (unsigned i = 0; i < tries && r == -EIO; i++) {
		if (i > 0)
			(void)nanosleep(&(struct timespec){.tv_nsec = BUSY_PAUSE_MS * 1000000L},
					NULL);
		r = bus_unit(bus, UNIT_STOP_ALONE, MOUNT, UNIT_MS);
	}
	return r == -ENOENT ? 0 : r;
}

int do_journal(const char *directory, struct bus *bus)
{
	int r;

	if (directory) {
		r = make_directory(directory);
		if (r == 0)
			r = start_mount(bus, directory);
		return r < 0 ? r : bus_unit(bus, UNIT_TRY_RESTART, JOURNALD, UNIT_MS);
	}
	r = bus_unit(bus, UNIT_TRY_RESTART, JOURNALD, UNIT_MS);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = stop_mount(bus, BUSY_TRIES / 3);
	if (r == -EIO) {
		/* Where the system's own settings have it keep its log, it has opened it there again.
		 * Without this unit it lets go of it; with it, it goes to what is below the mount. */
		(void)bus_unit(bus, UNIT_STOP, FLUSH, UNIT_MS);
		r = stop_mount(bus, BUSY_TRIES);
		(void)bus_unit(bus, UNIT_START, FLUSH, UNIT_MS);
	}
	if (r < 0)
		log_warn("config",
			 "mount=" LOG_DIR " error=%s next=\"nothing new is written there, and the "
			 "next boot is without it\"",
			 log_errno(r));
	return 0;
}

int do_nm_reload(struct bus *bus)
{
	static const struct bus_object manager = {"org.freedesktop.NetworkManager",
						  "/org/freedesktop/NetworkManager",
						  "org.freedesktop.NetworkManager"};
	/* NM_MANAGER_RELOAD_FLAG_CONF */
	int r = bus_call(bus, &manager, "Reload", BUS_TIMEOUT_MS, "u", (uint32_t)1);

	return r == -ESRCH ? 0 : r;
}
