/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Certificates' names, see certhash.h. The certificate is hostile; libcrypto parses it, in a process
 * that is started for that alone. Not in lib/trust/crypto.c: the boot image's libcrypto is not asked
 * for certificates.
 */
#include "certhash.h"

#include <errno.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "crypto.h"
#include "library.h"

#define PEM_MAX (1024 * 1024)

LIBRARY_FUNCTION(BIO_free);
LIBRARY_FUNCTION(BIO_new_mem_buf);
LIBRARY_FUNCTION(PEM_read_bio_X509);
LIBRARY_FUNCTION(X509_NAME_hash_ex);
LIBRARY_FUNCTION(X509_free);
LIBRARY_FUNCTION(X509_get_subject_name);

static const struct library_symbol symbols[] = {
	LIBRARY_SYMBOL(BIO_free),	   LIBRARY_SYMBOL(BIO_new_mem_buf),
	LIBRARY_SYMBOL(PEM_read_bio_X509), LIBRARY_SYMBOL(X509_NAME_hash_ex),
	LIBRARY_SYMBOL(X509_free),	   LIBRARY_SYMBOL(X509_get_subject_name),
};

static struct library library = {"libcrypto.so.3", symbols, ARRAY_SIZE(symbols), false};

int certhash_read(const char *pem, size_t size, uint32_t *ret_hash)
{
	X509 *first, *second;
	unsigned long hash;
	int ok = 0, r;
	BIO *bio;

	if (size > PEM_MAX)
		return -EBADMSG;
	r = crypto_load();
	if (r == 0)
		r = library_load(&library);
	if (r < 0)
		return r;
	bio = sym_BIO_new_mem_buf(pem, (int)size);
	if (!bio)
		return -ENOMEM;
	first = sym_PEM_read_bio_X509(bio, NULL, NULL, NULL);
	second = first ? sym_PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	(void)sym_BIO_free(bio);
	hash = first ? sym_X509_NAME_hash_ex(sym_X509_get_subject_name(first), NULL, NULL, &ok) : 0;
	r = !first ? -EBADMSG : second ? -E2BIG : ok ? 0 : -EIO;
	sym_X509_free(first);
	sym_X509_free(second);
	if (r == 0)
		*ret_hash = (uint32_t)hash;
	return r;
}
