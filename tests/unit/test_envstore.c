/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The store of the boot environment on real directories: lib/sys/envstore.c and file.c. */
#include "envstore.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fd.h"
#include "file.h"
#include "grubenv.h"
#include "slot.h"
#include "ubootenv.h"

#define SIG GRUBENV_SIGNATURE

/* What file.c does to a file, in order, seen between it and the kernel: "w512@0 s t1024 s". */
static char calls[200];
static bool disk_lies;	    /* stores something else than what it was given */
static int stop_after = -1; /* so many writes, then the process ends */

_printf_(1, 2) static void note(const char *fmt, ...)
{
	size_t n = strlen(calls);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(calls + n, sizeof(calls) - n, fmt, ap);
	va_end(ap);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	char lie[16 * 1024];

	if (stop_after == 0)
		_exit(99);
	if (stop_after > 0)
		stop_after--;
	note("w%zu@%ld ", size, (long)offset);
	if (!disk_lies)
		return syscall(SYS_pwrite64, fd, data, size, offset);
	memcpy(lie, data, MIN(size, sizeof(lie)));
	lie[size / 2] ^= 1;
	return syscall(SYS_pwrite64, fd, lie, MIN(size, sizeof(lie)), offset);
}

int fsync(int fd)
{
	note("s ");
	return (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t size)
{
	note("t%ld ", (long)size);
	return (int)syscall(SYS_ftruncate, fd, size);
}

/* The boot partition of each test: an empty directory that the test is in. */
static char dir_path[] = "/tmp/test_envstore.XXXXXX";
static int dir = -1;
static struct envstore store;

static int make_dir(void **state)
{
	(void)state;
	strcpy(strrchr(dir_path, '.'), ".XXXXXX");
	if (!mkdtemp(dir_path))
		return -1;
	dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	store = ENVSTORE_NONE;
	disk_lies = false;
	return dir < 0 ? -1 : 0;
}

static void remove_files(void)
{
	static const char *const names[] = {"bootenv",	     "grubenv",		 "other",
					    "tugboot.env",   "resinOS_uEnv.txt", "extra_uEnv.txt",
					    "bootcount.env", "uboot.env",	 "uboot-redund.env",
					    "fw_env.config"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (unlinkat(dir, names[i], 0) < 0 && errno == EISDIR)
			(void)unlinkat(dir, names[i], AT_REMOVEDIR);
}

static int remove_dir(void **state)
{
	(void)state;
	envstore_done(&store);
	remove_files();
	close(dir);
	/* Fails when the store left something else behind. */
	return rmdir(dir_path);
}

static void write_file(const char *name, const char *data, size_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
}

/* A file of these lines, padded to size when that is more. */
static void given(const char *name, const char *lines, size_t size)
{
	char data[64 * 1024];
	size_t n = strlen(lines);

	memset(data, '#', sizeof(data));
	memcpy(data, lines, n);
	write_file(name, data, MAX(n, size));
}

static void expect_file(const char *name, const char *lines)
{
	_free_ char *data = NULL;
	char expected[GRUBENV_SIZE];
	size_t size;

	memset(expected, '#', sizeof(expected));
	memcpy(expected, lines, strlen(lines));
	assert_int_equal(file_read(dir, name, 1 << 20, &data, &size), 0);
	assert_int_equal(size, sizeof(expected));
	assert_memory_equal(data, expected, sizeof(expected));
}

static bool exists(const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void expect_read(const char *name, const char *value)
{
	char buf[256];

	assert_int_equal(envstore_get(&store, name, buf, sizeof(buf)), strlen(value));
	assert_string_equal(buf, value);
}

static void expect_absent(const char *name)
{
	char buf[256];

	assert_int_equal(envstore_get(&store, name, buf, sizeof(buf)), -ENOENT);
}

static int set(const char *name, const char *value)
{
	return envstore_change(&store, &(struct env_change){name, value}, 1);
}

static void the_file_is_bootenv_before_grubenv(void **state)
{
	(void)state;
	given("grubenv", SIG "a=grub\n", GRUBENV_SIZE);
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_string_equal(store.name, "grubenv");
	assert_null(store.problem);
	expect_read("a", "grub");
	assert_int_equal(set("a", "2"), 0);
	expect_file("grubenv", SIG "a=2\n");
	assert_false(exists("bootenv"));
	envstore_done(&store);

	given("bootenv", SIG "a=boot\n", GRUBENV_SIZE);
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_string_equal(store.name, "bootenv");
	expect_read("a", "boot");
	assert_int_equal(set("a", "3"), 0);
	expect_file("bootenv", SIG "a=3\n");
	expect_file("grubenv", SIG "a=2\n");
}

static void a_missing_environment_is_made_by_the_first_write(void **state)
{
	(void)state;
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_string_equal(store.name, "bootenv");
	assert_string_equal(store.problem, "missing");
	expect_absent("a");
	assert_int_equal(set("a", NULL), 0);
	assert_false(exists("bootenv"));
	assert_int_equal(set("a", "1"), 0);
	expect_file("bootenv", SIG "a=1\n");
	assert_null(store.problem);
	expect_read("a", "1");
}

static void a_damaged_environment_is_read_and_then_repaired(void **state)
{
	static const struct {
		const char *lines;
		size_t size;
		const char *problem, *value;
	} cases[] = {
		{SIG "a=1\n", 1023, "shorter than 1024 bytes", "1"},
		{SIG "a=1\n", 1025, "longer than 1024 bytes", "1"},
		{SIG "a=1 \n", 100, "shorter than 1024 bytes", "1 "},
		{SIG "a=1\n", 0, "shorter than 1024 bytes", "1"},
		{SIG "a=1\n", 40000, "longer than 1024 bytes", "1"},
		{"", 0, "empty", NULL},
		{"", 1024, "no GRUB signature", NULL},
		{"a=1\n", 1024, "no GRUB signature", "1"},
		{SIG "a=1\ncut=off", 1024, "last line has no end", "1"},
		{SIG "a=1\ncut=off\\\n", 1024, "last line has no end", "1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char fixed[64];

		(void)unlinkat(dir, "tugboot.env", 0);
		given("bootenv", cases[i].lines, cases[i].size);
		assert_int_equal(envstore_open(dir, &store), 0);
		assert_string_equal(store.problem, cases[i].problem);
		if (cases[i].value)
			expect_read("a", cases[i].value);
		else
			expect_absent("a");
		assert_int_equal(set("b", "2"), 0);
		assert_null(store.problem);
		(void)snprintf(fixed, sizeof(fixed),
			       cases[i].value ? SIG "a=%s\nb=2\n" : SIG "b=2\n", cases[i].value);
		expect_file("bootenv", fixed);
		envstore_done(&store);
	}
}

static void what_follows_a_good_block_does_not_count(void **state)
{
	char data[2 * GRUBENV_SIZE];
	const char old[] = "\na=old\n";

	(void)state;
	memset(data, '#', sizeof(data));
	memcpy(data, SIG "a=new\n", strlen(SIG "a=new\n"));
	memcpy(data + GRUBENV_SIZE, old, strlen(old));
	write_file("bootenv", data, sizeof(data));
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_string_equal(store.problem, "longer than 1024 bytes");
	expect_read("a", "new");
	/* Nothing in the first 1024 bytes changes; the end goes all the same. */
	assert_int_equal(set("a", "new"), 0);
	expect_file("bootenv", SIG "a=new\n");
}

static void all_edits_of_a_decision_are_one_write(void **state)
{
	struct env_edits edits = {0};

	(void)state;
	given("bootenv", SIG "resin_root_part=B\nupgrade_available=1\nx=1\n", GRUBENV_SIZE);
	assert_int_equal(envstore_open(dir, &store), 0);
	env_edits_set(&edits, ENV_ROOT, "%c", 'A');
	env_edits_set(&edits, ENV_TRIAL, "0");
	env_edits_unset(&edits, "x");
	env_edits_set(&edits, ENV_COUNT, "%u", 0u);
	assert_int_equal(envstore_apply(&store, &edits), 0);
	expect_file("bootenv", SIG "resin_root_part=A\nupgrade_available=0\nbootcount=0\n");

	/* One that fails takes the others with it. */
	env_edits_set(&edits, "#", "no name");
	env_edits_set(&edits, ENV_ROOT, "C");
	assert_int_equal(envstore_apply(&store, &edits), -EINVAL);
	expect_read(ENV_ROOT, "A");
	expect_file("bootenv", SIG "resin_root_part=A\nupgrade_available=0\nbootcount=0\n");
}

static struct timespec written_at(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dir, name, &st, 0), 0);
	return st.st_mtim;
}

static void what_changes_nothing_is_not_written(void **state)
{
	static const struct timespec times[2] = {{1000, 0}, {1000, 0}};
	struct env_edits none = {0};

	(void)state;
	given("bootenv", SIG "a=1\n", GRUBENV_SIZE);
	assert_int_equal(utimensat(dir, "bootenv", times, 0), 0);
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_int_equal(set("a", "1"), 0);
	assert_int_equal(set("b", NULL), 0);
	assert_int_equal(envstore_apply(&store, &none), 0);
	assert_int_equal(written_at("bootenv").tv_sec, 1000);
	assert_int_equal(set("a", "2"), 0);
	assert_int_not_equal(written_at("bootenv").tv_sec, 1000);
}

static void a_full_environment_refuses_and_stays(void **state)
{
	char lines[GRUBENV_SIZE + 1] = SIG "a=1\nb=", before[GRUBENV_SIZE + 1];

	(void)state;
	memset(lines + strlen(lines), 'x', sizeof(lines) - strlen(lines) - 1);
	lines[GRUBENV_SIZE - 1] = '\n';
	lines[GRUBENV_SIZE] = '\0';
	strcpy(before, lines);
	given("bootenv", lines, 0);
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_null(store.problem);
	assert_int_equal(set("c", ""), -ENOSPC);
	expect_absent("c");
	expect_file("bootenv", before);
	assert_int_equal(set("a", "2"), 0);
	expect_read("a", "2");
}

static void garbage_makes_room_for_a_decision(void **state)
{
	char lines[2 * GRUBENV_SIZE] = "resin_root_part=A\nbootcount=1\nsmall=1\n";
	const struct boot_env none = {0};
	const struct slot_found found = {0};
	struct env_edits edits = slot_edits_try(&none, &found, 'B');
	size_t n = strlen(lines);

	(void)state;
	/* Fills what is left of a repaired block to the last byte. */
	n += (size_t)snprintf(lines + n, sizeof(lines) - n, "garbage=");
	memset(lines + n, 'x', GRUBENV_SIZE - strlen(SIG) - n - 1);
	n = GRUBENV_SIZE - strlen(SIG) - 1;
	strcpy(lines + n, "\n");
	given("bootenv", lines, 0);
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_int_equal(envstore_apply(&store, &edits), 0);
	expect_read(ENV_ROOT, "B");
	expect_read(ENV_TRIAL, "1");
	expect_read("small", "1");
	expect_absent("garbage");
}

static void variables_are_walked_and_cut_to_fit(void **state)
{
	char name[4], value[4];
	size_t pos = 0;

	(void)state;
	given("bootenv", SIG "a=1\nlonger=12345\nc=\\\\\\\n\n", GRUBENV_SIZE);
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_true(envstore_next(&store, &pos, name, sizeof(name), value, sizeof(value)));
	assert_string_equal(name, "a");
	assert_string_equal(value, "1");
	assert_true(envstore_next(&store, &pos, name, sizeof(name), value, sizeof(value)));
	assert_string_equal(name, "lon");
	assert_string_equal(value, "123");
	assert_true(envstore_next(&store, &pos, name, sizeof(name), value, sizeof(value)));
	assert_string_equal(name, "c");
	assert_string_equal(value, "\\\n");
	assert_false(envstore_next(&store, &pos, name, sizeof(name), value, sizeof(value)));
}

static void a_symbolic_link_is_not_followed(void **state)
{
	(void)state;
	given("other", SIG "a=1\n", GRUBENV_SIZE);
	assert_int_equal(symlinkat("other", dir, "bootenv"), 0);
	assert_int_equal(envstore_open(dir, &store), -ELOOP);
	assert_string_equal(store.problem, "is a symbolic link");
	expect_absent("a");
	assert_int_equal(set("a", "2"), -ELOOP);
	expect_file("other", SIG "a=1\n");
	unlinkat(dir, "bootenv", 0);
	/* Nor one that leads nowhere. */
	assert_int_equal(symlinkat("nowhere", dir, "bootenv"), 0);
	assert_int_equal(set("a", "2"), -ELOOP);
	assert_false(exists("nowhere"));
}

static void a_directory_in_its_place_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(dir, "bootenv", 0755), 0);
	given("grubenv", SIG "a=1\n", GRUBENV_SIZE);
	assert_int_equal(envstore_open(dir, &store), -EISDIR);
	expect_absent("a");
	assert_int_equal(set("a", "2"), -EISDIR);
	expect_file("grubenv", SIG "a=1\n");
}

