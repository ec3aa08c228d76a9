/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.json as typed settings: parsed strictly, every value checked before anything is made of it
 * (README of meta-balena, section config.json, is the source of keys and types; schema.h is the
 * table). The text is hostile. A text with one wrong value gives no settings at all: the caller
 * keeps the last good ones. No I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "macro.h"

#define CONFIG_MAX (1024 * 1024) /* bytes of config.json */
#define CONFIG_TEXT "the text"	 /* what messages call config.json as a whole */
#define HOSTNAME_MAX 64		 /* of Linux, gethostname(2) */

struct config_list {
	char **item;
	size_t items;
};

enum config_choice {
	CONFIG_UNSET, /* the key is absent (or null): the default */
	CONFIG_NO,
	CONFIG_YES,
};

enum config_dns {
	CONFIG_DNS_DEFAULT, /* 8.8.8.8 beside what the network gives */
	CONFIG_DNS_NONE,    /* "null": only what the network gives */
	CONFIG_DNS_LIST,    /* these beside what the network gives */
};

struct config_rule {
	char *name; /* checked to be fit as a file name: without '/', without ".rules" */
	char *text;
};

struct config {
	char hostname[HOSTNAME_MAX + 1]; /* hostname, else the first 7 of uuid; empty: neither */
	bool persistent_logging;
	char country[3];		/* upper case; empty: the driver's */
	struct config_list ntp_servers; /* host names, addresses, nts://HOST[:PORT]; see schema.c */
	bool ntp_only; /* os.network.ntp.defaults is false: the built-in servers are left out */
	enum config_dns dns;
	struct config_list dns_servers; /* ADDRESS or ADDRESS#PORT, or /DOMAIN/ADDRESS */
	char *root_ca;			/* PEM, one certificate or more, each parsed; NULL: none */
	size_t root_ca_size;
	bool development_mode;
	enum config_choice random_mac_scan;
	bool connectivity_off;	/* uri is "null" */
	char *connectivity_uri; /* http or https; made of apiEndpoint without one; NULL: none */
	unsigned connectivity_interval; /* seconds; 0: off */
	char *connectivity_response;	/* NULL: none */
	struct config_rule *udev_rule;	/* in the order of their names */
	size_t udev_rules;
	struct config_list ssh_keys; /* lines for authorized_keys, each parsed */
	struct {
		enum config_choice secureboot, migrate_force;
		struct config_list target_devices; /* names below /dev */
	} installer;
};

/* What is wrong with a value. */
struct config_problem {
	char key[256]; /* as os.network.connectivity.interval, os.sshKeys[1]; empty: the text as
			     * a whole */
	char expected[160]; /* the type, in words */
	char found
		[160]; /* the value in JSON, or its beginning, safe to show; of secrets the type */
};

#define CONFIG_PROBLEMS_MAX 32

struct config_problems {
	struct config_problem problem[CONFIG_PROBLEMS_MAX];
	size_t problems; /* all; only the first CONFIG_PROBLEMS_MAX are kept */
};

/*
 * Parses and checks a whole config.json. -EBADMSG with at least one problem when it is refused, all
 * of them named as far as they fit; -ENOMEM. Unknown keys are passed over. *ret_config is the
 * caller's; untouched on failure.
 */
int config_parse(const char *json, size_t size, struct config **ret_config,
		 struct config_problems *problems);

/* The settings of an empty file: all defaults. */
int config_defaults(struct config **ret_config);

void config_free(struct config *config);

static inline void config_freep(struct config **config)
{
	config_free(*config);
}
#define _config_ _cleanup_(config_freep)

/* A copy of text at the end of a list; -ENOMEM. */
int config_list_add(struct config_list *list, const char *text, size_t len);

/* One sentence of a problem: `KEY: expected EXPECTED, found FOUND`. */
void config_problem_words(const struct config_problem *problem, char *buf, size_t size);
