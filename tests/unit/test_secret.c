/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory of secrets: lib/sys/secret.c, as the kernel describes it in /proc/self/smaps. */
#include "secret.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Watches what the tested code gives back. */
static unsigned unmapped, unmapped_dirty;

int munmap(void *data, size_t size)
{
	const uint8_t *byte = data;

	if (size == SECRET_MAX) {
		unmapped++;
		for (size_t i = 0; i < size; i++)
			if (byte[i]) {
				unmapped_dirty++;
				break;
			}
	}
	return (int)syscall(SYS_munmap, data, size);
}

/* The sanitizer's own does nothing. */
int mlock(const void *data, size_t size)
{
	return (int)syscall(SYS_mlock, data, size);
}

/* The flags of the mapping at this address, as in "rd wr mr mw me lo ac dc dd "; empty: none. */
static void flags_of(const void *data, char *flags, size_t size)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	char line[512];
	bool here = false;

	assert_non_null(smaps);
	flags[0] = '\0';
	while (fgets(line, sizeof(line), smaps)) {
		uintptr_t from, to;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = from <= (uintptr_t)data && (uintptr_t)data < to;
		else if (here && startswith(line, "VmFlags:"))
			(void)snprintf(flags, size, "%s", line + strlen("VmFlags:"));
	}
	(void)fclose(smaps);
}

static void its_memory_is_locked_and_in_no_dump_and_no_child(void **state)
{
	struct secret secret;
	char flags[512];

	(void)state;
	assert_int_equal(secret_new(64, &secret), 0);
	assert_int_equal(secret.size, 64);
	for (size_t i = 0; i < SECRET_MAX; i++)
		assert_int_equal(secret.data[i], 0);
	flags_of(secret.data, flags, sizeof(flags));
	assert_non_null(strstr(flags, " lo "));
	assert_non_null(strstr(flags, " dd "));
	assert_non_null(strstr(flags, " dc "));
	secret_done(&secret);
}

static void a_child_does_not_have_it(void **state)
{
	struct secret secret;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(secret_copy("key", 3, &secret), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		unsigned char resident;

		/* ENOMEM: not mapped. */
		_exit(mincore(secret.data, SECRET_MAX, &resident) < 0 && errno == ENOMEM ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_memory_equal(secret.data, "key", 3);
	secret_done(&secret);
}

static void it_is_wiped_as_a_whole_when_it_is_given_back(void **state)
{
	struct secret secret;

	(void)state;
	unmapped = unmapped_dirty = 0;
	assert_int_equal(secret_copy("passphrase", 10, &secret), 0);
	/* What was used and then cut off counts as well. */
	memset(secret.data, 'x', SECRET_MAX);
	secret.size = 1;
	secret_done(&secret);
	assert_int_equal(unmapped, 1);
	assert_int_equal(unmapped_dirty, 0);
	assert_null(secret.data);
	assert_int_equal(secret.size, 0);
	secret_done(&secret);
	assert_int_equal(unmapped, 1);
}

static void it_is_wiped_at_the_end_of_its_scope_unless_taken(void **state)
{
	struct secret taken;

	(void)state;
	unmapped = unmapped_dirty = 0;
	{
		_secret_ struct secret wiped = {0};
		_secret_ struct secret moved = {0};

		assert_int_equal(secret_copy("one", 3, &wiped), 0);
		assert_int_equal(secret_copy("two", 3, &moved), 0);
		taken = secret_take(&moved);
	}
	assert_int_equal(unmapped, 1);
	assert_int_equal(unmapped_dirty, 0);
	assert_memory_equal(taken.data, "two", 3);
	secret_done(&taken);
}

static void sizes_have_a_limit(void **state)
{
	struct secret secret = {(uint8_t *)1, 2};

	(void)state;
	assert_int_equal(secret_new(SECRET_MAX + 1, &secret), -E2BIG);
	assert_ptr_equal(secret.data, (uint8_t *)1);
	assert_int_equal(secret.size, 2);
	assert_int_equal(secret_new(SECRET_MAX, &secret), 0);
	secret_done(&secret);
	assert_int_equal(secret_copy(NULL, 0, &secret), 0);
	assert_non_null(secret.data);
	secret_done(&secret);
}

/* Last: a limit that was lowered cannot be raised by everybody. */
static void without_the_right_to_lock_memory_it_works_all_the_same(void **state)
{
	const struct rlimit none = {0, 0};
	struct secret secret;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* Root is above the limit. */
		if (setrlimit(RLIMIT_MEMLOCK, &none) < 0 ||
		    (getuid() == 0 && setresuid(65534, 65534, 65534) < 0))
			_exit(1);
		_exit(secret_copy("key", 3, &secret) == 0 && memcmp(secret.data, "key", 3) == 0
			      ? 0
			      : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_memory_is_locked_and_in_no_dump_and_no_child),
		cmocka_unit_test(a_child_does_not_have_it),
		cmocka_unit_test(it_is_wiped_as_a_whole_when_it_is_given_back),
		cmocka_unit_test(it_is_wiped_at_the_end_of_its_scope_unless_taken),
		cmocka_unit_test(sizes_have_a_limit),
		cmocka_unit_test(without_the_right_to_lock_memory_it_works_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
