/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections of the boot partition: hostos-agents/network/import.c, with real directories. */
#include "import.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "fd.h"
#include "file.h"
#include "keyfile.h"
#include "macro.h"

static char top[] = "/tmp/test_import.XXXXXX";

static const struct import_kind kinds[] = {{NULL, "connection"}, {NULL, NULL}};

static const char *at(const char *path)
{
	static char buf[4][512];
	static unsigned next;
	char *text = buf[next++ % ARRAY_SIZE(buf)];

	(void)snprintf(text, sizeof(buf[0]), "%s/%s", top, path);
	return text;
}

static void put_bytes(const char *path, const char *data, size_t size)
{
	_close_ int fd = open(at(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
}

static void put(const char *path, const char *text)
{
	put_bytes(path, text, strlen(text));
}

static bool has(const char *path, const char *text)
{
	_free_ char *found = NULL;

	if (file_read(AT_FDCWD, at(path), 1 << 20, &found, NULL) < 0)
		return false;
	return !text || streq(found, text);
}

static int run(const char *source, struct import_result *ret_result)
{
	char directory[512], list[512];
	struct import_target target = {kinds, directory, 0600, (gid_t)-1, list};

	(void)snprintf(directory, sizeof(directory), "%s", at("to"));
	(void)snprintf(list, sizeof(list), "%s", at("list"));
	return import_connections(at(source), &target, ret_result);
}

static void assert_run(const char *source, unsigned written, unsigned kept, unsigned removed,
		       unsigned refused)
{
	struct import_result result = {99, 99, 99, 99};

	assert_int_equal(run(source, &result), 0);
	assert_int_equal(result.written, written);
	assert_int_equal(result.kept, kept);
	assert_int_equal(result.removed, removed);
	assert_int_equal(result.refused, refused);
}

static int make(void **state)
{
	(void)state;
	(void)snprintf(top, sizeof(top), "/tmp/test_import.XXXXXX");
	assert_non_null(mkdtemp(top));
	assert_int_equal(mkdir(at("from"), 0755), 0);
	assert_int_equal(mkdir(at("to"), 0755), 0);
	return 0;
}

static int clean(void **state)
{
	char command[600];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", top);
	return system(command);
}

#define HOME "[connection]\nid=home\n"
#define WORK "[connection]\nid=work\n"

static void connections_come_and_go_with_the_boot_partition(void **state)
{
	struct stat st;

	(void)state;
	put("from/home", HOME);
	put("from/Caf\xc3\xa9 au lait.nmconnection", WORK);
	put("to/mine", "[connection]\nid=mine\n");
	assert_run("from", 2, 0, 0, 0);
	assert_true(has("to/home", HOME));
	assert_true(has("to/Caf\xc3\xa9 au lait.nmconnection", WORK));
	assert_int_equal(stat(at("to/home"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_run("from", 0, 2, 0, 0);

	put("from/home", WORK);
	assert_run("from", 1, 1, 0, 0);
	assert_true(has("to/home", WORK));

	assert_int_equal(unlink(at("from/home")), 0);
	assert_run("from", 0, 1, 1, 0);
	assert_false(has("to/home", NULL));
	/* No directory is one without files. */
	assert_run("gone", 0, 0, 1, 0);
	assert_true(has("to/mine", NULL));
	assert_true(has("list", ""));
}

static void a_change_on_the_device_stays_until_the_boot_partition_has_another(void **state)
{
	(void)state;
	put("from/home", HOME);
	assert_run("from", 1, 0, 0, 0);
	put("to/home", "[connection]\nid=home\nuuid=1\n");
	assert_run("from", 0, 1, 0, 0);
	assert_true(has("to/home", "[connection]\nid=home\nuuid=1\n"));
	put("from/home", WORK);
	assert_run("from", 1, 0, 0, 0);
	assert_true(has("to/home", WORK));
	/* One that was deleted on the device comes back. */
	assert_int_equal(unlink(at("to/home")), 0);
	assert_run("from", 1, 0, 0, 0);
	assert_true(has("to/home", WORK));
}

/* Of a connection that is not there any more, so that nothing is written. */
static void what_a_cut_left_of_a_connection_goes(void **state)
{
	(void)state;
	put("to/.tugboot-network-new", HOME "[wifi-security]\npsk=secret\n");
	assert_run("from", 0, 0, 0, 0);
	assert_false(has("to/.tugboot-network-new", NULL));
}

static void files_of_others_are_neither_replaced_nor_removed(void **state)
{
	(void)state;
	put("from/home", HOME);
	put("to/home", WORK);
	assert_run("from", 0, 0, 0, 1);
	assert_true(has("to/home", WORK));
	assert_int_equal(unlink(at("from/home")), 0);
	assert_run("from", 0, 0, 0, 0);
	assert_true(has("to/home", WORK));
	/* The same content is ours to keep: the list was lost. */
	put("from/home", WORK);
	assert_run("from", 1, 0, 0, 0);
	assert_int_equal(unlink(at("from/home")), 0);
	assert_run("from", 0, 0, 1, 0);
	assert_false(has("to/home", NULL));
}

static void what_is_no_connection_is_left_out_and_the_good_one_stays(void **state)
{
	char large[KEYFILE_MAX + 1];

	(void)state;
	put("from/home", HOME);
	assert_run("from", 1, 0, 0, 0);
	put("from/home", "[connection]\nid=home\nnonsense\n");
	put_bytes("from/nul", HOME "a=\0\n", sizeof(HOME "a=\0\n") - 1);
	put("from/json", "{\"connection\": {}}");
	put("from/other", "[wifi]\nssid=x\n");
	memset(large, '\n', sizeof(large));
	put_bytes("from/large", large, sizeof(large));
	assert_int_equal(mkdir(at("from/directory"), 0755), 0);
	assert_int_equal(mkfifo(at("from/fifo"), 0644), 0);
	assert_int_equal(symlink("/etc/passwd", at("from/link")), 0);
	/* Passed over without a word about them. */
	put("from/README", "read me");
	put("from/README.txt", HOME);
	put("from/sample.ignore", HOME);
	put("from/home~", HOME);
	put("from/.hidden", HOME);
	put("from/bad\nname", HOME);
	put("from/bad\xffname", HOME);
	assert_run("from", 0, 0, 0, 8);
	assert_true(has("to/home", HOME));
	for (const char *const *name =
		     (const char *const[]){"nul", "json", "other", "large", "directory", "fifo",
					   "link", "README", "README.txt", "sample.ignore", "home~",
					   ".hidden", "bad\nname", NULL};
	     *name; name++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "to/%s", *name);
		assert_int_equal(access(at(path), F_OK), -1);
	}
}

/* Somebody who can write the list cannot have other files removed by it. */
static void the_list_names_nothing_outside_of_the_directory(void **state)
{
	(void)state;
	put("victim", "x");
	put("to/other", WORK);
	put("list", "0123456789abcdef ../victim\n0123456789abcdef .x\nzz other\n"
		    "0123456789abcdefother\n0123456789abcdef \n0123456789abcdef");
	assert_run("from", 0, 0, 0, 0);
	assert_true(has("victim", "x"));
	assert_true(has("to/other", WORK));
}

/* As a power cut leaves it: in the list, without the digits of its content. */
static void what_was_about_to_be_written_is_written_again(void **state)
{
	(void)state;
	put("from/home", WORK);
	put("to/home", HOME);
	put("list", "0000000000000000 home\n0000000000000000 never\n");
	assert_run("from", 1, 0, 1, 0);
	assert_true(has("to/home", WORK));
}

static void nothing_is_removed_when_the_boot_partition_cannot_be_read(void **state)
{
	struct import_result result;

	(void)state;
	put("from/home", HOME);
	assert_run("from", 1, 0, 0, 0);
	put("file", "");
	assert_int_equal(run("file", &result), -ENOTDIR);
	assert_true(has("to/home", HOME));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, clean)
	const struct CMUnitTest tests[] = {
		TEST(connections_come_and_go_with_the_boot_partition),
		TEST(a_change_on_the_device_stays_until_the_boot_partition_has_another),
		TEST(what_a_cut_left_of_a_connection_goes),
		TEST(files_of_others_are_neither_replaced_nor_removed),
		TEST(what_is_no_connection_is_left_out_and_the_good_one_stays),
		TEST(the_list_names_nothing_outside_of_the_directory),
		TEST(what_was_about_to_be_written_is_written_again),
		TEST(nothing_is_removed_when_the_boot_partition_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
