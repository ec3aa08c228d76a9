/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Thirteen defects of the shell scripts that Tugboot replaces, each a test: a check finds it in a
 * model of what the scripts do, and the same check does not find it in ours. A check plays with a
 * device: a boot partition (a directory with real files), two roots that are healthy, broken or
 * refused, and a power supply that fails at every step in turn (outage.h).
 *
 * The models stand for what was read in the scripts and measured: a text file that is read with
 * grep, changed as a whole, by steps that a cut may part. Each has one defect. Beside it stands the
 * same model with that defect mended, in which the check finds nothing: so it has found that one.
 * Ours is the real store (lib/sys/envstore.h) and the real policy (lib/base/slot.h), called as
 * bootloader/main.c and hostos-agents/ call them, on hardware that tells nothing of the last reset.
 */
#include <sys/file.h>

#include "cmdline.h"
#include "envstore.h"
#include "fd.h"
#include "file.h"
#include "grubenv.h"
#include "outage.h"
#include "slot.h"
#include "ubootenv.h"

enum health { HEALTHY, BROKEN, REFUSED };

/* A way to do what there is to do. */
struct behaviour {
	void (*boot)(void);	 /* up to the start of a root: device->started */
	void (*came_up)(void);	 /* what a healthy root does when it is up */
	void (*shut_down)(void); /* in good order */
	void (*try_b)(void);	 /* an update is in B: try it */
	void (*good)(void);	 /* the running root is well */
	void (*unwell)(void);	 /* the running root finds that it is not */
	void (*set_a)(void);	 /* variable `a` := 1 */
	void (*set_b)(void);	 /* variable `b` := 1 */
	bool (*get)(const char *name, char buf[static 64]); /* as a reader sees it */
	void (*root_options)(char *buf,
			     size_t size); /* command line of a root that asks for none */
};

/* ---- the device ---- */

static char dir_path[] = "/tmp/test_defects.XXXXXX";

static void clear(void)
{
	static const char *const names[] = {"bootenv",	     "grubenv",	       "tugboot.env",
					    "bootenv.new",   "breadcrumb",     "resinOS_uEnv.txt",
					    "bootcount.env", "extra_uEnv.txt", "uboot.env",
					    "failed"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)unlinkat(dir, names[i], 0);
	*device = (struct device){0};
}

static void write_file(const char *name, const char *data, size_t size)
{
	_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
}

static bool exists(const char *name)
{
	return faccessat(dir, name, F_OK, 0) == 0;
}

/* A GRUB block of these variables. */
static void given(const char *root, const char *trial, const char *count, enum health a,
		  enum health b)
{
	char block[GRUBENV_SIZE];

	clear();
	grubenv_init(block);
	assert_int_equal(grubenv_set(block, ENV_ROOT, root), 0);
	assert_int_equal(grubenv_set(block, ENV_TRIAL, trial), 0);
	assert_int_equal(grubenv_set(block, ENV_COUNT, count), 0);
	write_file("bootenv", block, sizeof(block));
	write_file("breadcrumb", "", 0);
	device->health[0] = (char)a;
	device->health[1] = (char)b;
}

static bool started_healthy(void)
{
	return device->started && device->health[slot_index(device->started)] == HEALTHY;
}

/* The power stays on: does a healthy root come up? */
static bool reaches_healthy(const struct behaviour *b, unsigned boots)
{
	while (boots-- > 0 && !device->sleeps) {
		(void)run(b->boot, NO_OUTAGE);
		if (started_healthy())
			return true;
	}
	return false;
}

static bool has_value(const struct behaviour *b, const char *name, const char *value)
{
	char buf[64];

	return b->get(name, buf) && streq(buf, value);
}

/* ---- ours ---- */

static bool ours_get(const char *name, char buf[static 64])
{
	struct envstore store;
	int r = envstore_open(dir, &store);

	if (r == 0)
		r = envstore_get(&store, name, buf, 64);
	envstore_done(&store);
	return r >= 0;
}

static struct slot_found found_slots(void)
{
	struct slot_found found = {0};

	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		found.slot[i].present = true;
		found.slot[i].index = 2 + i;
	}
	return found;
}

static int ours_record(struct envstore *store, const struct slot_decision *d)
{
	if (d->edits.n > 0)
		return envstore_apply(store, &d->edits);
	(void)envstore_settle(store); /* the copy goes on to count without it */
	return 0;
}

static void ours_boot(void)
{
	struct slot_found found = found_slots();
	struct slot_decision d;
	struct envstore store;
	struct boot_env env;

	device->started = 0;
	found.read_only = envstore_open(dir, &store) < 0;
	envstore_decode(&store, &env);
	for (;;) {
		d = slot_decide(&env, &found);
		if (d.slot && device->health[slot_index(d.slot)] == REFUSED)
			found.slot[slot_index(d.slot)].refused = true;
		else if (!found.read_only && ours_record(&store, &d) < 0)
			found.read_only = true;
		else
			break;
	}
	/* Nothing to start (0): boot_role() of the bootloader reboots after a wait. */
	device->started = d.slot;
	envstore_done(&store);
}

