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
	 "the first 7 characters of uuid", "The name of the device, in the network (mDNS) too.",
	 take_hostname, SCHEMA_STRING, false},
	{"uuid", "string of hexadecimal digits and '-'", "none",
	 "The device's identity; its beginning is the host name of a device without hostname.",
	 take_uuid, SCHEMA_STRING, false},
	{"apiEndpoint", "string: an http or https URL", "none",
	 "Where the device is managed; URL/connectivity-check is the default of "
	 "os.network.connectivity.uri.",
	 take_api_endpoint, SCHEMA_STRING, false},
	{"persistentLogging", "boolean", "false",
	 "Keep the journal on the data partition over reboots.", take_persistent_logging,
	 SCHEMA_BOOLEAN, false},
	{"country", "string: a two-letter country code", "what the driver has",
	 "The country that the device is in: what Wi-Fi may do there.", take_country, SCHEMA_STRING,
	 false},
	{"ntpServers", "string of host names, addresses or nts://HOST[:PORT], with blanks between",
	 "none", "Time servers beside the default ones, {0,1,2,3}.resinio.pool.ntp.org.",
	 take_ntp_servers, SCHEMA_STRING, false},
	{"os.network.ntp.defaults", "boolean", "true",
	 "Ask the default time servers too; false: only those of ntpServers and of the network.",
	 take_ntp_defaults, SCHEMA_BOOLEAN, false},
	{"dnsServers",
	 "string of ADDRESS, ADDRESS#PORT or /DOMAIN/ADDRESS, with blanks between, or \"null\"",
	 "8.8.8.8", "Name servers beside those that the network gives; \"null\": only those.",
	 take_dns_servers, SCHEMA_STRING, false},
	{"balenaRootCA", "string: certificates in PEM, in base64", "none",
	 "Authorities that TLS trusts beside the system's.", take_root_ca, SCHEMA_STRING, true},
	{"developmentMode", "boolean", "false",
	 "Logins without a password (SSH without keys, serial console) and an engine socket on the "
	 "network.",
	 take_development_mode, SCHEMA_BOOLEAN, false},
	{"os.network.wifi.randomMacAddressScan", "boolean", "what the network provider does",
	 "Use random addresses when looking for Wi-Fi networks.", take_random_mac_scan,
	 SCHEMA_BOOLEAN, false},
	{"os.network.connectivity.uri", "string: an http or https URL, or \"null\"",
	 "apiEndpoint/connectivity-check",
	 "What is asked for to see whether there is a network; \"null\": nothing, and no time by "
	 "HTTPS.",
	 take_connectivity_uri, SCHEMA_STRING, false},
	{"os.network.connectivity.interval",
	 "string of digits, or a number: seconds, 0 to 31536000", "3600",
	 "How often that is asked for; 0: never.", take_connectivity_interval, SCHEMA_STRING,
	 false},
	{"os.network.connectivity.response", "string: one line of at most 256 bytes", "none",
	 "What the answer must begin with; without it, status 204 or an empty answer.",
	 take_connectivity_response, SCHEMA_STRING, false},
	{"os.udevRules", "object of names and rules", "none",
	 "Rules of udev(7), each in /etc/udev/rules.d/NAME.rules.", take_udev_rules, SCHEMA_OBJECT,
	 false},
	{"os.sshKeys", "array of strings, each an SSH public key without options", "none",
	 "Who may log in as root on port 22222.", take_ssh_keys, SCHEMA_ARRAY, true},
	{"installer.secureboot", "boolean", "false",
	 "The installer sets up Secure Boot and encrypted disks.", take_secureboot, SCHEMA_BOOLEAN,
	 false},
	{"installer.migrate.force", "boolean", "false",
	 "The installer migrates even where it would ask.", take_migrate_force, SCHEMA_BOOLEAN,
	 false},
	{"installer.target_devices", "string of device names below /dev, with blanks between",
	 "the installer's", "What the installer may write to: the first that is there.",
	 take_target_devices, SCHEMA_STRING, false},
};

const size_t schema_keys_n = ARRAY_SIZE(schema_keys);

const struct schema_key *schema_find(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(schema_keys); i++)
		if (streq(schema_keys[i].path, path))
			return &schema_keys[i];
	return NULL;
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
