/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Power cuts and the TPM's counter of attacks: a real TPM (swtpm) is killed after chosen commands,
 * five times each, and started again. The counter must stay 0, or the device locks itself out in
 * the field.
 */
#include "sealing.h"

#include "crypto.h"

#define CUTS 5

enum form { TUGBOOT, TUGBOOT_RSA, TUGBOOT_OR, TUGBOOT_PIN, SYSTEMD, SYSTEMD_PIN };

static const char *pin_of(enum form form)
{
	return form == TUGBOOT_PIN || form == SYSTEMD_PIN ? "1234" : NULL;
}

static void seal_form(struct sealing *s, enum form form)
{
	_tpm_ struct tpm *tpm = swtpm_open();

	*s = (struct sealing){0};
	s->sealed.primary = form == TUGBOOT_RSA ? TPM_PRIMARY_RSA : TPM_PRIMARY_ECC;
	s->sealed.noda = form != SYSTEMD && form != SYSTEMD_PIN;
	add_branch_now(tpm, s, TPM_BANK_SHA256, 1u << 0 | 1u << 7);
	if (form == TUGBOOT_OR)
		add_branch_other(tpm, s, 1);
	seal(tpm, s, pin_of(form));
	assert_int_equal(tpm_shutdown(tpm), 0);
}

static unsigned failures(void)
{
	_tpm_ struct tpm *tpm = swtpm_open();
	unsigned n = 0;
	bool locked;

	assert_int_equal(tpm_lockout(tpm, &n, &locked), 0);
	return n;
}

/* Unseals; the power fails after command `cut`, or after all of them. Returns how many there
 * were. */
static unsigned unseal_and_cut(const struct sealing *s, enum form form, unsigned cut)
{
	unsigned commands;

	{
		_tpm_ struct tpm *tpm = swtpm_open();
		int r;

		wire_watch(tpm, cut);
		r = unseal(tpm, s, pin_of(form), NULL);
		commands = wire.answers;
		if (cut == 0 || commands < cut)
			assert_int_equal(r, 0);
	}
	swtpm_power_cut();
	swtpm_power_on();
	return commands;
}

static void our_form_counts_nothing_wherever_the_power_fails(void **state)
{
	static const enum form forms[] = {TUGBOOT, TUGBOOT_RSA, TUGBOOT_OR};
	unsigned points = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct sealing s;
		unsigned commands;

		seal_form(&s, forms[i]);
		commands = unseal_and_cut(&s, forms[i], 0);
		assert_true(commands > 5);
		for (unsigned cut = 1; cut <= commands; cut++)
			for (unsigned n = 0; n < CUTS; n++, points++) {
				(void)unseal_and_cut(&s, forms[i], cut);
				assert_int_equal(failures(), 0);
			}
		(void)unseal_and_cut(&s, forms[i], 0);
	}
	print_message("%u power cuts while unsealing, counter 0\n", points);
}

static void guarded_forms_count_nothing_once_unsealed(void **state)
{
	static const enum form forms[] = {TUGBOOT_PIN, SYSTEMD, SYSTEMD_PIN};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct sealing s;

		seal_form(&s, forms[i]);
		for (unsigned n = 0; n < CUTS; n++) {
			(void)unseal_and_cut(&s, forms[i], 0);
			assert_int_equal(failures(), 0);
		}
	}
}

/* So the tests above can fail: before the last command, TPM2_Shutdown, it is counted. */
static void without_the_shutdown_a_guarded_form_counts(void **state)
{
	struct sealing s;
	unsigned commands;

	(void)state;
	seal_form(&s, SYSTEMD);
	commands = unseal_and_cut(&s, SYSTEMD, 0);
	assert_int_equal(failures(), 0);
	(void)unseal_and_cut(&s, SYSTEMD, commands - 1);
	assert_int_equal(failures(), 1);
}

