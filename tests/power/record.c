/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Operations on the environment, as the bootloader and the `tugboot` command make them, on a disk
 * whose writes QEMU logs. Where each of them begins, when it has returned and when the filesystem
 * is unmounted again stands in the log, too: as writes to a partition that nothing else uses.
 *
 *   record DEV FSTYPE RAW MARKS  what the following operations work on; - for what is not there
 *   hold, release                the next operations find it mounted, as in a running system
 *   op boot [LAST]               a start: decide, and record the decision
 *   op set NAME=VALUE… [-NAME…]  a user's variables, in one write
 *   op try|good|switch|bad SLOT  what `tugboot slot` decides; op ended
 *   op migrate KIND
 *   op truncate NAME=VALUE       as grub-editenv: the file emptied, written, fsync
 *   op plain NAME=VALUE…         in place, with no second copy
 *   op config|health|network|store|time …   files of agents: config.c and its likes
 *
 * For the parent: `OP number status`, `EDIT number NAME[=VALUE]` of what it changes, `FILE number
 * name block size: blocks` of where the files are afterwards.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "file.h"
#include "grubenv.h"
#include "power.h"

#define SECTOR 512

static struct place place;
static const char *marks;
static unsigned number;
static bool held;

/* Past the page cache, so that it stands in the log between what came before and what follows. */
static int mark(const char *what)
{
	static char sector[SECTOR] __attribute__((aligned(4096)));
	_close_ int fd = open(marks, O_WRONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	memset(sector, 0, sizeof(sector));
	(void)snprintf(sector, sizeof(sector), "%s %u", what, number);
	return pwrite(fd, sector, sizeof(sector), 0) == SECTOR ? 0 : -EIO;
}

static void tell(const struct env_change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		say("EDIT %u %s%s%s", number, changes[i].name, changes[i].value ? "=" : "",
		    changes[i].value ? changes[i].value : "");
}

static void tell_edits(const struct env_edits *edits)
{
	for (size_t i = 0; i < edits->n; i++)
		tell(&(struct env_change){edits->edit[i].name,
					  edits->edit[i].unset ? NULL : edits->edit[i].value},
		     1);
}

/* Which blocks of the filesystem each file has. */
static int tell_files(void)
{
	_closedir_ DIR *dir = NULL;
	struct envstore_place where;
	struct dirent *entry;
	int r;

	r = place_open(&place, &where);
	if (r < 0 || where.dir_fd < 0)
		return r;
	dir = fdopendir(where.dir_fd);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		_close_ int file = -1;
		char blocks[512] = "";
		struct stat st;
		int size, len = 0;

		if (file_open_regular(dirfd(dir), entry->d_name, O_RDONLY, &file) < 0)
			continue;
		if (fstat(file, &st) < 0 || ioctl(file, FIGETBSZ, &size) < 0)
			return -errno;
		for (int i = 0; i * (off_t)size < st.st_size && len < 480; i++) {
			int block = i;

			if (ioctl(file, FIBMAP, &block) < 0)
				return -errno;
			len += snprintf(blocks + len, sizeof(blocks) - (size_t)len, " %d", block);
		}
		say("FILE %u %s %d:%s", number, entry->d_name, size, blocks);
	}
	return 0;
}

/* --- One operation each --------------------------------------------------------------------- */

static enum slot_last last_of(const char *word)
{
	for (enum slot_last last = SLOT_LAST_UNKNOWN; word && last <= SLOT_LAST_PANIC; last++)
		if (streq(word, slot_last_name(last)))
			return last;
	return SLOT_LAST_UNKNOWN;
}

/* The parsed words NAME=VALUE and -NAME. */
static size_t parse_changes(char **words, size_t n, struct env_change *changes)
{
	for (size_t i = 0; i < n; i++) {
		char *value = words[i][0] == '-' ? NULL : strchr(words[i], '=');

		if (value)
			*value++ = '\0';
		changes[i] = (struct env_change){words[i] + (value ? 0 : 1), value};
	}
	return n;
}

static int op_boot(char **words, size_t n)
{
	struct reading reading;
	int r, back;

	reading_open(&place, last_of(n > 0 ? words[0] : NULL), &reading);
	r = reading.mounted < 0 ? reading.mounted : reading.opened;
	if (r == 0) {
		tell_edits(&reading.decision.edits);
		r = place_set_writable(&place, true);
	}
	if (r == 0)
		r = reading.decision.edits.n > 0
			    ? envstore_apply(&reading.store, &reading.decision.edits)
			    : envstore_settle(&reading.store);
	if (r == 0)
		r = mark("returned");
	if (r == 0)
		r = place_set_writable(&place, false);
	back = reading_close(&place, &reading);
	return r < 0 ? r : back;
}

