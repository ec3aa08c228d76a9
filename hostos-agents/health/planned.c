/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Before a trial: see planned.h. */
#include "planned.h"

#include <string.h>

#include "breadcrumb.h"
#include "bus.h"
#include "facts.h"
#include "netrecord.h"
#include "tugboot.h"

void health_planned(char slot)
{
	_bus_ struct bus *bus = NULL;
	struct facts facts;
	int r;

	r = facts_read(&facts);
	if (r < 0) {
		(void)complain("warning: where state is kept is not known (%s): no breadcrumbs "
			       "are left",
			       strerror(-r));
		return;
	}
	if (bus_open(&bus) < 0)
		bus = NULL; /* the kernel's own tunnels are recorded all the same */
	r = netrecord_save(&facts, bus);
	if (r < 0)
		(void)complain("warning: the network is not recorded (%s): the trial compares with "
			       "what was recorded before",
			       strerror(-r));
	r = breadcrumb_forget(facts.state_root);
	if (r == 0)
		r = breadcrumb_leave(facts.state_root, slot);
	if (r < 0)
		(void)complain("warning: no breadcrumbs in %s: %s", facts.state_root, strerror(-r));
}
