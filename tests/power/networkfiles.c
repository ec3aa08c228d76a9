/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections that the network agent copies from the boot partition, and its list of them:
 *
 *   op network import N   import_connections() of the directory sources/N, as for NetworkManager
 *
 * A connection is told by the number of the first directory that has the same one. What is called
 * "theirs" is a file of the device's own, the one of directory 0.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fd.h"
#include "file.h"
#include "import.h"
#include "power.h"

#define TO ROOT "/etc/NetworkManager/system-connections"
#define STATE_DIR ROOT "/tugboot"
#define LIST STATE_DIR "/connections"
#define SOURCES 5
#define SIZE_MAX_READ 65536
#define EMPTY 3u /* a directory without connections */

static const char *const names[] = {"one", "two", "three", "theirs"};
#define THEIRS 3

static int import_number(unsigned n, struct import_result *ret_result)
{
	static const struct import_kind kinds[] = {{NULL, "connection"}, {NULL, NULL}};
	const struct import_target target = {kinds, TO, 0600, (gid_t)-1, LIST};
	char source[64];

	(void)snprintf(source, sizeof(source), ROOT "/sources/%u", n);
	/* As import_main.c. */
	if (mkdir(STATE_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	return import_connections(source, &target, ret_result);
}

static bool is_as(const char *data, size_t size, unsigned source, const char *name)
{
	_free_ char *other = NULL;
	char path[96];
	size_t other_size;

	(void)snprintf(path, sizeof(path), ROOT "/sources/%u/%s", source, name);
	return file_read(AT_FDCWD, path, SIZE_MAX_READ, &other, &other_size) == 0 &&
	       other_size == size && memcmp(data, other, size) == 0;
}

/* What a connection holds. */
static void name_content(const char *dir, const char *name, char *buf, size_t size)
{
	_free_ char *data = NULL;
	char path[96];
	size_t len;
	int r;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	r = file_read(AT_FDCWD, path, SIZE_MAX_READ, &data, &len);
	(void)snprintf(buf, size, r == -ENOENT ? "-" : r < 0 ? "unreadable" : "mixed");
	for (unsigned i = 0; r == 0 && i < SOURCES; i++)
		if (is_as(data, len, i, name)) {
			(void)snprintf(buf, size, "%u", i);
			return;
		}
}

static int network_op(int dir_fd, unsigned number, char **words, size_t n)
{
	struct import_result result;
	char source[64], name[16];

	(void)dir_fd;
	if (n != 2 || !streq(words[0], "import"))
		return -EINVAL;
	(void)snprintf(source, sizeof(source), ROOT "/sources/%s", words[1]);
	for (size_t i = 0; i < THEIRS; i++) {
		name_content(source, names[i], name, sizeof(name));
		say("EDIT %u %s=%s", number, names[i], name);
	}
	return import_number((unsigned)atoi(words[1]), &result);
}

/* --- States ----------------------------------------------------------------------------------- */

/* Is a connection in the list? -EBADMSG for one with a line that is not whole. */
static int is_listed(const char *list, const char *name)
{
	int found = 0;

	while (*list) {
		size_t len = strcspn(list, "\n");

		if (list[len] != '\n' || len < 18 || list[16] != ' ')
			return -EBADMSG;
		for (size_t i = 0; i < 16; i++)
			if (!isxdigit((unsigned char)list[i]))
				return -EBADMSG;
		if (len - 17 == strlen(name) && strncmp(list + 17, name, len - 17) == 0)
			found = 1;
		list += len + 1;
	}
	return found;
}

/* All that came from the boot partition is in the list, and nothing else: it would stay for ever, or
 * somebody's own be removed. */
static void read_list(char *buf, size_t size)
{
	_free_ char *list = NULL;
	int r = file_read(AT_FDCWD, LIST, SIZE_MAX_READ, &list, NULL);

	if (r < 0 && r != -ENOENT) {
		(void)snprintf(buf, size, "unreadable");
		return;
	}
	(void)snprintf(buf, size, "good");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int listed = is_listed(list ? list : "", names[i]);
		char path[96];

		(void)snprintf(path, sizeof(path), TO "/%s", names[i]);
		if (listed < 0)
			(void)snprintf(buf, size, "torn");
		else if (i == THEIRS ? listed : !listed && access(path, F_OK) == 0)
			(void)snprintf(buf, size, "wrong about %s", names[i]);
	}
}

static bool is_private(const char *name)
{
	char path[96];
	struct stat st;

	(void)snprintf(path, sizeof(path), TO "/%s", name);
	return stat(path, &st) < 0 || (st.st_mode & 07777) == 0600;
}

static void network_read(int dir_fd, char *buf, size_t size)
{
	char name[32];

	(void)dir_fd;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		name_content(TO, names[i], name, sizeof(name));
		add_text(buf, size, "%s=%s%s\n", names[i], name,
			 i == THEIRS || is_private(names[i]) ? "" : " for all to read");
	}
	read_list(name, sizeof(name));
	add_text(buf, size, "list=%s\n", name);
}

/* The boot partition is another one, without connections, and then one with some. */
static int network_go_on(int dir_fd)
{
	static const char *const list[] = {"connections"};
	struct import_result result;
	char text[256] = "";
	int r = import_number(EMPTY, &result);

	if (r == 0)
		r = names_are(TO, names + THEIRS, 1);
	if (r == 0)
		r = import_number(2, &result);
	if (r < 0)
		return r;
	network_read(dir_fd, text, sizeof(text));
	if (!streq(text, "one=2\ntwo=-\nthree=2\ntheirs=0\nlist=good\n"))
		return -EBADMSG;
	r = names_are(TO, names, ARRAY_SIZE(names));
	return r < 0 ? r : names_are(STATE_DIR, list, ARRAY_SIZE(list));
}

const struct keeper keep_network = {"network", network_op, network_read, network_go_on};
