/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any text as a policy, under it any disk, and any header. Input: the policy's text up to a
 * newline; two bytes for each partition; the rest as a header's cipher, up to a newline, and its
 * numbers.
 */
#include "volumes.h"

#include <errno.h>
#include <stdio.h>

#include "macro.h"
#include "must.h"

static bool has_role(const struct volume_found *found, size_t n, enum part_role role)
{
	for (size_t i = 0; i < n; i++)
		if (found[i].role == role)
			return true;
	return false;
}

/* What a device may rely on when its disk was let pass. */
static void is_safe(const struct volume_policy *policy, const struct volume_found *found, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (policy->encrypted & 1u << found[i].role)
			MUST(found[i].luks);
		else if (policy->strict)
			MUST(!found[i].luks && found[i].role != PART_NONE);
		for (size_t j = 0; j < i && policy->strict; j++)
			MUST(found[i].role != found[j].role);
		for (size_t j = 0; j < i; j++)
			MUST(!found[i].luks || !found[j].luks ||
			     !streq(found[i].uuid, found[j].uuid));
	}
	if (policy->encrypted & 1u << PART_DATA)
		MUST(has_role(found, n, PART_DATA));
}

static void judge_disk(const struct volume_policy *policy, const uint8_t *input, size_t size)
{
	struct volume_found found[VOLUMES_MAX] = {0};
	struct volume_verdict verdict;
	size_t n = MIN(size / 2, (size_t)VOLUMES_MAX);

	for (size_t i = 0; i < n; i++) {
		found[i].role = input[2 * i] % PART_ROLE_COUNT;
		found[i].index = (unsigned)i + 1;
		found[i].luks = input[2 * i + 1] & 1;
		(void)snprintf(found[i].uuid, sizeof(found[i].uuid), "%u", input[2 * i + 1] >> 1);
	}
	verdict = volume_judge(policy, found, n);
	MUST(!streq(volume_problem_name(verdict.problem), "unknown"));
	MUST(verdict.index <= n);
	if (verdict.problem == VOLUME_OK) {
		is_safe(policy, found, n);
	} else if (verdict.problem == VOLUME_MISSING) {
		MUST(verdict.index == 0 && !has_role(found, n, verdict.role));
	} else {
		MUST(verdict.index > 0 && found[verdict.index - 1].role == verdict.role);
		/* What lies behind does not matter. */
		MUST(volume_judge(policy, found, verdict.index).index == verdict.index ||
		     verdict.problem == VOLUME_EXTRA);
	}
}

static void judge_header(const char *cipher, const uint8_t *input, size_t size)
{
	struct volume_header header = {.luks2 = true, .segments = 1, .cipher = cipher};
	enum header_problem problem;
	int slot = 99;

	if (size > 0)
		header.key_size = input[0];
	for (size_t i = 1; i < size && i <= ARRAY_SIZE(header.slot); i++)
		header.slot[i - 1] = (struct volume_slot){
			.used = input[i] & 1,
			.random_key = input[i] & 2,
			.argon2 = input[i] & 4,
			.memory_kib = input[i] & 8 ? 65536 : 64,
			.iterations = input[i] >> 4,
			.area_cipher = cipher,
		};
	problem = volume_judge_header(&header, &slot);
	MUST(!streq(header_problem_name(problem), "unknown"));
	MUST((slot >= 0) == (problem == HEADER_SLOT_WEAK || problem == HEADER_SLOT_CIPHER));
	if (slot >= 0)
		MUST(slot < 32 && header.slot[slot].used);
	if (problem != HEADER_OK)
		return;
	MUST(header.key_size >= 16 && !strstr(cipher, "null") && !strstr(cipher, "ecb"));
	for (size_t i = 0; i < ARRAY_SIZE(header.slot); i++)
		MUST(!header.slot[i].used || header.slot[i].random_key || header.slot[i].argon2);
	header.unknown_tokens = 1;
	MUST(volume_judge_header(&header, NULL) == HEADER_TOKEN_UNKNOWN);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct volume_policy policy = {0};
	char *text = take_string(&input, &input_size);
	char *cipher;
	int r = volume_policy_parse(text, &policy);

	MUST(r == 0 || r == -EINVAL);
	if (r == 0)
		MUST(policy.strict && policy.encrypted != 0);
	else
		MUST(!policy.strict && policy.encrypted == 0);
	judge_disk(&policy, input, input_size);
	cipher = take_string(&input, &input_size);
	judge_header(cipher, input, input_size);
	free(cipher);
	free(text);
	return 0;
}
