/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `tugboot-agent network import`: the connections of the boot partition, for the provider that this
 * system has. NetworkManager's files outlive a boot, and so does the list of them;
 * systemd-networkd's are put where nothing does.
 */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "import.h"
#include "log.h"
#include "network.h"
#include "paths.h"

#define SOURCE "system-connections"
#define NM_DIR "/etc/NetworkManager/system-connections"
#define NETWORKD_DIR "/run/systemd/network"
#define LIST "connections"

static const struct import_kind nm_kinds[] = {
	{NULL, "connection"}, /* they have had names of all kinds */
	{NULL, NULL},
};

static const struct import_kind networkd_kinds[] = {
	{".network", "Match"},
	{".netdev", "NetDev"},
	{NULL, NULL},
};

/* A directory and the one that it is in. */
static int make_directory(const char *parent, const char *path)
{
	if (mkdir(parent, 0755) < 0 && errno != EEXIST)
		return -errno;
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int import_for_nm(const char *source, const struct facts *facts,
			 struct import_result *result)
{
	char list[PATH_MAX + 32];
	struct import_target target = {.kind = nm_kinds,
				       .directory = NM_DIR,
				       .mode = 0600,
				       .group = (gid_t)-1,
				       .list = list};

	(void)snprintf(list, sizeof(list), "%s/" LIST, facts->state_dir);
	if (mkdir(facts->state_dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	return import_connections(source, &target, result);
}

static int import_for_networkd(const char *source, struct import_result *result)
{
	const struct group *group = getgrnam("systemd-network");
	struct import_target target = {.kind = networkd_kinds,
				       .directory = NETWORKD_DIR,
				       /* Keys of WireGuard may be in it; networkd is not root. */
				       .mode = 0640,
				       .group = group ? group->gr_gid : 0,
				       .list = RUN_DIR "/" LIST};
	int r = make_directory("/run/systemd", NETWORKD_DIR);

	if (r >= 0)
		r = make_directory("/run", RUN_DIR);
	return r < 0 ? r : import_connections(source, &target, result);
}

int import_main(char **args)
{
	struct import_result result = {0};
	const struct provider *provider;
	char source[PATH_MAX + 32];
	struct facts facts;
	int r;

	if (args[0]) {
		(void)fprintf(stderr, "Usage: tugboot-agent network import\n");
		return 2;
	}
	r = facts_read(&facts);
	if (r < 0) {
		log_line(LOG_ERROR, "network", "error=%s next=\"connections stay as they are\"",
			 log_errno(r));
		return 1;
	}
	provider = provider_choose(&facts);
	if (!provider || !facts.boot_dir[0]) {
		log_event("network", "provider=%s boot-partition=%s next=%s",
			  provider ? provider->name : "none",
			  facts.boot_dir[0] ? log_quote(facts.boot_dir) : "none",
			  log_quote("connections stay as they are"));
		return 0;
	}
	(void)snprintf(source, sizeof(source), "%s/" SOURCE, facts.boot_dir);
	r = provider == &provider_nm ? import_for_nm(source, &facts, &result)
				     : import_for_networkd(source, &result);
	if (r < 0) {
		log_line(LOG_ERROR, "network", "directory=%s error=%s next=\"tried again at boot\"",
			 log_quote(source), log_errno(r));
		return 1;
	}
	log_event("network", "connections=%s copied=%u kept=%u removed=%u refused=%u",
		  log_quote(source), result.written, result.kept, result.removed, result.refused);
	return 0;
}
