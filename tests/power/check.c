/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many states of one disk, each mounted and read by the real driver and the real reader. The disk
 * is kept in memory, behind loop devices; between two states only what differs is changed.
 *
 * As NAME-check, it is files of an agent that are read (keep.c), not the environment; there is one text
 * for both.
 *
 *   check IMAGE STATES RESULTS FSTYPE START SECTORS RAW-START RAW-SECTORS
 *
 * IMAGE    the disk that the states are differences to; the partition is at START (in sectors),
 *          and the one that is an environment itself; with no SECTORS there is none
 * STATES   little-endian: u32 magic, states, blobs; the blobs of 512 bytes from the next sector
 *          on; then for each state u32 flags << 16 | n and n times u32 sector, u32 blob
 * RESULTS  from sector 1: for each state two u32, numbers of texts: what was read, and what was
 *          read again after a further write (0: no write was asked for). In sector 0 magic, the
 *          number of texts, and the sector where they begin, each ended by a NUL.
 *
 * Flag 1: a further write is asked for: what the decision wants and a variable of our own; then
 * the disk is unmounted, mounted, and read. Flag 2: the entry is no state to be read; the following
 * ones are differences to it.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "file.h"
#include "power.h"

#define SECTOR 512
#define PAGE 4096
#define STATES_MAGIC 0x53575054u  /* TPWS */
#define RESULTS_MAGIC 0x52575054u /* TPWR */
#define FLAG_WRITE 1u
#define FLAG_BASE 2u
#define TEXT_SIZE (16 * 1024)
#define TEXTS_MAX 65536
#define BUCKETS 4096

struct image {
	int fd; /* in memory */
	size_t size;
	char *now;  /* what the loop device shows */
	char *base; /* what it is set back to */
};

static struct {
	char *text[TEXTS_MAX];
	uint32_t next[TEXTS_MAX]; /* in its bucket; 0 ends */
	uint32_t bucket[BUCKETS];
	uint32_t n;
} texts;

/* The number of a text, from 1; 0 when there are too many. */
static uint32_t text_number(const char *text)
{
	uint32_t hash = 2166136261u, i;

	for (const char *p = text; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	for (i = texts.bucket[hash % BUCKETS]; i; i = texts.next[i])
		if (streq(texts.text[i], text))
			return i;
	if (texts.n + 1 >= TEXTS_MAX)
		return 0;
	i = ++texts.n;
	texts.text[i] = strdup(text);
	texts.next[i] = texts.bucket[hash % BUCKETS];
	texts.bucket[hash % BUCKETS] = i;
	return i;
}

/* --- The disk in memory --------------------------------------------------------------------- */

static bool is_zero(const char *page)
{
	static const char zero[PAGE];

	return memcmp(page, zero, PAGE) == 0;
}

static int read_device(const char *path, char **ret_data, size_t *ret_size)
{
	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_free_ char *data = NULL;
	uint64_t size;
	int r;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size) < 0)
		return -errno;
	data = aligned_alloc(PAGE, (size + PAGE - 1) / PAGE * PAGE);
	if (!data)
		return -ENOMEM;
	r = file_read_some(fd, data, size, ret_size);
	if (r == 0)
		*ret_data = take_ptr(data);
	return r;
}

static int image_open(const char *path, struct image *ret_image)
{
	struct image image = {.fd = memfd_create("image", MFD_CLOEXEC)};
	int r;

	if (image.fd < 0)
		return -errno;
	r = read_device(path, &image.base, &image.size);
	if (r < 0)
		return r;
	if (image.size % PAGE || ftruncate(image.fd, (off_t)image.size) < 0)
		return -EINVAL;
	image.now = mmap(NULL, image.size, PROT_READ | PROT_WRITE, MAP_SHARED, image.fd, 0);
	if (image.now == MAP_FAILED)
		return -errno;
	/* Pages of zeros stay holes, which need not be compared. */
	for (size_t at = 0; at < image.size; at += PAGE)
		if (!is_zero(image.base + at))
			memcpy(image.now + at, image.base + at, PAGE);
	*ret_image = image;
	return 0;
}