static void a_fifo_in_its_place_is_refused_at_once(void **state)
{
	(void)state;
	assert_int_equal(mkfifoat(dir, "bootenv", 0644), 0);
	alarm(5); /* ends the test when the FIFO is waited for */
	assert_int_equal(envstore_open(dir, &store), -ENOTSUP);
	assert_int_equal(set("a", "2"), -ENOTSUP);
	alarm(0);
}

static void a_store_without_directory_reads_nothing(void **state)
{
	(void)state;
	assert_true(envstore_open(-1, &store) < 0);
	expect_absent("a");
	assert_true(set("a", "1") < 0);
}

/* In a child with its own mounts: the directory is mounted on itself, read-only. */
static void a_read_only_filesystem_says_so_and_the_store_stays(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	given("bootenv", SIG "a=1\n", GRUBENV_SIZE);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char buf[8];
		int fd;

		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount(dir_path, dir_path, NULL, MS_BIND, NULL) < 0 ||
		    mount(NULL, dir_path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
			_exit(77);
		fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (envstore_open(fd, &store) < 0)
			_exit(1);
		if (set("a", "1") != 0) /* nothing to write */
			_exit(2);
		if (set("a", "2") != -EROFS)
			_exit(3);
		if (envstore_get(&store, "a", buf, sizeof(buf)) != 1 || buf[0] != '1')
			_exit(4);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: no right to mount here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	expect_file("bootenv", SIG "a=1\n");
}

static void a_write_keeps_what_another_writer_stored(void **state)
{
	(void)state;
	given("bootenv", SIG "a=1\n", GRUBENV_SIZE);
	assert_int_equal(envstore_open(dir, &store), 0);
	given("bootenv", SIG "a=1\nb=theirs\n", GRUBENV_SIZE);
	assert_int_equal(set("a", "2"), 0);
	expect_file("bootenv", SIG "a=2\nb=theirs\n");
	expect_read("b", "theirs");
}

static void a_lock_keeps_other_writers_out(void **state)
{
	_close_ int other = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	given("bootenv", SIG "a=1\n", GRUBENV_SIZE);
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(flock(other, LOCK_UN), 0);

	given("bootenv", SIG "a=2\n", GRUBENV_SIZE);
	assert_int_equal(envstore_lock(&store), 0);
	expect_read("a", "2"); /* read anew */
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(envstore_lock(&store), 0);
	assert_int_equal(set("a", "3"), 0);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1);
	envstore_done(&store);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
}

