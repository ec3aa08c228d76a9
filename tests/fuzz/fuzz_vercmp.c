/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any three texts as versions: they can be put in an order. One a line. */
#include "vercmp.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct slice v[3];
	char *s[3];

	for (int i = 0; i < 3; i++) {
		s[i] = take_string(&input, &input_size);
		v[i] = slice_str(s[i]);
	}
	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < 3; j++) {
			int r = sign(vercmp_slice(v[i], v[j]));

			MUST(r == -sign(vercmp_slice(v[j], v[i])));
			MUST(r == sign(vercmp(s[i], s[j])));
			MUST(!slice_eq(v[i], v[j]) || r == 0);
			for (int k = 0; k < 3; k++)
				must_be_an_order(r, vercmp_slice(v[j], v[k]),
						 vercmp_slice(v[i], v[k]));
		}
	}
	for (int i = 0; i < 3; i++)
		free(s[i]);
	return 0;
}
