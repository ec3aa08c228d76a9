/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plugin for QEMU that counts the instructions that its one processor executes. It sees code when
 * it is translated; the guest has no part in it and knows nothing of it. A processor that waits
 * (hlt) executes none.
 *
 *	-plugin count.so,out=FILE,at=NAME:ADDRESS,code=NAME:OFFSET:BYTES,...
 *
 * Each time that the instruction at one of these places is executed, FILE gets a line `NAME COUNT`:
 *
 *	at	an address, in hexadecimal, as in the System.map of a kernel that is not moved (nokaslr)
 *	code	instructions of a user program or library that are these bytes, in hexadecimal, and lie
 *		at this offset in whatever page
 *
 * The declarations are those of version 1 of the interface (QEMU 4.2 to 8.2; docs/devel/tcg-plugins.rst
 * of QEMU): Debian has no header of it. A QEMU of another version refuses the plugin and says so.
 * It trusts its arguments.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;

#define INLINE_ADD_U64 0
#define CB_NO_REGS 0

extern void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
						  void (*translated)(uint64_t,
								     struct qemu_plugin_tb *));
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
extern void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int operation,
						       void *number, uint64_t by);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
						   void (*executed)(unsigned, void *), int flags,
						   void *data);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

#define PLACES_MAX 32
#define CODE_MAX 64
#define PAGE_MASK 0xfffu
#define USER_END (UINT64_C(1) << 47)

struct place {
	char name[48];
	uint64_t at; /* an address, or an offset where there is code */
	uint8_t code[CODE_MAX];
	size_t size;
};

static struct place places[PLACES_MAX];
static unsigned n_places;
static uint64_t executed;
static int out = -1;

static void reached(unsigned processor, void *data)
{
	const struct place *place = data;

	(void)processor;
	if (dprintf(out, "%s %llu\n", place->name, (unsigned long long)executed) < 0)
		abort(); /* or it would look as if nobody had been there */
}

/* Whether the instructions from number `first` on are those of the place, all of them. */
static bool is_code(const struct qemu_plugin_tb *tb, size_t first, const struct place *place)
{
	size_t done = 0;

	for (size_t i = first; done < place->size && i < qemu_plugin_tb_n_insns(tb); i++) {
		const struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		size_t size = qemu_plugin_insn_size(insn);

		if (size > place->size - done ||
		    memcmp(qemu_plugin_insn_data(insn), place->code + done, size) != 0)
			return false;
		done += size;
	}
	return done == place->size;
}

static bool is_place(const struct qemu_plugin_tb *tb, size_t i, const struct place *place)
{
	uint64_t address = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, i));

	if (place->size == 0)
		return address == place->at;
	return address < USER_END && (address & PAGE_MASK) == place->at && is_code(tb, i, place);
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, &executed, 1);
		for (unsigned k = 0; k < n_places; k++)
			if (is_place(tb, i, &places[k]))
				qemu_plugin_register_vcpu_insn_exec_cb(insn, reached, CB_NO_REGS,
								       &places[k]);
	}
}

static int read_bytes(const char *text, struct place *place)
{
	for (; text[0] && text[1]; text += 2) {
		char digits[3] = {text[0], text[1], '\0'}, *end;

		if (place->size == CODE_MAX)
			return -E2BIG;
		place->code[place->size++] = (uint8_t)strtoul(digits, &end, 16);
		if (*end)
			return -EINVAL;
	}
	return *text || place->size == 0 ? -EINVAL : 0;
}

/* NAME:ADDRESS or NAME:OFFSET:BYTES. */
static int read_place(const char *text, bool code)
{
	struct place *place = &places[n_places];
	size_t length = strcspn(text, ":");
	char *end;

	if (n_places == PLACES_MAX || length >= sizeof(place->name) || !text[length])
		return -EINVAL;
	memcpy(place->name, text, length);
	errno = 0;
	place->at = strtoull(text + length + 1, &end, 16);
	if (errno || *end != (code ? ':' : '\0'))
		return -EINVAL;
	n_places++;
	return code ? read_bytes(end + 1, place) : 0;
}

static int read_argument(const char *text)
{
	if (strncmp(text, "at=", 3) == 0)
		return read_place(text + 3, false);
	if (strncmp(text, "code=", 5) == 0)
		return read_place(text + 5, true);
	if (strncmp(text, "out=", 4) != 0 || out >= 0)
		return -EINVAL;
	out = open(text + 4, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return out < 0 ? -errno : 0;
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++)
		if (read_argument(argv[i]) < 0) {
			(void)fprintf(stderr, "count: %s: cannot be used\n", argv[i]);
			return -1;
		}
	if (out < 0)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
