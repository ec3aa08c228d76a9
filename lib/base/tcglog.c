/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TPM event logs; see tcglog.h. The log is hostile: every field is taken off the front of what is
 * left, if it is there, and an event is handed out when all of it is.
 */
#include "tcglog.h"

#include <errno.h>

#include "macro.h"

#define SHA1_SIZE 20
#define SIGNATURE_SIZE 16
#define SHA1_HEADER_SIZE (4 + 4 + SHA1_SIZE + 4)
#define AGILE_HEADER_SIZE (4 + 4 + 4)

static uint32_t get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* True and moves on when so many bytes are left. */
static bool take(struct slice *rest, size_t size, const uint8_t **ret_bytes)
{
	if (rest->len < size)
		return false;
	*ret_bytes = (const uint8_t *)rest->data;
	*rest = slice_from(*rest, size);
	return true;
}

static bool take16(struct slice *rest, uint16_t *ret_value)
{
	const uint8_t *p;

	if (!take(rest, 2, &p))
		return false;
	*ret_value = (uint16_t)(p[0] | p[1] << 8);
	return true;
}

static bool take32(struct slice *rest, uint32_t *ret_value)
{
	const uint8_t *p;

	if (!take(rest, 4, &p))
		return false;
	*ret_value = get32(p);
	return true;
}

/* The event's size and its data. */
static bool take_data(struct slice *rest, struct slice *ret_data)
{
	const uint8_t *p;
	uint32_t size;

	if (!take32(rest, &size) || !take(rest, size, &p))
		return false;
	*ret_data = slice_of((const char *)p, size);
	return true;
}

/* --- The head ------------------------------------------------------------------------------ */

/* Digest sizes of the algorithms that have a fixed one; 0 for others. */
static unsigned known_size(uint16_t alg)
{
	switch (alg) {
	case TCGLOG_SHA1:
		return SHA1_SIZE;
	case TCGLOG_SHA256:
	case 0x0012: /* SM3 */
	case 0x0027: /* SHA3-256 */
		return 32;
	case TCGLOG_SHA384:
	case 0x0028: /* SHA3-384 */
		return 48;
	case TCGLOG_SHA512:
	case 0x0029: /* SHA3-512 */
		return 64;
	default:
		return 0;
	}
}

static const struct tcglog_bank *find_bank(const struct tcglog *log, uint16_t alg)
{
	for (unsigned i = 0; i < log->banks; i++)
		if (log->bank[i].alg == alg)
			return &log->bank[i];
	return NULL;
}

static int add_bank(struct tcglog *log, uint16_t alg, uint16_t size)
{
	unsigned known = known_size(alg);

	if (size == 0 || (known != 0 && size != known) || find_bank(log, alg))
		return -EBADMSG;
	if (size > TCGLOG_DIGEST_MAX)
		return -ENOTSUP;
	log->bank[log->banks++] = (struct tcglog_bank){.alg = alg, .size = size};
	return 0;
}

/* TCG_EfiSpecIDEvent behind its signature. */
static int parse_spec_id(struct slice rest, struct tcglog *log)
{
	const uint8_t *versions, *vendor;
	uint32_t banks;
	uint16_t alg, size;
	int r;

	/* Platform class, minor and major version, errata, size of UINTN. */
	if (!take(&rest, 4 + 4, &versions) || !take32(&rest, &banks) || banks == 0)
		return -EBADMSG;
	if (versions[5] != 2)
		return -ENOTSUP;
	if (banks > TCGLOG_BANKS_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < banks; i++) {
		if (!take16(&rest, &alg) || !take16(&rest, &size))
			return -EBADMSG;
		r = add_bank(log, alg, size);
		if (r < 0)
			return r;
	}
	/* The vendor's bytes: of no interest, but there. */
	if (!take(&rest, 1, &vendor) || rest.len != *vendor)
		return -EBADMSG;
	return 0;
}

