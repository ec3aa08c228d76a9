/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LUKS2 headers (lib/trust/luks.c, luksjson.c) in image files that cryptsetup makes, judged by
 * cryptsetup: what it says of them, and what it opens.
 */
#include "luks.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base64.h"
#include "exact.h"
#include "fd.h"
#include "file.h"
#include "luksjson.h"

#define UUID "01234567-89ab-4cde-8f01-23456789abcd"
#define QUICK "--pbkdf pbkdf2 --pbkdf-force-iterations 1000"
#define RECOVERY "wombat-recovery-key"

/* Each test has an image there, with the passphrase "first" in slot 0. */
static char dir[] = "/tmp/test_luks.XXXXXX";
static char image[64];
static struct secret first;

_printf_(1, 2) static int shell(const char *fmt, ...)
{
	char command[2048];
	va_list ap;
	int n, status;

	n = snprintf(command, sizeof(command),
		     "exec >>%s/log 2>&1; cd %s; PATH=$PATH:/usr/sbin:/sbin; set -e; ", dir, dir);
	va_start(ap, fmt);
	(void)vsnprintf(command + n, sizeof(command) - (size_t)n, fmt, ap);
	va_end(ap);
	status = system(command);
	return WEXITSTATUS(status);
}

/* What a command prints, to be freed. */
_printf_(1, 2) static char *output(const char *fmt, ...)
{
	char command[1024], path[64], *text;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	assert_int_equal(shell("{ %s; } >out", command), 0);
	(void)snprintf(path, sizeof(path), "%s/out", dir);
	assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, &text, NULL), 0);
	return text;
}

static void format(const char *options)
{
	assert_int_equal(shell("rm -f image; truncate -s 20M image; printf first |"
			       " cryptsetup luksFormat -q --type luks2 --uuid " UUID
			       " %s image --key-file -",
			       options),
			 0);
}

static struct luks *open_image(void)
{
	struct luks *luks;

	assert_int_equal(luks_open(image, &luks), 0);
	return luks;
}

static struct secret secret_of(const char *text)
{
	struct secret secret;

	assert_int_equal(secret_copy(text, strlen(text), &secret), 0);
	return secret;
}

static bool cryptsetup_opens(const char *passphrase, int slot)
{
	char option[32] = "";

	if (slot >= 0)
		(void)snprintf(option, sizeof(option), "--key-slot %d", slot);
	return shell("printf '%s' | cryptsetup open --test-passphrase %s image --key-file -",
		     passphrase, option) == 0;
}

static bool is_loaded(const char *library)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	bool found = false;
	char line[512];

	assert_non_null(maps);
	while (!found && fgets(line, sizeof(line), maps))
		found = strstr(line, library) != NULL;
	(void)fclose(maps);
	return found;
}

/* ---- what is no LUKS2 header ---- */

/* First of all tests: it sees that nothing is loaded for them. */
static void what_is_not_luks2_costs_no_library(void **state)
{
	static const char luks1[] =
		"truncate -s 20M image; printf first >one; cryptsetup luksFormat"
		" -q --type luks1 --pbkdf-force-iterations 1000 image one";
	static const char *const others[] = {
		": >image",
		"printf LUKS >image",
		"head -c 9000000 /dev/zero >image",
		"head -c 100000 /dev/urandom >image",
		"rm image; truncate -s 20M image; mke2fs -q -F image",
		luks1,
	};
	struct luks *luks = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		assert_int_equal(shell("%s", others[i]), 0);
		assert_int_equal(luks_open(image, &luks), -EMEDIUMTYPE);
	}
	assert_int_equal(luks_open("/nowhere", &luks), -ENOENT);
	assert_null(luks);
	assert_false(is_loaded("libcryptsetup"));
}

/* Of a type that libcryptsetup would load a library for. */
static const char token[] = "{\"type\":\"systemd-tpm2\",\"keyslots\":[\"0\"],"
			    "\"tpm2-blob\":\"A/A=\",\"tpm2-pcrs\":[7],\"tpm2-pcr-bank\":"
			    "\"sha256\",\"tpm2-policy-hash\":\"00\"}";

