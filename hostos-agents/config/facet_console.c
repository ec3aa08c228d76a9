/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * developmentMode: whoever is at a serial console is root, without a password. By a drop-in for all
 * serial consoles, which is gone with the mode.
 *
 * Logins on serial consoles are units of one slice, each bound to it: a restart of the slice is one
 * of all those that run, and of none that does not. It ends sessions there, as it should:
 * those that nobody gave a password for are not to outlive the mode.
 */
#include "plan.h"

#define DROP_IN "/run/systemd/system/serial-getty@.service.d/90-tugboot.conf"
#define SLICE "system-serial\\x2dgetty.slice"

static const char autologin[] =
	"[Service]\n"
	"ExecStart=\n"
	"ExecStart=-/sbin/agetty --autologin root --keep-baud 115200,57600,38400,9600 %I $TERM\n";

int facet_console(const struct config *config, const struct facts *facts, struct plan *plan)
{
	int r = 0;

	(void)facts; /* which consoles there are is systemd's affair */
	if (config->development_mode)
		r = plan_add_file(plan, FACET_CONSOLE, 0644, DROP_IN, autologin,
				  sizeof(autologin) - 1);
	if (r == 0)
		r = plan_add_action(plan, FACET_CONSOLE, PLAN_MANAGER_RELOAD, NULL);
	return r < 0 ? r : plan_add_action(plan, FACET_CONSOLE, PLAN_RESTART, SLICE);
}