static bool is_signature(struct slice data, const char *signature)
{
	return data.len >= SIGNATURE_SIZE && memcmp(data.data, signature, SIGNATURE_SIZE) == 0;
}

int tcglog_open(const void *data, size_t size, struct tcglog *ret_log)
{
	struct tcglog sha1 = {
		.data = slice_of(data, size),
		.banks = 1,
		.bank = {{.alg = TCGLOG_SHA1, .size = SHA1_SIZE}},
	};
	struct tcglog agile = {.data = sha1.data, .crypto_agile = true};
	struct tcglog_event event;
	size_t pos = 0;
	int r;

	/* The first event is in this form in any log. */
	r = tcglog_next(&sha1, &pos, &event);
	if (r <= 0)
		return -EBADMSG;
	if (event.type != TCGLOG_NO_ACTION || event.data.len < SIGNATURE_SIZE ||
	    memcmp(event.data.data, "Spec ID Event", strlen("Spec ID Event")) != 0) {
		*ret_log = sha1;
		return 0;
	}
	sha1.first = agile.first = pos;
	if (is_signature(event.data, "Spec ID Event03")) {
		r = parse_spec_id(slice_from(event.data, SIGNATURE_SIZE), &agile);
		if (r < 0)
			return r;
		*ret_log = agile;
		return 0;
	}
	/* Of TPM 1.2, on PCs without and with EFI. */
	if (!is_signature(event.data, "Spec ID Event00") &&
	    !is_signature(event.data, "Spec ID Event02"))
		return -ENOTSUP;
	*ret_log = sha1;
	return 0;
}

/* --- Events -------------------------------------------------------------------------------- */

/* Nothing but zeros or nothing but 0xff, as memory that nobody wrote to. */
static bool is_blank(struct slice rest)
{
	for (size_t i = 0; i < rest.len; i++)
		if (rest.data[i] != rest.data[0] ||
		    (rest.data[0] != '\0' && (unsigned char)rest.data[0] != 0xff))
			return false;
	return true;
}

static bool take_digests(const struct tcglog *log, struct slice *rest, struct tcglog_event *event)
{
	uint32_t digests;

	if (!take32(rest, &digests) || digests == 0 || digests > log->banks)
		return false;
	while (event->digests < digests) {
		const struct tcglog_bank *bank;
		const uint8_t *digest;
		uint16_t alg;

		if (!take16(rest, &alg) || tcglog_digest(event, alg))
			return false;
		bank = find_bank(log, alg);
		if (!bank || !take(rest, bank->size, &digest))
			return false;
		event->digest[event->digests].alg = alg;
		event->digest[event->digests].digest = digest;
		event->digests++;
	}
	return true;
}

static bool take_event(const struct tcglog *log, struct slice *rest, struct tcglog_event *event)
{
	if (!take32(rest, &event->pcr) || !take32(rest, &event->type))
		return false;
	if (log->crypto_agile) {
		if (!take_digests(log, rest, event))
			return false;
	} else {
		event->digests = 1;
		event->digest[0].alg = TCGLOG_SHA1;
		if (!take(rest, SHA1_SIZE, &event->digest[0].digest))
			return false;
	}
	/* What is not extended may be of no PCR. */
	return take_data(rest, &event->data) &&
	       (event->pcr < TCGLOG_PCRS || event->type == TCGLOG_NO_ACTION);
}

int tcglog_next(const struct tcglog *log, size_t *pos, struct tcglog_event *ret_event)
{
	struct tcglog_event event = {0};
	struct slice rest = slice_from(log->data, MAX(*pos, log->first));
	size_t header = log->crypto_agile ? AGILE_HEADER_SIZE : SHA1_HEADER_SIZE;

	/* No event has a blank header, so the whole rest is looked at once at most. */
	if (is_blank(slice_of(rest.data, MIN(rest.len, header))))
		return is_blank(rest) ? 0 : -EBADMSG;
	if (!take_event(log, &rest, &event))
		return -EBADMSG;
	*pos = log->data.len - rest.len;
	*ret_event = event;
	return 1;
}

