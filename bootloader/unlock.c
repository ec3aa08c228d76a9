/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unlocking, step by step: the policy, the volumes, the methods in the policy's order, the mapping of
 * the one root that is to be started. The methods are asked once a boot; the keys of all volumes that
 * they open wait in locked memory for the OS role.
 */
#include "unlock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "dm.h"
#include "log.h"

#define ROOT_MAPPING "tugboot-root"
#define METHOD_SECONDS 60 /* but for what tells its own: the TPM, a key derivation, a question */
#define MAPPING_SECONDS 60

bool unlock_is_open(const struct unlock_volume *volume)
{
	return volume->problem || volume->key.data;
}

unsigned unlock_left(const struct unlock *unlock)
{
	unsigned n = 0;

	for (unsigned i = 0; i < unlock->volumes; i++)
		n += !unlock_is_open(&unlock->volume[i]);
	return n;
}

static int ask(struct boot *boot, enum unlock_method method)
{
	static const struct secret no_pin;

	switch (method) {
	case UNLOCK_TPM2:
		return unlock_by_tpm(boot, &no_pin);
	case UNLOCK_PIN:
		return unlock_by_pin(boot);
	case UNLOCK_RECOVERY:
		return unlock_by_recovery(boot);
	case UNLOCK_KEYFILE:
		return unlock_by_keyfile(boot);
	default:
		return -EINVAL;
	}
}

/* Methods after one another until every volume has its key. */
static void ask_methods(struct boot *boot)
{
	struct unlock *unlock = boot->unlock;
	uint64_t start = clock_ms();

	for (unsigned i = 0; i < unlock->policy.methods && unlock_left(unlock) > 0; i++) {
		enum unlock_method method = unlock->policy.method[i];
		unsigned before = unlock_left(unlock);

		progress_tell(STEP_UNLOCK, 0, METHOD_SECONDS);
		(void)ask(boot, method); /* it said what it did; what counts is who has a key */
		if (unlock_left(unlock) < before) {
			unlock->by = unlock_method_name(method);
			log_event("unlock", "by=%s volumes=%u of=%u unseals=%u derivations=%u",
				  unlock->by, before - unlock_left(unlock), unlock->volumes,
				  unlock->tpm ? tpm_counts(unlock->tpm).unseals : 0,
				  unlock_derivations(unlock));
		}
		if (unlock_left(unlock) > 0)
			log_warn("unlock", "by=%s left=%u next=%s", unlock_method_name(method),
				 unlock_left(unlock),
				 i + 1 < unlock->policy.methods
					 ? unlock_method_name(unlock->policy.method[i + 1])
					 : "\"go on without them\"");
	}
	log_detail("unlock", "took=%llums", (unsigned long long)(clock_ms() - start));
}

unsigned unlock_derivations(const struct unlock *unlock)
{
	return luks_derivations() + unlock->derivations;
}

static bool has_volumes(const struct boot *boot)
{
	for (size_t i = 0; i < boot->disk.n_found; i++)
		if (boot->disk.found[i].luks)
			return true;
	return false;
}

/* Once a boot. A device without encryption, and without a policy that asks for it, pays nothing. */
static void prepare(struct boot *boot)
{
	struct unlock *unlock = boot->unlock;

	if (unlock->prepared)
		return;
	unlock->prepared = true;
	if (unlock_policy_read(boot->cmdline, &unlock->policy) < 0) {
		unlock->refused = true;
		return;
	}
	if (!has_volumes(boot) && !unlock->policy.volumes.strict)
		return;
	if (unlock_volumes_read(boot) < 0) {
		unlock->refused = true;
		return;
	}
	ask_methods(boot);
}

static struct unlock_volume *find_volume(struct unlock *unlock, const char *dev)
{
	for (unsigned i = 0; i < unlock->volumes; i++)
		if (streq(unlock->volume[i].dev, dev))
			return &unlock->volume[i];
	return NULL;
}

/* The filesystem in a volume must be the one that its partition promises: whoever swaps the insides
 * of two volumes that open with one key swaps the filesystems' labels with them. */
