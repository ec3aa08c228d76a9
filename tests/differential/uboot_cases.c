/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* U-Boot environments from numbers; see uboot_cases.h. */
#include "uboot_cases.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <zlib.h>

#include "macro.h"

/* SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere. */
struct random {
	uint64_t state;
};

static uint64_t next(struct random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static size_t below(struct random *r, size_t n)
{
	return (size_t)(next(r) % n);
}

static bool one_in(struct random *r, size_t n)
{
	return below(r, n) == 0;
}

static struct random random_for(const char *seed, uint64_t number)
{
	struct random r = {.state = number};

	for (; *seed; seed++)
		r.state = next(&r) ^ (unsigned char)*seed;
	return r;
}

/* Entries under construction; what does not fit is left out. */
struct list {
	unsigned char *data;
	size_t used, room;
};

static bool add(struct list *list, const char *bytes, size_t n)
{
	if (n > list->room - list->used)
		return false;
	memcpy(list->data + list->used, bytes, n);
	list->used += n;
	return true;
}

static const char *const keys[] = {
	"resin_root_part", "upgrade_available", "bootcount",  "bootlimit",   "bootcmd", "bootdelay",
	"ustate",	   "recovery_status",	"BOOT_ORDER", "BOOT_A_LEFT", "ethaddr",
};
static const char *const values[] = {"", "0", "1", "2", "A", "B", "1 ", "run distro_bootcmd"};

/* Length of the bytes put to s, which are ended. */
static size_t some_bytes(struct random *r, char *s, size_t max, const char * not )
{
	size_t n = below(r, max + 1);
	static const char spice[] = "\n\r\t #;\"'\\$%=.,:\xc3\xa9\xff";

	for (size_t i = 0; i < n; i++) {
		do {
			s[i] = one_in(r, 4)   ? spice[below(r, sizeof(spice) - 1)]
			       : one_in(r, 3) ? (char)(1 + below(r, 255))
					      : (char)('a' + below(r, 26));
		} while (strchr(not, s[i]));
	}
	s[n] = '\0';
	return n;
}

static void a_name(struct random *r, char *s, size_t size)
{
	if (one_in(r, 2)) {
		(void)snprintf(s, size, "%s", keys[below(r, ARRAY_SIZE(keys))]);
		return;
	}
	do {
		(void)some_bytes(r, s, 12, "=");
	} while (s[0] == '\0' || streq(s, ".flags"));
}

static void a_value(struct random *r, char *s, size_t size)
{
	if (one_in(r, 3))
		(void)snprintf(s, size, "%s", values[below(r, ARRAY_SIZE(values))]);
	else
		(void)some_bytes(r, s, one_in(r, 20) ? MIN(size - 1, (size_t)600) : 30, "");
}

static bool has_name(const struct list *list, const char *name)
{
	size_t n = strlen(name);

	for (size_t at = 0; at < list->used; at += strlen((const char *)list->data + at) + 1)
		if (strncmp((const char *)list->data + at, name, n) == 0 &&
		    list->data[at + n] == '=')
			return true;
	return false;
}

static bool add_variable(struct list *list, const char *name, const char *value)
{
	char entry[CASE_SIZE_MAX + 64];
	int n = snprintf(entry, sizeof(entry), "%s=%s", name, value);

	return add(list, entry, (size_t)n + 1);
}

/* A last variable after which `slack` bytes are left. */
static void fill(struct list *list, const char *name, size_t slack)
{
	char value[CASE_SIZE_MAX];
	size_t around = strlen(name) + 2, n;

	if (list->room - list->used < slack + around)
		return;
	n = list->room - list->used - slack - around;
	memset(value, 'f', n);
	value[n] = '\0';
	(void)add_variable(list, name, value); /* there is room: it was just counted */
}

static void plain_entries(struct random *r, struct list *list, const char *mark)
{
	char name[40], value[CASE_SIZE_MAX];

	/* Which copy was read shows in the values. */
	if (!one_in(r, 8))
		(void)add_variable(list, "Copy", mark);
	for (size_t n = below(r, 9); n > 0; n--) {
		a_name(r, name, sizeof(name));
		a_value(r, value, sizeof(value));
		if (!has_name(list, name))
			(void)add_variable(list, name, value); /* or not, in a small image */
	}
	if (one_in(r, 4) && !has_name(list, "~fill"))
		fill(list, "~fill", below(r, 6));
}

static void odd_entries(struct random *r, struct list *list, const char *mark)
{
	char name[40], value[CASE_SIZE_MAX];

	(void)add_variable(list, "Copy", mark);
	for (size_t n = below(r, 14); n > 0; n--) {
		switch (below(r, 8)) {
		case 0: /* no `=` */
			if (some_bytes(r, value, 12, "=") > 0)
				(void)add(list, value, strlen(value) + 1);
			break;
		case 1:
			a_value(r, value, sizeof(value));
			(void)add_variable(list, "", value);
			break;
		case 2:
			(void)snprintf(value, sizeof(value), "bootcount:%c%c",
				       "sdxbim"[below(r, 6)], "aroc"[below(r, 4)]);
			(void)add_variable(list, ".flags", value);
			break;
		case 3:
			(void)snprintf(name, sizeof(name), "#%s", keys[below(r, 3)]);
			(void)add_variable(list, name, "comment");
			break;
		default:
			a_value(r, value, sizeof(value));
			(void)add_variable(list, keys[below(r, 4)], value);
			break;
		}
	}
	if (one_in(r, 8))
		fill(list, "~fill", below(r, 3));
}

static void seal(struct uboot_case *c, size_t i)
{
	size_t header = uboot_case_header(c);
	uint32_t crc = (uint32_t)crc32(0, c->copy[i].image + header, (uInt)(c->size - header));

	memcpy(c->copy[i].image, &crc, sizeof(crc));
	if (c->copies == 2)
		c->copy[i].image[4] = c->copy[i].flag;
}

static void make_image(struct random *r, struct uboot_case *c, size_t i)
{
	unsigned char *image = c->copy[i].image;
	size_t header = uboot_case_header(c);
	/* Odd ones now and then leave no room for the empty string at the end. */
	size_t end = c->kind == KIND_ODD && one_in(r, 8) ? 0 : 1;
	struct list list = {.data = image + header, .room = c->size - header - end};
	const char *mark = i ? "1" : "0";

	memset(image, 0, c->size);
	if (c->kind == KIND_PLAIN)
		plain_entries(r, &list, mark);
	else
		odd_entries(r, &list, mark);
	/* What follows the empty string is nobody's. */
	if (one_in(r, 2))
		for (size_t at = header + list.used + 1; at < c->size; at++)
			image[at] = (unsigned char)next(r);
	seal(c, i);
}

static void flip_bits(struct random *r, struct uboot_case *c, size_t i)
{
	for (size_t n = 1 + below(r, 3); n > 0; n--)
		c->copy[i].image[below(r, c->size)] ^= (unsigned char)(1u << below(r, 8));
}

static void damage(struct random *r, struct uboot_case *c, size_t i)
{
	unsigned char *image = c->copy[i].image, old[CASE_SIZE_MAX];
	size_t at;

	switch (below(r, 6)) {
	case 0: /* torn: new up to some sector, old behind it, or the other way round */
		memcpy(old, image, c->size);
		make_image(r, c, i);
		at = c->size <= 512 ? below(r, c->size) : 512 * (1 + below(r, (c->size - 1) / 512));
		if (one_in(r, 2))
			memcpy(image, old, at);
		else
			memcpy(image + at, old + at, c->size - at);
		break;
	case 1: /* erased */
		memset(image, one_in(r, 2) ? 0xff : 0, c->size);
		break;
	case 2:
		for (at = 0; at < c->size; at++)
			image[at] = (unsigned char)next(r);
		break;
	case 3: /* random, but as somebody sealed it */
		for (at = uboot_case_header(c); at < c->size; at++)
			image[at] = (unsigned char)(one_in(r, 10) ? 0 : next(r));
		seal(c, i);
		break;
	default:
		flip_bits(r, c, i);
		break;
	}
}

static bool crc_fits(const struct uboot_case *c, size_t i)
{
	size_t header = uboot_case_header(c);
	uint32_t crc;

	memcpy(&crc, c->copy[i].image, sizeof(crc));
	return crc == crc32(0, c->copy[i].image + header, (uInt)(c->size - header));
}

/* All pairs of flags in 65 536 redundant cases; those that matter most come first. */
static void choose_flags(struct random *r, struct uboot_case *c, uint64_t number)
{
	uint8_t flag = (uint8_t)number, row = (uint8_t)(number >> 8);

	if (number < 0x800) {
		const uint8_t other[] = {
			(uint8_t)(flag + 1),   (uint8_t)(flag - 1), flag, 0, 1, 255,
			(uint8_t)(flag + 128), (uint8_t)next(r),
		};

		row = other[number >> 8];
	} else {
		row = (uint8_t)(flag + row);
	}
	c->copy[0].flag = flag;
	c->copy[1].flag = row;
}

static void print(char *s, size_t size, const char *fmt, ...) _printf_(3, 4);
static void print(char *s, size_t size, const char *fmt, ...)
{
	size_t used = strlen(s);
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(s + used, size - used, fmt, args);
	va_end(args);
}

static void a_place(struct random *r, struct uboot_case *c)
{
	static const char *const comments[] = {"", "# environment\n", "\n", "#\td 0 1000\n\n"};
	static const char *const blanks[] = {" ", "\t", "\t\t", "   "};
	char *s = c->config;
	size_t size = sizeof(c->config);
	bool one_file = c->copies == 2 && one_in(r, 2);

	s[0] = '\0';
	for (size_t i = 0; i < c->copies; i++) {
		const char *blank = blanks[below(r, ARRAY_SIZE(blanks))];
		size_t offset = one_in(r, 2) ? 0 : below(r, 0x800);

		if (one_file && i > 0)
			offset = (size_t)c->copy[0].offset + c->size +
				 (one_in(r, 2) ? 0 : below(r, 600));
		c->copy[i].file = one_file ? 0 : i;
		c->copy[i].offset = (int64_t)offset;
		print(s, size, "%s%%%zu%s", comments[below(r, ARRAY_SIZE(comments))],
		      c->copy[i].file, blank);
		print(s, size, one_in(r, 2) ? "0x%zx" : "%zu", offset);
		print(s, size, one_in(r, 2) ? "%s0x%zX" : "%s%zx", blank, c->size);
		if (one_in(r, 3))
			print(s, size, "%s0x1000%s", blank, one_in(r, 2) ? " 2" : "");
		print(s, size, i + 1 == c->copies && one_in(r, 4) ? "" : "\n");
	}
}

static void a_change(struct random *r, struct uboot_case *c, struct uboot_change *change)
{
	a_name(r, change->name, sizeof(change->name));
	if (one_in(r, 3))
		(void)snprintf(change->name, sizeof(change->name), "%s",
			       one_in(r, 4) ? "~fill" : keys[below(r, 4)]);
	if (one_in(r, 30))
		change->name[below(r, strlen(change->name))] = '=';
	a_value(r, change->value, sizeof(change->value));
	/* Too long, or nearly. */
	if (one_in(r, 12)) {
		size_t n = c->size - below(r, MIN(c->size, (size_t)80));

		memset(change->value, 'l', n - 1);
		change->value[n - 1] = '\0';
	}
	change->unset = one_in(r, 4);
}

size_t uboot_case_header(const struct uboot_case *c)
{
	return c->copies == 2 ? 5 : 4;
}

void uboot_case_make(const char *seed, uint64_t number, struct uboot_case *ret_case)
{
	static const size_t sizes[] = {64, 100, 128, 256, 512, 1000, 1024, 2048, CASE_SIZE_MAX};
	static const enum uboot_kind kinds[] = {
		KIND_PLAIN, KIND_PLAIN, KIND_PLAIN, KIND_PLAIN,	  KIND_PLAIN,
		KIND_ODD,   KIND_ODD,	KIND_ODD,   KIND_DAMAGED, KIND_DAMAGED,
	};
	struct random r = random_for(seed, number);
	struct uboot_case *c = ret_case;

	c->number = number;
	c->kind = kinds[below(&r, ARRAY_SIZE(kinds))];
	/* Every third one is single. */
	c->copies = number % 3 == 2 ? 1 : 2;
	c->size = sizes[one_in(&r, 10) ? ARRAY_SIZE(sizes) - 1 : below(&r, ARRAY_SIZE(sizes) - 1)];
	a_place(&r, c);
	choose_flags(&r, c, number / 3 * 2 + number % 3);
	for (size_t i = 0; i < c->copies; i++) {
		make_image(&r, c, i);
		if (c->kind == KIND_DAMAGED)
			damage(&r, c, i);
		else if (one_in(&r, 8))
			flip_bits(&r, c, i);
		c->copy[i].valid = crc_fits(c, i);
		/* The damage may have hit it. */
		if (c->copies == 2)
			c->copy[i].flag = c->copy[i].image[4];
	}
	c->n_changes = 1 + below(&r, CASE_CHANGES_MAX);
	for (size_t i = 0; i < c->n_changes; i++)
		a_change(&r, c, &c->change[i]);
}
