/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting for the network (hostos-agents/network/online.c) on a bus of its own, with a peer that has
 * NetworkManager's name and properties and changes its state at any moment that there is: before it
 * is asked, while it is, right after it has answered, and at random.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <systemd/sd-bus.h>

#include "clock.h"
#include "network.h"

#define NAME "org.freedesktop.NetworkManager"
#define PATH "/org/freedesktop/NetworkManager"
#define ROUNDS 300

/* What the peer does, and when. */
struct orders {
	unsigned asked; /* how often it was asked for a property */
	unsigned
		before; /* it comes online while it answers the question of this number, with the old state */
	unsigned after;	   /* right after that answer */
	unsigned from, to; /* states */
	unsigned name_ms,
		state_ms; /* after its start: it takes its name; comes online. 0: at once; UINT_MAX: never */
};

static struct orders *orders;
static pid_t daemon_pid, peer_pid;
static unsigned current; /* the peer's own */

static void change(sd_bus *bus)
{
	if (current == orders->to)
		return;
	current = orders->to;
	(void)sd_bus_emit_signal(bus, PATH, NAME, "StateChanged", "u", current);
}

static int get_number(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	unsigned number = streq(property, "State") ? current : 4;
	int r;

	(void)path;
	(void)interface;
	(void)arg;
	(void)error;
	r = sd_bus_message_append(reply, "u", number);
	if (++orders->asked == orders->before)
		change(bus); /* its signal goes out before this answer */
	return r;
}

static int get_startup(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	(void)path;
	(void)interface;
	(void)property;
	(void)arg;
	(void)error;
	if (++orders->asked == orders->before)
		change(bus);
	return sd_bus_message_append(reply, "b", 0);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("State", "u", get_number, 0, 0),
	SD_BUS_PROPERTY("Connectivity", "u", get_number, 0, 0),
	SD_BUS_PROPERTY("Startup", "b", get_startup, 0, 0),
	SD_BUS_SIGNAL("StateChanged", "u", 0),
	SD_BUS_VTABLE_END,
};

static _Noreturn void be_peer(int ready)
{
	uint64_t start = clock_ms();
	bool named = false;
	sd_bus *bus;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sd_bus_open_system(&bus) < 0 ||
	    sd_bus_add_object_vtable(bus, NULL, PATH, NAME, vtable, NULL) < 0)
		_exit(1);
	current = orders->from;
	for (;;) {
		uint64_t now = clock_ms() - start;
		int r;

		if (!named && now >= orders->name_ms) {
			named = true;
			if (sd_bus_request_name(bus, NAME, 0) < 0)
				_exit(1);
		}
		if (ready >= 0 && (named || orders->name_ms > 0)) {
			if (write(ready, "x", 1) != 1)
				_exit(1);
			ready = -1;
		}
		if (now >= orders->state_ms)
			change(bus);
		r = sd_bus_process(bus, NULL);
		if (orders->after > 0 && orders->asked >= orders->after)
			change(bus);
		if (r == 0)
			(void)sd_bus_wait(bus, 1000);
	}
}

static void start_peer(struct orders given)
{
	int ready[2];
	char c;

	*orders = given;
	assert_return_code(pipe(ready), errno);
	peer_pid = fork();
	if (peer_pid == 0)
		be_peer(ready[1]);
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	(void)close(ready[0]);
}

static void stop_peer(void)
{
	(void)kill(peer_pid, SIGKILL);
	(void)waitpid(peer_pid, NULL, 0);
}

/* Comes online somehow; a signal that is missed would be found at the deadline only. */
static void assert_comes_online(struct orders given)
{
	struct provider_state state = {0};
	uint64_t begin = clock_ms();

	start_peer(given);
	assert_int_equal(online_wait(&provider_nm, 20, false, &state), 1);
	assert_true(clock_ms() - begin < 15000);
	assert_true(state.online && state.full);
	assert_string_equal(state.words, "NetworkManager is connected (state 70, connectivity 4)");
	stop_peer();
}

