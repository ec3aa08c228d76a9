/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reboot that ends a trial. */
#pragma once

#include <stdnoreturn.h>

/* Asks systemd for a reboot in good order; when the system still runs after that many seconds, or systemd
 * cannot be asked, reboots by force. The unit is not stopped by a shutdown: SIGTERM, which ends this, comes
 * when systemd-shutdown(8) has taken over, which has deadlines of its own. */
noreturn void restart_system(unsigned timeout_s);
