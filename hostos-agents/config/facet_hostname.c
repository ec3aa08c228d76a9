/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostname: the name in /etc/hostname, for the next boot, and the kernel's and avahi's now. What
 * the system had there comes back with the key's removal. */
#include "plan.h"

int facet_hostname(const struct config *config, const struct facts *facts, struct plan *plan)
{
	const char *name = config->hostname;
	int r = 0;

	(void)facts; /* every system has a name */
	if (name[0]) {
		r = plan_add_text(plan, FACET_HOSTNAME, 0644, "/etc/hostname", "%s\n", name);
		plan_restore_later(plan);
	}
	return r < 0 ? r
		     : plan_add_action(plan, FACET_HOSTNAME, PLAN_SET_HOSTNAME,
				       name[0] ? name : NULL);
}
