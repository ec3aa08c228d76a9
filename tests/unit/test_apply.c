/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plans applied to a directory as root: hostos-agents/config/apply*.c, and the store of certificates. What
 * a power cut leaves of it is in tests/power; what daemons say, in tests/boot. */
#include "apply.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "apply_manifest.h"
#include "do.h"
#include "fd.h"
#include "file.h"
#include "paths.h"
#include "replace.h"

/* Made with openssl req -x509; its hash is what openssl x509 -hash says. */
#define HASH "2738c3bd"
static const char certificate[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBvDCCAWGgAwIBAgIUB3l68bh4UTOQ2g+9K/w6uMa+LrkwCgYIKoZIzj0EAwIw\n"
	"MzEWMBQGA1UECgwNVHVnYm9vdCBUZXN0czEZMBcGA1UEAwwQQSBSb290IGZvciBU\n"
	"ZXN0czAeFw0yNjExMjMwODU1NTlaFw00NjExMTgwODU1NTlaMDMxFjAUBgNVBAoM\n"
	"DVR1Z2Jvb3QgVGVzdHMxGTAXBgNVBAMMEEEgUm9vdCBmb3IgVGVzdHMwWTATBgcq\n"
	"hkjOPQIBBggqhkjOPQMBBwNCAASddTxG+JW+hMdnrCLaGcB3CQaS8YTzghhl6x3w\n"
	"B1MP/ti70vEBy6LoqYHbXDbiZUrBAZ1MbN0i8rJkn2xuTd6Do1MwUTAdBgNVHQ4E\n"
	"FgQU/TdJsyrpXiYOBvaokIHkNyKMCXUwHwYDVR0jBBgwFoAU/TdJsyrpXiYOBvao\n"
	"kIHkNyKMCXUwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAketc\n"
	"XJIg9ELaMcOz6LTmuL2MtY1VqiFhfCzTpzLqT04CIQDUpWXw0HgkOSMOTPVBkapt\n"
	"z+3NdhgGnEez9ELeLPSEBw==\n"
	"-----END CERTIFICATE-----\n";

static char root[] = "/tmp/test_apply.XXXXXX";
static struct apply_result result;
static unsigned writes;		/* renames, links and removals that were made */
static int stop_after = -1;	/* so many of them, then the process ends */
static void (*meanwhile)(void); /* once, just before the next rename */

static void count_write(void)
{
	if (stop_after == 0)
		_exit(99);
	if (stop_after > 0)
		stop_after--;
	writes++;
}

int renameat(int old_dir, const char *old, int new_dir, const char *new)
{
	void (*other)(void) = meanwhile;

	meanwhile = NULL;
	if (other)
		other();
	count_write();
	return (int)syscall(SYS_renameat, old_dir, old, new_dir, new);
}

int unlinkat(int dir, const char *name, int flags)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	count_write();
	return (int)syscall(SYS_unlinkat, dir, name, flags);
}

