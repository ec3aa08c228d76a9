/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the clock is set to: hostos-agents/time/timepolicy.c, by table and by what has to hold of
 * all. */
#include "timepolicy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "macro.h"

#define DAY (86400LL * 1000)
#define BUILD (1788220800LL * 1000) /* 2026-09-01 */
#define NOW (BUILD + 100 * DAY)
#define Y2099 (4070908800LL * 1000)
#define NONE TIME_NONE

static void boots_go_by_the_table(void **state)
{
	static const struct {
		const char *name;
		int64_t clock, build, proven, synced, saved, rtc;
		int64_t to;
		enum time_reason why, saved_why, rtc_why;
	} rows[] = {
		{"nothing", 0, BUILD, NONE, NONE, NONE, NONE, BUILD, TIME_SET_BUILD,
		 TIME_REFUSED_FLOOR, TIME_REFUSED_FLOOR},
		{"nothing, not even a build", 5, NONE, NONE, NONE, NONE, NONE, 5, TIME_LEFT_GOOD,
		 TIME_REFUSED_FLOOR, TIME_REFUSED_FLOOR},
		{"RTC at 1970", 0, BUILD, NONE, NONE, NONE, 0, BUILD, TIME_SET_BUILD,
		 TIME_REFUSED_FLOOR, TIME_REFUSED_FLOOR},
		{"RTC at 2099", 0, BUILD, NONE, NONE, NONE, Y2099, BUILD, TIME_SET_BUILD,
		 TIME_REFUSED_FLOOR, TIME_REFUSED_CEILING},
		{"kernel took 2099", Y2099, BUILD, NONE, NONE, NOW, Y2099, NOW, TIME_SET_BACK,
		 TIME_LEFT_GOOD, TIME_REFUSED_CEILING},
		{"RTC is good", 0, BUILD, NONE, NONE, NOW, NOW + DAY, NOW + DAY, TIME_SET_RTC,
		 TIME_LEFT_GOOD, TIME_LEFT_GOOD},
		{"kernel took a good RTC", NOW + DAY, BUILD, NONE, NONE, NOW, NOW + DAY, NOW + DAY,
		 TIME_LEFT_GOOD, TIME_LEFT_GOOD, TIME_LEFT_GOOD},
		{"RTC is behind", 0, BUILD, NONE, NONE, NOW, NOW - DAY, NOW, TIME_SET_SAVED,
		 TIME_LEFT_GOOD, TIME_LEFT_GOOD},
		{"RTC is two seconds ahead", NOW, BUILD, NONE, NONE, NOW, NOW + 2000, NOW,
		 TIME_LEFT_GOOD, TIME_LEFT_GOOD, TIME_LEFT_GOOD},
		{"saved 2099", 0, BUILD, NONE, NONE, Y2099, NONE, BUILD, TIME_SET_BUILD,
		 TIME_REFUSED_CEILING, TIME_REFUSED_FLOOR},
		{"saved below proven", 0, BUILD, NOW, NONE, NOW - 1, NONE, NOW, TIME_SET_FLOOR,
		 TIME_REFUSED_FLOOR, TIME_REFUSED_FLOOR},
		{"soft floor", 0, BUILD, NONE, NOW, NOW - DAY, NONE, NOW, TIME_SET_FLOOR,
		 TIME_LEFT_GOOD, TIME_REFUSED_FLOOR},
		{"soft floor 2099", 0, BUILD, NONE, Y2099, NOW, NONE, NOW, TIME_SET_SAVED,
		 TIME_LEFT_GOOD, TIME_REFUSED_FLOOR},
		{"just below the saved time", NOW - 1, BUILD, NONE, NONE, NOW, NONE, NOW,
		 TIME_SET_SAVED, TIME_LEFT_GOOD, TIME_REFUSED_FLOOR},
		{"proven lifts the ceiling", 0, BUILD, Y2099, NONE, NONE, Y2099 + TIME_YEAR_MS,
		 Y2099 + TIME_YEAR_MS, TIME_SET_RTC, TIME_REFUSED_FLOOR, TIME_LEFT_GOOD},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct time_boot boot = {rows[i].clock,
					 {rows[i].build, rows[i].proven, rows[i].synced},
					 rows[i].saved,
					 rows[i].rtc};
		struct time_boot_decision d;

		time_decide_boot(&boot, &d);
		if (d.clock.set != (rows[i].why != TIME_LEFT_GOOD) || d.clock.time != rows[i].to ||
		    d.clock.reason != rows[i].why || d.saved != rows[i].saved_why ||
		    d.rtc != rows[i].rtc_why)
			fail_msg("%s: %s to %lld (%s), saved %s, rtc %s", rows[i].name,
				 d.clock.set ? "set" : "left", (long long)d.clock.time,
				 time_reason_words(d.clock.reason), time_reason_words(d.saved),
				 time_reason_words(d.rtc));
	}
}