static int decide(const char *verb, char slot, struct envstore *store, struct env_edits *ret_edits)
{
	struct slot_found found = {
		.slot = {{.present = true, .index = 2}, {.present = true, .index = 3}}};
	struct boot_env env;
	int r = envstore_lock(store);

	if (r < 0)
		return r;
	envstore_decode(store, &env);
	if (streq(verb, "try"))
		*ret_edits = slot_edits_try(&env, &found, slot);
	else if (streq(verb, "good"))
		*ret_edits = slot_edits_good(&env, &found, slot);
	else if (streq(verb, "switch"))
		*ret_edits = slot_edits_switch(&env, &found, slot);
	else if (streq(verb, "bad"))
		*ret_edits = slot_edits_bad(&env, &found, slot);
	else if (streq(verb, "ended"))
		*ret_edits = slot_edits_ended();
	else
		return -EINVAL;
	return 0;
}

static int op_agent(const struct envstore_place *where, const char *verb, char **words, size_t n)
{
	struct env_change changes[WORDS_MAX];
	struct envstore store;
	struct env_edits edits;
	int r = envstore_open_at(where, &store);

	if (r == 0 && streq(verb, "set")) {
		n = parse_changes(words, n, changes);
		tell(changes, n);
		r = envstore_change(&store, changes, n);
	} else if (r == 0 && streq(verb, "migrate")) {
		r = n == 1 ? envstore_migrate(&store, words[0], NULL, 0) : -EINVAL;
	} else if (r == 0) {
		r = decide(verb, n > 0 ? words[0][0] : 0, &store, &edits);
		if (r == 0) {
			tell_edits(&edits);
			r = envstore_apply(&store, &edits);
		}
	}
	envstore_done(&store);
	return r;
}

/* What Tugboot does not do: the GRUB block alone. */
static int op_unsafe(int dir_fd, const char *verb, char **words, size_t n)
{
	struct env_change changes[WORDS_MAX];
	_free_ char *data = NULL;
	_close_ int fd = -1;
	size_t size;
	int r = file_open_regular(dir_fd, "bootenv", O_RDWR, &fd);

	if (r == 0)
		r = file_read_fd(fd, GRUBENV_SIZE, &data, &size);
	if (r == 0 && size != GRUBENV_SIZE)
		r = -EMSGSIZE;
	n = parse_changes(words, n, changes);
	tell(changes, n);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = changes[i].value ? grubenv_set(data, changes[i].name, changes[i].value)
				     : grubenv_unset(data, changes[i].name);
	if (r < 0)
		return r;
	if (streq(verb, "plain"))
		return file_rewrite(dir_fd, "bootenv", data, GRUBENV_SIZE);
	if (ftruncate(fd, 0) < 0)
		return -errno;
	if (pwrite(fd, data, GRUBENV_SIZE, 0) != GRUBENV_SIZE)
		return -EIO;
	return fsync(fd) < 0 ? -errno : 0;
}

static int op_mounted(char **words, size_t n)
{
	bool unsafe = streq(words[0], "truncate") || streq(words[0], "plain");
	const struct keeper *keeper = keeper_named(words[0], strlen(words[0]));
	struct envstore_place where = {.dir_fd = -1};
	int r = place_open(&place, &where);

	if (r == 0 && keeper)
		r = n > 1 ? keeper->op(where.dir_fd, number, words + 1, n - 1) : -EINVAL;
	else if (r == 0)
		r = unsafe ? op_unsafe(where.dir_fd, words[0], words + 1, n - 1)
			   : op_agent(&where, words[0], words + 1, n - 1);
	close_p(&where.dir_fd);
	if (r == 0)
		r = mark("returned");
	return r;
}

static int op(char **words, size_t n)
{
	int r, end;

	number++;
	r = mark("begin");
	if (r < 0)
		return r;
	if (streq(words[0], "boot")) {
		r = op_boot(words + 1, n - 1);
	} else {
		r = held ? 0 : place_mount(&place, true);
		if (r == 0)
			r = op_mounted(words, n);
		end = held ? 0 : place_unmount(&place);
		r = r < 0 ? r : end;
	}
	if (r == 0)
		r = mark("end");
	say("OP %u %d", number, r);
	if (r == 0 && !held) {
		r = place_mount(&place, false);
		if (r == 0)
			r = tell_files();
		end = place_unmount(&place);
		r = r < 0 ? r : end;
	}
	return r;
}

int record_command(char **words, size_t n)
{
	if (streq(words[0], "record") && n == 5) {
		/* The words live as long as the job. */
		place = (struct place){
			.dev = streq(words[1], "-") ? NULL : words[1],
			.fstype = words[2],
			.raw = streq(words[3], "-") ? NULL : words[3],
		};
		marks = words[4];
		return 0;
	}
	if (streq(words[0], "hold")) {
		held = true;
		return place_mount(&place, true);
	}
	if (streq(words[0], "release")) {
		held = false;
		return place_unmount(&place);
	}
	if (streq(words[0], "op") && n > 1)
		return op(words + 1, n - 1);
	say("JOB unknown=%s", words[0]);
	return -EINVAL;
}
