/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `tugboot env`: the variables of the boot environment as they stand. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "place.h"
#include "tugboot.h"

/* For list and get: says when what can be read may not be all. */
static enum result open_to_read(const struct options *options, struct place *place)
{
	enum result result = place_open(options->boot_dir, PLACE_READ, place);

	if (result != RESULT_OK)
		return result;
	if (place->store.problem)
		(void)complain("warning: %s in %s: %s; shown is what can be read, the next write "
			       "repairs it",
			       place->store.name, place->shown, place->store.problem);
	return RESULT_OK;
}

enum result cmd_env_list(const struct options *options, char **args)
{
	_place_ struct place place = PLACE_NONE;
	char name[ENV_VALUE_MAX], value[ENV_VALUE_MAX];
	enum result result;
	size_t pos = 0;

	(void)args; /* takes none */
	result = open_to_read(options, &place);
	if (result != RESULT_OK)
		return result;
	while (envstore_next(&place.store, &pos, name, sizeof(name), value, sizeof(value)))
		printf("%s=%s\n", name, value);
	return RESULT_OK;
}

enum result cmd_env_get(const struct options *options, char **args)
{
	_place_ struct place place = PLACE_NONE;
	char value[ENV_VALUE_MAX];
	enum result result;
	int r;

	result = open_to_read(options, &place);
	if (result != RESULT_OK)
		return result;
	r = envstore_get(&place.store, args[0], value, sizeof(value));
	if (r == -ENOENT)
		return complain("%s is not set", args[0]);
	if (r < 0)
		return complain("cannot read %s: %s", args[0], strerror(-r));
	printf("%s\n", value);
	return RESULT_OK;
}

static enum result change(const struct options *options, const struct env_change *changes, size_t n)
{
	_place_ struct place place = PLACE_NONE;
	enum result result;

	result = place_open(options->boot_dir, PLACE_WRITE, &place);
	if (result != RESULT_OK)
		return result;
	return place_change(&place, changes, n);
}

static size_t count(char **args)
{
	size_t n = 0;

	while (args[n])
		n++;
	return n;
}

enum result cmd_env_set(const struct options *options, char **args)
{
	_free_ struct env_change *changes = calloc(count(args), sizeof(*changes));
	size_t n = 0;

	if (!changes)
		return complain("no memory");
	for (; args[n]; n++) {
		char *equals = strchr(args[n], '=');

		if (!equals)
			return complain_usage("'%s' is not NAME=VALUE", args[n]);
		*equals = '\0';
		changes[n] = (struct env_change){args[n], equals + 1};
	}
	return change(options, changes, n);
}

enum result cmd_env_unset(const struct options *options, char **args)
{
	_free_ struct env_change *changes = calloc(count(args), sizeof(*changes));
	size_t n = 0;

	if (!changes)
		return complain("no memory");
	for (; args[n]; n++) {
		if (strchr(args[n], '='))
			return complain_usage("'%s' is no name: names have no '='", args[n]);
		changes[n] = (struct env_change){args[n], NULL};
	}
	return change(options, changes, n);
}

/* The environment's root key in the form that the kind's other programs want. */
static void root_for(const struct place *place, const char *kind, char buf[static 12],
		     struct env_change *changes, size_t *ret_n)
{
	bool is_named;
	char slot = slot_named(&place->env, &place->found, &is_named);
	unsigned index = place->found.slot[slot_index(slot)].index;

	*ret_n = 0;
	if (!streq(kind, "uboot-text") || place->env.root_kind == ENV_ROOT_INDEX || index == 0)
		return;
	(void)snprintf(buf, 12, "%x", index);
	changes[(*ret_n)++] = (struct env_change){ENV_ROOT, buf};
}

enum result cmd_env_migrate(const struct options *options, char **args)
{
	_place_ struct place place = PLACE_NONE;
	struct env_change changes[1];
	enum result result;
	char root[12];
	size_t n;

	result = place_open(options->boot_dir, PLACE_WRITE, &place);
	if (result != RESULT_OK)
		return result;
	root_for(&place, args[0], root, changes, &n);
	result = place_migrate(&place, args[0], changes, n);
	if (result == RESULT_OK)
		printf("The environment is kept as %s in %s from now on.\n",
		       envstore_kind(&place.store), place.store.name);
	return result;
}
