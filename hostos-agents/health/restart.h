/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reboot that ends a trial. */
#pragma once

#include <stdnoreturn.h>

/* Asks systemd for a reboot in good order; when the system still runs after that many seconds, or systemd
 * cannot be asked, reboots by force. SIGTERM does not keep it from that. */
noreturn void restart_system(unsigned timeout_s);
