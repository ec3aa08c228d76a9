/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config.json and its copy on a real directory: hostos-agents/config/store.c. What a power cut leaves
 * on a disk is in tests/power. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "confirm.h"
#include "fd.h"
#include "file.h"
#include "paths.h"

#define OLD "{\"hostname\":\"old\",\"apiKey\":\"0123456789\"}\n"
#define NEW "{\"hostname\":\"new\"}\n"

static char dir_path[] = "/tmp/test_store.XXXXXX";
static int dir = -1;
static int stop_after = -1; /* so many writes, then the process ends */

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	if (stop_after == 0)
		_exit(99);
	if (stop_after > 0)
		stop_after--;
	return syscall(SYS_pwrite64, fd, data, size, offset);
}

/* Whenever somebody waits, somebody else writes. */
static bool restless;

int nanosleep(const struct timespec *wanted, struct timespec *left)
{
	static unsigned n;
	char digits[9];
	_close_ int fd = restless ? openat(dir, CONFIG_FILE, O_WRONLY | O_CLOEXEC) : -1;

	(void)snprintf(digits, sizeof(digits), "%08u", n++ % 100000000);
	if (fd >= 0)
		(void)!syscall(SYS_pwrite64, fd, digits, 8, 28);
	return (int)syscall(SYS_nanosleep, wanted, left);
}

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir_path, "/tmp/test_store.XXXXXX");
	stop_after = -1;
	if (!mkdtemp(dir_path))
		return -1;
	dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

static int remove_dir(void **state)
{
	(void)state;
	(void)unlinkat(dir, CONFIG_FILE, 0);
	(void)unlinkat(dir, STORE_COPY, 0);
	(void)unlinkat(dir, CONFIRM_FILE, 0);
	(void)unlinkat(dir, "other", 0);
	close(dir);
	return rmdir(dir_path);
}

/* As other programs write: no lock, no fsync. */
static void put_bytes(const char *name, const char *data, size_t size)
{
	_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), (ssize_t)size);
}

static void put_text(const char *data)
{
	put_bytes(CONFIG_FILE, data, strlen(data));
}

static void assert_file(const char *name, const char *expected)
{
	_free_ char *data = NULL;

	assert_int_equal(file_read(dir, name, CONFIG_MAX, &data, NULL), 0);
	assert_string_equal(data, expected);
}

static void assert_reads(const char *expected, bool from_copy)
{
	struct store_text text = STORE_TEXT_NONE;

	assert_int_equal(store_read(dir, &text), 0);
	assert_string_equal(text.data, expected);
	assert_int_equal(text.size, strlen(expected));
	assert_int_equal(text.from_copy, from_copy);
	store_text_done(&text);
}

static void no_file_reads_as_an_empty_object(void **state)
{
	struct store_text text = STORE_TEXT_NONE;

	(void)state;
	assert_int_equal(store_read(dir, &text), 0);
	assert_true(text.missing);
	assert_string_equal(text.data, "{}");
	assert_int_equal(store_keep_copy(dir, &text), 0);
	store_text_done(&text);
	assert_int_equal(faccessat(dir, STORE_COPY, F_OK, 0), -1);
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	assert_int_equal(store_write(dir, NULL, 0, OLD, strlen(OLD)), 0);
	assert_reads(OLD, false);
	assert_int_equal(store_write(dir, OLD, strlen(OLD), NEW, strlen(NEW)), 0);
	assert_reads(NEW, false);
	assert_file(CONFIG_FILE, NEW);
}

