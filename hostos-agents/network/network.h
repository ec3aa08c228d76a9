/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs of `tugboot-agent network`; see tugboot-agent(8). */
#pragma once

#include <stdbool.h>

#include "provider.h"

#define ONLINE_TIMEOUT_S 60u

/* `online`: 0 when the network is there, 1 when it was not until the deadline, 2 for wrong usage. */
int online_main(char **args);

/* Waits at most that long; 1 when it is online, 0 when the deadline has passed. *ret_state is what
 * was found last. The provider need not run yet, nor the bus. */
int online_wait(const struct provider *provider, unsigned timeout_s, bool full,
		struct provider_state *ret_state);

/* `import`: 0 also when files were refused, which the log names; 1 when it could not be done. */
int import_main(char **args);
