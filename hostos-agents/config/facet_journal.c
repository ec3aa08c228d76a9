/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * persistentLogging: journald keeps its log on the data partition, bind-mounted where journald looks
 * for it, or in memory alone. Both files are in /etc: a boot with them keeps its log from the first
 * line on, and has no action to take. The log itself is left alone when the key is removed.
 *
 * systemd is not told to read its units again, which would start all of its generators: it reads
 * this one when it is asked to start it.
 *
 * PLAN_JOURNAL's argument is the directory to keep the log in (to be made; then var-log-journal.mount
 * is started and journald restarted), or NULL (journald is restarted, then the mount stopped).
 */
#include <errno.h>
#include <stdio.h>

#include "fd.h"
#include "plan.h"

#define CONF "/etc/systemd/journald.conf.d/90-tugboot.conf"
#define UNIT "var-log-journal.mount"
#define UNIT_FILE "/etc/systemd/system/" UNIT
#define UNIT_LINK "/etc/systemd/system/local-fs.target.wants/" UNIT

/* A path as the value of a unit's key, where `%` begins a specifier. */
static int unit_path(const char *path, char **ret_value)
{
	char *value = malloc(2 * strlen(path) + 1), *to = value;

	if (!value)
		return -ENOMEM;
	for (; *path; path++) {
		if (*path == '%')
			*to++ = '%';
		*to++ = *path;
	}
	*to = '\0';
	*ret_value = value;
	return 0;
}

static int plan_mount(const char *directory, struct plan *plan)
{
	_free_ char *what = NULL;
	int r;

	r = unit_path(directory, &what);
	if (r < 0)
		return r;
	/* nofail: without its partition a device starts all the same. The condition is for systemd, which
	 * knows the unit until it reads all units again, and would bring it back for whatever needs it. */
	r = plan_add_text(plan, FACET_JOURNAL, 0644, UNIT_FILE,
			  "[Unit]\n"
			  "Description=The Log on the Data Partition\n"
			  "Documentation=man:tugboot-config(5)\n"
			  "ConditionPathExists=" UNIT_FILE "\n"
			  "\n"
			  "[Mount]\n"
			  "What=%s\n"
			  "Where=/var/log/journal\n"
			  "Type=none\n"
			  "Options=bind,nofail\n",
			  what);
	return r < 0 ? r : plan_add_link(plan, FACET_JOURNAL, UNIT_LINK, "../" UNIT);
}

int facet_journal(const struct config *config, const struct facts *facts, struct plan *plan)
{
	bool keep = config->persistent_logging;
	_free_ char *directory = NULL;
	int r = 0;

	if (keep && asprintf(&directory, "%s/journal", facts->data_dir) < 0) {
		directory = NULL;
		return -ENOMEM;
	}
	if (keep)
		r = plan_mount(directory, plan);
	if (r == 0)
		r = plan_add_text(plan, FACET_JOURNAL, 0644, CONF, "[Journal]\nStorage=%s\n",
				  keep ? "persistent" : "volatile");
	return r < 0 ? r : plan_add_action(plan, FACET_JOURNAL, PLAN_JOURNAL, directory);
}
