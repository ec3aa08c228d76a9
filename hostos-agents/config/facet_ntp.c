/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ntpServers and os.network.ntp.defaults: files of sources that chronyd reads again while it runs
 * (chrony.conf(5), sourcedir). The default servers are in a file of their own, which a plan without
 * them does not have; those that DHCP gives are elsewhere (/run/chrony-dhcp) and stay.
 * Where systemd-timesyncd is in chrony's place it gets the same servers, without those that
 * must prove who they are: it could not ask them to.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fd.h"
#include "paths.h"
#include "plan.h"
#include "valid.h"

/* Asked every 2^14 s (four and a half hours), at once with a few packets when they are new. */
#define OPTIONS "iburst minpoll 14 maxpoll 14"

static const char *const default_servers[] = {
	"0.resinio.pool.ntp.org",
	"1.resinio.pool.ntp.org",
	"2.resinio.pool.ntp.org",
	"3.resinio.pool.ntp.org",
};

/* One line for a server. A name may stand for several addresses: of these chronyd uses one, and
 * another one when that does not answer. Words of a config were checked before. */
static int write_source(FILE *out, const char *word)
{
	struct valid_ntp ntp;

	if (!valid_ntp_server(slice_str(word), &ntp))
		return -EINVAL;
	(void)fprintf(out, "%s %.*s " OPTIONS, ntp.address || ntp.nts ? "server" : "pool",
		      (int)ntp.host.len, ntp.host.data);
	if (!ntp.address && !ntp.nts)
		(void)fputs(" maxsources 1", out);
	if (ntp.nts)
		(void)fputs(" nts", out);
	if (ntp.port.data)
		(void)fprintf(out, " ntsport %.*s", (int)ntp.port.len, ntp.port.data);
	(void)fputc('\n', out);
	return 0;
}

static int plan_chrony(const struct config *config, struct plan *plan)
{
	_free_ char *own = NULL, *defaults = NULL;
	size_t own_size = 0, defaults_size = 0;
	FILE *out;
	int r = 0;

	out = open_memstream(&own, &own_size);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < config->ntp_servers.items && r == 0; i++)
		r = write_source(out, config->ntp_servers.item[i]);
	if (fclose(out) != 0)
		return -ENOMEM;
	out = open_memstream(&defaults, &defaults_size);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(default_servers) && r == 0; i++)
		r = write_source(out, default_servers[i]);
	if (fclose(out) != 0)
		return -ENOMEM;
	if (r == 0 && own_size > 0)
		r = plan_add_file(plan, FACET_NTP, 0644, CHRONY_SOURCES, own, own_size);
	if (r == 0 && !config->ntp_only)
		r = plan_add_file(plan, FACET_NTP, 0644, CHRONY_DEFAULT_SOURCES, defaults,
				  defaults_size);
	return r < 0 ? r : plan_add_action(plan, FACET_NTP, PLAN_CHRONY_RELOAD, NULL);
}

static int plan_timesyncd(const struct config *config, struct plan *plan)
{
	_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int r;

	if (!out)
		return -ENOMEM;
	(void)fputs("[Time]\nNTP=", out);
	for (size_t i = 0; i < config->ntp_servers.items; i++)
		if (!startswith(config->ntp_servers.item[i], "nts://"))
			(void)fprintf(out, "%s ", config->ntp_servers.item[i]);
	if (!config->ntp_only)
		for (size_t i = 0; i < ARRAY_SIZE(default_servers); i++)
			(void)fprintf(out, "%s ", default_servers[i]);
	(void)fputs("\nFallbackNTP=\n", out);
	if (fclose(out) != 0)
		return -ENOMEM;
	r = plan_add_file(plan, FACET_NTP, 0644, "/etc/systemd/timesyncd.conf.d/tugboot.conf", text,
			  size);
	return r < 0 ? r
		     : plan_add_action(plan, FACET_NTP, PLAN_RESTART, "systemd-timesyncd.service");
}

int facet_ntp(const struct config *config, const struct facts *facts, struct plan *plan)
{
	if (facts->chrony)
		return plan_chrony(config, plan);
	return facts->timesyncd ? plan_timesyncd(config, plan) : 0;
}
