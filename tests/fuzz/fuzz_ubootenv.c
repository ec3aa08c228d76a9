/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as an image of U-Boot's environment, in either form. What must hold is asserted here;
 * the sanitizers say the rest.
 *
 * Input: one byte (its lowest bit is the form), a name and a value up to a newline each, the image.
 */
#include "ubootenv.h"

#include <errno.h>

#include "macro.h"
#include "must.h"

/* Each variable lies inside the image, behind the one before it. Returns how many there are. */
static size_t walk(const char *image, size_t size, enum ubootenv_form form)
{
	struct ubootenv_var var;
	size_t pos = 0, last = 0, n = 0;

	for (; ubootenv_next(image, size, form, &pos, &var); n++) {
		MUST(var.name.len > 0 && var.name.data >= image + form + last);
		MUST(var.value.data == var.name.data + var.name.len + 1);
		MUST(image + form + pos == var.value.data + var.value.len + 1);
		MUST(pos > last && form + pos <= size && image[form + pos - 1] == '\0');
		last = pos;
	}
	MUST(!ubootenv_next(image, size, form, &pos, &var));
	return n;
}

/* Are the variables of both the same, in the same order, but for those called name? */
static void same_but_for(const char *a, const char *b, size_t size, enum ubootenv_form form,
			 const char *name)
{
	struct ubootenv_var in_a, in_b;
	size_t pos_a = 0, pos_b = 0;
	bool more_a, more_b;

	do {
		while ((more_a = ubootenv_next(a, size, form, &pos_a, &in_a)) &&
		       slice_is(in_a.name, name))
			;
		while ((more_b = ubootenv_next(b, size, form, &pos_b, &in_b)) &&
		       slice_is(in_b.name, name))
			;
		MUST(more_a == more_b);
		if (more_a)
			MUST(slice_eq(in_a.name, in_b.name) && slice_eq(in_a.value, in_b.value));
	} while (more_a);
}

static void is_sealed(char *image, size_t size, enum ubootenv_form form, uint8_t flag)
{
	ubootenv_seal(image, size, form, flag);
	MUST(ubootenv_check(image, size, form) == 0);
	if (form == UBOOTENV_REDUNDANT)
		MUST((uint8_t)image[4] == flag);
}

static void edit(char *image, size_t size, enum ubootenv_form form, const char *name,
		 const char *value)
{
	char *before = malloc(size), *got = malloc(strlen(value) + 1);
	size_t n;
	int r;

	MUST(before && got);
	(void)walk(image, size, form); /* the count is of no interest here */
	memcpy(before, image, size);
	r = ubootenv_set(image, size, form, name, value);
	MUST(r == 0 || r == -ENOSPC || r == -EINVAL);
	MUST((r == -EINVAL) == !ubootenv_name_valid(name));
	if (r < 0) {
		MUST(memcmp(image, before, size) == 0);
	} else {
		MUST(ubootenv_get(image, size, form, name, got, strlen(value) + 1) ==
		     (int)strlen(value));
		MUST(streq(got, value));
		same_but_for(before, image, size, form, name);
		memcpy(before, image, size);
		MUST(ubootenv_set(image, size, form, name, value) == 0);
		MUST(memcmp(image, before, size) == 0);
		n = walk(image, size, form);
		r = ubootenv_append(image, size, form, slice_str(name), slice_str(""));
		MUST(r == 0 || r == -ENOSPC);
		MUST(walk(image, size, form) == n + (r == 0 ? 1 : 0));
		MUST(ubootenv_unset(image, size, form, name) == 0);
		MUST(ubootenv_get(image, size, form, name, got, 1) == -ENOENT);
		same_but_for(before, image, size, form, name);
	}
	memcpy(before, image, size);
	is_sealed(image, size, form, 200);
	same_but_for(before, image, size, form, "");
	free(before);
	free(got);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	enum ubootenv_form form;
	char *name, *value, *image;
	size_t size;
	int r;

	if (input_size < 1)
		return 0;
	form = input[0] & 1 ? UBOOTENV_REDUNDANT : UBOOTENV_SINGLE;
	input++;
	input_size--;
	name = take_string(&input, &input_size);
	value = take_string(&input, &input_size);

	/* Of its own size, so that a read past its end is seen. */
	size = input_size;
	image = malloc(size > 0 ? size : 1);
	MUST(image);
	if (size > 0)
		memcpy(image, input, size);
	r = ubootenv_check(image, size, form);
	MUST(r == 0 || r == -EMSGSIZE || r == -EBADMSG);
	if (size >= UBOOTENV_SIZE_MIN && size <= UBOOTENV_SIZE_MAX) {
		MUST(r != -EMSGSIZE);
		edit(image, size, form, name, value);
		ubootenv_init(image, size, form);
		MUST(walk(image, size, form) == 0);
		is_sealed(image, size, form, 255);
	} else {
		MUST(r == -EMSGSIZE);
	}
	free(image);
	free(value);
	free(name);
	return 0;
}
