/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plan of all facets; see plan.h. Settings have been checked, yet a facet that would write
 * outside of the directories below makes no plan at all: they are the last word on where the
 * agents write. Pure.
 */
#include "plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "paths.h"

static const struct {
	const char *name;
	facet_plan_fn *plan;
} facets[FACETS] = {
	[FACET_HOSTNAME] = {"hostname", facet_hostname},
	[FACET_JOURNAL] = {"journal", facet_journal},
	[FACET_NTP] = {"ntp", facet_ntp},
	[FACET_DNS] = {"dns", facet_dns},
	[FACET_NETWORK] = {"network", facet_network},
	[FACET_SETTINGS_NETWORK] = {"network-settings", facet_settings_network},
	[FACET_SETTINGS_TIME] = {"time-settings", facet_settings_time},
	[FACET_ROOT_CA] = {"root-ca", facet_root_ca},
	[FACET_UDEV] = {"udev", facet_udev},
	[FACET_SSH] = {"ssh", facet_ssh},
	[FACET_CONSOLE] = {"console", facet_console},
	[FACET_ENGINE] = {"engine", facet_engine},
};

const char *facet_name(enum facet facet)
{
	return (unsigned)facet < FACETS ? facets[facet].name : "unknown";
}

/* --- What facets call ------------------------------------------------------------------------- */

bool plan_path_allowed(const char *path)
{
	static const char *const below[] = {"/etc/", "/run/", "/usr/local/share/ca-certificates/"};
	bool is_below = false;

	for (size_t i = 0; i < ARRAY_SIZE(below); i++)
		is_below = is_below || startswith(path, below[i]);
	if (!is_below || strstr(path, "//") || endswith(path, "/"))
		return false;
	for (const char *p = path; (p = strchr(p, '/')); p++) {
		const char *part = p + 1;
		size_t len = strcspn(part, "/");

		if ((len == 1 && part[0] == '.') || (len == 2 && memcmp(part, "..", 2) == 0))
			return false;
	}
	return true;
}

/* Room for one file more, with its path; -EINVAL for a path where nothing may be written, or one
 * that is planned already. */
static int add_file(struct plan *plan, enum facet facet, mode_t mode, const char *path,
		    struct plan_file **ret_file)
{
	struct plan_file *files;
	char *copy;

	if (!plan_path_allowed(path))
		return -EINVAL;
	for (size_t i = 0; i < plan->files; i++)
		if (streq(plan->file[i].path, path))
			return -EINVAL;
	files = reallocarray(plan->file, plan->files + 1, sizeof(*files));
	if (!files)
		return -ENOMEM;
	plan->file = files;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	files[plan->files] = (struct plan_file){.facet = facet, .path = copy, .mode = mode};
	*ret_file = &files[plan->files++];
	return 0;
}

int plan_add_file(struct plan *plan, enum facet facet, mode_t mode, const char *path,
		  const char *data, size_t size)
{
	struct plan_file *file;
	int r;

	r = add_file(plan, facet, mode, path, &file);
	if (r < 0)
		return r;
	file->data = malloc(size + 1);
	if (!file->data)
		return -ENOMEM;
	if (size > 0)
		memcpy(file->data, data, size);
	file->data[size] = '\0';
	file->size = size;
	return 0;
}

int plan_add_text(struct plan *plan, enum facet facet, mode_t mode, const char *path,
		  const char *fmt, ...)
{
	struct plan_file *file;
	va_list ap;
	int r;

	r = add_file(plan, facet, mode, path, &file);
	if (r < 0)
		return r;
	va_start(ap, fmt);
	r = vasprintf(&file->data, fmt, ap);
	va_end(ap);
	if (r < 0) {
		file->data = NULL;
		return -ENOMEM;
	}
	file->size = (size_t)r;
	return 0;
}

int plan_add_link(struct plan *plan, enum facet facet, const char *path, const char *target)
{
	struct plan_file *file;
	int r;

	r = add_file(plan, facet, 0777, path, &file);
	if (r < 0)
		return r;
	file->link = strdup(target);
	return file->link ? 0 : -ENOMEM;
}

void plan_restore_later(struct plan *plan)
{
	if (plan->files > 0)
		plan->file[plan->files - 1].restore = true;
}

int plan_add_action(struct plan *plan, enum facet facet, enum plan_verb verb, const char *unit)
{
	struct plan_action *actions;
	char *copy = NULL;

	actions = reallocarray(plan->action, plan->actions + 1, sizeof(*actions));
	if (!actions)
		return -ENOMEM;
	plan->action = actions;
	if (unit) {
		copy = strdup(unit);
		if (!copy)
			return -ENOMEM;
	}
	actions[plan->actions++] = (struct plan_action){facet, verb, copy};
	return 0;
}

/* --- The plan --------------------------------------------------------------------------------- */

int plan_make(const struct config *config, const struct facts *facts, struct plan **ret_plan)
{
	_plan_ struct plan *plan = calloc(1, sizeof(*plan));
	int r;

	if (!plan)
		return -ENOMEM;
	for (size_t i = 0; i < FACETS; i++) {
		r = facets[i].plan ? facets[i].plan(config, facts, plan) : 0;
		if (r < 0)
			return r;
	}
	*ret_plan = take_ptr(plan);
	return 0;
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->files; i++) {
		free(plan->file[i].path);
		free(plan->file[i].data);
		free(plan->file[i].link);
	}
	for (size_t i = 0; i < plan->actions; i++)
		free(plan->action[i].unit);
	free(plan->file);
	free(plan->action);
	free(plan);
}
