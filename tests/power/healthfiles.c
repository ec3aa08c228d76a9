/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the health agent keeps on the state partition, which is mounted on ROOT:
 *
 *   op health leave SLOT      breadcrumbs: an update is not decided yet
 *   op health clear           they go
 *   op health tell WAY N      a *-triggered file (WAY: health, altboot)
 *   op health forget          both of these go
 *   op health note N HEALTH   boot number N in the story of boots
 *   op health record N        the network, with N connections that are up
 *
 * There is no provider in this guest: what is up is ours to say.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "boots.h"
#include "breadcrumb.h"
#include "fd.h"
#include "netrecord.h"
#include "power.h"
#include "statefile.h"

#define STATE_DIR ROOT "/tugboot"
#define UP_MAX 40u
#define WHY_SIZE 230

static unsigned up; /* connections */

static void name_connection(unsigned i, char *buf, size_t size)
{
	(void)snprintf(buf, size, "Connection number %u of %u", i, up);
}

int provider_active_list(struct bus *bus, struct provider_list *ret_list)
{
	struct provider_list list = {calloc(UP_MAX, sizeof(*list.item)), 0};

	(void)bus;
	for (; list.item && list.items < up; list.items++) {
		char name[64];

		name_connection((unsigned)list.items, name, sizeof(name));
		list.item[list.items].name = strdup(name);
		list.item[list.items].vpn = list.items % 3 == 0;
		if (!list.item[list.items].name)
			break;
	}
	if (!list.item || list.items < up) {
		provider_list_done(&list);
		return -ENOMEM;
	}
	*ret_list = list;
	return 0;
}

void provider_list_done(struct provider_list *list)
{
	for (size_t i = 0; i < list->items; i++)
		free(list->item[i].name);
	free(list->item);
	*list = PROVIDER_LIST_NONE;
}

bool provider_list_has(const struct provider_list *list, const char *name)
{
	for (size_t i = 0; i < list->items; i++)
		if (streq(list->item[i].name, name))
			return true;
	return false;
}

static void facts_of_guest(struct facts *ret_facts)
{
	*ret_facts = (struct facts){.state_dir = STATE_DIR, .state_root = ROOT};
}

/* --- Operations ------------------------------------------------------------------------------- */

static void make_why(unsigned n, char *buf)
{
	memset(buf, (int)('0' + n % 10), WHY_SIZE);
	buf[WHY_SIZE] = '\0';
}

static void make_entry(unsigned n, enum boots_health health, struct boots_entry *ret_entry)
{
	*ret_entry = (struct boots_entry){
		.running = {.by_tugboot = true,
			    .slot = 'B',
			    .reason = SLOT_REASON_TRIAL,
			    .used = 1,
			    .allowed = 2,
			    .last = SLOT_LAST_CLEAN},
		.when = 1795000000 + n,
		.health = health,
	};
	(void)snprintf(ret_entry->id, sizeof(ret_entry->id), "%08u-0000-4000-8000-000000000000", n);
	make_why(n, ret_entry->why);
}

/* "1:running 2:failed"; an entry that is not as one of ours is "mixed". */
static void name_boots(const struct boots *boots, char *buf, size_t size)
{
	buf[0] = '\0';
	for (size_t i = 0; i < boots->n; i++) {
		const struct boots_entry *entry = &boots->entry[i];
		unsigned n = (unsigned)strtoul(entry->id, NULL, 10);
		struct boots_entry ours;

		make_entry(n, entry->health, &ours);
		if (streq(entry->why, ours.why) && entry->when == ours.when)
			add_text(buf, size, "%u:%s ", n, boots_health_name(entry->health));
		else
			add_text(buf, size, "mixed ");
	}
}

static int note(unsigned number, unsigned n, const char *word)
{
	static struct boots boots; /* of the operations so far */
	enum boots_health health = BOOTS_NONE;
	struct boots_entry entry;
	char text[256];

	while (health < BOOTS_LEFT && !streq(word, boots_health_name(health)))
		health++;
	make_entry(n, health, &entry);
	boots_put(&boots, &entry);
	name_boots(&boots, text, sizeof(text));
	say("EDIT %u boots=%s", number, text);
	return boots_note(STATE_DIR, &entry);
}

static int record(unsigned n)
{
	struct facts facts;

	facts_of_guest(&facts);
	up = n;
	return netrecord_save(&facts, NULL);
}

static void tell_crumbs(unsigned number, const char *slot)
{
	say("EDIT %u crumb=%s", number, slot);
	say("EDIT %u health-breadcrumb=%s", number, slot);
	say("EDIT %u altboot-breadcrumb=%s", number, slot);
}

static int tell(unsigned number, const char *word, unsigned n)
{
	char why[WHY_SIZE + 1];

	say("EDIT %u %s-triggered=%u", number, word, n);
	make_why(n, why);
	return breadcrumb_tell(ROOT, streq(word, "health") ? HEALTH_BY_HEALTH : HEALTH_BY_ALTBOOT,
			       why);
}

