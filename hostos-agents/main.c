/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The `tugboot` command: options, the table of verbs, and nothing else. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tugboot.h"

#define RAUC_HANDLER "tugboot-rauc"

enum {
	TAKES_JSON = 1 << 0,
	TAKES_FORCE = 1 << 1,
};

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
};

static void complain_va(const char *fmt, va_list ap)
{
	char text[2048];

	(void)fflush(stdout); /* in the order in which it was said */
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	(void)fprintf(stderr, "tugboot: %s\n", text);
}

enum result complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_va(fmt, ap);
	va_end(ap);
	return RESULT_FAILED;
}

enum result complain_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_va(fmt, ap);
	va_end(ap);
	(void)fputs("Try 'tugboot --help'.\n", stderr);
	return RESULT_USAGE;
}

static void print_help(void)
{
	printf("Usage: tugboot [--boot DIR] VERB...\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		char form[40];

		(void)snprintf(form, sizeof(form), "%s%s%s %s", verbs[i].group,
			       verbs[i].name ? " " : "", verbs[i].name ? verbs[i].name : "",
			       verbs[i].args);
		printf("  %-24s %s\n", form, verbs[i].help);
	}
	printf("\n"
	       "  -b, --boot DIR           use the boot partition mounted on DIR\n"
	       "  -j, --json               status: for programs\n"
	       "  -f, --force              slot: do it even when it cannot be checked\n"
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
	if (options->json && !(verb->takes & TAKES_JSON))
		return complain_usage("--json is for 'tugboot status'");
	if (options->force && !(verb->takes & TAKES_FORCE))
		return complain_usage("--force is for 'tugboot slot'");
	return verb->run(options, args);
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{"boot", required_argument, NULL, 'b'}, {"json", no_argument, NULL, 'j'},
		{"force", no_argument, NULL, 'f'},	{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},	{0},
	};
	struct options options = {0};
	enum result result;
	int c;

	argv = arguments_by_name(&argc, argv);
	if (!argv)
		return complain("no memory");
	while ((c = getopt_long(argc, argv, "b:jfhV", known, NULL)) >= 0) {
		switch (c) {
		case 'b':
			options.boot_dir = optarg;
			break;
		case 'j':
			options.json = true;
			break;
		case 'f':
			options.force = true;
			break;
		case 'h':
			print_help();
			return fflush(stdout) == 0 ? RESULT_OK : RESULT_FAILED;
		case 'V':
			printf("tugboot %s\n", TUGBOOT_VERSION);
			return fflush(stdout) == 0 ? RESULT_OK : RESULT_FAILED;
		default: /* getopt has said what is wrong */
			(void)fputs("Try 'tugboot --help'.\n", stderr);
			return RESULT_USAGE;
		}
	}
	result = run_verb(&options, argv + optind);
	/* A list that was cut by a full disk is no list. */
	if (fflush(stdout) != 0 || ferror(stdout))
		return complain("standard output cannot be written: %s", strerror(errno));
	return result;
}
