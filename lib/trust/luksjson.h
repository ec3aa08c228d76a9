/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LUKS2 metadata in JSON (LUKS2 On-Disk Format 1.1, 3) as far as we look at it, through json-c. The
 * text is hostile; nothing is borrowed from it.
 */
#pragma once

#include "luks.h"

struct json_object;

/* Reads the text: -EBADMSG when it is no JSON object. */
int luksjson_open(const char *json, size_t size, struct json_object **ret_tree);
void luksjson_close(struct json_object *tree); /* NULL is fine */
static inline void luksjson_closep(struct json_object **tree)
{
	luksjson_close(*tree);
}
#define _luksjson_ _cleanup_(luksjson_closep)

/* Fills all of *ret_info but uuid and label, which are not in the JSON. -EBADMSG as luks_info(), and
 * when a field is missing, of another type or too long; *ret_what then says which (constant string). */
int luksjson_info(struct json_object *tree, struct luks_info *ret_info, const char **ret_what);

/* A token's text, the tree's own until the next call. -ENOENT. */
int luksjson_token(struct json_object *tree, int token, const char **ret_json);
