/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as a text environment of U-Boot. What must hold is asserted here; the sanitizers say
 * the rest.
 *
 * Input: a byte (what may be added to the text), a name up to a newline, a value up to the next,
 * the text.
 */
#include "uenvtxt.h"

#include <errno.h>

#include "macro.h"
#include "must.h"

/* Each variable lies inside the text, behind the one before it. */
static void walk(struct slice text)
{
	struct uenvtxt_var var;
	size_t pos = 0, last = 0;
	char *buf = malloc(text.len + 1);
	int r;

	MUST(buf);
	while (uenvtxt_next(text.data, text.len, &pos, &var)) {
		MUST(var.name.len > 0 && var.name.data >= text.data + last);
		MUST(var.value.data == var.name.data + var.name.len + 1);
		MUST(text.data + pos == var.value.data + var.value.len + 1);
		MUST(pos > last && pos <= text.len && text.data[pos - 1] == '\n');
		last = pos;
		memcpy(buf, var.name.data, var.name.len);
		buf[var.name.len] = '\0';
		MUST(uenvtxt_name_valid(buf));
		r = uenvtxt_value(&var, buf, text.len + 1);
		MUST(r >= 0 && (size_t)r <= var.value.len && buf[r] == '\0');
		MUST(uenvtxt_value(&var, buf, (size_t)r) == -ENOBUFS);
	}
	MUST(!uenvtxt_next(text.data, text.len, &pos, &var));
	free(buf);
}

/* Are the variables of both the same, in the same order, but for those called name? */
static void same_but_for(struct slice a, struct slice b, const char *name)
{
	struct uenvtxt_var in_a, in_b;
	size_t pos_a = 0, pos_b = 0;
	bool more_a, more_b;

	do {
		while ((more_a = uenvtxt_next(a.data, a.len, &pos_a, &in_a)) &&
		       slice_is(in_a.name, name))
			;
		while ((more_b = uenvtxt_next(b.data, b.len, &pos_b, &in_b)) &&
		       slice_is(in_b.name, name))
			;
		MUST(more_a == more_b);
		if (more_a)
			MUST(slice_eq(in_a.name, in_b.name) && slice_eq(in_a.value, in_b.value));
	} while (more_a);
}

static void edit(struct slice before, size_t room, const char *name, const char *value)
{
	size_t max = before.len + room, size = before.len, len = strlen(value);
	char *text = malloc(max > 0 ? max : 1), *got = malloc(len + 1);
	bool whole = uenvtxt_check(before.data, before.len) == 0;
	int r;

	MUST(text && got);
	if (before.len > 0)
		memcpy(text, before.data, before.len);
	r = uenvtxt_set(text, &size, max, name, value);
	MUST(r == 0 || r == -ENOSPC || r == -EINVAL);
	MUST((r == -EINVAL) == !uenvtxt_name_valid(name));
	if (r < 0) {
		MUST(size == before.len && slice_eq(before, slice_of(text, size)));
	} else {
		MUST(size <= max);
		MUST(uenvtxt_get(text, size, name, got, len + 1) == (int)len && streq(got, value));
		MUST(!whole || uenvtxt_check(text, size) == 0);
		same_but_for(before, slice_of(text, size), name);
		MUST(uenvtxt_set(text, &size, max, name, value) == 0);
		MUST(uenvtxt_get(text, size, name, got, len + 1) == (int)len && streq(got, value));
		MUST(uenvtxt_set(text, &size, max, name, NULL) == 0);
		MUST(uenvtxt_get(text, size, name, got, len + 1) == -ENOENT);
		same_but_for(before, slice_of(text, size), name);
	}
	free(text);
	free(got);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	char *name, *value, *bytes;
	struct slice text;
	size_t room;
	int r;

	if (input_size < 1)
		return 0;
	room = input[0];
	input++;
	input_size--;
	name = take_string(&input, &input_size);
	value = take_string(&input, &input_size);

	/* Of its own size, so that a read past its end is seen. */
	bytes = malloc(input_size > 0 ? input_size : 1);
	MUST(bytes);
	if (input_size > 0)
		memcpy(bytes, input, input_size);
	text = slice_of(bytes, input_size);
	r = uenvtxt_check(text.data, text.len);
	MUST(r == 0 || r == -EUCLEAN);
	walk(text);
	edit(text, room, name, value);
	free(bytes);
	free(value);
	free(name);
	return 0;
}
