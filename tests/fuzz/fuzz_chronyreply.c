/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as chronyd's reply to each request. */
#include "chronyproto.h"

#include <errno.h>

#include "macro.h"
#include "must.h"

#define OFFSET_MAX 3e12

static void must_be_an_offset(double seconds)
{
	MUST(seconds >= -OFFSET_MAX && seconds <= OFFSET_MAX); /* and a number */
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	static const enum chrony_command commands[] = {CHRONY_TRACKING,	 CHRONY_SOURCE_DATA,
						       CHRONY_N_SOURCES, CHRONY_ACTIVITY,
						       CHRONY_AUTH_DATA, CHRONY_BURST};
	struct chrony_tracking tracking;
	struct chrony_activity activity;
	struct chrony_source source;
	bool authenticated;
	unsigned good = 0;
	uint32_t n;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		good += chrony_reply_check(input, input_size, 1, commands[i]) == 0;
	MUST(good <= 1);
	/* Shorter ones are refused before anything of them is read. */
	if (chrony_reply_check(input, input_size, 1, CHRONY_BURST) == -EBADMSG && input_size < 28)
		return 0;
	if (chrony_reply_tracking(input, input_size, &tracking) == 0) {
		must_be_an_offset(tracking.correction);
		MUST(tracking.ref_time_ms >= 0);
	}
	if (chrony_reply_source(input, input_size, &source) == 0)
		must_be_an_offset(source.offset);
	(void)chrony_reply_n_sources(input, input_size, &n);
	(void)chrony_reply_activity(input, input_size, &activity);
	(void)chrony_reply_auth(input, input_size, &authenticated);
	return 0;
}
