/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must be encrypted: lib/base/volumes.c; all small sets of partitions, and all weak
 * headers. */
#include "volumes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "macro.h"

#define BIT(role) (1u << (role))
#define ALL \
	(BIT(PART_BOOT) | BIT(PART_ROOT_A) | BIT(PART_ROOT_B) | BIT(PART_STATE) | BIT(PART_DATA))

static struct volume_policy policy;
static struct volume_found found[VOLUMES_MAX];
static size_t n_found;

static void add(enum part_role role, const char *uuid)
{
	struct volume_found *f = &found[n_found++];

	*f = (struct volume_found){.role = role, .index = (unsigned)n_found, .luks = uuid};
	(void)snprintf(f->uuid, sizeof(f->uuid), "%s", uuid ? uuid : "");
}

static void given_device(void)
{
	n_found = 0;
	policy = (struct volume_policy){.encrypted = ALL, .strict = true};
	add(PART_EFI, NULL);
	add(PART_BOOT, "1");
	add(PART_ROOT_A, "2");
	add(PART_ROOT_B, "3");
	add(PART_STATE, "4");
	add(PART_DATA, "5");
}

static void drop(enum part_role role)
{
	size_t n = 0;

	for (size_t i = 0; i < n_found; i++)
		if (found[i].role != role)
			found[n++] = found[i];
	n_found = n;
}

static void expect(enum volume_problem problem, enum part_role role, unsigned index)
{
	struct volume_verdict verdict = volume_judge(&policy, found, n_found);

	if (verdict.problem != problem || verdict.role != role || verdict.index != index)
		fail_msg("%s %s %u instead of %s %s %u", volume_problem_name(verdict.problem),
			 partname_of(verdict.role), verdict.index, volume_problem_name(problem),
			 partname_of(role), index);
}

/* --- The policy's text --------------------------------------------------------------------- */

static void a_policy_names_what_is_encrypted(void **state)
{
	static const struct {
		const char *text;
		uint32_t encrypted;
	} cases[] = {
		{"all", ALL},
		{"boot,rootA,rootB,state,data", ALL},
		{"data,state,rootB,rootA,boot", ALL},
		{"rootA", BIT(PART_ROOT_A)},
		{"data,recovery", BIT(PART_DATA) | BIT(PART_RECOVERY)},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(volume_policy_parse(cases[i].text, &policy), 0);
		assert_int_equal(policy.encrypted, cases[i].encrypted);
		assert_true(policy.strict);
	}
}

static void a_policy_that_is_not_understood_is_refused(void **state)
{
	static const char *const cases[] = {
		"",	      ",",	     "boot,",	 ",boot",    "boot,,data", "boot,rootC",
		"boot,boot",  "ALL",	     "all,boot", "boot,all", "ROOTA",	   "rootA ",
		" rootA",     "rootA rootB", "efi",	 "env",	     "none",	   "tug-rootA",
		"rootA;data", "root",	     "rootAB",	 "all,",     "1",	   "data,efi",
	};

	(void)state;
	policy = (struct volume_policy){.encrypted = 12345};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (volume_policy_parse(cases[i], &policy) != -EINVAL)
			fail_msg("'%s'", cases[i]);
		assert_int_equal(policy.encrypted, 12345);
	}
}

/* --- Partitions ---------------------------------------------------------------------------- */

static void the_disk_as_it_should_be_is_let_pass(void **state)
{
	(void)state;
	given_device();
	expect(VOLUME_OK, PART_NONE, 0);
	add(PART_ENV, NULL);
	expect(VOLUME_OK, PART_NONE, 0);
	drop(PART_EFI);
	expect(VOLUME_OK, PART_NONE, 0);
	drop(PART_ROOT_B);
	expect(VOLUME_OK, PART_NONE, 0);
}

