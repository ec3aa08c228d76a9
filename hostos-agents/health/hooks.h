/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is run beside a decision, as tests of a trial are (command.h): hooks of the root that stays. What
 * they do must bear being done again: after a power cut it is.
 *
 *   commit    /etc/tugboot/commit.d, /usr/lib/tugboot/commit.d; and balenaOS's
 *             /etc/hostapp-update-hooks.d/NAME/…fwd_commit…: a trial has passed, what cannot be taken
 *             back may be done now
 *   rollback  /etc/tugboot/rollback.d, /usr/lib/tugboot/rollback.d; and balenaOS's
 *             /etc/hostapp-update-hooks.d: of the old root, run in it before it is gone back to: it may
 *             put its own boot files back in the boot partition
 */
#pragma once

#include "place.h"

/* Each that fails is logged; the others are run all the same. */
void hooks_commit(unsigned timeout_s);

/*
 * Runs those of the other root, in a mount namespace and a chroot(2) of their own, in which it is mounted
 * read-only, with this system's /dev, /proc, /sys, /run, and, where it has a directory of that path,
 * boot_dir (empty: none) and state_dir. An encrypted one is left alone. 0, or why none was run.
 */
int hooks_rollback(const struct partition *root, const char *boot_dir, const char *state_dir,
		   char slot, unsigned timeout_s);