/* One decision of a running system, made under the lock. */
static void ours_decide(struct env_edits (*decide)(const struct boot_env *env,
						   const struct slot_found *found, char slot),
			char slot)
{
	const struct slot_found found = found_slots();
	struct env_edits edits;
	struct envstore store;
	struct boot_env env;

	(void)envstore_open(dir, &store);
	(void)envstore_lock(&store);
	envstore_decode(&store, &env);
	edits = decide(&env, &found, slot);
	(void)envstore_apply(&store, &edits);
	envstore_done(&store);
}

static void ours_good(void)
{
	ours_decide(slot_edits_good, device->started);
}

static void ours_came_up(void)
{
	char trial[64];

	if (ours_get(ENV_TRIAL, trial) && streq(trial, "1"))
		ours_good();
}

static void ours_unwell(void)
{
	ours_decide(slot_edits_bad, device->started);
}

static void ours_try_b(void)
{
	ours_decide(slot_edits_try, 'B');
}

static struct env_edits edits_ended(const struct boot_env *env, const struct slot_found *found,
				    char slot)
{
	(void)found;
	(void)slot;
	return slot_is_counted(env) ? slot_edits_ended() : (struct env_edits){0};
}

static void ours_shut_down(void)
{
	ours_decide(edits_ended, 0);
}

static void ours_set(const char *name)
{
	const struct env_change change = {name, "1"};
	struct envstore store;

	(void)envstore_open(dir, &store);
	(void)envstore_change(&store, &change, 1);
	envstore_done(&store);
}

static void ours_set_a(void)
{
	ours_set("a");
}

static void ours_set_b(void)
{
	ours_set("b");
}

static void ours_root_options(char *buf, size_t size)
{
	const struct cmdline_parts parts = {
		.slot_options = "quiet",
		.extra_options = "",
		.inherited = "console=ttyS0",
		.root = "UUID=1-2",
		.slot = "A",
		.reason = "normal",
		.cause = "",
		.last = "",
	};

	assert_true(cmdline_compose(&parts, buf, size) > 0);
}

static const struct behaviour ours = {
	.boot = ours_boot,
	.came_up = ours_came_up,
	.shut_down = ours_shut_down,
	.try_b = ours_try_b,
	.good = ours_good,
	.unwell = ours_unwell,
	.set_a = ours_set_a,
	.set_b = ours_set_b,
	.get = ours_get,
	.root_options = ours_root_options,
};

/* ---- the scripts: what all of them share ---- */

#define OLD_TRIES 3 /* a count of 3 starts the other root: two tries */

static size_t old_read(const char *name, char block[static GRUBENV_SIZE + 16])
{
	_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, block, GRUBENV_SIZE + 15);

	block[MAX(n, 0)] = '\0';
	return (size_t)MAX(n, 0);
}

/* grep -E "^name=" bootenv | cut -d= -f2 */
static bool old_get(const char *name, char buf[static 64])
{
	char block[GRUBENV_SIZE + 16];

	return grubenv_get(block, old_read("bootenv", block), name, buf, 64) >= 0;
}

static int old_number(const char *name)
{
	char buf[64];

	return old_get(name, buf) ? atoi(buf) : 0;
}

static char old_root(void)
{
	char buf[64];

	return old_get(ENV_ROOT, buf) && streq(buf, "B") ? 'B' : 'A';
}

/* grub-editenv, but for what defect 4 is about: it changes the block in place, in one write. */
static bool old_set(const char *name, const char *value)
{
	_close_ int fd = openat(dir, "bootenv", O_WRONLY | O_CLOEXEC);
	char block[GRUBENV_SIZE + 16];

	if (grubenv_check(block, old_read("bootenv", block)) < 0 ||
	    grubenv_set(block, name, value) < 0)
		return false;
	return fd >= 0 && pwrite(fd, block, GRUBENV_SIZE, 0) == GRUBENV_SIZE;
}

static bool old_set_root(char slot)
{
	return old_set(ENV_ROOT, (char[]){slot, '\0'});
}

/* All that belongs together, in one write; what is NULL stays. */
static bool old_set_all(char slot, const char *trial, const char *count)
{
	_close_ int fd = openat(dir, "bootenv", O_WRONLY | O_CLOEXEC);
	char block[GRUBENV_SIZE + 16];

	if (grubenv_check(block, old_read("bootenv", block)) < 0 ||
	    grubenv_set(block, ENV_ROOT, (char[]){slot, '\0'}) < 0 ||
	    grubenv_set(block, ENV_TRIAL, trial) < 0 ||
	    (count && grubenv_set(block, ENV_COUNT, count) < 0))
		return false;
	return fd >= 0 && pwrite(fd, block, GRUBENV_SIZE, 0) == GRUBENV_SIZE;
}