static void each_kind_of_tampering_has_its_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < 6; i++) {
		given_device();
		found[i].luks = !found[i].luks;
		expect(i == 0 ? VOLUME_ENCRYPTED : VOLUME_PLAIN, found[i].role, (unsigned)i + 1);
		given_device();
		add(found[i].role, i == 0 ? NULL : "9");
		expect(VOLUME_TWICE, found[i].role, 7);
		for (size_t j = 1; j < i; j++) {
			given_device();
			memcpy(found[i].uuid, found[j].uuid, sizeof(found[i].uuid));
			expect(VOLUME_CLONED, found[i].role, (unsigned)i + 1);
		}
	}
	given_device();
	add(PART_NONE, NULL);
	expect(VOLUME_EXTRA, PART_NONE, 7);
	given_device();
	add(PART_RECOVERY, "9");
	expect(VOLUME_EXTRA, PART_RECOVERY, 7);
	policy.encrypted |= BIT(PART_RECOVERY);
	expect(VOLUME_OK, PART_NONE, 0);
	drop(PART_RECOVERY);
	expect(VOLUME_OK, PART_NONE, 0);
	drop(PART_DATA);
	expect(VOLUME_MISSING, PART_DATA, 0);
	drop(PART_BOOT);
	expect(VOLUME_MISSING, PART_BOOT, 0);
	given_device();
	drop(PART_ROOT_A);
	drop(PART_ROOT_B);
	expect(VOLUME_MISSING, PART_ROOT_A, 0);
}

static void a_plain_boot_partition_is_known_where_there_is_no_efi(void **state)
{
	(void)state;
	n_found = 0;
	policy = (struct volume_policy){.encrypted = BIT(PART_ROOT_A), .strict = true};
	add(PART_BOOT, NULL);
	add(PART_ROOT_A, "1");
	expect(VOLUME_OK, PART_NONE, 0);
	found[0].luks = true;
	expect(VOLUME_EXTRA, PART_BOOT, 1);
	found[0].luks = false;
	add(PART_EFI, NULL);
	expect(VOLUME_EXTRA, PART_BOOT, 1);
	drop(PART_BOOT);
	expect(VOLUME_OK, PART_NONE, 0);
	add(PART_DATA, NULL);
	expect(VOLUME_EXTRA, PART_DATA, 3);
}

static void uuids_are_the_same_in_either_case(void **state)
{
	(void)state;
	given_device();
	(void)snprintf(found[3].uuid, sizeof(found[3].uuid), "c0ffee00-a");
	(void)snprintf(found[5].uuid, sizeof(found[5].uuid), "C0FFEE00-A");
	expect(VOLUME_CLONED, PART_DATA, 6);
	/* All forty bytes of it, without an end. */
	memset(found[3].uuid, 'x', sizeof(found[3].uuid));
	memset(found[5].uuid, 'x', sizeof(found[5].uuid));
	expect(VOLUME_CLONED, PART_DATA, 6);
	found[5].uuid[39] = 'y';
	expect(VOLUME_OK, PART_NONE, 0);
}

/* The same rules said once more, each by itself: does this problem lie with that partition? */
static bool lies(enum volume_problem problem, size_t i)
{
	const struct volume_found *f = &found[i];
	bool named = f->role != PART_NONE && policy.encrypted & BIT(f->role);
	unsigned of_role = 0, luks_of_role = 0, of_uuid = 0;
	bool efi = false;

	for (size_t j = 0; j < n_found; j++)
		efi = efi || found[j].role == PART_EFI;
	for (size_t j = 0; j <= i; j++) {
		of_role += found[j].role == f->role;
		of_uuid += found[j].luks && f->luks && streq(found[j].uuid, f->uuid);
	}
	for (size_t j = 0; j < i; j++)
		luks_of_role += found[j].role == f->role && found[j].luks;
	switch (problem) {
	case VOLUME_ENCRYPTED:
		return f->luks && (f->role == PART_EFI || f->role == PART_ENV);
	case VOLUME_TWICE:
		return f->role != PART_NONE && of_role > 1 &&
		       (policy.strict || named || f->luks || luks_of_role > 0);
	case VOLUME_EXTRA:
		return policy.strict && !named && f->role != PART_EFI && f->role != PART_ENV &&
		       !(f->role == PART_BOOT && !efi && !f->luks);
	case VOLUME_PLAIN:
		return named && !f->luks;
	case VOLUME_CLONED:
		return of_uuid > 1;
	default:
		return false;
	}
}

static bool is_missing(enum part_role role)
{
	bool here = false, a = false, b = false;

	for (size_t i = 0; i < n_found; i++) {
		here = here || found[i].role == role;
		a = a || found[i].role == PART_ROOT_A;
		b = b || found[i].role == PART_ROOT_B;
	}
	if (!(policy.encrypted & BIT(role)) || here || role == PART_RECOVERY)
		return false;
	if (role == PART_ROOT_A && policy.encrypted & BIT(PART_ROOT_B))
		return !b;
	if (role == PART_ROOT_B && policy.encrypted & BIT(PART_ROOT_A))
		return !a;
	return true;
}

