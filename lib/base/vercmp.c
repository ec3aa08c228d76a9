/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Version comparison; see vercmp.h. Any bytes are taken, none is trusted. */
#include "vercmp.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_known(char c)
{
	return is_digit(c) || is_letter(c) || c == '-' || c == '.' || c == '~' || c == '^';
}

static struct slice skip_unknown(struct slice s)
{
	while (s.len > 0 && !is_known(s.data[0]))
		s = slice_from(s, 1);
	return s;
}

/* The characters at the start for which is() holds; *s loses them. */
static struct slice take_run(struct slice *s, bool (*is)(char))
{
	struct slice run = {s->data, 0};

	while (run.len < s->len && is(s->data[run.len]))
		run.len++;
	*s = slice_from(*s, run.len);
	return run;
}

/* Without a number's leading zeros the longer one is the greater one, whatever its length. */
static int compare_numbers(struct slice a, struct slice b)
{
	while (a.len > 0 && a.data[0] == '0')
		a = slice_from(a, 1);
	while (b.len > 0 && b.data[0] == '0')
		b = slice_from(b, 1);
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return slice_cmp(a, b);
}

/*
 * The steps of the specification that deal with one of the marks `-`, `^`, `.` and `~`: a string
 * that has the mark here is lower than one that has not; if both have it, it is passed over.
 */
static int compare_mark(struct slice *a, struct slice *b, char mark)
{
	bool in_a = a->len > 0 && a->data[0] == mark;
	bool in_b = b->len > 0 && b->data[0] == mark;

	if (in_a != in_b)
		return in_a ? -1 : 1;
	if (in_a) {
		*a = skip_unknown(slice_from(*a, 1));
		*b = skip_unknown(slice_from(*b, 1));
	}
	return 0;
}

int vercmp_slice(struct slice a, struct slice b)
{
	static const char marks[] = {'-', '^', '.'};

	for (;;) {
		int r;

		a = skip_unknown(a);
		b = skip_unknown(b);

		/* Before the end is looked at: `1~rc1` is lower than `1`. */
		r = compare_mark(&a, &b, '~');
		if (r != 0)
			return r;
		if (a.len == 0 || b.len == 0)
			return (a.len > 0) - (b.len > 0);

		for (size_t i = 0; i < sizeof(marks); i++) {
			r = compare_mark(&a, &b, marks[i]);
			if (r != 0)
				return r;
		}

		if ((a.len > 0 && is_digit(a.data[0])) || (b.len > 0 && is_digit(b.data[0])))
			r = compare_numbers(take_run(&a, is_digit), take_run(&b, is_digit));
		else
			r = slice_cmp(take_run(&a, is_letter), take_run(&b, is_letter));
		if (r != 0)
			return r;
	}
}

int vercmp(const char *a, const char *b)
{
	return vercmp_slice(slice_str(a), slice_str(b));
}
