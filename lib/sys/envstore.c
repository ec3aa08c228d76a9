/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store of the boot environment: see envstore.h. Finds which kind it is, keeps the copy beside
 * those that need one, and puts the writes in the order that envchoice.h argues for. The bytes come
 * from a partition that anybody may have written: they are hostile, and lib/base reads them. A
 * store owns its bytes and its lock; the directory is the caller's.
 */
#include "envstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "clock.h"
#include "envfront.h"
#include "fd.h"
#include "file.h"

#define COPY_FILE "tugboot.env"
#define COPY_KEY "tugboot_copy"
/* The copy's file grows by this. */
#define COPY_STEP 4096u

/* Another writer needs some tens of milliseconds, on a slow card a second. */
#define LOCK_WAIT_MS 10000
#define LOCK_STEP_MS 10
#define UBOOT_LOCK "/var/lock/fw_printenv.lock"

static const struct env_front_ops *const kinds[] = {&env_front_grub, &env_front_text,
						    &env_front_uboot, &env_front_raw};

/* --- What the kinds share (envfront.h) ------------------------------------------------------ */

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

int env_part_read(int dir_fd, const char *name, size_t max, struct env_part *ret_part)
{
	_close_ int fd = -1;
	_free_ char *data = NULL;
	size_t size;
	int r;

	r = file_open_regular(dir_fd, name, O_RDONLY, &fd);
	if (r < 0)
		return r;
	data = malloc(max);
	if (!data)
		return -ENOMEM;
	r = file_read_some(fd, data, max, &size);
	if (r < 0)
		return r;
	*ret_part = (struct env_part){take_ptr(data), size, true};
	return 0;
}

/* --- Variables in memory -------------------------------------------------------------------- */

static char *vars_new(void)
{
	char *vars = calloc(1, ENVSTORE_VARS); /* zeros are an environment without variables */

	return vars;
}

static bool vars_next(const char *vars, size_t *pos, struct ubootenv_var *ret_var)
{
	return ubootenv_next(vars, ENVSTORE_VARS, UBOOTENV_SINGLE, pos, ret_var);
}

/* Bytes that the variables take in an image, without its header. */
static size_t vars_used(const char *vars)
{
	struct ubootenv_var var;
	size_t pos = 0, used = 1;

	while (vars_next(vars, &pos, &var))
		used += var.name.len + var.value.len + 2;
	return used;
}

static int vars_change(char *vars, const struct env_change *changes, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = changes[i].value
			    ? ubootenv_set(vars, ENVSTORE_VARS, UBOOTENV_SINGLE, changes[i].name,
					   changes[i].value)
			    : ubootenv_unset(vars, ENVSTORE_VARS, UBOOTENV_SINGLE, changes[i].name);
	return r;
}

static bool vars_equal(const char *a, const char *b)
{
	size_t used = vars_used(a);

	return used == vars_used(b) && memcmp(a + UBOOTENV_SINGLE, b + UBOOTENV_SINGLE, used) == 0;
}

