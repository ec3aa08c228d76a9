/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chronyd's packets: see chronyproto.h. All numbers are big-endian. */
#include "chronyproto.h"

#include <errno.h>
#include <string.h>

#include "macro.h"

#define VERSION 6
#define TYPE_REQUEST 1
#define TYPE_REPLY 2

/* Where parts of packets are. */
#define REQUEST_COMMAND 4
#define REQUEST_SEQUENCE 8
#define REQUEST_DATA 20
#define REPLY_COMMAND 4
#define REPLY_CODE 6
#define REPLY_STATUS 8
#define REPLY_SEQUENCE 16
#define REPLY_DATA 28

enum reply_code {
	REPLY_N_SOURCES = 2,
	REPLY_SOURCE_DATA = 3,
	REPLY_TRACKING = 5,
	REPLY_ACTIVITY = 12,
	REPLY_AUTH_DATA = 20,
};

enum status {
	STATUS_SUCCESS = 0,
	STATUS_UNAUTHORISED = 2,
	STATUS_NO_SUCH_SOURCE = 4,
	STATUS_BAD_VERSION = 18,
};

#define SECONDS_HIGH_NONE 0x7fffffffu
/* No offset is larger than this many seconds: a hundred thousand years are enough for any. */
#define OFFSET_MAX 3e12

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, (uint16_t)(value >> 16));
	put16(at + 2, (uint16_t)value);
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

/* 7 bits of exponent and 25 of coefficient, both in two's complement. The value is
 * coefficient * 2^(exponent - 25). */
static double get_float(const uint8_t *at)
{
	uint32_t bits = get32(at);
	int exponent = (int)(bits >> 25);
	int32_t coefficient = (int32_t)(bits & 0x1ffffff);
	double value;

	if (exponent >= 1 << 6)
		exponent -= 1 << 7;
	if (coefficient >= 1 << 24)
		coefficient -= 1 << 25;
	value = coefficient;
	for (exponent -= 25; exponent > 0; exponent--)
		value *= 2;
	for (; exponent < 0; exponent++)
		value /= 2;
	return value;
}

static bool get_offset(const uint8_t *at, double *ret_offset)
{
	double offset = get_float(at);

	if (offset > OFFSET_MAX || offset < -OFFSET_MAX)
		return false;
	*ret_offset = offset;
	return true;
}

void chrony_request(uint8_t buf[static CHRONY_REQUEST_SIZE], uint32_t sequence,
		    enum chrony_command command)
{
	memset(buf, 0, CHRONY_REQUEST_SIZE);
	buf[0] = VERSION;
	buf[1] = TYPE_REQUEST;
	put16(buf + REQUEST_COMMAND, (uint16_t)command);
	put32(buf + REQUEST_SEQUENCE, sequence);
}

void chrony_request_burst(uint8_t buf[static CHRONY_REQUEST_SIZE], uint32_t sequence, uint32_t good,
			  uint32_t all)
{
	/* Mask and address stay 0: of no family, which means every source. */
	chrony_request(buf, sequence, CHRONY_BURST);
	put32(buf + REQUEST_DATA + 2 * sizeof(struct chrony_address), good);
	put32(buf + REQUEST_DATA + 2 * sizeof(struct chrony_address) + 4, all);
}

void chrony_request_source(uint8_t buf[static CHRONY_REQUEST_SIZE], uint32_t sequence,
			   uint32_t index)
{
	chrony_request(buf, sequence, CHRONY_SOURCE_DATA);
	put32(buf + REQUEST_DATA, index);
}

void chrony_request_auth(uint8_t buf[static CHRONY_REQUEST_SIZE], uint32_t sequence,
			 const struct chrony_address *address)
{
	chrony_request(buf, sequence, CHRONY_AUTH_DATA);
	memcpy(buf + REQUEST_DATA, address->bytes, sizeof(address->bytes));
}

