/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The record of what is ours on the system: see apply_manifest.h. */
#include "apply_manifest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"

const struct manifest_file *manifest_find(const struct manifest *manifest, const char *path)
{
	for (size_t i = 0; i < manifest->files; i++)
		if (streq(manifest->file[i].path, path))
			return &manifest->file[i];
	return NULL;
}

int manifest_add(struct manifest *manifest, const char *path, enum facet facet, bool kept)
{
	struct manifest_file *files;

	if (manifest_find(manifest, path))
		return 0;
	files = reallocarray(manifest->file, manifest->files + 1, sizeof(*files));
	if (!files)
		return -ENOMEM;
	manifest->file = files;
	files[manifest->files] = (struct manifest_file){strdup(path), facet, kept};
	if (!files[manifest->files].path)
		return -ENOMEM;
	manifest->files++;
	return 0;
}

int manifest_add_dir(struct manifest *manifest, const char *path)
{
	char **dirs;

	for (size_t i = 0; i < manifest->dirs; i++)
		if (streq(manifest->dir[i], path))
			return 0;
	dirs = reallocarray(manifest->dir, manifest->dirs + 1, sizeof(*dirs));
	if (!dirs)
		return -ENOMEM;
	manifest->dir = dirs;
	dirs[manifest->dirs] = strdup(path);
	if (!dirs[manifest->dirs])
		return -ENOMEM;
	manifest->dirs++;
	return 0;
}

void manifest_done(struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->files; i++)
		free(manifest->file[i].path);
	for (size_t i = 0; i < manifest->dirs; i++)
		free(manifest->dir[i]);
	free(manifest->file);
	free(manifest->dir);
	*manifest = (struct manifest){0};
}

/* FACETS for a name that is none: of another version. */
static enum facet facet_named(const char *name)
{
	enum facet facet = 0;

	while (facet < FACETS && !streq(facet_name(facet), name))
		facet++;
	return facet;
}

static int parse_line(char *line, struct manifest *manifest)
{
	char *rest = line;
	const char *kind = strsep(&rest, " ");
	const char *name;
	enum facet facet;

	if (streq(kind, "dir") && rest)
		return plan_path_allowed(rest) ? manifest_add_dir(manifest, rest) : 0;
	name = strsep(&rest, " ");
	if (!name)
		return 0;
	facet = facet_named(name);
	if (streq(kind, "todo") && facet < FACETS)
		manifest->todo |= 1u << facet;
	if (!rest || !plan_path_allowed(rest))
		return 0;
	/* Of a facet that is gone: removed as any other. */
	if (facet == FACETS)
		facet = 0;
	if (streq(kind, "file") || streq(kind, "kept"))
		return manifest_add(manifest, rest, facet, streq(kind, "kept"));
	return 0;
}

int manifest_parse(const char *text, struct manifest *ret_manifest)
{
	_manifest_ struct manifest manifest = {0};
	_free_ char *copy = strdup(text);
	char *rest = copy, *line;

	if (!copy)
		return -ENOMEM;
	while ((line = strsep(&rest, "\n"))) {
		int r = parse_line(line, &manifest);

		if (r < 0)
			return r;
	}
	*ret_manifest = manifest;
	manifest = (struct manifest){0};
	return 0;
}

int manifest_format(const struct manifest *manifest, char **ret_text)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return -ENOMEM;
	for (unsigned i = 0; i < FACETS; i++)
		if (manifest->todo & 1u << i)
			(void)fprintf(out, "todo %s\n", facet_name(i));
	for (size_t i = 0; i < manifest->dirs; i++)
		(void)fprintf(out, "dir %s\n", manifest->dir[i]);
	for (size_t i = 0; i < manifest->files; i++)
		(void)fprintf(out, "%s %s %s\n", manifest->file[i].kept ? "kept" : "file",
			      facet_name(manifest->file[i].facet), manifest->file[i].path);
	if (fclose(out) != 0) {
		free(text);
		return -ENOMEM;
	}
	*ret_text = text;
	return 0;
}