static unsigned long judged, passed;

static void check_this_set(void)
{
	struct volume_verdict verdict = volume_judge(&policy, found, n_found);
	struct volume_verdict expected = {VOLUME_OK, PART_NONE, 0};
	bool done = false;

	judged++;
	for (size_t i = 0; i < n_found && !done; i++)
		for (enum volume_problem p = VOLUME_OK; p <= VOLUME_ENCRYPTED; p++) {
			if (!lies(p, i))
				continue;
			done = true;
			/* Any that lies with the first such partition is true. */
			if (expected.problem == VOLUME_OK || p == verdict.problem)
				expected =
					(struct volume_verdict){p, found[i].role, found[i].index};
		}
	for (enum part_role role = PART_BOOT; role < PART_ROLE_COUNT && !done; role++)
		if (is_missing(role)) {
			expected = (struct volume_verdict){VOLUME_MISSING, role, 0};
			done = true;
		}
	passed += !done;
	expect(expected.problem, expected.role, expected.index);
	assert_int_equal(verdict.problem, expected.problem);
}

/* Every partition is of any role, and plain or with one of two headers. */
static void judge_all_sets(size_t n)
{
	if (n_found == n) {
		check_this_set();
		return;
	}
	for (enum part_role role = PART_NONE; role < PART_ROLE_COUNT; role++)
		for (unsigned uuid = 0; uuid < 3; uuid++) {
			add(role, uuid == 0 ? NULL : uuid == 1 ? "a" : "b");
			judge_all_sets(n);
			n_found--;
		}
}

static void every_set_of_up_to_three_partitions_is_judged_under_every_policy(void **state)
{
	static const enum part_role roles[] = {PART_BOOT,  PART_ROOT_A, PART_ROOT_B,
					       PART_STATE, PART_DATA,	PART_RECOVERY};

	(void)state;
	judged = passed = 0;
	for (unsigned subset = 0; subset < 1u << ARRAY_SIZE(roles); subset++)
		for (unsigned strict = 0; strict < 2; strict++) {
			policy = (struct volume_policy){.strict = strict};
			for (unsigned i = 0; i < ARRAY_SIZE(roles); i++)
				policy.encrypted |= subset & 1u << i ? BIT(roles[i]) : 0;
			for (size_t n = 0; n <= (subset % 8 == 7 ? 3 : 2); n++) {
				n_found = 0;
				judge_all_sets(n);
			}
			n_found = 0;
		}
	for (unsigned subset = 0; subset < 8; subset++) {
		policy = (struct volume_policy){.encrypted = subset << PART_ROOT_A, .strict = true};
		n_found = 0;
		judge_all_sets(3);
		policy.strict = false;
		judge_all_sets(3);
	}
	assert_true(passed > 0 && passed < judged);
	printf("sets of partitions judged: %lu, let pass: %lu\n", judged, passed);
}

/* Whatever one partition of a good device is turned into, and whatever two are added. */
static void every_change_of_a_good_device_is_noticed(void **state)
{
	unsigned long changes = 0;

	(void)state;
	for (size_t i = 0; i < 6; i++)
		for (enum part_role role = PART_NONE; role < PART_ROLE_COUNT; role++)
			for (int uuid = 0; uuid < 8; uuid++) {
				bool same, swapped, lost_root, plain_env;
				char text[2] = {(char)('0' + uuid), '\0'};
				struct volume_found was;

				given_device();
				was = found[i];
				n_found = i;
				add(role, uuid == 0 ? NULL : text);
				n_found = 6;
				changes++;
				/* Nothing but the UUID, to one that nobody else has. */
				same = role == was.role && found[i].luks == was.luks &&
				       (uuid == 0 || streq(text, was.uuid) || uuid > 5);
				/* The raw environment beside one root, or in the place of efi. */
				plain_env = role == PART_ENV && uuid == 0;
				lost_root = was.role == PART_ROOT_A || was.role == PART_ROOT_B ||
					    was.role == PART_EFI;
				swapped = plain_env && lost_root;
				if ((volume_judge(&policy, found, n_found).problem == VOLUME_OK) !=
				    (same || swapped))
					fail_msg("partition %zu as %s, %d", i + 1,
						 partname_of(role), uuid);
			}
	printf("changes of a good device: %lu\n", changes);
}

