/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When chronyd is polled and restarted, and when HTTPS is tried: hostos-agents/time/watchpolicy.c,
 * with a clock that the test turns. */
#include "watchpolicy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MINUTE 60000u
#define HOUR (60 * MINUTE)

struct count {
	unsigned polls, restarts, looks;
	uint64_t first_poll, first_restart;
};

/* Looks as often as it is told to, for so long. */
static struct count run(struct watch *watch, struct watch_view view, uint64_t *now, uint64_t ms)
{
	struct count count = {0};
	uint64_t start = *now, end = *now + ms;
	unsigned tick;

	for (; *now < end; *now += tick, count.looks++) {
		switch (watch_decide(watch, &view, *now, &tick)) {
		case WATCH_POLL:
			if (!count.polls++)
				count.first_poll = *now - start;
			break;
		case WATCH_RESTART:
			if (!count.restarts++)
				count.first_restart = *now - start;
			break;
		default:
			break;
		}
		assert_in_range(tick, 1, WATCH_TICK_SYNCED_MS);
	}
	return count;
}

static void a_forced_poll_comes_first_and_a_restart_after_minutes(void **state)
{
	struct watch watch = {0};
	uint64_t now = 1000;
	struct count count =
		run(&watch, (struct watch_view){true, false, false, 2}, &now, 10 * MINUTE);

	(void)state;
	assert_int_equal(count.first_poll, 0);
	assert_in_range(count.polls, 30, 40);
	assert_in_range(count.first_restart, WATCH_RESTART_MS, WATCH_RESTART_MS + MINUTE);
	assert_in_range(count.restarts, 1, 2);
}

static void pauses_grow_in_a_long_outage(void **state)
{
	struct watch watch = {0};
	uint64_t now = 1000;
	struct watch_view view = {true, false, false, 2};
	struct count day, second;

	(void)state;
	day = run(&watch, view, &now, 24 * HOUR);
	second = run(&watch, view, &now, 24 * HOUR);
	assert_in_range(day.restarts, 10, 20);
	assert_in_range(second.restarts, 10, 13);
	assert_in_range(second.polls, 80, 100);
	assert_true(second.looks <= 24 * HOUR / WATCH_TICK_LONG_MS);
}

static void nothing_is_done_while_all_is_well(void **state)
{
	struct watch watch = {0};
	uint64_t now = 1000;
	struct count count = run(&watch, (struct watch_view){true, false, true, 2}, &now, HOUR);

	(void)state;
	assert_int_equal(count.polls + count.restarts, 0);
	assert_int_equal(count.looks, HOUR / WATCH_TICK_SYNCED_MS);
}

static void without_sources_nothing_is_done(void **state)
{
	struct watch watch = {0};
	uint64_t now = 1000;
	struct count count = run(&watch, (struct watch_view){true, false, false, 0}, &now, HOUR);

	(void)state;
	assert_int_equal(count.polls + count.restarts, 0);
}

static void a_chronyd_that_is_silent_is_restarted_soon_and_then_seldom(void **state)
{
	struct watch watch = {0};
	uint64_t now = 1000;
	struct count count = run(&watch, (struct watch_view){0}, &now, HOUR);

	(void)state;
	assert_int_equal(count.polls, 0);
	assert_in_range(count.first_restart, WATCH_SILENT_MS, WATCH_SILENT_MS + 2000);
	assert_in_range(count.restarts, 4, 10);
}

static void news_end_the_pauses(void **state)
{
	struct watch watch = {0};
	uint64_t now = 1000;
	struct watch_view view = {true, false, false, 1};
	struct count count;

	(void)state;
	(void)run(&watch, view, &now, 12 * HOUR);
	watch_news(&watch, now);
	count = run(&watch, view, &now, 5 * MINUTE);
	assert_int_equal(count.first_poll, 0);
	assert_in_range(count.polls, 10, 24);
	assert_int_equal(count.restarts, 1);
}

