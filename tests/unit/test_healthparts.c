/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of the health agent, with real files, processes and sockets: hostos-agents/health/
 * healthconf.c, boots.c, breadcrumb.c, statefile.c, command.c, engine.c and netrecord.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "boots.h"
#include "breadcrumb.h"
#include "clock.h"
#include "command.h"
#include "engine.h"
#include "fd.h"
#include "healthconf.h"
#include "macro.h"
#include "netrecord.h"
#include "statefile.h"

/* A directory for each test. */
static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test-health-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char line[128];

	(void)state;
	(void)snprintf(line, sizeof(line), "rm -rf %s", dir);
	return system(line);
}

static const char *in_dir(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* --- health.conf --- */

struct problems {
	unsigned n, line;
	char expected[80];
};

static void take_problem(void *arg, unsigned line, const char *expected)
{
	struct problems *problems = arg;

	problems->n++;
	problems->line = line;
	(void)snprintf(problems->expected, sizeof(problems->expected), "%s", expected);
}

static void settings_are_read_and_what_means_nothing_keeps_its_default(void **state)
{
	static const char text[] = "# tests\n"
				   "Units = dbus.service a@b.service\n"
				   "Units=c.mount\n"
				   "Settle=0\nInterval=5\nTimeout=90000\n"
				   "Network=no\nEngine=/run/podman/podman.sock\n"
				   "EngineUnit=podman.socket\nColour=blue\nCommandTimeout=-1\n"
				   "no equals sign\nUnits=../../etc/passwd\n";
	struct healthconf conf = healthconf_defaults();
	struct problems problems = {0};

	(void)state;
	healthconf_parse(text, strlen(text), &conf, take_problem, &problems);
	assert_int_equal(conf.units, 3);
	assert_string_equal(conf.unit[1], "a@b.service");
	assert_int_equal(conf.settle, 0);
	assert_int_equal(conf.interval, 5);
	assert_int_equal(conf.timeout, 900);
	assert_int_equal(conf.command_timeout, 60);
	assert_false(conf.network);
	assert_int_equal(conf.engine, HEALTHCONF_ENGINE_SOCKET);
	assert_string_equal(conf.engine_socket, "/run/podman/podman.sock");
	assert_string_equal(conf.engine_unit, "podman.socket");
	assert_int_equal(problems.n, 5);
	assert_int_equal(problems.line, 13);
	assert_string_equal(problems.expected, "names of units, as dbus.service");
	healthconf_parse("Units=\n", 7, &conf, take_problem, &problems);
	assert_int_equal(conf.units, 0);
	assert_int_equal(problems.n, 5);
}

/* --- The story --- */

static struct boots_entry boot_of(unsigned number, char slot, enum boots_health health)
{
	struct boots_entry entry = {
		.running = {.by_tugboot = true,
			    .slot = slot,
			    .reason = SLOT_REASON_TRIAL,
			    .used = 1,
			    .allowed = 2,
			    .last = SLOT_LAST_CLEAN},
		.when = 1732345678,
		.health = health,
	};

	(void)snprintf(entry.id, sizeof(entry.id), "%08x-89ab-cdef-0123-456789abcdef", number);
	return entry;
}

static void the_story_keeps_the_last_boots_one_line_each(void **state)
{
	static struct boots boots;
	struct boots_entry entry;

	(void)state;
	for (unsigned i = 0; i < BOOTS_MAX + 5; i++) {
		entry = boot_of(i, i % 2 ? 'B' : 'A', BOOTS_RUNNING);
		assert_int_equal(boots_note(dir, &entry), 0);
		/* its verdict takes the place of its start */
		entry.health = i == 8 ? BOOTS_FAILED : BOOTS_PASSED;
		strcpy(entry.why, "engine: no answer");
		assert_int_equal(boots_note(dir, &entry), 0);
	}
	assert_int_equal(boots_read(dir, &boots), 0);
	assert_int_equal(boots.n, BOOTS_MAX);
	assert_string_equal(boots.entry[0].id, boot_of(5, 'A', BOOTS_NONE).id);
	assert_int_equal(boots.entry[BOOTS_MAX - 1].health, BOOTS_PASSED);
	assert_string_equal(boots.entry[0].why, "engine: no answer");
	assert_string_equal(boots_last_failed(&boots, 'A')->id, boot_of(8, 'A', BOOTS_NONE).id);
	assert_null(boots_last_failed(&boots, 'B'));
}

static void a_story_that_was_never_told_has_no_boots(void **state)
{
	static struct boots boots = {.n = 3};

	(void)state;
	assert_int_equal(boots_read(in_dir("missing"), &boots), 0);
	assert_int_equal(boots.n, 0);
	write_file(in_dir(BOOTS_FILE), "what a cut left \x01\xff\n\nslot=A\n", 0644);
	assert_int_equal(boots_read(dir, &boots), 0);
	assert_int_equal(boots.n, 0);
}

/* --- Breadcrumbs --- */

static bool is_there(const char *name)
{
	return access(in_dir(name), F_OK) == 0;
}

static void breadcrumbs_are_balena_s_files_and_say_the_slot(void **state)
{
	struct breadcrumb crumb = breadcrumb_read(dir);

	(void)state;
	assert_false(crumb.present);
	assert_int_equal(breadcrumb_leave(dir, 'B'), 0);
	assert_true(is_there("rollback-health-breadcrumb"));
	assert_true(is_there("rollback-altboot-breadcrumb"));
	crumb = breadcrumb_read(dir);
	assert_true(crumb.present && crumb.slot == 'B');
	assert_int_equal(breadcrumb_leave(dir, 'A'), 0);
	assert_int_equal(breadcrumb_read(dir).slot, 'A');
	assert_int_equal(breadcrumb_clear(dir), 0);
	assert_int_equal(breadcrumb_clear(dir), 0);
	assert_false(breadcrumb_read(dir).present);
	/* balenaOS's own are empty; one is enough */
	write_file(in_dir("rollback-altboot-breadcrumb"), "", 0644);
	crumb = breadcrumb_read(dir);
	assert_true(crumb.present && crumb.slot == 0);
	/* what is no file is there, and says nothing */
	assert_int_equal(breadcrumb_clear(dir), 0);
	assert_int_equal(mkfifo(in_dir("rollback-health-breadcrumb"), 0644), 0);
	crumb = breadcrumb_read(dir);
	assert_true(crumb.present && crumb.slot == 0);
	assert_int_equal(breadcrumb_leave(dir, 'B'), 0);
	assert_int_equal(breadcrumb_read(dir).slot, 'B');
}

static void flags_tell_of_a_rollback_until_the_next_trial(void **state)
{
	(void)state;
	assert_int_equal(breadcrumb_tell(dir, HEALTH_BY_HEALTH, "engine: no answer"), 0);
	assert_true(is_there("rollback-health-triggered"));
	assert_false(is_there("rollback-altboot-triggered"));
	assert_int_equal(breadcrumb_tell(dir, HEALTH_BY_ALTBOOT, "slot B: tries-used"), 0);
	assert_true(is_there("rollback-altboot-triggered"));
	assert_int_equal(breadcrumb_forget(dir), 0);
	assert_false(is_there("rollback-health-triggered"));
	assert_false(is_there("rollback-altboot-triggered"));
}

static void a_state_file_follows_no_link_and_replaces_what_a_cut_left(void **state)
{
	_free_ char *text = NULL;
	size_t size;

	(void)state;
	write_file(in_dir("victim"), "untouched", 0644);
	assert_int_equal(symlink("victim", in_dir(".note.new")), 0);
	assert_int_equal(statefile_write(dir, "note", "text", 4), 0);
	assert_int_equal(statefile_read(dir, "victim", 100, &text, &size), 0);
	assert_string_equal(text, "untouched");
	free(text);
	assert_int_equal(statefile_read(dir, "note", 100, &text, &size), 0);
	assert_string_equal(text, "text");
	assert_int_equal(symlink("victim", in_dir("link")), 0);
	assert_int_equal(statefile_read(dir, "link", 100, &text, &size), -ELOOP);
	assert_int_equal(statefile_remove(in_dir("missing"), "note"), 0);
	write_file(in_dir(".note.new"), "half", 0644);
	assert_int_equal(statefile_remove(dir, "note"), 0);
	assert_false(is_there("note"));
	assert_false(is_there(".note.new"));
}

/* --- Commands --- */

static struct command_end run(const char *script, unsigned timeout_s)
{
	char path[256];
	struct command command = {.path = path, .timeout_s = timeout_s};
	struct command_end end;

	(void)snprintf(path, sizeof(path), "%s", in_dir("command"));
	write_file(path, script, 0755);
	command_run(&command, &end);
	return end;
}

static void a_command_says_by_its_status_and_its_last_line(void **state)
{
	struct command command = {.path = "x", .timeout_s = 1};
	struct command_end end = run("#!/bin/sh\necho one\necho two >&2\nexit 3\n", 10);
	char words[200];

	(void)state;
	assert_int_equal(end.status, 3);
	assert_string_equal(end.said, "two");
	command_end_words(&command, &end, words, sizeof(words));
	assert_string_equal(words, "ended with 3: two");
	end = run("#!/bin/sh\nkill -SEGV $$\n", 10);
	assert_int_equal(end.status, 128 + SIGSEGV);
	end = run("#!/bin/sh\nprintf '\\033[31mred\\000\\n'\n", 10);
	assert_int_equal(end.status, 0);
	assert_string_equal(end.said, "?[31mred?");
	end = run("no program", 10);
	assert_int_equal(end.status, 127);
	/* nothing of ours but PATH */
	assert_int_equal(setenv("SECRET", "x", 1), 0);
	end = run("#!/bin/sh\ntest -z \"$SECRET\" && test $# = 0 && test \"$PWD\" = /\n", 10);
	assert_int_equal(end.status, 0);
}

static void a_command_and_all_that_it_started_end_with_its_time(void **state)
{
	uint64_t begin = clock_ms();
	struct command_end end;
	char script[256];

	(void)state;
	end = run("#!/bin/sh\necho waiting\nsleep 60\n", 1);
	assert_int_equal(end.status, -ETIMEDOUT);
	assert_string_equal(end.said, "waiting");
	/* one that ends and leaves a child, which keeps its output open */
	(void)snprintf(script, sizeof(script), "#!/bin/sh\nsleep 60 &\necho $! >%s\n",
		       in_dir("pid"));
	end = run(script, 30);
	assert_int_equal(end.status, 0);
	assert_true(clock_ms() - begin < 20000);
	(void)snprintf(
		script, sizeof(script),
		"#!/bin/sh\nn=0; while kill -0 $(cat %s) 2>/dev/null; do n=$((n+1)); "
		"[ $n -lt 50 ] || exit 1; grep -q '^State:.Z' /proc/$(cat %s)/status && exit "
		"0; sleep 0.1; done\n",
		in_dir("pid"), in_dir("pid"));
	assert_int_equal(run(script, 30).status, 0);
	/* one that floods its output */
	end = run("#!/bin/sh\nexec 2>/dev/null\nyes | head -c 300000 >/dev/null; echo end\n", 30);
	assert_int_equal(end.status, 0);
	assert_string_equal(end.said, "end");
}

static void commands_are_sorted_and_masked_by_name(void **state)
{
	char first[128], second[128], path[256];
	const char *const dirs[] = {first, second, "/nonexistent", NULL};
	struct command_list list;

	(void)state;
	(void)snprintf(first, sizeof(first), "%s/etc", dir);
	(void)snprintf(second, sizeof(second), "%s/usr", dir);
	assert_int_equal(mkdir(first, 0755), 0);
	assert_int_equal(mkdir(second, 0755), 0);
	write_file(strcat(strcpy(path, second), "/10-a"), "#!/bin/sh\n", 0755);
	write_file(strcat(strcpy(path, second), "/20-masked"), "#!/bin/sh\n", 0755);
	write_file(strcat(strcpy(path, second), "/30-replaced"), "#!/bin/sh\n", 0755);
	write_file(strcat(strcpy(path, second), "/40-no-program"), "text\n", 0644);
	write_file(strcat(strcpy(path, second), "/50-backup~"), "#!/bin/sh\n", 0755);
	write_file(strcat(strcpy(path, second), "/60-empty"), "#!/bin/sh\n", 0755);
	write_file(strcat(strcpy(path, first), "/05-first"), "#!/bin/sh\n", 0755);
	write_file(strcat(strcpy(path, first), "/30-replaced"), "#!/bin/sh\n", 0755);
	write_file(strcat(strcpy(path, first), "/60-empty"), "", 0644);
	assert_int_equal(symlink("/dev/null", strcat(strcpy(path, first), "/20-masked")), 0);
	assert_int_equal(command_list_read(dirs, &list), 0);
	assert_int_equal(list.n, 3);
	assert_string_equal(list.path[0], strcat(strcpy(path, first), "/05-first"));
	assert_string_equal(list.path[1], strcat(strcpy(path, second), "/10-a"));
	assert_string_equal(list.path[2], strcat(strcpy(path, first), "/30-replaced"));
	command_list_done(&list);
}

static void balena_s_hooks_are_chosen_by_their_phase(void **state)
{
	char hook[160], path[256];
	struct command_list list;

	(void)state;
	(void)snprintf(hook, sizeof(hook), "%s/95-secureboot", dir);
	assert_int_equal(mkdir(hook, 0755), 0);
	write_file(strcat(strcpy(path, hook), "/1-fwd_commit_revoke"), "#!/bin/sh\n", 0755);
	write_file(strcat(strcpy(path, hook), "/1-forward"), "#!/bin/sh\n", 0755);
	write_file(strcat(strcpy(path, hook), "/2-before"), "#!/bin/sh\n", 0755);
	write_file(strcat(strcpy(path, dir), "/0-bootfiles"), "#!/bin/sh\n", 0755);
	assert_int_equal(command_list_balena(dir, "fwd_commit", false, &list), 0);
	assert_int_equal(list.n, 1);
	assert_string_equal(list.path[0], strcat(strcpy(path, hook), "/1-fwd_commit_revoke"));
	command_list_done(&list);
	assert_int_equal(command_list_balena(dir, "forward", true, &list), 0);
	assert_int_equal(list.n, 2);
	assert_string_equal(list.path[0], strcat(strcpy(path, dir), "/0-bootfiles"));
	assert_string_equal(list.path[1], strcat(strcpy(path, hook), "/1-forward"));
	command_list_done(&list);
}

/* --- The engine --- */

static void an_answer_s_status_is_read_strictly(void **state)
{
	static const struct {
		const char *answer;
		int status;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\n", 200},
		{"HTTP/1.0 500 \r\n", 500},
		{"HTTP/1.1 204\r\n", 204},
		{"HTTP/1.1 200", -EAGAIN},
		{"HTT", -EAGAIN},
		{"", -EAGAIN},
		{"HTTP/1.1 2000 OK", -EPROTO},
		{"HTTP/1.1  200 OK", -EPROTO},
		{"HTTP/2 200 OK\r\n", -EPROTO},
		{"HTTP/1.x 200 OK\r\n", -EPROTO},
		{"HTTP/1.1 099 OK\r\n", -EPROTO},
		{"SSH-2.0-OpenSSH", -EPROTO},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(engine_parse_status(cases[i].answer, strlen(cases[i].answer)),
				 cases[i].status);
}

/* Answers one peer, byte by byte when slow; never when the answer is NULL. */
static pid_t serve(const char *path, const char *answer, bool slow)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t pid;

	assert_true(fd >= 0);
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 5), 0);
	pid = fork();
	if (pid == 0) {
		int peer = accept(fd, NULL, NULL);
		char buf[512];

		(void)!read(peer, buf, sizeof(buf));
		for (; answer && *answer; answer += slow ? 1 : strlen(answer)) {
			(void)!write(peer, answer, slow ? 1 : strlen(answer));
			(void)usleep(slow ? 10000 : 0);
		}
		if (!answer)
			(void)sleep(30);
		_exit(0);
	}
	(void)close(fd);
	return pid;
}

