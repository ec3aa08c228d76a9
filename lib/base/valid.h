/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is this text what it is said to be, and nothing more? For values of config.json, which become
 * words and lines of daemons' configuration files and names of files: what passes holds no control
 * character, no blank and nothing that begins a line, a section or a comment in any of them, unless
 * said otherwise below. The text is hostile, and need not be terminated. Pure.
 */
#pragma once

#include <stdbool.h>

#include "slice.h"

#define VALID_HOSTNAME_MAX 64 /* bytes; of Linux, gethostname(2) */
#define VALID_NAME_MAX 253    /* of a name in the DNS, RFC 1035 as written */
#define VALID_URL_MAX 2000    /* bytes */
#define VALID_RULE_NAME_MAX 128

/* UTF-8 (RFC 3629), whatever it says. */
bool valid_utf8(struct slice text);

/* One line to show and to write: UTF-8 without control characters (C0, DEL, C1) and without what
 * breaks lines (U+2028, U+2029); blanks are fine. Empty is, too. */
bool valid_line(struct slice text);

/* The name of this machine: labels (RFC 1123, and `_` inside as systemd and balenaOS let pass) with
 * dots between, at most VALID_HOSTNAME_MAX; no address. */
bool valid_hostname(struct slice text);

/* The name of another one, in the DNS: as above, at most VALID_NAME_MAX, a dot may stand at its
 * end. */
bool valid_name(struct slice text);

/* Dotted IPv4, or IPv6 without a scope. */
bool valid_address(struct slice text);

/* 1 to 65535 in the one way to write it. */
bool valid_port(struct slice text);

/* ISO 3166's two letters, in either case, or 00, the world. Whether a country has them is not
 * asked. */
bool valid_country(struct slice text);

/* A server for NTP: NAME or ADDRESS; or with authentication (NTS, RFC 8915) nts://HOST[:PORT],
 * where HOST is a name, an IPv4 address or an IPv6 address in brackets. */
struct valid_ntp {
	struct slice host; /* in the text, without brackets */
	struct slice port; /* of NTS's key exchange; {NULL, 0}: none is said */
	bool nts, address;
};
bool valid_ntp_server(struct slice text, struct valid_ntp *ret_parts);

/* A server for the DNS: ADDRESS or ADDRESS#PORT, or for one domain /DOMAIN/ADDRESS[#PORT]: a part
 * of what dnsmasq(8) says of --server. */
struct valid_dns {
	struct slice address;
	struct slice port, domain; /* {NULL, 0}: none */
};
bool valid_dns_server(struct slice text, struct valid_dns *ret_parts);

/* http://HOST[:PORT][/…] or https, of the characters of RFC 3986 alone; without a user and a
 * password, which would come to stand in logs, and without a fragment. */
bool valid_url(struct slice text);

/* What may stand before `.rules` as the name of a file: letters, digits and `-_.+:@`, beginning
 * with a letter or a digit, no two dots behind each other, none at the end. */
bool valid_rule_name(struct slice text);

/* The rules themselves: UTF-8 without control characters but tabs and ends of lines. */
bool valid_rules(struct slice text);

/* Below /dev: `sda`, `disk/by-id/nvme-X`; no part of it is `.` or `..`. */
bool valid_device(struct slice text);
