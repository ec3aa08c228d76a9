/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as fw_env.config: what is accepted keeps the header's promises, and says the same when
 * it is written down anew.
 */
#include "fwconfig.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "macro.h"
#include "must.h"
#include "ubootenv.h"

static void written_anew_it_says_the_same(const struct fwconfig *config)
{
	struct fwconfig again;
	char text[1024];
	unsigned line;
	int n = 0;

	for (size_t i = 0; i < config->n; i++) {
		int64_t offset = config->copy[i].offset;

		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      "%s %s0x%" PRIx64 " 0x%zx\t%zx %zx\n", config->copy[i].device,
			      offset < 0 ? "-" : "",
			      offset < 0 ? -(uint64_t)offset : (uint64_t)offset,
			      config->copy[i].size, config->copy[i].sector_size,
			      config->copy[i].sectors);
		MUST(n > 0 && (size_t)n < sizeof(text));
	}
	MUST(fwconfig_parse(text, (size_t)n, &again, &line) == 0);
	MUST(again.n == config->n && memcmp(again.copy, config->copy, sizeof(again.copy)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct fwconfig config;
	unsigned line = 0, lines = 1;
	int r;

	memset(&config, 0, sizeof(config));
	for (size_t i = 0; i < input_size; i++)
		lines += input[i] == '\n';
	r = fwconfig_parse((const char *)input, input_size, &config, &line);
	if (r < 0) {
		MUST(r == -EINVAL || r == -ERANGE || r == -E2BIG || r == -ENODATA);
		MUST(config.n == 0 && line <= lines && (line == 0) == (r == -ENODATA));
		return 0;
	}
	MUST(line == 0 && config.n >= 1 && config.n <= FWCONFIG_COPIES_MAX);
	for (size_t i = 0; i < config.n; i++) {
		MUST(config.copy[i].device[0] &&
		     memchr(config.copy[i].device, '\0', sizeof(config.copy[i].device)));
		MUST(config.copy[i].size == config.copy[0].size);
		MUST(config.copy[i].size >= UBOOTENV_SIZE_MIN &&
		     config.copy[i].size <= UBOOTENV_SIZE_MAX);
	}
	written_anew_it_says_the_same(&config);
	return 0;
}