/* Writers at the same time, each adding to its own counter and to nobody else's. */
static void concurrent_writers_lose_nothing(void **state)
{
	enum { WRITERS = 4, ROUNDS = 25 };

	(void)state;
	for (int w = 0; w < WRITERS; w++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid > 0)
			continue;
		for (int i = 1; i <= ROUNDS; i++) {
			struct envstore mine;
			char name[16], value[16];
			int fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			(void)snprintf(name, sizeof(name), "w%d", w);
			(void)snprintf(value, sizeof(value), "%d", i);
			if (envstore_open(fd, &mine) < 0 ||
			    envstore_change(&mine, &(struct env_change){name, value}, 1) < 0)
				_exit(1);
			envstore_done(&mine);
			close(fd);
		}
		_exit(0);
	}
	for (int w = 0; w < WRITERS; w++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_null(store.problem);
	for (int w = 0; w < WRITERS; w++)
		expect_read((char[]){'w', (char)('0' + w), '\0'}, "25");
}

static void a_disk_that_keeps_something_else_is_found_out(void **state)
{
	(void)state;
	given("bootenv", SIG "a=1\n", GRUBENV_SIZE);
	assert_int_equal(envstore_open(dir, &store), 0);
	disk_lies = true;
	assert_int_equal(set("a", "2"), -EIO);
	expect_read("a", "1");
	disk_lies = false;
	assert_int_equal(set("a", "2"), 0);
	expect_file("bootenv", SIG "a=2\n");
}