const uint8_t *tcglog_digest(const struct tcglog_event *event, uint16_t alg)
{
	for (unsigned i = 0; i < event->digests; i++)
		if (event->digest[i].alg == alg)
			return event->digest[i].digest;
	return NULL;
}

const char *tcglog_type_name(uint32_t type)
{
	static const char *const bios[] = {
		"EV_PREBOOT_CERT",
		"EV_POST_CODE",
		"EV_UNUSED",
		"EV_NO_ACTION",
		"EV_SEPARATOR",
		"EV_ACTION",
		"EV_EVENT_TAG",
		"EV_S_CRTM_CONTENTS",
		"EV_S_CRTM_VERSION",
		"EV_CPU_MICROCODE",
		"EV_PLATFORM_CONFIG_FLAGS",
		"EV_TABLE_OF_DEVICES",
		"EV_COMPACT_HASH",
		"EV_IPL",
		"EV_IPL_PARTITION_DATA",
		"EV_NONHOST_CODE",
		"EV_NONHOST_CONFIG",
		"EV_NONHOST_INFO",
		"EV_OMIT_BOOT_DEVICE_EVENTS",
		"EV_POST_CODE2",
	};
	static const struct {
		uint32_t type;
		const char *name;
	} efi[] = {
		{0x80000001, "EV_EFI_VARIABLE_DRIVER_CONFIG"},
		{0x80000002, "EV_EFI_VARIABLE_BOOT"},
		{0x80000003, "EV_EFI_BOOT_SERVICES_APPLICATION"},
		{0x80000004, "EV_EFI_BOOT_SERVICES_DRIVER"},
		{0x80000005, "EV_EFI_RUNTIME_SERVICES_DRIVER"},
		{0x80000006, "EV_EFI_GPT_EVENT"},
		{TCGLOG_EFI_ACTION, "EV_EFI_ACTION"},
		{0x80000008, "EV_EFI_PLATFORM_FIRMWARE_BLOB"},
		{0x80000009, "EV_EFI_HANDOFF_TABLES"},
		{0x8000000a, "EV_EFI_PLATFORM_FIRMWARE_BLOB2"},
		{0x8000000b, "EV_EFI_HANDOFF_TABLES2"},
		{0x8000000c, "EV_EFI_VARIABLE_BOOT2"},
		{0x8000000d, "EV_EFI_GPT_EVENT2"},
		{0x80000010, "EV_EFI_HCRTM_EVENT"},
		{0x800000e0, "EV_EFI_VARIABLE_AUTHORITY"},
		{0x800000e1, "EV_EFI_SPDM_FIRMWARE_BLOB"},
		{0x800000e2, "EV_EFI_SPDM_FIRMWARE_CONFIG"},
	};

	if (type < ARRAY_SIZE(bios))
		return bios[type];
	for (size_t i = 0; i < ARRAY_SIZE(efi); i++)
		if (efi[i].type == type)
			return efi[i].name;
	return "unknown";
}

/* --- What a log says ----------------------------------------------------------------------- */

static const char dma_text[] = "DMA Protection Disabled";

