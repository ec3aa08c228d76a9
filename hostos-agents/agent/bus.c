/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * D-Bus: see bus.h. Answers are hostile: every message is read with its types checked by sd-bus, and
 * what has another type is -EBADMSG. Owns the connection and what was subscribed on it.
 *
 * Calls are made without starting services: an agent asks daemons that run, and does not wake those
 * that somebody has stopped.
 */
#include "bus.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "bus_internal.h"
#include "clock.h"
#include "fd.h"

/* systemd(1) listens there for root, before there is a bus daemon. */
#define PRIVATE_SOCKET "unix:path=/run/systemd/private"
#define SIGNALS_MAX 64

static const struct bus_object systemd = {
	"org.freedesktop.systemd1",
	"/org/freedesktop/systemd1",
	"org.freedesktop.systemd1.Manager",
};

struct watch {
	bus_signal_fn *fn;
	void *arg;
	struct watch *next;
};

struct bus {
	sd_bus *sd;
	bool private;	 /* no bus daemon: systemd itself */
	bool subscribed; /* to systemd's signals */
	struct watch *watches;
};

sd_bus *bus_connection(struct bus *bus)
{
	return bus->sd;
}

static int open_private(sd_bus **ret_sd)
{
	sd_bus *sd = NULL;
	int r;

	r = sd_bus_new(&sd);
	if (r >= 0)
		r = sd_bus_set_address(sd, PRIVATE_SOCKET);
	if (r >= 0)
		r = sd_bus_start(sd);
	if (r < 0) {
		sd_bus_unref(sd);
		return r;
	}
	*ret_sd = sd;
	return 0;
}

int bus_open(struct bus **ret_bus)
{
	_free_ struct bus *bus = calloc(1, sizeof(*bus));
	int r;

	if (!bus)
		return -ENOMEM;
	r = sd_bus_open_system(&bus->sd);
	if (r < 0) {
		r = open_private(&bus->sd);
		bus->private = true;
	}
	if (r < 0)
		return r;
	*ret_bus = bus;
	bus = NULL;
	return 0;
}

void bus_close(struct bus *bus)
{
	struct watch *watch, *next;

	if (!bus)
		return;
	sd_bus_flush_close_unref(bus->sd);
	for (watch = bus->watches; watch; watch = next) {
		next = watch->next;
		free(watch);
	}
	free(bus);
}

/* Over systemd's own socket there is nobody else. */
static bool is_there(const struct bus *bus, const struct bus_object *object)
{
	return !bus->private || streq(object->service, systemd.service);
}

