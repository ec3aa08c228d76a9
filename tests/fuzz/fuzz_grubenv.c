/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as a GRUB environment block, of any size. What must hold is asserted here; the
 * sanitizers say the rest.
 *
 * Input: one byte that splits the rest into a value to set (its first n bytes) and the block.
 */
#include "grubenv.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "macro.h"
#include "must.h"

/* Each variable lies inside the bytes, after the one before it, and can be read by its name. */
static void walk(const char *data, size_t size)
{
	struct grubenv_var var;
	size_t pos = 0, last = 0;
	static char name[1 << 16], value[1 << 16];

	while (grubenv_next(data, size, &pos, &var)) {
		MUST(var.name_len > 0 && var.name >= data + last);
		MUST(var.value == var.name + var.name_len + 1);
		MUST(var.value + var.value_len < data + size);
		MUST(pos > last && pos <= size);
		last = pos;
		if (var.name_len >= sizeof(name))
			continue;
		memcpy(name, var.name, var.name_len);
		name[var.name_len] = '\0';
		MUST(grubenv_name_valid(name));
		MUST(grubenv_get(data, size, name, value, sizeof(value)) >= 0 ||
		     size >= sizeof(value));
	}
	MUST(pos == size);
}

/* Every variable of the damaged bytes stands in the rebuilt block with the value it had, unless it
 * still does not fit there. */
static void repaired_from(const char *data, size_t size, const char *block)
{
	struct grubenv_var var;
	size_t pos = 0;
	char name[GRUBENV_SIZE], was[GRUBENV_SIZE], is[GRUBENV_SIZE];

	while (grubenv_next(data, size, &pos, &var)) {
		if (var.name_len >= sizeof(name))
			continue;
		memcpy(name, var.name, var.name_len);
		name[var.name_len] = '\0';
		if (grubenv_get(data, size, name, was, sizeof(was)) < 0)
			continue;
		if (grubenv_get(block, GRUBENV_SIZE, name, is, sizeof(is)) >= 0) {
			MUST(streq(was, is));
			continue;
		}
		/* Not carried over: then it does not fit now either. */
		memcpy(is, block, GRUBENV_SIZE);
		MUST(grubenv_set(is, name, was) == -ENOSPC);
	}
}

static void edit(char block[static GRUBENV_SIZE], const char *value)
{
	static const char *const names[] = {"resin_root_part", "a"};
	char before[GRUBENV_SIZE], got[GRUBENV_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int r;

		memcpy(before, block, sizeof(before));
		r = grubenv_set(block, names[i], value);
		MUST(r == 0 || r == -ENOSPC);
		if (r < 0) {
			MUST(memcmp(block, before, sizeof(before)) == 0);
			continue;
		}
		MUST(grubenv_check(block, GRUBENV_SIZE) == 0);
		MUST(grubenv_get(block, GRUBENV_SIZE, names[i], got, sizeof(got)) >= 0);
		MUST(streq(got, value));
		memcpy(before, block, sizeof(before));
		MUST(grubenv_set(block, names[i], value) == 0);
		MUST(memcmp(block, before, sizeof(before)) == 0);
	}
	MUST(grubenv_unset(block, names[0]) == 0);
	MUST(grubenv_check(block, GRUBENV_SIZE) == 0);
	MUST(grubenv_get(block, GRUBENV_SIZE, names[0], got, sizeof(got)) == -ENOENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	char block[GRUBENV_SIZE], again[GRUBENV_SIZE], value[256] = "";
	size_t value_len, size;
	char *data;
	bool good;

	if (input_size < 1)
		return 0;
	value_len = MIN((size_t)input[0], input_size - 1);
	memcpy(value, input + 1, value_len);
	value[value_len] = '\0';

	/* Of its own size, so that a read past its end is seen. */
	size = input_size - 1 - value_len;
	data = malloc(size);
	if (size > 0) {
		MUST(data);
		memcpy(data, input + 1 + value_len, size);
	}

	walk(data, size);
	good = grubenv_check(data, size) == 0;
	MUST(grubenv_repair(data, size, block) == !good);
	MUST(grubenv_check(block, GRUBENV_SIZE) == 0);
	if (good)
		MUST(memcmp(block, data, GRUBENV_SIZE) == 0);
	else
		repaired_from(data, size, block);
	MUST(!grubenv_repair(block, GRUBENV_SIZE, again));
	walk(block, GRUBENV_SIZE);
	edit(block, value);
	free(data);
	return 0;
}
