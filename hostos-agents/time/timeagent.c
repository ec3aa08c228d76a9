/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot-agent time`: keeps the clock right once the system is up. It watches chronyd, starts
 * attempts at HTTPS time as units of their own, saves the time hourly and at its end. Policy is in
 * timepolicy.h and watchpolicy.h.
 */
#include "timeagent.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "agent.h"
#include "fd.h"
#include "log.h"
#include "sysclock.h"
#include "timestore.h"
#include "timeverbs.h"

#define CHRONY_UNIT "chrony.service"
#define CHRONY_UNIT_OTHER "chronyd.service"
#define RESTART_TIMEOUT_MS 20000u
#define NEWS_MS 300u	    /* several changes of the network are one */
#define NEWS_APART_MS 2000u /* and no more often than that */

static const struct bus_object manager = {"org.freedesktop.systemd1", "/org/freedesktop/systemd1",
					  "org.freedesktop.systemd1.Manager"};

/* One that was stopped by a person stays stopped. */
static void restart_chronyd(struct timeagent *agent)
{
	const char *unit = CHRONY_UNIT;
	char state[32] = "inactive";
	int r = -ENOTCONN;

	if (agent->bus) {
		r = bus_unit_state(agent->bus, unit, state, sizeof(state));
		if (r >= 0 && streq(state, "inactive")) {
			unit = CHRONY_UNIT_OTHER;
			r = bus_unit_state(agent->bus, unit, state, sizeof(state));
		}
		if (r >= 0 && streq(state, "inactive")) {
			log_warn("time", "chronyd=inactive next=\"nothing keeps the clock\"");
			return;
		}
	}
	if (r >= 0)
		r = bus_unit(agent->bus, UNIT_RESTART, unit, RESTART_TIMEOUT_MS);
	agent->restarts += r >= 0;
	log_warn("time", "restart=%s reason=%s result=%s", unit,
		 agent->answers ? "\"not synchronised\"" : "\"it does not answer\"",
		 r < 0 ? log_errno(r) : "done");
}

/* Sources that were offline are tried again, names looked up again, and all are asked at once. */
static void poll_sources(struct timeagent *agent)
{
	_chronyctl_ struct chronyctl ctl = CHRONYCTL_NONE;
	int r = chronyctl_open(&ctl);

	if (r >= 0)
		r = chronyctl_do(&ctl, CHRONY_ONLINE);
	if (r >= 0 && agent->view.activity.unresolved > 0)
		r = chronyctl_do(&ctl, CHRONY_REFRESH);
	if (r >= 0)
		r = chronyctl_burst(&ctl);
	agent->polls += r >= 0;
	if (r < 0)
		log_warn("time", "poll error=%s next=\"tried again\"", log_errno(r));
}

static void start_https(struct timeagent *agent)
{
	int r = -ENOTCONN;

	/* The job is not waited for: its status file says how it ended. */
	if (agent->bus)
		r = bus_call(agent->bus, &manager, "StartUnit", BUS_TIMEOUT_MS, "ss",
			     TIME_HTTPS_UNIT, "replace");
	if (r >= 0)
		return;
	log_warn("time", "start=%s error=%s next=\"tried again\"", TIME_HTTPS_UNIT, log_errno(r));
	(void)snprintf(agent->https_words, sizeof(agent->https_words),
		       "failed: %s cannot be started", TIME_HTTPS_UNIT);
	https_ended(&agent->https, false, agent->synced, (uint64_t)sysclock_boot());
}

static void keep(struct timeagent *agent)
{
	/* At once when NTP has taken over, then hourly. */
	if ((agent->synced && !agent->saved_synced) ||
	    sysclock_boot() - agent->saved_boot >= TIME_SAVE_MS)
		timeagent_save(agent);
}

static void look(void *arg)
{
	struct timeagent *agent = arg;
	struct watch_view seen;
	unsigned tick_ms;

	timeagent_https_result(agent);
	timeagent_guard(agent);
	timeagent_evidence(agent);
	seen = (struct watch_view){
		.answers = agent->answers,
		.bursting = agent->view.activity.burst_online > 0,
		.synced = agent->synced,
		.sources = agent->view.sources + agent->view.activity.unresolved,
	};
	switch (watch_decide(&agent->watch, &seen, (uint64_t)sysclock_boot(), &tick_ms)) {
	case WATCH_POLL:
		poll_sources(agent);
		break;
	case WATCH_RESTART:
		restart_chronyd(agent);
		break;
	default:
		break;
	}
	if (https_decide(&agent->https, (uint64_t)sysclock_boot()))
		start_https(agent);
	keep(agent);
	timeagent_report(agent);
	tick_ms = MIN(tick_ms, https_tick(&agent->https, (uint64_t)sysclock_boot()));
	(void)service_timer_set(agent->tick, tick_ms); /* cannot fail for a timer that was set */
}

static void on_news(void *arg)
{
	struct timeagent *agent = arg;

	watch_news(&agent->watch, (uint64_t)sysclock_boot());
	https_news(&agent->https, (uint64_t)sysclock_boot());
	look(agent);
}

static void on_netlink(void *arg)
{
	struct timeagent *agent = arg;
	char buf[8192];

	/* What has changed does not matter; messages that were lost are news, too. */
	while (recv(agent->netlink_fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
		;
	(void)service_timer_set(agent->news, NEWS_MS);
}

/* Somebody has set the clock: we, `time https`, or a person. */
static void on_clock_set(void *arg)
{
	struct timeagent *agent = arg;

	(void)sysclock_watch_again(agent->set_fd); /* else changes are seen at the next look */
	/* What `time https` knows is in the files before it sets the clock. */
	timestore_floors(timestore_dir(), agent->build, &agent->floors);
	timestore_anchor(&agent->anchor);
	timeagent_https_result(agent);
	timeagent_guard(agent);
	(void)service_timer_set(agent->tick, NEWS_MS); /* cannot fail for a timer that was set */
}

/* The settings have changed. */
static void on_reload(void *arg)
{
	struct timeagent *agent = arg;

	agent->https = (struct https_watch){0};
	(void)snprintf(agent->https_words, sizeof(agent->https_words), "waiting");
	(void)service_timer_set(agent->tick, 0);
}

static int open_netlink(void)
{
	struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
	};
	_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(fd);
}

/* Where `time boot` has left the clock. */
static void read_boot(struct timeagent *agent)
{
	_free_ char *text = NULL;
	char name[16];

	agent->source = TIME_KIND_CLOCK;
	if (timestore_status_read(TIME_STATUS_BOOT, &text) < 0 ||
	    timestore_value(text, "source", name, sizeof(name)) < 0)
		return;
	for (int kind = 0; kind < TIME_KINDS; kind++)
		if (streq(name, time_kind_name((enum time_kind)kind)))
			agent->source = (enum time_kind)kind;
}

static int set_up(struct timeagent *agent)
{
	int r;

	agent->build = timestore_build();
	timestore_floors(timestore_dir(), agent->build, &agent->floors);
	timestore_anchor(&agent->anchor);
	agent->refused = TIME_LEFT_GOOD;
	agent->saved_boot = sysclock_boot();
	(void)snprintf(agent->https_words, sizeof(agent->https_words), "waiting");
	read_boot(agent);
	r = service_new(on_reload, agent, &agent->service);
	if (r < 0)
		return r;
	r = bus_open(&agent->bus);
	if (r >= 0)
		r = service_add_bus(agent->service, agent->bus);
	if (r < 0)
		log_warn("time", "bus error=%s next=\"chronyd is not restarted, no HTTPS time\"",
			 log_errno(r));
	agent->set_fd = sysclock_watch();
	agent->netlink_fd = open_netlink();
	if (agent->set_fd < 0 || agent->netlink_fd < 0)
		log_warn("time", "watch clock=%s network=%s next=\"changes are seen late\"",
			 log_errno(MIN(agent->set_fd, 0)), log_errno(MIN(agent->netlink_fd, 0)));
	r = agent->set_fd < 0 ? 0
			      : service_add_fd(agent->service, agent->set_fd, on_clock_set, agent);
	if (r >= 0 && agent->netlink_fd >= 0)
		r = service_add_fd(agent->service, agent->netlink_fd, on_netlink, agent);
	if (r >= 0)
		r = service_add_timer(agent->service, look, agent, &agent->tick);
	if (r >= 0)
		r = service_add_timer(agent->service, on_news, agent, &agent->news);
	return r < 0 ? r : service_timer_set(agent->tick, 0);
}

int time_resident(void)
{
	static struct timeagent agent; /* large, and one */
	int r;

	r = set_up(&agent);
	if (r < 0)
		return log_err(EXIT_FAILURE, "time", "start error=%s", log_errno(r));
	timeagent_guard(&agent);
	timeagent_report(&agent);
	service_ready("looking at the clock");
	r = service_run(agent.service);
	timeagent_save(&agent);
	service_free(agent.service);
	bus_close(agent.bus);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int agent_time(char **args)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} verbs[] = {
		{"boot", time_boot},
		{"save", time_save},
		{"https", time_https},
		{"wait", time_wait},
	};

	if (!args[0])
		return time_resident();
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (streq(verbs[i].name, args[0]) && !args[1])
			return verbs[i].run();
	(void)fprintf(stderr, "Usage: tugboot-agent time [boot|save|https|wait]\n");
	return 2;
}
