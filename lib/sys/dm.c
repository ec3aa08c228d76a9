/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mappings by the ioctls of /dev/mapper/control: create, load a table, resume. A mapping that does not
 * come to its end is removed again. The kernel is trusted; see dm.h for the rest.
 */
#include "dm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <linux/keyctl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base64.h"
#include "fd.h"

#define SECTOR 512u
#define PARAMS_MAX 2048
#define MAPPER "/dev/mapper/"
#define UDEV "/run/udev"
/* libdevmapper's DM_UDEV_PRIMARY_SOURCE_FLAG, where the kernel passes flags on to udev. */
#define PRIMARY_SOURCE (UINT32_C(0x0040) << 16)

/* One ioctl's buffer: the header, and a target with its parameters. Keys are never in it. */
struct request {
	struct dm_ioctl header;
	struct dm_target_spec target;
	char params[PARAMS_MAX];
};

static int control_open(int *ret_fd)
{
	int fd = open(MAPPER "control", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
	*ret_fd = fd;
	return 0;
}

/* Part of a device's name and of its node's path. */
static bool name_valid(const char *name)
{
	size_t len = strnlen(name, DM_NAME_LEN);

	if (len == 0 || len >= DM_NAME_LEN || streq(name, ".") || streq(name, "..") ||
	    streq(name, "control"))
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
			return false;
	return true;
}

/* A word of a table: nothing that begins another one. */
static bool word_valid(const char *word)
{
	if (!*word)
		return false;
	for (; *word; word++)
		if (*word <= ' ' || *word > '~' || *word == '\\')
			return false;
	return true;
}

static int request_init(struct request *request, const char *name, uint32_t flags)
{
	if (!name_valid(name))
		return -EINVAL;
	*request = (struct request){
		.header =
			{
				/* 4.0.0 is what has not changed since 2003; the kernel takes all of 4. */
				.version = {DM_VERSION_MAJOR, 0, 0},
				.data_size = sizeof(*request),
				.data_start = sizeof(request->header),
				.flags = flags,
			},
	};
	strcpy(request->header.name, name);
	return 0;
}

/* ---- a device below a mapping ---- */

struct below {
	unsigned disk, part; /* major and minor number */
	uint64_t sectors;
};

static int below_find(const char *path, struct below *ret_below)
{
	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	uint64_t bytes;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISBLK(st.st_mode))
		return -ENOTBLK;
	if (ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		return -errno;
	*ret_below = (struct below){
		major(st.st_rdev),
		minor(st.st_rdev),
		bytes / SECTOR,
	};
	return 0;
}

/* ---- make and remove ---- */

struct mapping {
	const char *name;
	const char *target; /* "crypt" */
	uint64_t sectors;
	bool read_only;
	char uuid[DM_UUID_LEN];
	char params[PARAMS_MAX];
};

_printf_(3, 4) static int format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n < 0 || (size_t)n >= size ? -EINVAL : 0;
}

static int mapping_create(int control, const struct mapping *mapping, uint64_t *ret_dev)
{
	struct request request;
	int r;

	r = request_init(&request, mapping->name, 0);
	if (r < 0)
		return r;
	strcpy(request.header.uuid, mapping->uuid);
	if (ioctl(control, DM_DEV_CREATE, &request) < 0)
		return errno == EBUSY ? -EEXIST : -errno;
	*ret_dev = request.header.dev;
	return 0;
}

static int mapping_load(int control, const struct mapping *mapping)
{
	struct request request;
	int r;

	r = request_init(&request, mapping->name, mapping->read_only ? DM_READONLY_FLAG : 0);
	if (r < 0)
		return r;
	request.header.target_count = 1;
	request.target.length = mapping->sectors;
	request.target.next = sizeof(request.target) + sizeof(request.params);
	strcpy(request.target.target_type, mapping->target);
	strcpy(request.params, mapping->params);
	return ioctl(control, DM_TABLE_LOAD, &request) < 0 ? -errno : 0;
}

/* Resumes it, which is what makes the loaded table the live one. */
static int mapping_start(int control, const struct mapping *mapping)
{
	struct request request;
	int r;

	r = request_init(&request, mapping->name, 0);
	if (r < 0)
		return r;
	request.header.event_nr = PRIMARY_SOURCE;
	return ioctl(control, DM_DEV_SUSPEND, &request) < 0 ? -errno : 0;
}

static int mapping_remove(int control, const char *name)
{
	struct request request;
	int r;

	r = request_init(&request, name, 0);
	if (r < 0)
		return r;
	return ioctl(control, DM_DEV_REMOVE, &request) < 0 ? -errno : 0;
}

/* Where udev runs it makes the same link; either may be the first. One that leads elsewhere is of a
 * mapping that is gone: the name was free. */
