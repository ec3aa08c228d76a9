/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the running system was started, and the words of `tugboot status`: hostos-agents/running.c
 * and status.c. */
#include "running.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "macro.h"
#include "status.h"

static void a_command_line_tells_slot_reason_and_tries(void **state)
{
	struct running r =
		running_parse("console=ttyS0 root=UUID=1-2 tugboot.slot=B "
			      "tugboot.reason=trial tugboot.tries=1/2 rauc.slot=B panic=10\n");

	(void)state;
	assert_true(r.by_tugboot);
	assert_int_equal(r.slot, 'B');
	assert_int_equal(r.reason, SLOT_REASON_TRIAL);
	assert_int_equal(r.used, 1);
	assert_int_equal(r.allowed, 2);
}

static void each_reason_is_known(void **state)
{
	(void)state;
	for (enum slot_reason i = SLOT_REASON_NORMAL; i <= SLOT_REASON_RECOVERY; i++) {
		char line[100];

		(void)snprintf(line, sizeof(line), "tugboot.slot=A tugboot.reason=%s",
			       slot_reason_name(i));
		assert_int_equal(running_parse(line).reason, i);
	}
	assert_int_equal(running_parse("tugboot.slot=recovery").slot, 'R');
}

static void another_loader_s_command_line_is_not_ours(void **state)
{
	static const char *const lines[] = {
		"",
		"root=/dev/sda1 ro quiet",
		"tugboot.reason=trial tugboot.tries=1/2",
		"tugboot.slot",
		"tugboot.slot=",
		"tugboot.slot=C",
		"tugboot.slot=AB",
		"tugboot.slot=a-name-longer-than-any-that-is-known",
		"-- tugboot.slot=A",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct running r = running_parse(lines[i]);

		assert_false(r.by_tugboot);
		assert_int_equal(r.slot, 0);
		assert_int_equal(r.reason, SLOT_REASON_NONE);
	}
}

static void what_a_command_line_garbles_is_left_out(void **state)
{
	static const char *const tries[] = {"",	    "1",    "1/",   "/2",    "1/2/3",	  "-1/2",
					    "1/2x", "x1/2", "1 /2", "100/2", "1/99999999"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		char line[100];
		struct running r;

		(void)snprintf(line, sizeof(line),
			       "tugboot.slot=A tugboot.reason=because tugboot.tries=%s", tries[i]);
		r = running_parse(line);
		assert_int_equal(r.slot, 'A');
		assert_int_equal(r.reason, SLOT_REASON_NONE);
		assert_int_equal(r.used, 0);
		assert_int_equal(r.allowed, 0);
	}
}

static void what_the_policy_notes_of_a_rollback_is_read(void **state)
{
	struct boot_env env = {.root_kind = ENV_ROOT_SLOT,
			       .root_slot = 'B',
			       .trial = true,
			       .count = 2,
			       .limit = 2};
	struct slot_found found = {.slot = {{.present = true}, {.present = true}}};
	struct slot_decision d = slot_decide(&env, &found);
	const char *text = NULL;
	struct rollback r;

	(void)state;
	for (size_t i = 0; i < d.edits.n; i++)
		if (streq(d.edits.edit[i].name, ENV_ROLLBACK))
			text = d.edits.edit[i].value;
	assert_non_null(text);
	assert_true(rollback_parse(text, &r));
	assert_int_equal(r.slot, 'B');
	assert_int_equal(r.cause, SLOT_CAUSE_TRIES);
	assert_int_equal(r.used, 2);
}

static void each_cause_of_a_rollback_is_read(void **state)
{
	(void)state;
	for (enum slot_cause i = SLOT_CAUSE_TRIES; i <= SLOT_CAUSE_READ_ONLY; i++) {
		struct rollback r;
		char text[40];

		(void)snprintf(text, sizeof(text), "A:%s:0", slot_cause_name(i));
		assert_true(rollback_parse(text, &r));
		assert_int_equal(r.slot, 'A');
		assert_int_equal(r.cause, i);
	}
}

