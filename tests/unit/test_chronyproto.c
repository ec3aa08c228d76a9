/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chronyd's packets: hostos-agents/time/chronyproto.c. The layouts are those of chrony 4.3; the
 * test in a guest speaks with a real one. */
#include "chronyproto.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "exact.h"
#include "macro.h"

#define DATA 28
#define TRACKING_SIZE 104

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

/* A reply's head. */
static void head(uint8_t *packet, enum chrony_command command, unsigned code, unsigned status,
		 uint32_t sequence)
{
	memset(packet, 0, CHRONY_REPLY_MAX);
	packet[0] = 6;
	packet[1] = 2;
	put16(packet + 4, (unsigned)command);
	put16(packet + 6, code);
	put16(packet + 8, status);
	put32(packet + 16, sequence);
}

static void requests_are_as_candm_h_has_them(void **state)
{
	struct chrony_address address = {{10, 9, 0, 1}};
	uint8_t packet[CHRONY_REQUEST_SIZE];

	(void)state;
	chrony_request(packet, 0x01020304, CHRONY_TRACKING);
	assert_memory_equal(packet, "\6\1\0\0\0\41\0\0\1\2\3\4\0\0\0\0\0\0\0\0", 20);
	chrony_request_burst(packet, 1, 4, 8);
	assert_int_equal(packet[5], CHRONY_BURST);
	assert_memory_equal(packet + 60, "\0\0\0\4\0\0\0\10", 8);
	chrony_request_source(packet, 1, 258);
	assert_memory_equal(packet + 20, "\0\0\1\2\0", 5);
	chrony_request_auth(packet, 1, &address);
	assert_int_equal(packet[5], CHRONY_AUTH_DATA);
	assert_memory_equal(packet + 20, address.bytes, sizeof(address.bytes));
}

static void replies_are_to_the_request_and_of_this_version(void **state)
{
	static const struct {
		unsigned status;
		int r;
	} rows[] = {{0, 0},	   {1, -EIO},  {2, -EACCES}, {4, -ENOENT},
		    {18, -EPROTO}, {19, -EIO}, {65535, -EIO}};
	uint8_t packet[CHRONY_REPLY_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		head(packet, CHRONY_BURST, 1, rows[i].status, 7);
		assert_int_equal(chrony_reply_check(exact(packet, DATA), DATA, 7, CHRONY_BURST),
				 rows[i].r);
	}
	head(packet, CHRONY_BURST, 1, 0, 7);
	assert_int_equal(chrony_reply_check(packet, DATA, 8, CHRONY_BURST), -EAGAIN);
	assert_int_equal(chrony_reply_check(packet, DATA, 7, CHRONY_ONLINE), -EAGAIN);
	assert_int_equal(chrony_reply_check(packet, DATA - 1, 7, CHRONY_BURST), -EBADMSG);
	packet[0] = 5;
	assert_int_equal(chrony_reply_check(packet, DATA, 7, CHRONY_BURST), -EPROTO);
	packet[1] = 1;
	assert_int_equal(chrony_reply_check(packet, DATA, 7, CHRONY_BURST), -EBADMSG);
}

static void tracking(uint8_t *packet)
{
	head(packet, CHRONY_TRACKING, 5, 0, 1);
	put32(packet + DATA, 0xc0000201);
	put16(packet + DATA + 24, 2);
	put16(packet + DATA + 26, 1);
	put32(packet + DATA + 28, 0);
	put32(packet + DATA + 32, 1803902400);
	put32(packet + DATA + 36, 500000000);
}

static void tracking_is_read(void **state)
{
	static const struct {
		uint32_t bits;
		double value;
	} floats[] = {
		{0, 0},
		{2u << 25 | 1u << 23, 1},   /* 2^(2-25) * 2^23 */
		{3u << 25 | 0xe00000, 3.5}, /* 2^(3-25) * 7 * 2^21 */
		{2u << 25 | 0x1800000, -1},
		{127u << 25 | 1u << 24 | 1, -0.2499999850988388}, /* exponent -1 */
		{63u << 25 | 0xffffff, 0},			  /* beyond any time: refused */
	};
	uint8_t packet[CHRONY_REPLY_MAX];
	struct chrony_tracking t;

	(void)state;
	tracking(packet);
	assert_int_equal(chrony_reply_tracking(exact(packet, TRACKING_SIZE), TRACKING_SIZE, &t), 0);
	assert_int_equal(t.ref_id, 0xc0000201);
	assert_int_equal(t.stratum, 2);
	assert_int_equal(t.leap, 1);
	assert_int_equal(t.ref_time_ms, 1803902400500);
	for (size_t i = 0; i < ARRAY_SIZE(floats); i++) {
		int r;

		put32(packet + DATA + 40, floats[i].bits);
		r = chrony_reply_tracking(packet, TRACKING_SIZE, &t);
		if (i == ARRAY_SIZE(floats) - 1)
			assert_int_equal(r, -EBADMSG);
		else
			assert_true(r == 0 && t.correction == floats[i].value);
	}
}