/* ---- the copy ---- */

/* A front that Tugboot has written, with its copy beside it. */
static void given_both(void)
{
	given("bootenv", SIG "a=0\nmine=kept\n", GRUBENV_SIZE);
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_int_equal(set("a", "1"), 0);
	assert_true(exists("tugboot.env"));
	envstore_done(&store);
}

static void expect_after_opening(const char *a, const char *problem)
{
	assert_int_equal(envstore_open(dir, &store), 0);
	if (a)
		expect_read("a", a);
	else
		expect_absent("a");
	if (problem)
		assert_string_equal(store.problem, problem);
	else
		assert_null(store.problem);
}

static void what_another_program_writes_counts(void **state)
{
	(void)state;
	given_both();
	given("bootenv", SIG "a=theirs\nmine=kept\n", GRUBENV_SIZE);
	expect_after_opening("theirs", NULL);
	assert_int_equal(set("b", "2"), 0);
	expect_file("bootenv", SIG "a=theirs\nmine=kept\nb=2\n");
}

static void what_another_program_broke_comes_from_the_copy(void **state)
{
	static const struct {
		const char *text;
		size_t size;
	} broken[] = {{"", 0}, {"", 1024}, {SIG "a=to", 1024}, {SIG "a=torn\n", 512}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		given_both();
		given("bootenv", broken[i].text, broken[i].size);
		expect_after_opening("1", "damaged, Tugboot's copy counts");
		expect_read("mine", "kept");
		expect_absent("tugboot_copy");
		assert_true(envstore_is_unsettled(&store));
		if (i % 2)
			assert_int_equal(envstore_settle(&store), 0);
		else
			assert_int_equal(set("b", "2"), 0);
		assert_null(store.problem);
		assert_false(envstore_is_unsettled(&store));
		expect_file("bootenv",
			    i % 2 ? SIG "a=1\nmine=kept\n" : SIG "a=1\nmine=kept\nb=2\n");
		envstore_done(&store);
		(void)unlinkat(dir, "tugboot.env", 0);
	}
}

static void a_front_that_is_gone_comes_from_the_copy(void **state)
{
	(void)state;
	given_both();
	assert_int_equal(unlinkat(dir, "bootenv", 0), 0);
	expect_after_opening("1", "missing, Tugboot's copy counts");
	assert_int_equal(envstore_settle(&store), 0);
	expect_file("bootenv", SIG "a=1\nmine=kept\n");
}

static void the_copy_of_what_another_program_wrote_is_refreshed(void **state)
{
	(void)state;
	given_both();
	given("bootenv", SIG "a=theirs\n", GRUBENV_SIZE);
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_int_equal(envstore_refresh(&store), 0);
	calls[0] = '\0';
	assert_int_equal(envstore_refresh(&store), 0);
	assert_string_equal(calls, "");
	envstore_done(&store);
	given("bootenv", "", 0);
	expect_after_opening("theirs", "damaged, Tugboot's copy counts");
	expect_absent("mine");
	envstore_done(&store);
	/* One that never had a copy. */
	(void)unlinkat(dir, "tugboot.env", 0);
	given("bootenv", SIG "a=1\n", GRUBENV_SIZE);
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_int_equal(envstore_refresh(&store), 0);
	expect_file("bootenv", SIG "a=1\n");
	envstore_done(&store);
	given("bootenv", "", 0);
	expect_after_opening("1", "damaged, Tugboot's copy counts");
}