int env_changes_of(const char *vars, struct env_change **ret_changes, size_t *ret_n,
		   char **ret_text)
{
	_free_ struct env_change *changes = NULL;
	_free_ char *text = malloc(vars_used(vars));
	struct ubootenv_var var;
	size_t pos = 0, n = 0;
	char *to = text;

	while (vars_next(vars, &pos, &var))
		n++;
	changes = calloc(n + 1, sizeof(*changes));
	if (!text || !changes)
		return -ENOMEM;
	pos = n = 0;
	while (vars_next(vars, &pos, &var)) {
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
static int encode_vars(const struct envstore *store, const char *vars, struct env_part *ret_parts)
{
	_free_ struct env_change *changes = NULL;
	_free_ char *text = NULL;
	size_t n;
	int r;

	r = env_changes_of(vars, &changes, &n, &text);
	return r < 0 ? r : store->ops->encode(store, true, changes, n, ret_parts);
}

/* --- Tugboot's own copy --------------------------------------------------------------------- */

static const struct env_front_ops *kind_of(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (slice_is(name, kinds[i]->kind))
			return kinds[i];
	return NULL;
}

/* Reads the copy and says which kind it is of; NULL when there is none that counts. */
static const struct env_front_ops *copy_read(struct envstore *store)
{
	const struct env_front_ops *ops;
	char text[64], *rest = text, *kind, *end;
	unsigned long sequence;

	store->copy_state = ENV_COPY_NONE;
	if (store->place.dir_fd < 0 ||
	    env_part_read(store->place.dir_fd, COPY_FILE, UBOOTENV_SIZE_MAX, &store->copy) < 0)
		return NULL;
	if (ubootenv_check(store->copy.data, store->copy.size, UBOOTENV_SINGLE) < 0 ||
	    ubootenv_get(store->copy.data, store->copy.size, UBOOTENV_SINGLE, COPY_KEY, text,
			 sizeof(text)) < 0)
		return NULL;
	sequence = strtoul(strsep(&rest, ":"), &end, 10);
	kind = strsep(&rest, ":");
	if (*end || !kind || !rest)
		return NULL;
	ops = kind_of(slice_str(kind));
	if (!ops || (!streq(rest, "pending") && !streq(rest, "settled")))
		return NULL;
	store->sequence = (unsigned)sequence;
	store->copy_state = streq(rest, "pending") ? ENV_COPY_PENDING : ENV_COPY_SETTLED;
	return ops;
}

static void copy_decode(const struct env_part *copy, char *vars)
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
static int copy_write(struct envstore *store, const struct env_front_ops *ops, const char *vars,
		      enum env_copy state)
{
	_free_ char *image = NULL;
	struct ubootenv_var var;
	size_t size, pos = 0;
	char key[64];
	int r;

	(void)snprintf(key, sizeof(key), "%u:%s:%s", store->sequence, ops->kind,
		       state == ENV_COPY_PENDING ? "pending" : "settled");
	size = UBOOTENV_SINGLE + vars_used(vars) + sizeof(COPY_KEY) + sizeof(key);
	size = (size + COPY_STEP - 1) / COPY_STEP * COPY_STEP;
	if (size > UBOOTENV_SIZE_MAX)
		return -ENOSPC;
	image = malloc(size);
	if (!image)
		return -ENOMEM;
	ubootenv_init(image, size, UBOOTENV_SINGLE);
	r = ubootenv_append(image, size, UBOOTENV_SINGLE, slice_str(COPY_KEY), slice_str(key));
	while (r == 0 && vars_next(vars, &pos, &var))
		if (!slice_is(var.name, COPY_KEY))
			r = ubootenv_append(image, size, UBOOTENV_SINGLE, var.name, var.value);
	if (r < 0)
		return r;
	ubootenv_seal(image, size, UBOOTENV_SINGLE, 0);
	r = file_rewrite(store->place.dir_fd, COPY_FILE, image, size);
	if (r < 0)
		return r;
	free(store->copy.data);
	store->copy = (struct env_part){take_ptr(image), size, true};
	store->copy_state = state;
	return 0;
}

/* --- Reading -------------------------------------------------------------------------------- */

static void forget_front(struct envstore *store)
{
	env_parts_free(store->part);
	store->front = ENV_FRONT_ABSENT;
	store->redundant = false;
	store->prefers_index = false;
	store->problem = NULL;
}

/* Errors of a filesystem, or of a disk, that does not have what it should have. */
static bool is_damage(int r)
{
	return r == -EIO || r == -EUCLEAN || r == -EBADMSG;
}

/* Is the environment of this kind? 0, -ENOENT when not, or why it cannot be read. */
static int try_kind(struct envstore *store, const struct env_front_ops *ops)
{
	int r;

	forget_front(store);
	store->ops = ops;
	r = ops->read(store);
	/* What a cut left of a file that another program was making can be more than bytes. */
	if (is_damage(r) && store->copy_state != ENV_COPY_NONE) {
		store->front = ENV_FRONT_BROKEN;
		r = 0;
	}
	if (r < 0 && r != -ENOENT)
		/* It is there, so it is the environment: another one may be years old. */
		store->problem = r == -ELOOP	 ? "is a symbolic link"
				 : r == -EISDIR	 ? "is a directory"
				 : r == -ENOTSUP ? "is not a regular file"
						 : "cannot be read";
	return r;
}

static bool has_config(const struct envstore *store)
{
	return faccessat(store->place.dir_fd, "fw_env.config", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The first kind that is there: see envstore.h. -ENOENT when none is, the store is set up for the
 * one that the first write makes. */
static int find_kind(struct envstore *store)
{
	const struct env_front_ops *named;
	int r;

	if (store->place.raw && try_kind(store, &env_front_raw) == 0 &&
	    store->front == ENV_FRONT_WHOLE)
		return 0;
	if (store->place.dir_fd < 0)
		return store->place.raw ? try_kind(store, &env_front_raw) : -ENODEV;
	named = copy_read(store);
	if (named == &env_front_raw)
		named = NULL; /* of a partition that holds nothing any more */
	if (named) {
		r = try_kind(store, named);
		if (r != -ENOENT || store->copy_state == ENV_COPY_PENDING)
			return r;
	}
	r = has_config(store) ? try_kind(store, &env_front_uboot) : -ENOENT;
	if (r == -ENOENT)
		r = try_kind(store, &env_front_grub);
	if (r == -ENOENT)
		r = try_kind(store, &env_front_text);
	if (r == -ENOENT && !has_config(store))
		r = try_kind(store, &env_front_uboot);
	if (r != -ENOENT) {
		if (store->ops != named)
			store->copy_state = ENV_COPY_NONE; /* of an environment that is gone */
		return r;
	}
	if (store->place.raw)
		return try_kind(store, &env_front_raw);
	return try_kind(store, named ? named : &env_front_grub);
}

/* Fills a store of which only the place is known. */
static int load(struct envstore *store)
{
	int r;

	store->vars = vars_new();
	if (!store->vars)
		return -ENOMEM;
	r = find_kind(store);
	if (r < 0 && r != -ENOENT)
		return r;
	/* Beside two copies a third one counts only while a migration makes them. */
	if (store->redundant && store->copy_state != ENV_COPY_PENDING)
		store->copy_state = ENV_COPY_NONE;
	store->source = env_choose(store->front, store->copy_state);
	if (store->source == ENV_FROM_FRONT)
		store->ops->decode(store, store->part, store->vars);
	else if (store->source == ENV_FROM_COPY)
		copy_decode(&store->copy, store->vars);
	else
		store->problem = "missing";
	if (store->source == ENV_FROM_COPY)
		store->problem = store->copy_state == ENV_COPY_PENDING
					 ? "a write was cut, Tugboot's copy counts"
				 : store->front == ENV_FRONT_ABSENT
					 ? "missing, Tugboot's copy counts"
					 : "damaged, Tugboot's copy counts";
	return 0;
}

int envstore_open_at(const struct envstore_place *place, struct envstore *ret_store)
{
	*ret_store = ENVSTORE_NONE;
	ret_store->place = *place;
	return load(ret_store);
}

int envstore_open(int dir_fd, struct envstore *ret_store)
{
	return envstore_open_at(&(struct envstore_place){.dir_fd = dir_fd}, ret_store);
}

void envstore_done(struct envstore *store)
{
	if (store->locked) { /* gives the locks back */
		(void)close(store->lock_fd);
		close_p(&store->uboot_lock_fd);
	}
	env_parts_free(store->part);
	free(store->copy.data);
	free(store->vars);
	*store = ENVSTORE_NONE;
}

const char *envstore_kind(const struct envstore *store)
{
	return store->ops ? store->ops->kind : "none";
}

int envstore_get(const void *source, const char *name, char *buf, size_t buf_size)
{
	const struct envstore *store = source;

	return store->vars ? ubootenv_get(store->vars, ENVSTORE_VARS, UBOOTENV_SINGLE, name, buf,
					  buf_size)
			   : -ENOENT;
}

void envstore_decode(const struct envstore *store, struct boot_env *ret_env)
{
	boot_env_decode(envstore_get, store, ret_env);
	ret_env->root_by_index |= store->prefers_index;
}

static void copy_cut(char *buf, size_t buf_size, struct slice text)
{
	size_t n = MIN(text.len, buf_size - 1);

	memcpy(buf, text.data, n);
	buf[n] = '\0';
}

bool envstore_next(const struct envstore *store, size_t *pos, char *name, size_t name_size,
		   char *value, size_t value_size)
{
	struct ubootenv_var var;

	if (!store->vars || !vars_next(store->vars, pos, &var))
		return false;
	copy_cut(name, name_size, var.name);
	copy_cut(value, value_size, var.value);
	return true;
}

/* --- The lock ------------------------------------------------------------------------------- */

/* A flock() that waits has no deadline of its own. */
static int lock_file(int fd)
{
	uint64_t deadline = clock_ms() + LOCK_WAIT_MS;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (clock_ms() >= deadline)
			return -EBUSY;
		(void)nanosleep(&(struct timespec){.tv_nsec = LOCK_STEP_MS * 1000000L}, NULL);
	}
	return 0;
}

static int take_lock(const struct envstore *store, int *ret_fd)
{
	int r;

	/* An open file of our own: a lock belongs to the open file, and the caller's may be shared
	 * with another store. */
	_close_ int fd = store->place.dir_fd >= 0 ? openat(store->place.dir_fd, ".",
							   O_RDONLY | O_DIRECTORY | O_CLOEXEC)
			 : store->place.raw	  ? open(store->place.raw, O_RDONLY | O_CLOEXEC)
						  : -1;

	if (store->place.dir_fd < 0 && !store->place.raw)
		return -ENODEV;
	if (fd < 0)
		return -errno;
	r = lock_file(fd);
	if (r < 0)
		return r;
	*ret_fd = take_fd(fd);
	return 0;
}

/* The lock of fw_setenv and libubootenv (tools/env/fw_env_main.c, LOCKFILE). Where it cannot be had,
 * as in the boot loader, there is nobody to be kept out. */
static int take_uboot_lock(const struct envstore *store, int *ret_fd)
{
	_close_ int fd = -1;
	int r;

	*ret_fd = -1;
	if (store->ops != &env_front_uboot && store->ops != &env_front_raw)
		return 0;
	fd = open(UBOOT_LOCK, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0644);
	if (fd < 0)
		return 0;
	r = lock_file(fd);
	if (r < 0)
		return r;
	*ret_fd = take_fd(fd);
	return 0;
}

/* Takes what is on the disk now into the store. */
static int reload(struct envstore *store)
{
	struct envstore fresh = ENVSTORE_NONE;
	int r;

	fresh.place = store->place;
	r = load(&fresh);
	if (r < 0) {
		envstore_done(&fresh);
		return r;
	}
	fresh.locked = store->locked;
	fresh.lock_fd = store->lock_fd;
	fresh.uboot_lock_fd = store->uboot_lock_fd;
	store->locked = false;
	envstore_done(store);
	*store = fresh;
	return 0;
}

int envstore_lock(struct envstore *store)
{
	_close_ int fd = -1;
	_close_ int uboot_fd = -1;
	int r;

	if (store->locked)
		return 0;
	r = take_lock(store, &fd);
	if (r == 0)
		r = take_uboot_lock(store, &uboot_fd);
	if (r < 0)
		return r;
	r = reload(store);
	if (r < 0)
		return r;
	store->lock_fd = take_fd(fd);
	store->uboot_lock_fd = take_fd(uboot_fd);
	store->locked = true;
	return 0;
}

/* --- Writing: the lock is held and the store is as the disk is ------------------------------- */

bool envstore_is_unsettled(const struct envstore *store)
{
	return store->source == ENV_FROM_COPY;
}

static int write_front(struct envstore *store)
{
	struct env_part parts[ENV_PARTS] = {0};
	int r;

	r = encode_vars(store, store->vars, parts);
	if (r == 0)
		r = store->ops->write(store, parts);
	env_parts_free(parts);
	return r;
}

/* The front of a migration that was cut cannot be made: the directory is damaged. The files that it
 * came from are still there and need no new name, so the environment stays in them. */
static int write_old_front(struct envstore *store)
{
	static const struct env_front_ops *const with_files[] = {&env_front_grub, &env_front_text};
	struct envstore old = {.place = store->place, .lock_fd = -1, .uboot_lock_fd = -1};
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(with_files) && r == -ENOENT; i++) {
		if (with_files[i] == store->ops)
			continue;
		old.ops = with_files[i];
		r = old.ops->read(&old);
	}
	if (r == 0) {
		old.vars = store->vars;
		r = write_front(&old);
		old.vars = NULL;
	}
	if (r == 0)
		store->ops = old.ops;
	envstore_done(&old);
	return r;
}

/* Steps 1 and 4 of envchoice.h: the front as the copy has it, then the copy's mark. */
static int settle(struct envstore *store)
{
	int r;

	if (!envstore_is_unsettled(store))
		return 0;
	r = write_front(store);
	if (is_damage(r) && store->copy_state == ENV_COPY_PENDING && write_old_front(store) == 0)
		r = 0;
	if (r == 0 && store->copy_state == ENV_COPY_PENDING)
		r = copy_write(store, store->ops, store->vars, ENV_COPY_SETTLED);
	return r < 0 ? r : reload(store);
}

/* Steps 2 to 4 for a front that is whole, or was never there. */
static int write_both(struct envstore *store, const struct env_part *parts, const char *vars)
{
	int r;

	store->unprotected = NULL;
	store->sequence++;
	r = copy_write(store, store->ops, vars, ENV_COPY_PENDING);
	if (r == -ENOSPC) {
		/* Better a decision that a cut may tear than none. */
		store->unprotected = "the partition is full";
		return store->ops->write(store, parts);
	}
	if (r < 0)
		return r;
	r = store->ops->write(store, parts);
	if (r == -EIO)
		return 0; /* stored in the copy, which counts as long as it is pending */
	if (r < 0) {
		/* Not begun: no permission, or no room for a front that is new. */
		(void)copy_write(store, store->ops, store->vars, ENV_COPY_SETTLED);
		return r;
	}
	(void)copy_write(store, store->ops, vars, ENV_COPY_SETTLED); /* else the next boot does */
	return 0;
}

static int write_new(struct envstore *store, const struct env_part *parts, const char *vars)
{
	return store->redundant ? store->ops->write(store, parts) : write_both(store, parts, vars);
}

static bool same_parts(const struct envstore *store, const struct env_part *parts)
{
	for (size_t i = 0; i < ENV_PARTS; i++)
		if (parts[i].present &&
		    (!store->part[i].present || store->part[i].size != parts[i].size ||
		     memcmp(store->part[i].data, parts[i].data, parts[i].size) != 0))
			return false;
	return true;
}

static bool any_value(const struct env_change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (changes[i].value)
			return true;
	return false;
}

static int store_changes(struct envstore *store, const struct env_change *changes, size_t n)
{
	struct env_part parts[ENV_PARTS] = {0};
	_free_ char *vars = vars_new();
	const char *unprotected;
	int r;

	if (!vars)
		return -ENOMEM;
	if (store->source == ENV_FROM_NOTHING && !any_value(changes, n))
		return 0; /* there is nothing to remove from */
	memcpy(vars, store->vars, ENVSTORE_VARS);
	r = vars_change(vars, changes, n);
	if (r < 0)
		return r;
	if (store->redundant && !store->problem && vars_equal(vars, store->vars))
		return 0;
	/* What does not fit is found before anything is written. */
	r = store->ops->encode(store, envstore_is_unsettled(store), changes, n, parts);
	env_parts_free(parts);
	if (r < 0)
		return r;
	r = settle(store);
	if (r < 0)
		return r;
	r = store->ops->encode(store, false, changes, n, parts);
	if (r < 0)
		return r;
	if (!store->problem && same_parts(store, parts)) {
		env_parts_free(parts);
		return 0;
	}
	if (!store->redundant) {
		/* What was left out to make room does not come back by way of the copy. */
		memset(vars, 0, ENVSTORE_VARS);
		store->ops->decode(store, parts, vars);
	}
	r = write_new(store, parts, vars);
	env_parts_free(parts);
	unprotected = store->unprotected;
	if (r == 0)
		r = reload(store);
	store->unprotected = unprotected;
	return r;
}

/* Runs a change on a fresh store under the lock, so that a failure leaves the store as it is. */
static int with_lock(struct envstore *store,
		     int (*change)(struct envstore *fresh, const struct env_change *changes,
				   size_t n),
		     const struct env_change *changes, size_t n)
{
	struct envstore fresh = ENVSTORE_NONE;
	_close_ int lock = -1;
	_close_ int uboot_lock = -1;
	int r;

	if (store->locked)
		return change(store, changes, n);
	r = take_lock(store, &lock);
	if (r == 0)
		r = take_uboot_lock(store, &uboot_lock);
	if (r == 0)
		r = envstore_open_at(&store->place, &fresh);
	if (r == 0)
		r = change(&fresh, changes, n);
	if (r < 0) {
		envstore_done(&fresh);
		return r;
	}
	envstore_done(store);
	*store = fresh;
	return 0;
}

int envstore_change(struct envstore *store, const struct env_change *changes, size_t n)
{
	return n == 0 ? 0 : with_lock(store, store_changes, changes, n);
}

int envstore_apply(struct envstore *store, const struct env_edits *edits)
{
	struct env_change changes[ENV_EDITS_MAX];

	for (size_t i = 0; i < edits->n; i++)
		changes[i] = (struct env_change){
			.name = edits->edit[i].name,
			.value = edits->edit[i].unset ? NULL : edits->edit[i].value,
		};
	return envstore_change(store, changes, edits->n);
}

static int settle_change(struct envstore *store, const struct env_change *changes, size_t n)
{
	(void)changes;
	(void)n;
	return settle(store);
}

int envstore_settle(struct envstore *store)
{
	return with_lock(store, settle_change, NULL, 0);
}

/* A copy that is cut while it is written is broken, and the front is whole. */
static int refresh(struct envstore *store, const struct env_change *changes, size_t n)
{
	_free_ char *vars = vars_new();

	(void)changes;
	(void)n;
	if (!vars)
		return -ENOMEM;
	if (store->redundant || store->front != ENV_FRONT_WHOLE)
		return settle(store);
	if (store->copy_state == ENV_COPY_PENDING)
		return settle(store);
	if (store->copy_state == ENV_COPY_SETTLED)
		copy_decode(&store->copy, vars);
	if (store->copy_state == ENV_COPY_SETTLED && vars_equal(vars, store->vars))
		return 0;
	store->sequence++;
	return copy_write(store, store->ops, store->vars, ENV_COPY_SETTLED);
}

int envstore_refresh(struct envstore *store)
{
	return with_lock(store, refresh, NULL, 0);
}

/* --- Migration ------------------------------------------------------------------------------ */

static int sync_directory(int dir_fd)
{
	_close_ int dir = -1;

	if (dir_fd < 0)
		return 0;
	dir = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 || fsync(dir) < 0 ? -errno : 0;
}

/* Removes what other kinds left; the one that counted last goes last. */
static int remove_others(struct envstore *store, const struct env_front_ops *kept,
			 const struct env_front_ops *last)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && r == 0; i++)
		if (kinds[i] != kept && kinds[i] != last && kinds[i]->remove &&
		    (kinds[i] != &env_front_raw || store->place.raw) && store->place.dir_fd >= 0)
			r = kinds[i]->remove(store);
	if (r == 0 && last != kept && last->remove)
		r = last->remove(store);
	return r < 0 ? r : sync_directory(store->place.dir_fd);
}