static int make_root(void **state)
{
	(void)state;
	strcpy(root, "/tmp/test_apply.XXXXXX");
	stop_after = -1;
	meanwhile = NULL;
	return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int remove_root(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *below(const char *path)
{
	static char buf[4][256];
	static unsigned next;
	char *p = buf[next++ % 4];

	(void)snprintf(p, sizeof(buf[0]), "%s%s", root, path);
	return p;
}

static void make_dirs(const char *path)
{
	char part[256];

	for (const char *p = path + 1; (p = strchr(p, '/')); p++) {
		(void)snprintf(part, sizeof(part), "%s%.*s", root, (int)(p - path), path);
		(void)mkdir(part, 0755);
	}
}

static void put_text(const char *path, const char *text)
{
	_close_ int fd = -1;

	make_dirs(path);
	fd = open(below(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(below(path), &st) == 0;
}

/* NULL for nothing. */
static void assert_file(const char *path, const char *expected)
{
	_free_ char *data = NULL;

	if (!expected) {
		assert_false(is_there(path));
		return;
	}
	assert_int_equal(file_read(AT_FDCWD, below(path), 1 << 20, &data, NULL), 0);
	assert_string_equal(data, expected);
}

static struct plan *new_plan(void)
{
	struct plan *plan = calloc(1, sizeof(*plan));

	assert_non_null(plan);
	return plan;
}

static void add(struct plan *plan, enum facet facet, const char *path, const char *text)
{
	assert_int_equal(plan_add_text(plan, facet, 0644, path, "%s", text), 0);
}

static void apply(const struct plan *plan)
{
	static const struct facts facts;

	writes = 0;
	assert_int_equal(apply_plan(plan, &facts, root, APPLY_LIVE, NULL, &result), 0);
}

#define ETC "/etc/a/b.conf"
#define RUN "/run/tugboot/x.conf"
#define BIT(facet) (1u << (facet))

static void what_is_planned_is_there_and_a_second_time_nothing_is_done(void **state)
{
	_plan_ struct plan *plan = new_plan();
	struct stat st;

	(void)state;
	add(plan, FACET_NTP, ETC, "one");
	add(plan, FACET_DNS, RUN, "two");
	assert_int_equal(plan_add_link(plan, FACET_DNS, "/etc/a/link", "../target"), 0);
	assert_int_equal(plan_add_file(plan, FACET_SSH, 0600, "/etc/a/secret", "s", 1), 0);
	apply(plan);
	assert_int_equal(result.changed, BIT(FACET_NTP) | BIT(FACET_DNS) | BIT(FACET_SSH));
	assert_int_equal(result.files, 4);
	assert_file(ETC, "one");
	assert_file(RUN, "two");
	assert_int_equal(stat(below("/etc/a/secret"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	apply(plan);
	assert_int_equal(result.changed | result.files | result.actions | result.failed, 0);
	assert_int_equal(writes, 0);
}

static void only_the_facet_that_changed_acts(void **state)
{
	_plan_ struct plan *one = new_plan(), *two = new_plan();

	(void)state;
	add(one, FACET_NTP, ETC, "one");
	add(one, FACET_DNS, RUN, "two");
	add(two, FACET_NTP, ETC, "one");
	add(two, FACET_DNS, RUN, "three");
	apply(one);
	apply(two);
	assert_int_equal(result.changed, BIT(FACET_DNS));
	assert_int_equal(result.files, 1);
	assert_file(RUN, "three");
}

static void what_is_no_longer_planned_leaves_nothing_behind(void **state)
{
	_plan_ struct plan *plan = new_plan(), *none = new_plan();

	(void)state;
	add(plan, FACET_NTP, "/etc/made/by/us.conf", "one");
	add(plan, FACET_DNS, RUN, "two");
	apply(plan);
	apply(none);
	assert_int_equal(result.changed, BIT(FACET_NTP) | BIT(FACET_DNS));
	assert_file("/etc/made/by/us.conf", NULL);
	assert_file(RUN, NULL);
	assert_false(is_there("/etc/made"));
	assert_false(is_there("/etc/tugboot"));
	apply(none);
	assert_int_equal(writes, 0);
}

static void what_was_there_before_comes_back(void **state)
{
	_plan_ struct plan *plan = new_plan(), *other = new_plan(), *none = new_plan();
	struct stat st;

	(void)state;
	put_text("/etc/hostname", "theirs\n");
	assert_int_equal(chmod(below("/etc/hostname"), 0640), 0);
	assert_int_equal(symlink("../somewhere", below("/etc/link")), 0);
	for (int i = 0; i < 2; i++) {
		struct plan *to = i ? other : plan;

		add(to, FACET_HOSTNAME, "/etc/hostname", i ? "second\n" : "first\n");
		plan_restore_later(to);
		add(to, FACET_HOSTNAME, "/etc/link", "a file");
		plan_restore_later(to);
	}
	apply(plan);
	assert_file("/etc/hostname", "first\n");
	apply(other);
	assert_file("/etc/hostname", "second\n");
	apply(none);
	assert_file("/etc/hostname", "theirs\n");
	assert_int_equal(stat(below("/etc/hostname"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(lstat(below("/etc/link"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_false(is_there("/etc/tugboot"));
}

static void a_user_s_file_is_left_alone_and_named(void **state)
{
	_plan_ struct plan *plan = new_plan();

	(void)state;
	put_text(ETC, "theirs");
	add(plan, FACET_NTP, "/etc/a/a.conf", "ours");
	add(plan, FACET_NTP, ETC, "ours");
	add(plan, FACET_DNS, RUN, "two");
	for (int i = 0; i < 2; i++) {
		apply(plan);
		assert_int_equal(result.failed, BIT(FACET_NTP));
		assert_non_null(strstr(result.why[FACET_NTP], ETC));
		assert_file(ETC, "theirs");
		assert_file("/etc/a/a.conf", NULL);
		assert_file(RUN, "two");
	}
	/* Moved away: then it is ours. */
	assert_int_equal(unlink(below(ETC)), 0);
	apply(plan);
	assert_int_equal(result.failed, 0);
	assert_file(ETC, "ours");
}

static void a_directory_in_its_place_is_a_user_s(void **state)
{
	_plan_ struct plan *plan = new_plan();

	(void)state;
	make_dirs(ETC "/x");
	add(plan, FACET_NTP, ETC, "ours");
	plan_restore_later(plan);
	apply(plan);
	assert_int_equal(result.failed, BIT(FACET_NTP));
	assert_true(is_there(ETC));
}

static void a_link_on_the_way_is_not_followed(void **state)
{
	_plan_ struct plan *plan = new_plan();

	(void)state;
	make_dirs("/etc/x");
	make_dirs("/elsewhere/x");
	assert_int_equal(symlink("../elsewhere", below("/etc/a")), 0);
	add(plan, FACET_NTP, ETC, "ours");
	apply(plan);
	assert_int_equal(result.failed, BIT(FACET_NTP));
	assert_non_null(strstr(result.why[FACET_NTP], "link"));
	assert_file("/elsewhere/b.conf", NULL);
}

static void a_file_that_is_the_same_becomes_ours(void **state)
{
	_plan_ struct plan *plan = new_plan(), *none = new_plan();

	(void)state;
	put_text(ETC, "one");
	add(plan, FACET_NTP, ETC, "one");
	apply(plan);
	assert_int_equal(result.changed | result.files, 0);
	apply(none);
	assert_file(ETC, NULL);
}

static void a_file_that_somebody_changed_is_as_planned_again(void **state)
{
	_plan_ struct plan *plan = new_plan();

	(void)state;
	add(plan, FACET_NTP, ETC, "one");
	apply(plan);
	put_text(ETC, "edited");
	apply(plan);
	assert_int_equal(result.changed, BIT(FACET_NTP));
	assert_file(ETC, "one");
}

/* The second file of the facet cannot be written: the first is as it was. */
static void a_facet_that_fails_goes_back_as_a_whole(void **state)
{
	_plan_ struct plan *one = new_plan(), *two = new_plan();

	(void)state;
	add(one, FACET_NTP, "/etc/a/1.conf", "old");
	apply(one);
	add(two, FACET_NTP, "/etc/a/1.conf", "new");
	add(two, FACET_NTP, "/etc/a/2.conf", "new");
	add(two, FACET_NTP, "/etc/b/x/1.conf", "new");
	add(two, FACET_DNS, RUN, "two");
	put_text("/etc/b/x", "no directory");
	apply(two);
	assert_int_equal(result.failed, BIT(FACET_NTP));
	assert_file("/etc/a/1.conf", "old");
	assert_file("/etc/a/2.conf", NULL);
	assert_file(RUN, "two");
}

/* Killed after each rename, link or removal: the next run ends where it should, and acts for what was
 * not finished. */
static void a_run_that_was_cut_is_finished_by_the_next(void **state)
{
	_plan_ struct plan *one = new_plan(), *two = new_plan(), *none = new_plan();
	unsigned cut = 0;

	(void)state;
	put_text("/etc/hostname", "theirs\n");
	add(one, FACET_NTP, ETC, "one");
	add(two, FACET_NTP, ETC, "two");
	add(two, FACET_DNS, "/etc/new/file", "two");
	add(two, FACET_HOSTNAME, "/etc/hostname", "ours\n");
	plan_restore_later(two);
	for (int after = 0; after < 40; after++) {
		struct plan *const to[] = {two, none};

		for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
			int status;
			pid_t pid = fork();

			if (pid == 0) {
				stop_after = after;
				apply(to[i]);
				_exit(0);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_true(WIFEXITED(status));
			assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 99);
			cut += WEXITSTATUS(status) == 99;
			apply(to[i]);
			assert_int_equal(result.failed, 0);
			assert_file(ETC, i == 0 ? "two" : NULL);
			assert_file("/etc/new/file", i == 0 ? "two" : NULL);
			assert_file("/etc/hostname", i == 0 ? "ours\n" : "theirs\n");
			apply(to[i]);
			assert_int_equal(writes, 0);
		}
		assert_file("/etc/tugboot", NULL);
		assert_file("/etc/new", NULL);
	}
	assert_true(cut > 10);
}

/* Killed after each rename, link or removal, with other contents then, killed again, and so on: no
 * file of ours is ever taken for a user's, and in the end nothing of ours is left. */
static void a_run_that_was_cut_is_followed_by_one_with_other_contents(void **state)
{
	_plan_ struct plan *none = new_plan();
	unsigned cut = 0;

	(void)state;
	for (int first = 0; first < 9; first++) {
		for (int second = 0; second < 9; second++) {
			char text[32];

			(void)snprintf(text, sizeof(text), "%d %d", first, second);
			for (int i = 0; i < 2; i++) {
				_plan_ struct plan *plan = new_plan();
				int status;
				pid_t pid;

				/* Every other one is a removal. */
				if ((first + i) % 2 == 0) {
					add(plan, FACET_DNS, RUN, i ? text : "first");
					add(plan, FACET_NTP, ETC, i ? text : "first");
				}
				pid = fork();
				if (pid == 0) {
					stop_after = i ? second : first;
					apply(plan);
					_exit(result.failed ? 1 : 0);
				}
				assert_int_equal(waitpid(pid, &status, 0), pid);
				assert_true(WIFEXITED(status));
				assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 99);
				cut += WEXITSTATUS(status) == 99;
			}
			{
				_plan_ struct plan *last = new_plan();

				add(last, FACET_DNS, RUN, "last");
				add(last, FACET_NTP, ETC, "last");
				apply(last);
				assert_int_equal(result.failed, 0);
				assert_file(RUN, "last");
				assert_file(ETC, "last");
			}
			apply(none);
			assert_int_equal(result.failed, 0);
			assert_file(RUN, NULL);
			assert_file(ETC, NULL);
			assert_file(RUN_DIR "/applied", NULL);
			assert_file("/etc/tugboot/applied", NULL);
		}
	}
	assert_true(cut > 50);
}

static void write_country(void)
{
	_close_ int dir = open(below(RUN_DIR), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(dir >= 0);
	assert_int_equal(replace_file(dir, "country", 0644, (gid_t)-1, "DE", 2), 1);
}

static void apply_other(void)
{
	_plan_ struct plan *plan = new_plan();

	add(plan, FACET_DNS, RUN, "other");
	apply(plan);
	assert_int_equal(result.failed, 0);
}

/* The network agent, told of a change, writes its files while the config agent writes its own: in
 * the same directory, each in the middle of the other's write. */
static void agents_that_write_at_the_same_time_do_not_take_each_other_s_files(void **state)
{
	_plan_ struct plan *plan = new_plan(), *none = new_plan();

	(void)state;
	add(plan, FACET_DNS, RUN, "two");
	make_dirs(RUN);
	for (int at = 0; at < 2; at++) {
		meanwhile = at == 0 ? write_country : NULL;
		apply(plan);
		assert_int_equal(result.failed, 0);
		assert_file(RUN, "two");
		if (at == 0) {
			assert_file(RUN_DIR "/country", "DE");
			assert_int_equal(unlink(below(RUN_DIR "/country")), 0);
		}
		meanwhile = apply_other;
		write_country();
		assert_file(RUN, "other");
		assert_file(RUN_DIR "/country", "DE");
		assert_int_equal(unlink(below(RUN_DIR "/country")), 0);
	}
	apply(none);
	assert_int_equal(result.failed, 0);
	assert_file(RUN, NULL);
	assert_file(RUN_DIR "/applied", NULL);
}

/* What is in our own directory is ours, even when the record says nothing. */
static void a_file_in_our_own_directory_is_never_a_user_s(void **state)
{
	_plan_ struct plan *plan = new_plan(), *none = new_plan();

	(void)state;
	add(plan, FACET_DNS, RUN, "two");
	put_text(RUN, "somebody's");
	put_text(RUN_DIR "/applied", "nameserver 192.0.2.1\n");
	apply(plan);
	assert_int_equal(result.failed, 0);
	assert_int_equal(result.changed, BIT(FACET_DNS));
	assert_file(RUN, "two");
	/* The same one is noted, too. */
	assert_int_equal(unlink(below(RUN_DIR "/applied")), 0);
	apply(plan);
	assert_int_equal(result.changed | result.failed, 0);
	apply(none);
	assert_file(RUN, NULL);
}

static void a_manifest_names_nothing_outside_our_places(void **state)
{
	_manifest_ struct manifest manifest = {0};
	static const char text[] = "file ntp /etc/passwd/../shadow\n"
				   "file ntp /home/x\n"
				   "dir /\n"
				   "file ntp\n"
				   "garbage\n"
				   "todo nothing\n"
				   "todo dns\n"
				   "kept hostname /etc/hostname\n";

	(void)state;
	assert_int_equal(manifest_parse(text, &manifest), 0);
	assert_int_equal(manifest.files, 1);
	assert_int_equal(manifest.dirs, 0);
	assert_int_equal(manifest.todo, BIT(FACET_DNS));
	assert_true(manifest.file[0].kept);
}

static void a_certificate_is_trusted_and_no_more_when_it_is_gone(void **state)
{
	_plan_ struct plan *plan = new_plan(), *none = new_plan();
	char target[256];
	ssize_t n;

	(void)state;
	put_text("/etc/ssl/certs/ca-certificates.crt", "OLD\n");
	put_text("/etc/ca-certificates.conf",
		 "# list\nmozilla/a.crt\n!mozilla/b.crt\nmissing.crt\n");
	put_text("/usr/share/ca-certificates/mozilla/a.crt", "AAA");
	put_text("/usr/share/ca-certificates/mozilla/b.crt", "BBB\n");
	add(plan, FACET_ROOT_CA, "/usr/local/share/ca-certificates/x (1).crt", certificate);
	assert_int_equal(plan_add_action(plan, FACET_ROOT_CA, PLAN_CA_BUNDLE, NULL), 0);
	assert_int_equal(plan_add_action(none, FACET_ROOT_CA, PLAN_CA_BUNDLE, NULL), 0);
	apply(plan);
	assert_int_equal(result.failed, 0);
	assert_int_equal(result.actions, 1);
	n = readlink(below("/etc/ssl/certs/x_=1=.pem"), target, sizeof(target) - 1);
	assert_true(n > 0);
	target[n] = '\0';
	assert_string_equal(target, "/usr/local/share/ca-certificates/x (1).crt");
	n = readlink(below("/etc/ssl/certs/" HASH ".0"), target, sizeof(target) - 1);
	assert_true(n > 0);
	target[n] = '\0';
	assert_string_equal(target, "x_=1=.pem");
	{
		char expected[sizeof(certificate) + 16];

		(void)snprintf(expected, sizeof(expected), "AAA\n%s", certificate);
		assert_file("/etc/ssl/certs/ca-certificates.crt", expected);
	}
	apply(none);
	assert_int_equal(result.failed, 0);
	assert_false(is_there("/etc/ssl/certs/x_=1=.pem"));
	assert_false(is_there("/etc/ssl/certs/" HASH ".0"));
	assert_file("/etc/ssl/certs/ca-certificates.crt", "AAA\n");
}

static void what_is_no_certificate_is_refused_and_goes(void **state)
{
	_plan_ struct plan *plan = new_plan();

	(void)state;
	put_text("/etc/ssl/certs/ca-certificates.crt", "OLD\n");
	add(plan, FACET_ROOT_CA, "/usr/local/share/ca-certificates/x.crt", "nonsense\n");
	assert_int_equal(plan_add_action(plan, FACET_ROOT_CA, PLAN_CA_BUNDLE, NULL), 0);
	apply(plan);
	assert_int_equal(result.failed, BIT(FACET_ROOT_CA));
	assert_file("/usr/local/share/ca-certificates/x.crt", NULL);
	assert_file("/etc/ssl/certs/ca-certificates.crt", "");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_root, remove_root)
	const struct CMUnitTest tests[] = {
		T(what_is_planned_is_there_and_a_second_time_nothing_is_done),
		T(only_the_facet_that_changed_acts),
		T(what_is_no_longer_planned_leaves_nothing_behind),
		T(what_was_there_before_comes_back),
		T(a_user_s_file_is_left_alone_and_named),
		T(a_directory_in_its_place_is_a_user_s),
		T(a_link_on_the_way_is_not_followed),
		T(a_file_that_is_the_same_becomes_ours),
		T(a_file_that_somebody_changed_is_as_planned_again),
		T(a_facet_that_fails_goes_back_as_a_whole),
		T(a_run_that_was_cut_is_finished_by_the_next),
		T(a_run_that_was_cut_is_followed_by_one_with_other_contents),
		T(agents_that_write_at_the_same_time_do_not_take_each_other_s_files),
		T(a_file_in_our_own_directory_is_never_a_user_s),
		T(a_manifest_names_nothing_outside_our_places),
		T(a_certificate_is_trusted_and_no_more_when_it_is_gone),
		T(what_is_no_certificate_is_refused_and_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
