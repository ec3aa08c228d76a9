/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the device's maker says of encryption, on the command line that is signed with the EFI file:
 * tugboot.encrypted=, tugboot.unlock=, tugboot.keys=, tugboot.dma=, tugboot.log=, tugboot.pcrs=;
 * and which roots must be signed: tugboot.verity=.
 * A word that is not known is refused: a typing error must not open a device.
 */
#include <errno.h>
#include <stdlib.h>

#include "cmdline.h"
#include "log.h"
#include "unlock.h"

#define BALENA_PCRS ((1u << 0) | (1u << 2) | (1u << 3) | (1u << 7))

static const char *const method_names[UNLOCK_METHODS] = {
	[UNLOCK_TPM2] = "tpm2",
	[UNLOCK_PIN] = "pin",
	[UNLOCK_RECOVERY] = "recovery",
	[UNLOCK_KEYFILE] = "keyfile",
};

const char *unlock_method_name(enum unlock_method method)
{
	return method < UNLOCK_METHODS ? method_names[method] : "none";
}

/* The index of a word in a list that ends with NULL, or -1. */
static int word_index(const char *word, size_t len, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(words[i]) == len && memcmp(words[i], word, len) == 0)
			return (int)i;
	return -1;
}

static int refuse(const char *key, const char *value, const char *expected)
{
	return log_err(-EINVAL, "policy", "key=%s found=%s expected=\"%s\" next=\"unlock nothing\"",
		       key, log_quote(value), expected);
}

static int read_methods(const char *text, struct unlock_policy *policy)
{
	policy->methods = 0;
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, ",");
		int method = word_index(p, n, method_names, UNLOCK_METHODS);

		if (method < 0 || policy->methods == UNLOCK_METHODS)
			return -EINVAL;
		policy->method[policy->methods++] = (enum unlock_method)method;
		p += n;
		p += *p == ',';
	}
	return policy->methods > 0 ? 0 : -EINVAL;
}

/* `0,2,3,7`, as a mask. */
static int read_pcrs(const char *text, uint32_t *ret_pcrs)
{
	uint32_t pcrs = 0;
	const char *p = text;

	do {
		char *end;
		unsigned long pcr = strtoul(p, &end, 10);

		if (end == p || pcr >= TPM_PCRS || (*end && *end != ','))
			return -EINVAL;
		pcrs |= 1u << pcr;
		p = *end ? end + 1 : end;
	} while (*p);
	*ret_pcrs = pcrs;
	return 0;
}

/* `rootA,rootB,recovery`, or `all` of them, as a mask of roles. */
static int read_roots(const char *text, uint32_t *ret_roles)
{
	static const enum part_role roots[] = {PART_ROOT_A, PART_ROOT_B, PART_RECOVERY};
	static const char *const names[] = {"rootA", "rootB", "recovery"};
	uint32_t roles = 0;

	for (const char *p = streq(text, "all") ? "rootA,rootB,recovery" : text;; p++) {
		size_t n = strcspn(p, ",");
		int root = word_index(p, n, names, ARRAY_SIZE(names));

		if (root < 0 || roles & 1u << roots[root])
			return -EINVAL;
		roles |= 1u << roots[root];
		p += n;
		if (!*p)
			break;
	}
	*ret_roles = roles;
	return 0;
}

/* A key with one of a few words as its value; *choice stays when it is absent. */
static int read_choice(const char *cmdline, const char *key, const char *const *words, size_t n,
		       const char *expected, unsigned *choice)
{
	char value[64];
	int r, word;

	if (!cmdline_has(cmdline, key))
		return 0;
	r = cmdline_get(cmdline, key, value, sizeof(value));
	word = r < 0 ? -1 : word_index(value, strlen(value), words, n);
	if (word < 0)
		return refuse(key, r < 0 ? "" : value, expected);
	*choice = (unsigned)word;
	return 0;
}

int unlock_policy_read(const char *cmdline, struct unlock_policy *ret_policy)
{
	static const char *const keys[] = {"os", "initrd", "none"};
	static const char *const strictness[] = {"ignore", "require"};
	static const char *const forms[] = {"any", "tugboot"};
	struct unlock_policy policy = {
		.method = {UNLOCK_TPM2}, .methods = 1, .balena_pcrs = BALENA_PCRS};
	unsigned hand_over = KEYS_OS, dma = 1, log = 1, form = 0;
	char value[128];
	int r;

	if (cmdline_has(cmdline, "tugboot.encrypted")) {
		r = cmdline_get(cmdline, "tugboot.encrypted", value, sizeof(value));
		if (r < 0 || volume_policy_parse(value, &policy.volumes) < 0)
			return refuse("tugboot.encrypted", r < 0 ? "" : value,
				      "all, or a list of boot,rootA,rootB,state,data");
	}
	if (cmdline_has(cmdline, "tugboot.unlock")) {
		r = cmdline_get(cmdline, "tugboot.unlock", value, sizeof(value));
		if (r < 0 || read_methods(value, &policy) < 0)
			return refuse("tugboot.unlock", r < 0 ? "" : value,
				      "a list of tpm2,pin,recovery,keyfile");
	}
	if (cmdline_has(cmdline, "tugboot.pcrs")) {
		r = cmdline_get(cmdline, "tugboot.pcrs", value, sizeof(value));
		if (r < 0 || read_pcrs(value, &policy.balena_pcrs) < 0)
			return refuse("tugboot.pcrs", r < 0 ? "" : value, "numbers up to 23");
	}
	if (cmdline_has(cmdline, "tugboot.verity")) {
		r = cmdline_get(cmdline, "tugboot.verity", value, sizeof(value));
		if (r < 0 || read_roots(value, &policy.verity) < 0)
			return refuse("tugboot.verity", r < 0 ? "" : value,
				      "all, or a list of rootA,rootB,recovery");
	}
	r = read_choice(cmdline, "tugboot.keys", keys, ARRAY_SIZE(keys), "os, initrd or none",
			&hand_over);
	if (r == 0)
		r = read_choice(cmdline, "tugboot.dma", strictness, ARRAY_SIZE(strictness),
				"require or ignore", &dma);
	if (r == 0)
		r = read_choice(cmdline, "tugboot.log", strictness, ARRAY_SIZE(strictness),
				"require or ignore", &log);
	if (r == 0)
		r = read_choice(cmdline, "tugboot.form", forms, ARRAY_SIZE(forms), "any or tugboot",
				&form);
	if (r < 0)
		return r;
	policy.keys = (enum unlock_keys)hand_over;
	policy.dma_required = dma;
	policy.log_required = log;
	policy.tugboot_form = form;
	*ret_policy = policy;
	return 0;
}
