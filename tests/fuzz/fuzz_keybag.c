/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a key bag, and as the volumes of one. Input: the file. */
#include "keybag.h"

#include <errno.h>

#include "macro.h"
#include "must.h"
#include "partname.h"

static void is_sensible(const struct keybag *bag)
{
	MUST(bag->n <= KEYBAG_VOLUMES);
	for (unsigned i = 0; i < bag->n; i++) {
		const struct keybag_volume *volume = &bag->volume[i];

		MUST(volume->role > PART_NONE && volume->role < PART_ROLE_COUNT);
		MUST(volume->flags <= (KEYBAG_DISCARDS | KEYBAG_READ_ONLY));
		MUST(volume->key_size > 0 && volume->key_size <= KEYBAG_KEY_MAX);
		MUST(memchr(volume->uuid, '\0', sizeof(volume->uuid)) && volume->uuid[0]);
		MUST(memchr(volume->cipher, '\0', sizeof(volume->cipher)) && volume->cipher[0]);
		MUST(memchr(volume->name, '\0', sizeof(volume->name)) && volume->name[0]);
		MUST(!strchr(volume->name, '/'));
		for (unsigned j = 0; j < i; j++)
			MUST(!streq(volume->uuid, bag->volume[j].uuid) &&
			     !streq(volume->name, bag->volume[j].name));
	}
}

/* A bag of these bytes: written it reads the same, or it is refused. */
static void from_memory(const uint8_t *input, size_t size)
{
	static struct keybag bag, again;
	static uint8_t buf[KEYBAG_SIZE_MAX];
	size_t n = 0;
	int r;

	memset(&bag, 0, sizeof(bag));
	memcpy(&bag, input, MIN(size, sizeof(bag)));
	bag.n %= KEYBAG_VOLUMES + 2;
	r = keybag_format(&bag, buf, sizeof(buf), &n);
	MUST(r == 0 || (r == -EINVAL && n == 0));
	if (r < 0)
		return;
	MUST(keybag_parse(buf, n, &again) == 0 && again.n == bag.n);
	is_sensible(&again);
	for (unsigned i = 0; i < bag.n; i++)
		MUST(memcmp(again.volume[i].key, bag.volume[i].key, bag.volume[i].key_size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	static struct keybag bag;
	/* Of its own size, so that a read past its end is seen. */
	uint8_t *file = malloc(input_size > 0 ? input_size : 1);
	uint8_t *again = malloc(input_size > 0 ? input_size : 1);
	size_t size;
	int r;

	MUST(file && again);
	if (input_size > 0)
		memcpy(file, input, input_size);
	bag.n = 99;
	r = keybag_parse(file, input_size, &bag);
	MUST(r == 0 || (r == -EBADMSG && bag.n == 99));
	if (r == 0) {
		is_sensible(&bag);
		MUST(keybag_format(&bag, again, input_size - 1, &size) == -ENOSPC);
		MUST(keybag_format(&bag, again, input_size, &size) == 0);
		MUST(size == input_size && memcmp(again, file, size) == 0);
		MUST(keybag_parse(file, input_size - 1, &bag) == -EBADMSG);
	}
	from_memory(input, input_size);
	free(again);
	free(file);
	return 0;
}
