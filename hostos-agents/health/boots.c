/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The story of the last boots: see boots.h. */
#include "boots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "fd.h"
#include "file.h"
#include "line.h"
#include "macro.h"
#include "statefile.h"

static const char *const health_names[BOOTS_HEALTHS] = {
	[BOOTS_NONE] = "none",	   [BOOTS_RUNNING] = "running", [BOOTS_PASSED] = "passed",
	[BOOTS_FAILED] = "failed", [BOOTS_LEFT] = "left",
};

const char *boots_health_name(enum boots_health health)
{
	return (size_t)health < BOOTS_HEALTHS ? health_names[health] : "unknown";
}

static bool is_id(struct slice s)
{
	if (s.len != 36)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!((s.data[i] >= '0' && s.data[i] <= '9') ||
		      (s.data[i] >= 'a' && s.data[i] <= 'f') || s.data[i] == '-'))
			return false;
	return true;
}

static bool parse_time(const char *text, long long *ret_when)
{
	char *end;

	if (*text < '0' || *text > '9' || strlen(text) > 15)
		return false;
	*ret_when = strtoll(text, &end, 10);
	return *end == '\0';
}

static bool take_field(const char *key, const char *value, struct boots_entry *entry)
{
	if (streq(key, "time"))
		return parse_time(value, &entry->when);
	if (streq(key, "gave-up")) {
		entry->gave_up = true;
		return rollback_parse(value, &entry->rollback);
	}
	if (streq(key, "health")) {
		for (enum boots_health i = 0; i < BOOTS_HEALTHS; i++)
			if (streq(value, health_names[i])) {
				entry->health = i;
				return true;
			}
		return false;
	}
	return true; /* of the running system (below), or of a later version */
}

/* What is known of how it was started has the form of a command line: one parser for both. */
static bool parse_running(struct slice fields, struct running *ret_running)
{
	char line[BOOTS_LINE_MAX + 256], word[80];
	struct slice piece;
	size_t len = 0;

	line[0] = '\0';
	while (line_word(&fields, 0, &piece)) {
		int n;

		if (piece.len >= sizeof(word) || memchr(piece.data, '"', piece.len))
			return false;
		memcpy(word, piece.data, piece.len);
		word[piece.len] = '\0';
		n = snprintf(line + len, sizeof(line) - len, "tugboot.%s ", word);
		if (n < 0 || (size_t)n >= sizeof(line) - len)
			return false;
		len += (size_t)n;
	}
	*ret_running = running_parse(line);
	return ret_running->by_tugboot;
}

/* The text behind `why=`, which ends the line, is taken off. */
static void take_why(struct slice *line, char *buf, size_t size)
{
	const char *why = memmem(line->data, line->len, " why=", 5);
	size_t len, cut = 0;

	if (!why)
		return;
	len = line->len - (size_t)(why + 5 - line->data);
	for (; cut < len && cut < size - 1; cut++)
		buf[cut] = (char)(why[5 + cut] < ' ' || why[5 + cut] > '~' ? '?' : why[5 + cut]);
	buf[cut] = '\0';
	line->len = (size_t)(why - line->data);
}

static bool parse_line(struct slice line, struct boots_entry *ret_entry)
{
	struct boots_entry entry = {0};
	struct slice id, word, fields;

	if (line.len >= BOOTS_LINE_MAX || memchr(line.data, '\0', line.len))
		return false;
	take_why(&line, entry.why, sizeof(entry.why));
	if (!line_word(&line, 0, &id) || !is_id(id))
		return false;
	memcpy(entry.id, id.data, id.len);
	fields = line;
	while (line_word(&line, 0, &word)) {
		char field[80], *equals;

		if (word.len >= sizeof(field))
			return false;
		memcpy(field, word.data, word.len);
		field[word.len] = '\0';
		equals = strchr(field, '=');
		if (!equals)
			return false;
		*equals = '\0';
		if (!take_field(field, equals + 1, &entry))
			return false;
	}
	if (!parse_running(fields, &entry.running))
		return false;
	*ret_entry = entry;
	return true;
}

