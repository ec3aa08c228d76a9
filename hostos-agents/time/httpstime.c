/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Time by HTTPS: see httpstime.h. Trusts the system's list of authorities, and nobody else. */
#include "httpstime.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "httpdate.h"
#include "library.h"
#include "macro.h"
#include "sysclock.h"

#define BODY_MAX 4096 /* of an expected response; more is not looked at */

LIBRARY_FUNCTION(curl_easy_cleanup);
LIBRARY_FUNCTION(curl_easy_getinfo);
LIBRARY_FUNCTION(curl_easy_init);
LIBRARY_FUNCTION(curl_easy_perform);
LIBRARY_FUNCTION(curl_easy_setopt);
LIBRARY_FUNCTION(curl_easy_strerror);
LIBRARY_FUNCTION(curl_global_init);

static const struct library_symbol curl_symbols[] = {
	LIBRARY_SYMBOL(curl_easy_cleanup), LIBRARY_SYMBOL(curl_easy_getinfo),
	LIBRARY_SYMBOL(curl_easy_init),	   LIBRARY_SYMBOL(curl_easy_perform),
	LIBRARY_SYMBOL(curl_easy_setopt),  LIBRARY_SYMBOL(curl_easy_strerror),
	LIBRARY_SYMBOL(curl_global_init),
};
static struct library curl_library = {"libcurl.so.4", curl_symbols, ARRAY_SIZE(curl_symbols),
				      false};

/* The same libraries that libcurl has loaded. */
LIBRARY_FUNCTION(SSL_CTX_get0_param);
LIBRARY_FUNCTION(SSL_CTX_set_verify);

static const struct library_symbol ssl_symbols[] = {
	LIBRARY_SYMBOL(SSL_CTX_get0_param),
	LIBRARY_SYMBOL(SSL_CTX_set_verify),
};
static struct library ssl_library = {"libssl.so.3", ssl_symbols, ARRAY_SIZE(ssl_symbols), false};

LIBRARY_FUNCTION(ASN1_TIME_to_tm);
LIBRARY_FUNCTION(X509_STORE_CTX_get_current_cert);
LIBRARY_FUNCTION(X509_VERIFY_PARAM_set_flags);
LIBRARY_FUNCTION(X509_get0_notAfter);
LIBRARY_FUNCTION(X509_get0_notBefore);

static const struct library_symbol crypto_symbols[] = {
	LIBRARY_SYMBOL(ASN1_TIME_to_tm),
	LIBRARY_SYMBOL(X509_STORE_CTX_get_current_cert),
	LIBRARY_SYMBOL(X509_VERIFY_PARAM_set_flags),
	LIBRARY_SYMBOL(X509_get0_notAfter),
	LIBRARY_SYMBOL(X509_get0_notBefore),
};
static struct library crypto_library = {"libcrypto.so.3", crypto_symbols,
					ARRAY_SIZE(crypto_symbols), false};

/* One request. */
struct asking {
	int64_t date;		      /* of the Date header, in seconds; 0: none, -1: senseless */
	int64_t date_boot_ms;	      /* when it came */
	int64_t valid_from, valid_to; /* of the whole chain, in seconds */
	unsigned certificates;
	char body[BODY_MAX];
	size_t body_size;
};

/* OpenSSL's callback has no argument of ours; there is one request at a time. */
static struct asking *asked;

int httpstime_judge_answer(long status, const char *response, const char *body, size_t body_size)
{
	size_t n = response ? strlen(response) : 0;

	if (n == 0)
		return status == 204 ? 0 : -EPROTO;
	/* As NetworkManager does: the answer begins with it. */
	return status == 200 && body_size >= n && memcmp(body, response, n) == 0 ? 0 : -EPROTO;
}

