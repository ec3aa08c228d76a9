/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the network and time agents need to know of config.json, as settings.h describes it: they
 * do not read config.json themselves. */
#include <errno.h>
#include <stdio.h>

#include "fd.h"
#include "paths.h"
#include "plan.h"
#include "settings.h"

static void write_setting(FILE *out, const char *key, const char *value)
{
	if (value && value[0])
		(void)fprintf(out, "%s=%s\n", key, value);
}

static void write_connectivity(FILE *out, const struct config *config)
{
	write_setting(out, SETTING_CONNECTIVITY_OFF, config->connectivity_off ? "yes" : NULL);
	write_setting(out, SETTING_CONNECTIVITY_URI, config->connectivity_uri);
	write_setting(out, SETTING_CONNECTIVITY_RESPONSE, config->connectivity_response);
}

int facet_settings_network(const struct config *config, const struct facts *facts,
			   struct plan *plan)
{
	_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int r;

	(void)facts; /* the agent finds out for itself */
	if (!out)
		return -ENOMEM;
	write_setting(out, SETTING_COUNTRY, config->country);
	if (config->random_mac_scan != CONFIG_UNSET)
		write_setting(out, SETTING_RANDOM_MAC_SCAN,
			      config->random_mac_scan == CONFIG_YES ? "yes" : "no");
	write_connectivity(out, config);
	(void)fprintf(out, "%s=%u\n", SETTING_CONNECTIVITY_INTERVAL, config->connectivity_interval);
	if (fclose(out) != 0)
		return -ENOMEM;
	r = plan_add_file(plan, FACET_SETTINGS_NETWORK, 0644, NETWORK_SETTINGS, text, size);
	return r < 0 ? r : plan_add_action(plan, FACET_SETTINGS_NETWORK, PLAN_SIGNAL, NETWORK_UNIT);
}

int facet_settings_time(const struct config *config, const struct facts *facts, struct plan *plan)
{
	_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int r;

	(void)facts; /* the agent finds out for itself */
	if (!out)
		return -ENOMEM;
	write_connectivity(out, config);
	if (fclose(out) != 0)
		return -ENOMEM;
	r = plan_add_file(plan, FACET_SETTINGS_TIME, 0644, TIME_SETTINGS, text, size);
	return r < 0 ? r : plan_add_action(plan, FACET_SETTINGS_TIME, PLAN_SIGNAL, TIME_UNIT);
}
