/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot-agent ROLE [VERB]`: one binary, a service each (docs/tugboot-agent.8.scd). The roles' own
 * entries; each returns an exit status.
 */
#pragma once

int agent_config(char **args); /* resident; `tugboot-agent config boot`: once, before the daemons */
int agent_time(char **args);   /* resident; boot, save, https: once */
int agent_network(char **args); /* resident; online: waits; import: system-connections, once */
int agent_health(char **args);	/* once after a start: trial run, hooks, altboot repair */
