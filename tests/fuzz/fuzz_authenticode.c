/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a PE file: the parts lie in it, those of the headers in order, and none has the checksum. */
#include "authenticode.h"

#include <errno.h>
#include <stdint.h>

#include "macro.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct slice parts[AUTHENTICODE_PARTS_MAX];
	const char *data = (const char *)input;
	size_t n = 0, all = 0;
	volatile char last = 0;
	int r = authenticode_parts(input, size, parts, &n);

	MUST(r == 0 || r == -EBADMSG);
	if (r < 0)
		return 0;
	MUST(n >= 2 && n <= AUTHENTICODE_PARTS_MAX);
	MUST(parts[0].data == data);
	for (size_t i = 0; i < n; i++) {
		MUST(parts[i].data >= data && parts[i].len <= size);
		MUST((size_t)(parts[i].data - data) <= size - parts[i].len);
		for (size_t k = 0; k < parts[i].len; k++)
			last = parts[i].data[k];
		all += parts[i].len;
	}
	(void)last; /* read, for the sanitizer */
	MUST(all < size);
	MUST(parts[1].data == data + parts[0].len + 4);
	return 0;
}
