/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as LUKS2's binary header, as the first and as the second. */
#include "luks2.h"

#include <errno.h>
#include <string.h>

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	for (int second = 0; second < 2; second++) {
		uint64_t offset = second ? LUKS2_MIN : 0;
		struct luks2_header header;
		int r;

		r = luks2_parse(input, input_size, second, offset, &header);
		if (r < 0) {
			MUST(r == -EBADMSG || r == -EMEDIUMTYPE);
			continue;
		}
		MUST(input_size >= LUKS2_HEADER);
		MUST(header.size >= LUKS2_MIN && header.size <= LUKS2_MAX);
		MUST(!second || header.size == offset);
		MUST(memchr(header.uuid, '\0', sizeof(header.uuid)) && header.uuid[0]);
		MUST(memchr(header.label, '\0', sizeof(header.label)));
	}
	return 0;
}
