/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding the root's kernel: the four forms in their order, each handing candidates to one place
 * (offer()) that opens, checks and passes them on. File names and texts come from the root and are
 * hostile; lib/base parses them.
 */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "bls.h"
#include "cmdline.h"
#include "extlinux.h"
#include "fd.h"
#include "image.h"
#include "kernelname.h"
#include "log.h"
#include "pe.h"
#include "rootfs.h"

#if defined(__x86_64__)
#define BLS_ARCH "x64"
#elif defined(__aarch64__)
#define BLS_ARCH "aa64"
#endif

#define NAMES_MAX 64

struct search {
	int root_fd;
	bool first_only;
	kernel_take_fn take;
	void *data;
	int result; /* of the last candidate; -ENOENT before the first */
};

/* Is the search over? */
static bool done(const struct search *search)
{
	return search->result == 0 || (search->first_only && search->result != -ENOENT);
}

/* Where a loader entry's paths start: the entry may have been written for /boot as a partition. */
static const char *const entry_bases[] = {"", "/boot", "/boot/extlinux", NULL};
static const char *const no_bases[] = {"", NULL};

/* What is known of a candidate before it is opened. */
struct candidate {
	const char *form;
	struct slice kernel;
	const struct slice *initrd;
	size_t n_initrd;
	bool tugboot_initrd;
	const char *const *bases;
	unsigned profile; /* of a UKI */
	bool uki_only;	  /* a plain kernel is not meant */
	bool any_program; /* may be any EFI program: one that is no UKI of ours is no candidate */
};

static int refused(const struct candidate *candidate, const char *path, const char *what, int r)
{
	return log_err(r, "kernel",
		       "form=%s path=%s refused=%s error=%s next=\"the next candidate\"",
		       candidate->form, log_quote(path), log_quote(what), log_errno(r));
}

/* open_candidate(): what was named is another thing, as the memory test that some systems keep in
 * /boot is. */
#define NO_CANDIDATE 1

/* Opens and checks what the candidate names. Options are the caller's to fill in before. */
static int open_candidate(struct search *search, const struct candidate *candidate,
			  struct kernel *kernel)
{
	char initrd_path[KERNEL_PATH_MAX];
	const char *what = NULL;
	int r;

	r = rootfs_open_any(search->root_fd, candidate->bases, candidate->kernel,
			    &kernel->kernel_fd, kernel->path, sizeof(kernel->path));
	if (r < 0)
		return refused(candidate, kernel->path, "kernel cannot be opened", r);
	r = image_prepare(kernel, candidate->profile, candidate->uki_only, &what);
	if (candidate->any_program && (r == -ENOEXEC || r == -ENOTSUP)) {
		log_detail("kernel", "form=%s path=%s found=%s next=\"pass it over\"",
			   candidate->form, log_quote(kernel->path), log_quote(what));
		return NO_CANDIDATE;
	}
	if (r < 0)
		return refused(candidate, kernel->path, what, r);

	for (size_t i = 0; i < candidate->n_initrd; i++) {
		_close_ int fd = -1;

		r = rootfs_open_any(search->root_fd, candidate->bases, candidate->initrd[i], &fd,
				    initrd_path, sizeof(initrd_path));
		if (r < 0)
			return refused(candidate, initrd_path, "initrd cannot be opened", r);
		r = image_add_initrd(kernel, take_fd(fd));
		if (r < 0)
			return refused(candidate, initrd_path, "initrd cannot be read", r);
	}
	if (candidate->tugboot_initrd && kernel->initrd_fd < 0) {
		r = image_add_own_initrd(kernel);
		if (r < 0)
			return refused(candidate, kernel->path,
				       "Tugboot's own initrd cannot be packed", r);
		kernel->tugboot_initrd = true;
	}
	return 0;
}

static void offer(struct search *search, const struct candidate *candidate, struct kernel *kernel)
{
	int r;

	kernel->form = candidate->form;
	kernel->kernel_fd = kernel->initrd_fd = -1;
	r = open_candidate(search, candidate, kernel);
	if (r == 0)
		r = search->take(kernel, search->data);
	/* -ENOENT is kept for "there was no candidate". */
	if (r != NO_CANDIDATE)
		search->result = r == -ENOENT ? -ENODATA : r;
	close_p(&kernel->kernel_fd);
	close_p(&kernel->initrd_fd);
}

/* ---- unified kernel images ---- */

static int compare_uki(const void *a, const void *b)
{
	struct bls_name name_a, name_b;
	bool valid_a = bls_name_parse(*(char *const *)a, ".efi", &name_a) == 0;
	bool valid_b = bls_name_parse(*(char *const *)b, ".efi", &name_b) == 0;

	return valid_a && valid_b ? bls_name_compare(&name_a, &name_b) : valid_b - valid_a;
}

