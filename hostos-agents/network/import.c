/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copying connections; see import.h. Names and contents on the boot partition are hostile: whoever
 * can write there may say how the device connects, and nothing else.
 *
 * Order of writes, for a cut between any two of them: first the list, with all names that are about
 * to be written or were there before, those to be written without the digits of a content; then the
 * files; then the list as it is. So every file that came from the boot partition is in the list at
 * any time, and one whose content is not known is written again.
 */
#include "import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fd.h"
#include "file.h"
#include "keyfile.h"
#include "log.h"
#include "replace.h"
#include "slice.h"
#include "valid.h"

#define LIST_MAX (IMPORT_FILES_MAX * (IMPORT_NAME_MAX + 18))
#define UNKNOWN 0u /* digits of no content */

struct entry {
	char name[IMPORT_NAME_MAX + 1];
	uint64_t digits; /* of what was copied; UNKNOWN */
	char *data;	 /* to be written; NULL: nothing is */
	size_t size;
	bool found; /* on the boot partition */
	bool drop;  /* is not, or no longer, to be in the list */
};

struct entries {
	struct entry item[IMPORT_FILES_MAX];
	size_t items;
};

static void entries_free(struct entries *entries)
{
	for (size_t i = 0; entries && i < entries->items; i++)
		free(entries->item[i].data);
	free(entries);
}

static void entries_freep(struct entries **entries)
{
	entries_free(*entries);
}

static struct entry *find(struct entries *entries, const char *name)
{
	for (size_t i = 0; i < entries->items; i++)
		if (streq(entries->item[i].name, name))
			return &entries->item[i];
	return NULL;
}

static struct entry *add(struct entries *entries, const char *name)
{
	struct entry *entry = find(entries, name);

	if (entry || entries->items == IMPORT_FILES_MAX)
		return entry;
	entry = &entries->item[entries->items++];
	*entry = (struct entry){.digits = UNKNOWN};
	memcpy(entry->name, name, strlen(name) + 1);
	return entry;
}

bool import_name_valid(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= IMPORT_NAME_MAX && name[0] != '.' && !strchr(name, '/') &&
	       valid_line(slice_str(name)) && !startswith(name, "README") &&
	       !endswith(name, ".ignore") && !endswith(name, "~");
}

/* FNV-1a: to tell a content from another one of the same hand. */
static uint64_t digits_of(const char *data, size_t size)
{
	uint64_t digits = 0xcbf29ce484222325u;

	for (size_t i = 0; i < size; i++)
		digits = (digits ^ (unsigned char)data[i]) * 0x100000001b3u;
	return digits == UNKNOWN ? 1 : digits;
}

/* --- The list --------------------------------------------------------------------------------- */

/* A line that is not of the form is passed over: what it named is then somebody else's. */
static void parse_line(char *line, struct entries *entries)
{
	struct entry *entry;
	size_t n = strspn(line, "0123456789abcdef");

	if (n != 16 || line[n] != ' ' || !import_name_valid(line + n + 1))
		return;
	entry = add(entries, line + n + 1);
	if (entry)
		entry->digits = strtoull(line, NULL, 16);
}

static int read_list(const char *path, struct entries *entries)
{
	_free_ char *text = NULL;
	char *rest, *line;
	int r;

	r = file_read(AT_FDCWD, path, LIST_MAX, &text, NULL);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	rest = text;
	while ((line = strsep(&rest, "\n")))
		parse_line(line, entries);
	return 0;
}

static int write_list(const char *path, const struct entries *entries)
{
	const char *slash = strrchr(path, '/');
	_free_ char *directory = strndup(path, (size_t)(slash - path)), *text = NULL;
	_close_ int dir_fd = -1;
	size_t size = 0;
	FILE *out;

	if (!directory)
		return -ENOMEM;
	dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < entries->items; i++)
		if (!entries->item[i].drop)
			(void)fprintf(out, "%016" PRIx64 " %s\n",
				      entries->item[i].data ? UNKNOWN : entries->item[i].digits,
				      entries->item[i].name);
	if (fclose(out) != 0)
		return -ENOMEM;
	return replace_file(dir_fd, slash + 1, 0600, (gid_t)-1, text, size);
}

/* --- The boot partition ----------------------------------------------------------------------- */

static void refuse(const char *source, const char *name, const char *why, unsigned line,
		   struct import_result *result)
{
	result->refused++;
	if (line > 0)
		log_warn("network", "connection=%s directory=%s line=%u found=%s next=\"left out\"",
			 log_quote(name), source, line, log_quote(why));
	else
		log_warn("network", "connection=%s directory=%s found=%s next=\"left out\"",
			 log_quote(name), source, log_quote(why));
}

static const struct import_kind *kind_of(const struct import_target *target, const char *name)
{
	for (const struct import_kind *kind = target->kind; kind->section; kind++)
		if (!kind->suffix || endswith(name, kind->suffix))
			return kind;
	return NULL;
}