/* The loader: counts while an update is available, and starts the other root when it is too much.
 * */
static void old_boot_counting(bool gated)
{
	int count = old_number(ENV_COUNT);
	bool trial = old_number(ENV_TRIAL) == 1;
	char text[12];

	device->started = 0;
	if (trial) {
		(void)snprintf(text, sizeof(text), "%d", ++count);
		(void)old_set(ENV_COUNT, text);
	}
	device->started = old_root();
	if (count >= OLD_TRIES && (trial || !gated))
		device->started = slot_other(device->started);
}

static void old_boot(void)
{
	old_boot_counting(true);
}

/* A root that was started in place of the one on trial. */
static bool old_is_rolling_back(void)
{
	return old_number(ENV_TRIAL) == 1 && old_root() != device->started;
}

/* ---- 1 ---- */

static void old_boot_not_gated(void)
{
	old_boot_counting(false);
}

static void old_rollback_by_steps(void)
{
	if (!old_is_rolling_back())
		return;
	(void)old_set_all(device->started, "0", NULL);
	(void)old_set(ENV_COUNT, "0");
}

static const struct behaviour *rolling_back;

static void boot_and_come_up(void)
{
	rolling_back->boot();
	if (started_healthy())
		rolling_back->came_up();
}

/* The tries of a broken B are used up, and the power goes at each step of what follows. */
static bool a_cut_rollback_ends_in_the_broken_root(const struct behaviour *b)
{
	bool whole = false;

	rolling_back = b;
	for (int cut = 1; !whole; cut++) {
		given("B", "1", "2", HEALTHY, BROKEN);
		whole = run(boot_and_come_up, (struct outage){.cut_at = cut});
		if (!reaches_healthy(b, 10))
			return true;
	}
	return false;
}

static void defect_01_a_cut_rollback_boots_the_broken_root_forever(void **state)
{
	const struct behaviour old = {.boot = old_boot_not_gated, .came_up = old_rollback_by_steps},
			       mended = {.boot = old_boot, .came_up = old_rollback_by_steps};

	(void)state;
	assert_true(a_cut_rollback_ends_in_the_broken_root(&old));
	assert_false(a_cut_rollback_ends_in_the_broken_root(&mended));
	assert_false(a_cut_rollback_ends_in_the_broken_root(&ours));
}

/* ---- 2 ---- */

static void old_rollback_with_a_hook(void)
{
	if (!old_is_rolling_back())
		return;
	(void)old_set_root(device->started); /* the hook; nobody looks at how it ended */
	(void)old_set(ENV_TRIAL, "0");
	(void)old_set(ENV_COUNT, "0");
}

static void mended_rollback(void)
{
	if (old_is_rolling_back())
		(void)old_set_all(device->started, "0", "0"); /* else the next boot does */
}

/* The same, and each write in turn fails once. */
static bool a_failed_write_ends_in_the_broken_root(const struct behaviour *b)
{
	bool faulted = true;

	rolling_back = b;
	for (int failing = 1; faulted; failing++) {
		given("B", "1", "2", HEALTHY, BROKEN);
		(void)run(boot_and_come_up, (struct outage){.write_at = failing});
		faulted = device->faulted;
		if (!reaches_healthy(b, 10))
			return true;
	}
	return false;
}

static void defect_02_a_failed_hook_leaves_the_broken_root_uncounted(void **state)
{
	const struct behaviour old = {.boot = old_boot, .came_up = old_rollback_with_a_hook},
			       mended = {.boot = old_boot, .came_up = mended_rollback};

	(void)state;
	assert_true(a_failed_write_ends_in_the_broken_root(&old));
	assert_false(a_failed_write_ends_in_the_broken_root(&mended));
	assert_false(a_failed_write_ends_in_the_broken_root(&ours));
}

/* ---- 3 ---- */

static void old_good_after_breadcrumbs(void)
{
	(void)unlinkat(dir, "breadcrumb", 0);
	(void)old_set(ENV_TRIAL, "0");
	(void)old_set(ENV_COUNT, "0");
}

static void mended_good(void)
{
	(void)old_set(ENV_TRIAL, "0");
	(void)old_set(ENV_COUNT, "0");
	(void)unlinkat(dir, "breadcrumb", 0);
}

/* The service that watches over a new root runs where breadcrumbs say that there is one. */
static void old_came_up_by_breadcrumbs(void)
{
	if (exists("breadcrumb"))
		old_good_after_breadcrumbs();
}