static void a_time_of_32_bits_is_marked_as_one(void **state)
{
	uint8_t packet[CHRONY_REPLY_MAX];
	struct chrony_tracking t;

	(void)state;
	tracking(packet);
	put32(packet + DATA + 28, 0x7fffffff);
	assert_int_equal(chrony_reply_tracking(packet, TRACKING_SIZE, &t), 0);
	assert_int_equal(t.ref_time_ms, 1803902400500);
	put32(packet + DATA + 28, 0x7ffffffe);
	assert_int_equal(chrony_reply_tracking(packet, TRACKING_SIZE, &t), -EBADMSG);
	put32(packet + DATA + 28, 0);
	put32(packet + DATA + 36, 1000000000);
	assert_int_equal(chrony_reply_tracking(packet, TRACKING_SIZE, &t), -EBADMSG);
}

static void a_source_is_read(void **state)
{
	uint8_t packet[CHRONY_REPLY_MAX];
	struct chrony_source s;
	size_t size = DATA + 48;

	(void)state;
	head(packet, CHRONY_SOURCE_DATA, 3, 0, 1);
	memcpy(packet + DATA, "\12\11\0\51", 4);
	put16(packet + DATA + 20, 0xfffe);
	put16(packet + DATA + 22, 3);
	put16(packet + DATA + 24, CHRONY_FALSETICKER);
	put16(packet + DATA + 30, 0377);
	put32(packet + DATA + 32, 17);
	put32(packet + DATA + 40, 2u << 25 | 0x1800000);
	assert_int_equal(chrony_reply_source(exact(packet, size), size, &s), 0);
	assert_memory_equal(s.address.bytes, packet + DATA, sizeof(s.address.bytes));
	assert_int_equal(s.poll, -2);
	assert_int_equal(s.stratum, 3);
	assert_int_equal(s.state, CHRONY_FALSETICKER);
	assert_int_equal(s.reach, 0377);
	assert_int_equal(s.since_sample, 17);
	assert_true(s.offset == -1);
	assert_int_equal(chrony_reply_source(packet, size - 1, &s), -EBADMSG);
}

static void other_replies_are_read(void **state)
{
	uint8_t packet[CHRONY_REPLY_MAX];
	struct chrony_activity activity;
	bool authenticated;
	uint32_t n;

	(void)state;
	head(packet, CHRONY_N_SOURCES, 2, 0, 1);
	put32(packet + DATA, 5);
	assert_int_equal(chrony_reply_n_sources(exact(packet, DATA + 4), DATA + 4, &n), 0);
	assert_int_equal(n, 5);
	assert_int_equal(chrony_reply_n_sources(packet, DATA + 3, &n), -EBADMSG);
	head(packet, CHRONY_ACTIVITY, 12, 0, 1);
	for (unsigned i = 0; i < 5; i++)
		put32(packet + DATA + i * 4, i + 1);
	assert_int_equal(chrony_reply_activity(exact(packet, DATA + 20), DATA + 20, &activity), 0);
	assert_int_equal(activity.online, 1);
	assert_int_equal(activity.unresolved, 5);
	assert_int_equal(chrony_reply_activity(packet, DATA + 19, &activity), -EBADMSG);
	for (unsigned mode = 0; mode < 4; mode++) {
		head(packet, CHRONY_AUTH_DATA, 20, 0, 1);
		put16(packet + DATA, mode);
		assert_int_equal(
			chrony_reply_auth(exact(packet, DATA + 2), DATA + 2, &authenticated), 0);
		assert_int_equal(authenticated, mode == 1 || mode == 2);
	}
	/* The reply to something else. */
	assert_int_equal(chrony_reply_activity(packet, CHRONY_REPLY_MAX, &activity), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_as_candm_h_has_them),
		cmocka_unit_test(replies_are_to_the_request_and_of_this_version),
		cmocka_unit_test(tracking_is_read),
		cmocka_unit_test(a_time_of_32_bits_is_marked_as_one),
		cmocka_unit_test(a_source_is_read),
		cmocka_unit_test(other_replies_are_read),
	};

	return cmocka_run_group_tests_name("chronyproto", tests, NULL, NULL);
}
