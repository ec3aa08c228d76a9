/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tugboot's own copy of the environment, the file `tugboot.env` beside a front that has none: see
 * envstore.h for its form, envchoice.h for when it counts. Its bytes are hostile.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "envfront.h"
#include "fd.h"
#include "file.h"

#define COPY_KEY "tugboot_copy"
/* The copy's file grows by this. */
#define COPY_STEP 4096u

const struct env_front_ops *const env_fronts[ENV_FRONTS] = {&env_front_grub, &env_front_text,
							    &env_front_uboot, &env_front_raw};

const struct env_front_ops *envfront_of(struct slice name)
{
	for (size_t i = 0; i < ENV_FRONTS; i++)
		if (slice_is(name, env_fronts[i]->kind))
			return env_fronts[i];
	return NULL;
}

/* Reads the copy and says which kind it is of; NULL when there is none that counts. */
const struct env_front_ops *envcopy_read(struct envstore *store)
{
	const struct env_front_ops *ops;
	char text[64], *rest = text, *kind, *end;
	unsigned long sequence;

	store->copy_state = ENV_COPY_NONE;
	if (store->place.dir_fd < 0 ||
	    env_part_read(store->place.dir_fd, ENV_COPY_FILE, UBOOTENV_SIZE_MAX, &store->copy) < 0)
		return NULL;
	if (ubootenv_check(store->copy.data, store->copy.size, UBOOTENV_SINGLE) < 0 ||
	    ubootenv_get(store->copy.data, store->copy.size, UBOOTENV_SINGLE, COPY_KEY, text,
			 sizeof(text)) < 0)
		return NULL;
	sequence = strtoul(strsep(&rest, ":"), &end, 10);
	kind = strsep(&rest, ":");
	if (*end || !kind || !rest)
		return NULL;
	ops = envfront_of(slice_str(kind));
	if (!ops || (!streq(rest, "pending") && !streq(rest, "settled")))
		return NULL;
	store->sequence = (unsigned)sequence;
	store->copy_state = streq(rest, "pending") ? ENV_COPY_PENDING : ENV_COPY_SETTLED;
	return ops;
}

void envcopy_decode(const struct env_part *copy, char *vars)
{
	struct ubootenv_var var;
	size_t pos = 0;

	while (ubootenv_next(copy->data, copy->size, UBOOTENV_SINGLE, &pos, &var))
		if (!slice_is(var.name, COPY_KEY))
			(void)ubootenv_append(vars, ENVSTORE_VARS, UBOOTENV_SINGLE, var.name,
					      var.value);
}

/* Writes the copy. Its state has one length and stands first, so that to settle one that is pending
 * changes one sector. */
int envcopy_write(struct envstore *store, const struct env_front_ops *ops, const char *vars,
		  enum env_copy state)
{
	_free_ char *image = NULL;
	struct ubootenv_var var;
	size_t size, pos = 0;
	char key[64];
	int r;

	(void)snprintf(key, sizeof(key), "%u:%s:%s", store->sequence, ops->kind,
		       state == ENV_COPY_PENDING ? "pending" : "settled");
	size = UBOOTENV_SINGLE + envvars_used(vars) + sizeof(COPY_KEY) + sizeof(key);
	size = (size + COPY_STEP - 1) / COPY_STEP * COPY_STEP;
	if (size > UBOOTENV_SIZE_MAX)
		return -ENOSPC;
	image = malloc(size);
	if (!image)
		return -ENOMEM;
	ubootenv_init(image, size, UBOOTENV_SINGLE);
	r = ubootenv_append(image, size, UBOOTENV_SINGLE, slice_str(COPY_KEY), slice_str(key));
	while (r == 0 && envvars_next(vars, &pos, &var))
		if (!slice_is(var.name, COPY_KEY))
			r = ubootenv_append(image, size, UBOOTENV_SINGLE, var.name, var.value);
	if (r < 0)
		return r;
	ubootenv_seal(image, size, UBOOTENV_SINGLE, 0);
	r = file_rewrite(store->place.dir_fd, ENV_COPY_FILE, image, size);
	if (r < 0)
		return r;
	free(store->copy.data);
	store->copy = (struct env_part){take_ptr(image), size, true};
	store->copy_state = state;
	return 0;
}