/* What the caller can tell apart. */
static int errno_of(int r, const sd_bus_error *error)
{
	static const struct {
		const char *name;
		int error;
	} known[] = {
		{SD_BUS_ERROR_SERVICE_UNKNOWN, ESRCH},
		{SD_BUS_ERROR_NAME_HAS_NO_OWNER, ESRCH},
		{SD_BUS_ERROR_NO_REPLY, ETIMEDOUT},
		{SD_BUS_ERROR_TIMEOUT, ETIMEDOUT},
		{"org.freedesktop.systemd1.NoSuchUnit", ENOENT},
		{"org.freedesktop.systemd1.LoadFailed", ENOENT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (sd_bus_error_has_name(error, known[i].name))
			return -known[i].error;
	return r;
}

static int call_message(struct bus *bus, sd_bus_message *message, unsigned timeout_ms,
			sd_bus_message **ret_reply)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	r = sd_bus_message_set_auto_start(message, false);
	if (r >= 0)
		r = sd_bus_call(bus->sd, message, (uint64_t)timeout_ms * 1000, &error, ret_reply);
	if (r < 0)
		r = errno_of(r, &error);
	sd_bus_error_free(&error);
	return r < 0 ? r : 0;
}

static int call_va(struct bus *bus, const struct bus_object *object, const char *method,
		   unsigned timeout_ms, const char *types, va_list ap, sd_bus_message **ret_reply)
{
	sd_bus_message *message = NULL;
	int r;

	if (!is_there(bus, object))
		return -ESRCH;
	r = sd_bus_message_new_method_call(bus->sd, &message, bus->private ? NULL : object->service,
					   object->path, object->interface, method);
	if (r >= 0 && types && *types)
		r = sd_bus_message_appendv(message, types, ap);
	if (r >= 0)
		r = call_message(bus, message, timeout_ms, ret_reply);
	sd_bus_message_unref(message);
	return r < 0 ? r : 0;
}

int bus_call(struct bus *bus, const struct bus_object *object, const char *method,
	     unsigned timeout_ms, const char *types, ...)
{
	sd_bus_message *reply = NULL;
	va_list ap;
	int r;

	va_start(ap, types);
	r = call_va(bus, object, method, timeout_ms, types, ap, &reply);
	va_end(ap);
	sd_bus_message_unref(reply);
	return r;
}

/* The string, or object path, that a message goes on with. */
static int read_text(sd_bus_message *message, char **ret_text)
{
	const char *text;
	char type, *copy;
	int r;

	r = sd_bus_message_peek_type(message, &type, NULL);
	if (r < 0)
		return r;
	if (r == 0 || (type != SD_BUS_TYPE_STRING && type != SD_BUS_TYPE_OBJECT_PATH))
		return -EBADMSG;
	r = sd_bus_message_read_basic(message, type, &text);
	if (r < 0)
		return r;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	*ret_text = copy;
	return 0;
}

int bus_call_text(struct bus *bus, const struct bus_object *object, const char *method,
		  unsigned timeout_ms, char **ret_text, const char *types, ...)
{
	sd_bus_message *reply = NULL;
	va_list ap;
	int r;

	va_start(ap, types);
	r = call_va(bus, object, method, timeout_ms, types, ap, &reply);
	va_end(ap);
	if (r == 0)
		r = read_text(reply, ret_text);
	sd_bus_message_unref(reply);
	return r;
}

/* A property's value: the reply stands before what is in the variant. */
static int get_property(struct bus *bus, const struct bus_object *object, const char *name,
			sd_bus_message **ret_reply, const char **ret_types)
{
	sd_bus_message *message = NULL, *reply = NULL;
	const char *types;
	char type;
	int r;

	if (!is_there(bus, object))
		return -ESRCH;
	r = sd_bus_message_new_method_call(bus->sd, &message, bus->private ? NULL : object->service,
					   object->path, "org.freedesktop.DBus.Properties", "Get");
	if (r >= 0)
		r = sd_bus_message_append(message, "ss", object->interface, name);
	if (r >= 0)
		r = call_message(bus, message, BUS_TIMEOUT_MS, &reply);
	sd_bus_message_unref(message);
	if (r >= 0)
		r = sd_bus_message_peek_type(reply, &type, &types);
	if (r >= 0 && (r == 0 || type != SD_BUS_TYPE_VARIANT))
		r = -EBADMSG;
	if (r >= 0)
		r = sd_bus_message_enter_container(reply, SD_BUS_TYPE_VARIANT, types);
	if (r < 0) {
		sd_bus_message_unref(reply);
		return r;
	}
	*ret_reply = reply;
	*ret_types = types;
	return 0;
}

int bus_get_text(struct bus *bus, const struct bus_object *object, const char *name,
		 char **ret_text)
{
	sd_bus_message *reply;
	const char *types;
	int r;

	r = get_property(bus, object, name, &reply, &types);
	if (r < 0)
		return r;
	r = read_text(reply, ret_text);
	sd_bus_message_unref(reply);
	return r;
}

static int read_number(sd_bus_message *message, char type, uint64_t *ret_number)
{
	union {
		uint8_t y;
		int b;
		int16_t n;
		uint16_t q;
		int32_t i;
		uint32_t u;
		int64_t x;
		uint64_t t;
	} v = {0};
	int r;

	if (!memchr("ybnqiuxt", type, 8))
		return -EBADMSG;
	r = sd_bus_message_read_basic(message, type, &v);
	if (r < 0)
		return r;
	switch (type) {
	case 'y':
		*ret_number = v.y;
		break;
	case 'b':
		*ret_number = v.b != 0;
		break;
	case 'n':
		*ret_number = (uint64_t)v.n;
		break;
	case 'q':
		*ret_number = v.q;
		break;
	case 'i':
		*ret_number = (uint64_t)v.i;
		break;
	case 'u':
		*ret_number = v.u;
		break;
	default: /* x, t */
		*ret_number = v.t;
		break;
	}
	return 0;
}

int bus_get_number(struct bus *bus, const struct bus_object *object, const char *name,
		   uint64_t *ret_number)
{
	sd_bus_message *reply;
	const char *types;
	int r;

	r = get_property(bus, object, name, &reply, &types);
	if (r < 0)
		return r;
	r = read_number(reply, types[0], ret_number);
	sd_bus_message_unref(reply);
	return r;
}

void bus_list_free(char **list)
{
	for (char **item = list; item && *item; item++)
		free(*item);
	free(list);
}

static void bus_list_freep(char ***list)
{
	bus_list_free(*list);
}

static int read_list(sd_bus_message *message, const char *types, char ***ret_list)
{
	_cleanup_(bus_list_freep) char **list = calloc(1, sizeof(*list));
	size_t n = 0;
	int r;

	if (!list)
		return -ENOMEM;
	if (!streq(types, "as") && !streq(types, "ao"))
		return -EBADMSG;
	r = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, types + 1);
	if (r < 0)
		return r;
	for (;;) {
		char **more;

		r = sd_bus_message_at_end(message, false);
		if (r < 0)
			return r;
		if (r > 0)
			break;
		more = reallocarray(list, n + 2, sizeof(*list));
		if (!more)
			return -ENOMEM;
		list = more;
		list[n + 1] = NULL;
		r = read_text(message, &list[n]);
		if (r < 0) {
			list[n] = NULL;
			return r;
		}
		n++;
	}
	*ret_list = list;
	list = NULL;
	return 0;
}