static int ping(const char *answer, bool slow, unsigned timeout_ms, unsigned *status)
{
	const char *path = in_dir("docker.sock");
	pid_t pid = serve(path, answer, slow);
	int r = engine_ping(path, timeout_ms, status);

	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	assert_int_equal(unlink(path), 0);
	return r;
}

static void the_engine_is_well_when_its_ping_is_answered_with_200(void **state)
{
	uint64_t begin = clock_ms();
	unsigned status = 0;

	(void)state;
	assert_int_equal(ping("HTTP/1.1 200 OK\r\n\r\nOK", false, 5000, &status), 0);
	assert_int_equal(ping("HTTP/1.1 200 OK\r\n\r\nOK", true, 5000, &status), 0);
	assert_int_equal(ping("HTTP/1.1 500 Oops\r\n", false, 5000, &status), -EREMOTEIO);
	assert_int_equal(status, 500);
	assert_int_equal(ping("hello\r\n", false, 5000, &status), -EPROTO);
	assert_int_equal(ping("HTTP/1.1", false, 5000, &status), -EPROTO);
	assert_int_equal(ping(NULL, false, 300, &status), -ETIMEDOUT);
	assert_true(clock_ms() - begin < 20000);
	assert_int_equal(engine_ping(in_dir("docker.sock"), 1000, &status), -ENOENT);
	assert_string_equal(engine_units("/run/docker.sock")[0], "docker.service");
	assert_string_equal(engine_units("/run/balena-engine.sock")[1], "balena-engine.service");
	assert_null(engine_units("/run/other")[0]);
}