/* Before any that needs libcryptsetup. */
static void a_whole_header_is_read_without_libcryptsetup_and_as_it_does(void **state)
{
	_luks_ struct luks *ours = NULL, *theirs = NULL;
	struct luks_info info, again;
	_free_ char *copy = NULL;
	const char *json;

	(void)state;
	format("--label tug-data " QUICK);
	assert_int_equal(shell("printf '%s' >token; cryptsetup config image --label tug-data;"
			       " cryptsetup token import --json-file token --token-id 5 image",
			       token),
			 0);
	ours = open_image();
	assert_int_equal(luks_info(ours, &info), 0);
	assert_int_equal(luks_token(ours, 5, &json), 0);
	copy = strdup(json);
	assert_int_equal(luks_token(ours, 4, &json), -ENOENT);
	assert_false(is_loaded("libcryptsetup"));

	/* The second copy stays as it is, so libcryptsetup has to look. */
	assert_int_equal(shell("printf x | dd of=image bs=1 seek=4200 conv=notrunc"), 0);
	theirs = open_image();
	assert_true(is_loaded("libcryptsetup"));
	assert_int_equal(luks_info(theirs, &again), 0);
	assert_string_equal(info.uuid, again.uuid);
	assert_string_equal(info.label, again.label);
	assert_string_equal(info.label, "tug-data");
	assert_string_equal(info.cipher, again.cipher);
	assert_int_equal(info.key_size, again.key_size);
	assert_int_equal(info.data_offset, again.data_offset);
	assert_int_equal(info.sector_size, again.sector_size);
	assert_int_equal(info.tokens, again.tokens);
	assert_int_equal(luks_token(theirs, 5, &json), 0);
	assert_string_equal(copy, json);
	assert_string_equal(copy, token);
}

static void a_header_that_changes_after_it_was_read_opens_nothing(void **state)
{
	_luks_ struct luks *luks = NULL;
	struct secret key = {0};
	struct luks_info info;

	(void)state;
	format(QUICK);
	luks = open_image();
	assert_int_equal(luks_info(luks, &info), 0);
	format("--cipher aes-cbc-essiv:sha256 --key-size 256 " QUICK);
	assert_int_equal(luks_volume_key(luks, -1, &first, &key), -EBADMSG);
	assert_int_equal(luks_volume_key(luks, -1, &first, &key), -EBADMSG);
	assert_null(key.data);
}

static void a_header_with_one_damaged_copy_opens_and_with_two_does_not(void **state)
{
	static const char zap[] = "printf x | dd of=image bs=1 seek=%d conv=notrunc";
	struct luks *luks;

	(void)state;
	for (int both = 0; both < 2; both++) {
		/* The magic, the version, the checksum, and a character of the JSON. */
		static const int at[] = {0, 6, 0x1c0, 0x1001};

		for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
			format(QUICK);
			assert_int_equal(shell(zap, at[i]), 0);
			if (both)
				assert_int_equal(shell(zap, 0x4000 + at[i]), 0);
			if (both) {
				int r = luks_open(image, &luks);

				/* Another version is LUKS1's or one that nobody knows yet. */
				assert_int_equal(r, i < 2 ? -EMEDIUMTYPE : -EBADMSG);
				continue;
			}
			luks_close(open_image());
			assert_true(cryptsetup_opens("first", 0));
		}
	}
}

/* Up to where the first header ends, and the second one's binary part. */
static void a_header_cut_short_opens_nothing(void **state)
{
	static const int sizes[] = {8, 511, 512, 4095, 4096, 5000, 16384, 16392, 20480, 32768};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_luks_ struct luks *luks = NULL;
		struct secret key = {0};
		int r;

		format(QUICK);
		assert_int_equal(shell("truncate -s %d image", sizes[i]), 0);
		r = luks_open(image, &luks);
		if (sizes[i] < 512) {
			assert_int_equal(r, -EMEDIUMTYPE);
			continue;
		}
		if (r == 0)
			r = luks_volume_key(luks, -1, &first, &key);
		assert_true(r == -EBADMSG || r == -EIO);
		assert_null(key.data);
	}
}