static void a_damaged_copy_does_not_count(void **state)
{
	_free_ char *data = NULL;
	size_t size;

	(void)state;
	given_both();
	assert_int_equal(file_read(dir, "tugboot.env", 1 << 16, &data, &size), 0);
	for (size_t i = 0; i < size; i += 111) {
		data[i] ^= 1;
		write_file("tugboot.env", data, size);
		expect_after_opening("1", NULL);
		assert_int_equal(store.copy_state, ENV_COPY_NONE);
		envstore_done(&store);
		data[i] ^= 1;
	}
}

static void every_stop_between_two_writes_leaves_all_or_nothing(void **state)
{
	bool done = false;

	(void)state;
	for (int stop = 0; !done; stop++) {
		char buf[8];
		pid_t pid;
		int status;

		(void)unlinkat(dir, "tugboot.env", 0);
		given_both();
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			stop_after = stop;
			if (envstore_open(dir, &store) < 0 ||
			    envstore_change(&store,
					    (const struct env_change[]){{"a", "2"}, {"b", "2"}},
					    2) < 0)
				_exit(1);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
		assert_true(done || (WIFEXITED(status) && WEXITSTATUS(status) == 99));
		assert_int_equal(envstore_open(dir, &store), 0);
		expect_read("mine", "kept");
		if (envstore_get(&store, "b", buf, sizeof(buf)) < 0) {
			assert_false(done);
			expect_read("a", "1");
		} else {
			expect_read("a", "2");
			expect_read("b", "2");
		}
		assert_int_equal(envstore_settle(&store), 0);
		assert_int_equal(set("c", "3"), 0);
		expect_read("mine", "kept");
		envstore_done(&store);
		assert_true(stop < 20);
	}
}

static void a_write_that_was_cut_is_completed_before_another_program_writes(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	given_both();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		stop_after = 1; /* the copy is pending, the front as it was */
		if (envstore_open(dir, &store) == 0)
			(void)set("a", "2");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 99);
	expect_file("bootenv", SIG "a=1\nmine=kept\n");
	expect_after_opening("2", "a write was cut, Tugboot's copy counts");
	assert_int_equal(envstore_settle(&store), 0);
	expect_file("bootenv", SIG "a=2\nmine=kept\n");
	envstore_done(&store);
	given("bootenv", SIG "a=theirs\n", GRUBENV_SIZE);
	expect_after_opening("theirs", NULL);
}

static void a_change_is_three_small_writes_and_a_settled_store_none(void **state)
{
	(void)state;
	given_both();
	assert_int_equal(envstore_open(dir, &store), 0);
	calls[0] = '\0';
	assert_int_equal(set("a", "2"), 0);
	assert_string_equal(calls, "w512@0 s w512@0 s w512@0 s ");
	calls[0] = '\0';
	assert_int_equal(set("a", "2"), 0);
	assert_int_equal(envstore_settle(&store), 0);
	assert_string_equal(calls, "");
}

/* ---- the other kinds ---- */

static void u_boots_text_files_keep_their_form(void **state)
{
	struct boot_env env;
	_free_ char *counter = NULL, *extra = NULL, *text = NULL;
	size_t size;

	(void)state;
	write_file("resinOS_uEnv.txt", "resin_root_part=2\nupgrade_available=0\n", 38);
	write_file("extra_uEnv.txt", "extra_os_cmdline=a b\n", 21);
	write_file("bootcount.env", "bootcount=a\n", 13); /* with its NUL */
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_string_equal(envstore_kind(&store), "uboot-text");
	assert_null(store.problem);
	expect_read("bootcount", "10");
	expect_read("extra_os_cmdline", "a b");
	envstore_decode(&store, &env);
	assert_true(env.root_by_index);
	assert_int_equal(envstore_change(&store,
					 (const struct env_change[]){{"resin_root_part", "3"},
								     {"upgrade_available", "1"},
								     {"bootcount", "11"},
								     {"mine", "x"}},
					 4),
			 0);
	assert_int_equal(file_read(dir, "resinOS_uEnv.txt", 4096, &text, NULL), 0);
	assert_string_equal(text, "resin_root_part=3\nupgrade_available=1\n");
	assert_int_equal(file_read(dir, "extra_uEnv.txt", 4096, &extra, NULL), 0);
	assert_string_equal(extra, "extra_os_cmdline=a b\nmine=x\n");
	assert_int_equal(file_read(dir, "bootcount.env", 4096, &counter, &size), 0);
	assert_int_equal(size, 13);
	assert_memory_equal(counter, "bootcount=b\n", 13);
	expect_read("bootcount", "11");
	/* A cut that leaves one of the files empty. */
	envstore_done(&store);
	write_file("resinOS_uEnv.txt", "", 0);
	assert_int_equal(envstore_open(dir, &store), 0);
	expect_read("resin_root_part", "3");
}

