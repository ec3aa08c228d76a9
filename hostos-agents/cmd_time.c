/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot time status`: where the time comes from, how far it is trusted and how far it is off.
 * From the status files of the time agent, the saved time, chronyd (for root) and the kernel; what
 * is not there is said, so it works without the agent. Field names of --json are an interface,
 * documented in tugboot(1).
 */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

#include "chronyctl.h"
#include "facts.h"
#include "fd.h"
#include "sysclock.h"
#include "timepolicy.h"
#include "timestep.h"
#include "timestore.h"
#include "timeverbs.h"
#include "tugboot.h"

#define VALUE_MAX 320

struct time_status {
	bool agent; /* it has said something in this boot */
	char source[VALUE_MAX], trust[VALUE_MAX], https[VALUE_MAX], refused[VALUE_MAX];
	bool synced;  /* by what the agent says, else by what the kernel does */
	int chrony_r; /* 0: chrony is chronyd's */
	struct chrony_view chrony;
	struct time_floors floors;
	struct savedtime saved;
	int saved_r;
	int64_t now, rtc; /* TIME_NONE: no RTC that can be read */
	char keeper[64];  /* what keeps the clock, in words */
};

static void take(const char *text, const char *key, char buf[static VALUE_MAX])
{
	if (!text || timestore_value(text, key, buf, VALUE_MAX) < 0)
		(void)snprintf(buf, VALUE_MAX, "unknown");
}

/* Who is there to keep the clock, by what is installed and by who answers. */
static void name_keeper(struct time_status *status)
{
	struct facts facts = {0};

	if (status->chrony_r >= 0) {
		(void)snprintf(status->keeper, sizeof(status->keeper), "chronyd");
		return;
	}
	if (status->chrony_r == -EACCES || status->chrony_r == -EPERM) {
		(void)snprintf(status->keeper, sizeof(status->keeper),
			       "chronyd (root is told more)");
		return;
	}
	(void)facts_read(&facts); /* nothing installed, then */
	if (access("/run/systemd/timesync/synchronized", F_OK) == 0 ||
	    (facts.timesyncd && !facts.chrony))
		(void)snprintf(status->keeper, sizeof(status->keeper),
			       "systemd-timesyncd, which this agent does not watch");
	else if (facts.chrony)
		(void)snprintf(status->keeper, sizeof(status->keeper),
			       "chronyd, which does not run");
	else
		(void)snprintf(status->keeper, sizeof(status->keeper), "%s",
			       sysclock_is_synced() ? "a program that is not known here"
						    : "nothing");
}

static void ask_chronyd(struct time_status *status)
{
	_chronyctl_ struct chronyctl ctl = CHRONYCTL_NONE;

	status->chrony_r = chronyctl_open(&ctl);
	if (status->chrony_r >= 0)
		status->chrony_r = chronyctl_view(&ctl, &status->chrony);
}

static void read_status(struct time_status *status)
{
	_free_ char *text = NULL, *boot = NULL;
	char synced[VALUE_MAX];

	status->agent = timestore_status_read(TIME_STATUS, &text) >= 0;
	if (timestore_status_read(TIME_STATUS_BOOT, &boot) < 0)
		boot = NULL;
	take(status->agent ? text : boot, "source", status->source);
	take(text, "trust", status->trust);
	take(text, "https", status->https);
	take(text, "refused", status->refused);
	take(text, "synced", synced);
	status->synced = status->agent ? streq(synced, "yes") : sysclock_is_synced();
	status->saved_r = timestore_load(timestore_dir(), &status->saved);
	status->floors =
		(struct time_floors){timestore_build(), status->saved.proven, status->saved.synced};
	status->now = sysclock_now();
	if (rtc_read(&status->rtc) < 0)
		status->rtc = TIME_NONE;
	ask_chronyd(status);
	name_keeper(status);
}

/* Seconds by which the clock is ahead of the source that chronyd has chosen. */
static bool offset_of(const struct time_status *status, double *ret_offset)
{
	if (status->chrony_r < 0 || !status->chrony.has_selected)
		return false;
	*ret_offset = chrony_view_is_synced(&status->chrony) ? -status->chrony.tracking.correction
							     : status->chrony.selected.offset;
	return true;
}

static void print_line(const char *label, const char *text)
{
	printf("%-15s %s\n", label, text);
}

static void print_text(const struct time_status *status)
{
	char text[TIME_TEXT_MAX];
	double offset;

	print_line("Clock:", time_text(status->now, text));
	print_line("Source:", status->source);
	print_line("Trust:", status->trust);
	print_line("Synchronised:", status->synced ? "yes" : "no");
	print_line("Kept by:", status->keeper);
	if (offset_of(status, &offset))
		printf("%-15s %+.6f s%s\n", "Offset:", offset,
		       status->chrony.authenticated ? ", by an authenticated source" : "");
	print_line("HTTPS:", status->https);
	print_line("Refused last:", status->refused);
	print_line("Build time:", time_text(status->floors.build, text));
	print_line("Proven:", time_text(status->floors.proven, text));
	print_line("Under NTP:", time_text(status->floors.synced, text));
	print_line("Not below:", time_text(time_floor_hard(&status->floors), text));
	print_line("Not beyond:", time_text(time_ceiling(&status->floors), text));
	print_line("Saved time:", status->saved_r == -EBADMSG
					  ? "not believed: torn, or not ours"
					  : time_text(status->saved.time, text));
	print_line("RTC:", time_text(status->rtc, text));
	if (!status->agent)
		print_line("", "The time agent (tugboot-time.service) has said nothing.");
}

static void add(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

static void add_time(struct json_object *object, const char *key, int64_t time)
{
	char text[TIME_TEXT_MAX];

	json_object_object_add(object, key,
			       time == TIME_NONE ? NULL
						 : json_object_new_string(time_text(time, text)));
}

static void print_json(const struct time_status *status)
{
	struct json_object *object = json_object_new_object();
	double offset;

	add_time(object, "clock", status->now);
	add(object, "source", status->source);
	add(object, "trust", status->trust);
	json_object_object_add(object, "synchronised", json_object_new_boolean(status->synced));
	add(object, "kept_by", status->keeper);
	json_object_object_add(object, "offset",
			       offset_of(status, &offset) ? json_object_new_double(offset) : NULL);
	add(object, "https", status->https);
	add(object, "refused", status->refused);
	add_time(object, "build", status->floors.build);
	add_time(object, "proven", status->floors.proven);
	add_time(object, "under_ntp", status->floors.synced);
	add_time(object, "floor", time_floor_hard(&status->floors));
	add_time(object, "ceiling", time_ceiling(&status->floors));
	add_time(object, "saved", status->saved.time);
	json_object_object_add(object, "saved_is_good",
			       json_object_new_boolean(status->saved_r != -EBADMSG));
	add_time(object, "rtc", status->rtc);
	json_object_object_add(object, "agent", json_object_new_boolean(status->agent));
	printf("%s\n", json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY));
	(void)json_object_put(object); /* it was the last reference */
}

enum result cmd_time_status(const struct options *options, char **args)
{
	struct time_status status = {0};

	(void)args; /* takes none */
	read_status(&status);
	if (options->json)
		print_json(&status);
	else
		print_text(&status);
	return RESULT_OK;
}