/* ---- what a header says ---- */

static void a_header_is_described_as_cryptsetup_describes_it(void **state)
{
	_free_ char *dump = NULL;
	_luks_ struct luks *luks = NULL;
	struct luks_info info;
	char line[128];

	(void)state;
	format("--label tug-data --cipher aes-xts-plain64 --key-size 512 --sector-size 512"
	       " --pbkdf argon2id --pbkdf-force-iterations 4 --pbkdf-memory 65536"
	       " --pbkdf-parallel 1 --offset 40960");
	assert_int_equal(shell("printf first >one; printf second >two;"
			       " cryptsetup luksAddKey -q --key-file one --key-slot 5 " QUICK
			       " --hash sha512 image two;"
			       " cryptsetup config image --label tug-data"),
			 0);
	luks = open_image();
	assert_int_equal(luks_info(luks, &info), 0);
	assert_string_equal(info.uuid, UUID);
	assert_string_equal(info.label, "tug-data");
	assert_string_equal(info.cipher, "aes-xts-plain64");
	assert_int_equal(info.key_size, 64);
	assert_int_equal(info.segments, 1);
	assert_int_equal(info.data_offset, 40960);
	assert_int_equal(info.sector_size, 512);
	assert_false(info.integrity);
	assert_false(info.reencrypting);
	assert_false(info.allow_discards);
	assert_int_equal(info.tokens, 0);
	for (int i = 0; i < LUKS_SLOTS; i++)
		assert_int_equal(info.slot[i].used, i == 0 || i == 5);
	assert_true(info.slot[0].bound && info.slot[0].argon2);
	assert_int_equal(info.slot[0].iterations, 4);
	assert_int_equal(info.slot[0].memory_kib, 65536);
	assert_true(info.slot[5].bound && !info.slot[5].argon2);
	assert_int_equal(info.slot[5].iterations, 1000);
	assert_string_equal(info.slot[5].hash, "sha512");
	assert_string_equal(info.slot[5].area_cipher, "aes-xts-plain64");
	assert_int_equal(info.slot[5].area_key_bits, 512);

	dump = output("cryptsetup luksDump image");
	assert_non_null(strstr(dump, "UUID:          \t" UUID));
	(void)snprintf(line, sizeof(line), "offset: %llu [bytes]",
		       (unsigned long long)info.data_offset * 512);
	assert_non_null(strstr(dump, line));
	(void)snprintf(line, sizeof(line), "Memory:     %u\n", info.slot[0].memory_kib);
	assert_non_null(strstr(dump, line));
}

static void discards_sectors_and_ciphers_are_seen(void **state)
{
	static const struct {
		const char *options, *cipher;
		unsigned key_size, sector_size;
	} forms[] = {
		{"--sector-size 4096 " QUICK, "aes-xts-plain64", 64, 4096},
		{"--sector-size 1024 --key-size 256 " QUICK, "aes-xts-plain64", 32, 1024},
		{"--sector-size 512 --cipher aes-cbc-essiv:sha256 --key-size 256 " QUICK,
		 "aes-cbc-essiv:sha256", 32, 512},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		_luks_ struct luks *luks = NULL;
		struct luks_info info;

		format(forms[i].options);
		luks = open_image();
		assert_int_equal(luks_info(luks, &info), 0);
		assert_string_equal(info.cipher, forms[i].cipher);
		assert_int_equal(info.key_size, forms[i].key_size);
		assert_int_equal(info.sector_size, forms[i].sector_size);
		assert_string_equal(info.label, "");
	}
}

