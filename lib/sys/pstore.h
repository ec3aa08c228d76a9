/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel before this one left in memory or storage that outlives a reset
 * (Documentation/admin-guide/pstore-blk.rst, ramoops.rst; fs/pstore). Records are only looked at:
 * they belong to the running system, which archives them (systemd-pstore).
 */
#pragma once

#include <stdbool.h>

#include "env.h"

struct pstore {
	/* Name of the newest panic record, as `ramoops-0@1732345678.123456`; empty when there is
	 * none. An oops that was survived is no panic. */
	char panic[ENV_EVIDENCE_MAX];
	/* Memory that is lost with the power and nothing else is set up (ramoops)… */
	bool in_memory;
	/* …and holds something. */
	bool memory_kept;
};

/* Mounts pstore on its usual directory if need be, and looks. 0 or a negative errno; without a
 * backend everything is empty. */
int pstore_read(struct pstore *ret_pstore);
