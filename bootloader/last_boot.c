/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the last start ended, as far as the hardware tells. What it says is fed to the policy, which
 * decides what follows from it (slot.h):
 *
 * - a panic record in pstore (ramoops, EFI variables) that has not been counted yet;
 * - the watchdog's status (WDIOF_CARDRESET, WDIOF_POWERUNDER);
 * - on boards that are known for it (`tugboot_power=ramoops` in the environment): memory that
 *   outlives every reset and in which both kernels keep their console. When it holds nothing, the
 *   power was gone.
 *
 * Without any of these a power cut and a crash look the same, and a try counts.
 */
#include <stdio.h>
#include <time.h>

#include "boot.h"
#include "log.h"
#include "pstore.h"
#include "watchdog.h"

/* 2020-01-01: a clock before that was never set. */
#define CLOCK_IS_SET 1577836800

void last_boot_read(struct boot *boot)
{
	struct slot_found *found = &boot->found;
	struct pstore pstore = {0};
	time_t now = time(NULL);
	char power[16] = "";
	enum slot_last last;

	(void)pstore_read(&pstore); /* no record, then */
	environment_value(boot, ENV_POWER, power, sizeof(power));
	(void)snprintf(found->evidence, sizeof(found->evidence), "%s", pstore.panic);
	found->now = now >= CLOCK_IS_SET ? now : 0;
	switch (watchdog_status()) {
	case WATCHDOG_FIRED:
		found->last = SLOT_LAST_WATCHDOG;
		break;
	case WATCHDOG_SAW_POWER_FAIL:
		found->last = SLOT_LAST_POWER;
		break;
	default:
		if (streq(power, "ramoops") && pstore.in_memory && !pstore.memory_kept)
			found->last = SLOT_LAST_POWER;
	}
	last = slot_last(&boot->env, found);
	if (last != SLOT_LAST_UNKNOWN)
		log_event("last-boot", "ended=%s%s%s", slot_last_name(last),
			  last == SLOT_LAST_PANIC ? " record=" : "",
			  last == SLOT_LAST_PANIC ? log_quote(found->evidence) : "");
}