static void evidence_is_judged_by_the_table(void **state)
{
	static const struct {
		const char *name;
		int64_t proven, synced, anchor, clock, time;
		enum time_kind kind;
		enum time_reason why;
	} rows[] = {
		{"plain NTP", NONE, NONE, NONE, BUILD, NOW, TIME_KIND_NTP, TIME_SET_EVIDENCE},
		{"good already", NONE, NONE, NONE, NOW - 900, NOW, TIME_KIND_NTP, TIME_LEFT_GOOD},
		{"NTP below the build", NONE, NONE, NONE, NOW, BUILD - 1, TIME_KIND_NTP,
		 TIME_REFUSED_FLOOR},
		{"HTTPS below the build", NONE, NONE, NONE, NOW, BUILD - 1, TIME_KIND_HTTPS,
		 TIME_REFUSED_FLOOR},
		{"NTS below what is proven", NOW, NONE, NONE, NOW, NOW - 1, TIME_KIND_NTS,
		 TIME_REFUSED_FLOOR},
		{"NTP at 2099", NONE, NONE, NONE, NOW, Y2099, TIME_KIND_NTP, TIME_REFUSED_CEILING},
		{"NTS at 2099", NONE, NONE, NONE, NOW, Y2099, TIME_KIND_NTS, TIME_REFUSED_CEILING},
		{"HTTP at 2099", NONE, NONE, NONE, NOW, Y2099, TIME_KIND_HTTP,
		 TIME_REFUSED_CEILING},
		{"HTTPS at 2099", NONE, NONE, NONE, NOW, Y2099, TIME_KIND_HTTPS, TIME_SET_EVIDENCE},
		{"HTTPS at the end of time", NONE, NONE, NONE, NOW, TIME_LAST_MS + 1,
		 TIME_KIND_HTTPS, TIME_REFUSED_CEILING},
		{"NTP below NTP", NONE, NOW, NONE, NOW + DAY, NOW - 1, TIME_KIND_NTP,
		 TIME_REFUSED_SOFT_FLOOR},
		{"NTS below NTP", NONE, NOW, NONE, NOW + DAY, NOW - DAY, TIME_KIND_NTS,
		 TIME_SET_EVIDENCE},
		{"soft floor out of reach", NONE, Y2099, NONE, BUILD, NOW, TIME_KIND_NTP,
		 TIME_SET_EVIDENCE},
		{"NTP off the anchor", NONE, NONE, NOW, NOW, NOW + 3600000, TIME_KIND_NTP,
		 TIME_REFUSED_ANCHOR},
		{"NTP at the anchor", NONE, NONE, NOW, NOW - DAY, NOW + 5000, TIME_KIND_NTP,
		 TIME_SET_EVIDENCE},
		{"anchor above a soft floor", NONE, NOW + DAY, NOW, NOW, NOW - DAY, TIME_KIND_NTP,
		 TIME_REFUSED_ANCHOR},
		{"NTS off the anchor", NONE, NONE, NOW, NOW, NOW + 3600000, TIME_KIND_NTS,
		 TIME_SET_EVIDENCE},
		{"an RTC later on", NONE, NONE, NONE, NOW, NOW + DAY, TIME_KIND_RTC,
		 TIME_REFUSED_UNTRUSTED},
		{"a saved time later on", NONE, NONE, NONE, NOW, NOW + DAY, TIME_KIND_SAVED,
		 TIME_REFUSED_UNTRUSTED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct time_floors floors = {BUILD, rows[i].proven, rows[i].synced};
		struct time_anchor anchor = {rows[i].anchor, 1000};
		struct time_decision d;

		time_judge(&floors, &anchor, rows[i].clock, 1000, rows[i].kind, rows[i].time,
			   TIME_SLACK_STEP_MS, &d);
		if (d.reason != rows[i].why || d.set != (rows[i].why == TIME_SET_EVIDENCE))
			fail_msg("%s: %s", rows[i].name, time_reason_words(d.reason));
	}
}

static void an_anchor_moves_with_time_and_a_poor_crystal(void **state)
{
	struct time_anchor anchor = {NOW, 1000};

	(void)state;
	assert_true(time_agrees(&anchor, 1000 + DAY, NOW + DAY));
	assert_true(time_agrees(&anchor, 1000 + DAY, NOW + DAY + 10000 + 43200));
	assert_false(time_agrees(&anchor, 1000 + DAY, NOW + DAY + 10000 + 43201));
	assert_false(time_agrees(&anchor, 1000 + DAY, NOW));
	assert_true(time_agrees(&anchor, 999, 0)); /* of another boot: says nothing */
	anchor.time = TIME_NONE;
	assert_true(time_agrees(&anchor, 1000, 0));
}

/* Times near all the limits, and some others. */
static int64_t any_time(unsigned *seed)
{
	static const int64_t at[] = {
		0, BUILD, NOW, Y2099, BUILD + TIME_AHEAD_MAX_MS, TIME_LAST_MS, NONE};
	int64_t time = at[(unsigned)rand_r(seed) % ARRAY_SIZE(at)];

	if (time == NONE)
		return NONE;
	time += rand_r(seed) % 3 ? rand_r(seed) % 5 - 2 : (rand_r(seed) % 4000 - 2000) * DAY;
	return time < 0 ? 0 : time;
}

static void whatever_is_found_a_boot_stays_between_floor_and_ceiling(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int i = 0; i < 1000000; i++) {
		struct time_boot boot = {
			any_time(&seed),
			{any_time(&seed), any_time(&seed), any_time(&seed)},
			any_time(&seed),
			any_time(&seed),
		};
		struct time_boot_decision d;

		if (boot.clock == NONE)
			boot.clock = 0;
		time_decide_boot(&boot, &d);
		assert_true(d.clock.time >= time_floor_hard(&boot.floors));
		assert_true(d.clock.time <= time_ceiling(&boot.floors));
		assert_true(d.clock.set || d.clock.time == boot.clock);
		assert_false(d.clock.set && d.clock.time == boot.clock);
		/* The same again changes nothing. */
		boot.clock = d.clock.time;
		time_decide_boot(&boot, &d);
		assert_false(d.clock.set);
	}
}

