/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names of partitions and the roles they give. Labels are hostile text of any length.
 */
#include "partname.h"

#include <strings.h>

#include "macro.h"

static const char *const prefixes[] = {"tug-", "resin-", "balena-"};

static const char *const names[PART_ROLE_COUNT] = {
	[PART_BOOT] = "boot",	      [PART_EFI] = "efi",     [PART_ROOT_A] = "rootA",
	[PART_ROOT_B] = "rootB",      [PART_STATE] = "state", [PART_DATA] = "data",
	[PART_RECOVERY] = "recovery", [PART_ENV] = "env",
};

enum part_role partname_role(const char *label, unsigned *ret_prefix)
{
	for (unsigned p = 0; p < ARRAY_SIZE(prefixes); p++) {
		size_t n = strlen(prefixes[p]);

		if (strncasecmp(label, prefixes[p], n) != 0)
			continue;
		for (enum part_role role = PART_NONE + 1; role < PART_ROLE_COUNT; role++)
			if (strcasecmp(label + n, names[role]) == 0) {
				if (ret_prefix)
					*ret_prefix = p;
				return role;
			}
	}
	return PART_NONE;
}

const char *partname_of(enum part_role role)
{
	return role > PART_NONE && role < PART_ROLE_COUNT ? names[role] : "none";
}
