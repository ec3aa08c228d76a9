/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * extlinux.conf; see extlinux.h. The text is hostile: every result is a piece of it. Reading the
 * frame and walking over all labels are each linear in its size.
 */
#include "extlinux.h"

#include <errno.h>

#include "line.h"
#include "macro.h"

/* A line that counts: not empty, no comment, not within TEXT … ENDTEXT. */
struct conf_line {
	size_t start, next; /* where in the text it and the following line begin */
	struct slice key, value;
};

static bool next_line(struct slice text, size_t *pos, struct conf_line *ret_line)
{
	struct conf_line l;
	struct slice line;
	bool in_text = false;

	for (;;) {
		l.start = *pos;
		if (!line_next(text, pos, &line))
			return false;
		if (!line_split(line, &l.key, &l.value))
			continue;
		if (in_text)
			in_text = !line_word_is(l.key, "endtext");
		else if (line_word_is(l.key, "text"))
			in_text = true;
		else
			break;
	}
	l.next = *pos;
	*ret_line = l;
	return true;
}

static bool is_label(const struct conf_line *line)
{
	return line_word_is(line->key, "label");
}

static bool is_menu(const struct conf_line *line, const char *what, struct slice *ret_value)
{
	struct slice rest = line->value, word;

	if (!line_word_is(line->key, "menu") || !line_word(&rest, 0, &word) ||
	    !line_word_is(word, what))
		return false;
	*ret_value = rest;
	return true;
}

/* Where the label of that name begins, the last of several as in U-Boot. */
static bool find_label(struct slice text, struct slice name, size_t *ret_offset)
{
	struct conf_line line;
	size_t pos = 0;
	bool found = false;

	while (next_line(text, &pos, &line)) {
		if (is_label(&line) && slice_eq(line.value, name)) {
			*ret_offset = line.start;
			found = true;
		}
	}
	return found;
}

int extlinux_parse(const char *data, size_t size, struct extlinux *ret_conf)
{
	struct extlinux conf = {.text = {data, size}};
	struct slice menu_name = {0}, name = {0}, unused;
	size_t menu_first = 0, label_start = 0, pos = 0;
	struct conf_line line;

	if (size > EXTLINUX_TEXT_MAX)
		return -EFBIG;
	if (!line_text_valid(conf.text))
		return -EBADMSG;

	while (next_line(conf.text, &pos, &line)) {
		if (is_label(&line)) {
			if (conf.n_labels++ == 0)
				conf.first = line.start;
			name = line.value;
			label_start = line.start;
		} else if (line_word_is(line.key, "default") ||
			   line_word_is(line.key, "ontimeout")) {
			if (line.value.len > 0)
				conf.default_name = line.value;
		} else if (conf.n_labels > 0 && !menu_name.data &&
			   is_menu(&line, "default", &unused)) {
			menu_name = name;
			menu_first = label_start;
		}
	}
	if (conf.n_labels == 0)
		return -ENOENT;
	if (conf.default_name.data) {
		conf.default_missing = !find_label(conf.text, conf.default_name, &conf.first);
	} else if (menu_name.data) {
		conf.default_name = menu_name;
		conf.first = menu_first;
	}
	*ret_conf = conf;
	return 0;
}

static int add_initrds(struct extlinux_label *label, struct slice list)
{
	struct slice path;

	while (line_word(&list, ',', &path)) {
		if (label->n_initrd == EXTLINUX_INITRD_MAX)
			return -E2BIG;
		label->initrd[label->n_initrd++] = path;
	}
	return 0;
}

/* Value of the first `initrd=` of a command line, which may be empty. Blanks between double quotes
 * separate nothing, as in the kernel. */
static bool find_initrd_parameter(struct slice append, struct slice *ret_value)
{
	static const char name[] = "initrd=";
	size_t name_len = sizeof(name) - 1, start = 0;
	bool quoted = false;

	for (size_t i = 0; i <= append.len; i++) {
		bool blank = i == append.len || append.data[i] == ' ' || append.data[i] == '\t';

		if (i < append.len && append.data[i] == '"')
			quoted = !quoted;
		if (i < append.len && (!blank || quoted))
			continue;
		if (i - start >= name_len && memcmp(append.data + start, name, name_len) == 0) {
			*ret_value = slice_of(append.data + start + name_len, i - start - name_len);
			return true;
		}
		start = i + 1;
	}
	return false;
}

/* What a line says of a label; first_only keys keep what they have. */
static void take_line(struct extlinux_label *label, const struct conf_line *line,
		      struct slice *initrd_line, bool *local)
{
	const struct {
		const char *key;
		struct slice *field;
		bool first_only;
	} fields[] = {
		{"linux", &label->kernel, false},
		{"kernel", &label->kernel, false},
		{"append", &label->append, false},
		{"initrd", initrd_line, true},
		{"fdt", &label->fdt, true},
		{"devicetree", &label->fdt, true},
		{"fdtdir", &label->fdtdir, true},
		{"devicetreedir", &label->fdtdir, true},
		{"fdtoverlays", &label->fdtoverlays, true},
		{"devicetree-overlay", &label->fdtoverlays, true},
	};

	if (line_word_is(line->key, "localboot"))
		*local = true;
	(void)is_menu(line, "label", &label->menu_label); /* most lines are no MENU LABEL */
	if (line->value.len == 0)
		return;
	if (line_word_is(line->key, "tugboot-initrd"))
		label->tugboot_initrd = line_word_is(line->value, "yes");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (line_word_is(line->key, fields[i].key) &&
		    !(fields[i].first_only && fields[i].field->data))
			*fields[i].field = line->value;
}

/*
 * Reads the label whose LABEL line begins at *pos, and moves *pos to the next one or the end.
 * Returns 1, 0 when it has no kernel, or -E2BIG.
 */
static int read_label(struct slice text, size_t *pos, struct extlinux_label *ret_label)
{
	struct extlinux_label label = {0};
	struct slice initrds = {0};
	struct conf_line line;
	bool local = false;
	int r = 0;

	if (!next_line(text, pos, &line))
		return 0;
	label.name = line.value;
	while (next_line(text, pos, &line)) {
		if (is_label(&line)) {
			*pos = line.start;
			break;
		}
		take_line(&label, &line, &initrds, &local);
	}
	if (local || label.kernel.len == 0)
		return 0;
	if (slice_is(label.append, "-"))
		label.append.len = 0;
	if (initrds.data || find_initrd_parameter(label.append, &initrds))
		r = add_initrds(&label, initrds);
	if (r < 0)
		return r;
	*ret_label = label;
	return 1;
}

int extlinux_next(const struct extlinux *conf, struct extlinux_walk *walk,
		  struct extlinux_label *ret_label)
{
	struct conf_line line;
	int r;

	if (!walk->started) {
		size_t pos = conf->first;

		walk->started = true;
		walk->offset = 0;
		r = read_label(conf->text, &pos, ret_label);
		if (r != 0)
			return r;
	}
	for (;;) {
		/* Up to the first label there may be other lines. */
		do {
			if (!next_line(conf->text, &walk->offset, &line))
				return 0;
		} while (!is_label(&line) || line.start == conf->first);

		walk->offset = line.start;
		r = read_label(conf->text, &walk->offset, ret_label);
		if (r != 0)
			return r;
	}
}
