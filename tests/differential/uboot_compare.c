/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uboot_compare SEED FIRST COUNT DIRECTORY: Debian's libubootenv and lib/base on the same
 * environments, each on what is there and on what the other one wrote. Prints how often each thing
 * happened, `NUMBER NAME` a line, and `FAIL …` lines; exit status 1 when there is one.
 *
 * libubootenv comes in as the library that it is: it reads fw_env.config, the files and the copies
 * by itself. Where it does something else than lib/base (0.3.2), this is why:
 *
 *   libubootenv                                     here
 *   ----------------------------------------------- ----------------------------------------------
 *   lists `=value` as a variable without a name     passed over, as no name can be set to reach it
 *   `.flags` gives types to other variables, is     a variable like any other
 *   hidden and written anew, at times behind the
 *   end of its memory
 *   writes variables by name, drops other entries   keeps the order, and entries that it passes over
 *   writes a full image without the empty string    -ENOSPC: U-Boot itself would not write it
 *   at its end, and reads behind the image then     read up to the last entry
 *   leaves what it finds in memory behind the end   zeros
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libuboot.h>

#include "fwconfig.h"
#include "macro.h"
#include "uboot_cases.h"
#include "ubootenv.h"

#define FILES 2
#define PAIRS_MAX (CASE_SIZE_MAX / 2)
/* More than a `.flags` of one variable takes. */
#define FLAGS_BYTES 64

enum count {
	CASES,
	PLAIN,
	ODD,
	DAMAGED,
	REDUNDANT,
	BOTH_VALID,
	NONE_VALID,
	NO_END,
	THEY_WROTE,
	THEY_REFUSED,
	THEY_LEFT_NO_END,
	WE_WROTE,
	WE_REFUSED,
	SAME_BYTES,
	COUNTS,
};

static const char *const count_names[COUNTS] = {
	[CASES] = "environments",
	[PLAIN] = "plain",
	[ODD] = "odd",
	[DAMAGED] = "damaged",
	[REDUNDANT] = "redundant",
	[BOTH_VALID] = "two valid copies",
	[NONE_VALID] = "no valid copy",
	[NO_END] = "without end",
	[THEY_WROTE] = "written by libubootenv",
	[THEY_REFUSED] = "refused by libubootenv",
	[THEY_LEFT_NO_END] = "written by libubootenv without end",
	[WE_WROTE] = "written by tugboot",
	[WE_REFUSED] = "refused by tugboot",
	[SAME_BYTES] = "same bytes",
};
static unsigned long long counts[COUNTS], failures;
static bool flags_seen[2][256];

/* Where the case's files are. */
static char file_name[FILES][64], config_name[64];

static void failed(const struct uboot_case *c, const char *promise)
{
	failures++;
	(void)printf("FAIL %" PRIu64 " kind %d size %zu copies %zu: %s\n", c->number, (int)c->kind,
		     c->size, c->copies, promise);
}

#define EXPECT(c, condition, promise)           \
	do {                                    \
		if (!(condition)) {             \
			failed((c), (promise)); \
			return false;           \
		}                               \
	} while (0)

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(2);
}

/* --- Variables by name ------------------------------------------------------------------------ */

struct pairs {
	size_t n;
	struct {
		char *name, *value;
	} at[PAIRS_MAX];
};

static void pairs_clear(struct pairs *pairs)
{
	for (size_t i = 0; i < pairs->n; i++) {
		free(pairs->at[i].name);
		free(pairs->at[i].value);
	}
	pairs->n = 0;
}

static size_t pairs_find(const struct pairs *pairs, const char *name)
{
	size_t i = 0;

	while (i < pairs->n && !streq(pairs->at[i].name, name))
		i++;
	return i;
}

/* value NULL removes. */
static void pairs_set(struct pairs *pairs, const char *name, const char *value)
{
	size_t i = pairs_find(pairs, name);

	if (i < pairs->n) {
		free(pairs->at[i].value);
		if (!value) {
			free(pairs->at[i].name);
			pairs->at[i] = pairs->at[--pairs->n];
			return;
		}
	} else if (value) {
		if (pairs->n == PAIRS_MAX)
			abort();
		pairs->at[pairs->n++].name = strdup(name);
	} else {
		return;
	}
	pairs->at[i].value = strdup(value);
}

static void pairs_copy(const struct pairs *from, struct pairs *to)
{
	pairs_clear(to);
	for (size_t i = 0; i < from->n; i++)
		pairs_set(to, from->at[i].name, from->at[i].value);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Of each name the same value; neither has what the other has not. */
static bool pairs_equal(const struct pairs *a, const struct pairs *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		size_t j = pairs_find(b, a->at[i].name);

		if (j == b->n || !streq(a->at[i].value, b->at[j].value))
			return false;
	}
	return true;
}

