/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * U-Boot's binary environment, as U-Boot, fw_printenv(8) and fw_setenv(8), libubootenv and SWUpdate
 * read and write it: an image of any size up to UBOOTENV_SIZE_MAX.
 *
 * Format (U-Boot, include/env_internal.h, struct environment_s; tools/env/fw_env.c):
 *
 *   single      u32 crc        data…
 *   redundant   u32 crc   u8 flag   data…
 *
 * crc is the CRC-32 of zlib over data up to the end of the image, in the byte order of the machine;
 * the flag is outside it. data is `name=value\0` one after the other and an empty string at the
 * end; what follows up to the end of the image is zeros when we write it and anything when we read.
 * The empty string may be missing where the last entry's NUL is the last byte of the image, as
 * libubootenv writes a full one; a change leaves none without it.
 *
 * U-Boot itself reads more into it: '\' in a value takes the next byte as it is (and it writes a
 * '\' as two), blanks before a name are skipped, an entry that starts with '#' is a comment. The
 * others do not, and neither do we: they are who else writes here while a system runs.
 *
 * A redundant environment is two such images. Which of them counts: ubootenv_choose().
 *
 * Everything but ubootenv_check() works on an image whose CRC nobody has looked at: bytes may be
 * anything. An image is also how this project keeps a list of variables in memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

/* Sizes of a whole image in bytes, header included. */
#define UBOOTENV_SIZE_MIN 64
#define UBOOTENV_SIZE_MAX (256 * 1024)

/* The value is the size of the header. */
enum ubootenv_form {
	UBOOTENV_SINGLE = 4,
	UBOOTENV_REDUNDANT = 5,
};

/* How the flags of two copies are read. libubootenv uses BOOLEAN on NOR flash (MTD), INCREMENTAL
 * everywhere else. */
enum ubootenv_scheme {
	UBOOTENV_INCREMENTAL, /* the higher one is newer, and 0 is newer than 255 */
	UBOOTENV_BOOLEAN,     /* 1 active, 0 obsolete; 255, erased flash, counts before both */
};

/* Borrowed from the image, not terminated. */
struct ubootenv_var {
	struct slice name;
	struct slice value;
};

/* 0 when the CRC fits. -EMSGSIZE for a size outside the limits, -EBADMSG for another CRC. */
int ubootenv_check(const char *image, size_t size, enum ubootenv_form form);

/*
 * Which of two copies counts: 0 or 1, or -1 when neither is valid. Where only one is valid it
 * counts whatever its flag says. Both schemes: the higher flag, copy 0 when they are equal;
 * INCREMENTAL: 0 before 255. (For the pairs that U-Boot gives a meaning, that is U-Boot's choice:
 * env/common.c, env/flash.c. libubootenv takes copy 1 when both flags are 255 and BOOLEAN.)
 */
int ubootenv_choose(bool valid0, uint8_t flag0, bool valid1, uint8_t flag1,
		    enum ubootenv_scheme scheme);

/* The flag of the copy that is to replace one with this flag. */
uint8_t ubootenv_flag_after(uint8_t flag, enum ubootenv_scheme scheme);

/* An environment without variables. size is within the limits, here and below. */
void ubootenv_init(char *image, size_t size, enum ubootenv_form form);

/*
 * Walks the variables in order. *pos starts at 0 and belongs to the walk. An entry without `=` or
 * without a name is passed over; the walk ends at the first empty string, and at an entry that the
 * image's end cuts off. True and *ret_var while there is one.
 */
bool ubootenv_next(const char *image, size_t size, enum ubootenv_form form, size_t *pos,
		   struct ubootenv_var *ret_var);

/* Value of a name (the last of several) with its end. Returns its length; -ENOENT when there is
 * none, -ENOBUFS when it does not fit, buf untouched then. */
int ubootenv_get(const char *image, size_t size, enum ubootenv_form form, const char *name,
		 char *buf, size_t buf_size);

/* A name that the format can hold: not empty and without `=`. */
bool ubootenv_name_valid(const char *name);

/* Sets name to value: in its place (of several entries of this name the first, the others go), a
 * new one last. -EINVAL for a name that is not valid, -ENOSPC when it does not fit; the image is
 * unchanged then. The CRC is not: see ubootenv_seal(). */
int ubootenv_set(char *image, size_t size, enum ubootenv_form form, const char *name,
		 const char *value);

/* Removes every entry of this name; 0 also when there was none. -EINVAL as ubootenv_set(). */
int ubootenv_unset(char *image, size_t size, enum ubootenv_form form, const char *name);

/* Adds an entry at the end, even if there is one of this name. Errors as ubootenv_set(); -EINVAL
 * also for a value that holds a NUL. */
int ubootenv_append(char *image, size_t size, enum ubootenv_form form, struct slice name,
		    struct slice value);

/* Zeros behind the last entry, the flag (ignored when single), and the CRC. */
void ubootenv_seal(char *image, size_t size, enum ubootenv_form form, uint8_t flag);
