/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fw_env.config: where U-Boot's environment is, for those who are not U-Boot (U-Boot,
 * tools/env/fw_env.config; libubootenv, README). Lines of words separated by blanks or tabs:
 *
 *   device  offset  size  [sector size  [sectors]]
 *
 * One line for a single environment, two for a redundant one. Numbers are as strtol(3) reads them
 * with base 0; a negative offset counts from the end of the device. '#' starts a comment line. What
 * concerns raw flash (sector size, sectors) is read and kept.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FWCONFIG_COPIES_MAX 2

struct fwconfig {
	size_t n; /* copies: 1 or 2, of one size */
	struct {
		char device[128]; /* a device node, or a file */
		int64_t offset;	  /* in bytes; negative: from the end */
		size_t size;	  /* in bytes: UBOOTENV_SIZE_MIN to UBOOTENV_SIZE_MAX */
		size_t sector_size;
		size_t sectors;
	} copy[FWCONFIG_COPIES_MAX];
};

/* Reads the text. -EINVAL for a line that is none of those above, -ERANGE for a size outside the
 * limits, two sizes, or copies that overlap, -E2BIG for more than two lines, -ENODATA for none;
 * *ret_line (from 1) is the line then, *ret_config untouched. */
int fwconfig_parse(const char *text, size_t size, struct fwconfig *ret_config, unsigned *ret_line);
