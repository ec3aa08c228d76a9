/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any text as config.json, and what would be made of it on some system. Input: a byte that says
 * which daemons the system has; the rest is the text.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "must.h"
#include "paths.h"
#include "plan.h"
#include "settings.h"
#include "sshkey.h"
#include "upstream.h"
#include "valid.h"

/* Every place where a file may be planned, and the lines that may stand there, by their beginnings
 * (NULL: see below). What a value could inject would be another file, or another line. */
static const struct {
	const char *path;
	const char *lines[12];
} files[] = {
	{"/etc/hostname", {NULL}},
	{CHRONY_SOURCES, {"server ", "pool "}},
	{CHRONY_DEFAULT_SOURCES, {"pool "}},
	{"/etc/systemd/timesyncd.conf.d/tugboot.conf", {"[Time]", "NTP=", "FallbackNTP="}},
	{"/run/NetworkManager/conf.d/90-tugboot.conf",
	 {"[device]", "wifi.scan-rand-mac-address=", "[connectivity]", "enabled=", "uri=http",
	  "interval=", "response="}},
	{"/run/systemd/resolved.conf.d/90-tugboot.conf",
	 {"[Resolve]", "DNS=", "FallbackDNS=", "Domains="}},
	{NETWORK_SETTINGS, {"country=", "connectivity_", "random_mac_scan="}},
	{UPSTREAM_OWN, {"server=", UPSTREAM_MARK}},
	{TIME_SETTINGS, {"connectivity_"}},
	{"/etc/systemd/journald.conf.d/90-tugboot.conf", {"[Journal]", "Storage="}},
};

static bool begins(const char *line, const char *const *with)
{
	for (size_t i = 0; i < 12 && with[i]; i++)
		if (startswith(line, with[i]))
			return true;
	return false;
}

/* The lines of a file of ours are ours; each section stands there once. */
static void check_lines(const struct plan_file *file, const char *const *with)
{
	unsigned sections = 0;

	for (const char *line = file->data; line < file->data + file->size;) {
		const char *end = memchr(line, '\n', file->size - (size_t)(line - file->data));

		MUST(end);
		MUST(valid_line(slice_of(line, (size_t)(end - line))));
		MUST(begins(line, with));
		sections += line[0] == '[';
		line = end + 1;
	}
	MUST(sections <= 2);
}

static void check_file(const struct plan_file *file)
{
	const char *rule = startswith(file->path, "/etc/udev/rules.d/");

	MUST(file->facet < FACETS && plan_path_allowed(file->path));
	MUST(!strstr(file->path, "..") && valid_line(slice_str(file->path)));
	MUST(!file->data == (file->link != NULL));
	if (!file->data)
		return;
	MUST(!memchr(file->data, '\0', file->size) && file->data[file->size] == '\0');
	MUST((file->mode & ~(mode_t)0644) == 0);
	if (rule) {
		MUST(!strchr(rule, '/') && endswith(rule, ".rules"));
		MUST(valid_rules(slice_of(file->data, file->size)));
		return;
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (streq(files[i].path, file->path) && files[i].lines[0])
			check_lines(file, files[i].lines);
	if (streq(file->path, "/etc/hostname"))
		MUST(file->size > 1 && file->data[file->size - 1] == '\n' &&
		     valid_hostname(slice_of(file->data, file->size - 1)));
	if (endswith(file->path, "/authorized_keys"))
		for (const char *line = file->data, *end; *line; line = end + 1) {
			struct slice key;
			const char *why;

			end = strchr(line, '\n');
			MUST(end &&
			     sshkey_parse(slice_of(line, (size_t)(end - line)), &key, &why) == 0);
		}
}

/* Where files are beside those of rules: nowhere else than without any key at all. */
static void check_paths(const struct plan *plan)
{
	static const char *const places[] = {
		"/etc/hostname",
		"/etc/resolv.conf",
		"/etc/chrony/sources.d/tugboot",
		"/etc/udev/rules.d/",
		"/etc/systemd/",
		"/etc/pam.d/tugboot-sshd",
		"/run/tugboot/",
		"/run/systemd/",
		"/run/NetworkManager/conf.d/90-tugboot.conf",
		"/usr/local/share/ca-certificates/balenaRootCA.crt",
	};

	for (size_t i = 0; i < plan->files; i++) {
		bool known = false;

		for (size_t j = 0; j < sizeof(places) / sizeof(places[0]); j++)
			known = known || startswith(plan->file[i].path, places[j]);
		MUST(known);
		check_file(&plan->file[i]);
		for (size_t j = 0; j < i; j++)
			MUST(!streq(plan->file[i].path, plan->file[j].path));
	}
	for (size_t i = 0; i < plan->actions; i++) {
		MUST(plan->action[i].verb < PLAN_VERBS && plan->action[i].facet < FACETS);
		if (plan->action[i].verb == PLAN_SET_HOSTNAME && plan->action[i].unit)
			MUST(valid_hostname(slice_str(plan->action[i].unit)));
	}
}

static void check_problems(const struct config_problems *problems)
{
	char words[sizeof(struct config_problem) + 64];
	size_t n =
		problems->problems < CONFIG_PROBLEMS_MAX ? problems->problems : CONFIG_PROBLEMS_MAX;

	MUST(n > 0);
	for (size_t i = 0; i < n; i++) {
		const struct config_problem *p = &problems->problem[i];

		MUST(memchr(p->key, '\0', sizeof(p->key)));
		MUST(memchr(p->expected, '\0', sizeof(p->expected)) && p->expected[0]);
		MUST(memchr(p->found, '\0', sizeof(p->found)) && p->found[0]);
		config_problem_words(p, words, sizeof(words));
		/* One line of the log. */
		for (const char *c = words; *c; c++)
			MUST((unsigned char)*c >= ' ' && *c != 0x7f);
	}
}

static void check_settings(const struct plan *plan)
{
	for (size_t i = 0; i < plan->files; i++) {
		_settings_ struct settings settings = SETTINGS_NONE;

		if (endswith(plan->file[i].path, ".settings"))
			MUST(settings_parse(plan->file[i].data, plan->file[i].size, &settings) ==
			     0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	static struct config_problems problems;
	_config_ struct config *config = NULL;
	_plan_ struct plan *plan = NULL;
	struct facts facts = {.state_dir = "/mnt/state/tugboot", .data_dir = "/mnt/data/tugboot"};
	int r;

	if (input_size == 0)
		return 0;
	facts.network_manager = input[0] & 1;
	facts.networkd = !facts.network_manager;
	facts.resolved = input[0] & 2;
	facts.dnsmasq = !(input[0] & 4);
	facts.chrony = !(input[0] & 8);
	facts.timesyncd = facts.avahi = facts.sshd = !(input[0] & 16);
	if (!(input[0] & 32))
		strcpy(facts.engine_socket, "/run/docker.sock");
	r = config_parse((const char *)input + 1, input_size - 1, &config, &problems);
	if (r < 0) {
		MUST(r == -EBADMSG && !config);
		check_problems(&problems);
		return 0;
	}
	MUST(problems.problems == 0);
	MUST(!config->hostname[0] || valid_hostname(slice_str(config->hostname)));
	for (size_t i = 0; i < config->installer.target_devices.items; i++)
		MUST(valid_device(slice_str(config->installer.target_devices.item[i])));
	MUST(plan_make(config, &facts, &plan) == 0);
	check_paths(plan);
	check_settings(plan);
	return 0;
}
