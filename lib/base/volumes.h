/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which partitions must be encrypted, and does the disk agree? Known from the signed command line
 * (tugboot.encrypted=), not guessed from the disk. Pure: the caller says what it found.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "partname.h"

#define VOLUMES_MAX 64

/* One partition of the boot disk. */
struct volume_found {
	enum part_role role; /* PART_NONE: no role */
	unsigned index;	     /* number on its disk */
	bool luks;	     /* a LUKS header, of any version */
	char uuid[40];	     /* of that header */
};

/* What the device's maker asks for. */
struct volume_policy {
	uint32_t encrypted; /* roles, a bit each: 1u << role */
	bool strict;	    /* tugboot.encrypted= was given: nothing else may be on the disk */
};

enum volume_problem {
	VOLUME_OK,
	VOLUME_PLAIN,	  /* not encrypted, and must be */
	VOLUME_MISSING,	  /* must be there; but one slot of two, and recovery, may be missing */
	VOLUME_TWICE,	  /* two partitions of one role */
	VOLUME_EXTRA,	  /* a partition without a role, or one that the policy does not know */
	VOLUME_CLONED,	  /* two headers with one UUID */
	VOLUME_ENCRYPTED, /* encrypted, and must not be: `efi` and the raw environment */
};

struct volume_verdict {
	enum volume_problem problem;
	enum part_role role;
	unsigned index; /* of the partition, 0 for a missing one */
};

/* "plain", "missing", …; constant string. */
const char *volume_problem_name(enum volume_problem problem);

/* Parses `boot,rootA,rootB,state,data` or `all` (all of these); a `recovery` is encrypted only when
 * it is named. -EINVAL: an unknown name, one twice, or none. */
int volume_policy_parse(const char *text, struct volume_policy *ret_policy);

/*
 * The first problem, in the order of the partitions, then of the roles that are missing; VOLUME_OK
 * when there is none. A strict policy knows what it names, `efi`, the raw environment, and on a
 * disk without `efi` a plain `boot`; everything else is extra. A policy that is not strict minds
 * nothing about partitions that are plain and may be.
 */
struct volume_verdict volume_judge(const struct volume_policy *policy,
				   const struct volume_found *found, size_t n);

/* A LUKS header as far as its strength goes; filled from luks_info by the caller. */
struct volume_header {
	bool luks2;
	bool reencrypting;
	unsigned segments; /* 1 */
	const char *cipher;
	unsigned key_size; /* bytes */
	unsigned unknown_tokens;
	struct volume_slot {
		bool used;
		bool random_key; /* a known token says that its passphrase is 256 random bits */
		bool argon2;
		uint32_t iterations, memory_kib;
		const char *area_cipher;
	} slot[32];
};

/* For passphrases that people think of: half of the second choice of RFC 9106, 4, which cryptsetup
 * keeps to on machines with 64 MiB of memory, and the smallest time cost that it ever takes. */
#define VOLUME_ARGON2_KIB (32u * 1024)
#define VOLUME_ARGON2_PASSES 4u

enum header_problem {
	HEADER_OK,
	HEADER_VERSION, /* LUKS1 */
	HEADER_REENCRYPTING,
	HEADER_SEGMENTS,
	HEADER_CIPHER,	 /* any but xts-plain64, adiantum-plain64 and cbc-essiv:sha256 of a known
			  * block cipher: null, ecb, or of one that sectors can be swapped in */
	HEADER_KEY_SIZE, /* not 64 bytes for xts, which halves them; under 16 for others */
	HEADER_TOKEN_UNKNOWN,
	HEADER_SLOT_WEAK,   /* for a passphrase that can be guessed: PBKDF2, or Argon2 with little
			   * memory or time */
	HEADER_SLOT_CIPHER, /* key material in the clear, or as good as */
	HEADER_NO_SLOT,
};
/* "LUKS1", "an unknown token", …; constant string. */
const char *header_problem_name(enum header_problem problem);
/* The first problem, in that order but for slots, which are looked at one by one; *ret_slot (may be
 * NULL) is the slot concerned, -1 for none. A cipher that is NULL is none. */
enum header_problem volume_judge_header(const struct volume_header *header, int *ret_slot);
