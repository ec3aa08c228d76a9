/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a sealed object. Input: the blob. */
#include "tpmblob.h"

#include <errno.h>

#include "macro.h"
#include "must.h"

/* Whatever is accepted is, byte for byte, what these parts give. */
static void is_made_of_its_parts(const uint8_t *blob, size_t size, const struct tpmblob *parsed)
{
	uint8_t head[10] = {0x00, 0x08, 0x00, 0x0b, 0x00, 0x00, 0x00, 0x12, 0x00, 0x20};
	static const uint8_t tail[4] = {0x00, 0x10, 0x00, 0x20};
	struct slice all = slice_of((const char *)blob, size);
	const char *p = parsed->public_area.data;

	head[6] = parsed->noda ? 0x04 : 0x00;
	must_lie_in(parsed->private_area, all);
	must_lie_in(parsed->public_area, all);
	MUST(parsed->private_area.len > 0);
	MUST(parsed->private_area.data == all.data + 2);
	MUST(p == parsed->private_area.data + parsed->private_area.len + 2);
	MUST(p + parsed->public_area.len == all.data + size);
	MUST(parsed->public_area.len == sizeof(head) + 32 + sizeof(tail) + 32);
	MUST(memcmp(p, head, sizeof(head)) == 0);
	MUST((const char *)parsed->policy == p + sizeof(head));
	MUST(memcmp(p + sizeof(head) + 32, tail, sizeof(tail)) == 0);
	MUST(blob[0] * 256u + blob[1] == parsed->private_area.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct tpmblob parsed = {0}, other = {0};
	const char *what = NULL;
	/* Of its own size, so that a read past its end is seen. */
	uint8_t *blob = malloc(input_size + 1);
	int r;

	MUST(blob);
	if (input_size > 0)
		memcpy(blob, input, input_size);
	blob[input_size] = 0;
	/* With a byte more, or one less, it is no longer one. */
	r = tpmblob_parse(blob, input_size + 1, &other, NULL);
	blob = realloc(blob, input_size > 0 ? input_size : 1);
	MUST(blob);
	if (tpmblob_parse(blob, input_size, &parsed, &what) == 0) {
		MUST(!what && r == -EBADMSG);
		is_made_of_its_parts(blob, input_size, &parsed);
		MUST(tpmblob_parse(blob, input_size - 1, &other, &what) == -EBADMSG && what);
	} else {
		MUST(what && !parsed.policy && !parsed.private_area.data);
	}
	free(blob);
	return 0;
}
