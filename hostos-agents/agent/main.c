/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `tugboot-agent ROLE [VERB]`: the table of roles, and nothing else. */
#include <stddef.h>
#include <stdio.h>

#include "agent.h"
#include "macro.h"

static const struct role {
	const char *name;
	int (*run)(char **args); /* of what stands behind the name, terminated by NULL */
} roles[] = {
	{"config", agent_config},
	{"health", agent_health},
	{"network", agent_network},
	{"time", agent_time},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	for (const struct role *role = roles; argc > 1 && role->name; role++)
		if (streq(role->name, argv[1]))
			return role->run(argv + 2);
	(void)fprintf(stderr, "Usage: tugboot-agent ROLE [VERB]\nSee tugboot-agent(8).\n");
	return 2;
}