/* Of that text without a NUL. */
static const struct {
	uint16_t alg;
	size_t size;
	const char *digest;
} dma_digests[] = {
	{TCGLOG_SHA1, 20,
	 "\x9f\xe8\xd0\xea\x5d\x95\x7a\xfe\xf0\x68\x7f\x80\xb6\xd0\xf0\xec"
	 "\x0a\xac\x61\x11"},
	{TCGLOG_SHA256, 32,
	 "\x01\x95\x37\xee\xff\x4f\x18\x58\x18\x1e\x09\xd2\x6f\xaa\x59\xa5"
	 "\xad\x3a\x9d\x8e\xef\x3d\x1b\xbb\xb3\x52\x88\xe0\xe1\x6d\x65\x6c"},
	{TCGLOG_SHA384, 48,
	 "\xdf\xb0\xb7\xb5\x0f\xee\x6e\x5a\x2a\x66\xb5\x37\x33\x3a\xa3\x34"
	 "\x3f\xc1\x9a\x8e\xd6\x73\x81\x1f\x80\x92\xe9\xa4\x8b\x07\xec\xec"
	 "\x1c\xf4\xa2\x88\xfa\x33\x46\x65\x74\x06\x1c\x59\xb2\x1a\xf5\xa0"},
	{TCGLOG_SHA512, 64,
	 "\xad\x84\x4a\xd6\xa5\x3f\xc4\xdc\xc4\xf6\x98\xd9\x09\xa0\xfd\xad"
	 "\xf6\xb1\xa1\x7e\x39\xf5\x82\x33\xe5\xef\xa1\xa1\x1f\x55\x2e\xd9"
	 "\x71\xd1\x3d\xcd\xec\x2e\xc1\x3f\x41\x52\x13\x2b\xd6\x3d\x41\x49"
	 "\xd3\xa0\x73\x99\x37\x5d\x3d\xa4\xdb\xb3\x31\x20\x32\xe3\x01\x55"},
};

static bool says_dma_disabled(const struct tcglog_event *event)
{
	struct slice text = event->data;

	if (event->type == TCGLOG_NO_ACTION)
		return false;
	while (text.len > 0 && text.data[text.len - 1] == '\0')
		text.len--;
	if (slice_is(text, dma_text))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(dma_digests); i++) {
		const uint8_t *digest = tcglog_digest(event, dma_digests[i].alg);

		if (digest && memcmp(digest, dma_digests[i].digest, dma_digests[i].size) == 0)
			return true;
	}
	return false;
}

int tcglog_dma_disabled(const struct tcglog *log)
{
	struct tcglog_event event;
	size_t pos = 0;
	int r;

	while ((r = tcglog_next(log, &pos, &event)) > 0)
		if (says_dma_disabled(&event))
			return 1;
	return r;
}

static bool is_locality(const struct tcglog_event *event)
{
	return event->type == TCGLOG_NO_ACTION && is_signature(event->data, "StartupLocality");
}

/* TCG_EfiStartupLocalityEvent: the locality of TPM2_Startup, or 4 for an H-CRTM. */
static int set_locality(const struct tcglog_event *event, struct tcglog_values *values)
{
	uint8_t locality;

	if (event->data.len != SIGNATURE_SIZE + 1)
		return -EBADMSG;
	locality = (uint8_t)event->data.data[SIGNATURE_SIZE];
	if (locality != 0 && locality != 3 && locality != 4)
		return -EBADMSG;
	values->value[0][values->size - 1] = locality;
	return 0;
}

int tcglog_replay(const struct tcglog *log, uint16_t alg, tcglog_extend_fn *extend, void *data,
		  struct tcglog_values *ret_values)
{
	const struct tcglog_bank *bank = find_bank(log, alg);
	struct tcglog_values values = {.alg = alg};
	struct tcglog_event event;
	bool started = false;
	size_t pos = 0;
	int r;

	if (!bank)
		return -ENOENT;
	values.size = bank->size;
	while ((r = tcglog_next(log, &pos, &event)) > 0) {
		const uint8_t *digest = tcglog_digest(&event, alg);

		if (is_locality(&event)) {
			if (started || values.pcrs & 1u)
				return -EBADMSG;
			started = true;
			r = set_locality(&event, &values);
		} else if (event.type != TCGLOG_NO_ACTION && digest) {
			values.pcrs |= 1u << event.pcr;
			r = extend(alg, values.value[event.pcr], digest, bank->size, data);
		}
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	*ret_values = values;
	return 0;
}