static void the_copy_is_for_root_alone(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(store_write(dir, NULL, 0, OLD, strlen(OLD)), 0);
	assert_int_equal(fstatat(dir, STORE_COPY, &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_change_of_somebody_else_is_not_written_over(void **state)
{
	(void)state;
	put_text(OLD);
	assert_int_equal(store_write(dir, "{}", 2, NEW, strlen(NEW)), -ESTALE);
	assert_file(CONFIG_FILE, OLD);
}

static void a_text_that_is_no_object_is_not_written(void **state)
{
	static const char *const texts[] = {"", "[]", "{", "{} {}", "{\"a\":}", "null"};

	(void)state;
	put_text(OLD);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(store_write(dir, NULL, 0, texts[i], strlen(texts[i])), -EINVAL);
	assert_file(CONFIG_FILE, OLD);
}

static void the_same_text_is_not_written_again(void **state)
{
	struct stat before, after;

	(void)state;
	assert_int_equal(store_write(dir, NULL, 0, OLD, strlen(OLD)), 0);
	assert_int_equal(fstatat(dir, CONFIG_FILE, &before, 0), 0);
	stop_after = 0;
	assert_int_equal(store_write(dir, NULL, 0, OLD, strlen(OLD)), 0);
	stop_after = -1;
	assert_int_equal(fstatat(dir, CONFIG_FILE, &after, 0), 0);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
}

/* What others leave when they are cut off in the middle of rewriting it. */
static void a_file_that_is_not_whole_reads_as_the_last_good_one(void **state)
{
	static const char *const broken[] = {"", "{\"hostname\":\"ne", "{}x", "\n"};

	(void)state;
	assert_int_equal(store_write(dir, NULL, 0, OLD, strlen(OLD)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		put_text(broken[i]);
		assert_reads(OLD, true);
	}
	put_bytes(CONFIG_FILE, "{\"a\":1}\0\0\0", 10);
	assert_reads(OLD, true);
	assert_int_equal(unlinkat(dir, CONFIG_FILE, 0), 0);
	assert_reads(OLD, true);
}

static void what_a_cut_left_is_repaired_and_a_typing_error_stays(void **state)
{
	(void)state;
	assert_int_equal(store_write(dir, NULL, 0, OLD, strlen(OLD)), 0);
	assert_int_equal(store_settle(dir), 0);
	put_text("{\"hostname\":\"mine\",}");
	assert_reads(OLD, true);
	assert_int_equal(store_settle(dir), 0);
	assert_file(CONFIG_FILE, "{\"hostname\":\"mine\",}");
	put_text("");
	assert_int_equal(store_settle(dir), 1);
	assert_file(CONFIG_FILE, OLD);
	assert_reads(OLD, false);
}

static void without_a_copy_a_broken_file_is_given_as_it_is(void **state)
{
	struct store_text text = STORE_TEXT_NONE;

	(void)state;
	put_text("{\"hostname\":");
	assert_int_equal(store_read(dir, &text), -EBADMSG);
	assert_string_equal(text.data, "{\"hostname\":");
	store_text_done(&text);
}

static void somebody_else_s_good_text_becomes_the_copy(void **state)
{
	struct store_text text = STORE_TEXT_NONE;

	(void)state;
	assert_int_equal(store_write(dir, NULL, 0, OLD, strlen(OLD)), 0);
	put_text(NEW);
	assert_int_equal(store_read(dir, &text), 0);
	assert_int_equal(store_keep_copy(dir, &text), 0);
	put_text("");
	assert_reads(NEW, true);
	assert_int_equal(store_keep_copy(dir, &text), 0);
	put_text(OLD);
	text.data[2] = 'x';
	assert_int_equal(store_keep_copy(dir, &text), -ESTALE);
	store_text_done(&text);
}

static void a_damaged_copy_is_none(void **state)
{
	struct store_text text = STORE_TEXT_NONE;
	_free_ char *copy = NULL;
	size_t size;

	(void)state;
	assert_int_equal(store_write(dir, NULL, 0, OLD, strlen(OLD)), 0);
	assert_int_equal(file_read(dir, STORE_COPY, CONFIG_MAX, &copy, &size), 0);
	put_text("");
	for (size_t i = 0; i < size; i++) {
		copy[i] ^= 1;
		put_bytes(STORE_COPY, copy, size);
		copy[i] ^= 1;
		/* The boot that wrote it may read as any; the CRC covers it all the same. */
		if (i % 16 == 0) {
			assert_int_equal(store_read(dir, &text), -EBADMSG);
			store_text_done(&text);
		}
	}
	put_bytes(STORE_COPY, copy, size - 1);
	assert_int_equal(store_read(dir, &text), -EBADMSG);
	store_text_done(&text);
	put_bytes(STORE_COPY, copy, size);
	assert_reads(OLD, true);
}

/* A process that is killed after each write: the text that is read is the old or the new one. */
static void a_killed_writer_leaves_the_old_or_the_new_text(void **state)
{
	unsigned news = 0, olds = 0;

	(void)state;
	for (int after = 0; after < 10; after++) {
		struct store_text text = STORE_TEXT_NONE;
		int status;
		pid_t pid;

		(void)unlinkat(dir, STORE_COPY, 0);
		put_text(OLD);
		pid = fork();
		if (pid == 0) {
			stop_after = after;
			_exit(store_write(dir, NULL, 0, NEW, strlen(NEW)) == 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 99);
		assert_int_equal(store_read(dir, &text), 0);
		while (text.size > 1 && text.data[text.size - 1] == ' ')
			text.data[--text.size] = '\0';
		if (streq(text.data, OLD))
			olds++;
		else if (streq(text.data, NEW))
			news++;
		else
			fail_msg("after %d writes: %s", after, text.data);
		if (WEXITSTATUS(status) == 0)
			assert_string_equal(text.data, NEW);
		store_text_done(&text);
		assert_true(store_settle(dir) >= 0);
		assert_int_equal(store_settle(dir), 0);
	}
	assert_true(olds > 0);
	assert_true(news > 1);
}

/* The supervisor's way: a temporary file and a rename, as fast as it can, while we read. */
static void a_reader_sees_whole_texts_while_others_rename(void **state)
{
	pid_t pid;

	(void)state;
	put_text(OLD);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (unsigned i = 0;; i++) {
			put_bytes("other", i % 2 ? OLD : NEW, strlen(i % 2 ? OLD : NEW));
			(void)renameat(dir, "other", dir, CONFIG_FILE);
			(void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
		}
	}
	for (unsigned i = 0; i < 50; i++) {
		struct store_text text = STORE_TEXT_NONE;

		assert_int_equal(store_read(dir, &text), 0);
		assert_true(streq(text.data, OLD) || streq(text.data, NEW));
		assert_false(text.from_copy);
		store_text_done(&text);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void a_text_that_never_stays_the_same_is_not_read(void **state)
{
	struct store_text text = STORE_TEXT_NONE;

	(void)state;
	put_text(OLD);
	restless = true;
	assert_int_equal(store_read(dir, &text), -EAGAIN);
	restless = false;
	assert_int_equal(store_read(dir, &text), 0);
	store_text_done(&text);
}

static void a_link_or_a_directory_in_its_place_is_not_followed(void **state)
{
	struct store_text text = STORE_TEXT_NONE;

	(void)state;
	assert_int_equal(symlinkat("/etc/passwd", dir, CONFIG_FILE), 0);
	assert_int_equal(store_read(dir, &text), -ELOOP);
	assert_int_equal(store_write(dir, NULL, 0, OLD, strlen(OLD)), -ELOOP);
}

/* Two who read, change and write: nothing that one of them was told is done gets lost. */
static void two_writers_lose_nothing(void **state)
{
	char last[2][64];
	pid_t pid[2];

	(void)state;
	assert_int_equal(store_write(dir, NULL, 0, "{\"n\":0}", 7), 0);
	for (int who = 0; who < 2; who++) {
		pid[who] = fork();
		if (pid[who] != 0)
			continue;
		for (int done = 0; done < 20;) {
			struct store_text text = STORE_TEXT_NONE;
			int r = store_read(dir, &text);

			if (r == 0) {
				(void)snprintf(last[who], sizeof(last[who]), "{\"n\":%d}",
					       atoi(text.data + 5) + 1);
				r = store_write(dir, text.data, text.size, last[who],
						strlen(last[who]));
			}
			store_text_done(&text);
			if (r == 0)
				done++;
			else if (r != -ESTALE && r != -EAGAIN)
				_exit(1);
		}
		_exit(0);
	}
	for (int who = 0; who < 2; who++) {
		int status;

		assert_int_equal(waitpid(pid[who], &status, 0), pid[who]);
		assert_int_equal(status, 0);
	}
	assert_file(CONFIG_FILE, "{\"n\":40}");
}

/* --- Trials (config/confirm.c) ---------------------------------------------------------------- */

static int begin(unsigned seconds)
{
	struct store_text text = STORE_TEXT_NONE;
	int r;

	assert_int_equal(store_read(dir, &text), 0);
	r = confirm_begin(dir, &text, seconds);
	store_text_done(&text);
	return r;
}

static void a_trial_keeps_the_text_before_it_until_it_is_confirmed(void **state)
{
	_confirm_ struct confirm confirm = {0};
	struct stat st;

	(void)state;
	assert_int_equal(store_write(dir, NULL, 0, OLD, strlen(OLD)), 0);
	assert_int_equal(confirm_read(dir, &confirm), -ENOENT);
	assert_int_equal(begin(60), 0);
	assert_int_equal(fstatat(dir, CONFIRM_FILE, &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(store_write(dir, NULL, 0, NEW, strlen(NEW)), 0);
	assert_int_equal(begin(60), -EALREADY);
	assert_int_equal(confirm_read(dir, &confirm), 0);
	assert_string_equal(confirm.text, OLD);
	assert_true(confirm.left_ms > 50000 && confirm.left_ms <= 60000);
	assert_int_equal(confirm_end(dir), 0);
	confirm_done(&confirm);
	assert_int_equal(confirm_read(dir, &confirm), -ENOENT);
	assert_file(CONFIG_FILE, NEW);
	assert_int_equal(begin(0), -EINVAL);
	assert_int_equal(begin(CONFIRM_MAX + 1), -EINVAL);
}

static void what_was_on_trial_goes_back(void **state)
{
	_confirm_ struct confirm confirm = {0};

	(void)state;
	assert_int_equal(store_write(dir, NULL, 0, OLD, strlen(OLD)), 0);
	assert_int_equal(begin(1), 0);
	assert_int_equal(store_write(dir, NULL, 0, NEW, strlen(NEW)), 0);
	(void)nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 100000000}, NULL);
	assert_int_equal(confirm_read(dir, &confirm), 0);
	assert_int_equal(confirm.left_ms, 0);
	assert_int_equal(confirm_go_back(dir, &confirm), 0);
	assert_file(CONFIG_FILE, OLD);
	assert_int_equal(faccessat(dir, CONFIRM_FILE, F_OK, 0), -1);
}

static void a_trial_that_is_damaged_is_none(void **state)
{
	_free_ char *data = NULL;
	size_t size;

	(void)state;
	assert_int_equal(store_write(dir, NULL, 0, OLD, strlen(OLD)), 0);
	assert_int_equal(begin(60), 0);
	assert_int_equal(file_read(dir, CONFIRM_FILE, CONFIG_MAX, &data, &size), 0);
	for (size_t i = 0; i < size; i++) {
		struct confirm confirm = {0};

		data[i] ^= 1;
		put_bytes(CONFIRM_FILE, data, size);
		data[i] ^= 1;
		assert_int_equal(confirm_read(dir, &confirm), -ENOENT);
		put_bytes(CONFIRM_FILE, data, i);
		assert_int_equal(confirm_read(dir, &confirm), -ENOENT);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		T(no_file_reads_as_an_empty_object),
		T(what_is_written_is_read),
		T(the_copy_is_for_root_alone),
		T(a_change_of_somebody_else_is_not_written_over),
		T(a_text_that_is_no_object_is_not_written),
		T(the_same_text_is_not_written_again),
		T(a_file_that_is_not_whole_reads_as_the_last_good_one),
		T(what_a_cut_left_is_repaired_and_a_typing_error_stays),
		T(without_a_copy_a_broken_file_is_given_as_it_is),
		T(somebody_else_s_good_text_becomes_the_copy),
		T(a_damaged_copy_is_none),
		T(a_killed_writer_leaves_the_old_or_the_new_text),
		T(a_reader_sees_whole_texts_while_others_rename),
		T(a_text_that_never_stays_the_same_is_not_read),
		T(a_link_or_a_directory_in_its_place_is_not_followed),
		T(two_writers_lose_nothing),
		T(a_trial_keeps_the_text_before_it_until_it_is_confirmed),
		T(what_was_on_trial_goes_back),
		T(a_trial_that_is_damaged_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
