/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The TPM in a boot: asked for keys when what the firmware measured allows it, by tokens
 * (unlock_tokens.c) or by balena's passphrase in an NV index, and closed before the jump.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "fd.h"
#include "file.h"
#include "log.h"
#include "unlock.h"

#define POLICY_FILES_MAX 64
#define TPM_SECONDS 60 /* a few short commands; after one without answer there is no other */

static int open_tpm(struct boot *boot)
{
	struct unlock *unlock = boot->unlock;
	bool locked = false;
	unsigned failures = 0;
	int r;

	if (unlock->tpm)
		return 0;
	if (strchr(boot->refused, 'T'))
		return log_err(-EIO, "tpm",
			       "found=\"it hung or crashed the bootloader\" next=\"do "
			       "without it\"");
	r = tpm_open(NULL, &unlock->tpm);
	if (r < 0)
		return log_err(r, "tpm", "found=%s expected=\"a TPM 2.0\" error=%s",
			       r == -ENODEV	  ? "none"
			       : r == -EOPNOTSUPP ? "\"no TPM library in the image\""
						  : "\"one that does not answer\"",
			       log_errno(r));
	r = tpm_lockout(unlock->tpm, &failures, &locked);
	if (r == 0 && (locked || failures > 0))
		log_warn("tpm", "lockout=%s failures=%u", locked ? "yes" : "no", failures);
	return 0;
}

int unlock_tpm_ready(struct boot *boot)
{
	int r;

	progress_tell(STEP_UNLOCK, 'T', TPM_SECONDS);
	r = open_tpm(boot);
	return r < 0 ? r : unlock_measured_check(boot, boot->unlock->tpm);
}

/* balena's policy digests: files of 32 bytes in a directory of the partition with the environment. */
static unsigned balena_policies(int dir_fd, struct tpm_branch branch[TPM_BRANCHES_MAX])
{
	static const char *const dirs[] = {"balena-luks/policies", "balena-luks", "policies"};
	struct dirent **names;
	unsigned n = 0;
	int found = -1;

	for (size_t i = 0; i < ARRAY_SIZE(dirs) && n == 0 && dir_fd >= 0; i++) {
		found = scandirat(dir_fd, dirs[i], &names, NULL, alphasort);
		for (int k = 0; k < found; k++) {
			char path[300];
			_free_ char *data = NULL;
			_close_ int fd = -1;
			size_t size;

			(void)snprintf(path, sizeof(path), "%s/%s", dirs[i], names[k]->d_name);
			if (n < TPM_BRANCHES_MAX && k < POLICY_FILES_MAX &&
			    file_open_regular(dir_fd, path, O_RDONLY, &fd) == 0 &&
			    file_read_fd(fd, TPM_SHA256_SIZE, &data, &size) == 0 &&
			    size == TPM_SHA256_SIZE)
				memcpy(branch[n++].digest, data, TPM_SHA256_SIZE);
			free(names[k]);
		}
		if (found >= 0)
			free(names);
	}
	return n;
}

static void open_by_balena(struct boot *boot)
{
	struct tpm_branch branch[TPM_BRANCHES_MAX] = {0};
	_secret_ struct secret passphrase = {0};
	unsigned n = balena_policies(boot->env_dir, branch);
	uint32_t closed = 0;
	int r;

	progress_tell(STEP_UNLOCK, 'T', TPM_SECONDS);
	r = tpm_balena_read(boot->unlock->tpm, TPM_BANK_SHA256, boot->unlock->policy.balena_pcrs,
			    branch, n, &passphrase, NULL);
	if (r == -ENOENT)
		return;
	if (r < 0) {
		log_line(LOG_ERROR, "tpm", "index=0x%x policies=%u found=%s error=%s",
			 TPM_BALENA_NV, n,
			 r == -EPERM ? "\"PCRs that the policy does not allow\""
				     : "\"a TPM error\"",
			 log_quote(tpm_error(boot->unlock->tpm)));
		return;
	}
	for (unsigned i = 0; i < boot->unlock->volumes; i++)
		closed |= unlock_is_open(&boot->unlock->volume[i]) ? 0 : 1u << i;
	(void)unlock_try_passphrase(boot, &passphrase, false);
	for (unsigned i = 0; i < boot->unlock->volumes; i++)
		if (closed & 1u << i && boot->unlock->volume[i].key.data)
			boot->unlock->volume[i].by_tpm = true;
}