/* B is healthy, and the power goes at each step of saying so; after that it stays on. */
static bool a_cut_verdict_rolls_a_healthy_root_back(const struct behaviour *b)
{
	bool whole = false;

	for (int cut = 1; !whole; cut++) {
		given("B", "1", "1", HEALTHY, HEALTHY);
		device->started = 'B';
		whole = run(b->good, (struct outage){.cut_at = cut});
		for (unsigned i = 0; i < 5; i++) {
			(void)run(b->boot, NO_OUTAGE);
			if (device->started != 'B')
				return true;
			(void)run(b->came_up, NO_OUTAGE);
		}
	}
	return false;
}

static void defect_03_a_cut_after_the_breadcrumbs_flips_a_healthy_root(void **state)
{
	const struct behaviour old = {.boot = old_boot,
				      .came_up = old_came_up_by_breadcrumbs,
				      .good = old_good_after_breadcrumbs},
			       mended = {.boot = old_boot,
					 .came_up = old_came_up_by_breadcrumbs,
					 .good = mended_good};

	(void)state;
	assert_true(a_cut_verdict_rolls_a_healthy_root_back(&old));
	assert_false(a_cut_verdict_rolls_a_healthy_root_back(&mended));
	assert_false(a_cut_verdict_rolls_a_healthy_root_back(&ours));
}

/* ---- 4 ---- */

/* grub-editenv as it is: the file is emptied, then written, then flushed. */
static bool old_editenv(const char *name, const char *value)
{
	char block[GRUBENV_SIZE + 16];
	int fd;
	bool written;

	if (grubenv_check(block, old_read("bootenv", block)) < 0 ||
	    grubenv_set(block, name, value) < 0)
		return false;
	step();
	fd = openat(dir, "bootenv", O_WRONLY | O_TRUNC | O_CLOEXEC);
	written = fd >= 0 && pwrite(fd, block, GRUBENV_SIZE, 0) == GRUBENV_SIZE;
	if (fd >= 0)
		(void)close(fd);
	return written;
}

static void old_editenv_a(void)
{
	(void)old_editenv("a", "1");
}

static void mended_set_a(void)
{
	(void)old_set("a", "1");
}

/* blkid | grep "resin-root$part": of no name, both. */
static bool old_get_by_label(const char *name, char buf[static 64])
{
	if (old_get(name, buf))
		return true;
	if (!streq(name, ENV_ROOT))
		return false;
	strcpy(buf, "A\nB");
	return true;
}

/* A variable is set, and the power goes at each step; then it is set again. */
static bool a_cut_write_loses_the_root_or_all_writes_after_it(const struct behaviour *b)
{
	bool whole = false;

	for (int cut = 1; !whole; cut++) {
		given("A", "0", "0", HEALTHY, HEALTHY);
		whole = run(b->set_a, (struct outage){.cut_at = cut});
		if (!has_value(b, ENV_ROOT, "A"))
			return true;
		(void)run(b->set_a, NO_OUTAGE);
		if (!has_value(b, "a", "1") || !has_value(b, ENV_ROOT, "A"))
			return true;
	}
	return false;
}

static void defect_04_a_cut_set_leaves_an_empty_file_that_cannot_be_repaired(void **state)
{
	const struct behaviour old = {.set_a = old_editenv_a, .get = old_get_by_label},
			       mended = {.set_a = mended_set_a, .get = old_get_by_label};

	(void)state;
	assert_true(a_cut_write_loses_the_root_or_all_writes_after_it(&old));
	assert_false(a_cut_write_loses_the_root_or_all_writes_after_it(&mended));
	assert_false(a_cut_write_loses_the_root_or_all_writes_after_it(&ours));
}

/* ---- 5 ---- */

static void old_try_b_by_steps(void)
{
	(void)old_set(ENV_ROOT, "B");
	(void)old_set(ENV_TRIAL, "1");
}

static void mended_try_b(void)
{
	(void)old_set_all('B', "1", "0");
}

/* An update is put on trial, and the power goes at each step. Then B may be started as the first
 * try of a trial, and in no other way. */
static bool a_cut_update_is_started_without_protection(const struct behaviour *b)
{
	bool whole = false;

	for (int cut = 1; !whole; cut++) {
		given("A", "0", "0", HEALTHY, BROKEN);
		whole = run(b->try_b, (struct outage){.cut_at = cut});
		(void)run(b->boot, NO_OUTAGE);
		if (device->started == 'B' &&
		    (!has_value(b, ENV_TRIAL, "1") || !has_value(b, ENV_COUNT, "1")))
			return true;
	}
	return false;
}

/* The same with a count that an earlier trial left. */
static bool an_update_inherits_the_tries_of_an_earlier_one(const struct behaviour *b)
{
	given("A", "0", "2", HEALTHY, HEALTHY);
	(void)run(b->try_b, NO_OUTAGE);
	(void)run(b->boot, NO_OUTAGE);
	return device->started != 'B' || !has_value(b, ENV_COUNT, "1");
}

