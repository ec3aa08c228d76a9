/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is planned for the journal, certificates, udev, SSH, serial consoles and the engine
 * (hostos-agents/config/facet_*.c): files, their modes, and who is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config.h"
#include "exact.h"
#include "fd.h"
#include "plan.h"

#define KEY                                                                 \
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHW6ppfZ0EkXJ0IIb0NjHyW8hdvxi" \
	"aXlVUhYyzQHuXFF somebody@example"
#define SSHD_CONFIG "/run/tugboot/ssh/sshd_config"
#define AUTHORIZED "/run/tugboot/ssh/authorized_keys"
#define PAM "/etc/pam.d/tugboot-sshd"

static const struct facts device = {
	.sshd = true,
	.engine_socket = "/run/docker.sock",
	.state_dir = "/mnt/state/tugboot",
	.data_dir = "/mnt/data/tugboot",
};

static struct plan *planned_on(const char *json, const struct facts *facts)
{
	struct config_problems problems = {0};
	_config_ struct config *config = NULL;
	struct plan *plan = NULL;

	assert_int_equal(config_parse(json, strlen(json), &config, &problems), 0);
	assert_int_equal(plan_make(config, facts, &plan), 0);
	return plan;
}

static struct plan *planned(const char *json)
{
	return planned_on(json, &device);
}

static const struct plan_file *file(const struct plan *plan, const char *path)
{
	for (size_t i = 0; i < plan->files; i++)
		if (streq(plan->file[i].path, path))
			return &plan->file[i];
	return NULL;
}

static const char *text(const struct plan *plan, enum facet facet, const char *path, mode_t mode)
{
	const struct plan_file *found = file(plan, path);

	assert_non_null(found);
	assert_int_equal(found->facet, facet);
	assert_int_equal(found->mode, mode);
	assert_non_null(found->data);
	assert_int_equal(found->size, strlen(found->data));
	return found->data;
}

static size_t files_of(const struct plan *plan, enum facet facet)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->files; i++)
		n += plan->file[i].facet == facet;
	return n;
}

/* All of a facet, in order: `VERB UNIT` each, ended by "". */
static void assert_actions(const struct plan *plan, enum facet facet, const char *expected)
{
	static const char *const verbs[PLAN_VERBS] = {
		[PLAN_RELOAD] = "reload",    [PLAN_RESTART] = "restart",
		[PLAN_START] = "start",	     [PLAN_STOP] = "stop",
		[PLAN_SIGNAL] = "signal",    [PLAN_UDEV_TRIGGER] = "trigger",
		[PLAN_CA_BUNDLE] = "bundle", [PLAN_JOURNAL] = "journal",
	};
	char found[512] = "";
	size_t used = 0;

	for (size_t i = 0; i < plan->actions; i++) {
		const struct plan_action *action = &plan->action[i];

		if (action->facet != facet)
			continue;
		assert_non_null(verbs[action->verb]);
		used += (size_t)snprintf(found + used, sizeof(found) - used, "%s %s;",
					 verbs[action->verb], action->unit ? action->unit : "-");
	}
	assert_string_equal(found, expected);
}

/* --- The journal ------------------------------------------------------------------------------ */

static void the_journal_is_in_memory_unless_it_is_to_last(void **state)
{
	static const char *const off[] = {"{}", "{\"persistentLogging\":false}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		_plan_ struct plan *plan = planned(off[i]);

		assert_int_equal(files_of(plan, FACET_JOURNAL), 1);
		assert_string_equal(text(plan, FACET_JOURNAL,
					 "/etc/systemd/journald.conf.d/90-tugboot.conf", 0644),
				    "[Journal]\nStorage=volatile\n");
		assert_actions(plan, FACET_JOURNAL, "journal -;");
	}
}

static void a_journal_that_lasts_is_on_the_data_partition(void **state)
{
	_plan_ struct plan *plan = planned("{\"persistentLogging\":true}");
	const struct plan_file *link;

	(void)state;
	assert_int_equal(files_of(plan, FACET_JOURNAL), 3);
	assert_string_equal(text(plan, FACET_JOURNAL,
				 "/etc/systemd/journald.conf.d/90-tugboot.conf", 0644),
			    "[Journal]\nStorage=persistent\n");
	assert_non_null(
		strstr(text(plan, FACET_JOURNAL, "/etc/systemd/system/var-log-journal.mount", 0644),
		       "What=/mnt/data/tugboot/journal\nWhere=/var/log/journal\n"));
	link = file(plan, "/etc/systemd/system/local-fs.target.wants/var-log-journal.mount");
	assert_non_null(link);
	assert_string_equal(link->link, "../var-log-journal.mount");
	assert_actions(plan, FACET_JOURNAL, "journal /mnt/data/tugboot/journal;");
}