static void no_change_while_it_is_asked_is_missed(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 3; n++) {
		assert_comes_online(
			(struct orders){.before = n, .from = 40, .to = 70, .state_ms = UINT_MAX});
		assert_comes_online(
			(struct orders){.after = n, .from = 40, .to = 70, .state_ms = UINT_MAX});
	}
}

static void no_change_at_any_moment_is_missed(void **state)
{
	unsigned asked = 0;

	(void)state;
	srandom(5);
	for (unsigned n = 0; n < ROUNDS; n++) {
		assert_comes_online((struct orders){
			.from = 20, .to = 70, .state_ms = 1 + (unsigned)random() % 6});
		asked += orders->asked > 3;
	}
	/* Some were in time, some had to wait: both were tried. */
	print_message("%u rounds, %u of them waited\n", ROUNDS, asked);
	assert_in_range(asked, 1, ROUNDS - 1);
}

static void a_provider_that_starts_late_is_waited_for(void **state)
{
	(void)state;
	assert_comes_online((struct orders){.name_ms = 300, .state_ms = 600, .from = 20, .to = 70});
	assert_comes_online((struct orders){.name_ms = 300, .from = 70, .to = 70});
}

static void the_deadline_says_what_was_found(void **state)
{
	struct provider_state found = {0};
	uint64_t begin = clock_ms();

	(void)state;
	start_peer((struct orders){.from = 40, .to = 40});
	assert_int_equal(online_wait(&provider_nm, 1, false, &found), 0);
	assert_in_range(clock_ms() - begin, 1000, 8000);
	assert_false(found.online);
	assert_string_equal(found.words, "NetworkManager is connecting (state 40, connectivity 4)");
	stop_peer();
	begin = clock_ms();
	assert_int_equal(online_wait(&provider_nm, 1, false, &found), 0);
	assert_in_range(clock_ms() - begin, 1000, 8000);
	assert_string_equal(found.words, "NetworkManager does not run");
}

/* A network without a way out is one, if it is all there is. */
static void a_local_network_is_online_and_not_in_full(void **state)
{
	struct provider_state found = {0};

	(void)state;
	start_peer((struct orders){.from = 50, .to = 50});
	assert_int_equal(online_wait(&provider_nm, 5, false, &found), 1);
	assert_true(found.online);
	stop_peer();
}

static void a_bus_that_is_not_there_yet_has_a_deadline(void **state)
{
	struct provider_state found = {0};
	char *address = strdup(getenv("DBUS_SYSTEM_BUS_ADDRESS"));
	uint64_t begin = clock_ms();

	(void)state;
	assert_non_null(address);
	assert_return_code(setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent", 1), errno);
	assert_int_equal(online_wait(&provider_nm, 1, false, &found), 0);
	assert_in_range(clock_ms() - begin, 1000, 8000);
	assert_false(found.online);
	assert_true(found.words[0]);
	assert_return_code(setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1), errno);
	free(address);
}

/* A bus daemon as a user has one, at an address that it chooses and tells. */
static int setup(void **state)
{
	char address[256] = "";
	ssize_t n;
	int fds[2];

	(void)state;
	orders = mmap(NULL, sizeof(*orders), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_true(orders != MAP_FAILED);
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
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)kill(daemon_pid, SIGKILL);
	(void)waitpid(daemon_pid, NULL, 0);
	return munmap(orders, sizeof(*orders));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_change_while_it_is_asked_is_missed),
		cmocka_unit_test(no_change_at_any_moment_is_missed),
		cmocka_unit_test(a_provider_that_starts_late_is_waited_for),
		cmocka_unit_test(the_deadline_says_what_was_found),
		cmocka_unit_test(a_local_network_is_online_and_not_in_full),
		cmocka_unit_test(a_bus_that_is_not_there_yet_has_a_deadline),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
