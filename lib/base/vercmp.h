/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Comparison of versions, as UAPI.10 "Version Format Specification" defines it: the order in which
 * boot loader entries, kernels and their file names are preferred. Any bytes are a version.
 *
 * One departure: a character that the specification does not list (`_`, `+`, …) is passed over
 * after a mark (`~`, `-`, `^`, `.`) too. To the letter it is not, and then `.a` = `.0a` = `._a`,
 * yet `._a` < `.a`: nothing can be sorted by that. Only such pairs compare differently for it.
 *
 * https://uapi-group.org/specifications/specs/version_format_specification/
 */
#pragma once

#include "slice.h"

/* Less than, equal to or greater than 0 as a is older than, as old as or newer than b. Time is
 * linear in the shorter of the two. Numbers may be of any length. */
int vercmp_slice(struct slice a, struct slice b);

int vercmp(const char *a, const char *b);