static int mapping_link(const char *name, unsigned number)
{
	char path[sizeof(MAPPER) + DM_NAME_LEN], target[32], found[32];
	ssize_t n;

	(void)snprintf(path, sizeof(path), MAPPER "%s", name);
	(void)snprintf(target, sizeof(target), "../dm-%u", number);
	if (symlink(target, path) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	n = readlink(path, found, sizeof(found));
	if (n == (ssize_t)strlen(target) && memcmp(found, target, (size_t)n) == 0)
		return 0;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	return symlink(target, path) < 0 && errno != EEXIST ? -errno : 0;
}

/*
 * udev's rules (dmsetup's 55-dm.rules) take a mapping for real only when an event with that flag has
 * come, or when udev's data says that one had. Where udev does not run yet, none comes: the system that
 * starts later would leave the mapping alone, and wait for a device unit that never is there. So its data
 * is written here, as an initrd with udev leaves it behind. Of the OS role alone this has a reader.
 */
static void mapping_tell_udev(uint64_t dev, bool there)
{
	static const char data[] = "E:DM_UDEV_PRIMARY_SOURCE_FLAG=1\n";
	_close_ int fd = -1;
	char path[64];

	if (access(UDEV "/control", F_OK) == 0)
		return;
	(void)snprintf(path, sizeof(path), UDEV "/data/b%u:%u", major(dev), minor(dev));
	if (!there) {
		(void)unlink(path); /* the number may be another mapping's soon */
		return;
	}
	(void)mkdir(UDEV, 0755);
	(void)mkdir(UDEV "/data", 0755);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	/* Without it the mapping works as well; who mounts it by its path need not know. */
	if (fd >= 0)
		(void)!write(fd, data, strlen(data));
}

static int mapping_make(const struct mapping *mapping, unsigned *ret_number)
{
	_close_ int control = -1;
	uint64_t dev = 0;
	int r;

	r = control_open(&control);
	if (r < 0)
		return r;
	r = mapping_create(control, mapping, &dev);
	if (r < 0)
		return r;
	r = mapping_load(control, mapping);
	if (r == 0)
		r = mapping_start(control, mapping);
	if (r == 0)
		r = mapping_link(mapping->name, minor(dev));
	if (r < 0) {
		(void)mapping_remove(control, mapping->name); /* the first error counts */
		return r;
	}
	mapping_tell_udev(dev, true);
	*ret_number = minor(dev);
	return 0;
}

int dm_remove(const char *name)
{
	char path[sizeof(MAPPER) + DM_NAME_LEN];
	_close_ int control = -1;
	struct request request;
	int r;

	r = control_open(&control);
	if (r == 0)
		r = request_init(&request, name, 0);
	if (r < 0)
		return r;
	if (ioctl(control, DM_DEV_STATUS, &request) < 0)
		return -errno;
	r = mapping_remove(control, name);
	if (r < 0)
		return r;
	mapping_tell_udev(request.header.dev, false);
	(void)snprintf(path, sizeof(path), MAPPER "%s", name);
	(void)unlink(
		path); /* udev may have been faster; what it knows of the number ends with the event */
	return 0;
}

/* ---- crypt ---- */

typedef int32_t key_serial; /* key_serial_t of keyutils */

static long keyctl(int operation, long a, long b)
{
	return syscall(SYS_keyctl, operation, a, b, 0, 0);
}

/* Of this thread's keyring: nobody else finds it, and it ends with the thread at the latest. */
static int key_add(const char *description, const struct secret *key, key_serial *ret_serial)
{
	long serial = syscall(SYS_add_key, "logon", description, key->data, key->size,
			      KEY_SPEC_THREAD_KEYRING);

	if (serial < 0)
		return -errno;
	*ret_serial = (key_serial)serial;
	return 0;
}

/* Revoking wipes the payload; unlinking lets go of the rest. */
static void key_drop(key_serial serial)
{
	(void)keyctl(KEYCTL_REVOKE, serial, 0);
	(void)keyctl(KEYCTL_UNLINK, serial, KEY_SPEC_THREAD_KEYRING);
}

/* The UUID without its dashes. -EINVAL when it is none. */
static int compact_uuid(const char *uuid, char compact[static 33])
{
	size_t len = 0;

	if (strlen(uuid) != 36)
		return -EINVAL;
	for (const char *c = uuid; *c; c++) {
		bool digit = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'f') ||
			     (*c >= 'A' && *c <= 'F');

		if (*c == '-')
			continue;
		if (!digit || len == 32)
			return -EINVAL;
		compact[len++] = *c;
	}
	compact[len] = '\0';
	return len == 32 ? 0 : -EINVAL;
}

