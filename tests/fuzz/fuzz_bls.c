/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as a boot loader entry with any name: the first line is the name, a second name in the
 * second line gives another entry of the same text to compare with.
 */
#include "bls.h"

#include <errno.h>

#include "macro.h"
#include "must.h"

static void pieces_lie_in_the_text(const struct bls_entry *entry, struct slice text)
{
	const struct slice pieces[] = {
		entry->kernel,
		entry->efi,
		entry->uki,
		entry->devicetree,
		entry->devicetree_overlay,
		entry->architecture,
		entry->title,
		entry->version,
		entry->machine_id,
		entry->sort_key,
	};

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		must_lie_in(pieces[i], text);
		MUST(!pieces[i].data || pieces[i].len > 0);
	}
	MUST(entry->n_initrd <= BLS_INITRD_MAX);
	for (size_t i = 0; i < entry->n_initrd; i++) {
		must_lie_in(entry->initrd[i], text);
		MUST(entry->initrd[i].len > 0);
	}
	MUST(entry->kernel.data || entry->efi.data || entry->uki.data);
	MUST(entry->profile <= BLS_PROFILE_MAX);
	MUST(entry->text.data == text.data && entry->text.len == text.len);
}

/* They fit in the size that is promised, in exactly their own, and in nothing less. */
static void options_fit(const struct bls_entry *entry)
{
	char *buf = malloc(entry->text.len + 1), *tight;
	int len;

	MUST(buf);
	len = bls_options(entry, buf, entry->text.len + 1);
	MUST(len >= 0 && (size_t)len == strlen(buf));
	tight = malloc((size_t)len + 1);
	MUST(tight);
	MUST(bls_options(entry, tight, (size_t)len + 1) == len && streq(buf, tight));
	MUST(bls_options(entry, tight, (size_t)len) == -ENOBUFS);
	MUST(len == 0 || tight[0] == '\0');
	free(tight);
	free(buf);
}

static void name_is_taken_apart(const char *filename, const struct bls_name *name)
{
	must_lie_in(name->stem, slice_str(filename));
	MUST(name->stem.data == filename && name->stem.len > 0);
	MUST(name->counted || (name->left == 0 && name->done == 0));
	MUST(name->counted || name->stem.len + strlen(".conf") == strlen(filename));
}

static bool parse(const char *filename, struct slice text, struct bls_entry *ret)
{
	int r = bls_parse(filename, text.data, text.len, "x64", ret);

	MUST(r == 0 || r == -EINVAL || r == -EFBIG || r == -EBADMSG || r == -ENOEXEC ||
	     r == -ENOENT || r == -E2BIG || r == -ERANGE);
	return r == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	char *name_a = take_string(&input, &input_size), *name_b = take_string(&input, &input_size);
	char *data = malloc(input_size);
	struct slice text = {data, input_size};
	struct bls_entry a, b;

	if (input_size > 0) {
		MUST(data);
		memcpy(data, input, input_size);
	}
	if (parse(name_a, text, &a)) {
		name_is_taken_apart(name_a, &a.name);
		pieces_lie_in_the_text(&a, text);
		options_fit(&a);
		MUST(bls_compare(&a, &a) == 0);
		if (parse(name_b, text, &b)) {
			MUST(sign(bls_compare(&a, &b)) == -sign(bls_compare(&b, &a)));
			/* The same text: the names alone decide. */
			MUST(bls_compare(&a, &b) == bls_name_compare(&a.name, &b.name));
		}
	}
	free(data);
	free(name_b);
	free(name_a);
	return 0;
}