/* Bytes of all entries. */
static size_t pairs_bytes(const struct pairs *pairs)
{
	size_t n = 0;

	for (size_t i = 0; i < pairs->n; i++)
		n += strlen(pairs->at[i].name) + strlen(pairs->at[i].value) + 2;
	return n;
}

/* --- lib/base's side -------------------------------------------------------------------------- */

static enum ubootenv_form form_of(const struct uboot_case *c)
{
	return c->copies == 2 ? UBOOTENV_REDUNDANT : UBOOTENV_SINGLE;
}

static char *to_string(struct slice s)
{
	char *string = strndup(s.data, s.len);

	if (!string)
		die("memory");
	return string;
}

/* All variables but `.flags`, of a name that stands twice the last; as ubootenv_get() says too. */
static bool our_pairs(const struct uboot_case *c, const char *image, struct pairs *ret_pairs)
{
	static char value[CASE_SIZE_MAX];
	struct ubootenv_var var;
	size_t pos = 0;

	pairs_clear(ret_pairs);
	while (ubootenv_next(image, c->size, form_of(c), &pos, &var)) {
		char *n = to_string(var.name), *v = to_string(var.value);

		if (!streq(n, ".flags"))
			pairs_set(ret_pairs, n, v);
		free(n);
		free(v);
	}
	for (size_t i = 0; i < ret_pairs->n; i++) {
		EXPECT(c,
		       ubootenv_get(image, c->size, form_of(c), ret_pairs->at[i].name, value,
				    sizeof(value)) == (int)strlen(ret_pairs->at[i].value),
		       "a variable that is walked over is found");
		EXPECT(c, streq(value, ret_pairs->at[i].value), "and has the value of the walk");
	}
	return true;
}

/* What a disk holds: the bytes of the places that fw_env.config names, and which of them counts. */
struct reading {
	char image[2][CASE_SIZE_MAX];
	int copy; /* -1: none */
};

static bool our_reading(const struct uboot_case *c, const char *config, struct reading *ret_reading)
{
	bool valid[2] = {false};
	struct fwconfig where;
	unsigned line;

	EXPECT(c, fwconfig_parse(config, strlen(config), &where, &line) == 0,
	       "the configuration is read");
	EXPECT(c, where.n == c->copies, "it names as many copies as there are");
	for (size_t i = 0; i < where.n; i++) {
		int fd = open(where.copy[i].device, O_RDONLY | O_CLOEXEC);

		EXPECT(c, fd >= 0 && streq(where.copy[i].device, file_name[c->copy[i].file]),
		       "it names the file");
		EXPECT(c,
		       where.copy[i].offset == c->copy[i].offset && where.copy[i].size == c->size,
		       "it says where in it");
		if (pread(fd, ret_reading->image[i], c->size, where.copy[i].offset) !=
		    (ssize_t)c->size)
			die(where.copy[i].device);
		(void)close(fd); /* read only */
		valid[i] = ubootenv_check(ret_reading->image[i], c->size, form_of(c)) == 0;
	}
	if (c->copies == 1)
		ret_reading->copy = valid[0] ? 0 : -1;
	else
		ret_reading->copy =
			ubootenv_choose(valid[0], (uint8_t)ret_reading->image[0][4], valid[1],
					(uint8_t)ret_reading->image[1][4], UBOOTENV_INCREMENTAL);
	return true;
}

/* --- The files -------------------------------------------------------------------------------- */

static void write_file(const char *name, const void *bytes, size_t n)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n || close(fd) < 0)
		die(name);
}

/* The images as the case has them, in files with other bytes before and behind. */
static void write_images(const struct uboot_case *c)
{
	static unsigned char bytes[FILES][3 * CASE_SIZE_MAX];
	size_t end[FILES] = {0};

	for (size_t i = 0; i < c->copies; i++)
		end[c->copy[i].file] =
			MAX(end[c->copy[i].file], (size_t)c->copy[i].offset + c->size);
	for (size_t f = 0; f < FILES; f++)
		memset(bytes[f], 0x5a, end[f] + 16);
	for (size_t i = 0; i < c->copies; i++)
		memcpy(bytes[c->copy[i].file] + c->copy[i].offset, c->copy[i].image, c->size);
	for (size_t f = 0; f < FILES; f++)
		if (end[f] > 0)
			write_file(file_name[f], bytes[f], end[f] + 16);
}

