/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * balenaOS's passphrase in an NV index: defined and written by tpm2-tools with the commands of its
 * scripts (os-helpers-tpm2 of meta-balena), read by us; and the other way round.
 */
#include "sealing.h"

#define PCRS (1u << 0 | 1u << 2 | 1u << 3 | 1u << 7)
#define PCR_LIST "sha256:0,2,3,7"

static struct tpm_branch policy_file(const char *name)
{
	struct tpm_branch branch = {0};
	_free_ char *data = NULL;
	size_t size;

	assert_int_equal(file_read(AT_FDCWD, in_dir(name), 4096, &data, &size), 0);
	assert_int_equal(size, TPM_SHA256_SIZE);
	memcpy(branch.digest, data, size);
	return branch;
}

/* tpm2_policypcr for what the PCRs are now. */
static void make_pcr_policy(const char *name)
{
	must_run("tpm2_startauthsession", "--session", in_dir("session"));
	must_run("tpm2_policypcr", "--session", in_dir("session"), "--pcr-list", PCR_LIST,
		 "--policy", in_dir(name));
	must_run("tpm2_flushcontext", in_dir("session"));
}

static void make_password_policy(const char *name)
{
	must_run("tpm2_startauthsession", "--session", in_dir("session"));
	must_run("tpm2_policypassword", "--session", in_dir("session"), "--policy", in_dir(name));
	must_run("tpm2_flushcontext", in_dir("session"));
}

static void make_or(const char *name, const char *a, const char *b, const char *c)
{
	char list[600];

	(void)snprintf(list, sizeof(list), "sha256:%s,%s%s%s", in_dir(a), in_dir(b), c ? "," : "",
		       c ? in_dir(c) : "");
	must_run("tpm2_startauthsession", "--session", in_dir("session"));
	must_run("tpm2_policyor", "--session", in_dir("session"), "--policy", in_dir(name), list);
	must_run("tpm2_flushcontext", in_dir("session"));
}

static void define_and_write(const char *policy)
{
	static const char password[] =
		"hex:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

	write_all(in_dir("passphrase"), SECRET, strlen(SECRET));
	must_run("tpm2_nvdefine", "0x1500000", "--size", "32", "--attributes",
		 "authwrite|policyread|policywrite", "--policy", in_dir(policy), "--index-auth",
		 password);
	must_run("tpm2_nvwrite", "0x1500000", "--input", in_dir("passphrase"), "--auth", password);
}

static int read_index(const struct tpm_branch *policies, unsigned n)
{
	_secret_ struct secret secret = {0};
	struct tpm_refusal refusal = {.pcr = 77};
	_tpm_ struct tpm *tpm = swtpm_open();
	int r;

	wire_watch(tpm, 0);
	r = tpm_balena_read(tpm, TPM_BANK_SHA256, PCRS, policies, n, &secret, &refusal);
	if (r < 0) {
		assert_null(secret.data);
		assert_int_equal(refusal.pcr, r == -EPERM ? -1 : 77);
		return r;
	}
	assert_int_equal(secret.size, strlen(SECRET));
	assert_memory_equal(secret.data, SECRET, secret.size);
	assert_false(wire_has(SECRET, strlen(SECRET)));
	assert_int_equal(tpm_counts(tpm).unseals, 1);
	return 0;
}

static void extend(unsigned pcr)
{
	_tpm_ struct tpm *tpm = swtpm_open();

	assert_int_equal(tpm_pcr_extend(tpm, pcr, "something else"), 0);
}

static void there_is_no_index_at_first(void **state)
{
	(void)state;
	assert_int_equal(read_index(NULL, 0), -ENOENT);
}

static void one_policy_is_read(void **state)
{
	(void)state;
	extend(0);
	make_pcr_policy("policy.now");
	define_and_write("policy.now");
	assert_int_equal(read_index(NULL, 0), 0);
	extend(3);
	assert_int_equal(read_index(NULL, 0), -EPERM);
}