static void u_boots_binary_files_are_written_in_turn(void **state)
{
	char image[4096];

	(void)state;
	ubootenv_init(image, sizeof(image), UBOOTENV_REDUNDANT);
	assert_int_equal(ubootenv_set(image, sizeof(image), UBOOTENV_REDUNDANT, "bootcmd", "run x"),
			 0);
	ubootenv_seal(image, sizeof(image), UBOOTENV_REDUNDANT, 255);
	write_file("uboot.env", image, sizeof(image));
	write_file("uboot-redund.env", "", 0);
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_string_equal(envstore_kind(&store), "uboot");
	expect_read("bootcmd", "run x");
	assert_non_null(store.note);
	assert_int_equal(set("a", "1"), 0); /* into the one that does not count, with flag 0 */
	assert_string_equal(store.name, "uboot-redund.env");
	assert_null(store.note);
	assert_int_equal(set("a", "2"), 0);
	assert_string_equal(store.name, "uboot.env");
	expect_read("bootcmd", "run x");
	assert_false(exists("tugboot.env"));
	envstore_done(&store);
	/* The newer one is broken: what was before it counts. */
	memset(image, 'x', sizeof(image));
	write_file("uboot.env", image, sizeof(image));
	assert_int_equal(envstore_open(dir, &store), 0);
	expect_read("a", "1");
	assert_int_equal(set("a", "3"), 0);
	expect_read("a", "3");
}

static void one_copy_of_a_redundant_environment_gets_its_second(void **state)
{
	char image[4096];

	(void)state;
	ubootenv_init(image, sizeof(image), UBOOTENV_REDUNDANT);
	assert_int_equal(ubootenv_set(image, sizeof(image), UBOOTENV_REDUNDANT, "bootcmd", "run x"),
			 0);
	ubootenv_seal(image, sizeof(image), UBOOTENV_REDUNDANT, 1);
	write_file("uboot.env", image, sizeof(image));
	assert_int_equal(envstore_open(dir, &store), 0);
	expect_read("bootcmd", "run x");
	assert_int_equal(set("a", "1"), 0);
	assert_true(exists("uboot-redund.env"));
	expect_read("bootcmd", "run x");
	expect_read("a", "1");
	envstore_done(&store);
	assert_int_equal(unlinkat(dir, "uboot-redund.env", 0), 0);
	assert_int_equal(envstore_open(dir, &store), 0);
	expect_read("bootcmd", "run x"); /* the first copy is as it was */
	expect_absent("a");
}

static void a_single_binary_file_has_a_copy(void **state)
{
	char image[4096];

	(void)state;
	ubootenv_init(image, sizeof(image), UBOOTENV_SINGLE);
	ubootenv_seal(image, sizeof(image), UBOOTENV_SINGLE, 0);
	write_file("uboot.env", image, sizeof(image));
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_int_equal(set("a", "1"), 0);
	assert_true(exists("tugboot.env"));
	envstore_done(&store);
	memset(image, 'x', sizeof(image));
	write_file("uboot.env", image, sizeof(image));
	expect_after_opening("1", "damaged, Tugboot's copy counts");
	assert_int_equal(set("a", "2"), 0);
	assert_null(store.problem);
	expect_read("a", "2");
}

static void fw_env_config_says_where(void **state)
{
	static const char config[] = "# where\n/boot/other 0x0 0x1000\n/boot/other 0x1000 0x1000\n";
	char image[0x2000];

	(void)state;
	memset(image, 0xff, sizeof(image));
	ubootenv_init(image + 0x1000, 0x1000, UBOOTENV_REDUNDANT);
	assert_int_equal(ubootenv_set(image + 0x1000, 0x1000, UBOOTENV_REDUNDANT, "a", "1"), 0);
	ubootenv_seal(image + 0x1000, 0x1000, UBOOTENV_REDUNDANT, 7);
	write_file("other", image, sizeof(image));
	write_file("fw_env.config", config, strlen(config));
	given("bootenv", SIG "a=grub\n", GRUBENV_SIZE);
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_string_equal(envstore_kind(&store), "uboot");
	expect_read("a", "1");
	assert_int_equal(set("a", "2"), 0);
	assert_int_equal(set("a", "3"), 0);
	expect_read("a", "3");
	envstore_done(&store);

	/* Another disk is not touched, and not believed. */
	write_file("fw_env.config", "/dev/null 0 0x1000\n", 19);
	assert_int_equal(envstore_open(dir, &store), 0);
	assert_string_equal(store.note, "fw_env.config names a device that is not the boot disk");
	expect_read("a", "grub");
}

static void a_raw_partition_holds_two_copies(void **state)
{
	static char zeros[0x20000];
	char path[64];
	struct envstore_place place = {.dir_fd = -1, .raw = path};

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/other", dir_path);
	write_file("other", zeros, sizeof(zeros));
	assert_int_equal(envstore_open_at(&place, &store), 0);
	assert_string_equal(envstore_kind(&store), "raw");
	assert_string_equal(store.problem, "wrong checksum");
	for (int i = 0; i < 300; i++) { /* past the flag's end */
		char value[12], was[12];

		(void)snprintf(value, sizeof(value), "%d", i);
		assert_int_equal(set("a", value), 0);
		assert_null(store.problem);
		assert_int_equal(envstore_get(&store, "a", was, sizeof(was)), strlen(value));
		assert_string_equal(was, value);
	}
	envstore_done(&store);
	assert_int_equal(envstore_open_at(&place, &store), 0);
	expect_read("a", "299");
}

