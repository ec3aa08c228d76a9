/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The GRUB environment block as a store: `bootenv`, else `grubenv`. The bytes come from a partition
 * that anybody may have written; lib/base/grubenv.h reads them.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "envfront.h"
#include "fd.h"
#include "file.h"
#include "grubenv.h"

/* More of a damaged file is not looked at. */
#define READ_MAX (16 * 1024)

static const char *block_problem(const char *data, size_t size)
{
	switch (grubenv_check(data, size)) {
	case 0:
		return NULL;
	case -EBADMSG:
		return "no GRUB signature";
	case -EUCLEAN:
		return "last line has no end";
	default:
		return size == 0	     ? "empty"
		       : size < GRUBENV_SIZE ? "shorter than 1024 bytes"
					     : "longer than 1024 bytes";
	}
}

static int block_read(struct envstore *store)
{
	static const char *const names[] = {"bootenv", "grubenv"};
	struct env_part *part = &store->part[0];
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(names) && r == -ENOENT; i++) {
		strcpy(store->name, names[i]);
		r = env_part_read(store->place.dir_fd, names[i], READ_MAX, part);
	}
	if (r == -ENOENT)
		strcpy(store->name, names[0]);
	if (r < 0)
		return r;

	store->problem = block_problem(part->data, part->size);
	/* A good block with something behind it is whole: balena's scripts let the file grow, and a
	 * write that was cut before the end could go leaves it (file_rewrite()). */
	if (part->size > GRUBENV_SIZE && grubenv_check(part->data, GRUBENV_SIZE) == 0)
		part->size = GRUBENV_SIZE;
	store->front =
		grubenv_check(part->data, part->size) == 0 ? ENV_FRONT_WHOLE : ENV_FRONT_BROKEN;
	return 0;
}

static void block_decode(const struct envstore *store, const struct env_part *parts, char *vars)
{
	char value[READ_MAX + 1];
	struct grubenv_var var;
	size_t pos = 0;

	(void)store;
	while (grubenv_next(parts[0].data, parts[0].size, &pos, &var)) {
		/* Fits: a value is shorter than the file. */
		int len = grubenv_value(&var, value, sizeof(value));

		if (len < 0 || memchr(var.name, '\0', var.name_len))
			continue;
		(void)ubootenv_append(vars, ENVSTORE_VARS, UBOOTENV_SINGLE,
				      slice_of(var.name, var.name_len),
				      slice_of(value, (size_t)len));
	}
}

static int block_changes(char block[static GRUBENV_SIZE], const struct env_change *changes,
			 size_t n)
{
	char changed[GRUBENV_SIZE];

	memcpy(changed, block, sizeof(changed));
	for (size_t i = 0; i < n; i++) {
		int r = changes[i].value ? grubenv_set(changed, changes[i].name, changes[i].value)
					 : grubenv_unset(changed, changes[i].name);

		if (r < 0)
			return r;
	}
	memcpy(block, changed, sizeof(changed));
	return 0;
}

/* Removes the last variable that is not needed; false when there is none. */
static bool block_drop_one(char block[static GRUBENV_SIZE], const struct env_change *changes,
			   size_t n)
{
	char name[GRUBENV_SIZE], last[GRUBENV_SIZE] = "";
	struct grubenv_var var;
	size_t pos = 0;

	while (grubenv_next(block, GRUBENV_SIZE, &pos, &var)) {
		memcpy(name, var.name, var.name_len);
		name[var.name_len] = '\0';
		if (!env_is_needed(name, changes, n))
			memcpy(last, name, sizeof(last));
	}
	return *last && grubenv_unset(block, last) == 0;
}

static int block_encode(const struct envstore *store, bool blank, const struct env_change *changes,
			size_t n, struct env_part *ret_parts)
{
	_free_ char *block = malloc(GRUBENV_SIZE);
	bool rebuilt = false;
	int r;

	if (!block)
		return -ENOMEM;
	if (blank || !store->part[0].present)
		grubenv_init(block);
	else
		rebuilt = grubenv_repair(store->part[0].data, store->part[0].size, block);
	r = block_changes(block, changes, n);
	/* What garbage left behind must not keep a decision from being stored; a user's own
	 * variables, in a good block, are never dropped. */
	while (r == -ENOSPC && rebuilt && block_drop_one(block, changes, n))
		r = block_changes(block, changes, n);
	if (r < 0)
		return r;
	ret_parts[0] = (struct env_part){take_ptr(block), GRUBENV_SIZE, true};
	return 0;
}

static int block_write(struct envstore *store, const struct env_part *parts)
{
	return file_rewrite(store->place.dir_fd, store->name, parts[0].data, parts[0].size);
}

static int block_remove(struct envstore *store)
{
	int r = 0;

	/* Both: the one that was passed over so far would count now. */
	if (unlinkat(store->place.dir_fd, "grubenv", 0) < 0 && errno != ENOENT)
		r = -errno;
	if (unlinkat(store->place.dir_fd, "bootenv", 0) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

const struct env_front_ops env_front_grub = {
	.kind = "grub",
	.read = block_read,
	.decode = block_decode,
	.encode = block_encode,
	.write = block_write,
	.remove = block_remove,
};
