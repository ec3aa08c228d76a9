/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Verified roots. The order is what makes it safe: nothing of the root is looked at before its mapping is
 * there, and the mapping is made of nothing but what was signed. The partition, its superblock and the
 * file beside the environment are hostile; the command line is the boot role's own, in both roles.
 */
#include "verified.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

#include "base64.h"
#include "cmdline.h"
#include "crypto.h"
#include "dm.h"
#include "fd.h"
#include "file.h"
#include "log.h"
#include "unlock.h"
#include "verityfile.h"

#define MAPPING "tugboot-verity"
#define ROOT_MAPPING "root" /* as systemd calls it */
#define MAPPER "/dev/mapper/"
#define FILE_DIR "verity/"
#define KEY_SIZE_MAX (16 * 1024)

_printf_(4, 5) static int refuse(int error, enum part_role role, const char *expected,
				 const char *fmt, ...)
{
	char found[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(found, sizeof(found), fmt, ap);
	va_end(ap);
	return log_err(error, "verity", "root=%s found=%s expected=%s next=\"the next candidate\"",
		       partname_of(role), log_quote(found), log_quote(expected));
}

/* The signed file of a root, with a signature that holds. */
static int read_file(const struct boot *boot, enum part_role role, struct verityfile *ret_file)
{
	_free_ char *key = NULL, *text = NULL;
	struct verityfile file;
	size_t key_size, size;
	_close_ int fd = -1;
	char path[40];
	int r;

	(void)snprintf(path, sizeof(path), FILE_DIR "%s", partname_of(role));
	r = file_read(AT_FDCWD, VERIFIED_KEY, KEY_SIZE_MAX, &key, &key_size);
	if (r < 0)
		return refuse(r, role, "a public key in the image", "%s: %s", VERIFIED_KEY,
			      log_errno(r));
	r = boot->env_dir < 0 ? -ENOENT : file_open_regular(boot->env_dir, path, O_RDONLY, &fd);
	if (r == 0)
		r = file_read_fd(fd, VERITYFILE_SIZE_MAX, &text, &size);
	if (r < 0)
		return refuse(r, role, "a signed file beside the boot environment", "%s: %s", path,
			      log_errno(r));
	r = verityfile_parse(text, size, &file);
	if (r < 0)
		return refuse(r, role, "five lines as tugboot-encryption(7) has them",
			      "%s with other content", path);
	r = crypto_verify(key, key_size, text, file.signed_size, file.signature,
			  file.signature_size);
	if (r < 0)
		return refuse(r, role, "a signature by the key in the image", "%s: %s", path,
			      r == -EBADMSG ? "a signature that does not hold" : log_errno(r));
	*ret_file = file;
	return 0;
}

/* The superblock that was signed. */
static int read_superblock(enum part_role role, const char *dev, const struct verityfile *file,
			   struct verity *ret_verity)
{
	_close_ int fd = open(dev, O_RDONLY | O_CLOEXEC);
	uint8_t block[VERITY_SUPERBLOCK], digest[sizeof(file->superblock)];
	const struct crypto_part part = {block, sizeof(block)};
	int r;

	if (fd < 0 ||
	    pread(fd, block, sizeof(block), (off_t)file->hash_offset) != (ssize_t)sizeof(block))
		return refuse(-EIO, role, "the signed superblock", "%s: nothing at byte %llu", dev,
			      (unsigned long long)file->hash_offset);
	r = crypto_digest("sha256", &part, 1, digest, sizeof(digest));
	if (r < 0)
		return refuse(r, role, "a digest", "no SHA-256: %s", log_errno(r));
	if (memcmp(digest, file->superblock, sizeof(digest)) != 0)
		return refuse(-EBADMSG, role, "the signed one",
			      "%s: another superblock at byte %llu", dev,
			      (unsigned long long)file->hash_offset);
	r = verity_parse(block, sizeof(block), file->hash_offset, ret_verity);
	return r < 0 ? refuse(r, role, "dm-verity's superblock, version 1",
			      "%s: a superblock that is none", dev)
		     : 0;
}

/* What is in the mapping. Its first block says whether the tree is the signed one: a root hash that does
 * not fit is an I/O error of every block. */
static int look_inside(const char *mapping, const char **ret_problem, struct partition *part)
{
	struct partition inside = *part;
	char path[sizeof(inside.dev)], block[512];
	_close_ int fd = -1;
	int r;

	(void)snprintf(path, sizeof(path), MAPPER "%s", mapping);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, block, sizeof(block), 0) != (ssize_t)sizeof(block)) {
		*ret_problem = "blocks that do not fit the root hash";
		return -EIO;
	}
	r = disk_probe_volume(path, &inside);
	if (r < 0) {
		*ret_problem = r == -ENODATA ? "no filesystem in it" : "what cannot be read";
		return r;
	}
	*part = inside;
	return 0;
}

