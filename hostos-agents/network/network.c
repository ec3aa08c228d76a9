/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot-agent network`: the resident agent, which keeps two things as the settings say: the
 * country of the radio, also for devices that appear later, and the order of name servers where
 * dnsmasq is the device's resolver. Everything else of the network is its provider's affair.
 *
 * Settings come checked from the config agent (settings.h), which sends SIGHUP when they change.
 */
#include "network.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent.h"
#include "fd.h"
#include "file.h"
#include "log.h"
#include "nameservers.h"
#include "paths.h"
#include "regulatory.h"
#include "replace.h"
#include "service.h"
#include "settings.h"
#include "upstream.h"
#include "valid.h"

#define WORLD "00"
/* The country that this agent has set in this boot: for the one that finds the key gone. */
#define COUNTRY_FILE "network.country"
/* The kernel takes its time to find a country in its database. */
#define VERIFY_MS 2000u

struct network {
	struct service *service;
	struct facts facts;
	const struct provider *provider; /* NULL: none */
	struct nameservers nameservers;
	int regulatory_fd;
	struct service_timer *verify;
	char country[3]; /* that was asked for; empty: nothing was */
	bool mac_told;	 /* that this provider has no such setting */
	int run_fd;	 /* RUN_DIR */
};

/* --- Country ---------------------------------------------------------------------------------- */

static void remember_country(const struct network *network, const char *country)
{
	int r = replace_file(network->run_fd, COUNTRY_FILE, 0644, (gid_t)-1, country,
			     strlen(country));

	if (r < 0)
		log_warn("network", "file=%s error=%s next=\"a country may outlive its key\"",
			 RUN_DIR "/" COUNTRY_FILE, log_errno(r));
}

static bool was_set(const struct network *network)
{
	_free_ char *text = NULL;

	return file_read(network->run_fd, COUNTRY_FILE, 2, &text, NULL) == 0 && text[0];
}

/* The country of the settings; world when there is none now and there was one; empty for nothing. */
static void wanted_country(const struct network *network, const struct settings *settings,
			   char ret_country[3])
{
	const char *country = settings_get(settings, SETTING_COUNTRY);

	if (country && valid_country(slice_str(country)))
		(void)snprintf(ret_country, 3, "%s", country);
	else
		(void)snprintf(ret_country, 3, "%s",
			       network->country[0] || was_set(network) ? WORLD : "");
}

static void set_country(struct network *network)
{
	int r;

	if (!network->country[0])
		return;
	r = regulatory_set(network->country);
	if (r == -ENODEV) /* there is no radio; one that comes is news */
		return;
	if (r < 0) {
		log_line(LOG_ERROR, "network", "country=%s error=%s next=\"radio stays as it is\"",
			 network->country, log_errno(r));
		return;
	}
	remember_country(network, streq(network->country, WORLD) ? "" : network->country);
	(void)service_timer_set(network->verify, VERIFY_MS); /* without it nobody looks */
}

static void on_verify(void *arg)
{
	const struct network *network = arg;
	char found[3];
	int r = regulatory_get(found);

	if (r == -ENODEV)
		return;
	if (r < 0)
		log_warn("network", "country=%s error=%s", network->country, log_errno(r));
	else if (streq(found, network->country))
		log_event("network", "country=%s", found);
	else
		log_warn("network",
			 "country=%s found=%s expected=\"one of the kernel's database "
			 "(wireless-regdb), and of the device's driver\"",
			 network->country, log_quote(found));
}

static void on_radio(void *arg)
{
	struct network *network = arg;
	int r = regulatory_news(network->regulatory_fd);

	if (r < 0)
		log_warn("network", "radio=unknown error=%s", log_errno(r));
	else if (r > 0)
		set_country(network);
}

/* --- Name servers ----------------------------------------------------------------------------- */

static void update_nameservers(const struct network *network)
{
	_bus_ struct bus *bus = NULL;
	int r;

	if (!network->facts.dnsmasq)
		return;
	r = nameservers_update();
	if (r < 0) {
		log_line(LOG_ERROR, "network", "file=%s error=%s next=\"name servers stay\"",
			 UPSTREAM_ALL, log_errno(r));
		return;
	}
	if (r == 0)
		return;
	/* A connection for the moment: it is needed seldom, and may be gone by the next time. */
	r = bus_open(&bus);
	if (r >= 0)
		r = bus_unit_kill(bus, UPSTREAM_UNIT, SIGHUP);
	if (r < 0 && r != -ENOENT && r != -ESRCH) /* not running: it reads them when it starts */
		log_warn("network", "unit=%s error=%s next=\"it may ask name servers of before\"",
			 UPSTREAM_UNIT, log_errno(r));
	else
		log_event("network", "nameservers=%s", UPSTREAM_ALL);
}

static void on_nameservers(void *arg)
{
	struct network *network = arg;

	if (nameservers_news(&network->nameservers))
		update_nameservers(network);
}

/* --- Life ------------------------------------------------------------------------------------- */

/* NetworkManager is configured by the config agent; for systemd-networkd there is nobody to ask. */
static void check_mac(struct network *network, const struct settings *settings)
{
	const char *random = settings_get(settings, SETTING_RANDOM_MAC_SCAN);

	if (!random || network->mac_told || network->provider != &provider_networkd)
		return;
	network->mac_told = true;
	log_warn(
		"network",
		"key=os.network.wifi.randomMacAddressScan found=%s provider=%s expected=%s next=%s",
		random, network->provider->name, provider_nm.name,
		log_quote("wpa_supplicant or iwd go on by their own configuration"));
}

static void on_reload(void *arg)
{
	_settings_ struct settings settings = SETTINGS_NONE;
	struct network *network = arg;
	char wanted[3];
	int r = settings_read(NETWORK_SETTINGS, &settings);

	if (r < 0) {
		log_warn("network", "file=%s error=%s next=\"what was set stays\"",
			 NETWORK_SETTINGS, log_errno(r));
	} else {
		wanted_country(network, &settings, wanted);
		if (!streq(wanted, network->country)) {
			memcpy(network->country, wanted, sizeof(wanted));
			set_country(network);
		}
		check_mac(network, &settings);
	}
	update_nameservers(network);
}

/* Whatever can be watched is, before the first look. */
static int start(struct network *network)
{
	int r;

	if (mkdir(RUN_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	network->run_fd = open(RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (network->run_fd < 0)
		return -errno;
	r = facts_read(&network->facts);
	if (r < 0)
		return r;
	r = service_new(on_reload, network, &network->service);
	if (r >= 0)
		r = service_add_timer(network->service, on_verify, network, &network->verify);
	if (r < 0)
		return r;
	r = regulatory_open(&network->regulatory_fd);
	if (r >= 0)
		r = service_add_fd(network->service, network->regulatory_fd, on_radio, network);
	if (r < 0) /* a kernel without generic netlink has no radio either */
		log_warn("network", "radio=unknown error=%s next=\"no country for later devices\"",
			 log_errno(r));
	if (!network->facts.dnsmasq)
		return 0;
	r = nameservers_open(&network->nameservers);
	if (r >= 0)
		r = service_add_fd(network->service, network->nameservers.fd, on_nameservers,
				   network);
	return r;
}

static int run(void)
{
	struct network network = {
		.regulatory_fd = -1, .nameservers = NAMESERVERS_NONE, .run_fd = -1};
	int r = start(&network);

	if (r >= 0) {
		network.provider = provider_choose(&network.facts);
		on_reload(&network);
		service_ready("Keeping country and name servers");
		log_event("network", "provider=%s resolver=%s",
			  network.provider ? network.provider->name : "none",
			  network.facts.dnsmasq	   ? "dnsmasq"
			  : network.facts.resolved ? "systemd-resolved"
						   : "none");
		r = service_run(network.service);
	}
	if (r < 0)
		log_line(LOG_ERROR, "network", "error=%s next=\"systemd starts the agent again\"",
			 log_errno(r));
	service_free(network.service);
	nameservers_done(&network.nameservers);
	close_p(&network.regulatory_fd);
	close_p(&network.run_fd);
	return r < 0 ? 1 : 0;
}

int agent_network(char **args)
{
	if (!args[0])
		return run();
	if (streq(args[0], "online"))
		return online_main(args + 1);
	if (streq(args[0], "import"))
		return import_main(args + 1);
	(void)fprintf(stderr, "Usage: tugboot-agent network [import | online [--timeout=SECONDS] "
			      "[--full]]\n");
	return 2;
}
