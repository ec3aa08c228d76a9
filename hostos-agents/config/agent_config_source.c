/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the config agent has its text from: the boot partition, or the last one that was good. Both are
 * hostile as far as this file is concerned: it only fetches them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent_config.h"
#include "apply_tree.h"
#include "disk.h"
#include "fd.h"
#include "file.h"
#include "mount.h"
#include "paths.h"

/* In the service's own mount namespace (PrivateMounts=), so that nobody else sees it. */
#define MOUNT_ON RUN_DIR "/boot"
#define LAST_GOOD "config.last"

static const char *forced;

void source_force(const char *boot_dir)
{
	forced = boot_dir;
}

int source_facts(struct facts *ret_facts)
{
	int r = facts_read(ret_facts);

	if (r == 0 && forced)
		(void)snprintf(ret_facts->boot_dir, sizeof(ret_facts->boot_dir), "%s", forced);
	return r;
}

static int mount_here(struct source *ret_source)
{
	_free_ struct disk *disk = calloc(1, sizeof(*disk));
	const struct partition *part;
	char name[32];
	int r;

	if (!disk)
		return -ENOMEM;
	part = &disk->role[PART_BOOT];
	r = disk_of_path("/", name);
	if (r == 0)
		r = disk_probe(name, disk);
	if (r < 0)
		return r;
	if (!part->present)
		return -ENODEV;
	if (mkdir(RUN_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	r = mount_read_only(part->dev, part->fstype, MOUNT_ON);
	if (r < 0)
		return r;
	ret_source->mounted_here = true;
	ret_source->dir_fd = open(MOUNT_ON, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ret_source->dir_fd < 0 ? -errno : 0;
}

int source_open(const struct facts *facts, struct source *ret_source)
{
	struct source source = SOURCE_NONE;
	int r;

	if (!facts->boot_dir[0]) {
		r = mount_here(&source);
		if (r < 0)
			source_done(&source);
		else
			*ret_source = source;
		return r;
	}
	source.dir_fd = open(facts->boot_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (source.dir_fd < 0)
		return -errno;
	*ret_source = source;
	return 0;
}

int source_make_writable(const struct source *source)
{
	return source->mounted_here ? mount_set_writable(MOUNT_ON, true) : 0;
}

void source_done(struct source *source)
{
	close_p(&source->dir_fd);
	if (source->mounted_here)
		mount_end(MOUNT_ON);
	*source = SOURCE_NONE;
}

static int lastgood_path(const struct facts *facts, char buf[static PATH_MAX])
{
	return snprintf(buf, PATH_MAX, "%s/" LAST_GOOD, facts->state_dir) >= PATH_MAX
		       ? -ENAMETOOLONG
		       : 0;
}

int lastgood_read(const struct facts *facts, struct store_text *ret_text)
{
	_close_ int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_thing_ struct thing thing = {0};
	char path[PATH_MAX];
	int r = root < 0 ? -errno : lastgood_path(facts, path);

	if (r == 0)
		r = tree_read(root, path, &thing);
	if (r < 0)
		return r;
	if (thing.kind != THING_FILE)
		return -ENOENT;
	*ret_text = (struct store_text){.data = take_ptr(thing.data), .size = thing.size};
	return 0;
}

int lastgood_write(const struct facts *facts, const struct store_text *text)
{
	_close_ int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_thing_ struct thing before = {0};
	struct thing thing = {
		.kind = THING_FILE,
		.data = text->data,
		.size = text->size,
		.mode = 0600,
		.uid = geteuid(),
		.gid = getegid(),
	};
	char path[PATH_MAX];
	int r = root < 0 ? -errno : lastgood_path(facts, path);

	if (r == 0)
		r = tree_read(root, path, &before);
	if (r < 0 || thing_same(&before, &thing))
		return r;
	return tree_put(root, path, &thing, NULL);
}