/* crypt's optional parameters, their number first; empty when there are none. */
static void crypt_options(const struct dm_crypt *crypt, char buf[static 64])
{
	unsigned n = (crypt->discards ? 1u : 0) + (crypt->sector_size != SECTOR ? 1u : 0);
	int len = 0;

	buf[0] = '\0';
	if (n > 0)
		len = snprintf(buf, 64, " %u%s", n, crypt->discards ? " allow_discards" : "");
	if (crypt->sector_size != SECTOR)
		(void)snprintf(buf + len, 64 - (size_t)len, " sector_size:%u", crypt->sector_size);
}

static int crypt_describe(const struct dm_crypt *crypt, size_t key_size, const char *description,
			  struct mapping *mapping)
{
	char options[64], uuid[33];
	struct below below = {0};
	int r;

	if (!word_valid(crypt->cipher) || crypt->sector_size < SECTOR ||
	    crypt->sector_size > 4096 || (crypt->sector_size & (crypt->sector_size - 1)))
		return -EINVAL;
	r = compact_uuid(crypt->uuid, uuid);
	if (r < 0)
		return r;
	r = below_find(crypt->device, &below);
	if (r < 0)
		return r;
	if (crypt->offset >= below.sectors)
		return -ERANGE;
	mapping->name = crypt->name;
	mapping->target = "crypt";
	mapping->read_only = crypt->read_only;
	mapping->sectors = below.sectors - crypt->offset;
	mapping->sectors -= mapping->sectors % (crypt->sector_size / SECTOR);
	if (mapping->sectors == 0)
		return -ERANGE;
	r = format(mapping->uuid, sizeof(mapping->uuid), "CRYPT-LUKS2-%s-%s", uuid, crypt->name);
	if (r < 0)
		return r;
	crypt_options(crypt, options);
	return format(mapping->params, sizeof(mapping->params), "%s :%zu:logon:%s 0 %u:%u %llu%s",
		      crypt->cipher, key_size, description, below.disk, below.part,
		      (unsigned long long)crypt->offset, options);
}

int dm_crypt_open(const struct dm_crypt *crypt, const struct secret *key, char *ret_dev,
		  size_t size)
{
	struct mapping mapping = {0};
	char description[64];
	key_serial serial = 0;
	unsigned number = 0;
	int r;

	if (!name_valid(crypt->name) || size < 32)
		return -EINVAL;
	/* cryptsetup's own description, which is what the table goes on showing. */
	r = format(description, sizeof(description), "cryptsetup:%s-d0", crypt->uuid);
	if (r < 0)
		return r;
	r = crypt_describe(crypt, key->size, description, &mapping);
	if (r < 0)
		return r;
	r = key_add(description, key, &serial);
	if (r < 0)
		return r;
	r = mapping_make(&mapping, &number);
	key_drop(serial);
	if (r < 0)
		return r;
	(void)snprintf(ret_dev, size, "/dev/dm-%u", number);
	return 0;
}

/* ---- verity ---- */

int dm_verity_open(const char *name, const char *data_device, const char *hash_device,
		   const struct verity *verity, const uint8_t *root_hash, size_t root_hash_size)
{
	char uuid[2 * sizeof(verity->uuid) + 1], salt[2 * VERITY_SALT_MAX + 1], root[2 * 64 + 1];
	struct mapping mapping = {.name = name, .target = "verity", .read_only = true};
	struct below data = {0}, hash = {0};
	unsigned number;
	int r;

	if (!name_valid(name) || root_hash_size == 0 || root_hash_size > 64 ||
	    !word_valid(verity->algorithm) || verity->salt_size > VERITY_SALT_MAX)
		return -EINVAL;
	r = below_find(data_device, &data);
	if (r == 0)
		r = below_find(hash_device, &hash);
	if (r < 0)
		return r;
	mapping.sectors = verity->data_blocks * (verity->data_block_size / SECTOR);
	if (mapping.sectors > data.sectors)
		return -ERANGE;
	hex_encode(verity->uuid, sizeof(verity->uuid), uuid);
	hex_encode(verity->salt, verity->salt_size, salt);
	hex_encode(root_hash, root_hash_size, root);
	r = format(mapping.uuid, sizeof(mapping.uuid), "CRYPT-VERITY-%s-%s", uuid, name);
	if (r < 0)
		return r;
	r = format(mapping.params, sizeof(mapping.params), "1 %u:%u %u:%u %u %u %llu %llu %s %s %s",
		   data.disk, data.part, hash.disk, hash.part, verity->data_block_size,
		   verity->hash_block_size, (unsigned long long)verity->data_blocks,
		   (unsigned long long)verity->hash_start, verity->algorithm, root,
		   verity->salt_size > 0 ? salt : "-");
	return r < 0 ? r : mapping_make(&mapping, &number);
}
