/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a LUKS2 header's JSON: what is taken is within what luks.h promises. */
#include "luksjson.h"

#include <errno.h>

#include "must.h"

static void must_end(const char *text, size_t size)
{
	MUST(memchr(text, '\0', size));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	_luksjson_ struct json_object *tree = NULL;
	const char *what = NULL, *json;
	struct luks_info info;
	bool any = false;
	int r;

	r = luksjson_open((const char *)input, input_size, &tree);
	if (r < 0) {
		MUST(r == -EBADMSG);
		return 0;
	}
	r = luksjson_info(tree, &info, &what);
	if (r < 0) {
		MUST(r == -EBADMSG && what);
		return 0;
	}
	for (int i = 0; i < LUKS_TOKENS; i++) {
		r = luksjson_token(tree, i, &json);
		MUST(info.tokens & (1u << i) ? r == 0 && json[0] == '{' : r == -ENOENT);
	}
	must_end(info.cipher, sizeof(info.cipher));
	for (size_t i = 0; i < LUKS_SLOTS; i++) {
		must_end(info.slot[i].hash, sizeof(info.slot[i].hash));
		must_end(info.slot[i].area_cipher, sizeof(info.slot[i].area_cipher));
		MUST(!info.slot[i].bound || info.slot[i].used);
		any |= info.slot[i].bound;
	}
	MUST(any == (info.key_size > 0));
	MUST(info.segments > 0);
	if (info.reencrypting)
		return 0;
	MUST(info.cipher[0] && info.sector_size >= 512 && info.sector_size <= 4096);
	MUST(info.data_offset <= UINT64_MAX / 512);
	return 0;
}
