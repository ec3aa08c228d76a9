/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes wrong, in a line on standard error: see tugboot.h. For the command and for the agents that use
 * its parts. */
#include <stdarg.h>
#include <stdio.h>

#include "tugboot.h"

_printf_(1, 0) static void complain_va(const char *fmt, va_list ap)
{
	char text[2048];

	(void)fflush(stdout); /* in the order in which it was said */
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	(void)fprintf(stderr, "tugboot: %s\n", text);
}

enum result complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_va(fmt, ap);
	va_end(ap);
	return RESULT_FAILED;
}

enum result complain_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_va(fmt, ap);
	va_end(ap);
	(void)fputs("Try 'tugboot --help'.\n", stderr);
	return RESULT_USAGE;
}
