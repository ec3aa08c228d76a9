/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fw_env.config: where U-Boot's environment is, for those who are not U-Boot (U-Boot,
 * tools/env/fw_env.config; libubootenv, docs/fw_env_config.md). Lines of words separated by blanks
 * or tabs:
 *
 *   device  offset  size  [sector size  [sectors  [no lock]]]
 *
 * One line for a single environment, two for a redundant one. The offset is as strtoll(3) reads it
 * with base 0; a negative one counts from the end of the device. The other numbers are hexadecimal,
 * with or without `0x`, as both tools take them. '#' where a line or one of its words would start
 * makes the rest a comment. What concerns raw flash (sector size, sectors) is read and kept,
 * libubootenv's `no lock` is read alone.
 *
 * Stricter than the tools, which pass over a line that they do not understand and stop after the
 * second: what decides where to write is not guessed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FWCONFIG_COPIES_MAX 2

struct fwconfig {
	size_t n; /* copies: 1 or 2, of one size */
	struct {
		char device[128];   /* a device node, or a file */
		int64_t offset;	    /* in bytes; negative: from the end */
		size_t size;	    /* in bytes: UBOOTENV_SIZE_MIN to UBOOTENV_SIZE_MAX */
		size_t sector_size; /* 0: not given */
		size_t sectors;	    /* 0: not given */
	} copy[FWCONFIG_COPIES_MAX];
};

/*
 * Reads the text. -EINVAL for a line that is none of those above, -ERANGE for a size outside the
 * limits, two sizes, copies that overlap, or one that cannot lie on any device, -E2BIG for more
 * than two lines, -ENODATA for none. *ret_line (from 1; 0 with -ENODATA) is the line then,
 * *ret_config untouched; on success *ret_line is untouched.
 */
int fwconfig_parse(const char *text, size_t size, struct fwconfig *ret_config, unsigned *ret_line);
