/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of an agent as a systemd service: event loop, readiness, watchdog, signals. Through
 * libsystemd's sd-event and sd-daemon.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bus.h"

struct service;

/* A loop that ends on SIGTERM and SIGINT, calls on_reload (may be NULL) on SIGHUP, and serves the watchdog of the unit as
 * long as it turns. */
int service_new(void (*on_reload)(void *arg), void *arg, struct service **ret_service);
void service_free(struct service *service);

/* The bus's signals are handled by the loop from now on. */
int service_add_bus(struct service *service, struct bus *bus);

/* fn when fd can be read. fd is borrowed. */
int service_add_fd(struct service *service, int fd, void (*fn)(void *arg), void *arg);

/* A timer that can be set again and again; fn once each time. */
struct service_timer;
int service_add_timer(struct service *service, void (*fn)(void *arg), void *arg,
		      struct service_timer **ret_timer);
/* Milliseconds from now on the clock that counts suspend (CLOCK_BOOTTIME); steps of the wall clock do not matter. */
int service_timer_set(struct service_timer *timer, uint64_t ms);
void service_timer_stop(struct service_timer *timer);

/* READY=1 with STATUS=text; later calls change the status alone. Nothing when not started by systemd. */
void service_ready(const char *status);
void service_status(const char *fmt, ...) _printf_(1, 2);

/* Runs until a signal or service_end(); returns 0, a negative errno of the loop, or what service_end() was given. */
int service_run(struct service *service);
void service_end(struct service *service, int result);
