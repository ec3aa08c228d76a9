/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each key's value must be, and where it goes: schema_key.take, for schema.c alone. */
#pragma once

struct json_object;
struct schema_taking;

typedef int take_fn(struct schema_taking *taking, struct json_object *value);

take_fn take_hostname, take_uuid, take_api_endpoint, take_persistent_logging, take_country,
	take_ntp_servers, take_ntp_defaults, take_dns_servers, take_root_ca, take_development_mode,
	take_random_mac_scan, take_connectivity_uri, take_connectivity_interval,
	take_connectivity_response, take_udev_rules, take_ssh_keys, take_secureboot,
	take_migrate_force, take_target_devices;
