/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The encrypted volumes of the boot disk: their headers and tokens read and judged. Everything here
 * is in plain sight of whoever holds the disk. A header that is not as it must be costs its volume;
 * partitions that are not as they must be cost the boot, since what they replaced is looked for by
 * name in the running system.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "unlock.h"

#define HEADER_SECONDS 60

/* What PID 1 is told while a header is read, and what it refuses when that crashes us. */
static char volume_letter(enum part_role role)
{
	switch (role) {
	case PART_ROOT_A:
		return 'A';
	case PART_ROOT_B:
		return 'B';
	case PART_RECOVERY:
		return 'R';
	case PART_BOOT:
		return 'b';
	case PART_STATE:
		return 's';
	case PART_DATA:
		return 'd';
	default:
		return 0;
	}
}

void unlock_volume_tell(const struct unlock_volume *volume, unsigned seconds)
{
	progress_tell(STEP_UNLOCK, volume_letter(volume->role), seconds);
}

static bool judge_disk(struct boot *boot)
{
	struct unlock *unlock = boot->unlock;
	struct volume_verdict verdict =
		volume_judge(&unlock->policy.volumes, boot->disk.found, boot->disk.n_found);
	static const char *const expected[] = {
		[VOLUME_PLAIN] = "an encrypted volume",
		[VOLUME_MISSING] = "it on this disk",
		[VOLUME_TWICE] = "one partition of that name",
		[VOLUME_EXTRA] = "only the partitions that tugboot.encrypted= names, and efi",
		[VOLUME_CLONED] = "a header of its own",
		[VOLUME_ENCRYPTED] = "a plain partition",
	};

	if (verdict.problem == VOLUME_OK)
		return true;
	log_line(LOG_ERROR, "tamper",
		 "volume=%s partition=%u found=%s expected=\"%s\" next=\"unlock nothing\"",
		 partname_of(verdict.role), verdict.index, volume_problem_name(verdict.problem),
		 expected[verdict.problem]);
	return false;
}

static struct volume_header header_of(const struct unlock_volume *volume)
{
	struct volume_header header;
	uint32_t random = 0;

	luks_header(&volume->info, &header);
	for (unsigned i = 0; i < volume->tokens; i++) {
		const struct token *token = &volume->token[i];

		if (token->kind == TOKEN_UNKNOWN)
			header.unknown_tokens++;
		else if (token->kind != TOKEN_SYSTEMD_OTHER)
			random |= token->slots | token->planned;
	}
	for (unsigned i = 0; i < LUKS_SLOTS; i++)
		header.slot[i].random_key = random & (1u << i);
	return header;
}

/* Without a policy a weak header is the owner's own business; with one it is a way in. */
static const char *judge_header(const struct unlock *unlock, const struct unlock_volume *volume)
{
	struct volume_header header = header_of(volume);
	int slot;
	enum header_problem problem = volume_judge_header(&header, &slot);
	bool fatal = unlock->policy.volumes.strict;
	char where[32] = "";

	if (problem == HEADER_OK)
		return NULL;
	if (slot >= 0)
		(void)snprintf(where, sizeof(where), " slot=%d", slot);
	log_line(fatal ? LOG_ERROR : LOG_WARN, fatal ? "tamper" : "header",
		 "volume=%s dev=%s%s found=\"%s\" expected=\"LUKS2, one sound cipher, tokens that "
		 "are known, slots that nobody guesses\" next=\"%s\"",
		 partname_of(volume->role), volume->dev, where, header_problem_name(problem),
		 fatal ? "do not open it" : "open it all the same: tugboot.encrypted= is not set");
	return fatal ? header_problem_name(problem) : NULL;
}

static const char *read_tokens(struct luks *luks, struct unlock_volume *volume)
{
	const char *what = NULL;

	volume->token =
		calloc((size_t)__builtin_popcount(volume->info.tokens) + 1, sizeof(*volume->token));
	if (!volume->token)
		return "out of memory";
	for (int i = 0; i < LUKS_TOKENS; i++) {
		const char *json;

		if (!(volume->info.tokens & (1u << i)))
			continue;
		if (luks_token(luks, i, &json) < 0)
			return "a token that cannot be read";
		if (token_parse(json, &volume->token[volume->tokens], &what) < 0) {
			log_line(LOG_ERROR, "tamper",
				 "volume=%s dev=%s token=%d found=\"%s\" next=\"pass over it\"",
				 partname_of(volume->role), volume->dev, i, what);
			continue;
		}
		volume->tokens++;
	}
	return NULL;
}

static void read_volume(struct unlock *unlock, struct unlock_volume *volume)
{
	_luks_ struct luks *luks = NULL;
	int r;

	r = luks_open(volume->dev, &luks);
	if (r == 0)
		r = luks_info(luks, &volume->info);
	if (r < 0) {
		volume->problem = r == -EMEDIUMTYPE ? "not LUKS2"
				  : r == -EBADMSG   ? "damaged header"
						    : "header cannot be read";
		log_line(LOG_ERROR, "tamper",
			 "volume=%s dev=%s found=\"%s\" expected=\"a LUKS2 header\" error=%s "
			 "next=\"do not open it\"",
			 partname_of(volume->role), volume->dev, volume->problem, log_errno(r));
		return;
	}
	volume->problem = read_tokens(luks, volume);
	if (!volume->problem)
		volume->problem = judge_header(unlock, volume);
}

int unlock_volumes_read(struct boot *boot)
{
	struct unlock *unlock = boot->unlock;

	if (!judge_disk(boot))
		return -EPERM;
	for (enum part_role role = PART_NONE + 1; role < PART_ROLE_COUNT; role++) {
		const struct partition *part = &boot->disk.role[role];
		struct unlock_volume *volume = &unlock->volume[unlock->volumes];
		char letter = volume_letter(role);

		if (!part->present || !streq(part->fstype, DISK_LUKS))
			continue;
		*volume = (struct unlock_volume){.role = role};
		(void)snprintf(volume->dev, sizeof(volume->dev), "%s", part->dev);
		unlock->volumes++;
		if (letter && strchr(boot->refused, letter)) {
			volume->problem = "a header that crashed or hung the bootloader";
			log_line(LOG_ERROR, "unlock",
				 "volume=%s dev=%s found=\"%s\" next=\"do not open it\"",
				 partname_of(role), volume->dev, volume->problem);
			continue;
		}
		unlock_volume_tell(volume, HEADER_SECONDS);
		read_volume(unlock, volume);
	}
	return 0;
}

int unlock_volume_key(struct unlock_volume *volume, uint32_t slots, const struct secret *passphrase)
{
	_luks_ struct luks *luks = NULL;
	int r = slots == 0 ? -ENOKEY : luks_open(volume->dev, &luks);

	if (r < 0)
		return r;
	if (slots == UNLOCK_ANY_SLOT)
		return luks_volume_key(luks, -1, passphrase, &volume->key);
	r = -ENOKEY;
	for (int slot = 0; slot < LUKS_SLOTS && r < 0; slot++)
		if (slots & (1u << slot))
			r = luks_volume_key(luks, slot, passphrase, &volume->key);
	return r;
}