/* Under a policy the forms do not mix: see unlock_tokens.c. */
static bool is_balena_allowed(const struct unlock *unlock)
{
	return !unlock->policy.tugboot_form &&
	       (!unlock->policy.volumes.strict || unlock_opened_by_tpm(unlock) == 0);
}

int unlock_by_tpm(struct boot *boot, const struct secret *pin)
{
	int r;

	r = unlock_tpm_ready(boot);
	if (r < 0)
		return r;
	r = unlock_by_tokens(boot, pin);
	if (r != -ETIMEDOUT && unlock_left(boot->unlock) > 0 && pin->size == 0 &&
	    is_balena_allowed(boot->unlock))
		open_by_balena(boot);
	return r < 0 ? r : (int)unlock_left(boot->unlock);
}

bool unlock_wants_pin(const struct boot *boot)
{
	for (unsigned i = 0; i < boot->unlock->volumes; i++) {
		const struct unlock_volume *volume = &boot->unlock->volume[i];

		for (unsigned k = 0; k < volume->tokens && !unlock_is_open(volume); k++)
			if (volume->token[k].sealed.pin)
				return true;
	}
	return false;
}

static unsigned highest(uint32_t pcrs)
{
	return 31u - (unsigned)__builtin_clz(pcrs);
}

/* One PCR of each policy is enough to close it: the highest, which fewest others rely on. */
static uint32_t pcrs_to_cap(const struct unlock *unlock)
{
	uint32_t cap = 1u << highest(unlock->policy.balena_pcrs);

	for (unsigned i = 0; i < unlock->volumes; i++)
		for (unsigned k = 0; k < unlock->volume[i].tokens; k++) {
			const struct tpm_sealed *sealed = &unlock->volume[i].token[k].sealed;

			for (unsigned b = 0; b < sealed->branches; b++)
				if (sealed->branch[b].pcrs)
					cap |= 1u << highest(sealed->branch[b].pcrs);
			if (sealed->pubkey_pcrs)
				cap |= 1u << highest(sealed->pubkey_pcrs);
		}
	return cap;
}

int unlock_cap(struct boot *boot)
{
	uint32_t cap = pcrs_to_cap(boot->unlock);
	char list[80] = "";
	size_t n = 0;
	int r, result = 0;

	if (strchr(boot->refused, 'T')) {
		log_warn("cap",
			 "found=\"a TPM that hung or crashed the bootloader\" next=\"go on, it "
			 "is not asked\"");
		return 0;
	}
	if (!boot->unlock->tpm && tpm_open(NULL, &boot->unlock->tpm) < 0)
		return 0; /* no TPM: nothing to close */
	for (unsigned pcr = 0; pcr < TPM_PCRS; pcr++) {
		if (!(cap & (1u << pcr)))
			continue;
		r = tpm_pcr_extend(boot->unlock->tpm, pcr, TPM_CAP);
		if (r < 0) {
			log_line(LOG_ERROR, "cap", "pcr=%u error=%s found=\"it stays open\"", pcr,
				 log_quote(tpm_error(boot->unlock->tpm)));
			result = -EIO;
			continue;
		}
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%u", n ? "," : "", pcr);
	}
	(void)tpm_shutdown(boot->unlock->tpm); /* a power cut from now on is no attack */
	if (n > 0)
		log_event("cap", "pcrs=%s", list);
	return result;
}