static void whatever_a_source_says_floors_hold_and_leaps_are_bounded(void **state)
{
	unsigned seed = 2;

	(void)state;
	for (int i = 0; i < 1000000; i++) {
		struct time_floors floors = {any_time(&seed), any_time(&seed), any_time(&seed)};
		struct time_anchor anchor = {any_time(&seed), 5000};
		enum time_kind kind = (enum time_kind)((unsigned)rand_r(&seed) % TIME_KINDS);
		int64_t clock = any_time(&seed), time = any_time(&seed);
		struct time_decision d;

		if (clock == NONE || time == NONE)
			continue;
		time_judge(&floors, &anchor, clock, 5000, kind, time, TIME_SLACK_STEP_MS, &d);
		if (!d.set)
			continue;
		assert_int_equal(d.time, time);
		assert_true(d.time >= time_floor_hard(&floors));
		assert_true(d.time <= TIME_LAST_MS);
		if (kind != TIME_KIND_HTTPS)
			assert_true(d.time <= time_ceiling(&floors));
		if (!time_kind_is_authenticated(kind)) {
			assert_true(time_agrees(&anchor, 5000, d.time));
			assert_true(d.time >= time_floor_soft(&floors) ||
				    time_floor_soft(&floors) > time_ceiling(&floors));
		}
	}
}

static void proof_lifts_the_floor_and_takes_what_ntp_said_down(void **state)
{
	struct time_floors floors = {BUILD, NONE, NONE};

	(void)state;
	time_floors_sync(&floors, NOW + DAY);
	assert_int_equal(time_floor_soft(&floors), NOW + DAY);
	assert_int_equal(time_floor_hard(&floors), BUILD);
	time_floors_sync(&floors, NOW);
	assert_int_equal(time_floor_soft(&floors), NOW + DAY);
	time_floors_sync(&floors, Y2099);
	assert_int_equal(time_floor_soft(&floors), NOW + DAY);
	time_floors_prove(&floors, NOW);
	assert_int_equal(time_floor_soft(&floors), NOW);
	assert_int_equal(time_floor_hard(&floors), NOW);
	time_floors_prove(&floors, NOW - DAY);
	assert_int_equal(time_floor_hard(&floors), NOW);
}

static void every_kind_and_reason_has_words(void **state)
{
	(void)state;
	for (int i = 0; i < TIME_KINDS; i++)
		assert_string_not_equal(time_kind_name((enum time_kind)i), "unknown");
	for (int i = 0; i < TIME_REASONS; i++)
		assert_string_not_equal(time_reason_words((enum time_reason)i), "unknown");
	assert_string_equal(time_kind_name(TIME_KINDS), "unknown");
	assert_string_equal(time_reason_words(TIME_REASONS), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(boots_go_by_the_table),
		cmocka_unit_test(evidence_is_judged_by_the_table),
		cmocka_unit_test(an_anchor_moves_with_time_and_a_poor_crystal),
		cmocka_unit_test(whatever_is_found_a_boot_stays_between_floor_and_ceiling),
		cmocka_unit_test(whatever_a_source_says_floors_hold_and_leaps_are_bounded),
		cmocka_unit_test(proof_lifts_the_floor_and_takes_what_ntp_said_down),
		cmocka_unit_test(every_kind_and_reason_has_words),
	};

	return cmocka_run_group_tests_name("timepolicy", tests, NULL, NULL);
}