static void every_kind_can_become_every_other(void **state)
{
	static const char *const kinds[] = {"grub", "uboot-text", "uboot", "raw"};
	static char zeros[0x20000];
	char path[64];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/other", dir_path);
	for (size_t from = 0; from < ARRAY_SIZE(kinds); from++)
		for (size_t to = 0; to < ARRAY_SIZE(kinds); to++) {
			struct envstore_place place = {.dir_fd = dir, .raw = path};
			const struct env_change index = {"resin_root_part", "3"};

			write_file("other", zeros, sizeof(zeros));
			given("bootenv", SIG "resin_root_part=B\nmine=kept\n", GRUBENV_SIZE);
			assert_int_equal(envstore_open_at(&place, &store), 0);
			assert_int_equal(envstore_migrate(&store, kinds[from], NULL, 0), 0);
			assert_string_equal(envstore_kind(&store), kinds[from]);
			expect_read("resin_root_part", "B");
			assert_int_equal(envstore_migrate(&store, kinds[to], &index, 1), 0);
			envstore_done(&store);
			assert_int_equal(envstore_open_at(&place, &store), 0);
			assert_string_equal(envstore_kind(&store), kinds[to]);
			assert_null(store.problem);
			expect_read("resin_root_part", "3");
			expect_read("mine", "kept");
			assert_int_equal(set("mine", "changed"), 0);
			expect_read("mine", "changed");
			assert_int_equal(exists("bootenv"), to == 0);
			assert_int_equal(exists("resinOS_uEnv.txt"), to == 1);
			assert_int_equal(exists("tugboot.env"), to <= 1);
			envstore_done(&store);
			remove_files();
		}
}

/* One migration that ends after so many writes; true when it came to its end. */
static bool migrate_and_stop(const struct envstore_place *place, const char *kind, int stop)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		stop_after = stop;
		_exit(envstore_open_at(place, &store) < 0 ||
		      envstore_migrate(&store, kind, NULL, 0) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 99));
	return WEXITSTATUS(status) == 0;
}

static void a_migration_that_stops_anywhere_loses_nothing(void **state)
{
	static const char *const kinds[] = {"grub", "uboot-text", "uboot", "raw"};
	static char zeros[0x20000];
	char path[64];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/other", dir_path);
	for (size_t pair = 0; pair < ARRAY_SIZE(kinds) * ARRAY_SIZE(kinds); pair++) {
		const char *from = kinds[pair / ARRAY_SIZE(kinds)];
		const char *to = kinds[pair % ARRAY_SIZE(kinds)];
		struct envstore_place place = {.dir_fd = dir, .raw = path};
		bool done = false;

		for (int stop = 0; !done; stop++) {
			write_file("other", zeros, sizeof(zeros));
			given("bootenv", SIG "resin_root_part=3\nmine=kept\n", GRUBENV_SIZE);
			assert_true(migrate_and_stop(&place, from, -1));
			done = migrate_and_stop(&place, to, stop);
			for (int round = 0; round < 2; round++) {
				assert_int_equal(envstore_open_at(&place, &store), 0);
				expect_read("resin_root_part", "3");
				expect_read("mine", "kept");
				assert_int_equal(envstore_settle(&store), 0);
				expect_read("mine", "kept");
				envstore_done(&store);
			}
			assert_true(migrate_and_stop(&place, to, -1));
			assert_int_equal(envstore_open_at(&place, &store), 0);
			assert_string_equal(envstore_kind(&store), to);
			expect_read("mine", "kept");
			assert_int_equal(set("mine", "changed"), 0);
			expect_read("mine", "changed");
			envstore_done(&store);
			remove_files();
			assert_true(stop < 20);
		}
	}
}

/* U-Boot lives in its environment: a migration into it that is cut keeps what it needs. */
static void u_boots_own_variables_survive_a_migration_that_stops(void **state)
{
	const struct envstore_place place = {.dir_fd = dir};
	bool done = false;

	(void)state;
	for (int stop = 0; !done; stop++) {
		char image[4096];

		ubootenv_init(image, sizeof(image), UBOOTENV_SINGLE);
		assert_int_equal(
			ubootenv_set(image, sizeof(image), UBOOTENV_SINGLE, "bootcmd", "run x"), 0);
		ubootenv_seal(image, sizeof(image), UBOOTENV_SINGLE, 0);
		write_file("uboot.env", image, sizeof(image));
		given("bootenv", SIG "mine=kept\n", GRUBENV_SIZE);
		done = migrate_and_stop(&place, "uboot", stop);
		assert_int_equal(envstore_open_at(&place, &store), 0);
		expect_read("mine", "kept");
		assert_int_equal(envstore_settle(&store), 0);
		envstore_done(&store);
		assert_true(migrate_and_stop(&place, "uboot", -1));
		assert_int_equal(envstore_open_at(&place, &store), 0);
		expect_read("mine", "kept");
		expect_read("bootcmd", "run x");
		envstore_done(&store);
		remove_files();
		assert_true(stop < 20);
	}
}

/* ---- file.c ---- */

