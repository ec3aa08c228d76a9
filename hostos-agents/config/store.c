/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.json and its copy: see store.h. Trusts neither the files nor those who write them; the
 * directory is the boot partition's. Keeps nothing.
 *
 * The copy begins with a line that has its state, the boot that wrote it, the size of the content
 * behind it and a CRC over all of that:
 *
 *   settled  the content is what config.json had when it was last known to be good
 *   pending  config.json is being made into this content
 *
 * A write is, each step durable before the next:
 *
 *   0. config.json as it is. Others do not fsync what they write, and step 1 takes the copy away.
 *      When it is not whole, the copy is the only one: its content is put there first.
 *   1. the copy: pending, the new content. Cut: its CRC is wrong, config.json is whole and old.
 *   2. config.json: the new content, in place (lib/sys/file.c says why not by a rename, of which a cut
 *      on FAT leaves both names for one file, or neither). Cut: whatever is there, the copy is whole and
 *      new, and says that it counts.
 *   3. the copy: settled. One sector. Cut: its CRC may be wrong, config.json is whole and new.
 *
 * In place, a cut can leave sectors of the old and the new text side by side that are JSON again, so
 * that config.json cannot tell by itself; `pending` does. A process that was killed between the
 * steps leaves no such mix, and somebody else may have changed config.json since: in the boot that
 * wrote the mark, config.json counts as long as it is whole.
 *
 * Who reads meanwhile (the supervisor has no lock) finds the old or the new text as long as it fits
 * into a page of the page cache: a shorter text is first written with spaces behind it, up to the old end.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <json-c/json.h>
#include <zlib.h>

#include "clock.h"
#include "config.h"
#include "file.h"
#include "paths.h"

#define LOCK_WAIT_MS 10000
/* Between two readings that must be the same; writers in place have their file open for less. */
#define STEADY_MS 2
/* How long a text that is not whole may become whole, and how long it may keep changing. */
#define UNWHOLE_MS 250
#define CHANGING_MS 1000
#define FRESH_S 5 /* FAT keeps even seconds */
#define NESTED_MAX 64

#define HEADER_FORMAT "tugboot-config 1 %s boot=%s size=%08zx crc="
#define HEADER_MAX 128
#define BOOT_ID_SIZE 37 /* a UUID and its NUL */
#define PENDING "pending"
#define SETTLED "settled"

enum content {
	CONTENT_WHOLE,	  /* one JSON object */
	CONTENT_NOT_JSON, /* a text all the same */
	CONTENT_DAMAGED,  /* empty, unreadable, or not a text: what a cut leaves */
	CONTENT_MISSING,
};

struct reading {
	enum content content;
	char *data; /* owned; NULL unless WHOLE or NOT_JSON */
	size_t size;
	struct stat st;
};

struct copy {
	bool valid, pending, this_boot;
	char *data; /* owned */
	size_t size;
};

static void reading_done(struct reading *reading)
{
	free(reading->data);
}
#define _reading_ _cleanup_(reading_done)

static void copy_done(struct copy *copy)
{
	free(copy->data);
}
#define _copy_ _cleanup_(copy_done)

void store_text_done(struct store_text *text)
{
	free(text->data);
	*text = STORE_TEXT_NONE;
}

