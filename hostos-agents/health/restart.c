/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A reboot that comes about: see restart.h. A root that is not healthy may fail to shut down, too. By
 * then the environment is written and durable, so what is lost by force was not worth keeping.
 */
#include "restart.h"

#include <stdlib.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus.h"
#include "clock.h"
#include "log.h"

#define SYNC_MS 10000

static int ask_for_reboot(void)
{
	static const struct bus_object manager = {
		"org.freedesktop.systemd1",
		"/org/freedesktop/systemd1",
		"org.freedesktop.systemd1.Manager",
	};
	_bus_ struct bus *bus = NULL;
	int r;

	r = bus_open(&bus);
	if (r < 0)
		return r;
	/* As systemctl(1) does: no later job takes its place. */
	return bus_call(bus, &manager, "StartUnit", BUS_TIMEOUT_MS, "ss", "reboot.target",
			"replace-irreversibly");
}

/* A disk that does not answer holds up a child of ours and not us. */
static void sync_for_a_while(void)
{
	uint64_t deadline = clock_ms() + SYNC_MS;
	pid_t pid = fork();

	if (pid == 0) {
		sync();
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, NULL, WNOHANG) == 0 && clock_ms() < deadline)
		(void)usleep(100000);
}

noreturn void restart_system(unsigned timeout_s)
{
	uint64_t deadline = clock_ms() + (uint64_t)timeout_s * 1000;
	int r;

	(void)alarm(0);
	r = ask_for_reboot();
	if (r < 0)
		(void)log_err(r, "reboot", "error=%s next=by-force", log_errno(r));
	while (r == 0 && clock_ms() < deadline)
		(void)sleep(1);
	log_warn("reboot", "waited=%us next=by-force", r == 0 ? timeout_s : 0);
	sync_for_a_while();
	(void)reboot(RB_AUTOBOOT);
	/* Not even that: the count of tries is all that is left. */
	_exit(EXIT_FAILURE);
}
