/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* agent/bus.h with a bus daemon of its own, and a peer on it that answers well, badly or not. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <systemd/sd-bus.h>

#include "bus.h"
#include "clock.h"
#include "fd.h"

#define NAME "org.tugboot.Test"

static const struct bus_object peer = {NAME, "/peer", "org.tugboot.Test"};
static const struct bus_object absent = {"org.tugboot.Absent", "/peer", "org.tugboot.Test"};

static pid_t daemon_pid, peer_pid;

static int on_silent(sd_bus_message *message, void *arg, sd_bus_error *error)
{
	(void)message;
	(void)arg;
	(void)error;
	return 1; /* taken, never answered */
}

static int on_echo(sd_bus_message *message, void *arg, sd_bus_error *error)
{
	const char *text;

	(void)arg;
	(void)error;
	if (sd_bus_message_read(message, "s", &text) < 0)
		return -EINVAL;
	return sd_bus_reply_method_return(message, "s", text);
}

static int on_number(sd_bus_message *message, void *arg, sd_bus_error *error)
{
	(void)arg;
	(void)error;
	return sd_bus_reply_method_return(message, "u", 7u);
}

static int on_tell(sd_bus_message *message, void *arg, sd_bus_error *error)
{
	(void)arg;
	(void)error;
	(void)sd_bus_emit_signal(sd_bus_message_get_bus(message), peer.path, peer.interface, "Told",
				 "s", "x");
	return sd_bus_reply_method_return(message, "");
}

static int get_list(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	(void)bus;
	(void)path;
	(void)interface;
	(void)arg;
	(void)error;
	if (streq(property, "Paths"))
		return sd_bus_message_append(reply, "ao", 2, "/one", "/two");
	return sd_bus_message_append(reply, "as", 0);
}

static int get_value(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	(void)bus;
	(void)path;
	(void)interface;
	(void)arg;
	(void)error;
	if (streq(property, "Text"))
		return sd_bus_message_append(reply, "s", "a text");
	if (streq(property, "Yes"))
		return sd_bus_message_append(reply, "b", 1);
	return sd_bus_message_append(reply, "u", 70u);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Silent", "", "", on_silent, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Echo", "s", "s", on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Number", "", "u", on_number, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Tell", "", "", on_tell, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_PROPERTY("Paths", "ao", get_list, 0, 0),
	SD_BUS_PROPERTY("Nothing", "as", get_list, 0, 0),
	SD_BUS_PROPERTY("Text", "s", get_value, 0, 0),
	SD_BUS_PROPERTY("Yes", "b", get_value, 0, 0),
	SD_BUS_PROPERTY("State", "u", get_value, 0, 0),
	SD_BUS_VTABLE_END,
};

static _Noreturn void be_peer(int ready)
{
	sd_bus *bus;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sd_bus_open_system(&bus) < 0 ||
	    sd_bus_add_object_vtable(bus, NULL, peer.path, peer.interface, vtable, NULL) < 0 ||
	    sd_bus_request_name(bus, NAME, 0) < 0 || write(ready, "x", 1) != 1)
		_exit(1);
	for (;;)
		if (sd_bus_process(bus, NULL) == 0)
			(void)sd_bus_wait(bus, UINT64_MAX);
}

/* A bus daemon as a user has one, at an address that it chooses and tells. */
static void start_daemon(void)
{
	char address[256] = "";
	ssize_t n;
	int fds[2];

	assert_return_code(pipe(fds), errno);
	daemon_pid = fork();
	if (daemon_pid == 0) {
		char print[40];

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)snprintf(print, sizeof(print), "--print-address=%d", fds[1]);
		(void)execlp("dbus-daemon", "dbus-daemon", "--session", "--nofork", print, NULL);
		_exit(127);
	}
	(void)close(fds[1]);
	n = read(fds[0], address, sizeof(address) - 1);
	(void)close(fds[0]);
	if (n <= 0)
		fail_msg("no dbus-daemon: package dbus-daemon");
	address[strcspn(address, "\n")] = '\0';
	assert_return_code(setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1), errno);
}

static int setup(void **state)
{
	int ready[2];
	char c;

	(void)state;
	start_daemon();
	assert_return_code(pipe(ready), errno);
	peer_pid = fork();
	if (peer_pid == 0)
		be_peer(ready[1]);
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	(void)close(ready[0]);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)kill(peer_pid, SIGKILL);
	(void)kill(daemon_pid, SIGKILL);
	(void)waitpid(peer_pid, NULL, 0);
	(void)waitpid(daemon_pid, NULL, 0);
	return 0;
}

