/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Archive heads, read back by cpio(1) itself. */
#include "cpio.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>

static void put(FILE *out, const char *path, unsigned mode, const char *data)
{
	static unsigned inode;
	char head[CPIO_HEAD_MAX];
	size_t size = strlen(data);
	int n = cpio_head(head, ++inode, path, mode, (uint32_t)size);

	assert_true(n > 0);
	assert_int_equal(n % CPIO_ALIGN, 0);
	assert_int_equal(fwrite(head, 1, (size_t)n, out), n);
	assert_int_equal(fwrite(data, 1, size, out), size);
	for (size_t i = cpio_padding(size); i > 0; i--)
		assert_int_equal(fputc(0, out), 0);
}

static void an_archive_is_what_cpio_reads(void **state)
{
	static const char expected[] =
		"drwx------ etc\n-r-------- etc/k\nlrwxrwxrwx link -> etc/k\n";
	char path[] = "/tmp/test_cpio.XXXXXX", command[256], text[512] = "", end[CPIO_HEAD_MAX];
	int fd = mkstemp(path), n;
	FILE *out = fdopen(fd, "w"), *in;

	(void)state;
	assert_non_null(out);
	put(out, "etc", CPIO_DIRECTORY | 0700, "");
	put(out, "etc/k", CPIO_REGULAR | 0400, "twelve bytes!");
	put(out, "link", CPIO_LINK | 0777, "etc/k");
	n = cpio_end(end);
	assert_true(n > 0);
	assert_int_equal(fwrite(end, 1, (size_t)n, out), n);
	assert_int_equal(fclose(out), 0);
	(void)snprintf(command, sizeof(command),
		       "cpio -itv --quiet <%s | awk '{ print $1, $9, $10, $11 }' | sed 's/ *$//'",
		       path);
	in = popen(command, "r");
	assert_non_null(in);
	assert_true(fread(text, 1, sizeof(text) - 1, in) > 0);
	assert_int_equal(pclose(in), 0);
	(void)unlink(path);
	assert_string_equal(text, expected);
}

static void padding_ends_where_the_next_head_begins(void **state)
{
	(void)state;
	for (uint64_t size = 0; size < 100; size++) {
		assert_true(cpio_padding(size) < CPIO_ALIGN);
		assert_int_equal((size + cpio_padding(size)) % CPIO_ALIGN, 0);
	}
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	char path[CPIO_HEAD_MAX + 1], head[CPIO_HEAD_MAX];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[CPIO_HEAD_MAX] = '\0';
	assert_int_equal(cpio_head(head, 1, path, CPIO_REGULAR, 0), -ENAMETOOLONG);
	path[CPIO_HEAD_MAX - 110 - 1 - CPIO_ALIGN] = '\0';
	assert_true(cpio_head(head, 1, path, CPIO_REGULAR, 0) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_archive_is_what_cpio_reads),
		cmocka_unit_test(padding_ends_where_the_next_head_begins),
		cmocka_unit_test(a_path_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