static void a_slot_that_is_not_of_the_volume_is_seen_and_not_tried(void **state)
{
	_secret_ struct secret free_standing = secret_of("free-standing");
	_luks_ struct luks *luks = NULL;
	struct secret key = {0};
	struct luks_info info;
	unsigned before;

	(void)state;
	format(QUICK);
	assert_int_equal(shell("printf free-standing >two; cryptsetup luksAddKey -q --unbound"
			       " --key-size 256 --key-slot 3 " QUICK " image two"),
			 0);
	luks = open_image();
	assert_int_equal(luks_info(luks, &info), 0);
	assert_true(info.slot[3].used);
	assert_false(info.slot[3].bound);
	assert_int_equal(info.key_size, 64);
	before = luks_derivations();
	assert_int_equal(luks_volume_key(luks, -1, &free_standing, &key), -ENOKEY);
	assert_int_equal(luks_derivations(), before + 1);
	assert_int_equal(luks_volume_key(luks, 3, &free_standing, &key), -ENOENT);
}

static void a_reencryption_that_was_begun_is_seen(void **state)
{
	_luks_ struct luks *luks = NULL;
	struct volume_header header;
	struct luks_info info;

	(void)state;
	format(QUICK);
	assert_int_equal(shell("printf first >one; cryptsetup reencrypt -q --init-only " QUICK
			       " --key-file one image"),
			 0);
	luks = open_image();
	assert_int_equal(luks_info(luks, &info), 0);
	assert_true(info.reencrypting);
	assert_true(info.segments > 1);
	luks_header(&info, &header);
	assert_true(header.reencrypting);
	assert_int_equal(header.segments, info.segments);
}

static void a_header_is_made_ready_to_be_judged(void **state)
{
	_luks_ struct luks *luks = NULL;
	struct volume_header header;
	struct luks_info info;

	(void)state;
	format("--pbkdf argon2id --pbkdf-force-iterations 4 --pbkdf-memory 65536");
	luks = open_image();
	assert_int_equal(luks_info(luks, &info), 0);
	luks_header(&info, &header);
	assert_true(header.luks2);
	assert_false(header.reencrypting);
	assert_int_equal(header.segments, 1);
	assert_string_equal(header.cipher, "aes-xts-plain64");
	assert_int_equal(header.key_size, 64);
	assert_int_equal(header.unknown_tokens, 0);
	assert_true(header.slot[0].used && header.slot[0].argon2 && !header.slot[0].random_key);
	assert_int_equal(header.slot[0].iterations, 4);
	assert_int_equal(header.slot[0].memory_kib, 65536);
	assert_string_equal(header.slot[0].area_cipher, "aes-xts-plain64");
	assert_false(header.slot[1].used);
}

/* ---- the volume key ---- */

static void the_volume_key_is_the_one_that_cryptsetup_shows(void **state)
{
	_secret_ struct secret wrong = secret_of("fist"), key = {0}, other = {0};
	_luks_ struct luks *luks = NULL;
	unsigned before;
	char path[64];
	size_t size;
	char *file;

	(void)state;
	format(QUICK);
	assert_int_equal(
		shell("printf first >one; printf second >two;"
		      " cryptsetup luksAddKey -q --key-file one " QUICK " image two;"
		      " rm -f volume; cryptsetup luksDump -q --dump-volume-key --key-file one"
		      " --volume-key-file volume image"),
		0);
	(void)snprintf(path, sizeof(path), "%s/volume", dir);
	assert_int_equal(file_read(AT_FDCWD, path, 64, &file, &size), 0);
	luks = open_image();
	before = luks_derivations();
	assert_int_equal(luks_volume_key(luks, 0, &first, &key), 0);
	assert_int_equal(luks_derivations(), before + 1);
	assert_int_equal(key.size, size);
	assert_memory_equal(key.data, file, size);
	free(file);

	assert_int_equal(luks_volume_key(luks, 1, &first, &other), -ENOKEY);
	assert_int_equal(luks_volume_key(luks, 0, &wrong, &other), -ENOKEY);
	assert_int_equal(luks_volume_key(luks, 2, &first, &other), -ENOENT);
	assert_int_equal(luks_volume_key(luks, 32, &first, &other), -ENOENT);
	before = luks_derivations();
	assert_int_equal(luks_volume_key(luks, -1, &wrong, &other), -ENOKEY);
	assert_int_equal(luks_derivations(), before + 2);
	assert_null(other.data);
	wrong.size = 0;
	assert_int_equal(luks_volume_key(luks, -1, &wrong, &other), -ENOKEY);

	assert_int_equal(luks_verify_key(luks, &key), 0);
	key.data[63] ^= 1;
	assert_int_equal(luks_verify_key(luks, &key), -ENOKEY);
	key.data[63] ^= 1;
	key.size = 32;
	assert_int_equal(luks_verify_key(luks, &key), -ENOKEY);
}