static void methods_are_called_and_texts_come_back(void **state)
{
	_bus_ struct bus *bus = NULL;
	_free_ char *text = NULL;
	char *untouched = NULL;

	(void)state;
	assert_int_equal(bus_open(&bus), 0);
	assert_int_equal(bus_call_text(bus, &peer, "Echo", 5000, &text, "s", "hello"), 0);
	assert_string_equal(text, "hello");
	assert_int_equal(bus_call(bus, &peer, "Echo", 5000, "s", "hello"), 0);
	assert_int_equal(bus_call_text(bus, &peer, "Number", 5000, &untouched, ""), -EBADMSG);
	assert_null(untouched);
}

static void a_peer_that_does_not_answer_has_a_deadline(void **state)
{
	_bus_ struct bus *bus = NULL;
	uint64_t start = clock_ms();

	(void)state;
	assert_int_equal(bus_open(&bus), 0);
	assert_int_equal(bus_call(bus, &peer, "Silent", 200, ""), -ETIMEDOUT);
	assert_true(clock_ms() - start >= 200);
}

static void a_service_that_is_not_there_is_said(void **state)
{
	_bus_ struct bus *bus = NULL;
	uint64_t number = 5;

	(void)state;
	assert_int_equal(bus_open(&bus), 0);
	assert_int_equal(bus_call(bus, &absent, "Echo", 5000, "s", "x"), -ESRCH);
	assert_int_equal(bus_get_number(bus, &absent, "State", &number), -ESRCH);
	assert_int_equal(number, 5);
}

static void properties_have_the_type_that_is_asked_for_or_are_refused(void **state)
{
	_bus_ struct bus *bus = NULL;
	_free_ char *text = NULL;
	char **list = NULL;
	uint64_t number;

	(void)state;
	assert_int_equal(bus_open(&bus), 0);
	assert_int_equal(bus_get_text(bus, &peer, "Text", &text), 0);
	assert_string_equal(text, "a text");
	assert_int_equal(bus_get_number(bus, &peer, "Yes", &number), 0);
	assert_int_equal(number, 1);
	assert_int_equal(bus_get_number(bus, &peer, "State", &number), 0);
	assert_int_equal(number, 70);
	assert_int_equal(bus_get_number(bus, &peer, "Text", &number), -EBADMSG);
	assert_int_equal(bus_get_list(bus, &peer, "Text", &list), -EBADMSG);
	assert_int_equal(bus_get_list(bus, &peer, "Nothing", &list), 0);
	assert_null(list[0]);
	bus_list_free(list);
	assert_int_equal(bus_get_list(bus, &peer, "Paths", &list), 0);
	assert_string_equal(list[0], "/one");
	assert_string_equal(list[1], "/two");
	assert_null(list[2]);
	bus_list_free(list);
}

static void on_told(void *arg, const char *path, const char *interface, const char *member)
{
	assert_string_equal(path, peer.path);
	assert_string_equal(interface, peer.interface);
	assert_string_equal(member, "Told");
	(*(unsigned *)arg)++;
}

static void nothing_is_missed_once_a_signal_is_watched(void **state)
{
	_bus_ struct bus *bus = NULL, *other = NULL;
	unsigned told = 0;

	(void)state;
	assert_int_equal(bus_open(&bus), 0);
	assert_int_equal(bus_open(&other), 0);
	assert_int_equal(bus_watch(bus, &peer, "Told", on_told, &told), 0);
	for (unsigned i = 1; i <= 20; i++) {
		assert_int_equal(bus_call(other, &peer, "Tell", 5000, ""), 0);
		for (unsigned turn = 0; told < i && turn < 50; turn++)
			assert_return_code(bus_process(bus, 100), errno);
		assert_int_equal(told, i);
	}
	assert_int_equal(bus_process(bus, 10), 0);
}

static void without_a_bus_it_says_so(void **state)
{
	_free_ char *address = strdup(getenv("DBUS_SYSTEM_BUS_ADDRESS"));
	struct bus *bus = NULL;

	(void)state;
	assert_return_code(setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent", 1), errno);
	assert_true(access("/run/systemd/private", F_OK) == 0 || bus_open(&bus) < 0);
	bus_close(bus);
	assert_return_code(setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1), errno);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(methods_are_called_and_texts_come_back),
		cmocka_unit_test(a_peer_that_does_not_answer_has_a_deadline),
		cmocka_unit_test(a_service_that_is_not_there_is_said),
		cmocka_unit_test(properties_have_the_type_that_is_asked_for_or_are_refused),
		cmocka_unit_test(nothing_is_missed_once_a_signal_is_watched),
		cmocka_unit_test(without_a_bus_it_says_so),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
