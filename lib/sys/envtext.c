/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text files of balenaOS's U-Boot as a store (lib/base/uenvtxt.h). They are loaded in this
 * order, each variable has one of them as its home, and bootcount is written in hex there:
 *
 *   resinOS_uEnv.txt   resin_root_part (a hex partition index), upgrade_available
 *   extra_uEnv.txt     everything else
 *   bootcount.env      bootcount, with a NUL after it
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "envfront.h"
#include "fd.h"
#include "file.h"
#include "uenvtxt.h"

enum { MAIN, EXTRA, COUNTER, FILES };

static const char *const names[FILES] = {
	[MAIN] = "resinOS_uEnv.txt",
	[EXTRA] = "extra_uEnv.txt",
	[COUNTER] = "bootcount.env",
};

static unsigned home_of(const char *name)
{
	if (streq(name, ENV_ROOT) || streq(name, ENV_TRIAL))
		return MAIN;
	return streq(name, ENV_COUNT) ? COUNTER : EXTRA;
}

static int text_read(struct envstore *store)
{
	strcpy(store->name, names[MAIN]);
	for (unsigned i = 0; i < FILES; i++) {
		int r = env_part_read(store->place.dir_fd, names[i], UENVTXT_SIZE_MAX,
				      &store->part[i]);

		if (r == -ENOENT && i != MAIN)
			continue;
		if (r < 0)
			return r;
	}
	store->front = ENV_FRONT_WHOLE;
	for (unsigned i = 0; i < FILES; i++)
		if (store->part[i].present && (i == MAIN || store->part[i].size > 0) &&
		    uenvtxt_check(store->part[i].data, store->part[i].size) < 0) {
			store->front = ENV_FRONT_BROKEN;
			store->problem = store->part[i].size == 0 ? "empty" : "damaged text";
		}
	store->prefers_index = true;
	return 0;
}

/* In place: the text of a hex number as decimal or the other way round. What is no number stays. */
static void convert(char *value, size_t size, bool to_hex)
{
	char *end;
	unsigned long number = strtoul(value, &end, to_hex ? 10 : 16);

	if (end == value || *end != '\0' || number > 0xffff)
		return;
	if (to_hex)
		(void)snprintf(value, size, "%lx", number);
	else
		(void)snprintf(value, size, "%lu", number);
}

static void text_decode(const struct envstore *store, const struct env_part *parts, char *vars)
{
	char value[UENVTXT_SIZE_MAX + 1];
	struct uenvtxt_var var;

	(void)store;
	for (unsigned i = 0; i < FILES; i++) {
		size_t pos = 0;

		while (parts[i].present && uenvtxt_next(parts[i].data, parts[i].size, &pos, &var)) {
			int len = uenvtxt_value(&var, value, sizeof(value));

			if (len < 0)
				continue;
			if (slice_is(var.name, ENV_COUNT))
				convert(value, sizeof(value), false);
			(void)ubootenv_append(vars, ENVSTORE_VARS, UBOOTENV_SINGLE, var.name,
					      slice_str(value));
		}
	}
}

/* A text of its own to be changed: as read, or empty. */
static int start(const struct envstore *store, unsigned file, bool blank, struct env_part *part)
{
	const struct env_part *was = &store->part[file];

	part->data = malloc(UENVTXT_SIZE_MAX);
	if (!part->data)
		return -ENOMEM;
	part->size = blank || !was->present ? 0 : was->size;
	if (part->size > 0)
		memcpy(part->data, was->data, part->size);
	return 0;
}

static int change(struct env_part *parts, const struct env_change *c)
{
	unsigned home = home_of(c->name);
	char number[16];
	const char *value = c->value;
	int r = 0;

	if (value && home == COUNTER && strlen(value) < sizeof(number)) {
		strcpy(number, value);
		convert(number, sizeof(number), true);
		value = number;
	}
	/* Its home alone has it: a later file would count before an earlier one. */
	for (unsigned i = 0; i < FILES && r == 0; i++)
		r = uenvtxt_set(parts[i].data, &parts[i].size, UENVTXT_SIZE_MAX, c->name,
				i == home ? value : NULL);
	return r;
}

static int text_encode(const struct envstore *store, bool blank, const struct env_change *changes,
		       size_t n, struct env_part *ret_parts)
{
	struct env_part parts[ENV_PARTS] = {0};
	int r = 0;

	for (unsigned i = 0; i < FILES && r == 0; i++)
		r = start(store, i, blank, &parts[i]);
	for (size_t i = 0; i < n && r == 0; i++)
		r = change(parts, &changes[i]);
	if (r < 0) {
		env_parts_free(parts);
		return r;
	}
	/* A file that has nothing to say is not made; one that is there is not removed. */
	for (unsigned i = 0; i < FILES; i++)
		parts[i].present = parts[i].size > 0 || store->part[i].present || i == MAIN;
	if (parts[COUNTER].size > 0 && parts[COUNTER].size < UENVTXT_SIZE_MAX)
		parts[COUNTER].data[parts[COUNTER].size++] = '\0';
	memcpy(ret_parts, parts, sizeof(parts));
	return 0;
}

static int text_write(struct envstore *store, const struct env_part *parts)
{
	int r = 0;

	for (unsigned i = 0; i < FILES && r == 0; i++)
		if (parts[i].present)
			r = file_rewrite(store->place.dir_fd, names[i], parts[i].data,
					 parts[i].size);
	return r;
}

static int text_remove(struct envstore *store)
{
	int r = 0;

	for (unsigned i = FILES; i-- > 0;)
		if (unlinkat(store->place.dir_fd, names[i], 0) < 0 && errno != ENOENT)
			r = -errno;
	return r;
}

const struct env_front_ops env_front_text = {
	.kind = "uboot-text",
	.read = text_read,
	.decode = text_decode,
	.encode = text_encode,
	.write = text_write,
	.remove = text_remove,
};
