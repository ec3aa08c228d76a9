/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which connections were up before an update: recorded by the running good system when a trial is
 * planned and when it shuts down, in the file `network` of facts.state_dir, and compared after. A
 * line each: `vpn NAME` or `up NAME`. The text is hostile.
 */
#pragma once

#include <stddef.h>

#include "facts.h"
#include "healthpolicy.h"
#include "provider.h"

#define NETRECORD_FILE "network"
#define NETRECORD_MAX (64 * 1024)

/* What the record says: lines that mean nothing are passed over. -ENOMEM; the caller's. */
int netrecord_parse(const char *text, size_t size, struct provider_list *ret_list);

/* The record's text; its length, or -ENOMEM. *ret_text is the caller's. */
int netrecord_format(const struct provider_list *list, char **ret_text);

/*
 * Every VPN that was up has to be up; of other connections one, when there was any: which one a
 * device uses is not the update's affair. A result each is added.
 */
void netrecord_compare(const struct provider_list *before, const struct provider_list *now,
		       struct health_round *round);

/* Asks the provider, and records. bus may be NULL. */
int netrecord_save(const struct facts *facts, struct bus *bus);

/* -ENOENT without a record. */
int netrecord_load(const struct facts *facts, struct provider_list *ret_list);
