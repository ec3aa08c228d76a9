/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The OS role's side of unlocking: the key bag that came over kexec, the volumes opened with it, and
 * no key left behind but those of the live mappings. No TPM, no key derivation.
 */
#include "os_volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>

#include "boot.h"
#include "disk.h"
#include "dm.h"
#include "fd.h"
#include "keybag.h"
#include "log.h"
#include "secret.h"

#define DISKS_MAX 64

struct os_volumes {
	struct secret memory;
	struct keybag *bag; /* in that memory */
	bool opened[KEYBAG_VOLUMES];
	struct partition inside[KEYBAG_VOLUMES];
};

static struct os_volumes volumes;
static uint32_t roles; /* in the key bag, a bit each */

static bool all_opened(void)
{
	for (unsigned i = 0; volumes.bag && i < volumes.bag->n; i++)
		if (!volumes.opened[i])
			return false;
	return true;
}

/* Reads the file into locked memory, and overwrites it before it goes. */
static int take_file(struct secret *ret_text)
{
	static const char zeros[KEYBAG_SIZE_MAX];
	_close_ int fd = open(KEYBAG_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct secret text;
	ssize_t n;
	int r;

	if (fd < 0)
		return -errno;
	r = secret_new(KEYBAG_SIZE_MAX, &text);
	if (r < 0)
		return r;
	n = read(fd, text.data, text.size);
	if (n > 0)
		(void)!pwrite(fd, zeros, (size_t)n, 0);
	(void)unlink(KEYBAG_FILE);
	if (n <= 0) {
		secret_done(&text);
		return -EIO;
	}
	text.size = (size_t)n;
	*ret_text = text;
	return 0;
}

int os_volumes_read(void)
{
	_secret_ struct secret text = {0};
	int r;

	r = take_file(&text);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = secret_new(sizeof(*volumes.bag), &volumes.memory);
	if (r == 0) {
		volumes.bag = (struct keybag *)(void *)volumes.memory.data;
		r = keybag_parse(text.data, text.size, volumes.bag);
	}
	if (r < 0) {
		os_volumes_done();
		return log_err(r, "keys", "file=%s error=%s next=\"go on without\"", KEYBAG_FILE,
			       log_errno(r));
	}
	for (unsigned i = 0; i < volumes.bag->n; i++)
		roles |= volumes.bag->volume[i].role < 32 ? 1u << volumes.bag->volume[i].role : 0;
	return (int)volumes.bag->n;
}

static void open_volume(unsigned i, const struct partition *outer)
{
	struct keybag_volume *volume = &volumes.bag->volume[i];
	struct partition *inside = &volumes.inside[i];
	_secret_ struct secret key = {0};
	struct dm_crypt crypt = {
		.name = volume->name,
		.device = outer->dev,
		.uuid = volume->uuid,
		.cipher = volume->cipher,
		.offset = volume->offset,
		.sector_size = volume->sector_size,
		.discards = volume->flags & KEYBAG_DISCARDS,
		.read_only = volume->flags & KEYBAG_READ_ONLY,
	};
	char dev[64];
	int r;

	r = secret_copy(volume->key, volume->key_size, &key);
	if (r == 0)
		r = dm_crypt_open(&crypt, &key, dev, sizeof(dev));
	explicit_bzero(volume->key, sizeof(volume->key));
	volumes.opened[i] = true; /* or never */
	*inside = *outer;
	inside->present = r == 0;
	if (r < 0) {
		log_line(LOG_ERROR, "unlock", "volume=%s dev=%s error=%s next=\"go on without\"",
			 volume->name, outer->dev, log_errno(r));
		return;
	}
	(void)disk_probe_volume(dev, inside); /* what holds nothing is no root */
	(void)snprintf(inside->dev, sizeof(inside->dev), "%s", dev);
	log_event("unlock", "volume=%s dev=%s on=/dev/mapper/%s", partname_of(volume->role),
		  outer->dev, volume->name);
}

/* partition_fn: opens what the partition is, if a volume has its UUID. */
static bool open_partition(const struct partition *part, void *data _unused_)
{
	for (unsigned i = 0; i < volumes.bag->n; i++)
		if (!volumes.opened[i] && streq(part->fstype, DISK_LUKS) &&
		    strcasecmp(part->uuid, volumes.bag->volume[i].uuid) == 0)
			open_volume(i, part);
	return all_opened();
}

bool os_volumes_open(void)
{
	static char names[DISKS_MAX][32];
	size_t n = all_opened() ? 0 : disk_list(names, DISKS_MAX);

	for (size_t i = 0; i < n && !all_opened(); i++)
		(void)disk_each_partition(names[i], open_partition, NULL);
	return all_opened(); /* what is missing comes, or the deadline does */
}

static bool is_wanted(const struct partition *part, const char *root)
{
	const char *uuid = startswith(root, "UUID="), *label = startswith(root, "LABEL=");

	return part->present && ((uuid && *uuid && strcasecmp(uuid, part->uuid) == 0) ||
				 (label && *label && streq(label, part->label)));
}

bool os_volumes_have_root(char slot)
{
	return roles & (1u << slot_role(slot));
}

bool os_volumes_find(const char *root, char slot, struct partition *ret_part)
{
	enum part_role own = slot_role(slot);
	bool found = false;

	for (unsigned i = 0; volumes.bag && i < volumes.bag->n; i++) {
		if (!is_wanted(&volumes.inside[i], root) ||
		    (found && volumes.bag->volume[i].role != own))
			continue;
		*ret_part = volumes.inside[i];
		found = true;
	}
	return found;
}

void os_volumes_done(void)
{
	secret_done(&volumes.memory);
	volumes.bag = NULL;
}
