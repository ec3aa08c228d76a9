/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The first process of a guest in which volumes are opened: reads /job, a command a line, does each
 * with lib/trust/luks.c and lib/sys/dm.c, says what came of it, and powers off.
 *
 *   luks DEVICE              LUKS uuid= cipher= key_size= offset= sector_size=
 *   read DEVICE              the same without a word
 *   crypto                   loads libcrypto and lets it do a first digest
 *   unlock NAME DEVICE KEY OPTIONS   opens with a passphrase ("pass:TEXT") or a volume key in hexadecimal;
 *                            OPTIONS: letters r (read-only), d (discards), or -
 *   map NAME DEVICE KEY CIPHER OFFSET SECTOR_SIZE   by what is said here, not by the header
 *   verity NAME DATA HASH OFFSET ROOT_HASH
 *   remove NAME
 *   hold NAME                keeps the mapping open
 *   sum NAME BYTES           SUM sha256 of its first bytes
 *   write NAME BYTE          writes 4096 bytes at its start
 *   table NAME               TABLE as DM_TABLE_STATUS and DM_DEV_STATUS show it
 *   link NAME TARGET         puts a link there, as something else may have left it
 *   keys                     KEY a line of /proc/keys
 *
 * Each command ends with `DONE command=… r=0` or `r=-ERROR`, and the nanoseconds that it took: with
 * QEMU counting instructions, their number.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base64.h"
#include "crypto.h"
#include "dm.h"
#include "fd.h"
#include "file.h"
#include "log.h"
#include "luks.h"

#define WORDS_MAX 8
#define TABLE_MAX 16384

_printf_(1, 2) static void say(const char *fmt, ...)
{
	char line[4096];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(line) - 1)
		return;
	line[n++] = '\n';
	(void)!write(STDOUT_FILENO, line, (size_t)n);
	(void)tcdrain(STDOUT_FILENO);
}

static void node_of(const char *name, char path[static 192])
{
	(void)snprintf(path, 192, "%s%s", *name == '/' ? "" : "/dev/mapper/", name);
}

static int read_info(const char *device, struct luks_info *ret_info)
{
	_luks_ struct luks *luks = NULL;
	int r;

	r = luks_open(device, &luks);
	return r < 0 ? r : luks_info(luks, ret_info);
}

static int do_read(char **word)
{
	struct luks_info info;

	return read_info(word[1], &info);
}

static int do_crypto(_unused_ char **word)
{
	uint8_t digest[32];

	return crypto_digest("sha256", NULL, 0, digest, sizeof(digest));
}

static int do_luks(char **word)
{
	struct luks_info info = {0};
	int r;

	r = read_info(word[1], &info);
	if (r == 0)
		say("LUKS uuid=%s cipher=%s key_size=%u offset=%llu sector_size=%u", info.uuid,
		    info.cipher, info.key_size, (unsigned long long)info.data_offset,
		    info.sector_size);
	return r;
}

static int key_from(const char *text, struct luks *luks, struct secret *ret_key)
{
	_secret_ struct secret secret = {0};
	const char *passphrase = startswith(text, "pass:");
	uint8_t bytes[SECRET_MAX];
	size_t size;
	int r;

	if (passphrase) {
		r = secret_copy(passphrase, strlen(passphrase), &secret);
		return r < 0 ? r : luks_volume_key(luks, -1, &secret, ret_key);
	}
	r = hex_decode(text, strlen(text), bytes, sizeof(bytes), &size);
	return r < 0 ? r : secret_copy(bytes, size, ret_key);
}