static void a_slot_for_a_random_passphrase_opens_for_cryptsetup(void **state)
{
	static const char passphrase[] = "n1Bs0CzqEhX3+V9iG5tZo7JwR2mKdLyUa8fQpT6vWx4=";
	_secret_ struct secret text = secret_of(passphrase), key = {0}, back = {0};
	_luks_ struct luks *luks = NULL;
	struct luks_info info;
	int slot = -1;

	(void)state;
	format(QUICK);
	luks = open_image();
	assert_int_equal(luks_volume_key(luks, 0, &first, &key), 0);
	assert_int_equal(luks_slot_add(luks, &key, &text, true, &slot), 0);
	assert_int_equal(slot, 1);
	assert_true(cryptsetup_opens(passphrase, 1));
	assert_false(cryptsetup_opens(passphrase, 0));
	assert_int_equal(luks_info(luks, &info), 0);
	assert_true(info.slot[1].bound && !info.slot[1].argon2);
	assert_int_equal(info.slot[1].iterations, 1000);
	assert_string_equal(info.slot[1].hash, "sha512");
	assert_int_equal(luks_volume_key(luks, 1, &text, &back), 0);
	assert_memory_equal(back.data, key.data, key.size);

	assert_int_equal(luks_slot_remove(luks, 0), 0);
	assert_int_equal(luks_slot_remove(luks, 0), -ENOENT);
	assert_int_equal(luks_slot_remove(luks, -1), -ENOENT);
	assert_false(cryptsetup_opens("first", -1));
	assert_true(cryptsetup_opens(passphrase, -1));
}

static void a_slot_for_people_is_argon2id(void **state)
{
	_secret_ struct secret text = secret_of(RECOVERY), key = {0};
	_luks_ struct luks *luks = NULL;
	struct luks_info info;
	_free_ char *dump = NULL;
	int slot = -1;

	(void)state;
	format(QUICK);
	luks = open_image();
	assert_int_equal(luks_volume_key(luks, 0, &first, &key), 0);
	assert_int_equal(luks_slot_add(luks, &key, &text, false, &slot), 0);
	assert_int_equal(luks_info(luks, &info), 0);
	assert_true(info.slot[slot].argon2);
	assert_true(info.slot[slot].memory_kib >= 32 * 1024);
	assert_true(cryptsetup_opens(RECOVERY, slot));
	dump = output("cryptsetup luksDump image");
	assert_non_null(strstr(dump, "PBKDF:      argon2id"));
}

static void no_slot_is_made_for_another_volumes_key(void **state)
{
	_secret_ struct secret key = {0};
	_luks_ struct luks *luks = NULL;
	int slot = -1;

	(void)state;
	format(QUICK);
	luks = open_image();
	assert_int_equal(luks_volume_key(luks, 0, &first, &key), 0);
	key.data[0] ^= 1;
	assert_int_equal(shell("sha256sum image >sum"), 0);
	assert_int_equal(luks_slot_add(luks, &key, &first, true, &slot), -ENOKEY);
	assert_int_equal(slot, -1);
	assert_int_equal(shell("sha256sum -c sum"), 0);
}