static int health_op(int dir_fd, unsigned number, char **words, size_t n)
{
	(void)dir_fd;
	if (streq(words[0], "leave") && n == 2) {
		tell_crumbs(number, words[1]);
		return breadcrumb_leave(ROOT, words[1][0]);
	}
	if (streq(words[0], "clear")) {
		tell_crumbs(number, "-");
		return breadcrumb_clear(ROOT);
	}
	if (streq(words[0], "forget")) {
		say("EDIT %u health-triggered=-", number);
		say("EDIT %u altboot-triggered=-", number);
		return breadcrumb_forget(ROOT);
	}
	if (streq(words[0], "tell") && n == 3)
		return tell(number, words[1], (unsigned)atoi(words[2]));
	if (streq(words[0], "note") && n == 3)
		return note(number, (unsigned)atoi(words[1]), words[2]);
	if (streq(words[0], "record") && n == 2) {
		say("EDIT %u network=%s", number, words[1]);
		return record((unsigned)atoi(words[1]));
	}
	return -EINVAL;
}

/* --- States ----------------------------------------------------------------------------------- */

/* A breadcrumb's slot, or the number that a *-triggered file is full of. */
static void add_file(char *buf, size_t size, const char *name)
{
	_free_ char *text = NULL;
	char file[64], why[WHY_SIZE + 2];
	size_t len;
	int r;

	(void)snprintf(file, sizeof(file), "rollback-%s", name);
	r = statefile_read(ROOT, file, 4096, &text, &len);
	if (r < 0) {
		add_text(buf, size, "%s=%s\n", name, r == -ENOENT ? "-" : "unreadable");
		return;
	}
	make_why((unsigned)(text[0] - '0') % 10, why);
	strcat(why, "\n");
	if ((len == 2 && text[1] == '\n') || streq(text, why))
		add_text(buf, size, "%s=%c\n", name, text[0]);
	else
		add_text(buf, size, "%s=mixed\n", name);
}

static void add_network(char *buf, size_t size)
{
	struct provider_list list = PROVIDER_LIST_NONE;
	struct facts facts;
	bool good = true;
	int r;

	facts_of_guest(&facts);
	r = netrecord_load(&facts, &list);
	if (r < 0) {
		add_text(buf, size, "network=%s\n", r == -ENOENT ? "-" : "unreadable");
		return;
	}
	up = (unsigned)list.items;
	for (unsigned i = 0; i < list.items; i++) {
		char name[64];

		name_connection(i, name, sizeof(name));
		good = good && streq(list.item[i].name, name) && list.item[i].vpn == (i % 3 == 0);
	}
	if (good)
		add_text(buf, size, "network=%u\n", up);
	else
		add_text(buf, size, "network=mixed\n");
	provider_list_done(&list);
}

static void health_read(int dir_fd, char *buf, size_t size)
{
	struct breadcrumb crumb = breadcrumb_read(ROOT);
	static struct boots boots;
	char text[256] = "unreadable";

	(void)dir_fd;
	if (boots_read(STATE_DIR, &boots) == 0)
		name_boots(&boots, text, sizeof(text));
	add_text(buf, size, "crumb=%c\n", !crumb.present ? '-' : crumb.slot ? crumb.slot : '?');
	add_file(buf, size, "health-breadcrumb");
	add_file(buf, size, "altboot-breadcrumb");
	add_file(buf, size, "health-triggered");
	add_file(buf, size, "altboot-triggered");
	add_text(buf, size, "boots=%s\n", text);
	add_network(buf, size);
}

/* A trial of B is decided, an update of A is planned and is called off. */
static int health_go_on(int dir_fd)
{
	static const char *const root[] = {"lost+found", "tugboot"};
	static const char *const state[] = {BOOTS_FILE, NETRECORD_FILE};
	char text[1024] = "";
	struct boots_entry entry;
	int r;

	make_entry(99, BOOTS_FAILED, &entry);
	r = breadcrumb_leave(ROOT, 'B');
	if (r == 0)
		r = boots_note(STATE_DIR, &entry);
	if (r == 0)
		r = breadcrumb_tell(ROOT, HEALTH_BY_ALTBOOT, "because");
	if (r == 0)
		r = breadcrumb_clear(ROOT);
	if (r == 0)
		r = record(7);
	if (r == 0)
		r = breadcrumb_forget(ROOT);
	if (r == 0)
		r = breadcrumb_leave(ROOT, 'A');
	if (r < 0)
		return r;
	health_read(dir_fd, text, sizeof(text));
	if (!startswith(text, "crumb=A\nhealth-breadcrumb=A\naltboot-breadcrumb=A\n"
			      "health-triggered=-\naltboot-triggered=-\nboots=") ||
	    !endswith(text, "99:failed \nnetwork=7\n"))
		return -EBADMSG;
	r = breadcrumb_clear(ROOT);
	if (r == 0)
		r = names_are(ROOT, root, ARRAY_SIZE(root));
	return r < 0 ? r : names_are(STATE_DIR, state, ARRAY_SIZE(state));
}

const struct keeper keep_health = {"health", health_op, health_read, health_go_on};
