/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unlocking by the TPM: tokens in the volumes' headers (tugboot-tpm2, systemd-tpm2), and balena's
 * passphrase in an NV index. A secret that several volumes share is unsealed once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "crypto.h"
#include "fd.h"
#include "file.h"
#include "log.h"
#include "unlock.h"
#include "volkey.h"

#define SIGNATURE_MAX ((size_t)256 * 1024)
#define SECRETS_MAX UNLOCK_VOLUMES
#define POLICY_FILES_MAX 64

/* Secrets got so far, so that none is asked for twice. */
struct unsealed {
	const struct token *token; /* borrowed: whose blob it was */
	int result;
	struct secret secret, wrapping;
};

struct session {
	struct boot *boot;
	const struct secret *pin;
	struct unsealed unsealed[SECRETS_MAX];
	unsigned n;
};

static void session_done(struct session *session)
{
	for (unsigned i = 0; i < session->n; i++) {
		secret_done(&session->unsealed[i].secret);
		secret_done(&session->unsealed[i].wrapping);
	}
}

/* Where a signed policy's signatures are: in the EFI file (the stub unpacks .pcrsig there), else beside
 * the boot environment. The TPM checks them, so the place need not be trusted. */
static int find_signature(const uint8_t policy[static TPM_SHA256_SIZE],
			  const struct tpm_sealed *sealed, uint8_t *signature, size_t size,
			  size_t *ret_size, void *data)
{
	const struct boot *boot = data;
	const struct {
		int dir_fd;
		const char *path;
	} places[] = {
		{AT_FDCWD, "/.extra/tpm2-pcr-signature.json"},
		{boot->env_dir, "tpm2-pcr-signature.json"},
	};
	uint8_t fingerprint[32];
	int r;

	r = crypto_fingerprint(sealed->pubkey_pem, sealed->pubkey_size, fingerprint);
	if (r < 0)
		return r;
	r = -ENOENT;
	for (size_t i = 0; i < ARRAY_SIZE(places) && r == -ENOENT; i++) {
		_free_ char *json = NULL;
		_close_ int fd = -1;
		size_t n;

		if (places[i].dir_fd == -1 ||
		    file_open_regular(places[i].dir_fd, places[i].path, O_RDONLY, &fd) < 0 ||
		    file_read_fd(fd, SIGNATURE_MAX, &json, &n) < 0)
			continue;
		r = token_signature(json, n, sealed->bank, sealed->pubkey_pcrs, fingerprint, policy,
				    signature, size, ret_size);
	}
	return r;
}

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
	if (tpm_lockout(unlock->tpm, &failures, &locked) == 0 && (locked || failures > 0))
		log_warn("tpm", "lockout=%s failures=%u", locked ? "yes" : "no", failures);
	return 0;
}

static void log_refusal(struct session *session, const struct unlock_volume *volume,
			const struct token *token, int r)
{
	struct tpm *tpm = session->boot->unlock->tpm;
	struct tpm_pcr_values now;
	uint32_t pcrs = token->sealed.pubkey_pcrs;
	const char *found = r == -EACCES      ? "\"a wrong PIN\""
			    : r == -EBUSY     ? "\"locked out after too many wrong PINs\""
			    : r == -EBADMSG   ? "\"a secret of another TPM, or a damaged one\""
			    : r == -ENOENT    ? "\"no signature for these PCRs\""
			    : r == -ETIMEDOUT ? "\"a TPM that does not answer\""
			    : r == -EPERM     ? "\"PCRs that the policy does not allow\""
					      : "\"a TPM error\"";

	log_line(LOG_ERROR, "tpm", "volume=%s token=%s found=%s error=%s",
		 partname_of(volume->role), token->type, found, log_quote(tpm_error(tpm)));
	for (unsigned i = 0; i < token->sealed.branches; i++)
		pcrs |= token->sealed.branch[i].pcrs;
	if (r == -EPERM && tpm_pcr_read(tpm, token->sealed.bank, pcrs, &now) == 0)
		unlock_explain(tpm, volume, token, &now);
}

static bool same_blob(const struct token *a, const struct token *b)
{
	return a->sealed.blob_size == b->sealed.blob_size && a->kind == b->kind &&
	       memcmp(a->sealed.blob, b->sealed.blob, a->sealed.blob_size) == 0;
}

static struct unsealed *unseal(struct session *session, const struct unlock_volume *volume,
			       const struct token *token)
{
	struct unsealed *entry;

	for (unsigned i = 0; i < session->n; i++)
		if (same_blob(session->unsealed[i].token, token))
			return &session->unsealed[i];
	if (session->n == SECRETS_MAX)
		return NULL;
	entry = &session->unsealed[session->n++];
	*entry = (struct unsealed){.token = token};
	entry->result = tpm_unseal(session->boot->unlock->tpm, &token->sealed, session->pin,
				   find_signature, session->boot, &entry->secret, NULL);
	if (entry->result < 0)
		log_refusal(session, volume, token, entry->result);
	return entry;
}

