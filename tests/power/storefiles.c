/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the config agent writes beside config.json and the files of a plan: the store of certificates,
 * and the last good settings.
 *
 *   op store ca N          certificate number N (0: none) as a plan puts it, and do_ca_bundle()
 *   op store last N SIZE   lastgood_write()
 *   op store plain N SIZE  the same file in place: what must be found to lose settings
 *
 * A certificate's name is its number: libcrypto, which tells it else, is no part of a static program.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent_config.h"
#include "apply_tree.h"
#include "certhash.h"
#include "do.h"
#include "fd.h"
#include "file.h"
#include "power.h"

#define LOCAL_DIR "/usr/local/share/ca-certificates"
#define OWN LOCAL_DIR "/own.crt"
#define CERTS "/etc/ssl/certs"
#define BUNDLE CERTS "/ca-certificates.crt"
#define STATE_DIR ROOT "/tugboot"
#define NUMBERS 4
#define CERTIFICATE_SIZE 900
#define TEXT_MAX 4096

int certhash_read(const char *pem, size_t size, uint32_t *ret_hash)
{
	if (size != CERTIFICATE_SIZE || pem[0] < '0' || pem[0] > '9')
		return -EBADMSG;
	*ret_hash = (uint32_t)(pem[0] - '0');
	return 0;
}

static void make_certificate(unsigned n, char *buf)
{
	memset(buf, (int)('0' + n), CERTIFICATE_SIZE - 1);
	memcpy(buf + CERTIFICATE_SIZE - 1, "\n", 2);
}

static int put_certificate(int dir_fd, unsigned n)
{
	char text[CERTIFICATE_SIZE + 1];
	struct thing thing = {.kind = n ? THING_FILE : THING_NONE,
			      .data = text,
			      .size = CERTIFICATE_SIZE,
			      .mode = 0644};
	int r;

	make_certificate(n, text);
	r = tree_put(dir_fd, OWN, &thing, NULL);
	return r < 0 ? r : do_ca_bundle(ROOT);
}

static int put_last(int dir_fd, unsigned n, size_t size, bool plain)
{
	static const struct facts facts = {.state_dir = STATE_DIR};
	char data[TEXT_MAX + 1];
	struct store_text text = {.data = data, .size = MIN(size, (size_t)TEXT_MAX)};

	memset(data, (int)('0' + n), text.size);
	data[text.size] = '\0';
	return plain ? file_rewrite(dir_fd, "tugboot/config.last", text.data, text.size)
		     : lastgood_write(&facts, &text);
}

static int store_op(int dir_fd, unsigned number, char **words, size_t n)
{
	unsigned which = n > 1 ? (unsigned)atoi(words[1]) : NUMBERS;

	if (which >= NUMBERS)
		return -EINVAL;
	if (n == 3 && (streq(words[0], "last") || streq(words[0], "plain"))) {
		say("EDIT %u last=%u:%s", number, which, words[2]);
		return put_last(dir_fd, which, strtoul(words[2], NULL, 10),
				streq(words[0], "plain"));
	}
	if (!streq(words[0], "ca"))
		return -EINVAL;
	say("EDIT %u certificate=%s", number, which ? words[1] : "-");
	say("EDIT %u bundle=%u", number, which);
	say("EDIT %u link=%s", number, which ? "good" : "-");
	for (unsigned i = 1; i < NUMBERS; i++)
		say("EDIT %u hash%u=%s", number, i, i == which ? "good" : "-");
	return put_certificate(dir_fd, which);
}

/* --- States ----------------------------------------------------------------------------------- */

/* The number of which all of it is, "-" for nothing. */
static void name_certificate(const char *data, size_t size, char *buf, size_t buf_size)
{
	char expected[CERTIFICATE_SIZE + 1];
	unsigned n = (unsigned)(data[0] - '0');

	make_certificate(n % 10, expected);
	if (size == CERTIFICATE_SIZE && memcmp(data, expected, size) == 0)
		(void)snprintf(buf, buf_size, "%u", n);
	else
		(void)snprintf(buf, buf_size, "mixed");
}