static void only_sectors_that_differ_are_written_and_each_step_is_durable(void **state)
{
	static const struct {
		size_t was;
		char first, second;
		const char *calls;
	} cases[] = {
		{1024, 'a', 'a', ""},
		{1024, 'b', 'a', "w512@0 s "},
		{1024, 'a', 'b', "w512@512 s "},
		{1024, 'b', 'b', "w1024@0 s "},
		{600, 'a', 'a', "w512@512 s s "}, /* grows: the directory first */
		{0, 'a', 'a', "w1024@0 s s "},
		{1025, 'a', 'a', "t1024 s "},
		{2000, 'b', 'a', "w512@0 s t1024 s "},
	};
	char was[2000], data[1024];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		memset(was, 'a', sizeof(was));
		memset(data, cases[i].first, 512);
		memset(data + 512, cases[i].second, 512);
		write_file("other", was, cases[i].was);
		calls[0] = '\0';
		assert_int_equal(file_rewrite(dir, "other", data, sizeof(data)), 0);
		assert_string_equal(calls, cases[i].calls);
	}
	/* A new file: its content, then its name. */
	assert_int_equal(unlinkat(dir, "other", 0), 0);
	calls[0] = '\0';
	assert_int_equal(file_rewrite(dir, "other", data, sizeof(data)), 0);
	assert_string_equal(calls, "w1024@0 s s ");
}

static void a_file_is_read_whole_or_not_at_all(void **state)
{
	_free_ char *data = NULL;
	char *untouched = (char *)dir_path;
	size_t size = 7;

	(void)state;
	given("other", "", 5000);
	assert_int_equal(file_read(dir, "other", 4999, &untouched, &size), -EFBIG);
	assert_ptr_equal(untouched, dir_path);
	assert_int_equal(size, 7);
	assert_int_equal(file_read(dir, "nothing", 5000, &untouched, &size), -ENOENT);
	assert_int_equal(file_read(dir, "other", 5000, &data, &size), 0);
	assert_int_equal(size, 5000);
	assert_int_equal(data[size], '\0');
}

static void an_empty_file_and_one_of_proc_are_read(void **state)
{
	_free_ char *empty = NULL, *proc = NULL;
	size_t size = 7;

	(void)state;
	given("other", "", 0);
	assert_int_equal(file_read(dir, "other", 0, &empty, &size), 0);
	assert_int_equal(size, 0);
	assert_string_equal(empty, "");
	assert_int_equal(file_read(AT_FDCWD, "/proc/self/stat", 1 << 16, &proc, NULL), 0);
	assert_true(strlen(proc) > 10);
}

static void rewriting_changes_size_and_content(void **state)
{
	static const size_t sizes[] = {0, 1, 511, 512, 513, 1024, 1025, 5000};
	char data[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)('a' + i % 26);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_free_ char *back = NULL;
		size_t size;

		given("other", "", sizes[i]);
		assert_int_equal(file_rewrite(dir, "other", data, sizeof(data)), 0);
		assert_int_equal(file_read(dir, "other", 1 << 16, &back, &size), 0);
		assert_int_equal(size, sizeof(data));
		assert_memory_equal(back, data, size);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		TEST(the_file_is_bootenv_before_grubenv),
		TEST(a_missing_environment_is_made_by_the_first_write),
		TEST(a_damaged_environment_is_read_and_then_repaired),
		TEST(what_follows_a_good_block_does_not_count),
		TEST(all_edits_of_a_decision_are_one_write),
		TEST(what_changes_nothing_is_not_written),
		TEST(a_full_environment_refuses_and_stays),
		TEST(garbage_makes_room_for_a_decision),
		TEST(variables_are_walked_and_cut_to_fit),
		TEST(a_symbolic_link_is_not_followed),
		TEST(a_directory_in_its_place_is_refused),
		TEST(a_fifo_in_its_place_is_refused_at_once),
		TEST(a_store_without_directory_reads_nothing),
		TEST(a_read_only_filesystem_says_so_and_the_store_stays),
		TEST(a_write_keeps_what_another_writer_stored),
		TEST(a_lock_keeps_other_writers_out),
		TEST(concurrent_writers_lose_nothing),
		TEST(a_disk_that_keeps_something_else_is_found_out),
		TEST(what_another_program_writes_counts),
		TEST(what_another_program_broke_comes_from_the_copy),
		TEST(a_front_that_is_gone_comes_from_the_copy),
		TEST(the_copy_of_what_another_program_wrote_is_refreshed),
		TEST(a_damaged_copy_does_not_count),
		TEST(every_stop_between_two_writes_leaves_all_or_nothing),
		TEST(a_write_that_was_cut_is_completed_before_another_program_writes),
		TEST(a_change_is_three_small_writes_and_a_settled_store_none),
		TEST(u_boots_text_files_keep_their_form),
		TEST(u_boots_binary_files_are_written_in_turn),
		TEST(one_copy_of_a_redundant_environment_gets_its_second),
		TEST(a_single_binary_file_has_a_copy),
		TEST(fw_env_config_says_where),
		TEST(a_raw_partition_holds_two_copies),
		TEST(every_kind_can_become_every_other),
		TEST(a_migration_that_stops_anywhere_loses_nothing),
		TEST(u_boots_own_variables_survive_a_migration_that_stops),
		TEST(only_sectors_that_differ_are_written_and_each_step_is_durable),
		TEST(a_file_is_read_whole_or_not_at_all),
		TEST(an_empty_file_and_one_of_proc_are_read),
		TEST(rewriting_changes_size_and_content),
	};

	return cmocka_run_group_tests_name("envstore", tests, NULL, NULL);
}
