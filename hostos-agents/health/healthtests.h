/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One round of the tests of a trial: asks systemd, the network's provider, the container engine, and
 * runs the commands of /etc/tugboot/health.d and /usr/lib/tugboot/health.d, which say by their exit
 * status whether the system is healthy (0) or not. What they say goes to healthpolicy.h.
 */
#pragma once

#include <stdbool.h>

#include "bus.h"
#include "facts.h"
#include "healthconf.h"
#include "healthpolicy.h"
#include "provider.h"

struct healthtests {
	const struct healthconf *conf;
	const struct facts *facts;
	const struct provider_list *before; /* NULL: nothing was recorded */
};

/* What systemd says of the system as a whole. */
enum healthtests_system {
	HEALTHTESTS_STARTING,
	HEALTHTESTS_UP,
	HEALTHTESTS_STOPPING,
	HEALTHTESTS_UNKNOWN, /* it does not answer, or is in rescue mode */
};

/* why[HEALTH_WHY_MAX]: in words. bus may be NULL. */
enum healthtests_system healthtests_system(struct bus *bus, char why[static HEALTH_WHY_MAX]);

/* Is boot-complete.target reached? When the system is up without it, what it requires is started again:
 * a check that has failed has another go. */
void healthtests_boot_complete(struct bus *bus, bool up, struct health_round *round);

/* All of them. bus may be NULL: systemd cannot be asked. *ret_stopping: the system is shutting down, and the
 * round means nothing. */
void healthtests_round(const struct healthtests *tests, struct bus *bus,
		       struct health_round *ret_round, bool *ret_stopping);