static int open_and_say(const struct dm_crypt *crypt, const struct secret *key)
{
	char dev[32] = "", path[192], link[64] = "", udev[64];
	struct stat st = {0};
	int r;

	r = dm_crypt_open(crypt, key, dev, sizeof(dev));
	if (r < 0)
		return r;
	node_of(crypt->name, path);
	(void)!readlink(path, link, sizeof(link) - 1);
	(void)stat(dev, &st);
	(void)snprintf(udev, sizeof(udev), "/run/udev/data/b%u:%u", major(st.st_rdev),
		       minor(st.st_rdev));
	say("OPEN name=%s dev=%s link=%s there=%d told=%d", crypt->name, dev, link,
	    S_ISBLK(st.st_mode), access(udev, F_OK) == 0);
	return 0;
}

static int do_unlock(char **word)
{
	_luks_ struct luks *luks = NULL;
	_secret_ struct secret key = {0};
	struct luks_info info = {0};
	struct dm_crypt crypt;
	int r;

	r = luks_open(word[2], &luks);
	if (r == 0)
		r = luks_info(luks, &info);
	if (r == 0)
		r = key_from(word[3], luks, &key);
	if (r < 0)
		return r;
	crypt = (struct dm_crypt){
		.name = word[1],
		.device = word[2],
		.uuid = info.uuid,
		.cipher = info.cipher,
		.offset = info.data_offset,
		.sector_size = info.sector_size,
		.read_only = strchr(word[4], 'r'),
		.discards = strchr(word[4], 'd'),
	};
	return open_and_say(&crypt, &key);
}

static int do_map(char **word)
{
	_secret_ struct secret key = {0};
	struct dm_crypt crypt = {
		.name = word[1],
		.device = word[2],
		.uuid = "00000000-0000-4000-8000-000000000001",
		.cipher = word[4],
		.offset = strtoull(word[5], NULL, 10),
		.sector_size = (unsigned)strtoul(word[6], NULL, 10),
	};
	int r;

	for (char *c = word[4]; *c; c++)
		if (*c == '~')
			*c = ' ';
	r = key_from(word[3], NULL, &key);
	return r < 0 ? r : open_and_say(&crypt, &key);
}

static int do_verity(char **word)
{
	uint8_t root[64];
	size_t size;
	int r;

	r = hex_decode(word[5], strlen(word[5]), root, sizeof(root), &size);
	if (r < 0)
		return r;
	return luks_verity_open(word[1], word[2], word[3], strtoull(word[4], NULL, 10), root, size);
}

static int do_remove(char **word)
{
	char path[192];
	struct stat st;
	int r;

	r = dm_remove(word[1]);
	node_of(word[1], path);
	say("REMOVED name=%s node=%s", word[1], lstat(path, &st) == 0 ? "there" : "gone");
	return r;
}

static int do_hold(char **word)
{
	char path[192];

	node_of(word[1], path);
	return open(path, O_RDONLY | O_CLOEXEC) < 0 ? -errno : 0;
}

static int do_sum(char **word)
{
	size_t size = strtoull(word[2], NULL, 10), have;
	_close_ int fd = -1;
	_free_ char *data = malloc(size);
	uint8_t digest[32];
	char path[192], text[65];
	int r;

	node_of(word[1], path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !data)
		return -errno;
	r = file_read_some(fd, data, size, &have);
	if (r < 0)
		return r;
	r = crypto_digest("sha256", &(struct crypto_part){data, have}, 1, digest, sizeof(digest));
	if (r < 0)
		return r;
	hex_encode(digest, sizeof(digest), text);
	say("SUM name=%s size=%zu sha256=%s", word[1], have, text);
	return 0;
}

