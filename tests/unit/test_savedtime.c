/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The saved time: hostos-agents/time/savedtime.c as text, timestore.c as a file. */
#include "savedtime.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"
#include "timestore.h"

#define BUILD (1788220800LL * 1000)
#define DAY (86400LL * 1000)

static const struct savedtime sample = {BUILD + 5, BUILD + 3, TIME_NONE};

static void what_was_formatted_is_parsed(void **state)
{
	static const struct savedtime samples[] = {
		{0, 0, 0},
		{TIME_NONE, TIME_NONE, TIME_NONE},
		{BUILD, TIME_NONE, BUILD},
		{TIME_LAST_MS, TIME_LAST_MS, TIME_LAST_MS},
	};
	struct savedtime read;
	char text[SAVEDTIME_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		size_t size = savedtime_format(&samples[i], text);

		assert_int_equal(savedtime_parse(exact(text, size), size, &read), 0);
		assert_int_equal(read.time, samples[i].time);
		assert_int_equal(read.proven, samples[i].proven);
		assert_int_equal(read.synced, samples[i].synced);
	}
}

static void a_torn_or_changed_file_is_refused(void **state)
{
	struct savedtime read = sample;
	char text[SAVEDTIME_MAX + 1], changed[SAVEDTIME_MAX];
	size_t size = savedtime_format(&sample, text);

	(void)state;
	for (size_t n = 0; n < size; n++)
		assert_int_equal(savedtime_parse(exact(text, n), n, &read), -EBADMSG);
	for (size_t bit = 0; bit < size * 8; bit++) {
		memcpy(changed, text, size);
		changed[bit / 8] = (char)(changed[bit / 8] ^ (1 << bit % 8));
		assert_int_equal(savedtime_parse(exact(changed, size), size, &read), -EBADMSG);
	}
	text[size] = '\n';
	assert_int_equal(savedtime_parse(exact(text, size + 1), size + 1, &read), -EBADMSG);
	assert_int_equal(savedtime_parse(exact("tomorrow\n", 9), 9, &read), -EBADMSG);
	assert_int_equal(read.time, sample.time); /* untouched */
}

static char dir[] = "/tmp/savedtime.XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char path[64];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/%s", dir, TIMESTORE_NAME);
	(void)unlink(path);
	(void)rmdir(path);
	return rmdir(dir);
}

static void a_file_is_saved_and_loaded(void **state)
{
	struct savedtime saved;

	(void)state;
	assert_int_equal(timestore_load(dir, &saved), -ENOENT);
	assert_int_equal(saved.time, TIME_NONE);
	assert_int_equal(timestore_save(dir, BUILD, BUILD + 1, TIMESTORE_GUESS), 0);
	assert_int_equal(timestore_load(dir, &saved), 0);
	assert_int_equal(saved.time, BUILD + 1);
	assert_int_equal(saved.proven, TIME_NONE);
	assert_int_equal(saved.synced, TIME_NONE);
	assert_int_equal(timestore_save(dir, BUILD, BUILD + 2 * DAY, TIMESTORE_SYNCED), 0);
	assert_int_equal(timestore_save(dir, BUILD, BUILD + DAY, TIMESTORE_PROVEN), 0);
	assert_int_equal(timestore_load(dir, &saved), 0);
	assert_int_equal(saved.time, BUILD + DAY);
	assert_int_equal(saved.proven, BUILD + DAY);
	assert_int_equal(saved.synced, BUILD + DAY);
}

static void times_out_of_bounds_are_not_saved(void **state)
{
	int64_t far = BUILD + TIME_AHEAD_MAX_MS + 1;
	struct savedtime saved;

	(void)state;
	assert_int_equal(timestore_save(dir, BUILD, BUILD - 1, TIMESTORE_GUESS), -ERANGE);
	assert_int_equal(timestore_save(dir, BUILD, far, TIMESTORE_SYNCED), -ERANGE);
	assert_int_equal(timestore_load(dir, &saved), -ENOENT);
	assert_int_equal(timestore_save(dir, BUILD, far, TIMESTORE_PROVEN), 0);
	assert_int_equal(timestore_save(dir, BUILD, far - 1, TIMESTORE_GUESS), -ERANGE);
	assert_int_equal(timestore_save(dir, BUILD, far + DAY, TIMESTORE_SYNCED), 0);
}

static void what_is_there_instead_is_replaced_or_refused(void **state)
{
	struct savedtime saved;
	char path[64];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/%s", dir, TIMESTORE_NAME);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(timestore_load(dir, &saved), -ELOOP);
	assert_int_equal(timestore_save(dir, BUILD, BUILD, TIMESTORE_GUESS), 0);
	assert_int_equal(timestore_load(dir, &saved), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(timestore_load(dir, &saved) < 0);
	assert_int_equal(timestore_save(dir, BUILD, BUILD, TIMESTORE_GUESS), 0);
	assert_int_equal(timestore_load(dir, &saved), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(timestore_load(dir, &saved) < 0);
	assert_true(timestore_save(dir, BUILD, BUILD, TIMESTORE_GUESS) < 0);
}

static void values_are_whole_lines(void **state)
{
	static const char text[] = "a=1\nab=two words\nempty=\nlast=x";
	char buf[16];

	(void)state;
	assert_int_equal(timestore_value(text, "a", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "1");
	assert_int_equal(timestore_value(text, "ab", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "two words");
	assert_int_equal(timestore_value(text, "empty", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
	assert_int_equal(timestore_value(text, "last", buf, sizeof(buf)), 0);
	assert_int_equal(timestore_value(text, "b", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(timestore_value(text, "ab", buf, 9), -EMSGSIZE);
	assert_int_equal(timestore_value("", "a", buf, sizeof(buf)), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_formatted_is_parsed),
		cmocka_unit_test(a_torn_or_changed_file_is_refused),
		cmocka_unit_test_setup_teardown(a_file_is_saved_and_loaded, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(times_out_of_bounds_are_not_saved, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(what_is_there_instead_is_replaced_or_refused,
						make_dir, remove_dir),
		cmocka_unit_test(values_are_whole_lines),
	};

	return cmocka_run_group_tests_name("savedtime", tests, NULL, NULL);
}
