/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * EFI variables through efivarfs: 4 bytes of attributes, then the value (Documentation/filesystems/
 * efivarfs.rst); here a UTF-16LE string.
 */
#include "efivar.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>

#include "fd.h"

#define BOOT_LOADER_INTERFACE "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
#define PATH "/sys/firmware/efi/efivars/LoaderDevicePartUUID-" BOOT_LOADER_INTERFACE
#define ATTRIBUTES_SIZE 4
#define UUID_LEN 36

int efivar_boot_partuuid(char ret_uuid[static 37])
{
	unsigned char data[ATTRIBUTES_SIZE + 2 * (UUID_LEN + 1)];
	const unsigned char *text = data + ATTRIBUTES_SIZE;
	_close_ int fd = open(PATH, O_RDONLY | O_CLOEXEC);
	char uuid[UUID_LEN + 1];
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, data, sizeof(data));
	if (n < 0)
		return -errno;
	if (n < ATTRIBUTES_SIZE + 2 * UUID_LEN)
		return -EBADMSG;
	for (size_t i = 0; i < UUID_LEN; i++) {
		unsigned char c = text[2 * i];

		if (text[2 * i + 1] != 0 || !(isxdigit(c) || c == '-'))
			return -EBADMSG;
		uuid[i] = (char)tolower(c);
	}
	uuid[UUID_LEN] = '\0';
	memcpy(ret_uuid, uuid, sizeof(uuid));
	return 0;
}
