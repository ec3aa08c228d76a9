/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Libraries loaded on demand. The files are the image's or the host's own and trusted. */
#include "library.h"

#include <dlfcn.h>
#include <errno.h>

#include "log.h"

int library_load(struct library *library)
{
	void *handle;

	if (library->loaded)
		return 0;
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
