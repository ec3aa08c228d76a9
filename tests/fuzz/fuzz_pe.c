/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as the head of a PE file of any size. Input: eight bytes of file size (taken as its
 * difference from the head's when the last is 0), one of profile, one of how much of the head to
 * leave out.
 */
#include "pe.h"

#include <errno.h>

#include "macro.h"
#include "must.h"

static void ranges_lie_in_the_file(const struct pe_uki *uki, uint64_t file_size)
{
	for (int i = 0; i < PE_PART_COUNT; i++) {
		const struct pe_range *p = &uki->part[i];

		if (p->size == 0) {
			MUST(p->offset == 0);
			continue;
		}
		/* Behind the smallest headers that there can be. */
		MUST(p->offset >= 4 + 20 + 112 + 40);
		MUST(p->offset <= file_size && p->size <= file_size - p->offset);
	}
	MUST(uki->part[PE_LINUX].size > 0);
}

static bool are_same(const struct pe_uki *a, const struct pe_uki *b)
{
	for (int i = 0; i < PE_PART_COUNT; i++)
		if (a->part[i].offset != b->part[i].offset || a->part[i].size != b->part[i].size)
			return false;
	return a->machine == b->machine && a->n_profiles == b->n_profiles;
}

static bool is_error(int r)
{
	return r == -ENOEXEC || r == -EBADMSG || r == -ENOTSUP || r == -ENODATA || r == -ENOBUFS ||
	       r == -EUCLEAN || r == -ENOENT;
}

/* Of its own size, so that a read past its end is seen. */
static uint8_t *copy(const uint8_t *bytes, size_t size)
{
	uint8_t *p = malloc(size);

	MUST(p || size == 0);
	if (size > 0)
		memcpy(p, bytes, size);
	return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct pe_uki uki, shorter;
	uint64_t file_size = 0, end = 0;
	unsigned profile;
	size_t size, less;
	uint8_t *head;
	int r, s;

	if (input_size < 10)
		return 0;
	size = input_size - 10;
	for (int i = 0; i < 8; i++)
		file_size |= (uint64_t)input[i] << 8 * i;
	if (input[7] == 0)
		file_size += size;
	profile = input[8];
	less = MIN((size_t)input[9], size);
	head = copy(input + 10, size);

	r = pe_uki_locate(head, size, file_size, PE_MACHINE_X86_64, profile, &uki);
	MUST(r == 0 || is_error(r));
	if (r == 0) {
		MUST(uki.machine == PE_MACHINE_X86_64);
		MUST(profile == 0 || profile < uki.n_profiles);
		ranges_lie_in_the_file(&uki, file_size);
		MUST(pe_extent(head, size, file_size, &end) == 0);
		for (int i = 0; i < PE_PART_COUNT; i++)
			MUST(uki.part[i].offset + uki.part[i].size <= end);
	}

	/* From less of the head comes the same, or the wish for more. */
	free(head);
	head = copy(input + 10, size - less);
	s = pe_uki_locate(head, size - less, file_size, PE_MACHINE_X86_64, profile, &shorter);
	if (s == 0) {
		MUST(r == 0 && are_same(&uki, &shorter));
	} else if (size - less >= 2) {
		MUST(s == r || s == -ENOBUFS);
	}
	free(head);
	return 0;
}
