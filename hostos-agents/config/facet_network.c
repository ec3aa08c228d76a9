/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * os.network.wifi.randomMacAddressScan and os.network.connectivity.*: a file of NetworkManager's
 * configuration, see NetworkManager.conf(5); nothing is written for what is not set. Values were
 * checked, and are escaped all the same: none can become a line of its own.
 *
 * systemd-networkd has neither: it checks no connectivity, and scanning is the affair of
 * wpa_supplicant or iwd, which it does not configure; the network agent says so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "keyfile.h"
#include "plan.h"

#define NM_FILE "/run/NetworkManager/conf.d/90-tugboot.conf"

static int write_value(FILE *out, const char *key, const char *value)
{
	size_t size = 2 * strlen(value) + 1;
	_free_ char *escaped = malloc(size);

	if (!escaped)
		return -ENOMEM;
	if (keyfile_escape(value, escaped, size) < 0)
		return -EINVAL;
	(void)fprintf(out, "%s=%s\n", key, escaped);
	return 0;
}

/* Without a URI there is nothing to check: NetworkManager may have one from elsewhere, and then
 * only being told not to check is said. */
static int write_connectivity(FILE *out, const struct config *config)
{
	int r;

	if (config->connectivity_off) {
		(void)fputs("[connectivity]\nenabled=false\n", out);
		return 0;
	}
	if (!config->connectivity_uri) {
		if (config->connectivity_interval == 0)
			(void)fputs("[connectivity]\ninterval=0\n", out);
		return 0;
	}
	(void)fputs("[connectivity]\n", out);
	r = write_value(out, "uri", config->connectivity_uri);
	(void)fprintf(out, "interval=%u\n", config->connectivity_interval);
	/* Empty is not the same as absent: then a text of NetworkManager's own is expected. */
	return r < 0 ? r
		     : write_value(out, "response",
				   config->connectivity_response ? config->connectivity_response
								 : "");
}

int facet_network(const struct config *config, const struct facts *facts, struct plan *plan)
{
	_free_ char *text = NULL;
	size_t size = 0;
	FILE *out;
	int r;

	if (!facts->network_manager)
		return 0;
	out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	if (config->random_mac_scan != CONFIG_UNSET)
		(void)fprintf(out, "[device]\nwifi.scan-rand-mac-address=%s\n",
			      config->random_mac_scan == CONFIG_YES ? "yes" : "no");
	r = write_connectivity(out, config);
	if (fclose(out) != 0)
		return -ENOMEM;
	if (r == 0 && size > 0)
		r = plan_add_file(plan, FACET_NETWORK, 0644, NM_FILE, text, size);
	return r < 0 ? r : plan_add_action(plan, FACET_NETWORK, PLAN_NM_RELOAD, NULL);
}
