/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plan put into effect: see apply.h. The plan has been checked; the tree that it is applied to may
 * hold anything. Owns nothing but what it records there.
 *
 * The order, each step durable before the next (in /run nothing is):
 *
 *   1. what was at the place of a file that is to be restored later: kept.
 *   2. the manifest: all that was ours or will be, directories that will be made on the way, and which
 *      facets are about to change.
 *   3. the files, each atomically; then the actions; for what failed, the files as they were and
 *      the actions again.
 *   4. the manifest: what is ours. Then what was kept for nothing goes.
 *
 * Cut in 1: nothing has happened, and what was kept goes with the next run. In 2 to 4: the next run
 * finds every file of either state in the manifest, puts what the plan then says, and acts for the
 * facets that are noted, whether or not a file of theirs differs.
 */
#include "apply.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply_act.h"
#include "apply_manifest.h"
#include "apply_tree.h"
#include "fd.h"
#include "log.h"
#include "paths.h"

enum area {
	AREA_RUN,
	AREA_ROOT,
	AREAS,
};

static const char *const manifest_paths[AREAS] = {RUN_DIR "/applied", "/etc/tugboot/applied"};
#define OUR_DIR "/etc/tugboot"
#define KEPT_DIR OUR_DIR "/kept" /* as tree_kept_path() has it */

struct change {
	const char *path; /* borrowed */
	enum facet facet;
	const struct plan_file *want; /* NULL: is to go */
	struct thing before;
	bool foreign; /* before is not ours */
	bool adopted; /* it is as wanted, and only to be noted */
	bool done;
};

struct job {
	const struct plan *plan;
	int root_fd;
	struct manifest old[AREAS], now[AREAS];
	struct change *change;
	size_t changes;
	struct apply_result result;
};

static void job_done(struct job *job)
{
	for (size_t i = 0; i < job->changes; i++)
		thing_done(&job->change[i].before);
	free(job->change);
	for (unsigned i = 0; i < AREAS; i++) {
		manifest_done(&job->old[i]);
		manifest_done(&job->now[i]);
	}
	close_p(&job->root_fd);
}
#define _job_ _cleanup_(job_done)

static enum area area_of(const char *path)
{
	return tree_is_volatile(path) ? AREA_RUN : AREA_ROOT;
}

static void fail(struct job *job, enum facet facet, const char *path, const char *why)
{
	job->result.failed |= 1u << facet;
	if (!job->result.why[facet][0])
		(void)snprintf(job->result.why[facet], sizeof(job->result.why[facet]),
			       "%.90s: %.60s", path, why);
}

/* --- What is to change ------------------------------------------------------------------------ */

/* Borrows from file. */
static struct thing wanted(const struct plan_file *file)
{
	if (!file)
		return (struct thing){.kind = THING_NONE};
	if (file->link)
		return (struct thing){
			.kind = THING_LINK, .data = file->link, .size = strlen(file->link)};
	return (struct thing){
		.kind = THING_FILE,
		.data = file->data,
		.size = file->size,
		.mode = file->mode,
		.uid = geteuid(),
		.gid = getegid(),
	};
}

static int add_change(struct job *job, const struct change *change)
{
	struct change *more = reallocarray(job->change, job->changes + 1, sizeof(*job->change));

	if (!more)
		return -ENOMEM;
	job->change = more;
	more[job->changes++] = *change;
	return 0;
}

/* By its place: nobody else puts there what we plan, whatever the record says. */
static bool is_in_our_directory(const char *path)
{
	return startswith(path, RUN_DIR "/") != NULL;
}