static void image_restore(const struct image *image)
{
	off_t at = 0, end;

	while ((at = lseek(image->fd, at, SEEK_DATA)) >= 0) {
		end = lseek(image->fd, at, SEEK_HOLE);
		for (; at < end; at += PAGE)
			if (memcmp(image->now + at, image->base + at, PAGE) != 0)
				memcpy(image->now + at, image->base + at, PAGE);
	}
}

static int loop_open(const struct image *image, char **words, const char **ret_dev)
{
	uint64_t start = strtoul(words[0], NULL, 10), sectors = strtoul(words[1], NULL, 10);
	struct loop_config config = {
		.fd = (uint32_t)image->fd,
		.block_size = SECTOR,
		.info = {.lo_offset = start * SECTOR, .lo_sizelimit = sectors * SECTOR},
	};
	_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	_close_ int fd = -1;
	char dev[32];
	int i;

	if (sectors == 0)
		return 0;
	if (control < 0)
		return -errno;
	i = ioctl(control, LOOP_CTL_GET_FREE);
	if (i < 0)
		return -errno;
	(void)snprintf(dev, sizeof(dev), "/dev/loop%d", i);
	fd = open(dev, O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, LOOP_CONFIGURE, &config) < 0)
		return -errno;
	*ret_dev = strdup(dev);
	return *ret_dev ? 0 : -ENOMEM;
}

/* --- One state ------------------------------------------------------------------------------ */

/* What the decision asks for and a variable of our own, in one write. */
static int write_further(const struct place *place, struct reading *reading)
{
	struct env_change changes[ENV_EDITS_MAX + 1];
	const struct env_edits *edits = &reading->decision.edits;
	size_t n = 0;
	int r, back;

	for (; n < edits->n; n++)
		changes[n] = (struct env_change){
			.name = edits->edit[n].name,
			.value = edits->edit[n].unset ? NULL : edits->edit[n].value,
		};
	changes[n++] = (struct env_change){"power_further", "1"};
	r = place_set_writable(place, true);
	if (r == 0)
		r = envstore_change(&reading->store, changes, n);
	back = place_set_writable(place, false);
	return r < 0 ? r : back;
}

/* Of the files that are checked; NULL: the environment is. */
static const struct keeper *keeper;

static int check_kept(const struct place *place, bool further, uint32_t ret_result[2])
{
	static char text[TEXT_SIZE];
	int r = keeper_state(keeper, place, further, text, sizeof(text));

	ret_result[0] = htole32(text_number(text));
	ret_result[1] = 0;
	return r == 0 && ret_result[0] == 0 ? -ENOSPC : r;
}

static int check_state(const struct place *place, bool further, uint32_t ret_result[2])
{
	static char text[TEXT_SIZE];
	struct reading reading;
	int written = 0, r;

	reading_open(place, SLOT_LAST_UNKNOWN, &reading);
	reading_text(&reading, text, sizeof(text));
	ret_result[0] = htole32(text_number(text));
	ret_result[1] = 0;
	if (further && reading.mounted == 0)
		written = write_further(place, &reading);
	r = reading_close(place, &reading);
	if (r == 0 && ret_result[0] == 0)
		r = -ENOSPC;
	if (r < 0 || !further)
		return r;

	reading_open(place, SLOT_LAST_UNKNOWN, &reading);
	(void)snprintf(text, sizeof(text), "written %d\n", written);
	reading_text(&reading, text + strlen(text), sizeof(text) - strlen(text));
	ret_result[1] = htole32(text_number(text));
	r = reading_close(place, &reading);
	return r == 0 && ret_result[1] == 0 ? -ENOSPC : r;
}

struct states {
	const uint32_t *header;
	const char *blobs;
	const uint32_t *entry, *end;
	uint32_t n;
};