static void write_image(const struct uboot_case *c, int copy, const char *image)
{
	int fd = open(file_name[c->copy[copy].file], O_WRONLY | O_CLOEXEC);

	if (fd < 0 || pwrite(fd, image, c->size, c->copy[copy].offset) != (ssize_t)c->size ||
	    close(fd) < 0)
		die("image");
}

/* fw_env.config with the files' names. */
static void write_config(const struct uboot_case *c, char *ret_config, size_t size)
{
	size_t used = 0;

	for (const char *s = c->config; *s && used < size - sizeof(file_name[0]); s++) {
		if (*s == '%') {
			const char *name = file_name[*++s - '0'];

			memcpy(ret_config + used, name, strlen(name));
			used += strlen(name);
		} else {
			ret_config[used++] = *s;
		}
	}
	ret_config[used] = '\0';
	write_file(config_name, ret_config, used);
}

/* --- libubootenv's side ----------------------------------------------------------------------- */

static struct uboot_ctx *their_open(int *ret_result)
{
	struct uboot_ctx *ctx;

	if (libuboot_initialize(&ctx, NULL) < 0 || libuboot_read_config(ctx, config_name) < 0) {
		(void)fprintf(stderr, "libubootenv does not take the configuration\n");
		exit(2);
	}
	*ret_result = libuboot_open(ctx);
	return ctx;
}

static void their_close(struct uboot_ctx *ctx)
{
	libuboot_close(ctx);
	libuboot_exit(ctx);
}

static void their_pairs(struct uboot_ctx *ctx, struct pairs *ret_pairs)
{
	void *entry = NULL;

	pairs_clear(ret_pairs);
	while ((entry = libuboot_iterator(ctx, entry)))
		if (libuboot_getname(entry)[0] != '\0')
			pairs_set(ret_pairs, libuboot_getname(entry), libuboot_getvalue(entry));
}

/* --- The comparison --------------------------------------------------------------------------- */

static bool has_end(const struct uboot_case *c, const char *image)
{
	size_t at = form_of(c);

	for (; at < c->size; at++)
		if (image[at] == '\0' && (at == form_of(c) || image[at - 1] == '\0'))
			return true;
	return false;
}

static bool has_flags_variable(const struct uboot_case *c, const char *image)
{
	char value[CASE_SIZE_MAX];

	return ubootenv_get(image, c->size, form_of(c), ".flags", value, sizeof(value)) >= 0;
}

/* Both on what the case holds. */
static bool both_read_the_same(const struct uboot_case *c, const struct reading *ours,
			       const struct pairs *our)
{
	static struct pairs their;
	struct uboot_ctx *ctx;
	bool same = false;
	int r;

	ctx = their_open(&r);
	their_pairs(ctx, &their);
	if (ours->copy < 0) {
		counts[NONE_VALID]++;
		same = r == -ENODATA && their.n == 0;
	} else if (!has_end(c, ours->image[ours->copy])) {
		/* It looks for the end behind the image: it may give up, or find more there. */
		counts[NO_END]++;
		same = true;
		for (size_t i = 0; r == 0 && i < our->n; i++)
			same = same && pairs_find(&their, our->at[i].name) < their.n;
	} else {
		same = r == 0 && pairs_equal(our, &their);
	}
	their_close(ctx);
	EXPECT(c, same, "both read the same");
	return true;
}

/* Bytes of all its variables, the one without a name too. */
static size_t their_bytes(struct uboot_ctx *ctx)
{
	void *entry = NULL;
	size_t n = 0;

	while ((entry = libuboot_iterator(ctx, entry)))
		n += strlen(libuboot_getname(entry)) + strlen(libuboot_getvalue(entry)) + 2;
	return n;
}

enum change_result { CHANGE_MADE, CHANGE_TOO_LONG, CHANGE_REFUSED, CHANGE_UNSAFE };

/* Makes the changes by libubootenv; *ret_expected are the variables then, if it writes. */
static enum change_result they_change(const struct uboot_case *c, const struct pairs *before,
				      bool flags, struct pairs *ret_expected)
{
	size_t bytes, room = c->size - form_of(c);
	struct uboot_ctx *ctx;
	int r;

	pairs_copy(before, ret_expected);
	ctx = their_open(&r);
	for (size_t i = 0; i < c->n_changes; i++) {
		const struct uboot_change *change = &c->change[i];
		const char *value = change->unset ? NULL : change->value;

		/* Refused: a name with `=`, and what `.flags` forbids. */
		if (libuboot_set_env(ctx, change->name, value) == 0)
			pairs_set(ret_expected, change->name, value);
	}
	bytes = their_bytes(ctx);
	/* It puts `.flags` behind the others without looking for room: an overflow of its heap. */
	if (flags && bytes <= room && room - bytes < FLAGS_BYTES) {
		their_close(ctx);
		return CHANGE_UNSAFE;
	}
	r = libuboot_env_store(ctx);
	their_close(ctx);
	if (r == 0)
		return CHANGE_MADE;
	return bytes > room ? CHANGE_TOO_LONG : CHANGE_REFUSED;
}

