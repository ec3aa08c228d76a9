/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The `tugboot` command: options, the table of verbs, and nothing else. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tugboot.h"

#define RAUC_HANDLER "tugboot-rauc"

/* Options that only some verbs take. */
enum {
	TAKES_JSON = 1 << 0,
	TAKES_FORCE = 1 << 1,
	TAKES_TPM = 1 << 2,    /* --tpm */
	TAKES_KEY = 1 << 3,    /* --key-file: those that need the volumes' keys */
	TAKES_POLICY = 1 << 4, /* those of a new policy */
	TAKES_LOG = 1 << 5,    /* --event-log, --current */
	TAKES_PIN = 1 << 6,    /* --pin, --pin-file */
	TAKES_RESEAL = 1 << 7,
	TAKES_RECOVERY = 1 << 8,
	TAKES_SYSTEMD = 1 << 9,
	TAKES_MAN = 1 << 10,
	TAKES_CONFIRM = 1 << 11, /* --confirm-within */
};

#define VOLUMES_ANY 99

static const struct verb {
	const char *group, *name; /* name NULL: the group is the verb */
	const char *args, *help;
	int min_args, max_args; /* max_args 0 with min_args 1: one or more */
	unsigned takes;
	verb_fn run;
} verbs[] = {
	{"status", NULL, "[--json]", "which slot runs and why, and what happens at the next boot",
	 0, 0, TAKES_JSON, cmd_status},
	{"env", "list", "", "all variables of the boot environment", 0, 0, 0, cmd_env_list},
	{"env", "get", "NAME", "value of one variable", 1, 1, 0, cmd_env_get},
	{"env", "set", "NAME=VALUE...", "set variables, all in one write", 1, 0, 0, cmd_env_set},
	{"env", "unset", "NAME...", "remove variables, all in one write", 1, 0, 0, cmd_env_unset},
	{"env", "migrate", "KIND", "keep it as grub, uboot-text, uboot or raw from now on", 1, 1, 0,
	 cmd_env_migrate},
	{"slot", "try", "A|B", "put a slot on trial from the next boot on", 1, 1, TAKES_FORCE,
	 cmd_slot_try},
	{"slot", "good", "", "keep the running slot: its trial has succeeded", 0, 0, TAKES_FORCE,
	 cmd_slot_good},
	{"slot", "switch", "A|B", "use a slot from the next boot on, without a trial", 1, 1,
	 TAKES_FORCE, cmd_slot_switch},
	{"slot", "bad", "A|B", "do not start a slot while another one can be started", 1, 1,
	 TAKES_FORCE, cmd_slot_bad},
	{"slot", "ended", "", "the system shuts down in good order: this try did not fail", 0, 0, 0,
	 cmd_slot_ended},
	{"rauc", "get-primary", "", "RAUC's boot loader handler: the slot in use or on trial", 0, 0,
	 0, cmd_rauc_get_primary},
	{"rauc", "get-current", "", "the running slot", 0, 0, 0, cmd_rauc_get_current},
	{"rauc", "get-state", "A|B", "'good' or 'bad'", 1, 1, 0, cmd_rauc_get_state},
	{"rauc", "set-state", "A|B good|bad", "as 'slot good' or 'slot bad'", 2, 2, 0,
	 cmd_rauc_set_state},
	{"rauc", "set-primary", "A|B", "as 'slot try'", 1, 1, 0, cmd_rauc_set_primary},
	{"enroll", "add", "[VOLUME...]", "let the TPM open the encrypted volumes", 0, VOLUMES_ANY,
	 TAKES_TPM | TAKES_KEY | TAKES_POLICY | TAKES_LOG | TAKES_PIN | TAKES_SYSTEMD,
	 cmd_enroll_add},
	{"enroll", "list", "[VOLUME...]", "what opens the encrypted volumes", 0, VOLUMES_ANY,
	 TAKES_JSON, cmd_enroll_list},
	{"enroll", "remove", "TOKEN|tpm2|recovery [VOLUME...]", "remove a way to open them", 1,
	 VOLUMES_ANY, TAKES_FORCE, cmd_enroll_remove},
	{"config", "get", "[KEY]", "keys of config.json, or the value of one", 0, 1, 0,
	 cmd_config_get},
	{"config", "set", "KEY=VALUE...", "set keys, all in one write", 1, 0, 0, cmd_config_set},
	{"config", "unset", "KEY...", "remove keys, all in one write", 1, 0, 0, cmd_config_unset},
	{"config", "check", "[FILE|-]", "what would be refused, and why", 0, 1, 0,
	 cmd_config_check},
	{"config", "diff", "[FILE|-]", "what config.json, or another one, would change", 0, 1, 0,
	 cmd_config_diff},
	{"config", "apply", "FILE|-", "put a whole configuration in its place", 1, 1,
	 TAKES_CONFIRM | TAKES_FORCE, cmd_config_apply},
	{"config", "confirm", "", "keep what is on trial", 0, 0, 0, cmd_config_confirm},
	{"config", "status", "", "what holds, what was refused, what is on trial", 0, 0, 0,
	 cmd_config_status},
	{"config", "schema", "[--json]", "the keys that there are", 0, 0, TAKES_JSON | TAKES_MAN,
	 cmd_config_schema},
	{"time", "status", "[--json]", "where the time comes from, its trust and its offset", 0, 0,
	 TAKES_JSON, cmd_time_status},
	{"reseal", NULL, "[VOLUME...]", "enrol again for the PCRs of this boot, or of the next", 0,
	 VOLUMES_ANY, TAKES_TPM | TAKES_KEY | TAKES_LOG | TAKES_PIN | TAKES_RESEAL, cmd_reseal},
	{"recovery-key", NULL, "[VOLUME...]", "make a recovery key for the encrypted volumes", 0,
	 VOLUMES_ANY, TAKES_KEY | TAKES_RECOVERY, cmd_recovery_key},
};

