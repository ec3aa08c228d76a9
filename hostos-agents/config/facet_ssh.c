/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * os.sshKeys and developmentMode: who gets in on port 22222. systemd listens and starts an sshd for
 * each connection (tugboot-sshd.socket), which reads the files made here: a change holds from the
 * next connection on, and there is nothing to restart. Without these files sshd does not start, and
 * nobody gets in.
 *
 *                        no keys                  keys
 *   production           nobody                   root, with one of them
 *   development mode     root, unasked            root, with one of them
 *
 * Unasked: sshd asks PAM about an empty password, and PAM's service of the name below permits. Only
 * then is there such a service at all, and only then does sshd bear that name, by which PAM
 * knows it; else it is `sshd`, the system's own.
 */
#include <errno.h>
#include <stdio.h>

#include "fd.h"
#include "paths.h"
#include "plan.h"

#define DIR RUN_DIR "/ssh"
#define KEYS DIR "/authorized_keys"
#define OPEN_NAME "tugboot-sshd"

/* sshd_config(5): of a key said twice, the first counts. */
static const char common[] = "# Made of config.json by tugboot-agent, see tugboot-config(5).\n"
			     "HostKey " DIR "/host/ssh_host_ed25519_key\n"
			     "AllowUsers root\n"
			     "HostbasedAuthentication no\n"
			     "GSSAPIAuthentication no\n"
			     "KbdInteractiveAuthentication no\n"
			     "UsePAM yes\n"
			     "PidFile none\n"
			     "PrintMotd no\n"
			     "Subsystem sftp internal-sftp\n";

static const char keys_only[] = "PermitRootLogin prohibit-password\n"
				"PasswordAuthentication no\n"
				"PermitEmptyPasswords no\n";

static const char unasked_in[] = "PermitRootLogin yes\n"
				 "PasswordAuthentication yes\n"
				 "PermitEmptyPasswords yes\n"
				 "PubkeyAuthentication no\n";

static const char pam[] =
	"# Made by tugboot-agent as long as development mode is on and config.json has no SSH keys.\n"
	"auth     required pam_permit.so\n"
	"account  required pam_permit.so\n"
	"password required pam_deny.so\n"
	"session  required pam_permit.so\n"
	"-session optional pam_systemd.so\n";

static int plan_keys(const struct config_list *keys, struct plan *plan)
{
	_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < keys->items; i++)
		(void)fprintf(out, "%s\n", keys->item[i]);
	if (fclose(out) != 0)
		return -ENOMEM;
	return plan_add_file(plan, FACET_SSH, 0600, KEYS, text, size);
}

/* The host's key outlives a root, and is made when it is first needed (tugboot-sshd-keys.service). */
static int plan_host_key(const struct facts *facts, bool unasked, struct plan *plan)
{
	_free_ char *directory = NULL;
	int r;

	if (asprintf(&directory, "%s/ssh", facts->state_dir) < 0) {
		directory = NULL;
		return -ENOMEM;
	}
	r = plan_add_text(plan, FACET_SSH, 0644, DIR "/environment",
			  "HOST_KEYS=\"%s\"\nSSHD_NAME=/usr/sbin/%s\n", directory,
			  unasked ? OPEN_NAME : "sshd");
	return r < 0 ? r : plan_add_link(plan, FACET_SSH, DIR "/host", directory);
}

int facet_ssh(const struct config *config, const struct facts *facts, struct plan *plan)
{
	bool keys = config->ssh_keys.items > 0;
	bool unasked = config->development_mode && !keys;
	int r;

	if (!facts->sshd)
		return 0;
	r = plan_host_key(facts, unasked, plan);
	if (r == 0 && keys)
		r = plan_keys(&config->ssh_keys, plan);
	if (r == 0 && unasked)
		r = plan_add_file(plan, FACET_SSH, 0644, "/etc/pam.d/" OPEN_NAME, pam,
				  sizeof(pam) - 1);
	return r < 0 ? r
		     : plan_add_text(plan, FACET_SSH, 0600, DIR "/sshd_config",
				     "%sAuthorizedKeysFile %s\n%s", common, keys ? KEYS : "none",
				     unasked ? unasked_in : keys_only);
}