int bus_get_list(struct bus *bus, const struct bus_object *object, const char *name,
		 char ***ret_list)
{
	sd_bus_message *reply;
	const char *types;
	int r;

	r = get_property(bus, object, name, &reply, &types);
	if (r < 0)
		return r;
	r = read_list(reply, types, ret_list);
	sd_bus_message_unref(reply);
	return r;
}

static int on_signal(sd_bus_message *message, void *arg, sd_bus_error *error)
{
	const struct watch *watch = arg;
	const char *path = sd_bus_message_get_path(message);
	const char *interface = sd_bus_message_get_interface(message);
	const char *member = sd_bus_message_get_member(message);

	(void)error; /* nobody waits for an answer to a signal */
	watch->fn(watch->arg, path ? path : "", interface ? interface : "", member ? member : "");
	return 0;
}

int bus_watch(struct bus *bus, const struct bus_object *object, const char *member,
	      bus_signal_fn *fn, void *arg)
{
	struct watch *watch;
	int r;

	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	watch->fn = fn;
	watch->arg = arg;
	/* Synchronously: when this returns, the bus daemon has the match. */
	r = sd_bus_match_signal(bus->sd, NULL, bus->private ? NULL : object->service, object->path,
				object->interface, member, on_signal, watch);
	if (r < 0) {
		free(watch);
		return r;
	}
	watch->next = bus->watches;
	bus->watches = watch;
	return 0;
}

int bus_process(struct bus *bus, unsigned timeout_ms)
{
	uint64_t deadline = clock_ms() + timeout_ms;
	bool any = false;

	for (;;) {
		uint64_t now;
		int r = sd_bus_process(bus->sd, NULL);

		if (r < 0)
			return r;
		if (r > 0) {
			any = true;
			continue;
		}
		now = clock_ms();
		if (any || now >= deadline)
			return any;
		r = sd_bus_wait(bus->sd, (deadline - now) * 1000);
		if (r < 0 && r != -EINTR)
			return r;
	}
}

/* --- systemd's units --- */