static void defect_05_a_new_root_and_its_protection_are_two_writes(void **state)
{
	const struct behaviour old = {.boot = old_boot,
				      .try_b = old_try_b_by_steps,
				      .get = old_get},
			       mended = {.boot = old_boot, .try_b = mended_try_b, .get = old_get};

	(void)state;
	assert_true(a_cut_update_is_started_without_protection(&old));
	assert_false(a_cut_update_is_started_without_protection(&mended));
	assert_false(a_cut_update_is_started_without_protection(&ours));
	assert_true(an_update_inherits_the_tries_of_an_earlier_one(&old));
	assert_false(an_update_inherits_the_tries_of_an_earlier_one(&mended));
	assert_false(an_update_inherits_the_tries_of_an_earlier_one(&ours));
}

/* ---- 6 ---- */

static void old_shut_down_for_grubenv(void)
{
	if (exists("grubenv"))
		(void)old_set(ENV_COUNT, "0");
}

static void mended_shut_down(void)
{
	(void)old_set(ENV_COUNT, "0");
}

/* B is healthy, and its user reboots before it could say so. */
static bool clean_reboots_roll_a_healthy_root_back(const struct behaviour *b)
{
	given("B", "1", "0", HEALTHY, HEALTHY);
	for (unsigned i = 0; i < 5; i++) {
		(void)run(b->boot, NO_OUTAGE);
		if (device->started != 'B')
			return true;
		(void)run(b->shut_down, NO_OUTAGE);
	}
	return false;
}

static void defect_06_the_third_clean_reboot_flips_because_bootenv_is_not_cleared(void **state)
{
	const struct behaviour old = {.boot = old_boot, .shut_down = old_shut_down_for_grubenv},
			       mended = {.boot = old_boot, .shut_down = mended_shut_down};

	(void)state;
	assert_true(clean_reboots_roll_a_healthy_root_back(&old));
	assert_false(clean_reboots_roll_a_healthy_root_back(&mended));
	assert_false(clean_reboots_roll_a_healthy_root_back(&ours));
}

/* ---- 7 ---- */

/* sed "s/^bootcount=.*$/bootcount=0 /": one byte more than the line had, and the padding stays. */
static void old_good_with_a_blank(void)
{
	char block[GRUBENV_SIZE + 16], changed[GRUBENV_SIZE + 16];
	const char *line, *rest;
	int n;

	(void)old_read("bootenv", block);
	line = strstr(block, "\n" ENV_COUNT "=");
	rest = line ? strchr(line + 1, '\n') : NULL;
	if (!rest)
		return;
	n = snprintf(changed, sizeof(changed), "%.*s\n" ENV_COUNT "=0 %s", (int)(line - block),
		     block, rest);
	write_file("bootenv", changed, (size_t)MIN(n, (int)sizeof(changed) - 1));
}

/* After three updates: is it still a block that its own tools take? */
static bool the_block_grows_with_each_update(const struct behaviour *b)
{
	char block[GRUBENV_SIZE + 16];

	given("A", "0", "0", HEALTHY, HEALTHY);
	device->started = 'A';
	for (unsigned i = 0; i < 3; i++) {
		(void)run(b->try_b, NO_OUTAGE);
		(void)run(b->good, NO_OUTAGE);
	}
	return grubenv_check(block, old_read("bootenv", block)) != 0;
}

static void defect_07_a_blank_behind_the_count_makes_the_file_grow(void **state)
{
	const struct behaviour old = {.try_b = mended_try_b, .good = old_good_with_a_blank},
			       mended = {.try_b = mended_try_b, .good = mended_shut_down};

	(void)state;
	assert_true(the_block_grows_with_each_update(&old));
	assert_false(the_block_grows_with_each_update(&mended));
	assert_false(the_block_grows_with_each_update(&ours));
}

/* ---- 8 ---- */

/* cat bootenv | sed … | tee bootenv: nobody asks how cat ended, and nothing says whether tee
 * empties the file before or after cat has read it. */
static void old_pipeline(bool tee_is_first)
{
	char block[GRUBENV_SIZE + 16];
	size_t size = 0;

	if (!tee_is_first)
		size = old_read("bootenv", block);
	write_file("bootenv", "", 0);
	if (tee_is_first)
		size = old_read("bootenv", block);
	if (grubenv_check(block, size) == 0)
		(void)grubenv_set(block, "a", "1");
	write_file("bootenv", block, size);
}

static void old_pipeline_cat_first(void)
{
	old_pipeline(false);
}

static void old_pipeline_tee_first(void)
{
	old_pipeline(true);
}

/* A variable is set, and each read in turn fails. */
static bool a_failed_read_empties_the_file(const struct behaviour *b)
{
	bool faulted = true;

	for (int failing = 1; faulted; failing++) {
		given("A", "0", "0", HEALTHY, HEALTHY);
		(void)run(b->set_a, (struct outage){.read_at = failing});
		faulted = device->faulted;
		if (!has_value(b, ENV_ROOT, "A"))
			return true;
	}
	return false;
}

