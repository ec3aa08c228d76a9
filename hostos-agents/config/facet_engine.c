/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * developmentMode: the container engine's socket on port 2375, for anybody on the network. The engine
 * is not touched: tugboot-engine.socket listens, and tugboot-engine.service passes connections
 * on to the socket that the engine has. Its place is in a file without which neither starts.
 */
#include "paths.h"
#include "plan.h"

#define SERVICE "tugboot-engine.service"
#define SOCKET "tugboot-engine.socket"

int facet_engine(const struct config *config, const struct facts *facts, struct plan *plan)
{
	bool open = config->development_mode && facts->engine_socket[0];
	int r = 0;

	if (open)
		r = plan_add_text(plan, FACET_ENGINE, 0644, RUN_DIR "/engine", "ENGINE=\"%s\"\n",
				  facts->engine_socket);
	/* A socket whose service runs cannot be started: the order is that of stopping. */
	if (r == 0 && !open)
		r = plan_add_action(plan, FACET_ENGINE, PLAN_STOP, SOCKET);
	if (r == 0)
		r = plan_add_action(plan, FACET_ENGINE, PLAN_STOP, SERVICE);
	if (r == 0 && open)
		r = plan_add_action(plan, FACET_ENGINE, PLAN_START, SOCKET);
	return r;
}
