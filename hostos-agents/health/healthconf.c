/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings of the health agent: see healthconf.h. Texts are hostile; only directories that root alone
 * can change are read. */
#include "healthconf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "fd.h"
#include "file.h"
#include "line.h"
#include "log.h"

#define SECONDS_MAX (24u * 60 * 60)

struct healthconf healthconf_defaults(void)
{
	return (struct healthconf){
		.settle = 60,
		.interval = 10,
		.timeout = 900,
		.command_timeout = 60,
		.hook_timeout = 120,
		.reboot_timeout = 180,
		.network = true,
		.engine = HEALTHCONF_ENGINE_AUTO,
	};
}

bool healthconf_unit_valid(const char *name)
{
	size_t len = strlen(name);
	const char *dot = strrchr(name, '.');

	if (len == 0 || len >= HEALTHCONF_UNIT_MAX || !dot || dot == name || !dot[1])
		return false;
	for (const char *p = name; *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		      (*p >= '0' && *p <= '9') || strchr(":-_.\\@", *p)))
			return false;
	return true;
}

/* Copies a piece that fits, without NULs. */
static bool copy_text(struct slice text, char *buf, size_t size)
{
	if (text.len >= size || memchr(text.data, '\0', text.len))
		return false;
	memcpy(buf, text.data, text.len);
	buf[text.len] = '\0';
	return true;
}

static const char *take_seconds(struct slice value, unsigned min, unsigned *ret_seconds)
{
	unsigned n = 0;

	if (value.len == 0 || value.len > 5)
		return "a number of seconds up to 86400";
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] < '0' || value.data[i] > '9')
			return "a number of seconds up to 86400";
		n = n * 10 + (unsigned)(value.data[i] - '0');
	}
	if (n < min || n > SECONDS_MAX)
		return "a number of seconds from 1 to 86400";
	*ret_seconds = n;
	return NULL;
}

static const char *take_units(struct slice value, struct healthconf *conf)
{
	char name[HEALTHCONF_UNIT_MAX];
	struct slice word;

	if (value.len == 0)
		conf->units = 0;
	while (line_word(&value, 0, &word)) {
		if (!copy_text(word, name, sizeof(name)) || !healthconf_unit_valid(name))
			return "names of units, as dbus.service";
		if (conf->units == HEALTHCONF_UNITS_MAX)
			return "at most 24 units";
		strcpy(conf->unit[conf->units++], name);
	}
	return NULL;
}

static const char *take_engine(struct slice value, struct healthconf *conf)
{
	char socket[sizeof(conf->engine_socket)];

	if (slice_is(value, "auto")) {
		conf->engine = HEALTHCONF_ENGINE_AUTO;
	} else if (slice_is(value, "no")) {
		conf->engine = HEALTHCONF_ENGINE_NO;
	} else if (value.len > 0 && value.data[0] == '/' &&
		   copy_text(value, socket, sizeof(socket))) {
		conf->engine = HEALTHCONF_ENGINE_SOCKET;
		strcpy(conf->engine_socket, socket);
	} else {
		return "auto, no, or the path of a socket";
	}
	return NULL;
}

static const char *take_engine_unit(struct slice value, struct healthconf *conf)
{
	char unit[HEALTHCONF_UNIT_MAX];

	if (!copy_text(value, unit, sizeof(unit)) || !healthconf_unit_valid(unit))
		return "the name of a unit, as docker.service";
	strcpy(conf->engine_unit, unit);
	return NULL;
}

static const char *take_bool(struct slice value, bool *ret_value)
{
	if (!slice_is(value, "yes") && !slice_is(value, "no"))
		return "yes or no";
	*ret_value = slice_is(value, "yes");
	return NULL;
}

/* NULL, or what was expected. */
static const char *take_line(struct slice key, struct slice value, struct healthconf *conf)
{
	const struct {
		const char *key;
		unsigned *seconds, min;
	} numbers[] = {
		{"Settle", &conf->settle, 0},
		{"Interval", &conf->interval, 1},
		{"Timeout", &conf->timeout, 1},
		{"CommandTimeout", &conf->command_timeout, 1},
		{"HookTimeout", &conf->hook_timeout, 1},
		{"RebootTimeout", &conf->reboot_timeout, 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (slice_is(key, numbers[i].key))
			return take_seconds(value, numbers[i].min, numbers[i].seconds);
	if (slice_is(key, "Units"))
		return take_units(value, conf);
	if (slice_is(key, "Network"))
		return take_bool(value, &conf->network);
	if (slice_is(key, "Engine"))
		return take_engine(value, conf);
	if (slice_is(key, "EngineUnit"))
		return take_engine_unit(value, conf);
	return "a key of this version (tugboot-agent(8))";
}

static struct slice trimmed(struct slice s)
{
	while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = slice_from(s, 1);
	while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

void healthconf_parse(const char *text, size_t size, struct healthconf *conf,
		      healthconf_problem_fn *fn, void *arg)
{
	struct slice all = slice_of(text, size), line;
	unsigned number = 0;
	size_t pos = 0;

	while (line_next(all, &pos, &line)) {
		const char *equals, *expected;

		number++;
		if (line.len == 0 || line.data[0] == '#')
			continue;
		equals = memchr(line.data, '=', line.len);
		if (!equals) {
			expected = "Key=value";
		} else {
			size_t at = (size_t)(equals - line.data);

			expected = take_line(trimmed(slice_of(line.data, at)),
					     trimmed(slice_from(line, at + 1)), conf);
		}
		if (expected && fn)
			fn(arg, number, expected);
	}
}

static void say_problem(void *arg, unsigned line, const char *expected)
{
	const char *path = arg;

	log_warn("health-conf", "file=%s line=%u expected=%s next=passed-over", log_quote(path),
		 line, log_quote(expected));
}

static void load_file(const char *path, struct healthconf *conf)
{
	_free_ char *text = NULL;
	char shown[512];
	size_t size;
	int r;

	r = file_read(AT_FDCWD, path, HEALTHCONF_MAX, &text, &size);
	if (r == -ENOENT)
		return;
	if (r < 0) {
		log_warn("health-conf", "file=%s error=%s next=passed-over", log_quote(path),
			 log_errno(r));
		return;
	}
	(void)snprintf(shown, sizeof(shown), "%s", path);
	healthconf_parse(text, size, conf, say_problem, shown);
}

static int is_conf(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && endswith(entry->d_name, ".conf");
}

static void load_directory(const char *dir, struct healthconf *conf)
{
	struct dirent **entries = NULL;
	int n = scandir(dir, &entries, is_conf, alphasort);

	for (int i = 0; i < n; i++) {
		char path[512];

		(void)snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		load_file(path, conf);
		free(entries[i]);
	}
	free(entries);
}

void healthconf_load(struct healthconf *ret_conf)
{
	struct healthconf conf = healthconf_defaults();

	load_directory("/usr/lib/tugboot/health.conf.d", &conf);
	load_file("/etc/tugboot/health.conf", &conf);
	load_directory("/etc/tugboot/health.conf.d", &conf);
	*ret_conf = conf;
}
