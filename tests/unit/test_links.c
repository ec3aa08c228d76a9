/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tunnels among the kernel's links (hostos-agents/network/links.c), with a directory made as sysfs
 * has it, and the list of what is up (provider.c). */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "fd.h"
#include "provider_internal.h"

static char top[] = "/tmp/test_links.XXXXXX";

static void put(const char *link, const char *name, const char *text)
{
	char path[256];
	_close_ int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/%s", top, link);
	(void)mkdir(path, 0755); /* it may be there */
	(void)snprintf(path, sizeof(path), "%s/%s/%s", top, link, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void make_link(const char *name, const char *type, const char *flags, const char *operstate,
		      const char *uevent)
{
	put(name, "type", type);
	put(name, "flags", flags);
	put(name, "operstate", operstate);
	put(name, "uevent", uevent);
}

static void tunnels_that_are_up_are_found(void **state)
{
	struct provider_list list = PROVIDER_LIST_NONE;
	char command[64];

	(void)state;
	assert_non_null(mkdtemp(top));
	make_link("eth0", "1\n", "0x1003\n", "up\n", "INTERFACE=eth0\nIFINDEX=2\n");
	make_link("vpn0", "65534\n", "0x10d1\n", "unknown\n", "INTERFACE=vpn0\n");
	put("vpn0", "tun_flags", "0x1001\n");
	make_link("vpn1", "65534\n", "0x1090\n", "down\n", "INTERFACE=vpn1\n");
	put("vpn1", "tun_flags", "0x1001\n");
	/* Set up, but nobody holds the other end. */
	make_link("vpn2", "65534\n", "0x1003\n", "down\n", "INTERFACE=vpn2\n");
	put("vpn2", "tun_flags", "0x1001\n");
	make_link("wg0", "65534\n", "0x91\n", "unknown\n", "DEVTYPE=wireguard\nINTERFACE=wg0\n");
	make_link("ppp0", "512\n", "0x10d1\n", "unknown\n", "DEVTYPE=ppp\nINTERFACE=ppp0\n");
	/* Of a virtual machine. */
	make_link("tap0", "1\n", "0x1003\n", "up\n", "INTERFACE=tap0\n");
	put("tap0", "tun_flags", "0x1002\n");
	put("tap0", "brport", "");

	assert_int_equal(provider_list_add(&list, "ppp0", false), 0);
	assert_int_equal(links_tunnels(top, &list), 0);
	assert_int_equal(list.items, 3);
	assert_true(provider_list_has(&list, "vpn0"));
	assert_true(provider_list_has(&list, "wg0"));
	assert_true(provider_list_has(&list, "ppp0"));
	for (size_t i = 0; i < list.items; i++)
		assert_true(list.item[i].vpn);
	provider_list_done(&list);

	(void)snprintf(command, sizeof(command), "rm -r %s", top);
	assert_int_equal(system(command), 0);
	assert_int_equal(links_tunnels(top, &list), 0);
	assert_int_equal(list.items, 0);
}

static void names_that_cannot_be_shown_are_left_out(void **state)
{
	struct provider_list list = PROVIDER_LIST_NONE;

	(void)state;
	assert_int_equal(provider_list_add(&list, "", true), 0);
	assert_int_equal(provider_list_add(&list, "a\nvpn b", true), 0);
	assert_int_equal(provider_list_add(&list, "\xff", true), 0);
	assert_int_equal(list.items, 0);
	assert_int_equal(provider_list_add(&list, "Wired connection 1", false), 0);
	assert_int_equal(list.items, 1);
	assert_false(provider_list_has(&list, "Wired"));
	provider_list_done(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tunnels_that_are_up_are_found),
		cmocka_unit_test(names_that_cannot_be_shown_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
