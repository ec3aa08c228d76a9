/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot recovery-key`: one recovery key for all volumes, in systemd's form. Its 256 bits come from
 * the kernel. It is shown or stored before it counts as enrolled (a cut leaves a plan, which the next
 * run removes), so a key that opens volumes is one that somebody has.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "ask.h"
#include "crypto.h"
#include "enrolment.h"
#include "fd.h"
#include "recoverykey.h"

struct recovery {
	const struct options *options;
	const struct secret *key; /* as text */
};

static int make_key(struct secret *ret_key)
{
	_secret_ struct secret bytes = {0}, text = {0};
	int r = secret_new(RECOVERYKEY_BYTES, &bytes);

	if (r == 0)
		r = secret_new(RECOVERYKEY_SIZE + 1, &text);
	if (r == 0)
		r = crypto_random(bytes.data, RECOVERYKEY_BYTES);
	if (r < 0)
		return r;
	recoverykey_format(bytes.data, (char *)text.data);
	text.size = RECOVERYKEY_SIZE;
	*ret_key = secret_take(&text);
	return 0;
}

static int sync_directory(const char *path)
{
	_free_ char *copy = strdup(path);
	_close_ int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd < 0)
		return copy ? -errno : -ENOMEM;
	return fsync(fd) < 0 ? -errno : 0;
}

static int write_whole(int fd, const uint8_t *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

/* With a line's end, which is not part of it. Under its name there is the whole key or nothing. */
static int write_key(const char *path, const struct secret *key)
{
	_free_ char *temporary = NULL;
	_close_ int fd = -1;
	int r;

	if (asprintf(&temporary, "%s.new", path) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	(void)unlink(temporary); /* what a cut left: nobody has seen it */
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = write_whole(fd, key->data, key->size);
	if (r == 0)
		r = write_whole(fd, (const uint8_t *)"\n", 1);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r == 0)
		return sync_directory(path);
	(void)unlink(temporary);
	return r;
}

/* A file that is there: of an earlier run that was cut, when what is in it is such a key and nobody
 * else can read it. */
static enum result reuse_key(const char *path, struct secret *ret_key)
{
	_secret_ struct secret key = {0};
	enum result result;
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
		return complain("%s is there already, and not a recovery key of this command's",
				path);
	result = ask_file(path, "recovery key", &key);
	if (result != RESULT_OK)
		return result;
	if (key.data[key.size - 1] == '\n')
		key.size--;
	if (recoverykey_check((const char *)key.data, key.size) < 0)
		return complain("%s is there already, and holds no recovery key", path);
	*ret_key = secret_take(&key);
	return RESULT_OK;
}

/* The file is written before anything else: a key that is not enrolled opens nothing. */
static enum result get_key(const struct options *options, struct secret *ret_key)
{
	_secret_ struct secret key = {0};
	int r;

	if (options->to && faccessat(AT_FDCWD, options->to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return reuse_key(options->to, ret_key);
	r = make_key(&key);
	if (r < 0)
		return complain("cannot make a recovery key: %s", strerror(-r));
	if (options->to) {
		r = write_key(options->to, &key);
		if (r < 0)
			return complain("cannot write %s: %s", options->to, strerror(-r));
	}
	*ret_key = secret_take(&key);
	return RESULT_OK;
}

/* Past the buffer of stdio, which nobody wipes. */
static enum result show(void *data)
{
	const struct recovery *recovery = data;

	if (!recovery->options->print)
		return RESULT_OK;
	(void)fflush(stdout);
	if (write_whole(STDOUT_FILENO, recovery->key->data, recovery->key->size) < 0 ||
	    write_whole(STDOUT_FILENO, (const uint8_t *)"\n", 1) < 0)
		return complain("the recovery key cannot be shown: %s", strerror(errno));
	return RESULT_OK;
}

/* Is it enrolled there, by a run that was cut before its end? */
static bool is_enrolled(struct enrol_volume *volume, const struct secret *key)
{
	for (int i = 0; i < LUKS_TOKENS; i++) {
		const struct token *token = volume->token[i];

		for (int slot = 0; token && token->kind == TOKEN_RECOVERY && slot < LUKS_SLOTS;
		     slot++) {
			_secret_ struct secret volume_key = {0};

			if (token->slots & 1u << slot &&
			    luks_volume_key(volume->luks, slot, key, &volume_key) == 0)
				return true;
		}
	}
	return false;
}

/* Leaves those in volumes that do not have it yet. */
static void pass_over_enrolled(struct enrol_volumes *volumes, struct enrol_volumes *done,
			       const struct secret *key)
{
	unsigned n = volumes->n;

	volumes->n = 0;
	for (unsigned i = 0; i < n; i++) {
		struct enrol_volume volume = volumes->volume[i];

		if (is_enrolled(&volume, key))
			done->volume[done->n++] = volume;
		else
			volumes->volume[volumes->n++] = volume;
	}
}

enum result cmd_recovery_key(const struct options *options, char **args)
{
	static struct token token;
	_enrol_ struct enrol_volumes volumes = {0}, done = {0};
	_secret_ struct secret key = {0};
	struct recovery recovery = {options, &key};
	struct enrolment enrolment = {
		.token = &token, .passphrase = &key, .ready = show, .data = &recovery};
	enum result result;

	if (!options->print && !options->to)
		return complain_usage("a recovery key that nobody sees helps nobody: --print, or "
				      "--to FILE");
	result = enrol_open(options, args, true, &volumes);
	if (result == RESULT_OK)
		result = enrol_keys(options, &volumes);
	if (result == RESULT_OK)
		result = enrol_clean(&volumes);
	if (result == RESULT_OK)
		result = get_key(options, &key);
	if (result != RESULT_OK)
		return result;
	pass_over_enrolled(&volumes, &done, &key);
	token.kind = TOKEN_RECOVERY;
	strcpy(token.type, "tugboot-recovery");
	result = enrolment_write(&volumes, &enrolment);
	if (result == RESULT_OK && options->to)
		printf("The recovery key in %s opens %u %s.\n", options->to, volumes.n + done.n,
		       volumes.n + done.n == 1 ? "volume" : "volumes");
	return result;
}
