/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What must be encrypted; see volumes.h. What was found is hostile: partition tables and headers
 * are plain bytes on the disk, and whoever has it in hand may add, swap and rename as they like.
 */
#include "volumes.h"

#include <errno.h>
#include <strings.h>

#include "macro.h"
#include "slice.h"

enum {
	ROOTS = 1u << PART_ROOT_A | 1u << PART_ROOT_B,
	ALL = 1u << PART_BOOT | ROOTS | 1u << PART_STATE | 1u << PART_DATA,
	NAMEABLE = ALL | 1u << PART_RECOVERY,
	NEVER = 1u << PART_EFI | 1u << PART_ENV,
};

const char *volume_problem_name(enum volume_problem problem)
{
	static const char *const names[] = {
		[VOLUME_OK] = "ok",
		[VOLUME_PLAIN] = "plain",
		[VOLUME_MISSING] = "missing",
		[VOLUME_TWICE] = "twice",
		[VOLUME_EXTRA] = "extra",
		[VOLUME_CLONED] = "cloned",
		[VOLUME_ENCRYPTED] = "encrypted",
	};

	return (unsigned)problem < ARRAY_SIZE(names) ? names[problem] : "unknown";
}

/* --- The policy ---------------------------------------------------------------------------- */

static bool role_named(struct slice name, enum part_role *ret_role)
{
	for (enum part_role role = PART_NONE + 1; role < PART_ROLE_COUNT; role++)
		if (NAMEABLE & 1u << role && slice_is(name, partname_of(role))) {
			*ret_role = role;
			return true;
		}
	return false;
}

int volume_policy_parse(const char *text, struct volume_policy *ret_policy)
{
	struct volume_policy policy = {.strict = true};
	enum part_role role;

	if (streq(text, "all")) {
		policy.encrypted = ALL;
		*ret_policy = policy;
		return 0;
	}
	for (;;) {
		size_t len = strcspn(text, ",");

		if (!role_named(slice_of(text, len), &role) || policy.encrypted & 1u << role)
			return -EINVAL;
		policy.encrypted |= 1u << role;
		if (text[len] == '\0')
			break;
		text += len + 1;
	}
	*ret_policy = policy;
	return 0;
}

/* --- Partitions ---------------------------------------------------------------------------- */

static uint32_t bit(enum part_role role)
{
	return role > PART_NONE && role < PART_ROLE_COUNT ? 1u << role : 0;
}

static uint32_t roles_of(const struct volume_found *found, size_t n)
{
	uint32_t roles = 0;

	for (size_t i = 0; i < n; i++)
		roles |= bit(found[i].role);
	return roles;
}

/* What a strict policy lets be on the disk. */
static uint32_t known_roles(const struct volume_policy *policy, uint32_t there)
{
	uint32_t known = policy->encrypted | NEVER;

	/* The boot partition is plain where the environment is on it; beside `efi` nobody needs
	 * it. */
	if (!(there & 1u << PART_EFI))
		known |= 1u << PART_BOOT;
	return known;
}

static bool is_again(const struct volume_found *found, size_t i, uint32_t minded)
{
	for (size_t j = 0; j < i; j++)
		if (found[j].role == found[i].role &&
		    (bit(found[i].role) & minded || found[i].luks || found[j].luks))
			return true;
	return false;
}

static bool is_clone(const struct volume_found *found, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (found[i].luks && found[j].luks &&
		    strncasecmp(found[i].uuid, found[j].uuid, sizeof(found[i].uuid)) == 0)
			return true;
	return false;
}

static enum volume_problem judge_partition(const struct volume_policy *policy, uint32_t known,
					   const struct volume_found *found, size_t i)
{
	uint32_t role = bit(found[i].role);

	if (role & NEVER && found[i].luks)
		return VOLUME_ENCRYPTED;
	if (role != 0 && is_again(found, i, policy->strict ? UINT32_MAX : policy->encrypted))
		return VOLUME_TWICE;
	/* What is encrypted has a name in the policy. */
	if (policy->strict && !(role & (found[i].luks ? policy->encrypted : known)))
		return VOLUME_EXTRA;
	if (role & policy->encrypted && !found[i].luks)
		return VOLUME_PLAIN;
	return is_clone(found, i) ? VOLUME_CLONED : VOLUME_OK;
}