static int states_parse(const char *data, size_t size, struct states *ret_states)
{
	struct states s = {.header = (const void *)data, .blobs = data + SECTOR};
	uint64_t blobs;

	if (size < SECTOR || le32toh(s.header[0]) != STATES_MAGIC)
		return -EBADMSG;
	s.n = le32toh(s.header[1]);
	blobs = (uint64_t)le32toh(s.header[2]) * SECTOR;
	if (SECTOR + blobs > size)
		return -EMSGSIZE;
	s.entry = (const void *)(s.blobs + blobs);
	s.end = (const void *)(data + size / sizeof(uint32_t) * sizeof(uint32_t));
	*ret_states = s;
	return 0;
}

static int check_all(const struct place *place, const struct image *image, struct states *s,
		     uint32_t *results)
{
	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t word, n;
		bool base;
		int r;

		if (s->entry >= s->end)
			return -EMSGSIZE;
		word = le32toh(*s->entry++);
		n = word & 0xffff;
		base = word >> 16 & FLAG_BASE;
		if (s->end - s->entry < 2 * (ptrdiff_t)n)
			return -EMSGSIZE;
		for (; n > 0; n--, s->entry += 2) {
			size_t at = (size_t)le32toh(s->entry[0]) * SECTOR;

			const char *blob;

			if (at >= image->size)
				return -ERANGE;
			blob = s->blobs + (size_t)le32toh(s->entry[1]) * SECTOR;
			memcpy(image->now + at, blob, SECTOR);
			if (base)
				memcpy(image->base + at, blob, SECTOR);
		}
		if (base)
			continue;
		r = (keeper ? check_kept : check_state)(place, word >> 16 & FLAG_WRITE,
							results + 2 * (size_t)i);
		if (r < 0)
			return r;
		image_restore(image);
		if (i % 5000 == 4999)
			say("CHECK %u of %u", i + 1, s->n);
	}
	return 0;
}

static int store_results(const char *path, const uint32_t *results, uint32_t n)
{
	size_t size = (size_t)n * 2 * sizeof(uint32_t);
	uint32_t first = (uint32_t)(1 + (size + SECTOR - 1) / SECTOR);
	uint32_t header[] = {htole32(RESULTS_MAGIC), htole32(texts.n), htole32(first)};
	_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	off_t at = (off_t)first * SECTOR;

	if (fd < 0)
		return -errno;
	if (pwrite(fd, header, sizeof(header), 0) != sizeof(header) ||
	    pwrite(fd, results, size, SECTOR) != (ssize_t)size)
		return -EIO;
	for (uint32_t i = 1; i <= texts.n; i++) {
		size_t len = strlen(texts.text[i]) + 1;

		if (pwrite(fd, texts.text[i], len, at) != (ssize_t)len)
			return -ENOSPC;
		at += (off_t)len;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/*
 * What a cut left is an hour old: nobody can be writing it any more, and the agents need not wait for
 * that. What they log is not kept: the same lines a thousand times.
 */
static void begin_next_boot(void)
{
	_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct timespec now;

	if (null >= 0)
		(void)dup2(null, STDERR_FILENO);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += 3600;
	(void)clock_settime(CLOCK_REALTIME, &now);
}

int check_command(char **words, size_t n)
{
	struct image image = {.fd = -1};
	struct states states = {0};
	struct place place = {.fstype = words[4]};
	_free_ uint32_t *results = NULL;
	char *data;
	size_t size;
	int r;

	if (n != 9)
		return -EINVAL;
	keeper = keeper_named(words[0], strcspn(words[0], "-"));
	if (keeper)
		begin_next_boot();
	r = image_open(words[1], &image);
	if (r == 0)
		r = read_device(words[2], &data, &size);
	if (r == 0)
		r = states_parse(data, size, &states);
	if (r == 0)
		r = loop_open(&image, words + 5, &place.dev);
	if (r == 0)
		r = loop_open(&image, words + 7, &place.raw);
	if (r < 0)
		return r;
	results = calloc(states.n, 2 * sizeof(*results));
	if (!results)
		return -ENOMEM;
	r = check_all(&place, &image, &states, results);
	if (r < 0)
		return r;
	return store_results(words[3], results, states.n);
}
