/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An agent's loop: see service.h. Owns the loop and its sources; descriptors stay the caller's. */
#include "service.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "bus_internal.h"
#include "fd.h"

/* A timer need not be more exact than that: the processor wakes less often. */
#define ACCURACY_US 1000u

struct watcher {
	void (*fn)(void *arg);
	void *arg;
	struct watcher *next;
};

struct service_timer {
	struct service *service;
	sd_event_source *source;
	void (*fn)(void *arg);
	void *arg;
	struct service_timer *next;
};

struct service {
	sd_event *event;
	struct watcher reload;
	struct watcher *watchers;
	struct service_timer *timers;
	struct bus *bus; /* borrowed */
};

static int on_end(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	(void)info;
	(void)arg;
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	const struct watcher *watcher = arg;

	(void)source;
	(void)info;
	if (watcher->fn)
		watcher->fn(watcher->arg);
	return 0;
}

int service_new(void (*reload)(void *arg), void *arg, struct service **ret_service)
{
	struct service *service;
	sigset_t signals;
	int r;

	service = calloc(1, sizeof(*service));
	if (!service)
		return -ENOMEM;
	service->reload.fn = reload;
	service->reload.arg = arg;
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGHUP);
	r = sigprocmask(SIG_BLOCK, &signals, NULL) < 0 ? -errno : 0;
	if (r >= 0)
		r = sd_event_new(&service->event);
	if (r >= 0)
		r = sd_event_add_signal(service->event, NULL, SIGTERM, on_end, NULL);
	if (r >= 0)
		r = sd_event_add_signal(service->event, NULL, SIGINT, on_end, NULL);
	if (r >= 0)
		r = sd_event_add_signal(service->event, NULL, SIGHUP, on_reload, &service->reload);
	if (r >= 0)
		r = sd_event_set_watchdog(service->event, true); /* 0 where the unit has none */
	if (r < 0) {
		service_free(service);
		return r;
	}
	*ret_service = service;
	return 0;
}

void service_free(struct service *service)
{
	if (!service)
		return;
	if (service->bus)
		(void)sd_bus_detach_event(bus_connection(service->bus));
	for (struct service_timer *timer = service->timers, *next; timer; timer = next) {
		next = timer->next;
		sd_event_source_unref(timer->source);
		free(timer);
	}
	sd_event_unref(service->event);
	for (struct watcher *watcher = service->watchers, *next; watcher; watcher = next) {
		next = watcher->next;
		free(watcher);
	}
	free(service);
}

int service_add_bus(struct service *service, struct bus *bus)
{
	int r = sd_bus_attach_event(bus_connection(bus), service->event, SD_EVENT_PRIORITY_NORMAL);

	if (r < 0)
		return r;
	service->bus = bus;
	return 0;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	const struct watcher *watcher = arg;

	(void)source;
	(void)fd;
	(void)events;
	watcher->fn(watcher->arg);
	return 0;
}

int service_add_fd(struct service *service, int fd, void (*fn)(void *arg), void *arg)
{
	_free_ struct watcher *watcher = calloc(1, sizeof(*watcher));
	int r;

	if (!watcher)
		return -ENOMEM;
	watcher->fn = fn;
	watcher->arg = arg;
	r = sd_event_add_io(service->event, NULL, fd, EPOLLIN, on_readable, watcher);
	if (r < 0)
		return r;
	watcher->next = service->watchers;
	service->watchers = watcher;
	watcher = NULL;
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	const struct service_timer *timer = arg;

	(void)source;
	(void)usec;
	timer->fn(timer->arg);
	return 0;
}

int service_add_timer(struct service *service, void (*fn)(void *arg), void *arg,
		      struct service_timer **ret_timer)
{
	_free_ struct service_timer *timer = calloc(1, sizeof(*timer));
	int r;

	if (!timer)
		return -ENOMEM;
	timer->service = service;
	timer->fn = fn;
	timer->arg = arg;
	r = sd_event_add_time(service->event, &timer->source, CLOCK_BOOTTIME, UINT64_MAX,
			      ACCURACY_US, on_timer, timer);
	if (r >= 0)
		r = sd_event_source_set_enabled(timer->source, SD_EVENT_OFF);
	if (r < 0) {
		sd_event_source_unref(timer->source);
		return r;
	}
	timer->next = service->timers;
	service->timers = timer;
	*ret_timer = timer;
	timer = NULL;
	return 0;
}

int service_timer_set(struct service_timer *timer, uint64_t ms)
{
	struct timespec now;
	int r;

	/* Not the time of this turn of the loop: the caller may have worked for long. */
	(void)clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail for this clock */
	r = sd_event_source_set_time(timer->source, (uint64_t)now.tv_sec * 1000000 +
							    (uint64_t)now.tv_nsec / 1000 +
							    ms * 1000);
	if (r >= 0)
		r = sd_event_source_set_enabled(timer->source, SD_EVENT_ONESHOT);
	return r < 0 ? r : 0;
}

void service_timer_stop(struct service_timer *timer)
{
	(void)sd_event_source_set_enabled(timer->source,
					  SD_EVENT_OFF); /* cannot fail for a timer */
}

void service_ready(const char *status)
{
	/* Without systemd there is nobody to tell. */
	(void)sd_notifyf(false, "READY=1\nSTATUS=%s", status);
}

void service_status(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p; p++)
		if (*p == '\n') /* the next line would be another message */
			*p = ' ';
	(void)sd_notifyf(false, "STATUS=%s", text); /* without systemd there is nobody to tell */
}

int service_run(struct service *service)
{
	return sd_event_loop(service->event);
}

void service_end(struct service *service, int result)
{
	(void)sd_event_exit(service->event, result); /* fails only when it has ended already */
}
