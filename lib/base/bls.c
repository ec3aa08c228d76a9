/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Boot loader entries; see bls.h. The text and the file name are hostile: every result is a piece
 * of them, and all work is linear in their size.
 */
#include "bls.h"

#include <errno.h>
#include <stdint.h>

#include "line.h"
#include "macro.h"
#include "vercmp.h"

/* A number that fills the whole slice and is at most max. */
static bool parse_number(struct slice s, unsigned max, unsigned *ret)
{
	unsigned n = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (unsigned)(s.data[i] - '0'), &n) || n > max)
			return false;
	}
	*ret = n;
	return true;
}

/* Takes `+LEFT` or `+LEFT-DONE` off the end of a stem. */
static void take_counter(struct bls_name *name)
{
	struct slice stem = name->stem, left, done = {0};
	const char *plus = memrchr(stem.data, '+', stem.len);
	const char *minus;
	unsigned n_left, n_done = 0;

	if (!plus || plus == stem.data)
		return;
	left = slice_from(stem, (size_t)(plus - stem.data) + 1);
	minus = memchr(left.data, '-', left.len);
	if (minus) {
		done = slice_from(left, (size_t)(minus - left.data) + 1);
		left.len = (size_t)(minus - left.data);
	}
	if (!parse_number(left, UINT32_MAX, &n_left) ||
	    (minus && !parse_number(done, UINT32_MAX, &n_done)))
		return;
	name->stem.len = (size_t)(plus - stem.data);
	name->counted = true;
	name->left = n_left;
	name->done = n_done;
}

int bls_name_parse(const char *filename, const char *ext, struct bls_name *ret_name)
{
	size_t len = strlen(filename), ext_len = strlen(ext);
	struct bls_name name = {0};

	if (filename[0] == '.' || len <= ext_len || !endswith(filename, ext))
		return -EINVAL;
	name.stem = slice_of(filename, len - ext_len);
	take_counter(&name);
	*ret_name = name;
	return 0;
}

/* Adds the words of an `initrd` line. */
static int add_initrds(struct bls_entry *entry, struct slice value)
{
	struct slice word;

	while (line_word(&value, 0, &word)) {
		if (word.data[0] == '$')
			continue;
		if (entry->n_initrd == BLS_INITRD_MAX)
			return -E2BIG;
		entry->initrd[entry->n_initrd++] = word;
	}
	return 0;
}

static int take_line(struct bls_entry *entry, struct slice key, struct slice value)
{
	const struct {
		const char *key;
		struct slice *field;
	} fields[] = {
		{"title", &entry->title},
		{"version", &entry->version},
		{"machine-id", &entry->machine_id},
		{"sort-key", &entry->sort_key},
		{"linux", &entry->kernel},
		{"efi", &entry->efi},
		{"uki", &entry->uki},
		{"devicetree", &entry->devicetree},
		{"devicetree-overlay", &entry->devicetree_overlay},
		{"architecture", &entry->architecture},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (slice_is(key, fields[i].key)) {
			*fields[i].field = value;
			return 0;
		}
	}
	if (slice_is(key, "initrd"))
		return add_initrds(entry, value);
	if (slice_is(key, "profile") && !parse_number(value, BLS_PROFILE_MAX, &entry->profile))
		return -ERANGE;
	if (slice_is(key, "tugboot-initrd"))
		entry->tugboot_initrd = slice_is(value, "yes");
	return 0;
}

int bls_parse(const char *filename, const char *data, size_t size, const char *arch,
	      struct bls_entry *ret_entry)
{
	struct bls_entry entry = {.text = {data, size}};
	struct slice line, key, value;
	size_t pos = 0;
	int failed = 0, r;

	r = bls_name_parse(filename, ".conf", &entry.name);
	if (r < 0)
		return r;
	if (size > BLS_TEXT_MAX)
		return -EFBIG;
	if (!line_text_valid(entry.text))
		return -EBADMSG;

	while (line_next(entry.text, &pos, &line)) {
		if (!line_split(line, &key, &value) || value.len == 0)
			continue;
		r = take_line(&entry, key, value);
		if (r < 0 && failed == 0)
			failed = r;
	}

	/* First of all: what is wrong with an entry for another machine is not of interest. */
	if (entry.architecture.len > 0 && !line_word_is(entry.architecture, arch))
		return -ENOEXEC;
	if (failed < 0)
		return failed;
	if (entry.kernel.len == 0 && entry.efi.len == 0 && entry.uki.len == 0)
		return -ENOENT;
	*ret_entry = entry;
	return 0;
}

int bls_options(const struct bls_entry *entry, char *buf, size_t buf_size)
{
	struct slice line, key, value;
	size_t pos = 0, len = 0;

	if (buf_size == 0)
		return -ENOBUFS;
	while (line_next(entry->text, &pos, &line)) {
		size_t space = len > 0 ? 1 : 0;

		if (!line_split(line, &key, &value) || value.len == 0 || !slice_is(key, "options"))
			continue;
		/* Room for the space, the value and the end; len is less than buf_size. */
		if (buf_size - len <= space || buf_size - len - space <= value.len) {
			buf[0] = '\0';
			return -ENOBUFS;
		}
		if (space)
			buf[len++] = ' ';
		memcpy(buf + len, value.data, value.len);
		len += value.len;
	}
	buf[len] = '\0';
	return (int)len;
}

static bool is_bad(const struct bls_name *name)
{
	return name->counted && name->left == 0;
}

/* File names, highest version first. vercmp() takes different names as equal (`1_` and `1`): then
 * by byte, so that the order does not depend on the directory's. */
static int compare_stems(const struct bls_name *a, const struct bls_name *b)
{
	int r = vercmp_slice(b->stem, a->stem);

	if (r == 0)
		r = slice_cmp(b->stem, a->stem);
	if (r == 0)
		r = (a->done > b->done) - (a->done < b->done);
	return r;
}

int bls_name_compare(const struct bls_name *a, const struct bls_name *b)
{
	if (is_bad(a) != is_bad(b))
		return is_bad(a) ? 1 : -1;
	return compare_stems(a, b);
}

int bls_compare(const struct bls_entry *a, const struct bls_entry *b)
{
	bool key_a = a->sort_key.len > 0, key_b = b->sort_key.len > 0;
	int r = 0;

	if (is_bad(&a->name) != is_bad(&b->name))
		return is_bad(&a->name) ? 1 : -1;
	if (key_a != key_b)
		return key_a ? -1 : 1;
	if (key_a) {
		r = slice_cmp(a->sort_key, b->sort_key);
		if (r == 0)
			r = slice_cmp(a->machine_id, b->machine_id);
		if (r == 0)
			r = vercmp_slice(b->version, a->version);
	}
	return r != 0 ? r : compare_stems(&a->name, &b->name);
}