/* Is what it wrote what lib/base would write of these variables, by name? */
static bool same_bytes(const struct uboot_case *c, struct pairs *pairs, const char *image)
{
	char ours[CASE_SIZE_MAX];
	size_t n = form_of(c) + pairs_bytes(pairs) + 1;

	qsort(pairs->at, pairs->n, sizeof(pairs->at[0]), by_name);
	ubootenv_init(ours, c->size, form_of(c));
	for (size_t i = 0; i < pairs->n; i++)
		EXPECT(c,
		       ubootenv_append(ours, c->size, form_of(c), slice_str(pairs->at[i].name),
				       slice_str(pairs->at[i].value)) == 0,
		       "what it wrote fits here");
	EXPECT(c, memcmp(ours + form_of(c), image + form_of(c), n - form_of(c)) == 0,
	       "both write the same bytes");
	counts[SAME_BYTES]++;
	return true;
}

static bool we_read_what_they_write(const struct uboot_case *c, const char *config,
				    const struct reading *before, const struct pairs *our)
{
	static struct pairs expected, now;
	static struct reading after;
	size_t room = c->size - form_of(c);
	int from = MAX(before->copy, 0), to = c->copies == 2 ? 1 - from : 0;
	const char *image = after.image[to];
	bool flags = before->copy >= 0 && has_flags_variable(c, before->image[from]);

	if (before->copy >= 0 && !has_end(c, before->image[from]))
		return true; /* what it reads there, nobody knows */
	switch (they_change(c, our, flags, &expected)) {
	case CHANGE_MADE:
		counts[THEY_WROTE]++;
		break;
	case CHANGE_TOO_LONG:
		counts[THEY_REFUSED]++;
		return true;
	case CHANGE_UNSAFE:
		return true;
	default:
		failed(c, "it refuses only what is too long");
		return false;
	}
	if (!our_reading(c, config, &after))
		return false;
	EXPECT(c, after.copy == to, "what it wrote counts from then on");
	EXPECT(c, c->copies == 1 || memcmp(after.image[from], before->image[from], c->size) == 0,
	       "it leaves the copy that counted");
	EXPECT(c,
	       c->copies == 1 ||
		       (uint8_t)image[4] == ubootenv_flag_after((uint8_t)before->image[from][4],
								UBOOTENV_INCREMENTAL),
	       "its flag is the one after");
	if (!our_pairs(c, image, &now))
		return false;
	EXPECT(c, pairs_equal(&now, &expected), "we read what it wrote");
	if (!has_end(c, image)) {
		counts[THEY_LEFT_NO_END]++;
		EXPECT(c, c->kind != KIND_PLAIN || pairs_bytes(&now) == room,
		       "only a full image is without end");
		return true;
	}
	/* Entries without a name stay where they are, and it writes `.flags` last. */
	if (c->kind == KIND_PLAIN && !flags)
		return same_bytes(c, &expected, image);
	return true;
}

/* Would the change fit by the header's words? */
static bool fits(const struct uboot_case *c, const char *image, const struct uboot_change *change)
{
	size_t used = 0, n = strlen(change->name), at = form_of(c);

	while (at < c->size && image[at] != '\0') {
		size_t len = strnlen(image + at, c->size - at);

		if (at + len == c->size)
			break;
		if (strncmp(image + at, change->name, n) != 0 || image[at + n] != '=')
			used += len + 1;
		at += len + 1;
	}
	return used + n + strlen(change->value) + 2 + 1 <= c->size - form_of(c);
}

/* Makes the changes in image; *ret_expected are the variables then. True when all could be made. */
static bool we_change(const struct uboot_case *c, char *image, struct pairs *expected,
		      bool *ret_made)
{
	bool made = true;
	int r;

	for (size_t i = 0; made && i < c->n_changes; i++) {
		const struct uboot_change *change = &c->change[i];
		bool valid = !strchr(change->name, '=');

		if (change->unset) {
			r = ubootenv_unset(image, c->size, form_of(c), change->name);
			EXPECT(c, r == (valid ? 0 : -EINVAL), "a valid name can be removed");
		} else {
			int want = !valid ? -EINVAL : fits(c, image, change) ? 0 : -ENOSPC;

			r = ubootenv_set(image, c->size, form_of(c), change->name, change->value);
			EXPECT(c, r == want, "what fits can be set, and nothing else");
			made = r != -ENOSPC;
		}
		if (r == 0)
			pairs_set(expected, change->name, change->unset ? NULL : change->value);
	}
	*ret_made = made;
	return true;
}