static void other_text_is_no_rollback(void **state)
{
	static const char *const texts[] = {
		"",
		"A",
		"A:",
		"A:missing",
		"A:missing:",
		"A:missing:x",
		"A:missing:1 ",
		"C:missing:1",
		"A:because:1",
		"A:none:1",
		"A:missin:1",
		"A:missing:-1",
		"AB:missing:1",
		"A::1",
		"A:missing:1:2",
	};
	struct rollback r = {.slot = 'x'};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_false(rollback_parse(texts[i], &r));
		assert_int_equal(r.slot, 'x');
	}
}

static void every_forecast_has_words(void **state)
{
	char text[SENTENCE_MAX];

	(void)state;
	for (enum slot_reason reason = SLOT_REASON_NONE; reason <= SLOT_REASON_RECOVERY; reason++)
		for (enum slot_cause cause = SLOT_CAUSE_NONE; cause <= SLOT_CAUSE_READ_ONLY;
		     cause++) {
			struct slot_decision d = {.slot = 'A',
						  .reason = reason,
						  .cause = cause,
						  .used = 1,
						  .allowed = 2};
			struct running r = {.by_tugboot = true, .slot = 'A', .reason = reason};

			next_words(&d, 'B', text);
			assert_true(strlen(text) > 0 && strlen(text) < SENTENCE_MAX - 1);
			running_words(&r, text);
			assert_true(strlen(text) > 0 && strlen(text) < SENTENCE_MAX - 1);
		}
}

static void words_name_slot_reason_and_cause(void **state)
{
	static const struct {
		struct slot_decision next;
		char named;
		const char *words;
	} cases[] = {
		{{.slot = 'A', .reason = SLOT_REASON_NORMAL}, 'A', "slot A"},
		{{.slot = 'B', .reason = SLOT_REASON_TRIAL, .used = 2, .allowed = 3},
		 'B',
		 "slot B, on trial: try 2 of 3"},
		{{.slot = 'A', .reason = SLOT_REASON_ROLLBACK, .cause = SLOT_CAUSE_TRIES},
		 'B',
		 "slot A, rolled back; slot B is given up: its tries are used up"},
		{{.slot = 'A', .reason = SLOT_REASON_FALLBACK, .cause = SLOT_CAUSE_MISSING},
		 'B',
		 "slot A, as a fallback for slot B: its partition is not on this disk"},
		{{.slot = 'A', .reason = SLOT_REASON_FALLBACK, .cause = SLOT_CAUSE_TRIES},
		 'A',
		 "slot A, though its tries are used up: it is the only one"},
		{{.slot = 'R', .reason = SLOT_REASON_RECOVERY},
		 'A',
		 "the recovery system: neither slot is on this disk"},
		{{.slot = 0, .reason = SLOT_REASON_NONE},
		 'A',
		 "nothing: neither slot is on this disk"},
	};
	char text[SENTENCE_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		next_words(&cases[i].next, cases[i].named, text);
		assert_string_equal(text, cases[i].words);
	}
	rollback_words(&(struct rollback){'B', SLOT_CAUSE_TRIES, 1}, text);
	assert_string_equal(text, "from slot B after 1 try: its tries are used up");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_line_tells_slot_reason_and_tries),
		cmocka_unit_test(each_reason_is_known),
		cmocka_unit_test(another_loader_s_command_line_is_not_ours),
		cmocka_unit_test(what_a_command_line_garbles_is_left_out),
		cmocka_unit_test(what_the_policy_notes_of_a_rollback_is_read),
		cmocka_unit_test(each_cause_of_a_rollback_is_read),
		cmocka_unit_test(other_text_is_no_rollback),
		cmocka_unit_test(every_forecast_has_words),
		cmocka_unit_test(words_name_slot_reason_and_cause),
	};

	return cmocka_run_group_tests_name("running", tests, NULL, NULL);
}
