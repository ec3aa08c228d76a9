/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keys by the tokens of the volumes' headers: tugboot-tpm2, then systemd-tpm2. A secret that several
 * volumes share is unsealed once.
 *
 * Anybody who may use this TPM can seal a secret of his own under the right PCRs, and put a volume of
 * his own on the disk that opens with it; started as the root, it would be given the keys of all the
 * others. So under a policy our tokens open all volumes with one secret, or none: whoever does not
 * know the secret cannot make a volume that goes with the others. Tokens are in plain sight, and he can
 * write a copy of his into every header: what counts is what the secret opened, not where it is named.
 * systemd's tokens have a secret for each volume and no such tie; tugboot.form=tugboot leaves them out.
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
#define SECRETS_MAX (2 * UNLOCK_VOLUMES) /* of two enrolments, where a new one is being made */
/* Making a primary key may take 90 s (tpm.h); after one command without answer there is no other. */
#define UNSEAL_SECONDS 180
#define OPEN_SECONDS 120 /* a key derivation for each slot of a token */

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
	int stop; /* why no other secret is asked for: it would fail the same, and be counted */
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
		if (r == -EBADMSG) {
			log_warn("tpm", "file=%s found=\"no file of PCR signatures\"",
				 places[i].path);
			r = -ENOENT;
		}
	}
	return r;
}

/* What a refusal of the TPM says of the secret, and what would have been right. */
static const struct refusal {
	int error;
	const char *found, *expected;
} refusals[] = {
	{-EACCES, "a wrong PIN", "the one of the enrolment"},
	{-EBUSY, "locked out after too many wrong PINs", "a TPM that was left alone for a while"},
	{-EBADMSG, "a secret of another TPM, or a damaged one", "one that this TPM sealed"},
	{-ENOENT, "no signature for these PCRs", "one by the key of the enrolment"},
	{-ETIMEDOUT, "a TPM that does not answer", "an answer in time"},
	{-EPERM, "PCRs that the policy does not allow", "those of the enrolment"},
	{0, "a TPM error", "the secret"}, /* of any other error */
};

static void log_refusal(struct session *session, const struct unlock_volume *volume,
			const struct token *token, int r)
{
	struct tpm *tpm = session->boot->unlock->tpm;
	const struct refusal *refusal = refusals;
	struct tpm_pcr_values now;
	uint32_t pcrs = token->sealed.pubkey_pcrs;

	while (refusal->error != 0 && refusal->error != r)
		refusal++;
	log_line(LOG_ERROR, "tpm",
		 "volume=%s token=%s found=\"%s\" error=%s expected=\"%s\" "
		 "next=\"another token, then the next method\"",
		 partname_of(volume->role), token->type, refusal->found, log_quote(tpm_error(tpm)),
		 refusal->expected);
	for (unsigned i = 0; i < token->sealed.branches; i++)
		pcrs |= token->sealed.branch[i].pcrs;
	if (r == -EPERM && tpm_pcr_read(tpm, token->sealed.bank, pcrs, &now) == 0)
		unlock_explain(volume, token, &now);
}

static struct unsealed *unseal(struct session *session, const struct unlock_volume *volume,
			       const struct token *token)
{
	struct unsealed *entry;

	for (unsigned i = 0; i < session->n; i++)
		if (token_same_secret(session->unsealed[i].token, token))
			return &session->unsealed[i];
	if (session->n == SECRETS_MAX)
		return NULL;
	entry = &session->unsealed[session->n++];
	*entry = (struct unsealed){.token = token};
	progress_tell(STEP_UNLOCK, 'T', UNSEAL_SECONDS);
	entry->result = tpm_unseal(session->boot->unlock->tpm, &token->sealed, session->pin,
				   find_signature, session->boot, &entry->secret, NULL);
	if (entry->result < 0)
		log_refusal(session, volume, token, entry->result);
	if (entry->result == -EACCES || entry->result == -EBUSY || entry->result == -ETIMEDOUT)
		session->stop = entry->result;
	return entry;
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
	unlock_volume_tell(volume, OPEN_SECONDS);
	r = volkey_passphrase(&entry->secret, &passphrase);
	if (r == 0)
		r = token->wrapped_size > 0 ? unwrap(session, volume, token, entry)
					    : unlock_volume_key(volume, token->slots, &passphrase);
	if (r == 0) {
		volume->passphrase = secret_take(&passphrase);
		volume->by_tpm = true;
	} else if (r != -EBADMSG)
		log_line(LOG_ERROR, "unlock", "volume=%s token=%s found=\"%s\" error=%s",
			 partname_of(volume->role), token->type,
			 r == -ENOKEY ? "a key slot that the secret does not open"
				      : "its key cannot be got",
			 log_errno(r));
}

static bool is_usable(const struct session *session, const struct token *token,
		      enum token_kind kind)
{
	return token->kind == kind && token->sealed.pin == (session->pin->size > 0);
}

