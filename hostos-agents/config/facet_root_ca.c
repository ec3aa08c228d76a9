/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* balenaRootCA: a certificate of its own among the local ones, from which the system's store is made
 * (update-ca-certificates(8)); the store is made again without it when the key is removed. */
#include "plan.h"

#define CERTIFICATE "/usr/local/share/ca-certificates/balenaRootCA.crt"

int facet_root_ca(const struct config *config, const struct facts *facts, struct plan *plan)
{
	int r = 0;

	(void)facts; /* what is there of the store is looked at when it is made */
	if (config->root_ca) {
		r = plan_add_file(plan, FACET_ROOT_CA, 0644, CERTIFICATE, config->root_ca,
				  config->root_ca_size);
		plan_restore_later(plan);
	}
	return r < 0 ? r : plan_add_action(plan, FACET_ROOT_CA, PLAN_CA_BUNDLE, NULL);
}