static int look_at_file(struct job *job, const struct plan_file *file)
{
	bool ours = manifest_find(&job->old[area_of(file->path)], file->path) != NULL;
	struct change change = {.path = file->path, .facet = file->facet, .want = file};
	struct thing want = wanted(file);
	bool same, restore;
	int r = tree_read(job->root_fd, file->path, &change.before);

	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		fail(job, file->facet, file->path,
		     r == -ELOOP ? "a symbolic link is on the way" : strerror(-r));
		return 0;
	}
	same = thing_same(&change.before, &want);
	if (same && ours) {
		thing_done(&change.before);
		return 0;
	}
	change.adopted = same;
	restore = file->restore && area_of(file->path) != AREA_RUN;
	/* The system's own is kept even when it says the same: it is there without the key, too. */
	change.foreign = !ours && !is_in_our_directory(file->path) &&
			 change.before.kind != THING_NONE && (!same || restore);
	if (change.before.kind == THING_OTHER || (change.foreign && !restore))
		fail(job, file->facet, file->path,
		     "is there and not Tugboot's; move it away, it is left as it is");
	r = add_change(job, &change);
	if (r < 0)
		thing_done(&change.before);
	return r;
}

static bool is_planned(const struct plan *plan, const char *path)
{
	for (size_t i = 0; i < plan->files; i++)
		if (streq(plan->file[i].path, path))
			return true;
	return false;
}

static int look_for_gone(struct job *job, enum area area)
{
	for (size_t i = 0; i < job->old[area].files; i++) {
		const struct manifest_file *file = &job->old[area].file[i];
		struct change change = {.path = file->path, .facet = file->facet};
		int r;

		if (is_planned(job->plan, file->path))
			continue;
		r = tree_read(job->root_fd, file->path, &change.before);
		if (r == -ENOMEM)
			return r;
		if (r < 0 || change.before.kind == THING_OTHER) {
			/* Whatever took its place, it is not what we had put there. */
			thing_done(&change.before);
			change.adopted = true;
		}
		r = add_change(job, &change);
		if (r < 0) {
			thing_done(&change.before);
			return r;
		}
	}
	return 0;
}

static int manifest_load(int root_fd, const char *path, struct manifest *ret_manifest)
{
	_thing_ struct thing thing = {0};
	int r = tree_read(root_fd, path, &thing);

	if (r < 0 || thing.kind == THING_NONE)
		return r;
	if (thing.kind != THING_FILE)
		return -EINVAL;
	return manifest_parse(thing.data, ret_manifest);
}

