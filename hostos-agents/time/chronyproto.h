/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chronyd's command protocol, version 6 without authentication (candm.h of chrony 2.2 to 4.x), as
 * far as it is needed here: packets to bytes and back. Replies are hostile. No I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A request is padded to what the largest reply takes, so that it amplifies nothing. */
#define CHRONY_REQUEST_SIZE 512
#define CHRONY_REPLY_MAX 1024

enum chrony_command {
	CHRONY_ONLINE = 1,
	CHRONY_BURST = 3,
	CHRONY_N_SOURCES = 14,
	CHRONY_SOURCE_DATA = 15,
	CHRONY_TRACKING = 33,
	CHRONY_MAKESTEP = 43,
	CHRONY_ACTIVITY = 44,
	CHRONY_REFRESH = 53,	   /* names are looked up again */
	CHRONY_RESET_SOURCES = 66, /* from chrony 4.0 on: what was measured is forgotten */
	CHRONY_AUTH_DATA = 67,
	CHRONY_RELOAD_SOURCES = 70, /* from chrony 4.0 on */
};

enum chrony_source_state {
	CHRONY_SELECTED = 0,
	CHRONY_NONSELECTABLE = 1, /* unreachable, or not enough samples */
	CHRONY_FALSETICKER = 2,
	CHRONY_JITTERY = 3,
	CHRONY_UNSELECTED = 4,
	CHRONY_SELECTABLE = 5,
};

#define CHRONY_LEAP_UNSYNCHRONISED 3
#define CHRONY_REF_LOCAL 0x7f7f0101u /* 127.127.1.1: chronyd's own clock */

/* An address as it is on the wire: it goes back as it came. */
struct chrony_address {
	uint8_t bytes[20];
};

struct chrony_tracking {
	uint32_t ref_id;
	uint16_t stratum, leap;
	int64_t ref_time_ms; /* when it was last set right, by the clock of then */
	double correction;   /* seconds by which the clock is behind what chronyd holds true */
	double root_delay, root_dispersion;
};

struct chrony_source {
	struct chrony_address address;
	uint16_t stratum, state, mode, reach;
	int16_t poll;
	uint32_t since_sample; /* seconds */
	double offset;	       /* seconds by which the clock is ahead of the source */
	double error;
};

struct chrony_activity {
	uint32_t online, offline, burst_online, burst_offline, unresolved;
};

/* Writes a request of CHRONY_REQUEST_SIZE bytes. Those with parameters have their own functions. */
void chrony_request(uint8_t buf[static CHRONY_REQUEST_SIZE], uint32_t sequence,
		    enum chrony_command command);
/* For every source: good samples that are wanted, samples at most. */
void chrony_request_burst(uint8_t buf[static CHRONY_REQUEST_SIZE], uint32_t sequence, uint32_t good,
			  uint32_t all);
void chrony_request_source(uint8_t buf[static CHRONY_REQUEST_SIZE], uint32_t sequence,
			   uint32_t index);
void chrony_request_auth(uint8_t buf[static CHRONY_REQUEST_SIZE], uint32_t sequence,
			 const struct chrony_address *address);

/*
 * Checks that this is the reply to that request. 0; -EAGAIN for one to another request, -EPROTO for
 * another version, -ENOENT when there is no such source, -EACCES when it may not be asked for, -EIO
 * for another refusal, -EBADMSG for anything else.
 */
int chrony_reply_check(const uint8_t *packet, size_t size, uint32_t sequence,
		       enum chrony_command command);

/* Of a packet that was checked. -EBADMSG when it is of another kind, too short, or senseless. */
int chrony_reply_tracking(const uint8_t *packet, size_t size, struct chrony_tracking *ret_tracking);
int chrony_reply_n_sources(const uint8_t *packet, size_t size, uint32_t *ret_n);
int chrony_reply_source(const uint8_t *packet, size_t size, struct chrony_source *ret_source);
int chrony_reply_activity(const uint8_t *packet, size_t size, struct chrony_activity *ret_activity);
/* Is it authenticated by NTS, or by a symmetric key? */
int chrony_reply_auth(const uint8_t *packet, size_t size, bool *ret_authenticated);