/* What getopt_long() is told, and where a value goes. */
enum {
	OPTION_TPM = 256,
	OPTION_KEY_FILE,
	OPTION_PIN,
	OPTION_PIN_FILE,
	OPTION_EVENT_LOG,
	OPTION_CURRENT,
	OPTION_PCRS,
	OPTION_BANK,
	OPTION_PRIMARY,
	OPTION_PUBLIC_KEY,
	OPTION_PUBLIC_KEY_PCRS,
	OPTION_SYSTEMD,
	OPTION_EFI,
	OPTION_KEEP_CURRENT,
	OPTION_PRINT,
	OPTION_TO,
	OPTION_MAN,
	OPTION_CONFIRM_WITHIN,
};

static const struct option known_options[] = {
	{"boot", required_argument, NULL, 'b'},
	{"json", no_argument, NULL, 'j'},
	{"force", no_argument, NULL, 'f'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{"tpm", required_argument, NULL, OPTION_TPM},
	{"key-file", required_argument, NULL, OPTION_KEY_FILE},
	{"pin", no_argument, NULL, OPTION_PIN},
	{"pin-file", required_argument, NULL, OPTION_PIN_FILE},
	{"event-log", required_argument, NULL, OPTION_EVENT_LOG},
	{"current", no_argument, NULL, OPTION_CURRENT},
	{"pcrs", required_argument, NULL, OPTION_PCRS},
	{"bank", required_argument, NULL, OPTION_BANK},
	{"primary", required_argument, NULL, OPTION_PRIMARY},
	{"public-key", required_argument, NULL, OPTION_PUBLIC_KEY},
	{"public-key-pcrs", required_argument, NULL, OPTION_PUBLIC_KEY_PCRS},
	{"systemd", no_argument, NULL, OPTION_SYSTEMD},
	{"efi", required_argument, NULL, OPTION_EFI},
	{"keep-current", no_argument, NULL, OPTION_KEEP_CURRENT},
	{"print", no_argument, NULL, OPTION_PRINT},
	{"to", required_argument, NULL, OPTION_TO},
	{"man", no_argument, NULL, OPTION_MAN},
	{"confirm-within", required_argument, NULL, OPTION_CONFIRM_WITHIN},
	{0},
};

static const struct {
	int option;
	unsigned takes;	   /* who takes it */
	size_t text, flag; /* where it goes in struct options; 0: nowhere */
} option_places[] = {
#define TEXT(member) offsetof(struct options, member), 0
#define FLAG(member) 0, offsetof(struct options, member)
	{'j', TAKES_JSON, FLAG(json)},
	{'f', TAKES_FORCE, FLAG(force)},
	{OPTION_TPM, TAKES_TPM, TEXT(tpm)},
	{OPTION_KEY_FILE, TAKES_KEY, TEXT(key_file)},
	{OPTION_PIN, TAKES_PIN, FLAG(pin)},
	{OPTION_PIN_FILE, TAKES_PIN, TEXT(pin_file)},
	{OPTION_EVENT_LOG, TAKES_LOG, TEXT(event_log)},
	{OPTION_CURRENT, TAKES_LOG, FLAG(current)},
	{OPTION_PCRS, TAKES_POLICY, TEXT(pcrs)},
	{OPTION_BANK, TAKES_POLICY, TEXT(bank)},
	{OPTION_PRIMARY, TAKES_POLICY, TEXT(primary)},
	{OPTION_PUBLIC_KEY, TAKES_POLICY, TEXT(public_key)},
	{OPTION_PUBLIC_KEY_PCRS, TAKES_POLICY, TEXT(public_key_pcrs)},
	{OPTION_SYSTEMD, TAKES_SYSTEMD, FLAG(systemd)},
	{OPTION_EFI, TAKES_RESEAL, TEXT(efi)},
	{OPTION_KEEP_CURRENT, TAKES_RESEAL, FLAG(keep_current)},
	{OPTION_PRINT, TAKES_RECOVERY, FLAG(print)},
	{OPTION_TO, TAKES_RECOVERY, TEXT(to)},
	{OPTION_MAN, TAKES_MAN, FLAG(man)},
	{OPTION_CONFIRM_WITHIN, TAKES_CONFIRM, TEXT(confirm_within)},
#undef TEXT
#undef FLAG
};

/* Stores an option that only some verbs take. */
static void store_option(struct options *options, int option, const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(option_places); i++) {
		char *base = (char *)options;

		if (option_places[i].option != option)
			continue;
		if (option_places[i].text)
			memcpy(base + option_places[i].text, &text, sizeof(text));
		else
			base[option_places[i].flag] = true;
		options->given |= 1u << i;
	}
}