static bool they_read_what_we_write(const struct uboot_case *c, const char *config,
				    const struct reading *before, const struct pairs *our)
{
	static struct pairs expected, their;
	static struct reading after;
	char image[CASE_SIZE_MAX];
	int from = MAX(before->copy, 0), to = c->copies == 2 ? 1 - from : 0, r;
	uint8_t flag = (uint8_t)before->image[from][4];
	struct uboot_ctx *ctx;
	bool made, same;

	pairs_copy(our, &expected);
	if (before->copy >= 0)
		memcpy(image, before->image[from], c->size);
	else
		ubootenv_init(image, c->size, form_of(c));
	if (!we_change(c, image, &expected, &made))
		return false;
	if (!made) {
		counts[WE_REFUSED]++;
		return true;
	}
	if (!has_end(c, image))
		return true; /* nothing was changed: no reason to write */
	ubootenv_seal(image, c->size, form_of(c),
		      before->copy >= 0 ? ubootenv_flag_after(flag, UBOOTENV_INCREMENTAL) : 0);
	write_image(c, to, image);
	counts[WE_WROTE]++;
	if (!our_reading(c, config, &after))
		return false;
	EXPECT(c, after.copy == to, "what we write counts from then on");
	ctx = their_open(&r);
	their_pairs(ctx, &their);
	their_close(ctx);
	same = r == 0 && pairs_equal(&expected, &their);
	EXPECT(c, same, "libubootenv reads what we wrote");
	return true;
}

static void note(const struct uboot_case *c)
{
	static const enum count kinds[] = {
		[KIND_PLAIN] = PLAIN, [KIND_ODD] = ODD, [KIND_DAMAGED] = DAMAGED};

	counts[CASES]++;
	counts[kinds[c->kind]]++;
	counts[REDUNDANT] += c->copies == 2;
	if (c->copies == 2 && c->copy[0].valid && c->copy[1].valid) {
		counts[BOTH_VALID]++;
		for (size_t i = 0; i < 2; i++)
			flags_seen[i][c->copy[i].flag] = true;
	}
}

static bool compare(const struct uboot_case *c)
{
	static struct reading reading;
	static struct pairs pairs;
	char config[2048];

	note(c);
	write_images(c);
	write_config(c, config, sizeof(config));
	if (!our_reading(c, config, &reading))
		return false;
	for (size_t i = 0; i < c->copies; i++)
		EXPECT(c,
		       (ubootenv_check(reading.image[i], c->size, form_of(c)) == 0) ==
			       c->copy[i].valid,
		       "a CRC that fits is one");
	pairs_clear(&pairs);
	if (reading.copy >= 0 && !our_pairs(c, reading.image[reading.copy], &pairs))
		return false;
	if (!both_read_the_same(c, &reading, &pairs) ||
	    !we_read_what_they_write(c, config, &reading, &pairs))
		return false;
	write_images(c);
	return they_read_what_we_write(c, config, &reading, &pairs);
}

int main(int argc, char **argv)
{
	static struct uboot_case c;
	unsigned long long first, n, flags[2] = {0};

	if (argc != 5) {
		(void)fprintf(stderr, "usage: uboot_compare SEED FIRST COUNT DIRECTORY\n");
		return 2;
	}
	first = strtoull(argv[2], NULL, 10);
	n = strtoull(argv[3], NULL, 10);
	for (size_t f = 0; f < FILES; f++)
		(void)snprintf(file_name[f], sizeof(file_name[f]), "%s/%zu", argv[4], f);
	(void)snprintf(config_name, sizeof(config_name), "%s/fw_env.config", argv[4]);
	for (unsigned long long number = first; number < first + n; number++) {
		uboot_case_make(argv[1], number, &c);
		(void)compare(&c); /* a failure has been printed */
	}
	for (size_t i = 0; i < COUNTS; i++)
		(void)printf("%llu %s\n", counts[i], count_names[i]);
	for (size_t i = 0; i < 512; i++)
		flags[i / 256] += flags_seen[i / 256][i % 256];
	(void)printf("%llu flags of copy 0\n%llu flags of copy 1\n", flags[0], flags[1]);
	return failures > 0;
}
