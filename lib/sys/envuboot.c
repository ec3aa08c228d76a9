/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * U-Boot's binary environment as a store (lib/base/ubootenv.h): where fw_env.config on the boot
 * partition says, else in the files uboot.env and uboot-redund.env (U-Boot's own names for them on
 * FAT), or on a partition of its own. The boot partition is hostile: a configuration may name the
 * boot disk only, and a place on a device is written to only when it holds an environment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "envfront.h"
#include "fd.h"
#include "file.h"
#include "fwconfig.h"

#define CONFIG "fw_env.config"
#define CONFIG_MAX (16 * 1024)
#define COPIES 2
/* Of files that are made anew. */
#define NEW_SIZE 0x4000
#define RAW_SIZE 0x2000
#define RAW_DISTANCE 0x10000

/* Where an image is. */
struct location {
	char path[160]; /* device node, or name on the boot partition */
	bool device;
	int64_t offset;
	size_t size; /* 0: the file's */
};

struct locations {
	size_t n;
	struct location copy[COPIES];
};

/* Is path the disk, or a partition of it (sda1, nvme0n1p1)? */
static bool is_on_disk(const char *path, const char *disk)
{
	const char *rest = disk ? startswith(path, disk) : NULL;

	if (!rest)
		return false;
	if (*rest == 'p')
		rest++;
	return rest[strspn(rest, "0123456789")] == '\0';
}

static int from_config(struct envstore *store, const char *text, size_t size,
		       struct locations *ret_locations)
{
	struct fwconfig config;
	unsigned line;

	if (fwconfig_parse(text, size, &config, &line) < 0) {
		store->note = "fw_env.config cannot be understood";
		return -ENOENT;
	}
	*ret_locations = (struct locations){.n = config.n};
	for (size_t i = 0; i < config.n; i++) {
		struct location *copy = &ret_locations->copy[i];
		const char *path = config.copy[i].device;
		_free_ char *real = NULL;

		copy->offset = config.copy[i].offset;
		copy->size = config.copy[i].size;
		copy->device = startswith(path, "/dev/") != NULL;
		if (copy->device) {
			real = realpath(path, NULL); /* /dev/disk/by-… */
			path = real ? real : path;
			if (!is_on_disk(path, store->place.disk)) {
				store->note =
					"fw_env.config names a device that is not the boot disk";
				return -ENOENT;
			}
		} else if (strrchr(path, '/')) {
			path = strrchr(path, '/') + 1;
		}
		(void)snprintf(copy->path, sizeof(copy->path), "%s", path);
	}
	return 0;
}

/* uboot.env alone is a single environment, unless its checksum says that it is one copy of a redundant
 * one whose other copy was never written. */
static bool is_half(const struct envstore *store)
{
	struct env_part part = {0};
	bool half;

	if (env_part_read(store->place.dir_fd, "uboot.env", UBOOTENV_SIZE_MAX, &part) < 0)
		return false;
	half = ubootenv_check(part.data, part.size, UBOOTENV_SINGLE) < 0 &&
	       ubootenv_check(part.data, part.size, UBOOTENV_REDUNDANT) == 0;
	free(part.data);
	return half;
}