/* --- The network --- */

static void expect_network(const char *before, const char *now, size_t results,
			   enum health_outcome outcome, const char *why)
{
	struct provider_list was, is;
	struct health_round round = {.n = 0};

	assert_int_equal(netrecord_parse(before, strlen(before), &was), 0);
	assert_int_equal(netrecord_parse(now, strlen(now), &is), 0);
	netrecord_compare(&was, &is, &round);
	assert_int_equal(round.n, results);
	if (results > 0) {
		assert_int_equal(round.result[results - 1].outcome, outcome);
		assert_string_equal(round.result[results - 1].why, why);
	}
	provider_list_done(&was);
	provider_list_done(&is);
}

static void each_vpn_must_be_up_again_and_some_connection(void **state)
{
	(void)state;
	expect_network("", "", 0, HEALTH_PASS, "");
	expect_network("", "vpn a\nup b\n", 0, HEALTH_PASS, "");
	expect_network("vpn my vpn\n", "up b\n", 1, HEALTH_FAIL,
		       "my vpn was up before the update and is not");
	expect_network("vpn my vpn\n", "vpn my vpn\n", 1, HEALTH_PASS, "my vpn is up");
	expect_network("up wired\n", "up wifi\n", 1, HEALTH_PASS, "a connection is up");
	expect_network("up wired\n", "vpn tunnel\n", 1, HEALTH_FAIL,
		       "wired was up before the update; no connection is");
	expect_network("vpn a\nvpn b\n", "vpn a\n", 2, HEALTH_FAIL,
		       "b was up before the update and is not");
	/* what means nothing is passed over */
	expect_network("vpn\nnonsense x\nup \x01\n\n", "", 0, HEALTH_PASS, "");
}