static const char *option_name(int option)
{
	const struct option *o = known_options;

	while (o->name && o->val != option)
		o++;
	return o->name;
}

static void print_help(void)
{
	printf("Usage: tugboot [--boot DIR] VERB...\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		char form[64];

		(void)snprintf(form, sizeof(form), "%s%s%s %s", verbs[i].group,
			       verbs[i].name ? " " : "", verbs[i].name ? verbs[i].name : "",
			       verbs[i].args);
		/* A long one has its help on the next line. */
		if (strlen(form) > 24)
			printf("  %s\n  %-24s %s\n", form, "", verbs[i].help);
		else
			printf("  %-24s %s\n", form, verbs[i].help);
	}
	printf("\n"
	       "  -b, --boot DIR           use the boot partition mounted on DIR\n"
	       "  -j, --json               status, time status, enroll list, config schema: for\n"
	       "                           programs\n"
	       "  -f, --force              slot: do it even when it cannot be checked;\n"
	       "                           enroll remove: even the last way in;\n"
	       "                           config apply: even when only the next boot goes back\n"
	       "\n"
	       "Of enroll, reseal and recovery-key (VOLUME: a device, a file, a role, ROLE=FILE):\n"
	       "      --key-file FILE      a passphrase or recovery key of the volumes, '-' for\n"
	       "                           standard input; else it is asked for\n"
	       "      --tpm TCTI           another TPM than /dev/tpmrm0\n"
	       "      --pcrs 7             the PCRs, as 0,7; none\n"
	       "      --bank sha256        and their bank\n"
	       "      --primary ecc|rsa    the key to seal under\n"
	       "      --public-key FILE    who may sign policies of --public-key-pcrs 11\n"
	       "      --pin                a PIN is needed, too; typed, or of --pin-file FILE\n"
	       "      --systemd            add a token that systemd understands\n"
	       "      --event-log FILE     another event log than this boot's\n"
	       "      --current            take the PCRs as they are now\n"
	       "      --efi FILE           reseal: also for a boot with this tugboot.efi\n"
	       "      --keep-current       reseal: and for the boots that it opens for now\n"
	       "      --print, --to FILE   recovery-key: show it, or put it in a new file\n"
	       "\n"
	       "      --confirm-within SECONDS  config apply: goes back unless it is confirmed\n"
	       "\n"
	       "  -h, --help               this text\n"
	       "  -V, --version            the version\n"
	       "\n"
	       "Without --boot, the boot partition is looked for on the disk that / is on; that "
	       "needs\n"
	       "root. Exit status: 0 done, 1 failed, 2 wrong usage. See tugboot(1).\n");
}