int chrony_reply_check(const uint8_t *packet, size_t size, uint32_t sequence,
		       enum chrony_command command)
{
	if (size < REPLY_DATA || packet[1] != TYPE_REPLY)
		return -EBADMSG;
	if (packet[0] != VERSION)
		return -EPROTO;
	if (get32(packet + REPLY_SEQUENCE) != sequence ||
	    get16(packet + REPLY_COMMAND) != (uint16_t)command)
		return -EAGAIN;
	switch (get16(packet + REPLY_STATUS)) {
	case STATUS_SUCCESS:
		return 0;
	case STATUS_UNAUTHORISED:
		return -EACCES;
	case STATUS_NO_SUCH_SOURCE:
		return -ENOENT;
	case STATUS_BAD_VERSION:
		return -EPROTO;
	default:
		return -EIO;
	}
}

/* The data of a reply of that kind, at least so long. */
static const uint8_t *reply_data(const uint8_t *packet, size_t size, enum reply_code code,
				 size_t min)
{
	if (size < REPLY_DATA + min || get16(packet + REPLY_CODE) != (uint16_t)code)
		return NULL;
	return packet + REPLY_DATA;
}

int chrony_reply_tracking(const uint8_t *packet, size_t size, struct chrony_tracking *ret_tracking)
{
	const uint8_t *data = reply_data(packet, size, REPLY_TRACKING, 76);
	struct chrony_tracking t = {0};
	uint32_t high, nanoseconds;
	uint64_t seconds;

	if (!data)
		return -EBADMSG;
	t.ref_id = get32(data);
	t.stratum = get16(data + 24);
	t.leap = get16(data + 26);
	high = get32(data + 28);
	seconds = get32(data + 32);
	nanoseconds = get32(data + 36);
	if (high != SECONDS_HIGH_NONE)
		seconds |= (uint64_t)high << 32;
	if (seconds > (uint64_t)1 << 40 || nanoseconds >= 1000000000)
		return -EBADMSG;
	t.ref_time_ms = (int64_t)seconds * 1000 + nanoseconds / 1000000;
	if (!get_offset(data + 40, &t.correction))
		return -EBADMSG;
	t.root_delay = get_float(data + 64);
	t.root_dispersion = get_float(data + 68);
	*ret_tracking = t;
	return 0;
}

int chrony_reply_n_sources(const uint8_t *packet, size_t size, uint32_t *ret_n)
{
	const uint8_t *data = reply_data(packet, size, REPLY_N_SOURCES, 4);

	if (!data)
		return -EBADMSG;
	*ret_n = get32(data);
	return 0;
}

int chrony_reply_source(const uint8_t *packet, size_t size, struct chrony_source *ret_source)
{
	const uint8_t *data = reply_data(packet, size, REPLY_SOURCE_DATA, 48);
	struct chrony_source s = {0};

	if (!data)
		return -EBADMSG;
	memcpy(s.address.bytes, data, sizeof(s.address.bytes));
	s.poll = (int16_t)get16(data + 20);
	s.stratum = get16(data + 22);
	s.state = get16(data + 24);
	s.mode = get16(data + 26);
	s.reach = get16(data + 30);
	s.since_sample = get32(data + 32);
	if (!get_offset(data + 40, &s.offset))
		return -EBADMSG;
	s.error = get_float(data + 44);
	*ret_source = s;
	return 0;
}

int chrony_reply_activity(const uint8_t *packet, size_t size, struct chrony_activity *ret_activity)
{
	const uint8_t *data = reply_data(packet, size, REPLY_ACTIVITY, 20);

	if (!data)
		return -EBADMSG;
	*ret_activity = (struct chrony_activity){get32(data), get32(data + 4), get32(data + 8),
						 get32(data + 12), get32(data + 16)};
	return 0;
}

int chrony_reply_auth(const uint8_t *packet, size_t size, bool *ret_authenticated)
{
	const uint8_t *data = reply_data(packet, size, REPLY_AUTH_DATA, 2);

	if (!data)
		return -EBADMSG;
	*ret_authenticated = get16(data) == 1 || get16(data) == 2;
	return 0;
}
