/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.json and the files of the config agent, written by the agent's own code and read after a cut:
 * operations for record.c, and what check.c asks of each state.
 *
 *   op config write TAG SIZE     store_write(); a text of that size that the tag tells from others
 *   op config foreign TAG SIZE   as other programs: beside it, fsync, rename; then the agent's copy
 *   op config try TAG SIZE       on trial: a boot goes back
 *   op config confirm            what is on trial is kept
 *   op config back               what is on trial goes back
 *   op config plain TAG SIZE     in place, with no second copy: what must be found to lose a text
 *   op config apply N            plan number N put into effect, with the partition as root
 *
 * There are no daemons in this guest, nor anybody to be told: act_plan() is called and does nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply.h"
#include "apply_act.h"
#include "confirm.h"
#include "fd.h"
#include "file.h"
#include "paths.h"
#include "power.h"
#include "store.h"

#define PLANS 4
#define TEXT_MAX 8192

int act_plan(const struct plan *plan, unsigned facets, const char *root, enum apply_when when,
	     struct bus *bus, struct act_result *ret_result)
{
	(void)plan;
	(void)facets;
	(void)root;
	(void)when;
	(void)bus;
	*ret_result = (struct act_result){0};
	return 0;
}

void act_words(const struct plan_action *action, char *buf, size_t size)
{
	(void)action;
	(void)snprintf(buf, size, "nothing");
}

/* A JSON object of just size bytes; every sector of it has the tag. */
static void make_text(char tag, size_t size, char *buf)
{
	size_t n = (size_t)sprintf(buf, "{\"tag\":\"%c\",\"fill\":\"", tag);

	memset(buf + n, tag, size - n);
	memcpy(buf + size - 3, "\"}\n", 4);
}

/* "a:900" of the text of that tag and size, whatever white space is behind it. */
static void name_text(const char *data, size_t size, char *buf, size_t buf_size)
{
	static char expected[TEXT_MAX];
	const char *end = strstr(data, "}\n");
	size_t len = end ? (size_t)(end - data) + 2 : 0;

	if (len > 24 && len < TEXT_MAX && size - len == strspn(data + len, " ")) {
		make_text(data[8], len, expected);
		if (memcmp(data, expected, len) == 0) {
			(void)snprintf(buf, buf_size, "%c:%zu", data[8], len);
			return;
		}
	}
	(void)snprintf(buf, buf_size, size == 2 && memcmp(data, "{}", 2) == 0 ? "none" : "mixed");
}

/* --- Plans ------------------------------------------------------------------------------------ */

/* Of plan N: files that stay, change, come and go, one with something of the system's before it. */
static int make_plan(unsigned n, struct plan **ret_plan)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	char text[1500];
	int r = 0;

	if (!plan)
		return -ENOMEM;
	memset(text, (int)('0' + n), sizeof(text));
	text[sizeof(text) - 1] = '\0';
	if (n > 0) {
		r = plan_add_text(plan, FACET_NTP, 0644, "/etc/chrony/own.sources", "%s", text);
		if (r == 0)
			r = plan_add_text(plan, FACET_SSH, 0600, "/etc/ssh/fixed", "fixed");
		if (r == 0)
			r = plan_add_text(plan, FACET_HOSTNAME, 0644, "/etc/hostname", "%u", n);
		plan_restore_later(plan);
	}
	if (r == 0 && n == 2)
		r = plan_add_text(plan, FACET_UDEV, 0644, "/etc/udev/rules.d/56.rules", "%s", text);
	if (r == 0 && n == 3)
		r = plan_add_link(plan, FACET_JOURNAL, "/etc/systemd/wants/unit", "../unit");
	if (r < 0)
		plan_free(plan);
	else
		*ret_plan = plan;
	return r;
}

static const char *const watched[] = {
	"/etc/chrony/own.sources",    "/etc/ssh/fixed",		 "/etc/hostname",
	"/etc/udev/rules.d/56.rules", "/etc/systemd/wants/unit",
};

