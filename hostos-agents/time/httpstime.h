/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The time that a web server gives in the Date header of the answer to a connectivity check.
 * libcurl (with OpenSSL) does the work and is loaded for it; the answer is hostile.
 *
 * https: the chain and the name are verified. The dates of the certificates are not compared with a
 * clock that may be wrong, but with the date that the server gives: every certificate of the
 * verified chain has to be valid then.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTPSTIME_URI_MAX 2048
#define HTTPSTIME_WHY_MAX 256

struct httpstime_request {
	const char *uri;      /* http: or https: */
	const char *response; /* what the answer's body begins with; NULL: status 204 is expected */
	unsigned timeout_ms;  /* for all of it */
};

struct httpstime {
	bool verified;	 /* by TLS */
	int64_t time;	 /* ms since 1970 at the moment `boot_ms` */
	int64_t boot_ms; /* CLOCK_BOOTTIME */
};

/*
 * Asks. On failure a negative errno and, in why, what was found and expected: -EOPNOTSUPP no
 * libcurl that can do this, -EHOSTUNREACH no answer, -EKEYREJECTED TLS refused, -EPROTO another
 * answer than expected (a captive portal), -EBADMSG no date, -ESTALE a certificate is not valid at
 * that date.
 */
int httpstime_ask(const struct httpstime_request *request, struct httpstime *ret_time,
		  char why[static HTTPSTIME_WHY_MAX]);

/* Is it an answer to take the date of? Pure. 0 or -EPROTO. */
int httpstime_judge_answer(long status, const char *response, const char *body, size_t body_size);

/* One line of a header: takes a Date (the last one counts, but a status line begins anew). Pure.
 * *date is 0 when there is none, -1 when it is senseless. */
void httpstime_header(const char *line, size_t size, int64_t *date);
