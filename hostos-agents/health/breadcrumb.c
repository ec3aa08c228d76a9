/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* balenaOS's files about a trial: see breadcrumb.h. */
#include "breadcrumb.h"

#include <errno.h>
#include <stdio.h>

#include "fd.h"
#include "macro.h"
#include "statefile.h"

static const char *const crumbs[] = {"rollback-health-breadcrumb", "rollback-altboot-breadcrumb"};

static const char *const flags[] = {
	[HEALTH_BY_HEALTH] = "rollback-health-triggered",
	[HEALTH_BY_ALTBOOT] = "rollback-altboot-triggered",
};

static char read_slot(const char *dir, const char *name, bool *ret_present)
{
	_free_ char *text = NULL;
	size_t size = 0;
	int r;

	r = statefile_read(dir, name, 64, &text, &size);
	*ret_present = r != -ENOENT;
	if (r < 0 || size < 1 || (text[0] != 'A' && text[0] != 'B'))
		return 0;
	return size == 1 || text[1] == '\n' ? text[0] : 0;
}

struct breadcrumb breadcrumb_read(const char *dir)
{
	struct breadcrumb found = {0};

	for (size_t i = 0; i < ARRAY_SIZE(crumbs); i++) {
		bool present;
		char slot = read_slot(dir, crumbs[i], &present);

		found.present = found.present || present;
		if (slot)
			found.slot = slot;
	}
	return found;
}

int breadcrumb_leave(const char *dir, char slot)
{
	const char text[] = {slot, '\n'};

	for (size_t i = 0; i < ARRAY_SIZE(crumbs); i++) {
		bool present;
		int r;

		if (read_slot(dir, crumbs[i], &present) == slot)
			continue;
		r = statefile_write(dir, crumbs[i], text, sizeof(text));
		if (r < 0)
			return r;
	}
	return 0;
}

int breadcrumb_clear(const char *dir)
{
	for (size_t i = 0; i < ARRAY_SIZE(crumbs); i++) {
		int r = statefile_remove(dir, crumbs[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

int breadcrumb_tell(const char *dir, enum health_way way, const char *why)
{
	char text[512];
	int n;

	n = snprintf(text, sizeof(text), "%s\n", why);
	if (n < 0)
		return -EINVAL;
	return statefile_write(dir, flags[way], text, MIN((size_t)n, sizeof(text) - 1));
}

int breadcrumb_forget(const char *dir)
{
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		int r = statefile_remove(dir, flags[i]);

		if (r < 0)
			return r;
	}
	return 0;
}