static void a_directory_is_no_specifier_of_a_unit(void **state)
{
	struct facts facts = device;

	(void)state;
	(void)snprintf(facts.data_dir, sizeof(facts.data_dir), "/mnt/100%%h");
	_plan_ struct plan *plan = planned_on("{\"persistentLogging\":true}", &facts);

	assert_non_null(
		strstr(text(plan, FACET_JOURNAL, "/etc/systemd/system/var-log-journal.mount", 0644),
		       "What=/mnt/100%%h/journal\n"));
}

/* --- Certificates and rules ------------------------------------------------------------------- */

static void the_certificate_is_there_with_the_key_alone(void **state)
{
	static const char pem[] = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
	struct config *config = NULL;

	(void)state;
	assert_int_equal(config_defaults(&config), 0);
	for (int with = 0; with < 2; with++) {
		struct plan *plan = NULL;

		if (with) {
			config->root_ca = strdup(pem);
			config->root_ca_size = strlen(pem);
		}
		assert_int_equal(plan_make(config, &device, &plan), 0);
		assert_int_equal(files_of(plan, FACET_ROOT_CA), with);
		if (with)
			assert_string_equal(
				text(plan, FACET_ROOT_CA,
				     "/usr/local/share/ca-certificates/balenaRootCA.crt", 0644),
				pem);
		assert_actions(plan, FACET_ROOT_CA, "bundle -;");
		plan_free(plan);
	}
	config_free(config);
}

static void each_rule_has_its_file(void **state)
{
	_plan_ struct plan *none = planned("{}");
	_plan_ struct plan *plan = planned("{\"os\":{\"udevRules\":{\"56\":\"A==\\\"%s%n\\\"\","
					   "\"64-x\":\"B\\n\",\"empty\":\"\"}}}");

	(void)state;
	assert_int_equal(files_of(none, FACET_UDEV), 0);
	assert_actions(none, FACET_UDEV, "signal systemd-udevd.service;trigger -;");
	assert_int_equal(files_of(plan, FACET_UDEV), 3);
	assert_string_equal(text(plan, FACET_UDEV, "/etc/udev/rules.d/56.rules", 0644),
			    "A==\"%s%n\"\n");
	assert_string_equal(text(plan, FACET_UDEV, "/etc/udev/rules.d/64-x.rules", 0644), "B\n");
	assert_string_equal(text(plan, FACET_UDEV, "/etc/udev/rules.d/empty.rules", 0644), "");
	assert_actions(plan, FACET_UDEV, "signal systemd-udevd.service;trigger -;");
}

/* Were the check of names not there, there would be no plan. */
static void a_rule_leads_to_no_other_directory(void **state)
{
	static const char *const names[] = {"../x", "a/b", "a/../../../root/x", ".."};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct config *config = NULL;
		struct plan *plan = NULL;
		int r;

		assert_int_equal(config_defaults(&config), 0);
		config->udev_rule = calloc(1, sizeof(*config->udev_rule));
		assert_non_null(config->udev_rule);
		config->udev_rule[0].name = strdup(names[i]);
		config->udev_rule[0].text = strdup("x");
		config->udev_rules = 1;
		r = plan_make(config, &device, &plan);
		for (size_t f = 0; r == 0 && f < plan->files; f++)
			assert_null(strstr(plan->file[f].path, "/../"));
		if (r < 0)
			assert_null(plan);
		plan_free(plan);
		config_free(config);
	}
}

/* --- SSH -------------------------------------------------------------------------------------- */

/* A line of sshd_config is there, and no second one of its keyword. */
static void assert_option(const char *text, const char *line)
{
	size_t word = strcspn(line, " ") + 1, found = 0;

	for (const char *p = text; *p; p += strcspn(p, "\n") + 1) {
		if (strncmp(p, line, word) != 0)
			continue;
		assert_int_equal(strcspn(p, "\n"), strlen(line));
		assert_memory_equal(p, line, strlen(line));
		found++;
	}
	assert_int_equal(found, 1);
}

struct ssh_case {
	const char *json;
	bool keys, unasked;
};

static const struct ssh_case ssh_cases[] = {
	{"{}", false, false},
	{"{\"developmentMode\":false,\"os\":{\"sshKeys\":[]}}", false, false},
	{"{\"os\":{\"sshKeys\":[\"" KEY "\"]}}", true, false},
	{"{\"developmentMode\":true}", false, true},
	{"{\"developmentMode\":true,\"os\":{\"sshKeys\":[]}}", false, true},
	{"{\"developmentMode\":true,\"os\":{\"sshKeys\":[\"" KEY "\"]}}", true, false},
};