/* Is something there that is not in the list? The same content may be: the list was lost, or the
 * root is another one. */
static bool is_foreign(int to_fd, const char *name, const char *data, size_t size)
{
	_free_ char *there = NULL;
	_close_ int fd = -1;
	size_t there_size;

	if (faccessat(to_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return false;
	return file_open_regular(to_fd, name, O_RDONLY, &fd) < 0 ||
	       file_read_fd(fd, size, &there, &there_size) < 0 || there_size != size ||
	       memcmp(there, data, size) != 0;
}

/* One file of the boot partition; what is wrong with it is its own affair. */
static int take_file(int from_fd, int to_fd, const char *source, const char *name,
		     const struct import_kind *kind, struct entries *entries,
		     struct import_result *result)
{
	struct entry *entry = find(entries, name);
	struct keyfile_problem problem;
	_free_ char *data = NULL;
	_close_ int fd = -1;
	size_t size;
	int r;

	if (entry)
		entry->found = true;
	r = file_open_regular(from_fd, name, O_RDONLY, &fd);
	if (r >= 0)
		r = file_read_fd(fd, KEYFILE_MAX, &data, &size);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		refuse(source, name, log_errno(r), 0, result);
		return 0;
	}
	if (keyfile_check(data, size, kind->section, &problem) < 0) {
		refuse(source, name, problem.words, problem.line, result);
		return 0;
	}
	if (entry && entry->digits == digits_of(data, size) &&
	    faccessat(to_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		result->kept++;
		return 0;
	}
	if (!entry && is_foreign(to_fd, name, data, size)) {
		refuse(source, name, "a file of this name that did not come from there is in use",
		       0, result);
		return 0;
	}
	entry = add(entries, name);
	if (!entry) {
		refuse(source, name, "more files than are taken", 0, result);
		return 0;
	}
	entry->found = true;
	entry->data = take_ptr(data);
	entry->size = size;
	return 0;
}

static int take_directory(const char *source, int to_fd, const struct import_target *target,
			  struct entries *entries, struct import_result *result)
{
	_closedir_ DIR *dir = opendir(source);
	struct dirent *item;
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	for (;;) {
		const struct import_kind *kind;

		errno = 0;
		item = readdir(dir);
		/* Half a directory would have the rest removed. */
		if (!item || r < 0)
			return r < 0 ? r : -errno;
		kind = kind_of(target, item->d_name);
		if (kind && import_name_valid(item->d_name))
			r = take_file(dirfd(dir), to_fd, source, item->d_name, kind, entries,
				      result);
		else if (item->d_name[0] != '.')
			log_detail("network", "connection=%s directory=%s next=\"passed over\"",
				   log_quote(item->d_name), source);
	}
}

/* --- Where they go ---------------------------------------------------------------------------- */

static int put_entry(int to_fd, const struct import_target *target, struct entry *entry,
		     struct import_result *result)
{
	int r;

	if (!entry->found) {
		if (unlinkat(to_fd, entry->name, 0) < 0 && errno != ENOENT)
			return -errno;
		log_event("network", "connection=%s removed=yes reason=%s", log_quote(entry->name),
			  log_quote("gone from the boot partition"));
		entry->drop = true;
		result->removed++;
		return 0;
	}
	if (!entry->data)
		return 0;
	r = replace_file(to_fd, entry->name, target->mode, target->group, entry->data, entry->size);
	if (r < 0)
		return r;
	log_event("network", "connection=%s copied=yes", log_quote(entry->name));
	entry->digits = digits_of(entry->data, entry->size);
	free(take_ptr(entry->data));
	result->written++;
	return 0;
}

int import_connections(const char *source, const struct import_target *target,
		       struct import_result *ret_result)
{
	_cleanup_(entries_freep) struct entries *entries = calloc(1, sizeof(*entries));
	_close_ int to_fd = open(target->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct import_result result = {0};
	int r, failed = 0;

	if (!entries)
		return -ENOMEM;
	if (to_fd < 0)
		return -errno;
	r = replace_clean(to_fd); /* it may have the password of a connection that has gone since */
	if (r >= 0)
		r = read_list(target->list, entries);
	if (r >= 0)
		r = take_directory(source, to_fd, target, entries, &result);
	if (r >= 0)
		r = write_list(target->list, entries);
	if (r < 0)
		return r;
	for (size_t i = 0; i < entries->items; i++) {
		r = put_entry(to_fd, target, &entries->item[i], &result);
		if (r < 0) {
			log_line(LOG_ERROR, "network",
				 "connection=%s directory=%s error=%s next=\"tried again at boot\"",
				 log_quote(entries->item[i].name), target->directory, log_errno(r));
			failed = r;
		}
	}
	/* Removals are durable before the list forgets them. */
	if (fsync(to_fd) < 0)
		return -errno;
	r = write_list(target->list, entries);
	if (r < 0 || failed < 0)
		return r < 0 ? r : failed;
	*ret_result = result;
	return 0;
}