static void policies_beside_it_are_read(void **state)
{
	struct tpm_branch policies[3];

	(void)state;
	make_pcr_policy("policy.1");
	extend(7);
	make_pcr_policy("policy.2");
	make_password_policy("policy.password");
	make_or("combined", "policy.1", "policy.2", "policy.password");
	define_and_write("combined");
	policies[0] = policy_file("policy.1");
	policies[1] = policy_file("policy.2");
	policies[2] = policy_file("policy.password");
	assert_int_equal(read_index(policies, 3), 0);
	/* One of them is missing. */
	assert_int_equal(read_index(policies, 2), -EPERM);
	extend(2);
	assert_int_equal(read_index(policies, 3), -EPERM);
}

/* An update was cut: more digests lie there than the index was defined with. */
static void stale_policies_are_left_out(void **state)
{
	struct tpm_branch policies[TPM_BRANCHES_MAX];

	(void)state;
	make_pcr_policy("policy.1");
	make_password_policy("policy.password");
	make_or("combined", "policy.1", "policy.password", NULL);
	define_and_write("combined");
	for (unsigned i = 0; i < TPM_BRANCHES_MAX; i++)
		memset(policies[i].digest, (int)i, TPM_SHA256_SIZE);
	policies[2] = policy_file("policy.1");
	policies[6] = policy_file("policy.password");
	assert_int_equal(read_index(policies, TPM_BRANCHES_MAX), 0);
	/* In the wrong order they are another policy. */
	policies[2] = policy_file("policy.password");
	policies[6] = policy_file("policy.1");
	assert_int_equal(read_index(policies, TPM_BRANCHES_MAX), -EPERM);
}

static void an_index_that_was_never_written_is_none(void **state)
{
	(void)state;
	make_pcr_policy("policy.now");
	must_run("tpm2_nvdefine", "0x1500000", "--size", "32", "--attributes",
		 "authwrite|policyread|policywrite", "--policy", in_dir("policy.now"));
	assert_int_equal(read_index(NULL, 0), -ENOENT);
}

static void an_index_without_a_policy_is_refused(void **state)
{
	(void)state;
	must_run("tpm2_nvdefine", "0x1500000", "--size", "32", "--attributes",
		 "ownerread|ownerwrite");
	assert_int_equal(read_index(NULL, 0), -EBADMSG);
}

/* tpm2-tools read what we define, as its scripts would. */
static void tpm2_tools_read_what_we_define(void **state)
{
	_secret_ struct secret secret = text(SECRET);
	_free_ char *read = NULL;
	struct tpm_branch policy;
	struct tpm *tpm;
	size_t size;

	(void)state;
	extend(0);
	make_pcr_policy("policy.now");
	policy = policy_file("policy.now");
	tpm = swtpm_open();
	wire_watch(tpm, 0);
	assert_int_equal(tpm_balena_define(tpm, policy.digest, &secret), 0);
	assert_false(wire_has(SECRET, strlen(SECRET)));
	assert_int_equal(tpm_balena_define(tpm, policy.digest, &secret), -EEXIST);
	tpm_close(tpm);
	must_run("tpm2_startauthsession", "--policy-session", "--session", in_dir("session"));
	must_run("tpm2_policypcr", "--session", in_dir("session"), "--pcr-list", PCR_LIST);
	{
		char auth[200];

		(void)snprintf(auth, sizeof(auth), "session:%s", in_dir("session"));
		must_run("tpm2_nvread", "0x1500000", "--auth", auth, "--output", in_dir("read"));
	}
	must_run("tpm2_flushcontext", in_dir("session"));
	assert_int_equal(file_read(AT_FDCWD, in_dir("read"), 4096, &read, &size), 0);
	assert_int_equal(size, strlen(SECRET));
	assert_memory_equal(read, SECRET, size);
	assert_int_equal(read_index(NULL, 0), 0);
}

int main(void)
{
#define WITH_TPM(test) cmocka_unit_test_setup_teardown(test, swtpm_setup, swtpm_teardown)
	const struct CMUnitTest tests[] = {
		WITH_TPM(there_is_no_index_at_first),
		WITH_TPM(one_policy_is_read),
		WITH_TPM(policies_beside_it_are_read),
		WITH_TPM(stale_policies_are_left_out),
		WITH_TPM(an_index_that_was_never_written_is_none),
		WITH_TPM(an_index_without_a_policy_is_refused),
		WITH_TPM(tpm2_tools_read_what_we_define),
	};

	return cmocka_run_group_tests_name("tpm_balena", tests, NULL, NULL);
}
