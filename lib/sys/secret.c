/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory of secrets: one mapping each, of SECRET_MAX bytes whatever is used of them, so that it can
 * be wiped as a whole and shares no page with anything else. The caller owns it by its struct.
 */
#include "secret.h"

#include <errno.h>
#include <sys/mman.h>

int secret_new(size_t size, struct secret *ret_secret)
{
	void *data;

	if (size > SECRET_MAX)
		return -E2BIG;
	data = mmap(NULL, SECRET_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		return -ENOMEM;
	/* Neither is worth refusing a secret for: the bootloader has no swap and no core dumps, and a
	 * host that forbids the one mostly forbids the other. */
	(void)mlock(data, SECRET_MAX);
	(void)madvise(data, SECRET_MAX, MADV_DONTDUMP);
	/* A child that exits without exec would leave its copy of the page unwiped. */
	(void)madvise(data, SECRET_MAX, MADV_DONTFORK);
	*ret_secret = (struct secret){data, size};
	return 0;
}

int secret_copy(const void *data, size_t size, struct secret *ret_secret)
{
	int r;

	r = secret_new(size, ret_secret);
	if (r < 0)
		return r;
	if (size > 0)
		memcpy(ret_secret->data, data, size);
	return 0;
}

void secret_done(struct secret *secret)
{
	if (secret->data) {
		explicit_bzero(secret->data, SECRET_MAX);
		(void)munmap(secret->data, SECRET_MAX);
	}
	*secret = (struct secret){0};
}