static void find_uki(struct search *search, const char *dir)
{
	struct rootfs_names names = {0};
	char path[KERNEL_PATH_MAX];

	rootfs_list(search->root_fd, dir, ".efi", &names);
	if (names.n > 1)
		qsort(names.name, names.n, sizeof(names.name[0]), compare_uki);
	for (size_t i = 0; i < names.n && !done(search); i++) {
		struct kernel kernel = {0};
		struct candidate candidate = {
			.form = "uki", .bases = no_bases, .uki_only = true, .any_program = true};
		int n = snprintf(path, sizeof(path), "%s/%s", dir, names.name[i]);

		if (n < 0 || (size_t)n >= sizeof(path))
			continue;
		candidate.kernel = slice_str(path);
		offer(search, &candidate, &kernel);
	}
	rootfs_names_done(&names);
}

/* ---- Boot Loader Specification entries ---- */

struct entry_file {
	char *name;
	char *text; /* owned */
	struct bls_entry entry;
};

static int compare_entries(const void *a, const void *b)
{
	return bls_compare(&((const struct entry_file *)a)->entry,
			   &((const struct entry_file *)b)->entry);
}

static bool read_entry(struct search *search, const char *dir, char *name, struct entry_file *file)
{
	char path[KERNEL_PATH_MAX];
	size_t size;
	int r;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return false;
	r = rootfs_read(search->root_fd, path, BLS_TEXT_MAX, &file->text, &size);
	if (r == 0)
		r = bls_parse(name, file->text, size, BLS_ARCH, &file->entry);
	if (r < 0) {
		log_warn(
			"kernel",
			"form=bls path=%s refused=\"no usable entry\" error=%s next=\"the next entry\"",
			log_quote(path), log_errno(r));
		if (search->result == -ENOENT)
			search->result = -EBADMSG;
		return false;
	}
	file->name = name;
	return true;
}

static void offer_entry(struct search *search, const struct entry_file *file)
{
	const struct bls_entry *entry = &file->entry;
	struct kernel kernel = {0};
	struct candidate candidate = {
		.form = "bls",
		.kernel = entry->kernel.data ? entry->kernel
			  : entry->uki.data  ? entry->uki
					     : entry->efi,
		.initrd = entry->initrd,
		.n_initrd = entry->n_initrd,
		.tugboot_initrd = entry->tugboot_initrd,
		.bases = entry_bases,
		.profile = entry->profile,
		.any_program = !entry->kernel.data && !entry->uki.data,
	};

	if (bls_options(entry, kernel.options, sizeof(kernel.options)) < 0) {
		search->result = refused(&candidate, file->name, "options too long", -E2BIG);
		return;
	}
	offer(search, &candidate, &kernel);
}

static void find_bls(struct search *search, const char *dir)
{
	_free_ struct entry_file *files = calloc(NAMES_MAX, sizeof(*files));
	struct rootfs_names names = {0};
	size_t n = 0;

	rootfs_list(search->root_fd, dir, ".conf", &names);
	for (size_t i = 0; files && i < names.n && n < NAMES_MAX; i++) {
		struct entry_file file = {0};

		if (read_entry(search, dir, names.name[i], &file))
			files[n++] = file;
		else
			free(file.text);
	}
	if (n > 1)
		qsort(files, n, sizeof(*files), compare_entries);
	for (size_t i = 0; i < n && !done(search); i++)
		offer_entry(search, &files[i]);
	for (size_t i = 0; i < n; i++)
		free(files[i].text);
	rootfs_names_done(&names);
}

/* ---- extlinux.conf ---- */

/* Options of a label: without the words that the loaders it was written for would have replaced. What
 * is in quotes is one word with its blanks. */
static int label_options(const struct extlinux_label *label, char *buf, size_t size)
{
	char text[KERNEL_OPTIONS_MAX];
	struct cmdline_arg arg;
	size_t n = 0, pos = 0;

	if (label->append.len >= MIN(size, sizeof(text)))
		return -E2BIG;
	if (label->append.len > 0)
		memcpy(text, label->append.data, label->append.len);
	text[label->append.len] = '\0';
	while (cmdline_next(text, &pos, &arg)) {
		if (arg.len >= 2 && arg.text[0] == '$' && arg.text[1] == '{')
			continue;
		if (n > 0)
			buf[n++] = ' ';
		memcpy(buf + n, arg.text, arg.len); /* no longer than what it is taken from */
		n += arg.len;
	}
	buf[n] = '\0';
	return 0;
}