static void without_a_policy_plain_partitions_are_nobodys_business(void **state)
{
	(void)state;
	n_found = 0;
	policy = (struct volume_policy){0};
	add(PART_BOOT, NULL);
	add(PART_BOOT, NULL);
	add(PART_NONE, NULL);
	add(PART_NONE, "1");
	add(PART_DATA, "2");
	expect(VOLUME_OK, PART_NONE, 0);
	add(PART_DATA, NULL);
	expect(VOLUME_TWICE, PART_DATA, 6);
	drop(PART_DATA);
	add(PART_STATE, "1");
	expect(VOLUME_CLONED, PART_STATE, 5);
}

/* --- Headers ------------------------------------------------------------------------------- */

static struct volume_header header;

static void given_header(void)
{
	header = (struct volume_header){
		.luks2 = true,
		.segments = 1,
		.cipher = "aes-xts-plain64",
		.key_size = 64,
		.slot = {[1] = {.used = true,
				.random_key = true,
				.iterations = 1000,
				.area_cipher = "aes-xts-plain64"},
			 [31] = {.used = true,
				 .argon2 = true,
				 .iterations = 4,
				 .memory_kib = 1024 * 1024,
				 .area_cipher = "aes-xts-plain64"}},
	};
}

static void expect_header(enum header_problem problem, int slot)
{
	int where = 99;
	enum header_problem is = volume_judge_header(&header, &where);

	if (is != problem || where != slot)
		fail_msg("%s, slot %d instead of %s, slot %d", header_problem_name(is), where,
			 header_problem_name(problem), slot);
	assert_int_equal(volume_judge_header(&header, NULL), problem);
}

static void a_strong_header_is_let_pass(void **state)
{
	(void)state;
	given_header();
	expect_header(HEADER_OK, -1);
	header.slot[31].used = false;
	expect_header(HEADER_OK, -1);
}

static void each_weakness_of_a_header_has_its_name(void **state)
{
	(void)state;
	given_header();
	header.luks2 = false;
	expect_header(HEADER_VERSION, -1);
	given_header();
	header.reencrypting = true;
	expect_header(HEADER_REENCRYPTING, -1);
	given_header();
	header.segments = 2;
	expect_header(HEADER_SEGMENTS, -1);
	header.segments = 0;
	expect_header(HEADER_SEGMENTS, -1);
	given_header();
	header.unknown_tokens = 1;
	expect_header(HEADER_TOKEN_UNKNOWN, -1);
	given_header();
	header.slot[1].used = header.slot[31].used = false;
	expect_header(HEADER_NO_SLOT, -1);
}

