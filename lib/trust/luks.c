/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LUKS2 headers through libcryptsetup. The device is hostile; the library's copies of keys are its
 * own and wiped by it. What it says goes to the log as detail.
 */
#include "luks.h"

#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto.h"
#include "dm.h"
#include "fd.h"
#include "library.h"
#include "log.h"
#include "luksjson.h"
#include "verity.h"

LIBRARY_FUNCTION(crypt_dump_json);
LIBRARY_FUNCTION(crypt_free);
LIBRARY_FUNCTION(crypt_get_label);
LIBRARY_FUNCTION(crypt_get_pbkdf_type_params);
LIBRARY_FUNCTION(crypt_get_uuid);
LIBRARY_FUNCTION(crypt_get_volume_key_size);
LIBRARY_FUNCTION(crypt_init);
LIBRARY_FUNCTION(crypt_keyslot_add_by_volume_key);
LIBRARY_FUNCTION(crypt_keyslot_destroy);
LIBRARY_FUNCTION(crypt_keyslot_status);
LIBRARY_FUNCTION(crypt_load);
LIBRARY_FUNCTION(crypt_set_log_callback);
LIBRARY_FUNCTION(crypt_set_pbkdf_type);
LIBRARY_FUNCTION(crypt_token_external_disable);
LIBRARY_FUNCTION(crypt_token_json_get);
LIBRARY_FUNCTION(crypt_token_json_set);
LIBRARY_FUNCTION(crypt_volume_key_get);
LIBRARY_FUNCTION(crypt_volume_key_verify);

static const struct library_symbol symbols[] = {
	LIBRARY_SYMBOL(crypt_dump_json),
	LIBRARY_SYMBOL(crypt_free),
	LIBRARY_SYMBOL(crypt_get_label),
	LIBRARY_SYMBOL(crypt_get_pbkdf_type_params),
	LIBRARY_SYMBOL(crypt_get_uuid),
	LIBRARY_SYMBOL(crypt_get_volume_key_size),
	LIBRARY_SYMBOL(crypt_init),
	LIBRARY_SYMBOL(crypt_keyslot_add_by_volume_key),
	LIBRARY_SYMBOL(crypt_keyslot_destroy),
	LIBRARY_SYMBOL(crypt_keyslot_status),
	LIBRARY_SYMBOL(crypt_load),
	LIBRARY_SYMBOL(crypt_set_log_callback),
	LIBRARY_SYMBOL(crypt_set_pbkdf_type),
	LIBRARY_SYMBOL(crypt_token_external_disable),
	LIBRARY_SYMBOL(crypt_token_json_get),
	LIBRARY_SYMBOL(crypt_token_json_set),
	LIBRARY_SYMBOL(crypt_volume_key_get),
	LIBRARY_SYMBOL(crypt_volume_key_verify),
};

static struct library libcryptsetup = {
	"libcryptsetup.so.12",
	symbols,
	ARRAY_SIZE(symbols),
	false,
};

struct luks {
	struct crypt_device *cd;
};

static unsigned derivations;

static void say(_unused_ int level, const char *message, _unused_ void *data)
{
	char line[256];

	(void)snprintf(line, sizeof(line), "%s", message);
	line[strcspn(line, "\n")] = '\0';
	log_detail("luks", "libcryptsetup=%s", log_quote(line));
}

static int load(void)
{
	static bool ready;
	int r;

	if (ready)
		return 0;
	/* Before libcryptsetup starts libcrypto in its own way. */
	r = crypto_load();
	if (r < 0)
		return r;
	r = library_load(&libcryptsetup);
	if (r < 0)
		return r;
	sym_crypt_set_log_callback(NULL, say, NULL);
	/* A token's type is text of the header, and the name of a library that would be loaded for it. */
	sym_crypt_token_external_disable();
	ready = true;
	return 0;
}

/* libcryptsetup's errors as luks.h has them. */
static int error(int r)
{
	switch (r) {
	case -EPERM:
		return -ENOKEY;
	case -EOPNOTSUPP: /* means no library here */
		return -EINVAL;
	default:
		return r;
	}
}

/* ---- is there a header at all? ---- */

#define MAGIC_SIZE 6

/* The first header's version, big endian; 0 when there is none. A second header counts as one of
 * version 2: the first may have been damaged. (LUKS2 On-Disk Format 1.1, 2.1 and 2.2.) */
