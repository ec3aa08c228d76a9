/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config.json of this device; see configfile.h. Its text is hostile; store.c reads and writes it,
 * config_parse() judges it. */
#include "configfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "facts.h"
#include "fd.h"
#include "file.h"
#include "paths.h"

#define RULES "os.udevRules."
#define ATTEMPTS 50 /* at changing it while others do */

static enum result complain_store(const struct place *place, const char *what, int r)
{
	switch (r) {
	case -EROFS:
		return complain("cannot %s: %s is mounted read-only; try 'mount -o remount,rw %s'",
				what, place->shown, place->mount_point);
	case -EACCES:
	case -EPERM:
		return complain("cannot %s: no permission for " CONFIG_FILE " in %s; try as root",
				what, place->shown);
	case -EFBIG:
		return complain("cannot %s: " CONFIG_FILE " in %s is larger than %d bytes", what,
				place->shown, CONFIG_MAX);
	case -EAGAIN:
	case -ESTALE:
	case -EBUSY:
		return complain("cannot %s: another program keeps writing " CONFIG_FILE
				" in %s; try again",
				what, place->shown);
	case -ENOSPC:
		return complain("cannot %s: %s is full; remove something from it", what,
				place->shown);
	default:
		return complain("cannot %s: " CONFIG_FILE " in %s: %s", what, place->shown,
				strerror(-r));
	}
}

static enum result read_text(struct configfile *file)
{
	int r;

	store_text_done(&file->text);
	r = store_read(file->place.dir_fd, &file->text);
	/* Whose text is no JSON is told where it is not. */
	if (r < 0 && !(r == -EBADMSG && file->text.data))
		return complain_store(&file->place, "read the configuration", r);
	if (file->text.from_copy)
		(void)complain("warning: " CONFIG_FILE
			       " in %s is not whole; taken is the copy beside it, " STORE_COPY,
			       file->place.shown);
	return RESULT_OK;
}

enum result configfile_open(const struct options *options, struct configfile *ret_file)
{
	_free_ struct facts *facts = NULL;
	const char *dir = options->boot_dir;
	enum result result;

	*ret_file = CONFIGFILE_NONE;
	/* Where the agent finds it, an encrypted partition too; else one that is not mounted. */
	if (!dir) {
		facts = calloc(1, sizeof(*facts));
		if (facts && facts_read(facts) == 0 && facts->boot_dir[0])
			dir = facts->boot_dir;
	}
	result = place_open_config(dir, &ret_file->place);
	return result == RESULT_OK ? read_text(ret_file) : result;
}

void configfile_done(struct configfile *file)
{
	store_text_done(&file->text);
	place_done(&file->place);
}

enum result configfile_read(const char *path, struct store_text *ret_text)
{
	_close_ int opened = -1;
	int fd = STDIN_FILENO, r;

	if (!streq(path, "-")) {
		opened = open(path, O_RDONLY | O_CLOEXEC);
		if (opened < 0)
			return complain("cannot open '%s': %s", path, strerror(errno));
		fd = opened;
	}
	r = file_read_fd(fd, CONFIG_MAX, &ret_text->data, &ret_text->size);
	if (r == -EFBIG)
		return complain("%s: " CONFIG_TEXT
				": expected one JSON object (RFC 8259) of at most %d bytes, found "
				"more",
				path, CONFIG_MAX);
	if (r < 0)
		return complain("cannot read '%s': %s", path, strerror(-r));
	return RESULT_OK;
}

enum result configfile_complain(const char *shown, const struct config_problems *problems)
{
	char words[sizeof(struct config_problem) + 64];
	size_t n = MIN(problems->problems, (size_t)CONFIG_PROBLEMS_MAX);

	for (size_t i = 0; i < n; i++) {
		config_problem_words(&problems->problem[i], words, sizeof(words));
		(void)complain("%s: %s", shown, words);
	}
	if (problems->problems > n)
		(void)complain("%s: and %zu more", shown, problems->problems - n);
	return RESULT_FAILED;
}

enum result configfile_parse(const char *shown, const struct store_text *text,
			     struct config **ret_config)
{
	_free_ struct config_problems *problems = calloc(1, sizeof(*problems));
	int r;