static void a_full_header_has_no_room(void **state)
{
	_secret_ struct secret key = {0};
	_luks_ struct luks *luks = NULL;
	int slot = -1, r = 0;

	(void)state;
	format(QUICK);
	luks = open_image();
	assert_int_equal(luks_volume_key(luks, 0, &first, &key), 0);
	for (int i = 1; i < LUKS_SLOTS && r == 0; i++)
		r = luks_slot_add(luks, &key, &first, true, &slot);
	assert_int_equal(r, 0);
	assert_int_equal(slot, LUKS_SLOTS - 1);
	assert_int_equal(luks_slot_add(luks, &key, &first, true, &slot), -ENOSPC);
}

/* ---- tokens ---- */

static void tokens_are_as_cryptsetup_exports_them(void **state)
{
	static const char replaced[] = "{\"type\":\"tugboot-tpm2\",\"keyslots\":[]}";
	_luks_ struct luks *luks = NULL, *again = NULL;
	const char *json = NULL;
	_free_ char *exported = NULL;
	struct luks_info info;
	int number = -1;

	(void)state;
	format(QUICK);
	luks = open_image();
	assert_int_equal(luks_token(luks, 0, &json), -ENOENT);
	assert_int_equal(luks_token(luks, -1, &json), -ENOENT);
	assert_int_equal(luks_token(luks, 32, &json), -ENOENT);
	assert_int_equal(luks_token_set(luks, -1, token, &number), 0);
	assert_int_equal(number, 0);
	assert_int_equal(luks_token_set(luks, 7, replaced, &number), 0);
	assert_int_equal(number, 7);
	assert_int_equal(luks_token_set(luks, 0, replaced, &number), 0);
	assert_int_equal(luks_token_set(luks, 0, token, &number), 0);

	again = open_image();
	assert_int_equal(luks_info(again, &info), 0);
	assert_int_equal(info.tokens, 1u << 0 | 1u << 7);
	assert_int_equal(luks_token(again, 0, &json), 0);
	exported = output("cryptsetup token export --token-id 0 image");
	exported[strcspn(exported, "\n")] = '\0';
	assert_string_equal(json, exported);
	assert_non_null(strstr(json, "\"tpm2-blob\":\"A/A=\""));

	assert_int_equal(luks_token_remove(luks, 0), 0);
	assert_int_equal(luks_token_remove(luks, 0), -ENOENT);
	assert_int_equal(luks_info(luks, &info), 0);
	assert_int_equal(info.tokens, 1u << 7);
	assert_false(is_loaded("libcryptsetup-token"));
}