static void add_certificate(int dir_fd, char *buf, size_t size)
{
	_free_ char *data = NULL;
	char name[16];
	size_t len;
	int r = file_read(dir_fd, &OWN[1], TEXT_MAX, &data, &len);

	if (r == 0)
		name_certificate(data, len, name, sizeof(name));
	else
		(void)snprintf(name, sizeof(name), r == -ENOENT ? "-" : "unreadable");
	add_text(buf, size, "certificate=%s\n", name);
}

/* The distribution's certificate, number 9, and one behind it or none: 0. */
static void add_bundle(int dir_fd, char *buf, size_t size)
{
	_free_ char *data = NULL;
	char first[16] = "none", second[16] = "0";
	size_t len = 0;

	if (file_read(dir_fd, &BUNDLE[1], TEXT_MAX, &data, &len) == 0 && len >= CERTIFICATE_SIZE)
		name_certificate(data, CERTIFICATE_SIZE, first, sizeof(first));
	if (len > CERTIFICATE_SIZE)
		name_certificate(data + CERTIFICATE_SIZE, len - CERTIFICATE_SIZE, second,
				 sizeof(second));
	add_text(buf, size, "bundle=%s\n", streq(first, "9") ? second : "mixed");
}

static void add_link(int dir_fd, const char *name, const char *path, const char *target, char *buf,
		     size_t size)
{
	char found[128];
	ssize_t n = readlinkat(dir_fd, path + 1, found, sizeof(found) - 1);

	found[MAX(n, (ssize_t)0)] = '\0';
	add_text(buf, size, "%s=%s\n", name,
		 streq(found, target)	    ? "good"
		 : n < 0 && errno == ENOENT ? "-"
					    : "mixed");
}

static void store_read_state(int dir_fd, char *buf, size_t size)
{
	static const struct facts facts = {.state_dir = STATE_DIR};
	struct store_text last = STORE_TEXT_NONE;
	char name[16], path[64];
	int r;

	add_certificate(dir_fd, buf, size);
	add_bundle(dir_fd, buf, size);
	add_link(dir_fd, "link", CERTS "/own.pem", OWN, buf, size);
	for (unsigned i = 1; i < NUMBERS; i++) {
		(void)snprintf(name, sizeof(name), "hash%u", i);
		(void)snprintf(path, sizeof(path), CERTS "/%08x.0", i);
		add_link(dir_fd, name, path, "own.pem", buf, size);
	}
	r = lastgood_read(&facts, &last);
	if (r < 0)
		add_text(buf, size, "last=%s\n", r == -ENOENT ? "-" : "unreadable");
	else if (last.size > 0 && strspn(last.data, (char[]){last.data[0], '\0'}) == last.size)
		add_text(buf, size, "last=%c:%zu\n", last.data[0], last.size);
	else
		add_text(buf, size, "last=mixed\n");
	store_text_done(&last);
}

/* The certificate goes, or what a cut left of it; another one comes, and settings with it. */
static int store_go_on(int dir_fd)
{
	static const char *const with[] = {"9.pem", "ca-certificates.crt", "own.pem", "00000003.0"};
	static const char *const own[] = {"own.crt"}, *const last[] = {"config.last"};
	char text[512] = "";
	int r = put_certificate(dir_fd, 0);

	if (r == 0)
		r = names_are(ROOT LOCAL_DIR, NULL, 0);
	if (r == 0)
		r = names_are(ROOT CERTS, with, 2);
	if (r == 0)
		r = put_certificate(dir_fd, 3);
	if (r == 0)
		r = put_last(dir_fd, 3, 700, false);
	if (r < 0)
		return r;
	store_read_state(dir_fd, text, sizeof(text));
	if (!streq(text, "certificate=3\nbundle=3\nlink=good\nhash1=-\nhash2=-\nhash3=good\n"
			 "last=3:700\n"))
		return -EBADMSG;
	r = names_are(ROOT CERTS, with, ARRAY_SIZE(with));
	if (r == 0)
		r = names_are(ROOT LOCAL_DIR, own, 1);
	return r < 0 ? r : names_are(STATE_DIR, last, 1);
}

const struct keeper keep_store = {"store", store_op, store_read_state, store_go_on};