static void sealing_counts_nothing_wherever_the_power_fails(void **state)
{
	unsigned commands = 1;

	(void)state;
	for (unsigned cut = 1; cut <= commands; cut++)
		for (unsigned n = 0; n < CUTS; n++) {
			{
				_tpm_ struct tpm *tpm = swtpm_open();
				struct sealing s = {.sealed.noda = true};
				int r;

				add_branch_now(tpm, &s, TPM_BANK_SHA256, 1u << 7);
				wire_watch(tpm, n == 0 && cut == 1 ? 0 : cut);
				r = try_seal(tpm, &s, "1234");
				if (cut == 1 && n == 0) {
					assert_int_equal(r, 0);
					commands = wire.answers;
				}
			}
			swtpm_power_cut();
			swtpm_power_on();
			assert_int_equal(failures(), 0);
		}
	assert_true(commands >= 4);
}

static void a_wrong_pin_is_counted_and_locks_out(void **state)
{
	_tpm_ struct tpm *tpm = NULL;
	struct sealing with, without;
	unsigned n = 0;
	bool locked = false;
	int r = 0;

	(void)state;
	seal_form(&with, TUGBOOT_PIN);
	seal_form(&without, TUGBOOT);
	tpm = swtpm_open();
	for (unsigned i = 0; i < 40 && !locked; i++) {
		assert_int_equal(unseal(tpm, &with, NULL, NULL), -EACCES); /* not asked */
		r = unseal(tpm, &with, "4321", NULL);
		assert_true(r == -EACCES || r == -EBUSY);
		assert_int_equal(tpm_lockout(tpm, &n, &locked), 0);
		if (!locked)
			assert_int_equal(n, i + 1);
	}
	assert_true(locked);
	assert_int_equal(unseal(tpm, &with, "1234", NULL), -EBUSY);
	assert_non_null(strstr(tpm_error(tpm), "TPM_RC_LOCKOUT"));
	/* What has no PIN opens all the same. */
	unseals(tpm, &without, NULL);
}

static void provisioning_balena_counts_nothing_wherever_the_power_fails(void **state)
{
	static const uint32_t pcrs = 1u << 0 | 1u << 7;
	unsigned commands = 40;

	(void)state;
	for (unsigned cut = 1; cut <= commands; cut++) {
		_secret_ struct secret secret = text(SECRET), read = {0};
		uint8_t policy[TPM_SHA256_SIZE] = {0};
		struct tpm_pcr_values values;
		struct tpm *tpm = swtpm_open();
		int r;

		assert_int_equal(tpm_pcr_read(tpm, TPM_BANK_SHA256, pcrs, &values), 0);
		assert_int_equal(tpm_policy_pcr(policy, &values), 0);
		wire_watch(tpm, cut);
		(void)tpm_balena_define(tpm, policy, &secret);
		if (wire.answers < cut)
			commands = 0;
		tpm_close(tpm);
		swtpm_power_cut();
		swtpm_power_on();
		assert_int_equal(failures(), 0);
		/* It is all there, or it can be done again. */
		tpm = swtpm_open();
		r = tpm_balena_define(tpm, policy, &secret);
		assert_true(r == 0 || r == -EEXIST);
		assert_int_equal(tpm_balena_read(tpm, TPM_BANK_SHA256, pcrs, NULL, 0, &read, NULL),
				 0);
		assert_memory_equal(read.data, SECRET, strlen(SECRET));
		tpm_close(tpm);
		swtpm_power_cut();
		swtpm_power_on();
		assert_int_equal(failures(), 0);
		must_run("tpm2_nvundefine", "0x1500000");
	}
}

int main(void)
{
#define WITH_TPM(test) cmocka_unit_test_setup_teardown(test, swtpm_setup, swtpm_teardown)
	const struct CMUnitTest tests[] = {
		WITH_TPM(our_form_counts_nothing_wherever_the_power_fails),
		WITH_TPM(guarded_forms_count_nothing_once_unsealed),
		WITH_TPM(without_the_shutdown_a_guarded_form_counts),
		WITH_TPM(sealing_counts_nothing_wherever_the_power_fails),
		WITH_TPM(a_wrong_pin_is_counted_and_locks_out),
		WITH_TPM(provisioning_balena_counts_nothing_wherever_the_power_fails),
	};

	return cmocka_run_group_tests_name("tpm_power", tests, NULL, NULL);
}