static void after_news_polls_wait_for_the_burst_before_only(void **state)
{
	struct watch watch = {0};
	uint64_t now = 1000;
	struct watch_view idle = {true, false, false, 1}, busy = {true, true, false, 1};

	(void)state;
	(void)run(&watch, idle, &now, MINUTE);
	watch_news(&watch, now);
	assert_int_equal(run(&watch, busy, &now, 16000).polls, 1);
	assert_int_equal(run(&watch, idle, &now, 8000).polls, WATCH_HURRY - 1);
	assert_int_equal(run(&watch, idle, &now, 11000).polls, 0);
}

static void a_lost_source_starts_anew(void **state)
{
	struct watch watch = {0};
	uint64_t now = 1000;

	(void)state;
	(void)run(&watch, (struct watch_view){true, false, false, 1}, &now, 12 * HOUR);
	(void)run(&watch, (struct watch_view){true, false, true, 1}, &now, MINUTE);
	assert_int_equal(
		run(&watch, (struct watch_view){true, false, false, 1}, &now, MINUTE).restarts, 0);
}

/* Attempts that all fail after a second. */
static unsigned fail_for(struct https_watch *https, bool synced, uint64_t *now, uint64_t ms)
{
	unsigned attempts = 0;

	for (uint64_t end = *now + ms; *now < end; *now += 1000)
		if (https_decide(https, *now)) {
			attempts++;
			https_ended(https, false, synced, *now + 1000);
		}
	return attempts;
}

static void https_is_tried_every_16_seconds_at_first_and_hourly_later(void **state)
{
	struct https_watch https = {0};
	uint64_t now = 1000;

	(void)state;
	assert_in_range(fail_for(&https, false, &now, MINUTE), 5, 7);
	assert_in_range(fail_for(&https, false, &now, 29 * MINUTE), 90, 110);
	assert_in_range(fail_for(&https, false, &now, 4 * HOUR), 4, 12);
	https_news(&https, now);
	assert_in_range(fail_for(&https, false, &now, MINUTE), 5, 7);
}

static void under_ntp_https_is_in_no_hurry(void **state)
{
	struct https_watch https = {0};
	uint64_t now = 1000;

	(void)state;
	assert_in_range(fail_for(&https, true, &now, 2 * HOUR), 8, 13);
}

static void https_is_done_once_it_has_succeeded(void **state)
{
	struct https_watch https = {0};

	(void)state;
	assert_true(https_decide(&https, 1000));
	assert_false(https_decide(&https, 2000)); /* it is under way */
	https_ended(&https, true, false, 3000);
	https_news(&https, 4000);
	assert_false(https_decide(&https, 5000));
	assert_int_equal(https_tick(&https, 5000), WATCH_TICK_SYNCED_MS);
}

static void an_attempt_that_says_nothing_has_failed(void **state)
{
	struct https_watch https = {0};

	(void)state;
	assert_true(https_decide(&https, 1000));
	assert_false(https_decide(&https, 1000 + HTTPS_RUN_MAX_MS));
	assert_true(https_decide(&https, 1000 + HTTPS_RUN_MAX_MS + HTTPS_PAUSE_MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forced_poll_comes_first_and_a_restart_after_minutes),
		cmocka_unit_test(pauses_grow_in_a_long_outage),
		cmocka_unit_test(nothing_is_done_while_all_is_well),
		cmocka_unit_test(without_sources_nothing_is_done),
		cmocka_unit_test(a_chronyd_that_is_silent_is_restarted_soon_and_then_seldom),
		cmocka_unit_test(news_end_the_pauses),
		cmocka_unit_test(after_news_polls_wait_for_the_burst_before_only),
		cmocka_unit_test(a_lost_source_starts_anew),
		cmocka_unit_test(https_is_tried_every_16_seconds_at_first_and_hourly_later),
		cmocka_unit_test(under_ntp_https_is_in_no_hurry),
		cmocka_unit_test(https_is_done_once_it_has_succeeded),
		cmocka_unit_test(an_attempt_that_says_nothing_has_failed),
	};

	return cmocka_run_group_tests_name("watchpolicy", tests, NULL, NULL);
}
