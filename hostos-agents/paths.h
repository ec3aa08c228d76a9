/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the agents keep things on the running system. What must outlive a root is not here but in
 * facts.state_dir: each root has a /var of its own.
 */
#pragma once

/* Gone after a reboot: what is made of config.json for daemons, status files. 0755, root's. */
#define RUN_DIR "/run/tugboot"
/* Text for people and for `tugboot status`: what each agent did last, a file each. */
#define STATUS_DIR RUN_DIR "/status"

/* Made by the config agent of the keys that another agent puts into effect, see plan.h: lines of
 * `key=value`, values checked; that agent is reloaded (SIGHUP) when the file has changed. */
#define NETWORK_SETTINGS RUN_DIR "/network.settings"
#define TIME_SETTINGS RUN_DIR "/time.settings"

/* The agents that those are for. */
#define NETWORK_UNIT "tugboot-network.service"
#define TIME_UNIT "tugboot-time.service"

/* Files of NTP sources, read by chronyd with `sourcedir /etc/chrony/sources.d`. The second one holds
 * the default servers, and is not there with os.network.ntp.defaults=false. */
#define CHRONY_SOURCES "/etc/chrony/sources.d/tugboot.sources"
#define CHRONY_DEFAULT_SOURCES "/etc/chrony/sources.d/tugboot-defaults.sources"

/* Where programs of the package are. */
#define LIBEXEC_DIR "/usr/lib/tugboot"

#define CONFIG_FILE "config.json"
