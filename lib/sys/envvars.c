/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The variables of a boot environment in memory, an UBOOTENV_SINGLE image without a checksum, and
 * small things that the kinds of store share: see envfront.h.
 */
#include "envfront.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "fd.h"
#include "file.h"

void env_parts_free(struct env_part *parts)
{
	for (size_t i = 0; i < ENV_PARTS; i++) {
		free(parts[i].data);
		parts[i] = (struct env_part){0};
	}
}

bool env_is_needed(const char *name, const struct env_change *changes, size_t n)
{
	static const char *const needed[] = {ENV_ROOT, ENV_TRIAL, ENV_COUNT, ENV_LIMIT,
					     ENV_COUNT_MODE};

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (streq(name, needed[i]))
			return true;
	for (size_t i = 0; i < n; i++)
		if (streq(name, changes[i].name))
			return true;
	return false;
}

int env_part_read_fd(int fd, size_t max, struct env_part *ret_part)
{
	_free_ char *data = malloc(max);
	size_t size;
	int r;

	if (!data)
		return -ENOMEM;
	r = file_read_some(fd, data, max, &size);
	if (r < 0)
		return r;
	*ret_part = (struct env_part){take_ptr(data), size, true};
	return 0;
}

int env_part_read(int dir_fd, const char *name, size_t max, struct env_part *ret_part)
{
	_close_ int fd = -1;
	int r = file_open_regular(dir_fd, name, O_RDONLY, &fd);

	return r < 0 ? r : env_part_read_fd(fd, max, ret_part);
}

char *envvars_new(void)
{
	char *vars = calloc(1, ENVSTORE_VARS); /* zeros are an environment without variables */

	return vars;
}

bool envvars_next(const char *vars, size_t *pos, struct ubootenv_var *ret_var)
{
	return ubootenv_next(vars, ENVSTORE_VARS, UBOOTENV_SINGLE, pos, ret_var);
}

/* Bytes that the variables take in an image, without its header. */
size_t envvars_used(const char *vars)
{
	struct ubootenv_var var;
	size_t pos = 0, used = 1;

	while (envvars_next(vars, &pos, &var))
		used += var.name.len + var.value.len + 2;
	return used;
}

int envvars_change(char *vars, const struct env_change *changes, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = changes[i].value
			    ? ubootenv_set(vars, ENVSTORE_VARS, UBOOTENV_SINGLE, changes[i].name,
					   changes[i].value)
			    : ubootenv_unset(vars, ENVSTORE_VARS, UBOOTENV_SINGLE, changes[i].name);
	return r;
}

bool envvars_equal(const char *a, const char *b)
{
	size_t used = envvars_used(a);

	return used == envvars_used(b) &&
	       memcmp(a + UBOOTENV_SINGLE, b + UBOOTENV_SINGLE, used) == 0;
}

int env_changes_of(const char *vars, struct env_change **ret_changes, size_t *ret_n,
		   char **ret_text)
{
	_free_ struct env_change *changes = NULL;
	_free_ char *text = malloc(envvars_used(vars));
	struct ubootenv_var var;
	size_t pos = 0, n = 0;
	char *to = text;

	while (envvars_next(vars, &pos, &var))
		n++;
	changes = calloc(n + 1, sizeof(*changes));
	if (!text || !changes)
		return -ENOMEM;
	pos = n = 0;
	while (envvars_next(vars, &pos, &var)) {
		changes[n].name = to;
		memcpy(to, var.name.data, var.name.len);
		to += var.name.len;
		*to++ = '\0';
		changes[n++].value = to;
		memcpy(to, var.value.data, var.value.len);
		to += var.value.len;
		*to++ = '\0';
	}
	*ret_changes = take_ptr(changes);
	*ret_text = take_ptr(text);
	*ret_n = n;
	return 0;
}

/* Parts that hold these variables and nothing else. */
int envvars_encode(const struct envstore *store, const char *vars, struct env_part *ret_parts)
{
	_free_ struct env_change *changes = NULL;
	_free_ char *text = NULL;
	size_t n;
	int r;

	r = env_changes_of(vars, &changes, &n, &text);
	return r < 0 ? r : store->ops->encode(store, true, changes, n, ret_parts);
}

bool env_is_damage(int r)
{
	return r == -EIO || r == -EUCLEAN || r == -EBADMSG;
}