struct job {
	char *path;	  /* NULL until it is known */
	int result;	  /* 0 while it runs, 1 done, negative errno */
	unsigned removed; /* jobs that ended before we knew which one is ours */
	struct {
		char path[64];
		int result;
	} early[SIGNALS_MAX];
};

static int job_result(const char *text)
{
	if (streq(text, "done") || streq(text, "skipped"))
		return 1;
	return streq(text, "timeout") ? -ETIMEDOUT : -EIO;
}

static int on_job_removed(sd_bus_message *message, void *arg, sd_bus_error *error)
{
	struct job *job = arg;
	const char *path, *unit, *result;
	uint32_t id;

	(void)error; /* nobody waits for an answer to a signal */
	if (sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	if (job->path) {
		if (streq(job->path, path))
			job->result = job_result(result);
	} else if (strlen(path) < sizeof(job->early[0].path)) {
		/* The oldest go: ours was queued after them. */
		unsigned i = job->removed++ % SIGNALS_MAX;

		strcpy(job->early[i].path, path);
		job->early[i].result = job_result(result);
	}
	return 0;
}

static int job_wait(struct bus *bus, struct job *job, uint64_t deadline)
{
	for (unsigned i = 0; i < job->removed && i < SIGNALS_MAX; i++)
		if (streq(job->early[i].path, job->path))
			job->result = job->early[i].result;
	while (job->result == 0) {
		uint64_t now = clock_ms();
		int r;

		if (now >= deadline)
			return -ETIMEDOUT;
		r = bus_process(bus, (unsigned)(deadline - now));
		if (r < 0)
			return r;
	}
	return job->result < 0 ? job->result : 0;
}

int bus_unit(struct bus *bus, enum unit_verb verb, const char *unit, unsigned timeout_ms)
{
	static const char *const methods[] = {
		[UNIT_START] = "StartUnit",
		[UNIT_STOP] = "StopUnit",
		[UNIT_STOP_ALONE] = "StopUnit",
		[UNIT_TRY_RESTART] = "TryRestartUnit",
		[UNIT_RELOAD_OR_TRY_RESTART] = "ReloadOrTryRestartUnit",
		[UNIT_RESTART] = "RestartUnit",
	};
	uint64_t deadline = clock_ms() + timeout_ms;
	sd_bus_slot *slot = NULL;
	struct job job = {0};
	int r;

	if (!bus->subscribed) {
		r = bus_call(bus, &systemd, "Subscribe", timeout_ms, "");
		if (r < 0)
			return r;
		bus->subscribed = true;
	}
	/* Before the job is queued, so that its end is not missed. */
	r = sd_bus_match_signal(bus->sd, &slot, bus->private ? NULL : systemd.service, systemd.path,
				systemd.interface, "JobRemoved", on_job_removed, &job);
	if (r >= 0)
		r = bus_call_text(bus, &systemd, methods[verb], timeout_ms, &job.path, "ss", unit,
				  verb == UNIT_STOP_ALONE ? "ignore-requirements" : "replace");
	if (r >= 0)
		r = job_wait(bus, &job, deadline);
	sd_bus_slot_unref(slot);
	free(job.path);
	return r;
}

int bus_unit_state(struct bus *bus, const char *unit, char *buf, size_t size)
{
	struct bus_object object = {systemd.service, NULL, "org.freedesktop.systemd1.Unit"};
	_free_ char *path = NULL, *state = NULL;
	int r;

	r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path);
	if (r < 0)
		return r;
	object.path = path;
	r = bus_get_text(bus, &object, "ActiveState", &state);
	if (r < 0)
		return r;
	if (strlen(state) >= size)
		return -EBADMSG;
	strcpy(buf, state);
	return 0;
}

int bus_unit_kill(struct bus *bus, const char *unit, int signal)
{
	return bus_call(bus, &systemd, "KillUnit", BUS_TIMEOUT_MS, "ssi", unit, "main", signal);
}

int bus_manager_reload(struct bus *bus)
{
	return bus_call(bus, &systemd, "Reload", 3 * BUS_TIMEOUT_MS, "");
}
