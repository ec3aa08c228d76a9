/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * os.udevRules: a file of rules for each, read by udevd at once, and all devices looked at again:
 * links that rules had made go with them. The names have been checked (valid_rule_name()), so has
 * that a name is there once. What rules say is whoever may write config.json's affair: as in any
 * file of rules, they may have udevd run programs.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "fd.h"
#include "plan.h"

static int plan_rule(const struct config_rule *rule, struct plan *plan)
{
	/* A last line without its end is passed over by other readers of such files. */
	const char *end = rule->text[0] && !endswith(rule->text, "\n") ? "\n" : "";
	char path[sizeof("/etc/udev/rules.d/.rules") + NAME_MAX];
	int r;

	if (snprintf(path, sizeof(path), "/etc/udev/rules.d/%s.rules", rule->name) >=
	    (int)sizeof(path))
		return -EINVAL;
	r = plan_add_text(plan, FACET_UDEV, 0644, path, "%s%s", rule->text, end);
	if (r == 0)
		plan_restore_later(plan);
	return r;
}

int facet_udev(const struct config *config, const struct facts *facts, struct plan *plan)
{
	int r = 0;

	(void)facts; /* udevd is everywhere */
	for (size_t i = 0; i < config->udev_rules && r == 0; i++)
		r = plan_rule(&config->udev_rule[i], plan);
	/* SIGHUP: read the rules again. The unit's own way to reload starts a process for it. */
	if (r == 0)
		r = plan_add_action(plan, FACET_UDEV, PLAN_SIGNAL, "systemd-udevd.service");
	return r < 0 ? r : plan_add_action(plan, FACET_UDEV, PLAN_UDEV_TRIGGER, NULL);
}