/* How the root's kernel is told of the device below: as root= would name it. */
static void device_name(const struct partition *outer, char *buf, size_t size)
{
	if (streq(outer->fstype, DISK_LUKS))
		(void)snprintf(buf, size, MAPPER "%s", outer->by_name ? outer->name : outer->label);
	else if (outer->partuuid[0])
		(void)snprintf(buf, size, "PARTUUID=%s", outer->partuuid);
	else
		(void)snprintf(buf, size, "%s", outer->dev);
}

static int write_options(const struct partition *outer, const struct verityfile *file,
			 const struct verity *verity, struct verified *verified)
{
	char hash[2 * VERITYFILE_HASH_MAX + 1], dev[96], options[VERITY_OPTIONS_MAX];
	int n;

	n = verity_options_format(verity, options, sizeof(options));
	if (n < 0)
		return n;
	hex_encode(file->root_hash, file->root_hash_size, hash);
	device_name(outer, dev, sizeof(dev));
	n = snprintf(verified->options, sizeof(verified->options),
		     "roothash=%s systemd.verity_root_data=%s systemd.verity_root_hash=%s "
		     "systemd.verity_root_options=%s",
		     hash, dev, dev, options);
	return n < 0 || (size_t)n >= sizeof(verified->options) ? -ENOSPC : 0;
}

int verified_open(const struct boot *boot, enum part_role role, struct partition *part,
		  struct verified *ret_verified)
{
	uint32_t roles = boot->unlock->policy.verity;
	const char *problem;
	struct verityfile file;
	struct verity verity;
	int r;

	ret_verified->asked = roles != 0;
	if (!roles)
		return 0;
	if (!(roles & 1u << role))
		return refuse(-EPERM, role, "one that it names",
			      "a root that tugboot.verity= does not name");
	r = read_file(boot, role, &file);
	if (r == 0)
		r = read_superblock(role, part->dev, &file, &verity);
	if (r < 0)
		return r;
	r = dm_verity_open(MAPPING, part->dev, part->dev, &verity, file.root_hash,
			   file.root_hash_size);
	if (r < 0)
		return refuse(r, role, "a mapping", "%s: %s", part->dev, log_errno(r));
	r = look_inside(MAPPING, &problem, part);
	if (r < 0)
		return refuse(r, role, "the root that was signed", "%s: %s", part->dev, problem);
	r = write_options(&boot->disk.role[role], &file, &verity, ret_verified);
	if (r < 0)
		return refuse(r, role, "a shorter salt", "options that do not fit");
	log_event("verity", "root=%s dev=%s on=" MAPPER MAPPING, partname_of(role),
		  boot->disk.role[role].dev);
	return 0;
}

void verified_close(void)
{
	int r = dm_remove(MAPPING);

	if (r < 0 && r != -ENXIO && r != -ENODEV)
		log_warn("verity", "found=\"a mapping that cannot be closed\" error=%s",
			 log_errno(r));
}

/* ---- the OS role ---- */

bool verified_device(const char *cmdline, char *buf, size_t size)
{
	if (!cmdline_has(cmdline, "tugboot.verified"))
		return false;
	if (cmdline_get(cmdline, "systemd.verity_root_data", buf, size) <= 0)
		buf[0] = '\0'; /* which no device is called */
	return true;
}

int verified_open_root(const char *cmdline, struct partition *part)
{
	char hash[2 * VERITYFILE_HASH_MAX + 1] = "", options[VERITY_OPTIONS_MAX] = "";
	uint8_t root_hash[VERITYFILE_HASH_MAX];
	const char *problem = "options that are none";
	struct verity verity;
	size_t size = 0;
	int r;

	(void)cmdline_get(cmdline, "systemd.verity_root_options", options, sizeof(options));
	(void)cmdline_get(cmdline, "roothash", hash, sizeof(hash));
	r = verity_options_parse(options, &verity);
	if (r == 0)
		r = hex_decode(hash, strlen(hash), root_hash, sizeof(root_hash), &size);
	if (r == 0 && size < sizeof(verity.uuid))
		r = -EBADMSG;
	if (r == 0) {
		/* The tree's own is not handed over; this one is as unique. */
		memcpy(verity.uuid, root_hash, sizeof(verity.uuid));
		problem = "no mapping";
		r = dm_verity_open(ROOT_MAPPING, part->dev, part->dev, &verity, root_hash, size);
	}
	if (r == 0)
		r = look_inside(ROOT_MAPPING, &problem, part);
	if (r < 0)
		return log_err(r, "verity",
			       "dev=%s error=%s found=\"%s\" expected=\"the root that was signed\" "
			       "next=reboot",
			       part->dev, log_errno(r), problem);
	return 0;
}
