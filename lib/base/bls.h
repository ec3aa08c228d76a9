/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Boot loader entries, type #1 (UAPI.1 "Boot Loader Specification"): the text files
 * /loader/entries/NAME.conf, their order, and the boot counter in their names. The text is hostile;
 * results borrow from it and from the file name.
 *
 * https://uapi-group.org/specifications/specs/boot_loader_specification/
 *
 * Lines are `KEY VALUE`, with blanks or tabs before, between and after. They end with a newline, or
 * carriage return and newline; the last may lack it. Lines that start with '#' are comments. Keys
 * have lower case. Unknown keys and keys without a value are passed over.
 * `initrd` and `options` may stand several times and add up. The specification does not say what a
 * second line of another key means; the last one counts, as in systemd-boot.
 * `initrd` may name several files with blanks between, as GRUB takes it, and words that start with
 * '$' (a GRUB variable, such as Fedora's `$tuned_initrd`) are passed over there.
 * `tugboot-initrd yes` is ours: this root wants Tugboot's initramfs (DESIGN.md, section 2).
 *
 * Paths are from the root of the file system that holds the entry, with or without a first '/'.
 * They may hold anything but control characters, `..` too: the caller opens them beneath that
 * root.
 */
#pragma once

#include <stdbool.h>

#include "slice.h"

#define BLS_INITRD_MAX 8
/* A larger entry is refused. */
#define BLS_TEXT_MAX (64 * 1024)
#define BLS_PROFILE_MAX 255u

/* A file name taken apart: `STEM+LEFT-DONE.conf`, the counter being optional. */
struct bls_name {
	struct slice stem; /* without counter and extension */
	bool counted;
	unsigned left; /* tries left; 0 with `counted` is a bad entry */
	unsigned done;
};

struct bls_entry {
	struct bls_name name;
	/* One of kernel (the key `linux`), efi and uki is there at least. */
	struct slice kernel;
	struct slice efi; /* any EFI program: may be a UKI */
	struct slice uki;
	unsigned profile; /* of the UKI; 0 when not said */
	struct slice initrd[BLS_INITRD_MAX];
	size_t n_initrd;
	bool tugboot_initrd;
	struct slice devicetree;
	struct slice devicetree_overlay; /* a list, blanks between */
	struct slice architecture;
	struct slice title;
	struct slice version;
	struct slice machine_id;
	struct slice sort_key;
	struct slice text; /* the whole entry, for bls_options() */
};

/*
 * Takes a file name apart; ext is `.conf`, or `.efi` for a UKI, which is named the same way.
 * Numbers that do not fit are no counter. -EINVAL when the name does not end with ext or nothing is
 * before it, or when it is hidden (starts with '.').
 */
int bls_name_parse(const char *filename, const char *ext, struct bls_name *ret_name);

/*
 * Parses an entry. arch is ours in the specification's words, `x64` or `aa64`.
 *
 * -EINVAL   the file name is not that of an entry
 * -EFBIG    the text is larger than BLS_TEXT_MAX
 * -EBADMSG  a control character in the text
 * -ENOEXEC  the entry is for another architecture
 * -ENOENT   no linux, efi or uki
 * -E2BIG    more than BLS_INITRD_MAX initrds
 * -ERANGE   `profile` is no number up to BLS_PROFILE_MAX
 */
int bls_parse(const char *filename, const char *data, size_t size, const char *arch,
	      struct bls_entry *ret_entry);

/*
 * Writes all options of an entry, in order, with one space between lines, terminated. Returns the
 * length, 0 when there are none; -ENOBUFS when they do not fit with their end (buf is "" then, when
 * it has room). The length of the entry's text + 1 always suffices.
 */
int bls_options(const struct bls_entry *entry, char *buf, size_t buf_size);

/*
 * The specification's order ("Sorting"), for qsort(3)-like use: negative when a is to be tried
 * before b. Bad entries last; then those with sort-key, by sort-key, machine-id and newest
 * version; then the file name, highest version first. Entries that differ only in the counter:
 * fewest tries done first.
 */
int bls_compare(const struct bls_entry *a, const struct bls_entry *b);

/* The part of that order that names alone give, for UKIs. */
int bls_name_compare(const struct bls_name *a, const struct bls_name *b);