static int apply_number(unsigned n, unsigned *ret_failed)
{
	static const struct facts facts;
	static struct apply_result result;
	struct plan *plan;
	int r = make_plan(n, &plan);

	if (r < 0)
		return r;
	r = apply_plan(plan, &facts, ROOT, APPLY_BOOT, NULL, &result);
	plan_free(plan);
	*ret_failed = r == 0 ? result.failed : ~0u;
	return r;
}

/* What a file holds, in a letter or two; "-" for nothing. */
static void name_file(const char *path, char *buf, size_t size)
{
	char full[128], target[64];
	_free_ char *data = NULL;
	size_t len, same = 0;
	ssize_t n;

	(void)snprintf(full, sizeof(full), ROOT "%s", path);
	n = readlink(full, target, sizeof(target) - 1);
	if (n > 0) {
		(void)snprintf(buf, size, "link");
		return;
	}
	if (file_read(AT_FDCWD, full, TEXT_MAX, &data, &len) < 0) {
		(void)snprintf(buf, size, access(full, F_OK) == 0 ? "unreadable" : "-");
		return;
	}
	while (same < len && data[same] == data[0])
		same++;
	if (len == 1499 && same == len)
		(void)snprintf(buf, size, "%c", data[0]);
	else
		(void)snprintf(buf, size, "%.12s%s", data, len > 12 ? "+" : "");
}

static size_t name_files(char *buf, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(watched); i++) {
		char name[32];

		name_file(watched[i], name, sizeof(name));
		len += (size_t)snprintf(buf + len, size - len, "%s=%s\n", watched[i], name);
	}
	return len;
}

static void tell_plan(unsigned number, unsigned n)
{
	char text[16];

	(void)snprintf(text, sizeof(text), n ? "%u" : "-", n);
	say("EDIT %u /etc/chrony/own.sources=%s", number, text);
	say("EDIT %u /etc/ssh/fixed=%s", number, n ? "fixed" : "-");
	say("EDIT %u /etc/hostname=%s", number, n ? text : "theirs");
	say("EDIT %u /etc/udev/rules.d/56.rules=%s", number, n == 2 ? "2" : "-");
	say("EDIT %u /etc/systemd/wants/unit=%s", number, n == 3 ? "link" : "-");
}

/* --- Operations ------------------------------------------------------------------------------- */

