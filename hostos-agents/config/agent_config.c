/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot-agent config`: watches config.json and keeps the system as it says. The file is anybody's who
 * may write it; what is refused changes nothing.
 *
 * No change is lost: the directory is watched before it is read, and a file that does not stay the
 * same while it is read is read again. No storm: changes are waited for until they pause, and what
 * made daemons act is followed by the next such change only as often as systemd lets a unit start
 * (five times in ten seconds, by default).
 */
#include "agent_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "agent.h"
#include "clock.h"
#include "confirm.h"
#include "fd.h"
#include "log.h"
#include "paths.h"
#include "service.h"

#define QUIET_MS 50	/* changes have paused */
#define PATIENCE_MS 500 /* or have gone on for that long */
#define AGAIN_MS 200
#define MOUNTS_MS 1000
#define ACTS 3 /* in ACTS_MS: one that goes back acts twice */
#define ACTS_MS 10000
#define EVENTS                                                                           \
	(IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_MOVE | IN_DELETE | IN_DELETE_SELF | \
	 IN_MOVE_SELF | IN_ONLYDIR)

struct agent {
	struct service *service;
	struct facts facts;
	int inotify_fd, watch; /* -1: the partition is not mounted where we see it */
	int mounts_fd, mounts_epoll_fd;
	struct service_timer *read_timer, *trial_timer, *mounts_timer;
	bool mounts_changed;
	uint64_t changed_since;	 /* first change that was not looked at yet; 0: none */
	uint64_t acted[ACTS];	 /* when, the oldest first */
	struct store_text taken; /* what was looked at last, good or not */
	bool nothing_said;	 /* that there is no text to go by */
	struct config_problems problems;
};

/* --- When to look ----------------------------------------------------------------------------- */

static void look_in(struct agent *agent, uint64_t ms)
{
	uint64_t now = clock_ms(), free_at = agent->acted[0] ? agent->acted[0] + ACTS_MS : 0;

	if (free_at > now + ms)
		ms = free_at - now;
	if (service_timer_set(agent->read_timer, ms) < 0)
		service_end(agent->service, -EIO);
}

static void on_change(struct agent *agent)
{
	uint64_t now = clock_ms(), waited;

	if (!agent->changed_since)
		agent->changed_since = now;
	waited = now - agent->changed_since;
	look_in(agent, waited >= PATIENCE_MS ? 0 : MIN((uint64_t)QUIET_MS, PATIENCE_MS - waited));
}

static bool is_of_interest(const struct inotify_event *event)
{
	if (event->mask & (IN_Q_OVERFLOW | IN_UNMOUNT | IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF))
		return true;
	/* FAT takes any case for the same name. */
	return event->len > 0 && (strcasecmp(event->name, CONFIG_FILE) == 0 ||
				  strcasecmp(event->name, CONFIRM_FILE) == 0);
}

static void find_source(struct agent *agent);

static void on_inotify(void *arg)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct agent *agent = arg;
	bool changed = false, gone = false;
	ssize_t n;

	while ((n = read(agent->inotify_fd, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *event = (const void *)p;

			changed = changed || is_of_interest(event);
			gone = gone || (event->wd == agent->watch && event->mask & IN_IGNORED);
			p += sizeof(*event) + event->len;
		}
	}
	if (gone) {
		agent->watch = -1;
		find_source(agent);
	}
	if (changed)
		on_change(agent);
}

/* --- Where to look ---------------------------------------------------------------------------- */

static void find_source(struct agent *agent)
{
	struct facts facts;

	if (source_facts(&facts) < 0)
		return;
	agent->facts = facts;
	if (agent->watch >= 0)
		(void)inotify_rm_watch(agent->inotify_fd,
				       agent->watch); /* may have gone by itself */
	agent->watch = -1;
	if (facts.boot_dir[0])
		agent->watch = inotify_add_watch(agent->inotify_fd, facts.boot_dir, EVENTS);
}

static void on_mounts_timer(void *arg)
{
	struct agent *agent = arg;
	char old[sizeof(agent->facts.boot_dir)];

	agent->mounts_changed = false;
	strcpy(old, agent->facts.boot_dir);
	find_source(agent);
	if (!streq(old, agent->facts.boot_dir))
		on_change(agent);
}

/* Something was mounted or unmounted. Containers do that all the time: looked at once a second. */
static void on_mounts(void *arg)
{
	struct agent *agent = arg;
	struct epoll_event event;

	(void)epoll_wait(agent->mounts_epoll_fd, &event, 1, 0); /* says no more than we know */
	if (!agent->mounts_changed && service_timer_set(agent->mounts_timer, MOUNTS_MS) == 0)
		agent->mounts_changed = true;
}

/* --- Looking ---------------------------------------------------------------------------------- */

static bool is_taken(const struct agent *agent, const struct store_text *text)
{
	return agent->taken.data && agent->taken.size == text->size &&
	       agent->taken.from_copy == text->from_copy &&
	       memcmp(agent->taken.data, text->data, text->size) == 0;
}

static void note_act(struct agent *agent)
{
	memmove(agent->acted, agent->acted + 1, sizeof(agent->acted) - sizeof(agent->acted[0]));
	agent->acted[ACTS - 1] = clock_ms();
}

/* The text is the agent's from now on. */
static void take(struct agent *agent, const struct source *source, struct store_text *text)
{
	struct outcome outcome = {
		.state = "applied",
		.source = text->from_copy ? "copy" : "config.json",
		.problems = &agent->problems,
	};
	int r = take_text(text, &agent->facts, APPLY_LIVE, &agent->problems, &outcome.result);

	if (r < 0 && r != -EBADMSG) {
		(void)log_err(r, "config", "error=%s next=\"tried again with the next change\"",
			      log_errno(r));
		outcome.state = "failed";
	} else if (r == -EBADMSG) {
		outcome.state = "refused";
	} else {
		if (outcome.result.restarts > 0)
			note_act(agent);
		if (!text->from_copy && source_make_writable(source) == 0)
			(void)store_keep_copy(source->dir_fd, text); /* an older one is kept */
		r = lastgood_write(&agent->facts, text);
		if (r < 0)
			log_warn("config", "found=\"not kept for a boot with a bad one\" error=%s",
				 log_errno(r));
	}
	outcome_log(&outcome);
	outcome_store(&outcome);
	service_status("config.json is %s", outcome.state);
	store_text_done(&agent->taken);
	agent->taken = *text;
	*text = STORE_TEXT_NONE;
}

/* What is on trial, and what is to be done when its time is over: 1 when it was put back. */
static int mind_trial(struct agent *agent, const struct source *source)
{
	_confirm_ struct confirm confirm = {0};
	int r = confirm_read(source->dir_fd, &confirm);

	service_timer_stop(agent->trial_timer);
	if (r < 0)
		return 0;
	if (confirm.left_ms > 0)
		return service_timer_set(agent->trial_timer, confirm.left_ms);
	r = source_make_writable(source);
	if (r == 0)
		r = confirm_go_back(source->dir_fd, &confirm);
	if (r < 0)
		return log_err(r, "config",
			       "trial=\"not confirmed\" error=%s next=\"the next boot goes back\"",
			       log_errno(r));
	log_warn("config", "trial=\"not confirmed\" next=\"the settings before it hold again\"");
	return 1;
}

static void say_nothing_there(struct agent *agent, int r)
{
	bool missing = r == -ENOENT;
	struct outcome outcome = {.state = missing ? "missing" : "unreadable", .source = "none"};

	if (!agent->nothing_said)
		log_warn("config",
			 "found=\"%s config.json\" error=%s next=\"settings stay as they are\"",
			 missing ? "no" : "unreadable", log_errno(r));
	agent->nothing_said = true;
	/* So that it is taken again, and said to be, when it comes back as it was. */
	store_text_done(&agent->taken);
	outcome_store(&outcome);
	service_status("config.json is %s: settings stay as they are", outcome.state);
}

static void on_read(void *arg)
{
	_source_ struct source source = SOURCE_NONE;
	struct store_text text = STORE_TEXT_NONE;
	struct agent *agent = arg;
	int r = source_open(&agent->facts, &source);

	agent->changed_since = 0;
	if (r == 0) {
		(void)mind_trial(agent, &source); /* logged */
		r = store_read(source.dir_fd, &text);
		if (r == 0 && text.missing)
			r = -ENOENT;
	}
	if (r == -EAGAIN)
		look_in(agent, AGAIN_MS);
	else if (r < 0 && r != -EBADMSG)
		say_nothing_there(agent, r);
	else if (!is_taken(agent, &text))
		take(agent, &source, &text);
	if (r == 0)
		agent->nothing_said = false;
	store_text_done(&text);
}

/* --- The service ------------------------------------------------------------------------------ */

static void on_trial(void *arg)
{
	on_read(arg);
}

/* Looks at everything anew, whether or not the text is another one. */
static void on_reload(void *arg)
{
	struct agent *agent = arg;

	find_source(agent);
	store_text_done(&agent->taken);
	on_read(agent);
}

/* /proc/self/mountinfo can always be read; that it has changed is another event, which an epoll of
 * its own makes into one that a loop can wait for. */
static int watch_mounts(struct agent *agent)
{
	struct epoll_event event = {.events = EPOLLPRI};

	agent->mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	agent->mounts_epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (agent->mounts_fd < 0 || agent->mounts_epoll_fd < 0 ||
	    epoll_ctl(agent->mounts_epoll_fd, EPOLL_CTL_ADD, agent->mounts_fd, &event) < 0)
		return -errno;
	return service_add_fd(agent->service, agent->mounts_epoll_fd, on_mounts, agent);
}

static int start(struct agent *agent)
{
	int r;

	agent->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (agent->inotify_fd < 0)
		return -errno;
	r = service_new(on_reload, agent, &agent->service);
	if (r >= 0)
		r = service_add_timer(agent->service, on_read, agent, &agent->read_timer);
	if (r >= 0)
		r = service_add_timer(agent->service, on_trial, agent, &agent->trial_timer);
	if (r >= 0)
		r = service_add_timer(agent->service, on_mounts_timer, agent, &agent->mounts_timer);
	if (r >= 0)
		r = service_add_fd(agent->service, agent->inotify_fd, on_inotify, agent);
	return r < 0 ? r : watch_mounts(agent);
}

int agent_config_watch(void)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	int r;

	if (!agent)
		return 1;
	agent->inotify_fd = agent->watch = agent->mounts_fd = agent->mounts_epoll_fd = -1;
	r = start(agent);
	if (r >= 0) {
		find_source(agent);
		/* Ready before it is put into effect: a daemon that is slow holds no boot. */
		service_ready("Reading config.json");
		look_in(agent, 0);
		r = service_run(agent->service);
	}
	if (r < 0)
		log_line(LOG_ERROR, "config", "error=%s next=\"systemd starts the agent again\"",
			 log_errno(r));
	service_free(agent->service);
	close_p(&agent->inotify_fd);
	close_p(&agent->mounts_epoll_fd);
	close_p(&agent->mounts_fd);
	store_text_done(&agent->taken);
	free(agent);
	return r < 0 ? 1 : 0;
}

int agent_config(char **args)
{
	const char *boot_dir = args[0] ? startswith(args[0], "--boot=") : NULL;

	if (boot_dir) {
		source_force(boot_dir);
		args++;
	}
	if (!args[0])
		return agent_config_watch();
	if (streq(args[0], "boot") && !args[1])
		return agent_config_boot();
	if (streq(args[0], "undo") && !args[1])
		return agent_config_undo();
	(void)fprintf(stderr, "Usage: tugboot-agent config [--boot=DIR] [boot | undo]\n");
	return 2;
}