static void defect_08_a_pipeline_without_pipefail_empties_the_file(void **state)
{
	const struct behaviour cat_first = {.set_a = old_pipeline_cat_first, .get = old_get},
			       tee_first = {.set_a = old_pipeline_tee_first, .get = old_get},
			       mended = {.set_a = mended_set_a, .get = old_get};

	(void)state;
	assert_true(a_failed_read_empties_the_file(&cat_first));
	assert_true(a_failed_read_empties_the_file(&tee_first));
	assert_false(a_failed_read_empties_the_file(&mended));
	assert_false(a_failed_read_empties_the_file(&ours));
}

/* ---- 9 ---- */

/* The writer for FAT, where a rename over a file is not to be had: new file, remove, rename. It
 * puts right what it finds half done; readers look at the one name. */
static void old_set_by_rename(const char *name)
{
	char block[GRUBENV_SIZE + 16];
	int fd;

	if (!exists("bootenv") && exists("bootenv.new"))
		(void)renameat(dir, "bootenv.new", dir, "bootenv");
	if (grubenv_check(block, old_read("bootenv", block)) < 0 ||
	    grubenv_set(block, name, "1") < 0)
		return;
	fd = openat(dir, "bootenv.new", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	(void)pwrite(fd, block, GRUBENV_SIZE, 0);
	(void)close(fd);
	(void)unlinkat(dir, "bootenv", 0);
	(void)renameat(dir, "bootenv.new", dir, "bootenv");
}

static void old_set_a_by_rename(void)
{
	old_set_by_rename("a");
}

static void old_set_b_in_place(void)
{
	(void)old_set("b", "1");
}

static bool mended_get(const char *name, char buf[static 64])
{
	if (!exists("bootenv") && exists("bootenv.new"))
		(void)renameat(dir, "bootenv.new", dir, "bootenv");
	return old_get(name, buf);
}

static void mended_set_by_rename(const char *name)
{
	_close_ int lock = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (flock(lock, LOCK_EX) == 0)
		old_set_by_rename(name);
}

static void mended_set_a_by_rename(void)
{
	mended_set_by_rename("a");
}

static void mended_set_b_by_rename(void)
{
	mended_set_by_rename("b");
}

/* A variable is set, the power goes at each step, and the next one to come is a reader. */
static bool a_cut_write_hides_the_values_from_readers(const struct behaviour *b)
{
	bool whole = false;

	for (int cut = 1; !whole; cut++) {
		given("B", "0", "0", HEALTHY, HEALTHY);
		whole = run(b->set_a, (struct outage){.cut_at = cut});
		if (!has_value(b, ENV_ROOT, "B"))
			return true;
	}
	return false;
}

static bool one_of_two_writers_is_lost(const struct behaviour *b)
{
	given("A", "0", "0", HEALTHY, HEALTHY);
	run_both(b->set_a, b->set_b);
	return !has_value(b, "a", "1") || !has_value(b, "b", "1");
}

static void defect_09_readers_bypass_the_recovery_and_one_writer_alone_locks(void **state)
{
	const struct behaviour old = {.set_a = old_set_a_by_rename,
				      .set_b = old_set_b_in_place,
				      .get = old_get},
			       mended = {.set_a = mended_set_a_by_rename,
					 .set_b = mended_set_b_by_rename,
					 .get = mended_get};

	(void)state;
	assert_true(a_cut_write_hides_the_values_from_readers(&old));
	assert_false(a_cut_write_hides_the_values_from_readers(&mended));
	assert_false(a_cut_write_hides_the_values_from_readers(&ours));
	assert_true(one_of_two_writers_is_lost(&old));
	assert_false(one_of_two_writers_is_lost(&mended));
	assert_false(one_of_two_writers_is_lost(&ours));
}

/* ---- 10 ---- */

/* [ $(grep upgrade_available= bootenv | cut -d= -f2) = 1 ]: with two matches test(1) has too many
 * arguments, which is an error, which is not true. */
static void old_boot_with_grep(void)
{
	char block[GRUBENV_SIZE + 16];
	const char *match;
	unsigned matches = 0;

	(void)old_read("bootenv", block);
	for (match = block; (match = strstr(match, ENV_TRIAL "=")); match++)
		matches++;
	if (matches == 1)
		old_boot_counting(true);
	else
		device->started = old_root();
}

static void old_unwell(void)
{
	_close_ int fd = openat(dir, "failed", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	(void)unlinkat(dir, "failed", 0);
}

/* The match is of a whole name, and the flag stays until the root that comes back has seen it. */
static void mended_boot_with_flag(void)
{
	if (exists("failed"))
		device->started = slot_other(old_root());
	else
		old_boot();
}

static void mended_unwell(void)
{
	_close_ int fd = openat(dir, "failed", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
}

/* Another variable has the name in its own. */
static bool another_variable_hides_the_trial(const struct behaviour *b)
{
	char block[GRUBENV_SIZE + 16];

	given("B", "1", "0", HEALTHY, BROKEN);
	assert_int_equal(old_read("bootenv", block), GRUBENV_SIZE);
	assert_int_equal(grubenv_set(block, "last_" ENV_TRIAL, "0"), 0);
	write_file("bootenv", block, GRUBENV_SIZE);
	return !reaches_healthy(b, 10);
}

static bool a_root_that_is_unwell_is_started_again(const struct behaviour *b)
{
	given("B", "1", "1", HEALTHY, HEALTHY);
	device->started = 'B';
	(void)run(b->unwell, NO_OUTAGE);
	(void)run(b->boot, NO_OUTAGE);
	return device->started != 'A';
}

static void defect_10_two_matches_are_no_update_and_a_failure_is_not_remembered(void **state)
{
	const struct behaviour old = {.boot = old_boot_with_grep, .unwell = old_unwell},
			       mended = {.boot = mended_boot_with_flag, .unwell = mended_unwell};

	(void)state;
	assert_true(another_variable_hides_the_trial(&old));
	assert_false(another_variable_hides_the_trial(&mended));
	assert_false(another_variable_hides_the_trial(&ours));
	assert_true(a_root_that_is_unwell_is_started_again(&old));
	assert_false(a_root_that_is_unwell_is_started_again(&mended));
	assert_false(a_root_that_is_unwell_is_started_again(&ours));
}

/* ---- 11 ---- */

static void old_boot_with_fsck(void)
{
	(void)execve("/sbin/fsck.vfat", (char *[]){(char[]){"fsck.vfat"}, (char[]){"-w"}, NULL},
		     NULL);
	old_boot();
}

/* The partition is mounted, its environment torn, and what is done about that is done by way of the
 * filesystem: by no program that goes round it, in whatever process. */
static bool a_program_repairs_the_partition_while_it_is_mounted(const struct behaviour *b)
{
	given("B", "1", "0", HEALTHY, HEALTHY);
	write_file("bootenv", "# GRUB Environment Block\nresin_root_part=B\nupgr", 47);
	(void)run(b->boot, NO_OUTAGE);
	return device->bypasses > 0;
}

static void defect_11_fsck_writes_to_a_partition_that_is_mounted(void **state)
{
	const struct behaviour old = {.boot = old_boot_with_fsck}, mended = {.boot = old_boot};

	(void)state;
	assert_true(a_program_repairs_the_partition_while_it_is_mounted(&old));
	assert_false(a_program_repairs_the_partition_while_it_is_mounted(&mended));
	assert_false(a_program_repairs_the_partition_while_it_is_mounted(&ours));
}

/* ---- 12 ---- */

enum loader { GRUB, UBOOT_TEXT, UBOOT, LOADERS };

/* GRUB's configuration, the initramfs in its place, U-Boot's script. */
static void old_boot_with_limit(int tries)
{
	int count = old_number(ENV_COUNT) + 1;
	char text[12];

	(void)snprintf(text, sizeof(text), "%d", count);
	(void)old_set(ENV_COUNT, text);
	device->started = count > tries ? 'A' : 'B';
}

static void old_boot_of_the_loader(void)
{
	static const int tries[LOADERS] = {[GRUB] = 1, [UBOOT_TEXT] = 2, [UBOOT] = 3};

	old_boot_with_limit(tries[device->loader]);
}

static void mended_boot_of_the_loader(void)
{
	old_boot_with_limit(ENV_LIMIT_DEFAULT);
}

static void given_trial_for(enum loader loader)
{
	static const char text[] = "resin_root_part=3\nupgrade_available=1\n",
			  count[] = "bootcount=0\n";
	char image[0x2000];

	given("B", "1", "0", HEALTHY, BROKEN);
	device->loader = loader;
	if (loader == UBOOT_TEXT) {
		write_file("resinOS_uEnv.txt", text, strlen(text));
		write_file("bootcount.env", count, sizeof(count)); /* with its NUL */
	} else if (loader == UBOOT) {
		ubootenv_init(image, sizeof(image), UBOOTENV_SINGLE);
		assert_int_equal(ubootenv_set(image, sizeof(image), UBOOTENV_SINGLE, ENV_ROOT, "3"),
				 0);
		assert_int_equal(
			ubootenv_set(image, sizeof(image), UBOOTENV_SINGLE, ENV_TRIAL, "1"), 0);
		ubootenv_seal(image, sizeof(image), UBOOTENV_SINGLE, 0);
		write_file("uboot.env", image, sizeof(image));
	}
}

static bool tries_differ_by_loader(const struct behaviour *b, bool reads_bootenv_always)
{
	unsigned starts[LOADERS] = {0};

	for (enum loader l = 0; l < LOADERS; l++) {
		given_trial_for(l);
		if (l != GRUB && !reads_bootenv_always)
			(void)unlinkat(dir, "bootenv", 0);
		for (; starts[l] < 10; starts[l]++) {
			(void)run(b->boot, NO_OUTAGE);
			if (device->started != 'B')
				break;
		}
	}
	return starts[GRUB] != starts[UBOOT_TEXT] || starts[GRUB] != starts[UBOOT] ||
	       starts[GRUB] != ENV_LIMIT_DEFAULT;
}

static void defect_12_the_limit_of_tries_differs_by_loader(void **state)
{
	const struct behaviour old = {.boot = old_boot_of_the_loader},
			       mended = {.boot = mended_boot_of_the_loader};

	(void)state;
	assert_true(tries_differ_by_loader(&old, true));
	assert_false(tries_differ_by_loader(&mended, true));
	assert_false(tries_differ_by_loader(&ours, false));
}

/* ---- 13 ---- */

/* fatal(): while true; do sleep 1; done */
static void old_boot_with_fatal(void)
{
	device->started = old_root();
	if (device->health[slot_index(device->started)] != REFUSED)
		return;
	device->started = 0;
	device->sleeps = true;
}

static void mended_boot(void)
{
	old_boot_with_fatal();
	device->sleeps = false; /* it reboots */
}

static void mended_root_options(char *buf, size_t size)
{
	(void)snprintf(buf, size, "quiet console=ttyS0 root=UUID=1-2 panic=10");
}

static void old_root_options(char *buf, size_t size)
{
	(void)snprintf(buf, size, "quiet console=ttyS0 root=UUID=1-2");
}

/* Nothing can be started, twice; then the disk can be read again. */
static bool a_boot_that_finds_nothing_is_the_last_one(const struct behaviour *b)
{
	given("A", "0", "0", REFUSED, REFUSED);
	if (reaches_healthy(b, 2))
		return true;
	device->health[0] = device->health[1] = HEALTHY;
	return !reaches_healthy(b, 1);
}

/* A root that panics and says nothing of what then: does the kernel reboot? */
static bool a_panic_is_the_end(const struct behaviour *b)
{
	char line[1024];

	b->root_options(line, sizeof(line));
	return cmdline_get_number(line, "panic", 0, 3600) == 0;
}

static void defect_13_a_fatal_error_sleeps_forever_and_so_does_a_panic(void **state)
{
	const struct behaviour old = {.boot = old_boot_with_fatal,
				      .root_options = old_root_options},
			       mended = {.boot = mended_boot, .root_options = mended_root_options};

	(void)state;
	assert_true(a_boot_that_finds_nothing_is_the_last_one(&old));
	assert_false(a_boot_that_finds_nothing_is_the_last_one(&mended));
	assert_false(a_boot_that_finds_nothing_is_the_last_one(&ours));
	assert_true(a_panic_is_the_end(&old));
	assert_false(a_panic_is_the_end(&mended));
	assert_false(a_panic_is_the_end(&ours));
}

static int make_device(void **state)
{
	(void)state;
	device = mmap(NULL, sizeof(*device), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (device == MAP_FAILED || !mkdtemp(dir_path))
		return -1;
	dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

static int remove_device(void **state)
{
	(void)state;
	print_message("defects: %u operations were cut\n", cuts);
	clear();
	(void)close(dir);
	(void)munmap(device, sizeof(*device));
	return rmdir(dir_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defect_01_a_cut_rollback_boots_the_broken_root_forever),
		cmocka_unit_test(defect_02_a_failed_hook_leaves_the_broken_root_uncounted),
		cmocka_unit_test(defect_03_a_cut_after_the_breadcrumbs_flips_a_healthy_root),
		cmocka_unit_test(defect_04_a_cut_set_leaves_an_empty_file_that_cannot_be_repaired),
		cmocka_unit_test(defect_05_a_new_root_and_its_protection_are_two_writes),
		cmocka_unit_test(
			defect_06_the_third_clean_reboot_flips_because_bootenv_is_not_cleared),
		cmocka_unit_test(defect_07_a_blank_behind_the_count_makes_the_file_grow),
		cmocka_unit_test(defect_08_a_pipeline_without_pipefail_empties_the_file),
		cmocka_unit_test(defect_09_readers_bypass_the_recovery_and_one_writer_alone_locks),
		cmocka_unit_test(
			defect_10_two_matches_are_no_update_and_a_failure_is_not_remembered),
		cmocka_unit_test(defect_11_fsck_writes_to_a_partition_that_is_mounted),
		cmocka_unit_test(defect_12_the_limit_of_tries_differs_by_loader),
		cmocka_unit_test(defect_13_a_fatal_error_sleeps_forever_and_so_does_a_panic),
	};

	return cmocka_run_group_tests_name("defects", tests, make_device, remove_device);
}