static void find_extlinux(struct search *search, const char *path)
{
	_free_ char *text = NULL;
	struct extlinux_walk walk = {0};
	struct extlinux_label label;
	struct extlinux conf;
	size_t size;
	int r;

	r = rootfs_read(search->root_fd, path, EXTLINUX_TEXT_MAX, &text, &size);
	if (r == -ENOENT || r == -ENOTDIR)
		return;
	if (r == 0)
		r = extlinux_parse(text, size, &conf);
	if (r < 0) {
		log_warn(
			"kernel",
			"form=extlinux path=%s refused=\"no usable file\" error=%s next=\"the next form\"",
			path, log_errno(r));
		if (search->result == -ENOENT)
			search->result = -EBADMSG;
		return;
	}
	while (!done(search) && (r = extlinux_next(&conf, &walk, &label)) != 0) {
		struct kernel kernel = {0};
		struct candidate candidate = {
			.form = "extlinux",
			.kernel = label.kernel,
			.initrd = label.initrd,
			.n_initrd = label.n_initrd,
			.tugboot_initrd = label.tugboot_initrd,
			.bases = entry_bases,
		};

		if (r < 0 || label_options(&label, kernel.options, sizeof(kernel.options)) < 0) {
			search->result =
				refused(&candidate, path,
					"a label with too many initrds or options", -E2BIG);
			continue;
		}
		offer(search, &candidate, &kernel);
	}
}

/* ---- conventional names ---- */

static int compare_names(const void *a, const void *b)
{
	return kernelname_compare(*(char *const *)a, *(char *const *)b);
}

/* The initrd that goes with a kernel by name, NULL when there is none. Borrowed from names. */
static const char *best_initrd(const struct rootfs_names *names, const char *kernel)
{
	const char *best = NULL;
	unsigned best_rank = 0;

	for (size_t i = 0; i < names->n; i++) {
		unsigned rank = kernelname_initrd_rank(kernel, names->name[i]);

		if (rank > 0 && (best_rank == 0 || rank < best_rank)) {
			best = names->name[i];
			best_rank = rank;
		}
	}
	return best;
}

static void offer_name(struct search *search, const char *dir, const struct rootfs_names *all,
		       const char *name)
{
	const char *initrd = best_initrd(all, name);
	char path[KERNEL_PATH_MAX], initrd_path[KERNEL_PATH_MAX], target[KERNEL_PATH_MAX];
	struct kernel kernel = {0};
	struct candidate candidate = {.form = "name", .bases = no_bases};
	struct slice initrd_slice;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return;
	/* A plain name that links to one with a version: its initrd may carry the version too. */
	if (!initrd && rootfs_link_name(search->root_fd, path, target, sizeof(target)) == 0)
		initrd = best_initrd(all, target);
	candidate.kernel = slice_str(path);
	if (initrd) {
		if (snprintf(initrd_path, sizeof(initrd_path), "%s/%s", dir, initrd) >=
		    (int)sizeof(initrd_path))
			return;
		initrd_slice = slice_str(initrd_path);
		candidate.initrd = &initrd_slice;
		candidate.n_initrd = 1;
	}
	for (size_t i = 0; i < all->n; i++)
		candidate.tugboot_initrd |= streq(all->name[i], "tugboot-initrd");
	offer(search, &candidate, &kernel);
}

static void find_names(struct search *search, const char *dir)
{
	struct rootfs_names all = {0};
	char *kernels[NAMES_MAX];
	size_t n = 0;

	rootfs_list(search->root_fd, dir, "", &all);
	for (size_t i = 0; i < all.n && n < NAMES_MAX; i++)
		if (kernelname_is_kernel(all.name[i], NULL))
			kernels[n++] = all.name[i];
	if (n > 1)
		qsort(kernels, n, sizeof(kernels[0]), compare_names);
	for (size_t i = 0; i < n && !done(search); i++)
		offer_name(search, dir, &all, kernels[i]);
	rootfs_names_done(&all);
}

int kernel_find(int root_fd, bool first_only, kernel_take_fn take, void *data)
{
	struct search search = {.root_fd = root_fd,
				.first_only = first_only,
				.take = take,
				.data = data,
				.result = -ENOENT};
	static const struct {
		void (*find)(struct search *search, const char *path);
		const char *path;
	} places[] = {
		{find_uki, "/boot"},
		{find_uki, "/EFI/Linux"},
		{find_uki, "/boot/EFI/Linux"},
		{find_bls, "/boot/loader/entries"},
		{find_extlinux, "/boot/extlinux/extlinux.conf"},
		{find_extlinux, "/extlinux/extlinux.conf"},
		{find_names, "/boot"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(places) && !done(&search); i++)
		places[i].find(&search, places[i].path);
	return search.result;
}