static void ciphers_are_known_to_be_strong_or_refused(void **state)
{
	static const struct {
		const char *cipher;
		unsigned key_size;
		enum header_problem problem;
	} cases[] = {
		{"aes-xts-plain64", 64, HEADER_OK},
		{"serpent-xts-plain64", 64, HEADER_OK},
		{"twofish-xts-plain64", 64, HEADER_OK},
		{"camellia-xts-plain64", 64, HEADER_OK},
		{"aes-cbc-essiv:sha256", 32, HEADER_OK},
		{"aes-cbc-essiv:sha256", 16, HEADER_OK},
		{"xchacha12,aes-adiantum-plain64", 32, HEADER_OK},
		{"xchacha20,aes-adiantum-plain64", 32, HEADER_OK},
		{"aes-xts-plain64", 32, HEADER_KEY_SIZE},
		{"aes-xts-plain64", 63, HEADER_KEY_SIZE},
		{"aes-xts-plain64", 0, HEADER_KEY_SIZE},
		{"aes-cbc-essiv:sha256", 15, HEADER_KEY_SIZE},
		{NULL, 64, HEADER_CIPHER},
		{"", 64, HEADER_CIPHER},
		{"null", 64, HEADER_CIPHER},
		{"cipher_null-ecb", 64, HEADER_CIPHER},
		{"aes", 64, HEADER_CIPHER},
		{"aes-ecb", 64, HEADER_CIPHER},
		{"aes-xts", 64, HEADER_CIPHER},
		{"aes-xts-plain", 64, HEADER_CIPHER},
		{"aes-xts-null", 64, HEADER_CIPHER},
		{"aes-xts-plain64x", 64, HEADER_CIPHER},
		{"xaes-xts-plain64", 64, HEADER_CIPHER},
		{"AES-xts-plain64", 64, HEADER_CIPHER},
		{"aes-cbc-plain64", 32, HEADER_CIPHER},
		{"aes-cbc-plain", 32, HEADER_CIPHER},
		{"aes-cbc-essiv:md5", 32, HEADER_CIPHER},
		{"aes-ctr-plain64", 32, HEADER_CIPHER},
		{"aes-gcm-random", 32, HEADER_CIPHER},
		{"des3_ede-xts-plain64", 64, HEADER_CIPHER},
		{"capi:ecb(cipher_null)-plain64", 64, HEADER_CIPHER},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		given_header();
		header.cipher = cases[i].cipher;
		header.key_size = cases[i].key_size;
		expect_header(cases[i].problem, -1);
		/* A slot's area is as the data, but for the key's size. */
		given_header();
		header.slot[31].area_cipher = cases[i].cipher;
		if (cases[i].problem == HEADER_CIPHER)
			expect_header(HEADER_SLOT_CIPHER, 31);
		else
			expect_header(HEADER_OK, -1);
	}
}

static void a_slot_is_random_or_stretched(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(header.slot); i++) {
		given_header();
		header.slot[1].used = header.slot[31].used = false;
		header.slot[i] = (struct volume_slot){.used = true,
						      .argon2 = true,
						      .iterations = VOLUME_ARGON2_PASSES,
						      .memory_kib = VOLUME_ARGON2_KIB,
						      .area_cipher = "aes-xts-plain64"};
		expect_header(HEADER_OK, -1);
		header.slot[i].memory_kib--;
		expect_header(HEADER_SLOT_WEAK, (int)i);
		header.slot[i].random_key = true;
		expect_header(HEADER_OK, -1);
		header.slot[i].random_key = false;
		header.slot[i].memory_kib = UINT32_MAX;
		header.slot[i].iterations--;
		expect_header(HEADER_SLOT_WEAK, (int)i);
		/* PBKDF2, however many rounds. */
		header.slot[i].argon2 = false;
		header.slot[i].iterations = UINT32_MAX;
		expect_header(HEADER_SLOT_WEAK, (int)i);
		header.slot[i].used = false;
		expect_header(HEADER_NO_SLOT, -1);
	}
}

static void problems_have_names(void **state)
{
	(void)state;
	assert_string_equal(volume_problem_name(VOLUME_ENCRYPTED), "encrypted");
	assert_string_equal(volume_problem_name(VOLUME_OK), "ok");
	assert_string_equal(volume_problem_name((enum volume_problem)99), "unknown");
	assert_string_equal(header_problem_name(HEADER_SLOT_WEAK), "a weak key slot");
	assert_string_equal(header_problem_name(HEADER_NO_SLOT), "no key slot");
	assert_string_equal(header_problem_name((enum header_problem)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_policy_names_what_is_encrypted),
		cmocka_unit_test(a_policy_that_is_not_understood_is_refused),
		cmocka_unit_test(the_disk_as_it_should_be_is_let_pass),
		cmocka_unit_test(each_kind_of_tampering_has_its_name),
		cmocka_unit_test(a_plain_boot_partition_is_known_where_there_is_no_efi),
		cmocka_unit_test(uuids_are_the_same_in_either_case),
		cmocka_unit_test(every_set_of_up_to_three_partitions_is_judged_under_every_policy),
		cmocka_unit_test(every_change_of_a_good_device_is_noticed),
		cmocka_unit_test(without_a_policy_plain_partitions_are_nobodys_business),
		cmocka_unit_test(a_strong_header_is_let_pass),
		cmocka_unit_test(each_weakness_of_a_header_has_its_name),
		cmocka_unit_test(ciphers_are_known_to_be_strong_or_refused),
		cmocka_unit_test(a_slot_is_random_or_stretched),
		cmocka_unit_test(problems_have_names),
	};

	return cmocka_run_group_tests_name("volumes", tests, NULL, NULL);
}
