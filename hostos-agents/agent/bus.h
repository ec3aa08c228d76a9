/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * D-Bus, through libsystemd's sd-bus, which only this module and service.c include. Calls have deadlines and
 * return a negative errno; what peers answer is hostile. One connection per agent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "macro.h"

struct bus;

/* The system bus; early in a boot, where there is none yet, systemd's own private socket, over which the
 * unit functions work. */
int bus_open(struct bus **ret_bus);
void bus_close(struct bus *bus);

static inline void bus_closep(struct bus **bus)
{
	bus_close(*bus);
}
#define _bus_ _cleanup_(bus_closep)

#define BUS_TIMEOUT_MS 25000u

/* Names an object's interface: service, path, interface. Borrowed strings. */
struct bus_object {
	const char *service, *path, *interface;
};

/* Calls a method; types (a D-Bus signature) and the following arguments as sd_bus_message_append().
 * The answer is thrown away. -ESRCH when the service is not there (it is not started for it). */
int bus_call(struct bus *bus, const struct bus_object *object, const char *method,
	     unsigned timeout_ms, const char *types, ...);
/* The same; the answer must begin with a string (or an object path), the caller's to free. */
int bus_call_text(struct bus *bus, const struct bus_object *object, const char *method,
		  unsigned timeout_ms, char **ret_text, const char *types, ...);

/* Properties. -EBADMSG when it has another type; -ESRCH when the service is not there. */
int bus_get_text(struct bus *bus, const struct bus_object *object, const char *name,
		 char **ret_text);
int bus_get_number(struct bus *bus, const struct bus_object *object, const char *name,
		   uint64_t *ret_number); /* b, y, n, q, i, u, x, t */
/* An array of strings or object paths (as, ao), NULL-terminated; free each and the array. */
int bus_get_list(struct bus *bus, const struct bus_object *object, const char *name,
		 char ***ret_list);
void bus_list_free(char **list);

/* Calls back with the member (signal's name) for every signal of an object's interface, from bus_process() or the
 * service's loop. Subscribed when this returns: read the state after it, and nothing is missed. NULL path or
 * interface match any. Lives as long as the bus. */
typedef void bus_signal_fn(void *arg, const char *path, const char *interface, const char *member);
int bus_watch(struct bus *bus, const struct bus_object *object, const char *member,
	      bus_signal_fn *fn, void *arg);

/* Handles what has come and waits at most that long for something to come; 1 when something was, 0 at
 * the deadline. For those without a loop (service.h). */
int bus_process(struct bus *bus, unsigned timeout_ms);

/* systemd's units. */
enum unit_verb {
	UNIT_START,
	UNIT_STOP,
	UNIT_STOP_ALONE, /* units that require it stay as they are */
	UNIT_TRY_RESTART,
	UNIT_RELOAD_OR_TRY_RESTART,
	UNIT_RESTART
};
/* Queues a job and waits for its end. -ENOENT for a unit that is not there, -ETIMEDOUT, -EIO when
 * the job failed. */
int bus_unit(struct bus *bus, enum unit_verb verb, const char *unit, unsigned timeout_ms);
/* "active", "inactive", "failed", "activating", …; "inactive" for one that is not loaded. */
int bus_unit_state(struct bus *bus, const char *unit, char *buf, size_t size);
/* A signal to the main process. */
int bus_unit_kill(struct bus *bus, const char *unit, int signal);
/* daemon-reload. */
int bus_manager_reload(struct bus *bus);