static void a_record_is_read_as_it_was_written(void **state)
{
	static const char text[] = "up Wired connection 1\nvpn wg0\n";
	struct provider_list list;
	_free_ char *again = NULL;

	(void)state;
	assert_int_equal(netrecord_parse(text, strlen(text), &list), 0);
	assert_int_equal(list.items, 2);
	assert_int_equal(netrecord_format(&list, &again), strlen(text));
	assert_string_equal(again, text);
	provider_list_done(&list);
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_are_read_and_what_means_nothing_keeps_its_default),
		WITH_DIR(the_story_keeps_the_last_boots_one_line_each),
		WITH_DIR(a_story_that_was_never_told_has_no_boots),
		WITH_DIR(breadcrumbs_are_balena_s_files_and_say_the_slot),
		WITH_DIR(flags_tell_of_a_rollback_until_the_next_trial),
		WITH_DIR(a_state_file_follows_no_link_and_replaces_what_a_cut_left),
		WITH_DIR(a_command_says_by_its_status_and_its_last_line),
		WITH_DIR(a_command_and_all_that_it_started_end_with_its_time),
		WITH_DIR(commands_are_sorted_and_masked_by_name),
		WITH_DIR(balena_s_hooks_are_chosen_by_their_phase),
		cmocka_unit_test(an_answer_s_status_is_read_strictly),
		WITH_DIR(the_engine_is_well_when_its_ping_is_answered_with_200),
		cmocka_unit_test(each_vpn_must_be_up_again_and_some_connection),
		cmocka_unit_test(a_record_is_read_as_it_was_written),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
