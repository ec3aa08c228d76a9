/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One member of a JSON text; see jsonedit.h. The text is hostile: every step stays within it. */
#include "jsonedit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- Where things are ------------------------------------------------------------------------- */

static size_t skip_blanks(struct slice json, size_t pos)
{
	while (pos < json.len && json.data[pos] != '\0' && strchr(" \t\r\n", json.data[pos]))
		pos++;
	return pos;
}

/* The end of the string that begins at pos; 0 when there is none. */
static size_t string_end(struct slice json, size_t pos)
{
	if (pos >= json.len || json.data[pos] != '"')
		return 0;
	for (pos++; pos < json.len; pos++) {
		if (json.data[pos] == '\\')
			pos++;
		else if (json.data[pos] == '"')
			return pos + 1;
	}
	return 0;
}

/* The end of the value that begins at pos; 0 when there is none. */
static size_t value_end(struct slice json, size_t pos)
{
	size_t depth = 0, begin = pos;

	while (pos < json.len) {
		char c = json.data[pos];

		if (c == '"') {
			pos = string_end(json, pos);
			if (pos == 0 || depth == 0)
				return pos;
			continue;
		}
		if (depth == 0 && (c == '\0' || strchr(",]} \t\r\n", c)))
			break;
		pos++;
		if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			return pos;
	}
	return depth == 0 && pos > begin ? pos : 0;
}

struct member {
	size_t key, value, end; /* where it begins, where its value does, and where that ends */
};

struct object {
	size_t begin, end;    /* of the braces, the last one included */
	struct member found;  /* the one that was looked for; key 0: not there */
	struct member before; /* it; the last one of all when it is not there; key 0: none */
	size_t next;	      /* where the one behind it begins; 0: none */
};

/* The member that begins at pos. */
static int read_member(struct slice json, size_t pos, struct member *ret_member)
{
	size_t end = string_end(json, pos), value;

	if (end == 0)
		return -EBADMSG;
	value = skip_blanks(json, end);
	if (value >= json.len || json.data[value] != ':')
		return -EBADMSG;
	value = skip_blanks(json, value + 1);
	*ret_member = (struct member){.key = pos, .value = value, .end = value_end(json, value)};
	return ret_member->end > 0 ? 0 : -EBADMSG;
}

static bool is_name(struct slice json, const struct member *member, struct slice name)
{
	return json.len - member->key > name.len + 1 &&
	       (name.len == 0 || memcmp(json.data + member->key + 1, name.data, name.len) == 0) &&
	       json.data[member->key + 1 + name.len] == '"';
}

/* Reads the object that begins at pos, looking for a name. */
static int read_object(struct slice json, size_t pos, struct slice name, struct object *ret_object)
{
	struct object object = {.begin = pos};
	struct member member;
	int r;

	if (pos >= json.len || json.data[pos] != '{')
		return -ENOTDIR;
	pos = skip_blanks(json, pos + 1);
	while (pos < json.len && json.data[pos] != '}') {
		r = read_member(json, pos, &member);
		if (r < 0)
			return r;
		if (object.found.key > 0 && object.next == 0)
			object.next = member.key;
		else if (object.found.key == 0 && is_name(json, &member, name))
			object.found = member;
		else if (object.found.key == 0)
			object.before = member;
		pos = skip_blanks(json, member.end);
		if (pos < json.len && json.data[pos] == ',')
			pos = skip_blanks(json, pos + 1);
		else if (pos >= json.len || json.data[pos] != '}')
			return -EBADMSG;
	}
	if (pos >= json.len)
		return -EBADMSG;
	object.end = pos + 1;
	*ret_object = object;
	return 0;
}

/* --- The new text ----------------------------------------------------------------------------- */

static bool is_null(struct slice json, const struct member *member)
{
	return slice_is(slice_of(json.data + member->value, member->end - member->value), "null");
}

/* The text with [from, to) replaced. */
static int splice(struct slice json, size_t from, size_t to, struct slice with, char **ret_json,
		  size_t *ret_size)
{
	size_t size = json.len - (to - from) + with.len;
	char *text = malloc(size + 1);

	if (!text)
		return -ENOMEM;
	memcpy(text, json.data, from);
	if (with.len > 0)
		memcpy(text + from, with.data, with.len);
	memcpy(text + from + with.len, json.data + to, json.len - to);
	text[size] = '\0';
	*ret_json = text;
	*ret_size = size;
	return 0;
}

/* How members are laid out: what stands before a key (an end of line and the indent), before a
 * value; and what each level has more than the one round it. */
struct layout {
	struct slice key, value;
	size_t deeper; /* characters at the end of key that are for one level */
};

/* What stands before a member: the blanks between the bracket or comma and its key. */
static void learn_layout(struct slice json, const struct member *member, size_t level,
			 struct layout *layout)
{
	size_t from = member->key, indent, colon = member->value;

	while (from > 0 && strchr(" \t\r\n", json.data[from - 1]) && json.data[from - 1] != '\0')
		from--;
	while (json.data[colon - 1] != ':')
		colon--;
	layout->key = slice_of(json.data + from, member->key - from);
	layout->value = slice_of(json.data + colon, member->value - colon);
	for (indent = 0; indent < layout->key.len; indent++)
		if (json.data[member->key - 1 - indent] == '\n')
			break;
	layout->deeper = indent < layout->key.len && level > 0 ? indent / level : 0;
}

static void put(FILE *out, struct slice text)
{
	(void)fwrite(text.data, 1, text.len, out); /* fclose() tells */
}