static int write_foreign(int dir_fd, const char *text, size_t size)
{
	_close_ int fd =
		openat(dir_fd, "config.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	if (write(fd, text, size) != (ssize_t)size)
		return -EIO;
	if (fsync(fd) < 0 || renameat(dir_fd, "config.tmp", dir_fd, CONFIG_FILE) < 0)
		return -errno;
	return 0;
}

static int keep_copy(int dir_fd)
{
	struct store_text text = STORE_TEXT_NONE;
	int r = store_read(dir_fd, &text);

	if (r == 0)
		r = store_keep_copy(dir_fd, &text);
	store_text_done(&text);
	return r;
}

static int try(int dir_fd, const char *text, size_t size)
{
	struct store_text before = STORE_TEXT_NONE;
	int r = store_read(dir_fd, &before);

	if (r == 0)
		r = confirm_begin(dir_fd, &before, 60);
	if (r == 0)
		r = store_write(dir_fd, before.data, before.size, text, size);
	store_text_done(&before);
	return r;
}

static int back(int dir_fd)
{
	_confirm_ struct confirm confirm = {0};
	int r = confirm_read(dir_fd, &confirm);

	return r < 0 ? r : confirm_go_back(dir_fd, &confirm);
}

/* What `confirm` will make of it. */
static char tried[16];

static int config_op(int dir_fd, unsigned number, char **words, size_t n)
{
	static char text[TEXT_MAX];
	size_t size = n > 2 ? strtoul(words[2], NULL, 10) : 0;
	unsigned failed = 0;
	int r;

	if (streq(words[0], "apply") && n == 2) {
		tell_plan(number, (unsigned)atoi(words[1]));
		r = apply_number((unsigned)atoi(words[1]), &failed);
		return r == 0 && failed ? -EPROTO : r;
	}
	if (streq(words[0], "confirm")) {
		say("EDIT %u config=%s", number, tried);
		return confirm_end(dir_fd);
	}
	if (streq(words[0], "back"))
		return back(dir_fd);
	if (n != 3 || size < 40 || size >= TEXT_MAX)
		return -EINVAL;
	make_text(words[1][0], size, text);
	if (streq(words[0], "try")) {
		(void)snprintf(tried, sizeof(tried), "%c:%zu", words[1][0], size);
		return try(dir_fd, text, size);
	}
	say("EDIT %u config=%c:%zu", number, words[1][0], size);
	if (streq(words[0], "plain"))
		return file_rewrite(dir_fd, CONFIG_FILE, text, size);
	if (streq(words[0], "write"))
		return store_write(dir_fd, NULL, 0, text, size);
	r = streq(words[0], "foreign") ? write_foreign(dir_fd, text, size) : -EINVAL;
	return r < 0 ? r : keep_copy(dir_fd);
}

/* --- States ----------------------------------------------------------------------------------- */

/* What a boot takes: agent_config_boot.c's order. */
static void read_config(int dir_fd, char *buf, size_t size)
{
	struct store_text text = STORE_TEXT_NONE;
	_confirm_ struct confirm confirm = {0};
	int r = confirm_read(dir_fd, &confirm);

	if (r == 0 && confirm.left_ms == 0) {
		name_text(confirm.text, confirm.size, buf, size);
		return;
	}
	r = store_read(dir_fd, &text);
	if (r < 0)
		(void)snprintf(buf, size, "error%d", r);
	else
		name_text(text.data, text.size, buf, size);
	store_text_done(&text);
}

/* The next boot: what was cut is repaired, a text is written; 0, or where it failed. */
static int write_config(int dir_fd)
{
	static char text[TEXT_MAX];
	_confirm_ struct confirm confirm = {0};
	char name[32];
	int r = confirm_read(dir_fd, &confirm);

	r = r == 0 ? confirm_go_back(dir_fd, &confirm) : store_settle(dir_fd);
	if (r < 0)
		return r;
	make_text('z', 1200, text);
	r = store_write(dir_fd, NULL, 0, text, 1200);
	if (r < 0)
		return r;
	read_config(dir_fd, name, sizeof(name));
	return streq(name, "z:1200") ? 0 : -EBADMSG;
}

/* The next boot applies a plan; what was then found, and how it ended. */
static int apply_next(unsigned n, const char *expected)
{
	char text[512];
	unsigned failed;
	int r = apply_number(n, &failed);

	if (r == 0 && failed)
		r = -EPROTO;
	(void)name_files(text, sizeof(text));
	return r == 0 && !streq(text, expected) ? -EBADMSG : r;
}

/* None of ours any more: then all that we made is gone, or one with other files. */
static int write_files(void)
{
	static const char none[] = "/etc/chrony/own.sources=-\n/etc/ssh/fixed=-\n"
				   "/etc/hostname=theirs\n/etc/udev/rules.d/56.rules=-\n"
				   "/etc/systemd/wants/unit=-\n";
	static const char third[] = "/etc/chrony/own.sources=3\n/etc/ssh/fixed=fixed\n"
				    "/etc/hostname=3\n/etc/udev/rules.d/56.rules=-\n"
				    "/etc/systemd/wants/unit=link\n";
	static const char *const left[] = {"hostname"};
	int r = apply_next(0, none);

	if (r == 0)
		r = names_are(ROOT "/etc", left, 1);
	if (r == 0)
		r = apply_next(3, third);
	if (r == 0)
		r = apply_next(0, none);
	return r < 0 ? r : names_are(ROOT "/etc", left, 1);
}

static bool has_files(int dir_fd)
{
	return faccessat(dir_fd, "etc", F_OK, 0) == 0;
}

static void config_read(int dir_fd, char *buf, size_t size)
{
	char name[32];

	if (has_files(dir_fd)) {
		(void)name_files(buf, size);
		return;
	}
	read_config(dir_fd, name, sizeof(name));
	(void)snprintf(buf, size, "config=%s\n", name);
}

static int config_go_on(int dir_fd)
{
	return has_files(dir_fd) ? write_files() : write_config(dir_fd);
}

const struct keeper keep_config = {"config", config_op, config_read, config_go_on};
