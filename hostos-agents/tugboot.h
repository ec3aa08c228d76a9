/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The `tugboot` command: one file per verb group (cmd_*.c), a table of them in main.c. What a verb
 * prints on standard output is for the caller; errors go to standard error and name the fix.
 */
#pragma once

#include <stdbool.h>

#include "macro.h"

#define TUGBOOT_VERSION "0.1.0"

/* Exit status; documented in tugboot(1). */
enum result {
	RESULT_OK = 0,
	RESULT_FAILED = 1,
	RESULT_USAGE = 2,
};

struct options {
	const char *boot_dir; /* a mounted boot partition; NULL: find it */
	bool json;
	bool force;
	/* Of enroll, reseal and recovery-key; NULL: not given. */
	const char *tpm;      /* a TCTI */
	const char *key_file; /* with a passphrase of the volumes */
	const char *pin_file;
	const char *event_log;
	const char *pcrs, *bank, *primary;
	const char *public_key, *public_key_pcrs;
	const char *efi;	    /* a Tugboot that is to be started */
	const char *to;		    /* where a recovery key goes */
	const char *confirm_within; /* config apply: seconds */
	bool current;		    /* take the PCRs as they are */
	bool pin, systemd, keep_current, print;
	bool man;	/* config schema: as a part of a man page */
	unsigned given; /* for main.c: which of them were given */
};

/* A verb: args are what stands behind its name, terminated by NULL. */
typedef enum result (*verb_fn)(const struct options *options, char **args);

enum result cmd_status(const struct options *options, char **args);
enum result cmd_env_list(const struct options *options, char **args);
enum result cmd_env_get(const struct options *options, char **args);
enum result cmd_env_set(const struct options *options, char **args);
enum result cmd_env_unset(const struct options *options, char **args);
enum result cmd_env_migrate(const struct options *options, char **args);
enum result cmd_slot_try(const struct options *options, char **args);
enum result cmd_slot_good(const struct options *options, char **args);
enum result cmd_slot_switch(const struct options *options, char **args);
enum result cmd_slot_bad(const struct options *options, char **args);
enum result cmd_slot_ended(const struct options *options, char **args);
enum result cmd_rauc_get_primary(const struct options *options, char **args);
enum result cmd_rauc_get_current(const struct options *options, char **args);
enum result cmd_rauc_get_state(const struct options *options, char **args);
enum result cmd_rauc_set_state(const struct options *options, char **args);
enum result cmd_rauc_set_primary(const struct options *options, char **args);

enum result cmd_enroll_add(const struct options *options, char **args);
enum result cmd_enroll_list(const struct options *options, char **args);
enum result cmd_enroll_remove(const struct options *options, char **args);
enum result cmd_reseal(const struct options *options, char **args);
enum result cmd_recovery_key(const struct options *options, char **args);

enum result cmd_config_get(const struct options *options, char **args);
enum result cmd_config_set(const struct options *options, char **args);
enum result cmd_config_unset(const struct options *options, char **args);
enum result cmd_config_check(const struct options *options, char **args);
enum result cmd_config_diff(const struct options *options, char **args);
enum result cmd_config_apply(const struct options *options, char **args);
enum result cmd_config_confirm(const struct options *options, char **args);
enum result cmd_config_status(const struct options *options, char **args);
enum result cmd_config_schema(const struct options *options, char **args);

enum result cmd_time_status(const struct options *options, char **args);

/* One line on standard error, after `tugboot: `; returns RESULT_FAILED, complain_usage() _USAGE. */
enum result complain(const char *fmt, ...) _printf_(1, 2);
enum result complain_usage(const char *fmt, ...) _printf_(1, 2);