static int find_header(const char *device, unsigned *ret_version)
{
	static const uint32_t second[] = {0x4000,  0x8000,   0x10000,  0x20000, 0x40000,
					  0x80000, 0x100000, 0x200000, 0x400000};
	_close_ int fd = open(device, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	uint8_t start[MAGIC_SIZE + 2];

	if (fd < 0)
		return -errno;
	*ret_version = 0;
	if (pread(fd, start, sizeof(start), 0) == sizeof(start) &&
	    memcmp(start, "LUKS\xba\xbe", MAGIC_SIZE) == 0) {
		*ret_version = (unsigned)start[6] << 8 | start[7];
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(second); i++)
		if (pread(fd, start, sizeof(start), second[i]) == sizeof(start) &&
		    memcmp(start, "SKUL\xba\xbe", MAGIC_SIZE) == 0)
			*ret_version = 2;
	return 0;
}

int luks_open(const char *device, struct luks **ret_luks)
{
	_luks_ struct luks *luks = NULL;
	unsigned version = 0;
	int r;

	r = find_header(device, &version);
	if (r < 0)
		return r;
	if (version != 2)
		return -EMEDIUMTYPE;
	r = load();
	if (r < 0)
		return r;
	luks = calloc(1, sizeof(*luks));
	if (!luks)
		return -ENOMEM;
	r = sym_crypt_init(&luks->cd, device);
	if (r < 0)
		return r;
	r = sym_crypt_load(luks->cd, CRYPT_LUKS2, NULL);
	if (r < 0)
		return r == -EINVAL ? -EBADMSG : error(r);
	*ret_luks = take_ptr(luks);
	return 0;
}

void luks_close(struct luks *luks)
{
	if (!luks)
		return;
	if (luks->cd)
		sym_crypt_free(luks->cd);
	free(luks);
}

/* ---- what it says ---- */

int luks_info(struct luks *luks, struct luks_info *ret_info)
{
	const char *json, *uuid, *label, *wrong = "length";
	struct luks_info info;
	int r;

	r = sym_crypt_dump_json(luks->cd, &json, 0);
	if (r < 0)
		return error(r);
	uuid = sym_crypt_get_uuid(luks->cd);
	label = sym_crypt_get_label(luks->cd);
	r = luksjson_parse(json, strlen(json), &info, &wrong);
	if (r == 0 && (!uuid || strlen(uuid) >= sizeof(info.uuid) ||
		       (label && strlen(label) >= sizeof(info.label)))) {
		r = -EBADMSG;
		wrong = "uuid or label";
	}
	if (r < 0) {
		log_detail("luks", "damaged=%s", log_quote(wrong));
		return r;
	}
	strcpy(info.uuid, uuid);
	strcpy(info.label, label ? label : "");
	*ret_info = info;
	return 0;
}

void luks_header(const struct luks_info *info, struct volume_header *ret_header)
{
	struct volume_header header = {
		.luks2 = true,
		.reencrypting = info->reencrypting,
		.segments = info->segments,
		.cipher = info->cipher,
		.key_size = info->key_size,
	};

	for (size_t i = 0; i < ARRAY_SIZE(header.slot) && i < LUKS_SLOTS; i++) {
		header.slot[i].used = info->slot[i].used;
		header.slot[i].argon2 = info->slot[i].argon2;
		header.slot[i].iterations = info->slot[i].iterations;
		header.slot[i].memory_kib = info->slot[i].memory_kib;
		header.slot[i].area_cipher = info->slot[i].area_cipher;
	}
	*ret_header = header;
}

/* ---- tokens ---- */

int luks_token(struct luks *luks, int token, const char **ret_json)
{
	const char *json;
	int r;

	if (token < 0 || token >= LUKS_TOKENS)
		return -ENOENT;
	r = sym_crypt_token_json_get(luks->cd, token, &json);
	if (r < 0)
		return r == -EINVAL ? -ENOENT : error(r);
	*ret_json = json;
	return 0;
}

int luks_token_set(struct luks *luks, int token, const char *json, int *ret_token)
{
	int r;

	if (token >= LUKS_TOKENS)
		return -EINVAL;
	r = sym_crypt_token_json_set(luks->cd, token < 0 ? CRYPT_ANY_TOKEN : token, json);
	if (r < 0)
		return error(r);
	*ret_token = r;
	return 0;
}

int luks_token_remove(struct luks *luks, int token)
{
	const char *json;
	int r;

	r = luks_token(luks, token, &json);
	if (r < 0)
		return r;
	r = sym_crypt_token_json_set(luks->cd, token, NULL);
	return r < 0 ? error(r) : 0;
}

/* ---- keys ---- */

static bool opens_volume(struct luks *luks, int slot)
{
	crypt_keyslot_info status = sym_crypt_keyslot_status(luks->cd, slot);

	return status == CRYPT_SLOT_ACTIVE || status == CRYPT_SLOT_ACTIVE_LAST;
}

static int try_slot(struct luks *luks, int slot, const struct secret *passphrase,
		    struct secret *key)
{
	size_t size = key->size;
	int r;

	derivations++;
	r = sym_crypt_volume_key_get(luks->cd, slot, (char *)key->data, &size,
				     (const char *)passphrase->data, passphrase->size);
	if (r < 0)
		return error(r);
	key->size = size;
	return 0;
}

int luks_volume_key(struct luks *luks, int slot, const struct secret *passphrase,
		    struct secret *ret_key)
{
	int size = sym_crypt_get_volume_key_size(luks->cd);
	_secret_ struct secret key = {0};
	int r;

	if (slot >= LUKS_SLOTS || (slot >= 0 && !opens_volume(luks, slot)))
		return -ENOENT;
	if (size <= 0)
		return -ENOKEY;
	r = secret_new((size_t)size, &key);
	if (r < 0)
		return r == -E2BIG ? -EBADMSG : r;
	if (slot >= 0) {
		r = try_slot(luks, slot, passphrase, &key);
	} else {
		r = -ENOKEY;
		for (int i = 0; i < LUKS_SLOTS && r == -ENOKEY; i++)
			if (opens_volume(luks, i))
				r = try_slot(luks, i, passphrase, &key);
	}
	if (r < 0)
		return r;
	*ret_key = secret_take(&key);
	return 0;
}

int luks_verify_key(struct luks *luks, const struct secret *key)
{
	int r;

	derivations++;
	r = sym_crypt_volume_key_verify(luks->cd, (const char *)key->data, key->size);
	/* -EINVAL: of another length. */
	return r == -EINVAL ? -ENOKEY : r < 0 ? error(r) : 0;
}

int luks_slot_add(struct luks *luks, const struct secret *volume_key,
		  const struct secret *passphrase, bool random_passphrase, int *ret_slot)
{
	static const struct crypt_pbkdf_type quick = {
		.type = CRYPT_KDF_PBKDF2,
		.hash = "sha512",
		.iterations = 1000,
		.flags = CRYPT_PBKDF_NO_BENCHMARK,
	};
	const struct crypt_pbkdf_type *kdf =
		random_passphrase ? &quick : sym_crypt_get_pbkdf_type_params(CRYPT_KDF_ARGON2ID);
	int slot = 0;
	int r;

	while (slot < LUKS_SLOTS && sym_crypt_keyslot_status(luks->cd, slot) != CRYPT_SLOT_INACTIVE)
		slot++;
	if (slot == LUKS_SLOTS)
		return -ENOSPC;
	if (!kdf)
		return -EINVAL;
	r = sym_crypt_set_pbkdf_type(luks->cd, kdf);
	if (r < 0)
		return error(r);
	r = sym_crypt_keyslot_add_by_volume_key(luks->cd, CRYPT_ANY_SLOT,
						(const char *)volume_key->data, volume_key->size,
						(const char *)passphrase->data, passphrase->size);
	if (r < 0)
		return error(r);
	*ret_slot = r;
	return 0;
}

int luks_slot_remove(struct luks *luks, int slot)
{
	int r;

	if (slot < 0 || slot >= LUKS_SLOTS ||
	    sym_crypt_keyslot_status(luks->cd, slot) <= CRYPT_SLOT_INACTIVE)
		return -ENOENT;
	r = sym_crypt_keyslot_destroy(luks->cd, slot);
	return r < 0 ? error(r) : 0;
}

unsigned luks_derivations(void)
{
	return derivations;
}

/* ---- dm-verity ---- */

int luks_verity_open(const char *name, const char *data_device, const char *hash_device,
		     uint64_t offset, const uint8_t *root_hash, size_t root_hash_size)
{
	_close_ int fd = open(hash_device, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	uint8_t superblock[VERITY_SUPERBLOCK];
	struct verity verity;
	ssize_t n;
	int r;

	if (fd < 0)
		return -errno;
	if (offset > INT64_MAX)
		return -EINVAL;
	n = pread(fd, superblock, sizeof(superblock), (off_t)offset);
	if (n < 0)
		return -EIO;
	r = verity_parse(superblock, (size_t)n, offset, &verity);
	if (r < 0)
		return r;
	return dm_verity_open(name, data_device, hash_device, &verity, root_hash, root_hash_size);
}