/* The volume's token with this secret, NULL when it has none. */
static const struct token *token_of(const struct unlock_volume *volume, const struct token *secret)
{
	for (unsigned i = 0; i < volume->tokens; i++)
		if (token_same_secret(&volume->token[i], secret))
			return &volume->token[i];
	return NULL;
}

/* How many of the volumes that are not open have this secret in a token. */
static unsigned coverage(const struct unlock *unlock, const struct token *secret)
{
	unsigned n = 0;

	for (unsigned i = 0; i < unlock->volumes; i++)
		n += !unlock_is_open(&unlock->volume[i]) && token_of(&unlock->volume[i], secret);
	return n;
}

static bool was_tried(const struct session *session, const struct token *token)
{
	for (unsigned i = 0; i < session->n; i++)
		if (token_same_secret(session->unsealed[i].token, token))
			return true;
	return false;
}

/* The secret of this kind that opens most volumes, and that was not tried; NULL when there is none. */
static const struct token *best_secret(const struct session *session, enum token_kind kind)
{
	const struct unlock *unlock = session->boot->unlock;
	const struct token *best = NULL;

	for (unsigned i = 0; i < unlock->volumes && session->n < SECRETS_MAX; i++) {
		const struct unlock_volume *volume = &unlock->volume[i];

		for (unsigned k = 0; k < volume->tokens && !unlock_is_open(volume); k++)
			if (is_usable(session, &volume->token[k], kind) &&
			    !was_tried(session, &volume->token[k]) &&
			    (!best || coverage(unlock, &volume->token[k]) > coverage(unlock, best)))
				best = &volume->token[k];
	}
	return best;
}

/* Must what has this secret be all volumes? */
static bool is_tied(const struct session *session, const struct token *secret)
{
	return session->boot->unlock->policy.volumes.strict && secret->kind == TOKEN_TUGBOOT_TPM2;
}

/* Under a policy: do all volumes say that this secret is theirs? */
static bool ties_all(const struct session *session, const struct token *secret)
{
	const struct unlock *unlock = session->boot->unlock;

	if (!is_tied(session, secret) ||
	    (unlock_opened_by_tpm(unlock) == 0 && coverage(unlock, secret) == unlock_left(unlock)))
		return true;
	for (unsigned i = 0; i < unlock->volumes; i++)
		if (unlock->volume[i].by_tpm ||
		    (!unlock_is_open(&unlock->volume[i]) && !token_of(&unlock->volume[i], secret)))
			log_line(LOG_ERROR, "tamper",
				 "volume=%s dev=%s found=\"a volume of another enrolment\" "
				 "expected=\"one secret for all volumes\" next=\"no unlocking by "
				 "tugboot-tpm2 tokens\"",
				 partname_of(unlock->volume[i].role), unlock->volume[i].dev);
	return false;
}

/* And did it open them? What it opened alone is taken back. */
static bool opened_all(struct session *session, const struct token *secret)
{
	struct unlock *unlock = session->boot->unlock;

	if (!is_tied(session, secret) || unlock_opened_by_tpm(unlock) == 0 ||
	    unlock_left(unlock) == 0)
		return true;
	for (unsigned i = 0; i < unlock->volumes; i++) {
		struct unlock_volume *volume = &unlock->volume[i];

		if (!volume->by_tpm)
			continue;
		log_line(LOG_ERROR, "tamper",
			 "volume=%s dev=%s found=\"a secret that does not open the others\" "
			 "expected=\"one secret for all volumes\" next=\"do not open it\"",
			 partname_of(volume->role), volume->dev);
		secret_done(&volume->key);
		secret_done(&volume->passphrase);
		volume->by_tpm = false;
	}
	return false;
}

static void open_by_kind(struct session *session, enum token_kind kind)
{
	struct unlock *unlock = session->boot->unlock;
	const struct token *secret;

	while (!session->stop && unlock_left(unlock) > 0 && (secret = best_secret(session, kind)) &&
	       ties_all(session, secret)) {
		for (unsigned i = 0; i < unlock->volumes; i++) {
			const struct token *token = token_of(&unlock->volume[i], secret);

			if (token && !unlock_is_open(&unlock->volume[i]))
				open_by_token(session, &unlock->volume[i], token);
		}
		if (!opened_all(session, secret))
			return;
	}
}

int unlock_by_tokens(struct boot *boot, const struct secret *pin)
{
	struct session session = {.boot = boot, .pin = pin};
	const struct unlock *unlock = boot->unlock;
	unsigned before = unlock_left(unlock);

	/* Ours first: they do not wake the TPM's counter of failures. */
	open_by_kind(&session, TOKEN_TUGBOOT_TPM2);
	if (!unlock->policy.tugboot_form &&
	    (!unlock->policy.volumes.strict || unlock_left(unlock) == before))
		open_by_kind(&session, TOKEN_SYSTEMD_TPM2);
	session_done(&session);
	return session.stop;
}