struct volume_verdict volume_judge(const struct volume_policy *policy,
				   const struct volume_found *found, size_t n)
{
	const uint32_t there = roles_of(found, n), known = known_roles(policy, there);
	uint32_t missing = policy->encrypted & ~there & ~(1u << PART_RECOVERY);

	for (size_t i = 0; i < n; i++) {
		enum volume_problem problem = judge_partition(policy, known, found, i);

		if (problem != VOLUME_OK)
			return (struct volume_verdict){problem, found[i].role, found[i].index};
	}
	/* An update that was cut off may leave one root without a header. */
	if (there & policy->encrypted & ROOTS)
		missing &= ~(uint32_t)ROOTS;
	for (enum part_role role = PART_NONE + 1; role < PART_ROLE_COUNT; role++)
		if (missing & 1u << role)
			return (struct volume_verdict){VOLUME_MISSING, role, 0};
	return (struct volume_verdict){VOLUME_OK, PART_NONE, 0};
}

/* --- Headers ------------------------------------------------------------------------------- */

const char *header_problem_name(enum header_problem problem)
{
	static const char *const names[] = {
		[HEADER_OK] = "ok",
		[HEADER_VERSION] = "LUKS1",
		[HEADER_REENCRYPTING] = "an unfinished reencryption",
		[HEADER_SEGMENTS] = "more than one segment",
		[HEADER_CIPHER] = "a weak cipher",
		[HEADER_KEY_SIZE] = "a short volume key",
		[HEADER_TOKEN_UNKNOWN] = "an unknown token",
		[HEADER_SLOT_WEAK] = "a weak key slot",
		[HEADER_SLOT_CIPHER] = "a key slot with a weak cipher",
		[HEADER_NO_SLOT] = "no key slot",
	};

	return (unsigned)problem < ARRAY_SIZE(names) ? names[problem] : "unknown";
}

/* Block cipher and mode as dm-crypt has them. */
static bool is_cipher_strong(const char *cipher, bool *ret_xts)
{
	static const char *const blocks[] = {"aes", "serpent", "twofish", "camellia"};

	*ret_xts = false;
	if (!cipher)
		return false;
	if (streq(cipher, "xchacha12,aes-adiantum-plain64") ||
	    streq(cipher, "xchacha20,aes-adiantum-plain64"))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		const char *mode = startswith(cipher, blocks[i]);

		if (!mode)
			continue;
		*ret_xts = streq(mode, "-xts-plain64");
		return *ret_xts || streq(mode, "-cbc-essiv:sha256");
	}
	return false;
}

static enum header_problem judge_slot(const struct volume_slot *slot)
{
	bool xts;

	if (!slot->random_key && (!slot->argon2 || slot->memory_kib < VOLUME_ARGON2_KIB ||
				  slot->iterations < VOLUME_ARGON2_PASSES))
		return HEADER_SLOT_WEAK;
	return is_cipher_strong(slot->area_cipher, &xts) ? HEADER_OK : HEADER_SLOT_CIPHER;
}

static enum header_problem judge_segment(const struct volume_header *header)
{
	bool xts;

	if (!header->luks2)
		return HEADER_VERSION;
	if (header->reencrypting)
		return HEADER_REENCRYPTING;
	if (header->segments != 1)
		return HEADER_SEGMENTS;
	if (!is_cipher_strong(header->cipher, &xts))
		return HEADER_CIPHER;
	if (xts ? header->key_size != 64 : header->key_size < 16)
		return HEADER_KEY_SIZE;
	return header->unknown_tokens > 0 ? HEADER_TOKEN_UNKNOWN : HEADER_OK;
}

enum header_problem volume_judge_header(const struct volume_header *header, int *ret_slot)
{
	enum header_problem problem = judge_segment(header);
	int slot = -1;
	bool used = false;

	for (size_t i = 0; i < ARRAY_SIZE(header->slot) && problem == HEADER_OK; i++) {
		if (!header->slot[i].used)
			continue;
		used = true;
		problem = judge_slot(&header->slot[i]);
		if (problem != HEADER_OK)
			slot = (int)i;
	}
	if (problem == HEADER_OK && !used)
		problem = HEADER_NO_SLOT;
	if (ret_slot)
		*ret_slot = slot;
	return problem;
}
