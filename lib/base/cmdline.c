/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel command lines. Every part is hostile text; the bounds are those of the strings themselves.
 */
#include "cmdline.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "macro.h"

#define PANIC_SECONDS "10"

/* The kernel's isspace() in these bytes. */
static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == '\xa0';
}

bool cmdline_next(const char *line, size_t *pos, struct cmdline_arg *ret_arg)
{
	const char *start, *end, *equals = NULL;
	struct cmdline_arg arg = {0};
	bool quote = false, unquoted = false;

	while (is_space(line[*pos]))
		(*pos)++;
	start = line + *pos;
	if (!*start)
		return false;

	arg.text = start;
	arg.key = *start == '"' ? start + 1 : start;
	for (end = start; *end && (quote || !is_space(*end)); end++) {
		if (*end == '"')
			quote = !quote;
		else if (*end == '=' && !equals && end > arg.key)
			equals = end;
	}
	*pos = (size_t)(end - line);
	arg.len = (size_t)(end - start);

	/* One closing quote goes: that of the value, else that of the whole parameter. */
	if (equals) {
		arg.key_len = (size_t)(equals - arg.key);
		arg.value = equals + 1;
		if (arg.value < end && *arg.value == '"') {
			arg.value++;
			unquoted = true;
		}
	}
	if ((unquoted || *start == '"') && end > (equals ? arg.value : arg.key) && end[-1] == '"')
		end--;
	if (equals)
		arg.value_len = (size_t)(end - arg.value);
	else
		arg.key_len = (size_t)(end - arg.key);
	*ret_arg = arg;
	return true;
}

static char fold_dash(char c)
{
	return c == '-' ? '_' : c;
}

static bool key_starts(const struct cmdline_arg *arg, const char *prefix)
{
	size_t i;

	for (i = 0; prefix[i]; i++)
		if (i >= arg->key_len || fold_dash(arg->key[i]) != fold_dash(prefix[i]))
			return false;
	return true;
}

bool cmdline_key_is(const struct cmdline_arg *arg, const char *key)
{
	return arg->key_len == strlen(key) && key_starts(arg, key);
}

bool cmdline_is_end_mark(const struct cmdline_arg *arg)
{
	return !arg->value && arg->key_len == 2 && memcmp(arg->key, "--", 2) == 0;
}

static bool find_last(const char *line, const char *key, struct cmdline_arg *ret_arg)
{
	struct cmdline_arg arg;
	bool found = false;
	size_t pos = 0;

	while (cmdline_next(line, &pos, &arg) && !cmdline_is_end_mark(&arg))
		if (cmdline_key_is(&arg, key)) {
			*ret_arg = arg;
			found = true;
		}
	return found;
}

bool cmdline_has(const char *line, const char *key)
{
	struct cmdline_arg arg;

	return find_last(line, key, &arg);
}

int cmdline_get(const char *line, const char *key, char *buf, size_t buf_size)
{
	struct cmdline_arg arg;

	if (!find_last(line, key, &arg) || !arg.value)
		return -ENOENT;
	if (arg.value_len >= buf_size)
		return -ENOBUFS;
	memcpy(buf, arg.value, arg.value_len);
	buf[arg.value_len] = '\0';
	return (int)arg.value_len;
}

unsigned cmdline_get_number(const char *line, const char *key, unsigned fallback, unsigned max)
{
	char buf[12];
	unsigned n = 0;
	int len = cmdline_get(line, key, buf, sizeof(buf));

	if (len <= 0 || len > 9)
		return fallback;
	for (const char *p = buf; *p; p++) {
		if (*p < '0' || *p > '9')
			return fallback;
		n = n * 10 + (unsigned)(*p - '0');
	}
	return n <= max ? n : fallback;
}

bool cmdline_is_boot_role(const char *line)
{
	return cmdline_has(line, "tugboot.boot") || cmdline_has(line, "balena_stage2");
}

static bool value_is(const struct cmdline_arg *arg, const char *value)
{
	return arg->value && arg->value_len == strlen(value) &&
	       memcmp(arg->value, value, arg->value_len) == 0;
}

/* Said by this module alone, so not by a part. A part that named the bootloader's role would send a
 * root with Tugboot's own initramfs round in a circle. */