void boots_parse(const char *text, size_t size, struct boots *ret_boots)
{
	struct boots boots = {0};
	struct boots_entry entry;
	struct slice line;
	size_t pos = 0;

	while (line_next(slice_of(text, size), &pos, &line))
		if (line.len > 0 && parse_line(line, &entry))
			boots_put(&boots, &entry);
	*ret_boots = boots;
}

static size_t format_entry(const struct boots_entry *e, char *buf, size_t size)
{
	const struct running *r = &e->running;
	char slot[] = {r->slot, '\0'}, gave_up[80] = "", why[sizeof(e->why) + 8] = "";
	int n;

	if (e->gave_up)
		(void)snprintf(gave_up, sizeof(gave_up), " gave-up=%c:%s:%u", e->rollback.slot,
			       slot_cause_name(e->rollback.cause), e->rollback.used);
	if (e->why[0])
		(void)snprintf(why, sizeof(why), " why=%s", e->why);
	n = snprintf(buf, size,
		     "%s slot=%s reason=%s tries=%u/%u cause=%s last=%s time=%lld health=%s%s%s\n",
		     e->id, r->slot == 'R' ? "recovery" : slot, slot_reason_name(r->reason),
		     r->used, r->allowed, slot_cause_name(r->cause), slot_last_name(r->last),
		     e->when, boots_health_name(e->health), gave_up, why);
	return n < 0 || (size_t)n >= size ? 0 : (size_t)n;
}

size_t boots_format(const struct boots *boots, char *buf)
{
	size_t len = 0;

	for (size_t i = 0; i < boots->n; i++)
		len += format_entry(&boots->entry[i], buf + len, BOOTS_FILE_MAX - len);
	return len;
}

void boots_put(struct boots *boots, const struct boots_entry *entry)
{
	for (size_t i = 0; i < boots->n; i++)
		if (streq(boots->entry[i].id, entry->id)) {
			boots->entry[i] = *entry;
			return;
		}
	if (boots->n == BOOTS_MAX) {
		memmove(boots->entry, boots->entry + 1, (BOOTS_MAX - 1) * sizeof(boots->entry[0]));
		boots->n--;
	}
	boots->entry[boots->n++] = *entry;
}

const struct boots_entry *boots_last_failed(const struct boots *boots, char slot)
{
	for (size_t i = boots->n; i > 0; i--) {
		const struct boots_entry *e = &boots->entry[i - 1];

		if (e->health == BOOTS_FAILED && e->running.slot == slot)
			return e;
	}
	return NULL;
}

int boots_read(const char *dir, struct boots *ret_boots)
{
	_free_ char *text = NULL;
	size_t size;
	int r;

	r = statefile_read(dir, BOOTS_FILE, BOOTS_FILE_MAX, &text, &size);
	if (r == -ENOENT) {
		*ret_boots = (struct boots){0};
		return 0;
	}
	if (r < 0)
		return r;
	boots_parse(text, size, ret_boots);
	return 0;
}

int boots_note(const char *dir, const struct boots_entry *entry)
{
	_free_ struct boots *boots = calloc(1, sizeof(*boots));
	_free_ char *text = malloc(BOOTS_FILE_MAX);

	if (!boots || !text)
		return -ENOMEM;
	/* One that cannot be read is made anew: a story is worth less than the next boot's. */
	if (boots_read(dir, boots) < 0)
		*boots = (struct boots){0};
	boots_put(boots, entry);
	return statefile_write(dir, BOOTS_FILE, text, boots_format(boots, text));
}

int boots_id(char buf[static 37])
{
	_free_ char *text = NULL;
	size_t size;
	int r;

	r = file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, &size);
	if (r < 0)
		return r;
	if (size < 36 || !is_id(slice_of(text, 36)))
		return -EBADMSG;
	memcpy(buf, text, 36);
	buf[36] = '\0';
	return 0;
}