static int job_start(const struct plan *plan, const char *root, struct job *job)
{
	int r = 0;

	job->plan = plan;
	job->root_fd = open(root[0] ? root : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (job->root_fd < 0)
		return -errno;
	for (unsigned i = 0; i < AREAS && r == 0; i++)
		r = manifest_load(job->root_fd, manifest_paths[i], &job->old[i]);
	for (size_t i = 0; i < plan->files && r == 0; i++)
		r = look_at_file(job, &plan->file[i]);
	for (unsigned i = 0; i < AREAS && r == 0; i++)
		r = look_for_gone(job, i);
	return r;
}

/* Of facets that have not failed. */
static bool is_live(const struct job *job, const struct change *change)
{
	return !(job->result.failed & 1u << change->facet);
}

static unsigned changing(const struct job *job)
{
	unsigned facets = 0;

	for (size_t i = 0; i < job->changes; i++)
		if (is_live(job, &job->change[i]) && !job->change[i].adopted)
			facets |= 1u << job->change[i].facet;
	return facets;
}

/* --- The manifest ----------------------------------------------------------------------------- */

static int manifest_store(struct job *job, enum area area)
{
	_free_ char *text = NULL;
	_thing_ struct thing before = {0};
	struct thing thing;
	int r = manifest_format(&job->now[area], &text);

	if (r == 0)
		r = tree_read(job->root_fd, manifest_paths[area], &before);
	if (r < 0)
		return r;
	thing = (struct thing){.kind = text[0] ? THING_FILE : THING_NONE,
			       .data = text,
			       .size = strlen(text),
			       .mode = 0600,
			       .uid = geteuid(),
			       .gid = getegid()};
	if (thing_same(&before, &thing))
		return 0;
	return tree_put(job->root_fd, manifest_paths[area], &thing, NULL);
}

/* What was kept at a path before it became ours? */
static bool was_kept(const struct job *job, const struct change *change)
{
	const struct manifest_file *old =
		manifest_find(&job->old[area_of(change->path)], change->path);

	return old ? old->kept : change->foreign;
}

/* All that was ours, all that will be, and the facets that change: the record before anything is done. */
static int record_before(struct job *job, unsigned facets)
{
	int r = 0;

	for (unsigned area = 0; area < AREAS && r == 0; area++) {
		const struct manifest *old = &job->old[area];
		struct manifest *now = &job->now[area];

		now->todo = old->todo;
		for (size_t i = 0; i < old->files && r == 0; i++)
			r = manifest_add(now, old->file[i].path, old->file[i].facet,
					 old->file[i].kept);
		for (size_t i = 0; i < old->dirs && r == 0; i++)
			r = manifest_add_dir(now, old->dir[i]);
	}
	for (size_t i = 0; i < job->changes && r == 0; i++) {
		const struct change *change = &job->change[i];
		struct manifest *now = &job->now[area_of(change->path)];

		if (!is_live(job, change))
			continue;
		if (facets & 1u << change->facet)
			now->todo |= 1u << change->facet;
		if (!change->want)
			continue;
		r = manifest_add(now, change->path, change->facet, was_kept(job, change));
		if (r == 0)
			r = tree_missing_dirs(job->root_fd, change->path, now);
	}
	return r;
}

/* What is ours now. */
static int record_after(struct job *job, unsigned later)
{
	struct manifest after[AREAS] = {0};
	int r = 0;

	for (unsigned area = 0; area < AREAS && r == 0; area++) {
		const struct manifest *now = &job->now[area];

		/* A boot does by itself what was left for later in the one before. */
		after[area].todo =
			(area == AREA_RUN ? later : 0) | (job->old[area].todo & job->result.failed);
		for (size_t i = 0; i < now->files && r == 0; i++) {
			const struct manifest_file *file = &now->file[i];
			bool failed = job->result.failed & 1u << file->facet;
			bool stays = failed ? manifest_find(&job->old[area], file->path) != NULL
					    : is_planned(job->plan, file->path);

			if (stays)
				r = manifest_add(&after[area], file->path, file->facet, file->kept);
		}
		for (size_t i = 0; i < now->dirs && r == 0; i++)
			r = manifest_add_dir(&after[area], now->dir[i]);
	}
	for (unsigned area = 0; area < AREAS; area++) {
		manifest_done(&job->now[area]);
		job->now[area] = after[area];
	}
	return r;
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && path[n] == '/';
}

/* Directories that we made and of which nothing is ours any more; the deepest were noted last. */
static void drop_dirs(struct job *job, struct manifest *manifest)
{
	for (size_t i = manifest->dirs; i-- > 0;) {
		bool used = false;

		for (size_t k = 0; k < manifest->files; k++)
			used = used || is_below(manifest->file[k].path, manifest->dir[i]);
		if (used)
			continue;
		tree_remove_dir(job->root_fd, manifest->dir[i]);
		free(manifest->dir[i]);
		memmove(&manifest->dir[i], &manifest->dir[i + 1],
			(manifest->dirs - i - 1) * sizeof(*manifest->dir));
		manifest->dirs--;
	}
}

/* --- The files -------------------------------------------------------------------------------- */

static int keep(struct job *job, const struct change *change)
{
	char path[PATH_MAX];
	int r = tree_kept_path(change->path, path, sizeof(path));

	return r < 0 ? r : tree_put(job->root_fd, path, &change->before, NULL);
}

static void keep_all(struct job *job)
{
	for (size_t i = 0; i < job->changes; i++) {
		const struct change *change = &job->change[i];
		int r;

		if (!is_live(job, change) || !change->foreign)
			continue;
		r = keep(job, change);
		if (r < 0)
			fail(job, change->facet, change->path, strerror(-r));
	}
}

/* What was kept of a file that is not planned any more. */
static int read_kept(struct job *job, const struct change *change, struct thing *ret_thing)
{
	char path[PATH_MAX];
	int r;

	if (!was_kept(job, change))
		return 0;
	r = tree_kept_path(change->path, path, sizeof(path));
	return r < 0 ? r : tree_read(job->root_fd, path, ret_thing);
}

static int put_change(struct job *job, struct change *change)
{
	_thing_ struct thing kept = {0};
	struct thing thing = wanted(change->want);
	int r = 0;

	if (!change->want)
		r = read_kept(job, change, &kept);
	if (r == 0)
		r = tree_put(job->root_fd, change->path, change->want ? &thing : &kept,
			     &job->now[area_of(change->path)]);
	return r;
}

/* Back to what was there before, of facets that failed. */
static void revert(struct job *job)
{
	for (size_t i = job->changes; i-- > 0;) {
		struct change *change = &job->change[i];
		int r;

		if (is_live(job, change) || !change->done)
			continue;
		r = tree_put(job->root_fd, change->path, &change->before, NULL);
		if (r < 0)
			(void)log_err(r, "config", "file=%s error=%s found=\"cannot be put back\"",
				      change->path, log_errno(r));
		change->done = false;
	}
}

static void put_all(struct job *job)
{
	for (size_t i = 0; i < job->changes; i++) {
		struct change *change = &job->change[i];
		int r;

		if (!is_live(job, change) || change->adopted)
			continue;
		change->done = true; /* in part, perhaps: to be reverted all the same */
		r = put_change(job, change);
		if (r < 0)
			fail(job, change->facet, change->path, strerror(-r));
		else
			job->result.files++;
	}
	revert(job);
}

/* Is a name in KEPT_DIR that of something that the manifest has kept? */
static bool is_kept(const struct manifest *manifest, const char *name)
{
	for (size_t i = 0; i < manifest->files; i++) {
		char path[PATH_MAX];

		if (manifest->file[i].kept &&
		    tree_kept_path(manifest->file[i].path, path, sizeof(path)) == 0 &&
		    streq(strrchr(path, '/') + 1, name))
			return true;
	}
	return false;
}

/* Opens a directory of ours; NULL when there is none. */
static DIR *open_ours(const struct job *job, const char *path)
{
	int fd = openat(job->root_fd, path + 1, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !dir)
		(void)close(fd);
	return dir;
}

/* What is not kept for anything in the manifest (which is on the disk), or was not yet when the power
 * went; and our directory, when nothing is left in it. */
static void drop_kept(const struct job *job, const struct manifest *manifest)
{
	_closedir_ DIR *kept = open_ours(job, KEPT_DIR), *ours = NULL;
	struct dirent *entry;
	bool used = false;

	while (kept && (entry = readdir(kept))) {
		if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
			continue;
		if (is_kept(manifest, entry->d_name))
			used = true;
		else
			(void)unlinkat(dirfd(kept), entry->d_name, 0); /* nobody asks for it */
	}
	if (kept && !used)
		tree_remove_dir(job->root_fd, KEPT_DIR);
	if (manifest->files > 0)
		return;
	ours = open_ours(job, OUR_DIR);
	if (ours)
		(void)tree_clean(dirfd(ours)); /* then the directory stays */
	tree_remove_dir(job->root_fd, OUR_DIR);
}

/* --- Actions ---------------------------------------------------------------------------------- */

static int act(struct job *job, unsigned facets, const char *root, enum apply_when when,
	       struct bus *bus, unsigned *ret_later)
{
	struct act_result acted;
	int r = act_plan(job->plan, facets, root, when, bus, &acted);

	if (r < 0)
		return r;
	job->result.actions += acted.done;
	job->result.restarts += acted.restarts;
	*ret_later = acted.later;
	if (!acted.failed)
		return 0;
	job->result.failed |= acted.failed;
	for (unsigned i = 0; i < FACETS; i++)
		if (acted.failed & 1u << i && !job->result.why[i][0])
			memcpy(job->result.why[i], acted.why[i], sizeof(acted.why[i]));
	revert(job);
	/* With what held before; how that goes is for the log alone. */
	r = act_plan(job->plan, acted.failed, root, when, bus, &acted);
	if (r == 0 && acted.failed)
		log_warn("config",
			 "found=\"a daemon is not well with its former settings either\"");
	return r;
}

/* Records, writes, acts, records. */
static int run(struct job *job, const char *root, enum apply_when when, struct bus *bus)
{
	unsigned todo = job->old[AREA_RUN].todo | job->old[AREA_ROOT].todo, facets, later = 0;
	int r;

	keep_all(job);
	r = record_before(job, changing(job));
	for (unsigned i = 0; i < AREAS && r == 0; i++) {
		int stored = manifest_store(job, i);

		/* No record, no file: those of the other area go on. */
		for (size_t k = 0; stored < 0 && k < job->changes; k++)
			if (area_of(job->change[k].path) == i)
				fail(job, job->change[k].facet, job->change[k].path,
				     strerror(-stored));
	}
	if (r < 0)
		return r;
	put_all(job);
	facets = (changing(job) | todo) & ~job->result.failed;
	r = facets ? act(job, facets, root, when, bus, &later) : 0;
	job->result.changed = facets & ~job->result.failed;
	if (r == 0)
		r = record_after(job, later);
	for (unsigned i = 0; i < AREAS && r == 0; i++) {
		drop_dirs(job, &job->now[i]);
		/* The one before is safe, too: it says more, and what it says to be kept has to be. */
		if (manifest_store(job, i) == 0 && i == AREA_ROOT)
			drop_kept(job, &job->now[i]);
	}
	return r;
}

int apply_plan(const struct plan *plan, const struct facts *facts, const char *root,
	       enum apply_when when, struct bus *bus, struct apply_result *ret_result)
{
	_job_ struct job job = {.root_fd = -1};
	int r;

	(void)facts; /* the plan has been made for them */
	r = job_start(plan, root, &job);
	if (r < 0)
		return r;
	if (job.changes > 0 || job.old[AREA_RUN].todo || job.old[AREA_ROOT].todo)
		r = run(&job, root, when, bus);
	else
		drop_kept(&job, &job.old[AREA_ROOT]);
	if (r == 0)
		*ret_result = job.result;
	return r;
}

int apply_show(const struct plan *plan, const struct facts *facts,
	       void (*say)(void *arg, const char *line), void *arg)
{
	_job_ struct job job = {.root_fd = -1};
	char line[PATH_MAX + 64];
	unsigned facets;
	int r;

	(void)facts;
	r = job_start(plan, "", &job);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < FACETS; i++) {
		if (!job.result.why[i][0])
			continue;
		(void)snprintf(line, sizeof(line), "refuse %s: %s", facet_name(i),
			       job.result.why[i]);
		say(arg, line);
	}
	for (size_t i = 0; i < job.changes; i++) {
		const struct change *change = &job.change[i];

		if (!is_live(&job, change) || change->adopted)
			continue;
		(void)snprintf(line, sizeof(line), "%s %s",
			       change->want		? "write"
			       : was_kept(&job, change) ? "put back"
							: "remove",
			       change->path);
		say(arg, line);
	}
	facets = changing(&job);
	for (size_t i = 0; i < plan->actions; i++) {
		if (!(facets & 1u << plan->action[i].facet))
			continue;
		act_words(&plan->action[i], line, sizeof(line));
		say(arg, line);
	}
	return 0;
}
