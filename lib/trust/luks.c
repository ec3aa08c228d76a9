/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LUKS2 headers. One that is whole and is only asked what it says is read here: libcryptsetup costs ten
 * times as much, most of it for being loaded. All else is libcryptsetup's: damaged headers, writing,
 * and keys, of which its copies are its own and wiped by it. What it says goes to the log as
 * detail. The device is hostile; where both have read a header they must have read the same.
 */
#include "luks.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json_object.h>
#include <libcryptsetup.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto.h"
#include "dm.h"
#include "fd.h"
#include "library.h"
#include "log.h"
#include "luks2.h"
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
	char *device;
	struct crypt_device *cd;  /* NULL until libcryptsetup is needed */
	struct json_object *tree; /* what was read without it; NULL when it was not to be read */
	struct luks2_header header;
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

/* ---- reading it ourselves ---- */

/* The second copy, which is written after the first: the same state, when nothing was cut. */
static bool second_agrees(int fd, const struct luks2_header *first)
{
	uint8_t start[LUKS2_HEADER];
	struct luks2_header second;

	return pread(fd, start, sizeof(start), (off_t)first->size) == sizeof(start) &&
	       luks2_parse(start, sizeof(start), true, first->size, &second) == 0 &&
	       second.size == first->size && second.sequence == first->sequence;
}

static int check(uint8_t *data, const struct luks2_header *header)
{
	uint8_t digest[32];
	int r;

	memset(data + LUKS2_CHECKSUM, 0, LUKS2_CHECKSUM_SIZE);
	r = crypto_digest("sha256", &(struct crypto_part){data, header->size}, 1, digest,
			  sizeof(digest));
	if (r < 0)
		return r;
	return memcmp(digest, header->checksum, sizeof(digest)) == 0 ? 0 : -EBADMSG;
}

/* -EMEDIUMTYPE: no LUKS2 header at the start; -EBADMSG: one that libcryptsetup has to look at. */
static int read_header(int fd, struct luks *luks)
{
	uint8_t start[LUKS2_HEADER];
	_free_ uint8_t *data = NULL;
	const char *json;
	size_t room;
	ssize_t n;
	int r;

	n = pread(fd, start, sizeof(start), 0);
	if (n < 0)
		return -EIO;
	r = luks2_parse(start, (size_t)n, false, 0, &luks->header);
	if (r < 0)
		return r;
	if (!second_agrees(fd, &luks->header))
		return -EBADMSG;
	data = malloc(luks->header.size);
	if (!data)
		return -ENOMEM;
	if (pread(fd, data, luks->header.size, 0) != (ssize_t)luks->header.size)
		return -EBADMSG;
	r = check(data, &luks->header);
	if (r < 0)
		return r;
	json = (const char *)data + LUKS2_JSON;
	room = luks->header.size - LUKS2_JSON;
	if (!memchr(json, '\0', room))
		return -EBADMSG;
	return luksjson_open(json, strlen(json), &luks->tree);
}

/* Is there a second header, where there is no first one of version 2? (On-Disk Format, 2.1) */
static bool second_alone(int fd)
{
	uint8_t start[LUKS2_HEADER];
	struct luks2_header header;

	for (uint64_t at = LUKS2_MIN; at <= LUKS2_MAX; at *= 2)
		if (pread(fd, start, sizeof(start), (off_t)at) == sizeof(start) &&
		    luks2_parse(start, sizeof(start), true, at, &header) == 0)
			return true;
	return false;
}

/* ---- and by libcryptsetup ---- */

static int describe(json_object *tree, const char *uuid, const char *label,
		    struct luks_info *ret_info)
{
	const char *wrong = "uuid or label";
	struct luks_info info;
	int r;

	r = luksjson_info(tree, &info, &wrong);
	if (r == 0 && (strlen(uuid) >= sizeof(info.uuid) || strlen(label) >= sizeof(info.label)))
		r = -EBADMSG;
	if (r < 0) {
		log_detail("luks", "damaged=%s", log_quote(wrong));
		return r;
	}
	strcpy(info.uuid, uuid);
	strcpy(info.label, label);
	*ret_info = info;
	return 0;
}

static int describe_by_library(struct luks *luks, struct luks_info *ret_info)
{
	_luksjson_ json_object *tree = NULL;
	const char *json, *uuid, *label;
	int r;

	r = sym_crypt_dump_json(luks->cd, &json, 0);
	if (r < 0)
		return error(r);
	uuid = sym_crypt_get_uuid(luks->cd);
	label = sym_crypt_get_label(luks->cd);
	r = luksjson_open(json, strlen(json), &tree);
	return r < 0 ? r : describe(tree, uuid ? uuid : "", label ? label : "", ret_info);
}