static void what_is_no_token_is_refused_and_not_written(void **state)
{
	static const char *const wrong[] = {
		"",
		"{",
		"[]",
		"{\"type\":\"x\"}",
		"{\"keyslots\":[]}",
		"{\"type\":\"x\",\"keyslots\":[\"9\"]}",
		"{\"type\":\"x\",\"keyslots\":[0]}",
	};
	_luks_ struct luks *luks = NULL;
	_free_ char *large = malloc(20000);
	int number = -1;

	(void)state;
	format(QUICK);
	luks = open_image();
	assert_int_equal(shell("sha256sum image >sum"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(luks_token_set(luks, -1, wrong[i], &number), -EINVAL);
	assert_non_null(large);
	memset(large, 'x', 20000);
	strcpy(large + 19996, "\"}");
	memcpy(large, "{\"type\":\"x\",\"keyslots\":[],\"a\":\"", 31);
	assert_true(luks_token_set(luks, -1, large, &number) < 0);
	assert_int_equal(luks_token_set(luks, 32, "{}", &number), -EINVAL);
	assert_int_equal(number, -1);
	assert_int_equal(shell("sha256sum -c sum"), 0);
}

/* ---- the JSON ---- */

/* What cryptsetup writes, without what nobody looks at. */
static const char whole[] =
	"{\"keyslots\":{\"0\":{\"type\":\"luks2\",\"key_size\":64,\"area\":{\"type\":\"raw\","
	"\"encryption\":\"aes-xts-plain64\",\"key_size\":64},\"kdf\":{\"type\":\"pbkdf2\","
	"\"hash\":\"sha256\",\"iterations\":1000}}},\"tokens\":{\"3\":{\"type\":\"x\"}},"
	"\"segments\":{\"0\":{\"type\":\"crypt\",\"offset\":\"16777216\",\"size\":\"dynamic\","
	"\"iv_tweak\":\"0\",\"encryption\":\"aes-xts-plain64\",\"sector_size\":4096}},"
	"\"digests\":{\"0\":{\"keyslots\":[\"0\"],\"segments\":[\"0\"]}},"
	"\"config\":{\"json_size\":\"12288\",\"keyslots_size\":\"16744448\"}}";

static int parse(const char *json, size_t size, struct luks_info *info, const char **what)
{
	_luksjson_ struct json_object *tree = NULL;
	int r;

	*what = "JSON";
	r = luksjson_open(json, size, &tree);
	return r < 0 ? r : luksjson_info(tree, info, what);
}

/* Parses it with the first `from` replaced. */
static int parse_with(const char *from, const char *to, struct luks_info *info, const char **what)
{
	const char *at = strstr(whole, from);
	char json[2048];
	int n;

	assert_non_null(at);
	n = snprintf(json, sizeof(json), "%.*s%s%s", (int)(at - whole), whole, to,
		     at + strlen(from));
	return parse(exact(json, (size_t)n), (size_t)n, info, what);
}

static void what_is_missing_or_odd_in_the_json_is_named(void **state)
{
	static const struct {
		const char *from, *to, *what;
	} cases[] = {
		{"}}", "}", "JSON"},
		{"{\"keyslots\"", "[{\"keyslots\"", "JSON"},
		{"\"config\"", "\"Config\"", "config"},
		{"\"segments\":{\"0\"", "\"segments\":{\"1\"", "segment 0"},
		{"\"segments\":{\"0\"", "\"segments\":{},\"x\":{\"0\"", "segments"},
		{"\"crypt\"", "\"linear\"", "segment type"},
		{"\"16777216\"", "\"16777217\"", "segment offset"},
		{"\"16777216\"", "\"018446744073709551616\"", "segment offset"},
		{"\"16777216\"", "\"99999999999999999999\"", "segment offset"},
		{"\"16777216\"", "\"-512\"", "segment offset"},
		{"\"16777216\"", "16777216", "segment offset"},
		{"\"dynamic\"", "\"16777216\"", "segment size"},
		{"\"iv_tweak\":\"0\"", "\"iv_tweak\":\"8\"", "segment iv_tweak"},
		{"\"iv_tweak\":\"0\",", "", "segment iv_tweak"},
		{"4096", "4095", "segment sector_size"},
		{"4096", "8192", "segment sector_size"},
		{"4096", "256", "segment sector_size"},
		{"\"dynamic\"", "\"dynamic\\u0000\"", "segment size"},
		{"\"keyslots\":{\"0\"", "\"keyslots\":{\"32\"", "keyslot"},
		{"\"keyslots\":{\"0\"", "\"keyslots\":{\"00\"", "keyslot"},
		{"\"keyslots\":{\"0\"", "\"keyslots\":{\"\"", "keyslot"},
		{"\"keyslots\":{\"0\"", "\"keyslots\":{\"-1\"", "keyslot"},
		{"\"key_size\":64", "\"key_size\":0", "keyslot key_size"},
		{"\"key_size\":64", "\"key_size\":-64", "keyslot key_size"},
		{"\"key_size\":64", "\"key_size\":9223372036854775807", "keyslot key_size"},
		{"\"pbkdf2\"", "\"scrypt\"", "keyslot kdf"},
		{"\"iterations\":1000", "\"iterations\":\"1000\"", "keyslot kdf"},
		{"\"hash\":\"sha256\"", "\"hash\":\"sha256sha256sha256\"", "keyslot kdf"},
		{"\"area\"", "\"Area\"", "keyslot area or kdf"},
		{"\"aes-xts-plain64\",\"key_size\"", "\"\",\"key_size\"",
		 "keyslot area encryption"},
		{"\"segments\":[\"0\"]", "\"segments\":[0]", "digest"},
		{"\"segments\":[\"0\"]", "\"segments\":{}", "digest"},
		{"\"tokens\":{\"3\"", "\"tokens\":{\"33\"", "token"},
		{"\"tokens\":{\"3\":{", "\"tokens\":{\"4\":7,\"3\":{", "token"},
		{"\"keyslots_size\":\"16744448\"",
		 "\"requirements\":{\"mandatory\":[\"inline-hw-tags\"]}", "requirements"},
		{"\"keyslots_size\":\"16744448\"", "\"requirements\":[]", "requirements"},
	};
	struct luks_info info;
	const char *what;

	(void)state;
	assert_int_equal(parse_with("", "", &info, &what), 0);
	assert_int_equal(info.tokens, 1u << 3);
	assert_int_equal(info.data_offset, 32768);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(parse_with(cases[i].from, cases[i].to, &info, &what), -EBADMSG);
		assert_string_equal(what, cases[i].what);
	}
	for (size_t cut = 0; cut < strlen(whole); cut++)
		assert_int_equal(parse(exact(whole, cut), cut, &info, &what), -EBADMSG);
	assert_int_equal(parse_with("\"keyslots_size\":\"16744448\"",
				    "\"flags\":[\"allow-discards\"],\"requirements\":"
				    "{\"mandatory\":[\"online-reencrypt-v3\"]}",
				    &info, &what),
			 0);
	assert_true(info.allow_discards && info.reencrypting);
}

/* ---- dm-verity ---- */

static void what_is_no_verity_superblock_is_refused(void **state)
{
	const uint8_t root[32] = {0};

	(void)state;
	assert_int_equal(shell("head -c 100000 /dev/zero >image"), 0);
	assert_int_equal(luks_verity_open("x", image, image, 0, root, sizeof(root)), -EBADMSG);
	assert_int_equal(luks_verity_open("x", image, image, 1 << 20, root, sizeof(root)),
			 -EBADMSG);
	assert_int_equal(luks_verity_open("x", image, image, UINT64_MAX, root, sizeof(root)),
			 -EINVAL);
	assert_int_equal(luks_verity_open("x", image, "/nowhere", 0, root, sizeof(root)), -ENOENT);
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(image, sizeof(image), "%s/image", dir);
	return secret_copy("first", 5, &first);
}

static int remove_dir(void **state)
{
	char command[64];

	(void)state;
	secret_done(&first);
	(void)snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_luks2_costs_no_library),
		cmocka_unit_test(a_whole_header_is_read_without_libcryptsetup_and_as_it_does),
		cmocka_unit_test(a_header_that_changes_after_it_was_read_opens_nothing),
		cmocka_unit_test(a_header_with_one_damaged_copy_opens_and_with_two_does_not),
		cmocka_unit_test(a_header_cut_short_opens_nothing),
		cmocka_unit_test(a_header_is_described_as_cryptsetup_describes_it),
		cmocka_unit_test(discards_sectors_and_ciphers_are_seen),
		cmocka_unit_test(a_slot_that_is_not_of_the_volume_is_seen_and_not_tried),
		cmocka_unit_test(a_reencryption_that_was_begun_is_seen),
		cmocka_unit_test(a_header_is_made_ready_to_be_judged),
		cmocka_unit_test(the_volume_key_is_the_one_that_cryptsetup_shows),
		cmocka_unit_test(a_slot_for_a_random_passphrase_opens_for_cryptsetup),
		cmocka_unit_test(a_slot_for_people_is_argon2id),
		cmocka_unit_test(no_slot_is_made_for_another_volumes_key),
		cmocka_unit_test(a_full_header_has_no_room),
		cmocka_unit_test(tokens_are_as_cryptsetup_exports_them),
		cmocka_unit_test(what_is_no_token_is_refused_and_not_written),
		cmocka_unit_test(what_is_missing_or_odd_in_the_json_is_named),
		cmocka_unit_test(what_is_no_verity_superblock_is_refused),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
