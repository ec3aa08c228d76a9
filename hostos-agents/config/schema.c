/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of keys; see schema.h. Keys, types and defaults are those of meta-balena's README
 * (config.json); `os.network.ntp.defaults` and `nts://` are Tugboot's own. What a value must be is
 * in take.c.
 */
#include "schema.h"

#include <strings.h>

#include "macro.h"
#include "take.h"

const struct schema_key schema_keys[] = {
	{"hostname", "string: a host name (letters, digits, '-', dots between) of at most 64",
	 SCHEMA_STRING, "the first 7 characters of uuid",
	 "The name of the device, in the network (mDNS) too.", false, take_hostname},
	{"uuid", "string of hexadecimal digits and '-'", SCHEMA_STRING, "none",
	 "The device's identity; its beginning is the host name of a device without hostname.",
	 false, take_uuid},
	{"apiEndpoint", "string: an http or https URL", SCHEMA_STRING, "none",
	 "Where the device is managed; URL/connectivity-check is the default of "
	 "os.network.connectivity.uri.",
	 false, take_api_endpoint},
	{"persistentLogging", "boolean", SCHEMA_BOOLEAN, "false",
	 "Keep the journal on the data partition over reboots.", false, take_persistent_logging},
	{"country", "string: a two-letter country code", SCHEMA_STRING, "what the driver has",
	 "The country that the device is in: what Wi-Fi may do there.", false, take_country},
	{"ntpServers", "string of host names, addresses or nts://NAME[:PORT], with blanks between",
	 SCHEMA_STRING, "none",
	 "Time servers beside the default ones, {0,1,2,3}.resinio.pool.ntp.org.", false,
	 take_ntp_servers},
	{"os.network.ntp.defaults", "boolean", SCHEMA_BOOLEAN, "true",
	 "Ask the default time servers too; false: only those of ntpServers and of the network.",
	 false, take_ntp_defaults},
	{"dnsServers",
	 "string of ADDRESS, ADDRESS#PORT or /DOMAIN/ADDRESS, with blanks between, or \"null\"",
	 SCHEMA_STRING, "8.8.8.8",
	 "Name servers beside those that the network gives; \"null\": only those.", false,
	 take_dns_servers},
	{"balenaRootCA", "string: certificates in PEM, in base64", SCHEMA_STRING, "none",
	 "Authorities that TLS trusts beside the system's.", true, take_root_ca},
	{"developmentMode", "boolean", SCHEMA_BOOLEAN, "false",
	 "Logins without a password (SSH without keys, serial console) and an engine socket on the "
	 "network.",
	 false, take_development_mode},
	{"os.network.wifi.randomMacAddressScan", "boolean", SCHEMA_BOOLEAN,
	 "what the network provider does", "Use random addresses when looking for Wi-Fi networks.",
	 false, take_random_mac_scan},
	{"os.network.connectivity.uri", "string: an http or https URL, or \"null\"", SCHEMA_STRING,
	 "apiEndpoint/connectivity-check",
	 "What is asked for to see whether there is a network; \"null\": nothing, and no time by "
	 "HTTPS.",
	 false, take_connectivity_uri},
	{"os.network.connectivity.interval",
	 "string of digits, or a number: seconds, 0 to 31536000", SCHEMA_STRING, "3600",
	 "How often that is asked for; 0: never.", false, take_connectivity_interval},
	{"os.network.connectivity.response", "string: one line of at most 256 bytes", SCHEMA_STRING,
	 "none", "What the answer must begin with; without it, status 204 or an empty answer.",
	 false, take_connectivity_response},
	{"os.udevRules", "object of names and rules", SCHEMA_OBJECT, "none",
	 "Rules of udev(7), each in /etc/udev/rules.d/NAME.rules.", false, take_udev_rules},
	{"os.sshKeys", "array of strings, each an SSH public key without options", SCHEMA_ARRAY,
	 "none", "Who may log in as root on port 22222.", true, take_ssh_keys},
	{"installer.secureboot", "boolean", SCHEMA_BOOLEAN, "false",
	 "The installer sets up Secure Boot and encrypted disks.", false, take_secureboot},
	{"installer.migrate.force", "boolean", SCHEMA_BOOLEAN, "false",
	 "The installer migrates even where it would ask.", false, take_migrate_force},
	{"installer.target_devices", "string of device names below /dev, with blanks between",
	 SCHEMA_STRING, "the installer's",
	 "What the installer may write to: the first that is there.", false, take_target_devices},
};

const size_t schema_keys_n = ARRAY_SIZE(schema_keys);

const struct schema_key *schema_find(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(schema_keys); i++)
		if (streq(schema_keys[i].path, path))
			return &schema_keys[i];
	return NULL;
}

bool schema_is_container(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(schema_keys); i++) {
		const char *rest = startswith(schema_keys[i].path, path);

		if (rest && rest[0] == '.')
			return true;
	}
	return false;
}

bool schema_is_secret(const char *path)
{
	static const char *const words[] = {"key",  "pass", "secret", "token",
					    "auth", "psk",  "cred",   "private"};
	const struct schema_key *key = schema_find(path);

	if (key || startswith(path, "os.sshKeys") || startswith(path, "os.udevRules"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasestr(path, words[i]))
			return true;
	return false;
}
