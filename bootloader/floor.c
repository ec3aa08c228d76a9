/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The floor: tugboot_floor in the environment is the lowest VERSION_ID (os-release(5)) of a root
 * that is started while another can be, so that an update that cannot be undone (migrated data, a
 * hole that was closed) is not undone by a fallback. Versions compare as in lib/base/vercmp.h. A
 * root that says no version is below any floor. When nothing else can be started the policy
 * starts it all the same: a wrong floor must not cost a device.
 */
#include <stdio.h>

#include "boot.h"
#include "fd.h"
#include "line.h"
#include "log.h"
#include "rootfs.h"
#include "vercmp.h"

#define OS_RELEASE_MAX (64 * 1024)

static void unquote(struct slice *value)
{
	if (value->len >= 2 && (value->data[0] == '"' || value->data[0] == '\'') &&
	    value->data[value->len - 1] == value->data[0])
		*value = slice_of(value->data + 1, value->len - 2);
}

/* The value of VERSION_ID; of several lines the last. */
static void version_of(const char *text, size_t size, char *buf, size_t buf_size)
{
	static const char key[] = "VERSION_ID=";
	struct slice line;
	size_t pos = 0;

	while (line_next(slice_of(text, size), &pos, &line)) {
		struct slice value;

		if (line.len < strlen(key) || memcmp(line.data, key, strlen(key)) != 0)
			continue;
		value = slice_from(line, strlen(key));
		unquote(&value);
		(void)snprintf(buf, buf_size, "%.*s", (int)MIN(value.len, buf_size), value.data);
	}
}

static void root_version(int root_fd, char *buf, size_t buf_size)
{
	static const char *const paths[] = {"/etc/os-release", "/usr/lib/os-release"};

	buf[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(paths) && !buf[0]; i++) {
		_free_ char *text = NULL;
		size_t size;

		if (rootfs_read(root_fd, paths[i], OS_RELEASE_MAX, &text, &size) == 0)
			version_of(text, size, buf, buf_size);
	}
}

bool floor_is_met(const struct boot *boot, const struct slot_decision *decision, int root_fd)
{
	char floor[64], version[64];

	environment_value(boot, ENV_FLOOR, floor, sizeof(floor));
	if (!floor[0] || decision->slot == 'R')
		return true;
	root_version(root_fd, version, sizeof(version));
	if (version[0] && vercmp(version, floor) >= 0)
		return true;
	if (decision->cause == SLOT_CAUSE_FLOOR ||
	    boot->found.slot[slot_index(decision->slot)].below_floor) {
		log_warn(
			"floor",
			"slot=%c found=%s expected-at-least=%s next=\"start it, nothing else can be\"",
			decision->slot, version[0] ? log_quote(version) : "none", log_quote(floor));
		return true;
	}
	log_warn("floor", "slot=%c found=%s expected-at-least=%s next=\"the next candidate\"",
		 decision->slot, version[0] ? log_quote(version) : "none", log_quote(floor));
	return false;
}