void httpstime_header(const char *line, size_t size, int64_t *date)
{
	static const char name[] = "date:";
	size_t n = sizeof(name) - 1;

	if (size >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		*date = 0; /* of a proxy, or of an answer before the last one */
		return;
	}
	if (size < n || strncasecmp(line, name, n) != 0)
		return;
	if (httpdate_parse(line + n, size - n, date) < 0)
		*date = -1;
}

static size_t on_header(char *line, size_t unit, size_t n, void *arg)
{
	struct asking *asking = arg;
	int64_t before = asking->date;

	httpstime_header(line, unit * n, &asking->date);
	if (asking->date != before)
		asking->date_boot_ms = sysclock_boot();
	return unit * n;
}

static size_t on_body(char *data, size_t unit, size_t n, void *arg)
{
	struct asking *asking = arg;
	size_t size = unit * n, take = MIN(size, sizeof(asking->body) - asking->body_size);

	memcpy(asking->body + asking->body_size, data, take);
	asking->body_size += take;
	/* Somebody who sends a film instead is not listened to. */
	return take == size ? size : 0;
}

static bool seconds_of(const ASN1_TIME *time, int64_t *ret_seconds)
{
	struct tm tm = {0};

	if (!time || sym_ASN1_TIME_to_tm(time, &tm) != 1)
		return false;
	*ret_seconds = timegm(&tm);
	return true;
}

/* Called for each certificate of the chain from its root on, after it was verified but for its
 * dates, and for each thing that is wrong with it. */
static int on_certificate(int good, X509_STORE_CTX *context)
{
	X509 *certificate = sym_X509_STORE_CTX_get_current_cert(context);
	int64_t from, to;

	if (!good || !certificate || !asked)
		return 0;
	if (!seconds_of(sym_X509_get0_notBefore(certificate), &from) ||
	    !seconds_of(sym_X509_get0_notAfter(certificate), &to))
		return 0;
	asked->valid_from = MAX(asked->valid_from, from);
	asked->valid_to = MIN(asked->valid_to, to);
	asked->certificates++;
	return 1;
}

static CURLcode on_context(CURL *curl, void *context, void *arg)
{
	(void)curl;
	(void)arg;
	sym_SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_certificate);
	if (sym_X509_VERIFY_PARAM_set_flags(sym_SSL_CTX_get0_param(context),
					    X509_V_FLAG_NO_CHECK_TIME) != 1)
		return CURLE_SSL_CERTPROBLEM;
	return CURLE_OK;
}

/* Everything that can be set; false when this libcurl cannot do what the safety of it rests on. */
static bool set_up(CURL *curl, const struct httpstime_request *request, struct asking *asking,
		   char *error, bool tls)
{
	bool ok = true;

#define SET(option, value) (sym_curl_easy_setopt(curl, option, value) == CURLE_OK)
	ok = ok && SET(CURLOPT_URL, request->uri);
	ok = ok && SET(CURLOPT_PROTOCOLS_STR, tls ? "https" : "http");
	ok = ok && SET(CURLOPT_FOLLOWLOCATION, 0L);
	ok = ok && SET(CURLOPT_NOBODY, request->response && *request->response ? 0L : 1L);
	ok = ok && SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	ok = ok && SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	ok = ok && SET(CURLOPT_NOSIGNAL, 1L);
	ok = ok && SET(CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	ok = ok && SET(CURLOPT_CONNECTTIMEOUT_MS, (long)request->timeout_ms / 2);
	ok = ok && SET(CURLOPT_USERAGENT, "tugboot");
	ok = ok && SET(CURLOPT_HEADERFUNCTION, on_header);
	ok = ok && SET(CURLOPT_HEADERDATA, asking);
	ok = ok && SET(CURLOPT_WRITEFUNCTION, on_body);
	ok = ok && SET(CURLOPT_WRITEDATA, asking);
	ok = ok && SET(CURLOPT_ERRORBUFFER, error);
	/* An answer out of a cache is as old as it is. */
	ok = ok && SET(CURLOPT_FRESH_CONNECT, 1L);
	if (tls) {
		ok = ok && SET(CURLOPT_SSL_VERIFYPEER, 1L);
		ok = ok && SET(CURLOPT_SSL_VERIFYHOST, 2L);
		ok = ok && SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
		ok = ok && SET(CURLOPT_SSL_CTX_FUNCTION, on_context);
	}
#undef SET
	return ok;
}

static int failure(CURLcode code)
{
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_ISSUER_ERROR:
		return -EKEYREJECTED;
	case CURLE_WRITE_ERROR:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_HTTP2:
		return -EPROTO;
	default:
		return -EHOSTUNREACH;
	}
}