static void who_gets_in_is_in_sshds_own_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ssh_cases); i++) {
		const struct ssh_case *c = &ssh_cases[i];
		_plan_ struct plan *plan = planned(c->json);
		const char *sshd = text(plan, FACET_SSH, SSHD_CONFIG, 0600);
		const char *environment =
			text(plan, FACET_SSH, "/run/tugboot/ssh/environment", 0644);
		const struct plan_file *host = file(plan, "/run/tugboot/ssh/host");

		assert_option(sshd, "AllowUsers root");
		assert_option(sshd, "KbdInteractiveAuthentication no");
		assert_option(sshd, c->keys ? "AuthorizedKeysFile " AUTHORIZED
					    : "AuthorizedKeysFile none");
		assert_option(sshd, c->unasked ? "PermitRootLogin yes"
					       : "PermitRootLogin prohibit-password");
		assert_option(sshd, c->unasked ? "PasswordAuthentication yes"
					       : "PasswordAuthentication no");
		assert_option(sshd,
			      c->unasked ? "PermitEmptyPasswords yes" : "PermitEmptyPasswords no");
		assert_string_equal(environment, c->unasked
							 ? "HOST_KEYS=\"/mnt/state/tugboot/ssh\"\n"
							   "SSHD_NAME=/usr/sbin/tugboot-sshd\n"
							 : "HOST_KEYS=\"/mnt/state/tugboot/ssh\"\n"
							   "SSHD_NAME=/usr/sbin/sshd\n");
		assert_non_null(host);
		assert_string_equal(host->link, "/mnt/state/tugboot/ssh");
		if (c->keys)
			assert_string_equal(text(plan, FACET_SSH, AUTHORIZED, 0600), KEY "\n");
		else
			assert_null(file(plan, AUTHORIZED));
		/* The service that lets everybody in exists in one of the cases alone. */
		if (c->unasked)
			assert_non_null(strstr(text(plan, FACET_SSH, PAM, 0644), "pam_permit.so"));
		else
			assert_null(file(plan, PAM));
		assert_actions(plan, FACET_SSH, "");
	}
}

static void without_sshd_nothing_is_planned_for_it(void **state)
{
	struct facts facts = device;

	(void)state;
	facts.sshd = false;
	for (size_t i = 0; i < ARRAY_SIZE(ssh_cases); i++) {
		_plan_ struct plan *plan = planned_on(ssh_cases[i].json, &facts);

		assert_int_equal(files_of(plan, FACET_SSH), 0);
	}
}

/* --- Development mode ------------------------------------------------------------------------- */

static void development_mode_opens_consoles_and_the_engine_and_nothing_else_does(void **state)
{
	static const char *const closed[] = {"{}", "{\"developmentMode\":false}"};
	_plan_ struct plan *plan = planned("{\"developmentMode\":true}");

	(void)state;
	assert_string_equal(text(plan, FACET_CONSOLE, "/run/tugboot/console", 0644),
			    "LOGIN=root\n");
	assert_actions(plan, FACET_CONSOLE, "restart system-serial\\x2dgetty.slice;");
	assert_string_equal(text(plan, FACET_ENGINE, "/run/tugboot/engine", 0644),
			    "ENGINE=\"/run/docker.sock\"\n");
	assert_actions(plan, FACET_ENGINE,
		       "stop tugboot-engine.service;start tugboot-engine.socket;");
	for (size_t i = 0; i < ARRAY_SIZE(closed); i++) {
		_plan_ struct plan *off = planned(closed[i]);

		assert_int_equal(files_of(off, FACET_CONSOLE), 0);
		assert_int_equal(files_of(off, FACET_ENGINE), 0);
		assert_actions(off, FACET_CONSOLE, "restart system-serial\\x2dgetty.slice;");
		assert_actions(off, FACET_ENGINE,
			       "stop tugboot-engine.socket;stop tugboot-engine.service;");
	}
}

static void without_an_engine_nothing_listens_for_it(void **state)
{
	struct facts facts = device;

	(void)state;
	facts.engine_socket[0] = '\0';
	_plan_ struct plan *plan = planned_on("{\"developmentMode\":true}", &facts);

	assert_int_equal(files_of(plan, FACET_ENGINE), 0);
	assert_actions(plan, FACET_ENGINE,
		       "stop tugboot-engine.socket;stop tugboot-engine.service;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_journal_is_in_memory_unless_it_is_to_last),
		cmocka_unit_test(a_journal_that_lasts_is_on_the_data_partition),
		cmocka_unit_test(a_directory_is_no_specifier_of_a_unit),
		cmocka_unit_test(the_certificate_is_there_with_the_key_alone),
		cmocka_unit_test(each_rule_has_its_file),
		cmocka_unit_test(a_rule_leads_to_no_other_directory),
		cmocka_unit_test(who_gets_in_is_in_sshds_own_files),
		cmocka_unit_test(without_sshd_nothing_is_planned_for_it),
		cmocka_unit_test(
			development_mode_opens_consoles_and_the_engine_and_nothing_else_does),
		cmocka_unit_test(without_an_engine_nothing_listens_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
