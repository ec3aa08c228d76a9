/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Three hostile strings as the parts of a command line. Whatever they are, the composed line says once
 * and last what Tugboot says: root=, tugboot.slot= and the rest; of a verified root also its root hash.
 */
#include "cmdline.h"

#include <errno.h>

#include "must.h"

/* Exactly one parameter of this key, before `--`, with this value. */
static void must_say_once(const char *line, const char *key, const char *value)
{
	struct cmdline_arg arg;
	unsigned times = 0;

	for (size_t pos = 0; cmdline_next(line, &pos, &arg);) {
		if (cmdline_is_end_mark(&arg))
			break;
		if (!cmdline_key_is(&arg, key))
			continue;
		times++;
		MUST(arg.value && arg.value_len == strlen(value) &&
		     memcmp(arg.value, value, arg.value_len) == 0);
	}
	MUST(times == 1);
}

static void must_walk(const char *line)
{
	struct slice text = slice_str(line);
	struct cmdline_arg arg;
	size_t pos = 0, last = 0;

	while (cmdline_next(line, &pos, &arg)) {
		MUST(pos > last && pos <= text.len);
		MUST(arg.len > 0);
		must_lie_in(slice_of(arg.text, arg.len), text);
		must_lie_in(slice_of(arg.key, arg.key_len), text);
		if (arg.value)
			must_lie_in(slice_of(arg.value, arg.value_len), text);
		last = pos;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	char *parts[3], *line;
	struct cmdline_parts said = {.root = "UUID=u",
				     .slot = "A",
				     .reason = "trial",
				     .used = 1,
				     .allowed = 2,
				     .cause = "tries-used",
				     .last = "panic"};
	size_t size = 3 * input_size + 384;
	int len;

	for (size_t i = 0; i < 3; i++) {
		parts[i] = take_string(&input, &input_size);
		must_walk(parts[i]);
	}
	said.slot_options = parts[0];
	said.extra_options = parts[1];
	said.inherited = parts[2];
	line = malloc(size);
	MUST(line);
	len = cmdline_compose(&said, line, size);
	MUST(len >= 0 && (size_t)len == strlen(line));
	must_say_once(line, "root", "UUID=u");
	must_say_once(line, "tugboot.slot", "A");
	must_say_once(line, "tugboot.tries", "1/2");
	must_say_once(line, "tugboot.cause", "tries-used");
	must_say_once(line, "tugboot.last", "panic");
	must_say_once(line, "rauc.slot", "A");
	MUST(cmdline_has(line, "panic"));
	MUST(!cmdline_has(line, "tugboot.verified"));
	MUST(!cmdline_is_boot_role(line));
	MUST(cmdline_compose(&said, line, (size_t)len) == -E2BIG);
	said.verity = "roothash=ab systemd.verity_root_data=PARTUUID=p systemd.verity_root_hash=h";
	len = cmdline_compose(&said, line, size);
	MUST(len >= 0 && (size_t)len == strlen(line));
	must_say_once(line, "root", "UUID=u");
	must_say_once(line, "roothash", "ab");
	must_say_once(line, "systemd.verity_root_data", "PARTUUID=p");
	must_say_once(line, "systemd.verity_root_hash", "h");
	MUST(cmdline_has(line, "tugboot.verified") && !cmdline_has(line, "systemd.verity"));
	for (size_t i = 0; i < 3; i++)
		free(parts[i]);
	free(line);
	return 0;
}