static int open_slot(struct unlock_volume *volume, const struct token *token,
		     const struct secret *passphrase)
{
	_luks_ struct luks *luks = NULL;
	int r = luks_open(volume->dev, &luks);

	if (r < 0)
		return r;
	r = -ENOKEY;
	for (int slot = 0; slot < LUKS_SLOTS && r < 0; slot++)
		if (token->slots & (1u << slot))
			r = luks_volume_key(luks, slot, passphrase, &volume->key);
	return r;
}

/* The volume's key, wrapped in the token; when that does not open, somebody wrote the header. */
static int unwrap(struct session *session, struct unlock_volume *volume, const struct token *token,
		  struct unsealed *entry)
{
	int r = 0;

	if (!entry->wrapping.data) {
		r = volkey_derive(&entry->secret, &entry->wrapping);
		session->boot->unlock->derivations++;
	}
	if (r == 0)
		r = volkey_unwrap(&entry->wrapping, &volume->info, partname_of(volume->role),
				  token->wrapped, token->wrapped_size, &volume->key);
	if (r == -EBADMSG) {
		volume->problem = "a header that is not the enrolled one";
		log_line(LOG_ERROR, "tamper",
			 "volume=%s dev=%s found=\"%s\" expected=\"the UUID, cipher, place and key "
			 "that were enrolled as %s\" next=\"do not open it\"",
			 partname_of(volume->role), volume->dev, volume->problem,
			 log_quote(token->role));
	}
	return r;
}

static void open_by_token(struct session *session, struct unlock_volume *volume,
			  const struct token *token)
{
	struct unsealed *entry = unseal(session, volume, token);
	_secret_ struct secret passphrase = {0};
	int r;

	if (!entry || entry->result < 0)
		return;
	r = volkey_passphrase(&entry->secret, &passphrase);
	if (r == 0)
		r = token->wrapped_size > 0 ? unwrap(session, volume, token, entry)
					    : open_slot(volume, token, &passphrase);
	if (r == 0)
		volume->passphrase = secret_take(&passphrase);
	else if (r != -EBADMSG)
		log_line(LOG_ERROR, "unlock", "volume=%s token=%s found=\"%s\" error=%s",
			 partname_of(volume->role), token->type,
			 r == -ENOKEY ? "a key slot that the secret does not open"
				      : "its key cannot be got",
			 log_errno(r));
}

static bool is_open(const struct unlock_volume *volume)
{
	return volume->problem || volume->key.data;
}

static bool token_is_usable(const struct token *token, enum token_kind kind,
			    const struct secret *pin)
{
	return token->kind == kind && token->sealed.pin == (pin->size > 0);
}

static void open_by_tokens(struct session *session, struct unlock_volume *volume)
{
	/* Ours first: they do not wake the TPM's counter of failures. */
	static const enum token_kind kinds[] = {TOKEN_TUGBOOT_TPM2, TOKEN_SYSTEMD_TPM2};

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		for (unsigned i = 0; i < volume->tokens && !is_open(volume); i++)
			if (token_is_usable(&volume->token[i], kinds[k], session->pin))
				open_by_token(session, volume, &volume->token[i]);
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
	int r;

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
	(void)unlock_try_passphrase(boot, &passphrase, false);
}

static int left(const struct unlock *unlock)
{
	int n = 0;

	for (unsigned i = 0; i < unlock->volumes; i++)
		n += !is_open(&unlock->volume[i]);
	return n;
}

int unlock_by_tpm(struct boot *boot, const struct secret *pin)
{
	struct session session = {.boot = boot, .pin = pin};
	int r;

	r = open_tpm(boot);
	if (r == 0)
		r = unlock_measured_check(boot, boot->unlock->tpm);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < boot->unlock->volumes; i++)
		if (!is_open(&boot->unlock->volume[i]))
			open_by_tokens(&session, &boot->unlock->volume[i]);
	if (left(boot->unlock) > 0 && pin->size == 0)
		open_by_balena(boot);
	for (unsigned i = 0; i < session.n; i++)
		if (session.unsealed[i].result == -EACCES || session.unsealed[i].result == -EBUSY)
			r = session.unsealed[i].result;
	session_done(&session);
	return r < 0 ? r : left(boot->unlock);
}

bool unlock_wants_pin(const struct boot *boot)
{
	for (unsigned i = 0; i < boot->unlock->volumes; i++) {
		const struct unlock_volume *volume = &boot->unlock->volume[i];

		for (unsigned k = 0; k < volume->tokens && !is_open(volume); k++)
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

	if (strchr(boot->refused, 'T') ||
	    (!boot->unlock->tpm && tpm_open(NULL, &boot->unlock->tpm) < 0))
		return 0; /* no TPM, or none that answers: nothing to close */
	for (unsigned pcr = 0; pcr < TPM_PCRS; pcr++) {
		if (!(cap & (1u << pcr)))
			continue;
		r = tpm_pcr_extend(boot->unlock->tpm, pcr, "tugboot: unlocked");
		if (r < 0) {
			log_line(LOG_ERROR, "cap", "pcr=%u error=%s found=\"it stays open\"", pcr,
				 log_quote(tpm_error(boot->unlock->tpm)));
			result = -EIO;
			continue;
		}
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%u", n ? "," : "", pcr);
	}
	(void)tpm_shutdown(boot->unlock->tpm); /* a power cut from now on is no attack */
	log_event("cap", "pcrs=%s", list);
	return result;
}
