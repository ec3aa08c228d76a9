/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel images and initrds as files for the kernel to read. Offsets and sizes come from lib/base,
 * which has checked them against the file's size.
 */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fd.h"
#include "file.h"
#include "memfile.h"
#include "pe.h"

#define INITRD_ALIGN 4 /* archives behind each other: cpio's own alignment */

#if defined(__x86_64__)
#define PE_MACHINE PE_MACHINE_X86_64
#elif defined(__aarch64__)
#define PE_MACHINE PE_MACHINE_ARM64
#endif

static int extract(int from, struct pe_range range, const char *name, int *ret_fd)
{
	_close_ int fd = memfile_open(name);
	int r;

	if (fd < 0)
		return fd;
	r = memfile_copy(fd, from, range.offset, range.size);
	return r < 0 ? r : memfile_finish(fd, ret_fd);
}

static int file_size(int fd, uint64_t *ret_size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

static int read_at(int fd, uint64_t offset, char *buf, size_t size, size_t *ret_size)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = pread(fd, buf + done, size - done, (off_t)(offset + done));
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		if (n > 0)
			done += (size_t)n;
	}
	*ret_size = done;
	return 0;
}

static const char *bzimage_problem(int r)
{
	switch (r) {
	case -ENODATA:
		return "kernel is truncated";
	case -ENOTSUP:
		return "kernel has no 64-bit entry for kexec (boot protocol 2.12)";
	default:
		return "kernel header is damaged";
	}
}

static int prepare_bzimage(struct kernel *kernel, const char *head, size_t head_size, uint64_t size,
			   const char **ret_what)
{
	char text[BZIMAGE_VERSION_SIZE];
	struct bzimage image;
	struct slice release;
	size_t n;
	int r;

	r = bzimage_parse(head, head_size, &image);
	if (r == 0)
		r = bzimage_check(&image, size);
	if (r < 0) {
		*ret_what = bzimage_problem(r);
		return r;
	}
	kernel->cmdline_max = image.cmdline_size;
	if (image.version_offset > 0 && image.version_offset < size &&
	    read_at(kernel->kernel_fd, image.version_offset, text, sizeof(text), &n) == 0 &&
	    bzimage_release(text, n, &release) == 0 && release.len < sizeof(kernel->release)) {
		memcpy(kernel->release, release.data, release.len);
		kernel->release[release.len] = '\0';
	}
	return 0;
}

static const char *uki_problem(int r)
{
	switch (r) {
	case -ENODATA:
		return "image is truncated";
	case -ENOEXEC:
		return "EFI program without a kernel in it";
	case -ENOTSUP:
		return "image for another machine";
	case -ENOENT:
		return "image without the profile that is asked for";
	case -EBADMSG:
		return "no kernel of a known form";
	default:
		return "image is damaged";
	}
}

/* The command line of a UKI ends at its first NUL; line breaks separate as blanks do. */
static int take_uki_options(struct kernel *kernel, int fd, struct pe_range range)
{
	char *options = kernel->options;
	size_t n;
	int r;

	if (range.size >= sizeof(kernel->options))
		return -E2BIG;
	r = read_at(fd, range.offset, options, range.size, &n);
	if (r < 0)
		return r;
	options[n] = '\0';
	n = strlen(options);
	while (n > 0 && (options[n - 1] == '\n' || options[n - 1] == ' '))
		options[--n] = '\0';
	return 0;
}

static int prepare_uki(struct kernel *kernel, const char *head, size_t head_size, uint64_t size,
		       unsigned profile, const char **ret_what)
{
	static const enum pe_part initrds[] = {PE_UCODE, PE_INITRD};
	char inner[BZIMAGE_HEAD_SIZE];
	_close_ int file = -1;
	struct pe_uki uki;
	size_t n;
	int r;

	r = pe_uki_locate(head, head_size, size, PE_MACHINE, profile, &uki);
	if (r < 0) {
		*ret_what = uki_problem(r);
		return r;
	}
	*ret_what = "image cannot be read";
	file = take_fd(kernel->kernel_fd);
	if (!kernel->options[0] && uki.part[PE_CMDLINE].size > 0) {
		r = take_uki_options(kernel, file, uki.part[PE_CMDLINE]);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(initrds); i++) {
		int fd;

		if (uki.part[initrds[i]].size == 0)
			continue;
		r = extract(file, uki.part[initrds[i]], "initrd", &fd);
		if (r == 0)
			r = image_add_initrd(kernel, fd);
		if (r < 0)
			return r;
	}
	r = extract(file, uki.part[PE_LINUX], "linux", &kernel->kernel_fd);
	if (r == 0)
		r = read_at(kernel->kernel_fd, 0, inner, sizeof(inner), &n);
	if (r < 0)
		return r;
	r = prepare_bzimage(kernel, inner, n, uki.part[PE_LINUX].size, ret_what);
	return r == -ENOEXEC ? -EBADMSG : r; /* it is a UKI, and damaged */
}

int image_prepare(struct kernel *kernel, unsigned profile, bool uki_only, const char **ret_what)
{
	_free_ char *head = malloc(PE_HEAD_SIZE);
	uint64_t size;
	size_t n = 0;
	int r;

	*ret_what = "kernel cannot be read";
	if (!head)
		return -ENOMEM;
	r = file_size(kernel->kernel_fd, &size);
	if (r == 0)
		r = read_at(kernel->kernel_fd, 0, head, BZIMAGE_HEAD_SIZE, &n);
	if (r < 0)
		return r;
	if (kernel_format(head, n) == KERNEL_BZIMAGE && !uki_only)
		return prepare_bzimage(kernel, head, n, size, ret_what);
	r = read_at(kernel->kernel_fd, 0, head, PE_HEAD_SIZE, &n);
	if (r < 0)
		return r;
	return prepare_uki(kernel, head, n, size, profile, ret_what);
}

static int append(int to, int from)
{
	static const char zeros[INITRD_ALIGN];
	uint64_t size;
	int r;

	r = file_size(from, &size);
	if (r == 0)
		r = memfile_copy(to, from, 0, size);
	if (r == 0 && size % INITRD_ALIGN != 0 &&
	    write(to, zeros, INITRD_ALIGN - size % INITRD_ALIGN) !=
		    (ssize_t)(INITRD_ALIGN - size % INITRD_ALIGN))
		r = -EIO;
	return r;
}

int image_add_initrd(struct kernel *kernel, int fd)
{
	_close_ int second = fd;
	_close_ int joined = -1;
	int r, both = -1;

	if (kernel->initrd_fd < 0) {
		kernel->initrd_fd = take_fd(second);
		return 0;
	}
	joined = memfile_open("initrd");
	if (joined < 0)
		return joined;
	r = append(joined, kernel->initrd_fd);
	if (r == 0)
		r = append(joined, second);
	if (r == 0)
		r = memfile_finish(joined, &both);
	if (r < 0)
		return r;
	close_p(&kernel->initrd_fd);
	kernel->initrd_fd = both;
	return 0;
}
