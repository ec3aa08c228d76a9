/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Libraries loaded on demand. The files are the image's or the host's own and trusted. */
#include "library.h"

#include <dlfcn.h>
#include <errno.h>

#include "log.h"
#include "mount.h"

static const char *image_file, *image_directory;

void library_image(const char *image, const char *directory)
{
	image_file = image;
	image_directory = directory;
}

/* Once: a run that crashed may have left the mount, which is as good. */
static void mount_libraries(void)
{
	const char *image = image_file;
	int r;

	image_file = NULL;
	if (!image || mount_is_used(image_directory))
		return;
	r = mount_image(image, "squashfs", image_directory);
	if (r < 0)
		log_line(LOG_ERROR, "library", "image=%s error=%s found=\"cannot be mounted\"",
			 image, log_errno(r));
}

int library_load(struct library *library)
{
	void *handle;

	if (library->loaded)
		return 0;
	mount_libraries();
	handle = dlopen(library->file, RTLD_NOW | RTLD_NODELETE);
	if (!handle)
		return log_err(-EOPNOTSUPP, "library", "expected=%s error=%s", library->file,
			       log_quote(dlerror()));
	for (size_t i = 0; i < library->symbols; i++) {
		void *symbol = dlsym(handle, library->symbol[i].name);

		if (!symbol) {
			(void)dlclose(handle);
			return log_err(-EOPNOTSUPP, "library",
				       "expected=%s found=\"%s without it\"",
				       library->symbol[i].name, library->file);
		}
		*library->symbol[i].pointer = symbol;
	}
	library->loaded = true;
	return 0;
}
