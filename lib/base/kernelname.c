/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernels and initrds by conventional names; see kernelname.h. Names are hostile text. */
#include "kernelname.h"

#include "macro.h"
#include "vercmp.h"

/* In order of preference. */
static const char *const plain_names[] = {"vmlinuz", "bzImage", "Image", "Image.gz"};

static const char *const kept_ends[] = {".old", ".bak"};

static const char *const ignored_ends[] = {
	"~", ".tmp", ".part", ".sig", ".asc", ".p7s", ".hmac", ".sha256", ".sha512",
};

struct kernel_name {
	unsigned plain; /* index in plain_names; their number for a name with a version */
	bool kept;	/* .old, .bak */
	struct slice suffix;
	struct slice version; /* the suffix without .old and .bak */
};

static bool is_ignored(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(ignored_ends); i++)
		if (endswith(name, ignored_ends[i]))
			return true;
	return strstr(name, ".dpkg-") != NULL;
}

static bool kernel_name_parse(const char *name, struct kernel_name *ret)
{
	struct kernel_name k = {0};
	const char *suffix = startswith(name, plain_names[0]);

	if (!suffix) {
		for (unsigned i = 1; i < ARRAY_SIZE(plain_names); i++) {
			if (streq(name, plain_names[i])) {
				k.plain = i;
				k.suffix = k.version = slice_of(name + strlen(name), 0);
				*ret = k;
				return true;
			}
		}
		return false;
	}
	if (is_ignored(name))
		return false;
	k.suffix = k.version = slice_str(suffix);
	for (size_t i = 0; i < ARRAY_SIZE(kept_ends); i++) {
		if (endswith(suffix, kept_ends[i])) {
			k.kept = true;
			k.version.len -= strlen(kept_ends[i]);
			break;
		}
	}
	if (k.version.len > 0)
		k.plain = ARRAY_SIZE(plain_names);
	*ret = k;
	return true;
}

bool kernelname_is_kernel(const char *name, struct slice *ret_suffix)
{
	struct kernel_name k;

	if (!kernel_name_parse(name, &k))
		return false;
	if (ret_suffix)
		*ret_suffix = k.suffix;
	return true;
}

int kernelname_compare(const char *a, const char *b)
{
	struct kernel_name ka = {0}, kb = {0};
	bool is_a = kernel_name_parse(a, &ka), is_b = kernel_name_parse(b, &kb);
	int r;

	if (is_a != is_b)
		return is_a ? -1 : 1;
	if (ka.kept != kb.kept)
		return ka.kept ? 1 : -1;
	if (ka.plain != kb.plain)
		return ka.plain < kb.plain ? -1 : 1;
	r = vercmp_slice(kb.version, ka.version);
	return r != 0 ? r : strcmp(a, b);
}

/* Is name made of stem, suffix and end? */
static bool is_made_of(const char *name, const char *stem, struct slice suffix, const char *end)
{
	const char *rest = startswith(name, stem);

	if (!rest || strnlen(rest, suffix.len) < suffix.len)
		return false;
	return (suffix.len == 0 || memcmp(rest, suffix.data, suffix.len) == 0) &&
	       streq(rest + suffix.len, end);
}

/* The forms of kernelname.h, in order. */
static unsigned form_rank(const char *initrd, struct slice suffix)
{
	static const struct {
		const char *stem, *end;
	} forms[] = {
		{"initrd.img", ""},	    {"initrd", ".img"},
		{"initramfs", ".img"},	    {"initrd", ""},
		{"initramfs", ""},	    {"initramfs.img", ""},
		{"initramfs", ".cpio.zst"}, {"initramfs", ".cpio.gz"},
		{"initramfs", ".cpio.xz"},  {"initramfs", ".cpio.lz4"},
		{"initramfs", ".cpio.lzo"}, {"initramfs", ".cpio.lzma"},
		{"initramfs", ".cpio.bz2"}, {"initrd", ".cpio.zst"},
		{"initrd", ".cpio.gz"},	    {"initrd", ".cpio.xz"},
		{"initrd", ".cpio.lz4"},    {"initrd", ".cpio.lzo"},
		{"initrd", ".cpio.lzma"},   {"initrd", ".cpio.bz2"},
		{"initramfs", ".zst"},	    {"initramfs", ".gz"},
		{"initramfs", ".xz"},	    {"initramfs", ".lz4"},
		{"initramfs", ".lzo"},	    {"initramfs", ".lzma"},
		{"initramfs", ".bz2"},	    {"initrd", ".zst"},
		{"initrd", ".gz"},	    {"initrd", ".xz"},
		{"initrd", ".lz4"},	    {"initrd", ".lzo"},
		{"initrd", ".lzma"},	    {"initrd", ".bz2"},
		{"initramfs", ".cpio"},	    {"initrd", ".cpio"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(forms); i++)
		if (is_made_of(initrd, forms[i].stem, suffix, forms[i].end))
			return i + 1;
	return 0;
}

unsigned kernelname_initrd_rank(const char *kernel, const char *initrd)
{
	struct kernel_name k;
	unsigned rank;

	if (!kernel_name_parse(kernel, &k))
		return 0;
	rank = form_rank(initrd, k.suffix);
	if (rank == 0 && k.kept && k.version.len > 0) {
		rank = form_rank(initrd, k.version);
		if (rank > 0)
			rank += 1000; /* after all forms with the same suffix */
	}
	return rank;
}