static int check_inside(const struct unlock_volume *volume, const struct partition *inside)
{
	enum part_role role = partname_role(inside->label, NULL);

	if (role == PART_NONE || role == volume->role)
		return 0;
	return log_err(-EPERM, "tamper",
		       "volume=%s dev=%s found=\"a filesystem labelled %s\" expected=%s "
		       "next=\"the next candidate\"",
		       partname_of(volume->role), volume->dev, log_quote(inside->label),
		       partname_of(volume->role));
}

static int map_volume(struct boot *boot, struct unlock_volume *volume, struct partition *part)
{
	struct dm_crypt crypt = {
		.name = ROOT_MAPPING,
		.device = volume->dev,
		.uuid = volume->info.uuid,
		.cipher = volume->info.cipher,
		.offset = volume->info.data_offset,
		.sector_size = volume->info.sector_size,
		.read_only = true,
	};
	struct partition inside = *part;
	char dev[64];
	int r;

	/* A crash is the volume's from here on, not that of the method that opened it. */
	unlock_volume_tell(volume, MAPPING_SECONDS);
	(void)dm_remove(ROOT_MAPPING); /* of a run that crashed; mostly there is none */
	r = dm_crypt_open(&crypt, &volume->key, dev, sizeof(dev));
	if (r < 0)
		return log_err(r, "unlock", "volume=%s dev=%s error=%s next=\"the next candidate\"",
			       partname_of(volume->role), volume->dev, log_errno(r));
	boot->unlock->mapped = true;
	r = disk_probe_volume(dev, &inside);
	if (r < 0)
		return log_err(r, "unlock",
			       "volume=%s dev=%s found=\"no filesystem in it\" expected=\"a root\" "
			       "next=\"the next candidate\"",
			       partname_of(volume->role), volume->dev);
	r = check_inside(volume, &inside);
	if (r < 0)
		return r;
	*part = inside;
	return 0;
}

int unlock_partition(struct boot *boot, struct partition *part)
{
	struct unlock *unlock = boot->unlock;
	struct unlock_volume *volume;

	prepare(boot);
	if (unlock->refused)
		return -EPERM;
	if (!streq(part->fstype, DISK_LUKS))
		return 0;
	volume = find_volume(unlock, part->dev);
	if (!volume || volume->problem)
		return log_err(-EPERM, "unlock", "dev=%s found=\"%s\" next=\"the next candidate\"",
			       part->dev, volume ? volume->problem : "an unknown volume");
	if (!volume->key.data)
		return log_err(-ENOKEY, "unlock",
			       "volume=%s dev=%s found=\"no method opened it\" "
			       "next=\"the next candidate\"",
			       partname_of(volume->role), volume->dev);
	return map_volume(boot, volume, part);
}

void unlock_close(struct boot *boot)
{
	int r;

	if (!boot->unlock->mapped)
		return;
	r = dm_remove(ROOT_MAPPING);
	if (r < 0)
		log_warn("unlock", "found=\"a mapping that cannot be closed\" error=%s",
			 log_errno(r));
	boot->unlock->mapped = false;
}

void unlock_forget(struct boot *boot)
{
	struct unlock *unlock = boot->unlock;

	unlock_close(boot);
	for (unsigned i = 0; i < unlock->volumes; i++) {
		secret_done(&unlock->volume[i].key);
		secret_done(&unlock->volume[i].passphrase);
		free(unlock->volume[i].token);
	}
	tpm_close(unlock->tpm);
	*unlock = (struct unlock){0};
}

unsigned unlock_opened_by_tpm(const struct unlock *unlock)
{
	unsigned n = 0;

	for (unsigned i = 0; i < unlock->volumes; i++)
		n += unlock->volume[i].by_tpm;
	return n;
}

int unlock_end(struct boot *boot)
{
	struct unlock *unlock = boot->unlock;
	/* A TPM that gave keys works, and can be closed as well. */
	bool fatal = unlock->policy.volumes.strict && unlock_opened_by_tpm(unlock) > 0;
	int r = unlock->volumes > 0 ? unlock_cap(boot) : 0;

	if (r < 0)
		log_line(LOG_ERROR, "cap", "found=\"the TPM can unlock again\" next=\"%s\"",
			 fatal ? "do not start the root" : "go on");
	if (r < 0 && fatal)
		return r;
	unlock_keyfile_done();
	unlock_forget(boot);
	return 0;
}
