/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The environment as bootloader/environment.c reads it, and as text that can be compared. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>

#include "fd.h"
#include "mount.h"
#include "power.h"

#define MOUNT "/mnt"

int place_mount(const struct place *place, bool writable)
{
	if (!place->dev)
		return 0;
	return writable ? mount_root(place->dev, place->fstype, MOUNT, true, NULL)
			: mount_read_only(place->dev, place->fstype, MOUNT);
}

int place_unmount(const struct place *place)
{
	if (!place->dev)
		return 0;
	return umount2(MOUNT, 0) < 0 ? -errno : 0;
}

int place_set_writable(const struct place *place, bool writable)
{
	if (!place->dev)
		return 0;
	return mount_set_writable(MOUNT, writable);
}

int place_open(const struct place *place, struct envstore_place *ret_place)
{
	struct envstore_place where = {.dir_fd = -1, .raw = place->raw};

	if (place->dev)
		where.dir_fd = open(MOUNT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place->dev && where.dir_fd < 0)
		return -errno;
	*ret_place = where;
	return 0;
}

void reading_open(const struct place *place, enum slot_last last, struct reading *ret_reading)
{
	struct reading *r = ret_reading;

	*r = (struct reading){.where = {.dir_fd = -1}, .store = ENVSTORE_NONE};
	r->found.last = last;
	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		r->found.slot[i].present = true;
		r->found.slot[i].index = 2 + i;
	}
	r->mounted = place_mount(place, false);
	if (r->mounted == 0)
		r->opened = place_open(place, &r->where);
	else if (place->raw)
		r->where.raw = place->raw; /* it does not need the files */
	else
		r->opened = -ENODEV;
	if (r->opened == 0)
		r->opened = envstore_open_at(&r->where, &r->store);
	r->found.read_only = r->opened < 0;
	envstore_decode(&r->store, &r->env);
	r->decision = slot_decide(&r->env, &r->found);
}

int reading_close(const struct place *place, struct reading *reading)
{
	envstore_done(&reading->store);
	close_p(&reading->where.dir_fd);
	reading->where.dir_fd = -1;
	return reading->mounted < 0 ? 0 : place_unmount(place);
}

/* Appends to a text; what does not fit is cut. */
static void __attribute__((format(printf, 4, 5)))
add(char *buf, size_t size, size_t *len, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(buf + *len, size - *len, fmt, args);
	va_end(args);
	if (n > 0)
		*len = MIN(*len + (size_t)n, size - 1);
}

void reading_text(const struct reading *reading, char *buf, size_t size)
{
	const struct slot_decision *d = &reading->decision;
	char name[ENV_VALUE_MAX], value[ENV_VALUE_MAX];
	size_t len = 0, pos = 0;

	add(buf, size, &len, "found mount=%d open=%d kind=%s unsettled=%d problem=%s\n",
	    reading->mounted, reading->opened,
	    reading->store.ops ? envstore_kind(&reading->store) : "none",
	    reading->store.ops && envstore_is_unsettled(&reading->store),
	    reading->store.problem ? reading->store.problem : "");
	add(buf, size, &len, "decision slot=%c reason=%s cause=%s tries=%u/%u\n",
	    d->slot ? d->slot : '-', slot_reason_name(d->reason), slot_cause_name(d->cause),
	    d->used, d->allowed);
	for (size_t i = 0; i < d->edits.n; i++)
		add(buf, size, &len, "edit %s%s%s\n", d->edits.edit[i].name,
		    d->edits.edit[i].unset ? "" : "=",
		    d->edits.edit[i].unset ? "" : d->edits.edit[i].value);
	while (envstore_next(&reading->store, &pos, name, sizeof(name), value, sizeof(value)))
		add(buf, size, &len, "var %s=%s\n", name, value);
}