static int locate(struct envstore *store, struct locations *ret_locations)
{
	_free_ char *text = NULL;
	_close_ int fd = -1;
	size_t size;
	int r;

	r = file_open_regular(store->place.dir_fd, CONFIG, O_RDONLY, &fd);
	if (r == 0)
		r = file_read_fd(fd, CONFIG_MAX, &text, &size);
	if (r == 0)
		return from_config(store, text, size, ret_locations);
	*ret_locations = (struct locations){
		.n = COPIES,
		.copy = {{.path = "uboot.env"}, {.path = "uboot-redund.env"}},
	};
	if (faccessat(store->place.dir_fd, "uboot-redund.env", F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	    faccessat(store->place.dir_fd, "uboot.env", F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !is_half(store))
		ret_locations->n = 1;
	return 0;
}

static int raw_locate(struct envstore *store, struct locations *ret_locations)
{
	*ret_locations = (struct locations){.n = COPIES};
	for (size_t i = 0; i < COPIES; i++) {
		struct location *copy = &ret_locations->copy[i];

		(void)snprintf(copy->path, sizeof(copy->path), "%s", store->place.raw);
		copy->device = true;
		copy->offset = (int64_t)(i * RAW_DISTANCE);
		copy->size = RAW_SIZE;
	}
	return 0;
}

static int open_location(const struct envstore *store, const struct location *where, int flags,
			 int *ret_fd)
{
	if (!where->device)
		return file_open_regular(store->place.dir_fd, where->path, flags, ret_fd);
	*ret_fd = open(where->path, flags | O_CLOEXEC | O_NOCTTY);
	return *ret_fd < 0 ? -errno : 0;
}

/* Goes to the image; returns where that is, or a negative errno. */
static off_t seek(int fd, const struct location *where)
{
	off_t at = lseek(fd, (off_t)where->offset, where->offset < 0 ? SEEK_END : SEEK_SET);

	return at < 0 ? -errno : at;
}

static int read_location(const struct envstore *store, const struct location *where,
			 struct env_part *ret_part)
{
	_close_ int fd = -1;
	off_t at;
	int r;

	r = open_location(store, where, O_RDONLY, &fd);
	if (r < 0)
		return r;
	at = seek(fd, where);
	if (at < 0)
		return (int)at;
	return env_part_read_fd(fd, where->size ? where->size : UBOOTENV_SIZE_MAX, ret_part);
}

static enum ubootenv_form form_of(const struct envstore *store)
{
	return store->redundant ? UBOOTENV_REDUNDANT : UBOOTENV_SINGLE;
}

static bool valid(const struct envstore *store, const struct env_part *part)
{
	return part->present && ubootenv_check(part->data, part->size, form_of(store)) == 0;
}

static uint8_t flag_of(const struct env_part *part)
{
	return part->present && part->size > 4 ? (uint8_t)part->data[4] : 0;
}

/* Which part counts, -1 for none. */
static int chosen(const struct envstore *store, const struct env_part *parts)
{
	if (!store->redundant)
		return valid(store, &parts[0]) ? 0 : -1;
	return ubootenv_choose(valid(store, &parts[0]), flag_of(&parts[0]), valid(store, &parts[1]),
			       flag_of(&parts[1]), UBOOTENV_INCREMENTAL);
}

static int read_at(struct envstore *store, const struct locations *where)
{
	int which, r;

	(void)snprintf(store->name, sizeof(store->name), "%s", where->copy[0].path);
	store->redundant = where->n == COPIES;
	for (size_t i = 0; i < where->n; i++) {
		r = read_location(store, &where->copy[i], &store->part[i]);
		/* A copy that cannot be read is one that does not count. */
		if (r < 0 && (r != -EIO || where->n == 1) && r != -ENOENT)
			return r;
	}
	if (!store->part[0].present && !store->part[1].present)
		return -ENOENT;
	which = chosen(store, store->part);
	store->front = which >= 0 ? ENV_FRONT_WHOLE : ENV_FRONT_BROKEN;
	if (which < 0)
		store->problem = "wrong checksum";
	else if (store->redundant && !valid(store, &store->part[1 - which]))
		store->note = "one of the two copies is not valid";
	if (which > 0)
		(void)snprintf(store->name, sizeof(store->name), "%s", where->copy[which].path);
	return 0;
}

static int uboot_read(struct envstore *store)
{
	struct locations where;
	int r = locate(store, &where);

	return r < 0 ? r : read_at(store, &where);
}

static int raw_read(struct envstore *store)
{
	struct locations where;

	return raw_locate(store, &where) < 0 ? -ENOENT : read_at(store, &where);
}

static void uboot_decode(const struct envstore *store, const struct env_part *parts, char *vars)
{
	int which = chosen(store, parts);
	struct ubootenv_var var;
	size_t pos = 0;

	/* What the checksum does not fit U-Boot itself would not believe. */
	while (which >= 0 &&
	       ubootenv_next(parts[which].data, parts[which].size, form_of(store), &pos, &var))
		(void)ubootenv_append(vars, ENVSTORE_VARS, UBOOTENV_SINGLE, var.name, var.value);
}

static int make_image(const struct envstore *store, const struct env_part *base, size_t size,
		      uint8_t flag, const struct env_change *changes, size_t n,
		      struct env_part *ret_part)
{
	enum ubootenv_form form = form_of(store);
	_free_ char *image = NULL;
	struct ubootenv_var var;
	size_t pos = 0;
	int r = 0;

	if (size < UBOOTENV_SIZE_MIN || size > UBOOTENV_SIZE_MAX)
		size = NEW_SIZE; /* a file that was cut short */
	image = malloc(size);
	if (!image)
		return -ENOMEM;
	ubootenv_init(image, size, form);
	while (r == 0 && base && ubootenv_next(base->data, base->size, form, &pos, &var))
		r = ubootenv_append(image, size, form, var.name, var.value);
	for (size_t i = 0; i < n && r == 0; i++)
		r = changes[i].value
			    ? ubootenv_set(image, size, form, changes[i].name, changes[i].value)
			    : ubootenv_unset(image, size, form, changes[i].name);
	if (r < 0)
		return r;
	ubootenv_seal(image, size, form, flag);
	*ret_part = (struct env_part){take_ptr(image), size, true};
	return 0;
}

/* On a device nothing is written over what is no environment, unless the copy beside it says that
 * there is to be one. */
static bool may_write(const struct envstore *store, const struct locations *where)
{
	return !where->copy[0].device || chosen(store, store->part) >= 0 ||
	       store->copy_state != ENV_COPY_NONE;
}

static int encode_at(const struct envstore *store, const struct locations *where, bool blank,
		     const struct env_change *changes, size_t n, struct env_part *ret_parts)
{
	int which = chosen(store, store->part);
	const struct env_part *base = blank || which < 0 ? NULL : &store->part[which];
	struct env_part parts[ENV_PARTS] = {0};
	uint8_t flag =
		which < 0 ? 1
			  : ubootenv_flag_after(flag_of(&store->part[which]), UBOOTENV_INCREMENTAL);
	size_t target = store->redundant && which == 0 ? 1 : 0;
	size_t size = where->copy[target].size;
	int r;

	if (!size)
		size = store->part[target].present ? store->part[target].size
		       : which >= 0		   ? store->part[which].size
						   : NEW_SIZE;
	r = make_image(store, base, size, flag, changes, n, &parts[target]);
	/* Where none of two was valid, both are made. */
	if (r == 0 && store->redundant && which < 0)
		r = make_image(store, base, size, flag + 1, changes, n, &parts[1]);
	if (r < 0) {
		env_parts_free(parts);
		return r;
	}
	memcpy(ret_parts, parts, sizeof(parts));
	return 0;
}

static int uboot_encode(const struct envstore *store, bool blank, const struct env_change *changes,
			size_t n, struct env_part *ret_parts)
{
	struct envstore scratch = {.place = store->place};
	struct locations where;
	int r = locate(&scratch, &where);

	if (r < 0)
		return r;
	if (!may_write(store, &where))
		return -EBADMSG;
	return encode_at(store, &where, blank, changes, n, ret_parts);
}

static int raw_encode(const struct envstore *store, bool blank, const struct env_change *changes,
		      size_t n, struct env_part *ret_parts)
{
	struct envstore scratch = {.place = store->place};
	struct locations where;

	(void)raw_locate(&scratch, &where);
	return encode_at(store, &where, blank, changes, n, ret_parts);
}

static int write_range(const struct envstore *store, const struct location *where, const char *data,
		       size_t size)
{
	_close_ int fd = -1;
	off_t at;
	int r;

	r = open_location(store, where, O_RDWR, &fd);
	if (r < 0)
		return r;
	at = seek(fd, where);
	if (at < 0)
		return (int)at;
	return file_rewrite_range(fd, at, data, size);
}

static int write_location(const struct envstore *store, const struct location *where,
			  const char *data, size_t size)
{
	int r;

	if (!where->device && where->offset == 0 && where->size == 0)
		return file_rewrite(store->place.dir_fd, where->path, data, size);
	r = write_range(store, where, data, size);
	if (r == -ENOENT && !where->device && where->offset == 0)
		return file_rewrite(store->place.dir_fd, where->path, data, size);
	return r;
}

/*
 * The flag is not under the checksum: a write that is torn behind the checksum, where the bytes that
 * the first sector has of old and new values are the same, would leave old values with a new flag.
 * So the copy that is about to be written is first made one that does not count.
 */
static int invalidate(const struct envstore *store, const struct location *where, size_t part)
{
	const struct env_part *was = &store->part[part];
	char crc[4];

	if (!valid(store, was))
		return 0;
	for (size_t i = 0; i < sizeof(crc); i++)
		crc[i] = (char)~was->data[i];
	return write_range(store, where, crc, sizeof(crc));
}

static int write_at(const struct envstore *store, const struct locations *where,
		    const struct env_part *parts)
{
	int r = 0;

	for (size_t i = 0; i < where->n && r == 0; i++) {
		if (!parts[i].present)
			continue;
		if (store->redundant)
			r = invalidate(store, &where->copy[i], i);
		if (r == 0)
			r = write_location(store, &where->copy[i], parts[i].data, parts[i].size);
	}
	return r;
}

static int uboot_write(struct envstore *store, const struct env_part *parts)
{
	struct locations where;
	int r = locate(store, &where);

	return r < 0 ? r : write_at(store, &where, parts);
}

static int raw_write(struct envstore *store, const struct env_part *parts)
{
	struct locations where;

	(void)raw_locate(store, &where);
	return write_at(store, &where, parts);
}

/* Makes both copies invalid, the one that counts last. */
static int raw_remove(struct envstore *store)
{
	struct envstore raw = {.place = store->place, .lock_fd = -1, .uboot_lock_fd = -1};
	char zeros[UBOOTENV_SIZE_MIN] = "";
	struct locations where;
	int which, r;

	(void)raw_locate(&raw, &where);
	r = read_at(&raw, &where);
	which = chosen(&raw, raw.part);
	for (int i = 0; i < COPIES && r == 0 && which >= 0; i++)
		r = write_range(&raw, &where.copy[i == 0 ? 1 - which : which], zeros,
				sizeof(zeros));
	envstore_done(&raw);
	return r == -ENOENT ? 0 : r;
}

const struct env_front_ops env_front_uboot = {
	.kind = "uboot",
	.read = uboot_read,
	.decode = uboot_decode,
	.encode = uboot_encode,
	.write = uboot_write,
};

const struct env_front_ops env_front_raw = {
	.kind = "raw",
	.read = raw_read,
	.decode = uboot_decode,
	.encode = raw_encode,
	.write = raw_write,
	.remove = raw_remove,
};
