/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as extlinux.conf: the walk ends, and meets each label once, the default first. */
#include "extlinux.h"

#include <errno.h>

#include "macro.h"
#include "must.h"

static void pieces_lie_in_the_text(const struct extlinux_label *label, struct slice text)
{
	const struct slice pieces[] = {
		label->name, label->menu_label, label->kernel,	    label->append,
		label->fdt,  label->fdtdir,	label->fdtoverlays,
	};

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
		must_lie_in(pieces[i], text);
	MUST(label->kernel.len > 0);
	MUST(label->n_initrd <= EXTLINUX_INITRD_MAX);
	for (size_t i = 0; i < label->n_initrd; i++) {
		must_lie_in(label->initrd[i], text);
		MUST(label->initrd[i].len > 0 &&
		     !memchr(label->initrd[i].data, ',', label->initrd[i].len));
	}
}

/* Is it the label that the file's frame says is first? Its name stands in that line. */
static bool is_first(const struct extlinux *conf, const struct extlinux_label *label)
{
	const char *line = conf->text.data + conf->first;

	return label->name.data > line && !memchr(line, '\n', (size_t)(label->name.data - line));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct slice text = {(const char *)input, input_size};
	struct extlinux_walk walk = {0};
	struct extlinux_label label;
	struct extlinux conf;
	const char *last = NULL;
	size_t steps = 0;
	int r;

	r = extlinux_parse(text.data, text.len, &conf);
	if (r < 0) {
		MUST(r == -EFBIG || r == -EBADMSG || r == -ENOENT);
		return 0;
	}
	MUST(conf.n_labels > 0 && conf.first < text.len);
	must_lie_in(conf.default_name, text);
	MUST(!conf.default_missing || conf.default_name.data);
	while ((r = extlinux_next(&conf, &walk, &label)) != 0) {
		MUST(++steps <= conf.n_labels);
		if (r < 0) {
			MUST(r == -E2BIG);
			continue;
		}
		pieces_lie_in_the_text(&label, text);
		if (is_first(&conf, &label)) {
			MUST(steps == 1);
			if (conf.default_name.data && !conf.default_missing)
				MUST(slice_eq(label.name, conf.default_name));
			continue;
		}
		/* The others as they stand in the file, so none twice. */
		MUST(!last || label.name.data > last);
		last = label.name.data;
	}
	MUST(extlinux_next(&conf, &walk, &label) == 0);
	return 0;
}