static bool slots_equal(const struct luks_slot *a, const struct luks_slot *b)
{
	return a->used == b->used && a->bound == b->bound && a->argon2 == b->argon2 &&
	       a->iterations == b->iterations && a->memory_kib == b->memory_kib &&
	       streq(a->hash, b->hash) && streq(a->area_cipher, b->area_cipher) &&
	       a->area_key_bits == b->area_key_bits;
}

static bool infos_equal(const struct luks_info *a, const struct luks_info *b)
{
	for (size_t i = 0; i < LUKS_SLOTS; i++)
		if (!slots_equal(&a->slot[i], &b->slot[i]))
			return false;
	return streq(a->uuid, b->uuid) && streq(a->label, b->label) &&
	       streq(a->cipher, b->cipher) && a->key_size == b->key_size &&
	       a->segments == b->segments && a->data_offset == b->data_offset &&
	       a->sector_size == b->sector_size && a->integrity == b->integrity &&
	       a->reencrypting == b->reencrypting && a->allow_discards == b->allow_discards &&
	       a->tokens == b->tokens;
}

/* Who was told what the header says must not get something else now: another one written meanwhile, or
 * one that is read in two ways. */
static int compare(struct luks *luks)
{
	struct luks_info ours, theirs;
	int r;

	r = describe(luks->tree, luks->header.uuid, luks->header.label, &ours);
	/* Refused by us for what libcryptsetup may take: nobody was told anything. */
	if (r < 0)
		return 0;
	r = describe_by_library(luks, &theirs);
	if (r < 0)
		return r;
	return infos_equal(&ours, &theirs) ? 0 : -EBADMSG;
}

/* What is done with a header but reading it whole begins here. */
static int need_library(struct luks *luks)
{
	struct crypt_device *cd = NULL;
	int r;

	if (luks->cd)
		return 0;
	r = load();
	if (r < 0)
		return r;
	r = sym_crypt_init(&cd, luks->device);
	if (r < 0)
		return r;
	r = sym_crypt_load(cd, CRYPT_LUKS2, NULL);
	if (r < 0) {
		sym_crypt_free(cd);
		return r == -EINVAL ? -EBADMSG : error(r);
	}
	luks->cd = cd;
	if (!luks->tree)
		return 0;
	r = compare(luks);
	if (r < 0) {
		sym_crypt_free(luks->cd);
		luks->cd = NULL;
		return r;
	}
	/* From now on it is written to, and only libcryptsetup knows what is there. */
	luksjson_close(luks->tree);
	luks->tree = NULL;
	return 0;
}

int luks_open(const char *device, struct luks **ret_luks)
{
	_close_ int fd = open(device, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	_luks_ struct luks *luks = NULL;
	int r;

	if (fd < 0)
		return -errno;
	luks = calloc(1, sizeof(*luks));
	if (!luks)
		return -ENOMEM;
	luks->device = strdup(device);
	if (!luks->device)
		return -ENOMEM;
	r = read_header(fd, luks);
	if (r == -EMEDIUMTYPE && !second_alone(fd))
		return -EMEDIUMTYPE;
	if (r == -EMEDIUMTYPE || r == -EBADMSG)
		r = need_library(luks);
	if (r < 0)
		return r;
	*ret_luks = take_ptr(luks);
	return 0;
}

void luks_close(struct luks *luks)
{
	if (!luks)
		return;
	if (luks->cd)
		sym_crypt_free(luks->cd);
	luksjson_close(luks->tree);
	free(luks->device);
	free(luks);
}

/* ---- what it says ---- */

int luks_info(struct luks *luks, struct luks_info *ret_info)
{
	if (luks->cd)
		return describe_by_library(luks, ret_info);
	return describe(luks->tree, luks->header.uuid, luks->header.label, ret_info);
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
	if (!luks->cd)
		return luksjson_token(luks->tree, token, ret_json);
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
	r = need_library(luks);
	if (r < 0)
		return r;
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

	r = need_library(luks);
	if (r == 0)
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
	_secret_ struct secret key = {0};
	int size;
	int r;

	r = need_library(luks);
	if (r < 0)
		return r;
	size = sym_crypt_get_volume_key_size(luks->cd);
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

	r = need_library(luks);
	if (r < 0)
		return r;
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
	const struct crypt_pbkdf_type *kdf = &quick;
	int slot = 0;
	int r;

	r = need_library(luks);
	if (r < 0)
		return r;
	if (!random_passphrase)
		kdf = sym_crypt_get_pbkdf_type_params(CRYPT_KDF_ARGON2ID);
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

	r = need_library(luks);
	if (r < 0)
		return r;
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
