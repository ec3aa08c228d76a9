/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a kernel's head, and as the version text of one. Input: eight bytes of file size. */
#include "bzimage.h"

#include <errno.h>

#include "macro.h"
#include "must.h"

static void x86(const uint8_t *head, size_t size, uint64_t file_size)
{
	struct bzimage image;
	int r = bzimage_parse(head, size, &image);

	MUST(r == 0 || r == -ENOEXEC || r == -ENODATA);
	MUST((r == 0) <= (kernel_format(head, size) == KERNEL_BZIMAGE));
	if (r < 0)
		return;
	MUST(image.setup_size >= 1024 && image.setup_size <= 256 * 512);
	MUST(image.image_size >= image.setup_size);
	MUST(image.version_offset == 0 ||
	     (image.version_offset > 512 && image.version_offset < image.setup_size));
	r = bzimage_check(&image, file_size);
	MUST(r == 0 || r == -ENOTSUP || r == -EUCLEAN || r == -ENODATA);
	if (r == 0)
		MUST(image.protocol >= BZIMAGE_PROTOCOL_MIN && image.entry64 && image.above_4g &&
		     image.loaded_high && image.image_size <= file_size &&
		     image.setup_size < image.image_size);
}

static void arm64(const uint8_t *head, size_t size)
{
	struct arm64_image image;
	int r = arm64_image_parse(head, size, &image);

	MUST(r == 0 || r == -ENOEXEC || r == -ENODATA || r == -ENOTSUP);
	if (r == 0)
		MUST(image.image_size > 0 &&
		     (image.page_size == 0 || image.page_size == 4096 || image.page_size == 16384 ||
		      image.page_size == 65536));
}

static void version(const char *text, size_t size)
{
	struct slice release;
	int r = bzimage_release(text, size, &release);

	MUST(r == 0 || r == -ENODATA || r == -EBADMSG);
	if (r < 0)
		return;
	MUST(release.data == text && release.len > 0 && release.len <= KERNEL_RELEASE_MAX);
	MUST(release.len < size && text[0] != '.');
	MUST(!memchr(text, '/', release.len) && !memchr(text, '\0', release.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	uint64_t file_size = 0;
	size_t size;
	uint8_t *head;

	if (input_size < 9)
		return 0;
	for (int i = 0; i < 8; i++)
		file_size |= (uint64_t)input[i] << 8 * i;
	size = input_size - 8;
	head = malloc(size);
	MUST(head);
	memcpy(head, input + 8, size);
	MUST(kernel_format_name(kernel_format(head, size)));
	x86(head, size, file_size);
	arm64(head, size);
	version((const char *)head, size);
	free(head);
	return 0;
}