static void wait_ms(long ms)
{
	(void)nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

static bool same(const char *a, size_t a_size, const char *b, size_t b_size)
{
	return a_size == b_size && (a_size == 0 || memcmp(a, b, a_size) == 0);
}

/* --- What config.json holds ----------------------------------------------------------------- */

/* One JSON object with nothing behind it; what is in it is checked elsewhere, and more strictly. */
static bool is_object(const char *data, size_t size)
{
	struct json_tokener *tokener = json_tokener_new_ex(NESTED_MAX);
	struct json_object *object;
	bool whole = false;

	if (!tokener)
		return false;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	/* White space behind the object is an error to the strict parser. */
	while (size > 0 && data[size - 1] != 0 && strchr(" \t\r\n", data[size - 1]))
		size--;
	object = json_tokener_parse_ex(tokener, data, (int)size);
	whole = json_tokener_get_error(tokener) == json_tokener_success &&
		json_tokener_get_parse_end(tokener) == size &&
		json_object_is_type(object, json_type_object);
	(void)json_object_put(object);
	json_tokener_free(tokener);
	return whole;
}

static enum content judge(const char *data, size_t size)
{
	if (size == 0 || memchr(data, '\0', size))
		return CONTENT_DAMAGED;
	return is_object(data, size) ? CONTENT_WHOLE : CONTENT_NOT_JSON;
}

static int read_once(int dir_fd, struct reading *ret_reading)
{
	_reading_ struct reading reading = {.content = CONTENT_DAMAGED};
	_close_ int fd = -1;
	struct stat named;
	int r = file_open_regular(dir_fd, CONFIG_FILE, O_RDONLY, &fd);

	if (r == -ENOENT) {
		*ret_reading = (struct reading){.content = CONTENT_MISSING};
		return 0;
	}
	if (r == -EIO || r == -EUCLEAN) {
		*ret_reading = reading;
		return 0;
	}
	if (r < 0)
		return r;
	r = file_read_fd(fd, CONFIG_MAX, &reading.data, &reading.size);
	if (r < 0 && r != -EIO && r != -EUCLEAN)
		return r;
	if (fstat(fd, &reading.st) < 0)
		return -errno;
	/* Another file in its place, by a rename meanwhile. */
	if (fstatat(dir_fd, CONFIG_FILE, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
	    named.st_ino != reading.st.st_ino)
		return -EAGAIN;
	if (r == 0)
		reading.content = judge(reading.data, reading.size);
	*ret_reading = reading;
	reading.data = NULL;
	return 0;
}

static bool is_steady(const struct reading *a, const struct reading *b)
{
	return a->content == b->content && same(a->data, a->size, b->data, b->size) &&
	       a->st.st_ino == b->st.st_ino && a->st.st_size == b->st.st_size &&
	       memcmp(&a->st.st_mtim, &b->st.st_mtim, sizeof(a->st.st_mtim)) == 0;
}

/* May somebody be writing it just now? By a clock that may be wrong: then nobody waits. */
static bool is_fresh(int dir_fd, const struct reading *reading)
{
	struct timespec now, changed = reading->st.st_mtim;
	struct stat st;

	if (reading->content == CONTENT_MISSING)
		changed = fstat(dir_fd, &st) == 0 ? st.st_mtim : (struct timespec){0};
	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
	return changed.tv_sec <= now.tv_sec + FRESH_S && changed.tv_sec + FRESH_S >= now.tv_sec;
}

/* What stays the same. A text that is not whole is given time: somebody may be writing it. */
static int read_steady(int dir_fd, struct reading *ret_reading)
{
	_reading_ struct reading last = {0};
	uint64_t start = clock_ms();
	int r, last_r = -EAGAIN;

	for (;;) {
		_reading_ struct reading now = {0};
		uint64_t passed;

		r = read_once(dir_fd, &now);
		if (r < 0 && r != -EAGAIN)
			return r;
		passed = clock_ms() - start;
		if (r == 0 && last_r == 0 && is_steady(&last, &now) &&
		    (now.content == CONTENT_WHOLE || passed >= UNWHOLE_MS ||
		     !is_fresh(dir_fd, &now))) {
			*ret_reading = now;
			now.data = NULL;
			return 0;
		}
		if (passed >= CHANGING_MS)
			return -EAGAIN;
		reading_done(&last);
		last = now;
		now.data = NULL;
		last_r = r;
		wait_ms(STEADY_MS);
	}
}

/* --- The copy ------------------------------------------------------------------------------- */

static void boot_id(char ret_id[static BOOT_ID_SIZE])
{
	_free_ char *text = NULL;

	if (file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, NULL) == 0 &&
	    strlen(text) >= BOOT_ID_SIZE - 1)
		memcpy(ret_id, text, BOOT_ID_SIZE - 1);
	else
		memset(ret_id, '-', BOOT_ID_SIZE - 1);
	ret_id[BOOT_ID_SIZE - 1] = '\0';
}

static int header_make(const char *state, const char *boot, const char *data, size_t size,
		       char ret_header[static HEADER_MAX])
{
	int n = snprintf(ret_header, HEADER_MAX, HEADER_FORMAT, state, boot, size);
	uLong crc = crc32(0, (const Bytef *)ret_header, (uInt)n);

	crc = crc32(crc, (const Bytef *)data, (uInt)size);
	return n + snprintf(ret_header + n, HEADER_MAX - (size_t)n, "%08lx\n", crc);
}

/* Made again of what it says, the header must come out as it is. */
static bool header_is(const char *text, size_t text_size, const char *state, const char *boot,
		      struct copy *copy)
{
	char header[HEADER_MAX];
	size_t n = (size_t)header_make(state, boot, "", 0, header);

	if (text_size < n)
		return false;
	n = (size_t)header_make(state, boot, text + n, text_size - n, header);
	if (memcmp(text, header, n) != 0)
		return false;
	copy->size = text_size - n;
	copy->data = strndup(text + n, copy->size);
	copy->valid = copy->data && strlen(copy->data) == copy->size;
	return copy->valid;
}

/* A copy that cannot be read is as none. */
static void copy_read(int dir_fd, struct copy *ret_copy)
{
	char boot[BOOT_ID_SIZE], id[BOOT_ID_SIZE];
	_free_ char *text = NULL;
	_close_ int fd = -1;
	const char *at;
	size_t size;

	*ret_copy = (struct copy){0};
	if (file_open_regular(dir_fd, STORE_COPY, O_RDONLY, &fd) < 0 ||
	    file_read_fd(fd, CONFIG_MAX + HEADER_MAX, &text, &size) < 0)
		return;
	at = strstr(text, " boot=");
	if (!at || strlen(at) < 6 + BOOT_ID_SIZE)
		return;
	memcpy(id, at + 6, BOOT_ID_SIZE - 1);
	id[BOOT_ID_SIZE - 1] = '\0';
	ret_copy->pending = header_is(text, size, PENDING, id, ret_copy);
	if (!ret_copy->pending && !header_is(text, size, SETTLED, id, ret_copy))
		return;
	boot_id(boot);
	ret_copy->this_boot = streq(boot, id);
}

/* As private as it can be from its first byte on: it has what config.json has. */
static int copy_make(int dir_fd)
{
	_close_ int fd = openat(dir_fd, STORE_COPY,
				O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 && errno != EEXIST ? -errno : 0;
}

static int copy_write(int dir_fd, const char *state, const char *data, size_t size)
{
	_free_ char *text = malloc(HEADER_MAX + size);
	char boot[BOOT_ID_SIZE];
	size_t n;
	int r;

	if (!text)
		return -ENOMEM;
	boot_id(boot);
	n = (size_t)header_make(state, boot, data, size, text);
	memcpy(text + n, data, size);
	r = copy_make(dir_fd);
	return r < 0 ? r : file_rewrite(dir_fd, STORE_COPY, text, n + size);
}

/* --- Both together -------------------------------------------------------------------------- */

struct state {
	struct reading file;
	struct copy copy;
	bool use_copy, cut;
};

static void state_done(struct state *state)
{
	reading_done(&state->file);
	copy_done(&state->copy);
}
#define _state_ _cleanup_(state_done)

static int state_read(int dir_fd, struct state *ret_state)
{
	struct state s = {0};
	int r = read_steady(dir_fd, &s.file);

	if (r < 0)
		return r;
	copy_read(dir_fd, &s.copy);
	s.cut = s.copy.valid && s.copy.pending &&
		(!s.copy.this_boot || s.file.content != CONTENT_WHOLE);
	s.use_copy = s.copy.valid && (s.cut || s.file.content != CONTENT_WHOLE);
	if (s.use_copy && same(s.file.data, s.file.size, s.copy.data, s.copy.size))
		s.use_copy = false; /* as good as settled */
	*ret_state = s;
	return 0;
}

static bool is_damaged(const struct state *s)
{
	return s->use_copy && (s->cut || s->file.content != CONTENT_NOT_JSON);
}

/* The text of a state; its own memory. */
static int state_text(struct state *s, struct store_text *ret_text)
{
	bool missing = !s->use_copy && s->file.content == CONTENT_MISSING;
	char **from = s->use_copy ? &s->copy.data : &s->file.data;
	struct store_text text = {
		.size = s->use_copy ? s->copy.size : s->file.size,
		.from_copy = s->use_copy,
		.damaged = is_damaged(s),
		.missing = missing,
	};
	bool bad = !s->use_copy && !missing && s->file.content != CONTENT_WHOLE;

	text.data = *from && !missing ? take_ptr(*from) : strdup(missing ? "{}" : "");
	if (!text.data)
		return -ENOMEM;
	if (missing)
		text.size = strlen(text.data);
	*ret_text = text;
	return bad ? -EBADMSG : 0;
}

int store_read(int dir_fd, struct store_text *ret_text)
{
	_state_ struct state s = {0};
	int r = state_read(dir_fd, &s);

	return r < 0 ? r : state_text(&s, ret_text);
}

int store_lock(int dir_fd, int *ret_fd)
{
	/* An open file of our own: a lock belongs to the open file. */
	_close_ int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = file_lock(fd, LOCK_WAIT_MS);
	if (r == 0)
		*ret_fd = take_fd(fd);
	return r;
}

/* What others wrote may be in memory alone. The directory goes first (lib/sys/file.c), and once more
 * for the names of a rename. */
static int sync_file(int dir_fd)
{
	_close_ int fd = -1;
	int r = file_open_regular(dir_fd, CONFIG_FILE, O_RDONLY, &fd);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = file_sync_directory(dir_fd);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r < 0 ? r : file_sync_directory(dir_fd);
}

static int put(int dir_fd, const char *data, size_t size)
{
	_free_ char *padded = NULL;
	struct stat st;
	size_t old;
	int r;

	if (fstatat(dir_fd, CONFIG_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size > (off_t)size && st.st_size <= CONFIG_MAX) {
		old = (size_t)st.st_size;
		padded = malloc(old);
		if (!padded)
			return -ENOMEM;
		memcpy(padded, data, size);
		memset(padded + size, ' ', old - size);
		r = file_rewrite(dir_fd, CONFIG_FILE, padded, old);
		if (r < 0)
			return r;
	}
	return file_rewrite(dir_fd, CONFIG_FILE, data, size);
}

/* Steps 1 to 3 above. */
static int write_steps(int dir_fd, const char *data, size_t size)
{
	_reading_ struct reading after = {0};
	int r;

	r = copy_write(dir_fd, PENDING, data, size);
	if (r == 0)
		r = put(dir_fd, data, size);
	if (r == 0)
		r = copy_write(dir_fd, SETTLED, data, size);
	if (r == 0)
		r = read_once(dir_fd, &after);
	if (r < 0)
		return r;
	/* Somebody without our lock was faster: the last writer wins, and we say so. */
	return same(after.data, after.size, data, size) ? 0 : -ESTALE;
}

int store_write(int dir_fd, const char *expected, size_t expected_size, const char *data,
		size_t size)
{
	struct store_text text = STORE_TEXT_NONE;
	_state_ struct state s = {0};
	_close_ int lock = -1;
	bool is_expected, is_there;
	int r;

	if (size > CONFIG_MAX)
		return -EFBIG;
	if (!is_object(data, size))
		return -EINVAL;
	r = store_lock(dir_fd, &lock);
	if (r == 0)
		r = state_read(dir_fd, &s);
	if (r == 0)
		r = state_text(&s, &text);
	if (r < 0 && r != -EBADMSG)
		return r;
	is_expected = !expected || same(text.data, text.size, expected, expected_size);
	is_there = r == 0 && !text.missing && !text.from_copy &&
		   same(text.data, text.size, data, size);
	r = !is_expected     ? -ESTALE
	    : text.from_copy ? put(dir_fd, text.data, text.size)
	    : is_there	     ? 0
			     : sync_file(dir_fd);
	store_text_done(&text);
	if (r < 0)
		return r;
	if (is_there && s.copy.valid && !s.copy.pending &&
	    same(s.copy.data, s.copy.size, data, size))
		return 0;
	return write_steps(dir_fd, data, size);
}

int store_keep_copy(int dir_fd, const struct store_text *good)
{
	_reading_ struct reading now = {0};
	_copy_ struct copy copy = {0};
	_close_ int lock = -1;
	int r;

	if (good->missing)
		return 0;
	r = store_lock(dir_fd, &lock);
	if (r < 0)
		return r;
	copy_read(dir_fd, &copy);
	if (copy.valid && !copy.pending && same(copy.data, copy.size, good->data, good->size))
		return 0;
	/* The copy may be the only whole one: it stays until what replaces it is on the disk. */
	r = sync_file(dir_fd);
	if (r == 0)
		r = read_once(dir_fd, &now);
	if (r < 0)
		return r;
	if (!same(now.data, now.size, good->data, good->size))
		return -ESTALE;
	return copy_write(dir_fd, SETTLED, good->data, good->size);
}

int store_settle(int dir_fd)
{
	_state_ struct state s = {0};
	_close_ int lock = -1;
	int r;

	r = store_lock(dir_fd, &lock);
	if (r == 0)
		r = state_read(dir_fd, &s);
	if (r < 0)
		return r;
	if (!is_damaged(&s)) {
		if (!s.copy.valid || !s.copy.pending || s.file.content != CONTENT_WHOLE)
			return 0;
		/* Killed between the steps: config.json is what counts. */
		r = sync_file(dir_fd);
		if (r == 0)
			r = copy_write(dir_fd, SETTLED, s.file.data, s.file.size);
		return r < 0 ? r : 1;
	}
	r = put(dir_fd, s.copy.data, s.copy.size);
	if (r == 0)
		r = copy_write(dir_fd, SETTLED, s.copy.data, s.copy.size);
	return r < 0 ? r : 1;
}