static int do_write(char **word)
{
	_close_ int fd = -1;
	char data[4096], path[192];

	node_of(word[1], path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	memset(data, word[2][0], sizeof(data));
	if (write(fd, data, sizeof(data)) != (ssize_t)sizeof(data) || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int do_table(char **word)
{
	_close_ int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	_Alignas(struct dm_ioctl) char buf[TABLE_MAX] = {0};
	struct dm_ioctl *header = (struct dm_ioctl *)(void *)buf;
	const struct dm_target_spec *target =
		(const struct dm_target_spec *)(const void *)(header + 1);

	if (fd < 0)
		return -errno;
	*header = (struct dm_ioctl){
		.version = {DM_VERSION_MAJOR, 0, 0},
		.data_size = sizeof(buf),
		.data_start = sizeof(*header),
		.flags = DM_STATUS_TABLE_FLAG,
	};
	(void)snprintf(header->name, sizeof(header->name), "%s", word[1]);
	if (ioctl(fd, DM_TABLE_STATUS, header) < 0)
		return -errno;
	say("TABLE name=%s uuid=%s read_only=%d active=%d targets=%u type=%s length=%llu %s",
	    header->name, header->uuid, !!(header->flags & DM_READONLY_FLAG),
	    !!(header->flags & DM_ACTIVE_PRESENT_FLAG), header->target_count, target->target_type,
	    (unsigned long long)target->length, (const char *)(target + 1));
	return 0;
}

static int do_link(char **word)
{
	char path[192];

	node_of(word[1], path);
	return symlink(word[2], path) < 0 ? -errno : 0;
}

static int do_keys(_unused_ char **word)
{
	_free_ char *keys = NULL;
	char *rest, *line;
	int r;

	/* What is dropped is collected a moment later. */
	usleep(200 * 1000);
	r = file_read(AT_FDCWD, "/proc/keys", 65536, &keys, NULL);
	rest = keys;
	while (r == 0 && (line = strsep(&rest, "\n")))
		if (*line)
			say("KEY %s", line);
	return r;
}

static const struct {
	const char *name;
	size_t words;
	int (*run)(char **word);
} commands[] = {
	{"luks", 2, do_luks},	  {"read", 2, do_read},	  {"crypto", 1, do_crypto},
	{"unlock", 5, do_unlock}, {"map", 7, do_map},	  {"verity", 6, do_verity},
	{"remove", 2, do_remove}, {"hold", 2, do_hold},	  {"sum", 3, do_sum},
	{"write", 3, do_write},	  {"table", 2, do_table}, {"link", 3, do_link},
	{"keys", 1, do_keys},
};

static long long nanoseconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static void run_line(char *line)
{
	char *word[WORDS_MAX + 1] = {0};
	size_t n = 0;

	for (char *w = strtok(line, " "); w && n < WORDS_MAX; w = strtok(NULL, " "))
		word[n++] = w;
	for (size_t i = 0; n > 0 && i < ARRAY_SIZE(commands); i++)
		if (streq(word[0], commands[i].name) && n == commands[i].words) {
			long long start = nanoseconds();
			int r = commands[i].run(word);
			long long took = nanoseconds() - start;

			say("DONE command=%s r=%s%s ns=%lld", word[0], r < 0 ? "-" : "",
			    r < 0 ? log_errno(r) : "0", took);
			return;
		}
	if (n > 0)
		say("DONE command=%s r=unknown", word[0]);
}

static void console_open(void)
{
	static const char *const dirs[] = {"/dev", "/proc", "/sys", "/run"};
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		(void)mkdir(dirs[i], 0755);
	(void)mount("dev", "/dev", "devtmpfs", 0, NULL);
	(void)mount("proc", "/proc", "proc", 0, NULL);
	(void)mount("sys", "/sys", "sysfs", 0, NULL);
	fd = open("/dev/console", O_RDWR | O_NOCTTY);
	if (fd < 0)
		_exit(1);
	for (int i = 0; i < 3; i++)
		(void)dup2(fd, i);
}

int main(void)
{
	_free_ char *job = NULL;
	char *rest, *line;
	int r;

	console_open();
	r = file_read(AT_FDCWD, "/job", 65536, &job, NULL);
	rest = job;
	while (r == 0 && (line = strsep(&rest, "\n")))
		run_line(line);
	say("JOB done=%d", r);
	sync();
	(void)reboot(RB_POWER_OFF);
	return 1;
}
