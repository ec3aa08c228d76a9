/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a line of an HTTP header, as a date, and as /etc/timestamp. */
#include "httpdate.h"

#include <time.h>

#include "httpstime.h"
#include "must.h"

#define LAST 7258118400 /* 2200 */

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	const char *text = (const char *)input;
	int64_t seconds = -2, header = 0;

	if (httpdate_parse(text, input_size, &seconds) == 0) {
		time_t t = (time_t)seconds;
		char again[64];
		struct tm tm;
		int64_t same;

		MUST(seconds >= 0 && seconds <= LAST);
		MUST(gmtime_r(&t, &tm));
		if (seconds < LAST) { /* of a leap second at the end of 2199 */
			MUST(strftime(again, sizeof(again), "%a, %d %b %Y %H:%M:%S GMT", &tm) ==
			     29);
			MUST(httpdate_parse(again, 29, &same) == 0 && same == seconds);
		}
	} else {
		MUST(seconds == -2);
	}
	seconds = -2;
	if (timestamp_parse(text, input_size, &seconds) == 0)
		MUST(seconds >= 0 && seconds <= LAST);
	else
		MUST(seconds == -2);
	httpstime_header(text, input_size, &header);
	MUST(header >= -1 && header <= LAST);
	return 0;
}
