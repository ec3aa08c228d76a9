/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decoding of the boot environment. The text is hostile: it may come from a damaged file or, on a
 * device with Secure Boot, from an attacker. Every value has a default and a bound.
 */
#include "env.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* balena's scripts leave spaces behind values (`bootcount=0 `); CR comes from editors. */
static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static char *trim(char *s)
{
	size_t n;

	while (is_blank(*s))
		s++;
	n = strlen(s);
	while (n > 0 && is_blank(s[n - 1]))
		s[--n] = '\0';
	return s;
}

static bool digit_of(char c, unsigned base, unsigned *ret_digit)
{
	unsigned d;

	if (c >= '0' && c <= '9')
		d = (unsigned)(c - '0');
	else if (c >= 'a' && c <= 'f')
		d = (unsigned)(c - 'a') + 10;
	else if (c >= 'A' && c <= 'F')
		d = (unsigned)(c - 'A') + 10;
	else
		return false;
	if (d >= base)
		return false;
	*ret_digit = d;
	return true;
}

/* All of s is one number; what exceeds max is taken as max. */
static bool parse_number(const char *s, unsigned base, unsigned max, unsigned *ret_number)
{
	unsigned n = 0, d;

	if (!*s)
		return false;
	for (; *s; s++) {
		if (!digit_of(*s, base, &d))
			return false;
		n = n > (max - MIN(d, max)) / base ? max : n * base + d;
	}
	*ret_number = MIN(n, max);
	return true;
}

/* The trimmed value, NULL when there is none or it is empty. A value that is too long is damage. */
static char *lookup(env_get_fn get, const void *source, const char *name, char *buf,
		    size_t buf_size, bool *damaged)
{
	int r = get(source, name, buf, buf_size);
	char *value;

	if (r < 0) {
		*damaged |= r == -ENOBUFS;
		return NULL;
	}
	value = trim(buf);
	return *value ? value : NULL;
}

static void decode_root(const char *value, struct boot_env *env)
{
	unsigned index;

	if ((value[0] == 'A' || value[0] == 'B') && !value[1]) {
		env->root_kind = ENV_ROOT_SLOT;
		env->root_slot = value[0];
		return;
	}
	if (startswith(value, "0x") || startswith(value, "0X"))
		value += 2;
	if (parse_number(value, 16, 0xffff, &index) && index > 0) {
		env->root_kind = ENV_ROOT_INDEX;
		env->root_index = index;
		return;
	}
	env->root_kind = ENV_ROOT_INVALID;
	env->damaged = true;
}

/* `<times>:<unix time>:<evidence>`; text that is not that means no failure. */
static void decode_failures(char *value, struct boot_env *env)
{
	char *times = strsep(&value, ":"), *when = strsep(&value, ":");
	unsigned n, seconds;

	if (!value || !parse_number(times, 10, ENV_LIMIT_MAX, &n) ||
	    !parse_number(when, 10, UINT_MAX / 2, &seconds) || strlen(value) >= ENV_EVIDENCE_MAX)
		return;
	env->failures.times = n;
	env->failures.when = seconds;
	strcpy(env->failures.evidence, value);
}

void boot_env_decode(env_get_fn get, const void *source, struct boot_env *ret_env)
{
	struct boot_env env = {.limit = ENV_LIMIT_DEFAULT};
	char buf[ENV_NAME_MAX];
	char *value;

	value = lookup(get, source, ENV_ROOT, buf, sizeof(buf), &env.damaged);
	if (value)
		decode_root(value, &env);

	value = lookup(get, source, ENV_TRIAL, buf, sizeof(buf), &env.damaged);
	if (value) {
		env.trial = streq(value, "1");
		env.damaged |= !env.trial && !streq(value, "0");
	}

	value = lookup(get, source, ENV_COUNT, buf, sizeof(buf), &env.damaged);
	if (value && !parse_number(value, 10, ENV_LIMIT_MAX, &env.count))
		env.damaged = true;

	value = lookup(get, source, ENV_LIMIT, buf, sizeof(buf), &env.damaged);
	if (value && (!parse_number(value, 10, ENV_LIMIT_MAX, &env.limit) || env.limit == 0)) {
		env.limit = ENV_LIMIT_DEFAULT;
		env.damaged = true;
	}

	value = lookup(get, source, ENV_COUNT_MODE, buf, sizeof(buf), &env.damaged);
	env.count_always = value && streq(value, "always");

	value = lookup(get, source, ENV_BACKOFF, buf, sizeof(buf), &env.damaged);
	if (value)
		(void)parse_number(value, 10, ENV_LIMIT_MAX, &env.backoff); /* else no wait yet */

	value = lookup(get, source, ENV_ENDED, buf, sizeof(buf), &env.damaged);
	env.ended_clean = value && streq(value, "clean");

	value = lookup(get, source, ENV_SPARED, buf, sizeof(buf), &env.damaged);
	if (value && !parse_number(value, 10, ENV_LIMIT_MAX, &env.spared))
		env.spared = ENV_LIMIT_MAX; /* nobody knows how many: none is spared any more */

	value = lookup(get, source, ENV_FAILURES, buf, sizeof(buf), &env.damaged);
	if (value)
		decode_failures(value, &env);

	value = lookup(get, source, ENV_BAD, buf, sizeof(buf), &env.damaged);
	if (value && (streq(value, "A") || streq(value, "B")))
		env.bad = value[0];

	value = lookup(get, source, ENV_USTATE, buf, sizeof(buf), &env.damaged);
	env.ustate_open = value && (streq(value, "1") || streq(value, "2"));

	env.root_by_index = env.root_kind == ENV_ROOT_INDEX;
	*ret_env = env;
}

static struct env_edit *edits_add(struct env_edits *edits, const char *name)
{
	struct env_edit *edit;

	if (edits->n >= ENV_EDITS_MAX || strlen(name) >= ENV_NAME_MAX)
		abort();
	edit = &edits->edit[edits->n++];
	*edit = (struct env_edit){0};
	strcpy(edit->name, name);
	return edit;
}

void env_edits_set(struct env_edits *edits, const char *name, const char *fmt, ...)
{
	struct env_edit *edit = edits_add(edits, name);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(edit->value, sizeof(edit->value), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(edit->value))
		abort();
}

void env_edits_unset(struct env_edits *edits, const char *name)
{
	edits_add(edits, name)->unset = true;
}