#define WHY(...) (void)snprintf(why, HTTPSTIME_WHY_MAX, __VA_ARGS__)

/* What the answer is worth. */
static int weigh(const struct httpstime_request *request, const struct asking *asking, long status,
		 bool tls, int64_t sent_boot_ms, struct httpstime *ret_time,
		 char why[static HTTPSTIME_WHY_MAX])
{
	if (httpstime_judge_answer(status, request->response, asking->body, asking->body_size) <
	    0) {
		WHY("found status %ld, expected %s: a captive portal?", status,
		    request->response && *request->response
			    ? "200 and the response of os.network.connectivity.response"
			    : "204");
		return -EPROTO;
	}
	if (asking->date <= 0) {
		WHY("found %s, expected a date", asking->date < 0 ? "no valid Date" : "no Date");
		return -EBADMSG;
	}
	if (tls && asking->certificates == 0) {
		WHY("no certificate was verified");
		return -EKEYREJECTED;
	}
	if (tls && (asking->date < asking->valid_from || asking->date > asking->valid_to)) {
		WHY("the certificates are valid from %lld to %lld, not at the date given, %lld",
		    (long long)asking->valid_from, (long long)asking->valid_to,
		    (long long)asking->date);
		return -ESTALE;
	}
	*ret_time = (struct httpstime){
		.verified = tls,
		/* Half a second for what the date leaves out, half of the way there and back. */
		.time = asking->date * 1000 + 500 +
			MIN((asking->date_boot_ms - sent_boot_ms) / 2, (int64_t)1000),
		.boot_ms = asking->date_boot_ms,
	};
	return 0;
}

int httpstime_ask(const struct httpstime_request *request, struct httpstime *ret_time,
		  char why[static HTTPSTIME_WHY_MAX])
{
	struct asking asking = {.valid_from = INT64_MIN, .valid_to = INT64_MAX};
	bool tls = strncasecmp(request->uri, "https:", 6) == 0;
	char error[CURL_ERROR_SIZE] = "";
	int64_t sent_boot_ms;
	double before = 0;
	CURLcode code;
	long status = 0;
	CURL *curl;

	WHY("libcurl with OpenSSL cannot be loaded");
	if (library_load(&curl_library) < 0 ||
	    (tls && (library_load(&ssl_library) < 0 || library_load(&crypto_library) < 0)))
		return -EOPNOTSUPP;
	WHY("libcurl cannot check certificates as needed: expected one with OpenSSL");
	if (sym_curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -EOPNOTSUPP;
	curl = sym_curl_easy_init();
	if (!curl)
		return -ENOMEM;
	if (!set_up(curl, request, &asking, error, tls)) {
		sym_curl_easy_cleanup(curl);
		return -EOPNOTSUPP;
	}
	asked = &asking;
	sent_boot_ms = sysclock_boot();
	code = sym_curl_easy_perform(curl);
	asked = NULL;
	(void)sym_curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	/* The request itself was sent when the connection stood. */
	if (sym_curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME, &before) == CURLE_OK)
		sent_boot_ms += (int64_t)(before * 1000);
	sym_curl_easy_cleanup(curl);
	if (code != CURLE_OK) {
		WHY("%s", error[0] ? error : sym_curl_easy_strerror(code));
		return failure(code);
	}
	return weigh(request, &asking, status, tls, sent_boot_ms, ret_time, why);
}