static bool is_ours(const struct cmdline_arg *arg)
{
	return cmdline_key_is(arg, "root") || key_starts(arg, "tugboot.") ||
	       cmdline_key_is(arg, "rauc.slot") || cmdline_key_is(arg, "initrd") ||
	       cmdline_key_is(arg, "BOOT_IMAGE") || cmdline_key_is(arg, "balena_stage2");
}

/* How systemd is told of a verity root (kernel-command-line(7)). */
static bool is_verity(const struct cmdline_arg *arg)
{
	return cmdline_key_is(arg, "roothash") || key_starts(arg, "systemd.verity") ||
	       key_starts(arg, "rd.systemd.verity");
}

/* Meant for the bootloader kernel alone; the last three are built into it (kernel-config). */
static bool is_bootloaders(const struct cmdline_arg *arg)
{
	return cmdline_key_is(arg, "nr_cpus") ||
	       (cmdline_key_is(arg, "maxcpus") && value_is(arg, "0")) ||
	       cmdline_key_is(arg, "retain_initrd") ||
	       cmdline_key_is(arg, "watchdog.stop_on_reboot") ||
	       (cmdline_key_is(arg, "libata.force") && value_is(arg, "nodbdelay"));
}

struct writer {
	char *buf;
	size_t size, len; /* len may exceed size: what would have been needed */
};

static void put(struct writer *w, const char *text, size_t n)
{
	if (w->len + n < w->size)
		memcpy(w->buf + w->len, text, n);
	w->len += n;
}

static void put_arg(struct writer *w, const struct cmdline_arg *arg)
{
	bool open_quote = false;

	if (w->len > 0)
		put(w, " ", 1);
	put(w, arg->text, arg->len);
	for (size_t i = 0; i < arg->len; i++)
		open_quote ^= arg->text[i] == '"';
	if (open_quote)
		put(w, "\"", 1);
}

_printf_(2, 3) static void put_format(struct writer *w, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		w->len += w->size; /* does not fit, and says so */
	else
		put(w, text, (size_t)n);
}

static void put_kernel_args(struct writer *w, const char *line, bool inherited, bool verified)
{
	struct cmdline_arg arg;
	size_t pos = 0;

	while (cmdline_next(line, &pos, &arg) && !cmdline_is_end_mark(&arg))
		if (!is_ours(&arg) && !(inherited && is_bootloaders(&arg)) &&
		    !(verified && is_verity(&arg)))
			put_arg(w, &arg);
}

static void put_init_args(struct writer *w, const char *line, bool *marked)
{
	struct cmdline_arg arg;
	bool behind = false;
	size_t pos = 0;

	while (cmdline_next(line, &pos, &arg)) {
		if (behind) {
			if (!*marked)
				put(w, " --", 3);
			*marked = true;
			put_arg(w, &arg);
		} else {
			behind = cmdline_is_end_mark(&arg);
		}
	}
}

int cmdline_compose(const struct cmdline_parts *parts, char *buf, size_t buf_size)
{
	const char *const lines[] = {parts->slot_options, parts->extra_options, parts->inherited};
	struct writer w = {.buf = buf, .size = buf_size};
	bool panic_set = false, marked = false;
	char panic[2];

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		put_kernel_args(&w, lines[i], i == ARRAY_SIZE(lines) - 1, parts->verity);
		panic_set |= cmdline_get(lines[i], "panic", panic, sizeof(panic)) != -ENOENT;
	}
	put_format(&w, "%sroot=%s tugboot.slot=%s tugboot.reason=%s tugboot.tries=%u/%u",
		   w.len ? " " : "", parts->root, parts->slot, parts->reason, parts->used,
		   parts->allowed);
	if (strlen(parts->slot) == 1)
		put_format(&w, " rauc.slot=%s", parts->slot);
	if (parts->cause[0])
		put_format(&w, " tugboot.cause=%s", parts->cause);
	if (parts->last[0])
		put_format(&w, " tugboot.last=%s", parts->last);
	if (parts->verity) {
		put_format(&w, " tugboot.verified ");
		put(&w, parts->verity, strlen(parts->verity));
	}
	if (!panic_set)
		put_format(&w, " panic=" PANIC_SECONDS);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		put_init_args(&w, lines[i], &marked);

	if (w.len >= buf_size)
		return -E2BIG;
	buf[w.len] = '\0';
	return (int)w.len;
}