/* What stands before a key that is this many levels further in than the layout's. */
static void put_indent(FILE *out, const struct layout *layout, size_t levels)
{
	put(out, layout->key);
	for (; levels > 0 && layout->deeper > 0; levels--)
		put(out, slice_from(layout->key, layout->key.len - layout->deeper));
}

/* `"a": {"b": VALUE}` for the names from `first` on; the first key is `level` levels further in
 * than the layout's. */
static void put_member(FILE *out, const struct jsonedit_path *path, size_t first, size_t level,
		       const struct layout *layout, struct slice value)
{
	for (size_t i = first; i < path->names; i++) {
		if (i > first) {
			(void)fputc('{', out);
			put_indent(out, layout, level + (i - first));
		}
		(void)fputc('"', out);
		put(out, path->name[i]);
		(void)fputs("\":", out);
		put(out, layout->value);
	}
	put(out, value);
	for (size_t i = path->names - 1; i > first; i--) {
		put_indent(out, layout, level + (i - 1 - first));
		(void)fputc('}', out);
	}
}

/* A new member behind the last one of an object, which is the path's `depth`th. */
static int insert(struct slice json, const struct object *object, const struct jsonedit_path *path,
		  size_t depth, struct layout *layout, struct slice value, char **ret_json,
		  size_t *ret_size)
{
	bool empty = object->before.key == 0;
	size_t from, to, size = 0;
	char *text = NULL;
	FILE *out;
	int r;

	if (!empty)
		learn_layout(json, &object->before, depth + 1, layout);
	from = empty ? object->begin + 1 : object->before.end;
	to = empty ? object->end - 1 : from;
	out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	if (!empty)
		(void)fputc(',', out);
	/* The layout of an empty object is that of the object round it, a level further in. */
	put_indent(out, layout, empty ? 1 : 0);
	put_member(out, path, depth, empty ? 1 : 0, layout, value);
	if (empty)
		put_indent(out, layout, 0);
	r = fclose(out) == 0 ? splice(json, from, to, slice_of(text, size), ret_json, ret_size)
			     : -ENOMEM;
	free(text);
	return r;
}

/* The same in the place of a null, which stands where an object should. */
static int replace_null(struct slice json, const struct member *member,
			const struct jsonedit_path *path, size_t depth, const struct layout *layout,
			struct slice value, char **ret_json, size_t *ret_size)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int r;

	if (!out)
		return -ENOMEM;
	(void)fputc('{', out);
	put_indent(out, layout, 1);
	put_member(out, path, depth + 1, 1, layout, value);
	put_indent(out, layout, 0);
	(void)fputc('}', out);
	r = fclose(out) == 0 ? splice(json, member->value, member->end, slice_of(text, size),
				      ret_json, ret_size)
			     : -ENOMEM;
	free(text);
	return r;
}

/* Only names that stand in JSON as they are. */
static bool names_are_plain(const struct jsonedit_path *path)
{
	if (path->names == 0 || path->names > JSONEDIT_DEPTH)
		return false;
	for (size_t i = 0; i < path->names; i++)
		for (size_t j = 0; j < path->name[i].len; j++) {
			unsigned char c = (unsigned char)path->name[i].data[j];

			if (c < ' ' || c == '"' || c == '\\')
				return false;
		}
	return true;
}

int jsonedit_set(struct slice json, const struct jsonedit_path *path, struct slice value,
		 char **ret_json, size_t *ret_size)
{
	struct layout layout = {slice_of("", 0), slice_of("", 0), 0};
	size_t pos = skip_blanks(json, 0);
	struct object object;
	int r;

	if (!names_are_plain(path))
		return -EINVAL;
	for (size_t depth = 0;; depth++) {
		struct member *found = &object.found;

		r = read_object(json, pos, path->name[depth], &object);
		if (r < 0)
			return r;
		if (found->key == 0)
			return insert(json, &object, path, depth, &layout, value, ret_json,
				      ret_size);
		if (depth + 1 == path->names)
			return splice(json, found->value, found->end, value, ret_json, ret_size);
		learn_layout(json, found, depth + 1, &layout);
		if (is_null(json, found))
			return replace_null(json, found, path, depth, &layout, value, ret_json,
					    ret_size);
		pos = found->value;
	}
}

/* What goes with the member: the comma before it, or the one behind it when it is the first. */
static void span_of(const struct object *object, size_t *ret_from, size_t *ret_to)
{
	const struct member *found = &object->found;

	if (object->before.key > 0) {
		*ret_from = object->before.end;
		*ret_to = found->end;
	} else if (object->next > 0) {
		*ret_from = found->key;
		*ret_to = object->next;
	} else {
		*ret_from = object->begin + 1;
		*ret_to = object->end - 1;
	}
}

int jsonedit_unset(struct slice json, const struct jsonedit_path *path, char **ret_json,
		   size_t *ret_size)
{
	size_t pos = skip_blanks(json, 0), from = 0, to = 0;
	struct object object;
	int r;

	if (!names_are_plain(path))
		return -EINVAL;
	for (size_t depth = 0; depth < path->names; depth++) {
		r = read_object(json, pos, path->name[depth], &object);
		if (r < 0)
			return r;
		if (object.found.key == 0)
			return -ENOENT;
		/* The outermost object that would have nothing else goes as a whole. */
		if (depth == 0 || object.before.key > 0 || object.next > 0)
			span_of(&object, &from, &to);
		pos = object.found.value;
	}
	return splice(json, from, to, slice_of(NULL, 0), ret_json, ret_size);
}
