/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keys for the root's kernel, as an archive behind its initrd: a key bag (keybag.h) for the OS role,
 * key files for a root's own initrd where the policy asks for them. The memory file that carries it
 * is wiped when it is closed (init_on_free, kernel-config/crypto.config), and so is the kernel's copy
 * when it has jumped (kernel-config/patches/kexec-leave-no-copy.patch).
 */
#include <errno.h>
#include <stdio.h>

#include "archive.h"
#include "cpio.h"
#include "keybag.h"
#include "log.h"
#include "unlock.h"

#define KEY_DIR "etc/cryptsetup-keys.d"
#define NAME_SIZE 40

/* The name that the volume gets in the running system: what its partition is called. */
static void volume_name(const struct boot *boot, const struct unlock_volume *volume, char *buf,
			size_t size)
{
	const struct partition *part = &boot->disk.role[volume->role];

	(void)snprintf(buf, size, "%s", part->by_name ? part->name : part->label);
}

static int put_bag(const struct boot *boot, struct archive *archive)
{
	const struct unlock *unlock = boot->unlock;
	_secret_ struct secret memory = {0}, text = {0};
	struct keybag *bag;
	size_t size;
	int r;

	r = secret_new(sizeof(*bag), &memory);
	if (r == 0)
		r = secret_new(KEYBAG_SIZE_MAX, &text);
	if (r < 0)
		return r;
	bag = (struct keybag *)(void *)memory.data;
	for (unsigned i = 0; i < unlock->volumes && bag->n < KEYBAG_VOLUMES; i++) {
		const struct unlock_volume *volume = &unlock->volume[i];
		struct keybag_volume *entry = &bag->volume[bag->n];

		if (!volume->key.data || volume->problem)
			continue;
		if (volume->key.size > KEYBAG_KEY_MAX)
			return -E2BIG;
		entry->role = (uint8_t)volume->role;
		entry->flags = volume->info.allow_discards ? KEYBAG_DISCARDS : 0;
		entry->key_size = (uint16_t)volume->key.size;
		entry->sector_size = volume->info.sector_size;
		entry->offset = volume->info.data_offset;
		(void)snprintf(entry->uuid, sizeof(entry->uuid), "%s", volume->info.uuid);
		(void)snprintf(entry->cipher, sizeof(entry->cipher), "%.39s", volume->info.cipher);
		volume_name(boot, volume, entry->name, sizeof(entry->name));
		memcpy(entry->key, volume->key.data, volume->key.size);
		bag->n++;
	}
	if (bag->n == 0)
		return -ENODATA;
	r = keybag_format(bag, text.data, text.size, &size);
	if (r == 0)
		archive_put(archive, KEYBAG_FILE + 1, CPIO_REGULAR | 0400, text.data, size);
	return r;
}

/* systemd-cryptsetup looks for /etc/cryptsetup-keys.d/VOLUME.key (crypttab(5)): by our name, and by the
 * one that it makes up for rd.luks.uuid=. */
static int put_key_files(const struct boot *boot, struct archive *archive)
{
	unsigned n = 0;

	archive_put(archive, "etc", CPIO_DIRECTORY | 0755, NULL, 0);
	archive_put(archive, KEY_DIR, CPIO_DIRECTORY | 0700, NULL, 0);
	for (unsigned i = 0; i < boot->unlock->volumes; i++) {
		const struct unlock_volume *volume = &boot->unlock->volume[i];
		char name[NAME_SIZE], path[128];

		if (!volume->passphrase.data || volume->problem)
			continue;
		volume_name(boot, volume, name, sizeof(name));
		(void)snprintf(path, sizeof(path), KEY_DIR "/%s.key", name);
		archive_put(archive, path, CPIO_REGULAR | 0400, volume->passphrase.data,
			    volume->passphrase.size);
		(void)snprintf(path, sizeof(path), KEY_DIR "/luks-%s.key", volume->info.uuid);
		archive_put(archive, path, CPIO_REGULAR | 0400, volume->passphrase.data,
			    volume->passphrase.size);
		n++;
	}
	return n > 0 ? 0 : -ENODATA;
}

int unlock_keys_initrd(const struct boot *boot, bool tugboot_initrd, int *ret_fd)
{
	enum unlock_keys keys = boot->unlock->policy.keys;
	_archive_ struct archive archive = ARCHIVE_NONE;
	int r;

	if (!boot->unlock->prepared || boot->unlock->volumes == 0 || keys == KEYS_NONE)
		return -ENODATA;
	if (tugboot_initrd != (keys == KEYS_OS)) {
		log_warn("keys",
			 "found=\"a root with %s initrd\" next=\"it gets no keys; tugboot.keys=%s "
			 "would give them\"",
			 tugboot_initrd ? "Tugboot's" : "its own",
			 tugboot_initrd ? "os" : "initrd");
		return -ENODATA;
	}
	archive_open("keys", &archive);
	r = keys == KEYS_OS ? put_bag(boot, &archive) : put_key_files(boot, &archive);
	return r < 0 ? r : archive_finish(&archive, ret_fd);
}
