/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text before a trial: see confirm.h. A line with the boot, the deadline (CLOCK_BOOTTIME, in
 * seconds), the size and a CRC over all of it, then the text. The file is hostile: a text that is
 * put back is checked as any other.
 *
 * Order: the file, durable; config.json (store.c). Cut before the first is whole: nothing was tried.
 * After it: the next boot puts the text back, whether or not the new one was there. To confirm is to
 * remove the file: there or not, one of the two texts holds. To go back is to write config.json, then to
 * remove the file: cut in between, it is written again.
 */
#include "confirm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <zlib.h>

#include "config.h"
#include "fd.h"
#include "file.h"

#define HEADER "tugboot-try 1 boot=%s until=%010" PRIu64 " size=%08zx crc="
#define HEADER_MAX 160
#define BOOT_ID 36

void confirm_done(struct confirm *confirm)
{
	free(confirm->text);
	confirm->text = NULL;
}

static uint64_t boottime_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t); /* cannot fail for this clock */
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void boot_id(char ret_id[static BOOT_ID + 1])
{
	_free_ char *text = NULL;

	memset(ret_id, '-', BOOT_ID);
	ret_id[BOOT_ID] = '\0';
	if (file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, NULL) == 0 &&
	    strlen(text) >= BOOT_ID)
		memcpy(ret_id, text, BOOT_ID);
}

static size_t make_header(const char *boot, uint64_t until, const char *text, size_t size,
			  char buf[static HEADER_MAX])
{
	int n = snprintf(buf, HEADER_MAX, HEADER, boot, until, size);
	uLong crc = crc32(0, (const Bytef *)buf, (uInt)n);

	crc = crc32(crc, (const Bytef *)text, (uInt)size);
	n += snprintf(buf + n, HEADER_MAX - (size_t)n, "%08lx\n", crc);
	return (size_t)n;
}

static int read_all(int dir_fd, char **ret_data, size_t *ret_size)
{
	_close_ int fd = -1;
	int r = file_open_regular(dir_fd, CONFIRM_FILE, O_RDONLY, &fd);

	return r < 0 ? r : file_read_fd(fd, CONFIG_MAX + HEADER_MAX, ret_data, ret_size);
}

int confirm_read(int dir_fd, struct confirm *ret_confirm)
{
	char boot[BOOT_ID + 1], now_boot[BOOT_ID + 1], header[HEADER_MAX];
	struct confirm confirm = {0};
	_free_ char *data = NULL;
	uint64_t until, now;
	size_t size, n;
	int r = read_all(dir_fd, &data, &size);

	if (r == -EIO || r == -EUCLEAN || r == -EFBIG)
		return -ENOENT;
	if (r < 0)
		return r;
	if (sscanf(data, "tugboot-try 1 boot=%36s until=%" SCNu64, boot, &until) != 2)
		return -ENOENT;
	/* Made again of what it says, the header must come out as it is. */
	n = make_header(boot, until, "", 0, header);
	if (size < n)
		return -ENOENT;
	n = make_header(boot, until, data + n, size - n, header);
	if (memcmp(data, header, n) != 0)
		return -ENOENT;
	confirm.size = size - n;
	confirm.text = strndup(data + n, confirm.size);
	if (!confirm.text)
		return -ENOMEM;
	boot_id(now_boot);
	now = boottime_ms();
	if (streq(boot, now_boot) && until <= now / 1000 + CONFIRM_MAX && until * 1000 > now)
		confirm.left_ms = until * 1000 - now;
	*ret_confirm = confirm;
	return 0;
}

int confirm_begin(int dir_fd, const struct store_text *before, unsigned seconds)
{
	_free_ char *data = malloc(HEADER_MAX + before->size);
	_confirm_ struct confirm there = {0};
	char boot[BOOT_ID + 1];
	_close_ int fd = -1;
	size_t n;

	if (!data)
		return -ENOMEM;
	if (seconds == 0 || seconds > CONFIRM_MAX)
		return -EINVAL;
	if (confirm_read(dir_fd, &there) == 0)
		return -EALREADY;
	boot_id(boot);
	n = make_header(boot, boottime_ms() / 1000 + seconds, before->data, before->size, data);
	memcpy(data + n, before->data, before->size);
	/* It has what config.json has: root's alone from its first byte on. */
	fd = openat(dir_fd, CONFIRM_FILE, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	return file_rewrite(dir_fd, CONFIRM_FILE, data, n + before->size);
}

int confirm_end(int dir_fd)
{
	if (unlinkat(dir_fd, CONFIRM_FILE, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	return file_sync_directory(dir_fd);
}

int confirm_go_back(int dir_fd, const struct confirm *confirm)
{
	int r = store_write(dir_fd, NULL, 0, confirm->text, confirm->size);

	return r < 0 ? r : confirm_end(dir_fd);
}