/*
 * To another kind. The copy, pending and of the new kind, counts before the new front is written
 * and until it is whole, whatever the old front holds; a raw partition counts before the copy, so
 * its first valid copy, or the end of its last one, is the moment of change. Old and new hold the
 * same values all along.
 */
static int write_kind(struct envstore *from, struct envstore *to, const struct env_part *parts,
		      const char *vars)
{
	int r;

	to->sequence = from->sequence + 1;
	if (to->ops == &env_front_raw)
		return to->ops->write(to, parts);
	r = copy_write(to, to->ops, vars, ENV_COPY_PENDING);
	if (r == 0)
		r = to->ops->write(to, parts);
	if (r == 0)
		r = copy_write(to, to->ops, vars, ENV_COPY_SETTLED);
	return r;
}

static int migrate(struct envstore *store, const struct env_front_ops *ops,
		   const struct env_change *changes, size_t n)
{
	struct envstore to = {
		.place = store->place, .ops = ops, .lock_fd = -1, .uboot_lock_fd = -1};
	_free_ struct env_change *all = NULL;
	struct env_part parts[ENV_PARTS] = {0};
	_free_ char *vars = vars_new();
	_free_ char *text = NULL;
	size_t count;
	int r;

	if (!vars)
		return -ENOMEM;
	r = vars_change(store->vars, changes, n);
	if (r == 0)
		r = env_changes_of(store->vars, &all, &count, &text);
	if (r < 0)
		return r;
	r = ops->read(&to);
	if (r == 0 || r == -ENOENT)
		/* U-Boot's own variables stay in its environment. */
		r = ops->encode(&to, ops != &env_front_uboot || to.front != ENV_FRONT_WHOLE, all,
				count, parts);
	if (r == 0) {
		ops->decode(&to, parts, vars);
		r = write_kind(store, &to, parts, vars);
	}
	if (r == 0)
		r = remove_others(store, ops, store->ops);
	/* Two copies need no third one, which would grow old. */
	if (r == 0 && to.redundant && store->place.dir_fd >= 0 &&
	    unlinkat(store->place.dir_fd, COPY_FILE, 0) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0)
		r = sync_directory(store->place.dir_fd);
	env_parts_free(parts);
	envstore_done(&to);
	return r;
}

int envstore_migrate(struct envstore *store, const char *kind, const struct env_change *changes,
		     size_t n)
{
	const struct env_front_ops *ops = kind_of(slice_str(kind));
	int r, back;

	if (!ops)
		return -EINVAL;
	if (ops == &env_front_raw ? !store->place.raw : store->place.dir_fd < 0)
		return -ENODEV;
	r = envstore_lock(store);
	if (r == 0)
		r = settle(store);
	if (r < 0)
		return r;
	if (ops != store->ops) {
		r = migrate(store, ops, changes, n);
	} else {
		r = store_changes(store, changes, n);
		if (r == 0)
			r = remove_others(store, ops, ops);
	}
	back = reload(store);
	return r < 0 ? r : back;
}
