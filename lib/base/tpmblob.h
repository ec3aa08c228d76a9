/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The outer form of a sealed object as it lies on a disk: TPM2B_PRIVATE and TPM2B_PUBLIC behind
 * each other, big endian (TCG "TPM 2.0 Library" part 2, rev 1.59: 12.3.7, 12.2.5, 12.2.4;
 * attributes 8.3). What is private is encrypted by the TPM and authentic to it alone; what is
 * public says who may unseal. Hostile: checked before a TPM is asked to load it, and so that a boot
 * can say what is wrong.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

#define TPMBLOB_POLICY_SIZE 32 /* SHA-256 */

struct tpmblob {
	struct slice private_area; /* contents of TPM2B_PRIVATE, into the blob */
	struct slice
		public_area;   /* contents of TPM2B_PUBLIC, as its name is made of, into the blob */
	bool noda;	       /* wrong answers do not count for the dictionary attack counter */
	const uint8_t *policy; /* authPolicy, TPMBLOB_POLICY_SIZE bytes, into the blob */
};

/*
 * Reads a sealed secret that only a policy opens. -EBADMSG when it is anything else, and *ret_what
 * (may be NULL; constant string) says what is wrong: sizes that are not exact, an object that is no
 * sealed data, a name algorithm other than SHA-256, no policy of 32 bytes, or attributes other than
 * fixedTPM and fixedParent with or without noDA (userWithAuth would open it without its policy).
 */
int tpmblob_parse(const void *blob, size_t size, struct tpmblob *ret_blob, const char **ret_what);
