/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * U-Boot environments for the comparison with libubootenv, each made from a seed and a number alone:
 * the same numbers, the same environment and the same changes, on every machine. Made without
 * lib/base, so that a mistake there is not made here as well.
 *
 * Three kinds:
 * plain    copies whose CRC fits or does not, of variables that no name has twice
 * odd      besides, entries that are no variables, names twice, `.flags`, images without end
 * damaged  torn, erased, random, with flipped bits; at times with a CRC that fits nevertheless
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CASE_SIZE_MAX 0x2000
#define CASE_CHANGES_MAX 3

enum uboot_kind { KIND_PLAIN, KIND_ODD, KIND_DAMAGED, KIND_COUNT };

struct uboot_change {
	char name[40];
	char value[CASE_SIZE_MAX];
	bool unset;
};

struct uboot_case {
	uint64_t number;
	enum uboot_kind kind;
	size_t copies; /* 1 or 2 */
	size_t size;   /* of an image */
	struct {
		unsigned char image[CASE_SIZE_MAX];
		bool valid; /* its CRC fits */
		uint8_t flag;
		size_t file; /* which of two files */
		int64_t offset;
	} copy[2];
	char config[1024]; /* fw_env.config; `%0` and `%1` stand for the files' names */
	size_t n_changes;
	struct uboot_change change[CASE_CHANGES_MAX];
};

/* Offset of the data in an image of this case. */
size_t uboot_case_header(const struct uboot_case *c);

void uboot_case_make(const char *seed, uint64_t number, struct uboot_case *ret_case);
