/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * developmentMode: whoever is at a serial console is root, without a password.
 *
 * Beside each login on a serial console (serial-getty@.service) there is one that asks nobody
 * (tugboot-console@.service). Each wants the other, and which of the two runs is for the file made here
 * to say, when they start: so systemd need not read its units again, which would start all of its
 * generators.
 *
 * Both are units of one slice, each bound to it: a restart of the slice is one of all those that
 * run, and of none that does not. It ends sessions there, as it should: those that nobody gave a
 * password for are not to outlive the mode.
 */
#include "paths.h"
#include "plan.h"

#define OPEN RUN_DIR "/console"
#define SLICE "system-serial\\x2dgetty.slice"

int facet_console(const struct config *config, const struct facts *facts, struct plan *plan)
{
	int r = 0;

	(void)facts; /* which consoles there are is systemd's affair */
	if (config->development_mode)
		r = plan_add_text(plan, FACET_CONSOLE, 0644, OPEN, "LOGIN=root\n");
	return r < 0 ? r : plan_add_action(plan, FACET_CONSOLE, PLAN_RESTART, SLICE);
}
