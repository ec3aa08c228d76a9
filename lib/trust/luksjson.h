/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LUKS2 metadata in JSON (LUKS2 On-Disk Format 1.1, 3) as far as we look at it, through json-c. The
 * text is hostile; nothing is borrowed from it.
 */
#pragma once

#include "luks.h"

/* Fills all of *ret_info but uuid and label, which are not in the JSON. -EBADMSG as luks_info(), and
 * when a field is missing, of another type or too long; *ret_what then says which (constant string). */
int luksjson_parse(const char *json, size_t size, struct luks_info *ret_info,
		   const char **ret_what);