/* The verb that args start with; *ret_args is what follows its name. NULL, after a complaint, when
 * there is none. */
static const struct verb *find_verb(char **args, char ***ret_args)
{
	bool group_known = false;

	if (!args[0]) {
		(void)complain_usage("what shall be done?");
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!streq(verbs[i].group, args[0]))
			continue;
		group_known = true;
		if (verbs[i].name && (!args[1] || !streq(verbs[i].name, args[1])))
			continue;
		*ret_args = args + (verbs[i].name ? 2 : 1);
		return &verbs[i];
	}
	if (!group_known)
		(void)complain_usage("unknown verb '%s'", args[0]);
	else if (!args[1])
		(void)complain_usage("'%s' needs to be told what to do", args[0]);
	else
		(void)complain_usage("unknown verb '%s %s'", args[0], args[1]);
	return NULL;
}

/* RAUC calls one executable, with its verb as first argument: under that name this is 'tugboot
 * rauc'. Gives the arguments with that word put in, for the life of the process; NULL when there is
 * no memory for them. */
static char **arguments_by_name(int *argc, char **argv)
{
	static char group[] = "rauc";
	char **all;

	if (*argc < 1 || !streq(program_invocation_short_name, RAUC_HANDLER))
		return argv;
	all = calloc((size_t)*argc + 2, sizeof(*all));
	if (!all)
		return NULL;
	all[0] = argv[0];
	all[1] = group;
	memcpy(all + 2, argv + 1, (size_t)(*argc - 1) * sizeof(*all));
	*argc += 1;
	return all;
}

static enum result run_verb(const struct options *options, char **argv)
{
	const struct verb *verb;
	char **args;
	int n = 0;

	verb = find_verb(argv, &args);
	if (!verb)
		return RESULT_USAGE;
	while (args[n])
		n++;
	if (n < verb->min_args)
		return complain_usage("usage: tugboot %s%s%s %s", verb->group,
				      verb->name ? " " : "", verb->name ? verb->name : "",
				      verb->args);
	if (n > verb->max_args && (verb->max_args > 0 || verb->min_args == 0))
		return complain_usage("'%s' is one argument too many", args[verb->max_args]);
	for (size_t i = 0; i < ARRAY_SIZE(option_places); i++)
		if (options->given & 1u << i && !(verb->takes & option_places[i].takes))
			return complain_usage("--%s is not for 'tugboot %s%s%s'",
					      option_name(option_places[i].option), verb->group,
					      verb->name ? " " : "", verb->name ? verb->name : "");
	return verb->run(options, args);
}

int main(int argc, char **argv)
{
	struct options options = {0};
	enum result result;
	int c;

	argv = arguments_by_name(&argc, argv);
	if (!argv)
		return complain("no memory");
	while ((c = getopt_long(argc, argv, "b:jfhV", known_options, NULL)) >= 0) {
		switch (c) {
		case 'b':
			options.boot_dir = optarg;
			break;
		case 'h':
			print_help();
			return fflush(stdout) == 0 ? RESULT_OK : RESULT_FAILED;
		case 'V':
			printf("tugboot %s\n", TUGBOOT_VERSION);
			return fflush(stdout) == 0 ? RESULT_OK : RESULT_FAILED;
		case '?': /* getopt has said what is wrong */
			(void)fputs("Try 'tugboot --help'.\n", stderr);
			return RESULT_USAGE;
		default:
			store_option(&options, c, optarg);
			break;
		}
	}
	result = run_verb(&options, argv + optind);
	/* A list that was cut by a full disk is no list. */
	if (fflush(stdout) != 0 || ferror(stdout))
		return complain("standard output cannot be written: %s", strerror(errno));
	return result;
}
