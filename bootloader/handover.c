/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The watchdog across kexec. A committed root gets a stopped one, as from any boot loader. For a
 * trial it is left running, so that a kernel that hangs is reset and the try counts, but only when
 * the root's kernel has a driver for it: the driver keeps it quiet from then on, and a root without
 * one would be reset for nothing. tugboot.trial_watchdog= overrides: `off`, or seconds to leave it
 * running with in any case.
 */
#include <fcntl.h>
#include <stdio.h>

#include "boot.h"
#include "cmdline.h"
#include "file.h"
#include "log.h"
#include "rootfs.h"
#include "watchdog.h"

#define TRIAL_SECONDS 180
#define MODULES_MAX ((size_t)4 * 1024 * 1024)

/* Lists of a kernel's drivers: loadable ones, and those that are built in. */
static const char *const lists[] = {"modules.dep", "modules.builtin"};

static bool root_has_driver(int root_fd, const char *release, const char *module)
{
	char path[256], name[64];

	(void)snprintf(name, sizeof(name), "/%s", module);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		_free_ char *text = NULL;
		size_t size;

		(void)snprintf(path, sizeof(path), "/lib/modules/%s/%s", release, lists[i]);
		if (rootfs_read(root_fd, path, MODULES_MAX, &text, &size) == 0 &&
		    memmem(text, size, name, strlen(name)))
			return true;
	}
	return false;
}

unsigned handover_watchdog(const struct boot *boot, const struct slot_decision *decision,
			   int root_fd, const struct kernel *kernel)
{
	const char *module = watchdog_module();
	char choice[16] = "auto";
	unsigned seconds;

	if (decision->reason != SLOT_REASON_TRIAL)
		return 0;
	(void)cmdline_get(boot->cmdline, "tugboot.trial_watchdog", choice, sizeof(choice));
	if (streq(choice, "off"))
		return 0;
	seconds = cmdline_get_number(boot->cmdline, "tugboot.trial_watchdog", 0, 3600);
	if (seconds > 0)
		return seconds;
	if (!module)
		return 0;
	if (kernel->release[0] && root_has_driver(root_fd, kernel->release, module))
		return TRIAL_SECONDS;
	log_event("watchdog", "expected=%s found=\"no such driver in the root\" next=\"stop it\"",
		  module);
	return 0;
}
