/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as health.conf: what comes of them is in its bounds. */
#include "healthconf.h"

#include "must.h"

static void count(void *arg, unsigned line, const char *expected)
{
	MUST(line > 0 && *expected);
	++*(unsigned *)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct healthconf conf = healthconf_defaults();
	unsigned problems = 0;

	healthconf_parse((const char *)input, input_size, &conf, count, &problems);
	MUST(conf.units <= HEALTHCONF_UNITS_MAX);
	for (size_t i = 0; i < conf.units; i++)
		MUST(healthconf_unit_valid(conf.unit[i]));
	MUST(conf.settle <= 86400);
	MUST(conf.interval >= 1 && conf.interval <= 86400);
	MUST(conf.timeout >= 1 && conf.timeout <= 86400);
	MUST(conf.command_timeout >= 1 && conf.hook_timeout >= 1 && conf.reboot_timeout >= 1);
	MUST(conf.engine != HEALTHCONF_ENGINE_SOCKET || conf.engine_socket[0] == '/');
	MUST(!conf.engine_unit[0] || healthconf_unit_valid(conf.engine_unit));
	return 0;
}