	if (!problems)
		return complain("no memory");
	r = config_parse(text->data, text->size, ret_config, problems);
	if (r == -EBADMSG)
		return configfile_complain(shown, problems);
	return r < 0 ? complain("no memory") : RESULT_OK;
}

enum result configfile_path(const char *key, struct jsonedit_path *ret_path)
{
	const char *p = key;

	ret_path->names = 0;
	for (;;) {
		size_t len = startswith(key, RULES) == p ? strlen(p) : strcspn(p, ".");

		if (len == 0 || ret_path->names == JSONEDIT_DEPTH)
			return complain_usage("'%s' is no key: names with dots between", key);
		ret_path->name[ret_path->names++] = slice_of(p, len);
		p += len;
		if (*p == '\0')
			return RESULT_OK;
		p++;
	}
}

/* --- Changes ---------------------------------------------------------------------------------- */

static enum result complain_change(const struct jsonedit_path *path, int r)
{
	struct slice last = path->name[path->names - 1];
	int len = (int)(last.data + last.len - path->name[0].data);

	switch (r) {
	case -ENOTDIR:
		return complain(
			"cannot change %.*s: what it would be in is no object in " CONFIG_FILE
			"; nothing is written",
			len, path->name[0].data);
	case -EINVAL:
		return complain("'%.*s' is no key: a name has no quotes, backslashes and control "
				"characters",
				len, path->name[0].data);
	case -EBADMSG:
		return complain(CONFIG_FILE " is no JSON that can be changed; see 'tugboot config "
					    "check', and correct it by hand");
	default:
		return complain("cannot change " CONFIG_FILE ": %s", strerror(-r));
	}
}

/* The text with all changes; the caller's. */
static enum result edit(const struct store_text *text, const struct configfile_change *changes,
			size_t n, struct store_text *ret_text)
{
	struct store_text now = {.data = strndup(text->data, text->size), .size = text->size};

	if (!now.data)
		return complain("no memory");
	for (size_t i = 0; i < n; i++) {
		struct slice json = slice_of(now.data, now.size);
		char *next = NULL;
		size_t size = 0;
		int r;

		r = changes[i].value ? jsonedit_set(json, &changes[i].path,
						    slice_str(changes[i].value), &next, &size)
				     : jsonedit_unset(json, &changes[i].path, &next, &size);
		if (!changes[i].value && (r == -ENOENT || r == -ENOTDIR))
			continue;
		if (r < 0) {
			free(now.data);
			return complain_change(&changes[i].path, r);
		}
		free(now.data);
		now = (struct store_text){.data = next, .size = size};
	}
	*ret_text = now;
	return RESULT_OK;
}

/* One try: 1 in *ret_again when somebody else has changed it meanwhile. */
static enum result change_once(struct configfile *file, const struct configfile_change *changes,
			       size_t n, int *ret_again)
{
	_config_ struct config *config = NULL;
	struct store_text edited = STORE_TEXT_NONE;
	enum result result;
	int r;

	*ret_again = 0;
	result = edit(&file->text, changes, n, &edited);
	if (result != RESULT_OK)
		return result;
	result = configfile_parse("nothing is written: then " CONFIG_FILE " would be wrong",
				  &edited, &config);
	/* To remove what is not there from a file that is not there makes none. */
	if (result == RESULT_OK && !(file->text.missing && streq(edited.data, file->text.data))) {
		r = place_make_writable(&file->place);
		if (r == 0)
			r = store_write(file->place.dir_fd, file->text.data, file->text.size,
					edited.data, edited.size);
		*ret_again = r == -ESTALE;
		if (r < 0)
			result = *ret_again ? RESULT_FAILED
					    : complain_store(&file->place,
							     "write the configuration", r);
	}
	free(edited.data);
	return result;
}

enum result configfile_change(const struct options *options,
			      const struct configfile_change *changes, size_t n)
{
	_configfile_ struct configfile file = CONFIGFILE_NONE;
	enum result result;
	int again = 0;

	result = configfile_open(options, &file);
	for (int i = 0; i < ATTEMPTS && result == RESULT_OK; i++) {
		result = change_once(&file, changes, n, &again);
		if (!again)
			return result;
		result = read_text(&file);
	}
	return result == RESULT_OK ? complain_store(&file.place, "write the configuration", -ESTALE)
				   : result;
}
