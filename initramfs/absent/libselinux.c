/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libselinux.so.1 for a kernel without SELinux: libdevmapper asks whether it is on, and hears that it
 * is not. Debian's own would bring 290 kB with the expression library that it needs.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/types.h>

int is_selinux_enabled(void);
void freecon(char *context);
int lsetfilecon(const char *path, const char *context);
int matchpathcon(const char *path, mode_t mode, char **ret_context);
int setfscreatecon(const char *context);

int is_selinux_enabled(void)
{
	return 0;
}

void freecon(char *context)
{
	(void)context; /* nobody got one from here */
}

int lsetfilecon(const char *path, const char *context)
{
	(void)path;
	(void)context;
	errno = ENOTSUP;
	return -1;
}

int matchpathcon(const char *path, mode_t mode, char **ret_context)
{
	(void)path;
	(void)mode;
	*ret_context = NULL;
	errno = ENOTSUP;
	return -1;
}

int setfscreatecon(const char *context)
{
	(void)context;
	errno = ENOTSUP;
	return -1;
}
