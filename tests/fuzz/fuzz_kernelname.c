/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any names in /boot: they can be put in an order, and an initrd fits by name. One a line. */
#include "kernelname.h"

#include "macro.h"
#include "must.h"

static void kernel_and_initrd(const char *kernel, const char *initrd)
{
	unsigned rank = kernelname_initrd_rank(kernel, initrd);
	struct slice suffix = {0};
	char *release;

	if (rank == 0)
		return;
	MUST(startswith(initrd, "initrd") || startswith(initrd, "initramfs"));
	MUST(kernelname_is_kernel(kernel, &suffix));
	/* The suffix, but for .old or .bak, is in the name. */
	if (rank > 1000)
		suffix.len -= 4;
	release = strndup(suffix.data, suffix.len);
	MUST(release && strstr(initrd, release));
	free(release);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	char *s[3];

	for (int i = 0; i < 3; i++)
		s[i] = take_string(&input, &input_size);
	for (int i = 0; i < 3; i++) {
		struct slice suffix;
		bool is_kernel = kernelname_is_kernel(s[i], &suffix);

		if (is_kernel) {
			must_lie_in(suffix, slice_str(s[i]));
			MUST(suffix.data + suffix.len == s[i] + strlen(s[i]));
		}
		for (int j = 0; j < 3; j++) {
			int r = sign(kernelname_compare(s[i], s[j]));

			MUST(r == -sign(kernelname_compare(s[j], s[i])));
			MUST((r == 0) == streq(s[i], s[j]));
			MUST(!is_kernel || kernelname_is_kernel(s[j], NULL) || r < 0);
			for (int k = 0; k < 3; k++)
				must_be_an_order(r, kernelname_compare(s[j], s[k]),
						 kernelname_compare(s[i], s[k]));
			kernel_and_initrd(s[i], s[j]);
		}
	}
	for (int i = 0; i < 3; i++)
		free(s[i]);
	return 0;
}
