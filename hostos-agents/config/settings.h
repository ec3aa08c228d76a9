/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the config agent hands to another agent: a file (paths.h) of lines `KEY=VALUE`, of which it
 * has checked the values: each is one line of text without control characters. A key that is not
 * set has no line. That agent reads the file when it starts and on SIGHUP; no file is as good as an
 * empty one.
 *
 *   NETWORK_SETTINGS, TIME_SETTINGS:
 *     connectivity_off=yes       no checks of connectivity, and no time by HTTPS
 *     connectivity_uri=URL       http or https
 *     connectivity_response=TEXT what the answer begins with; without: status 204, or no body
 *   NETWORK_SETTINGS:
 *     country=DE                 two upper-case letters, or 00
 *     connectivity_interval=3600 seconds; 0: never
 *     random_mac_scan=yes, no    of Wi-Fi; without: as the provider has it
 */
#pragma once

#include <stdbool.h>

#include "macro.h"

#define SETTING_COUNTRY "country"
#define SETTING_RANDOM_MAC_SCAN "random_mac_scan"
#define SETTING_CONNECTIVITY_OFF "connectivity_off"
#define SETTING_CONNECTIVITY_URI "connectivity_uri"
#define SETTING_CONNECTIVITY_INTERVAL "connectivity_interval"
#define SETTING_CONNECTIVITY_RESPONSE "connectivity_response"

struct settings {
	char *text; /* owned; each line ended by a NUL, an empty one behind the last */
};

#define SETTINGS_NONE ((struct settings){0})

/* Reads a file. One that is missing has no settings. -EBADMSG for one that is no such file, and
 * then *ret_settings stays as it was, as with other errors. */
int settings_read(const char *path, struct settings *ret_settings);

/* The same of a text, of which a copy is made. */
int settings_parse(const char *text, size_t size, struct settings *ret_settings);

/* The value of a key, NULL without one; borrowed. */
const char *settings_get(const struct settings *settings, const char *key);

/* Is it "yes"? */
bool settings_is(const struct settings *settings, const char *key);

/* A number in digits up to UINT_MAX / 10, or the other one when there is none. */
unsigned settings_number(const struct settings *settings, const char *key, unsigned otherwise);

void settings_done(struct settings *settings);
#define _settings_ _cleanup_(settings_done)
