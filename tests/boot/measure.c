/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A UEFI application that has the firmware measure one event, as firmware does that has something to
 * say: into the PCR `PCR`, of the type `TYPE`, with the text `TEXT`. Then it ends with an error, and
 * the firmware goes on to the next boot option. UEFI 2.10, 4.3, 4.4, 7.3; TCG EFI Protocol
 * Specification for TPM 2.0 (level 00, revision 00.13), 6.6. Trusts the firmware.
 */
#include <stdint.h>

#ifndef TEXT
#define PCR 7
#define TYPE 0x80000007 /* EV_EFI_ACTION */
#define TEXT "Something"
#endif

#define EFIAPI __attribute__((ms_abi))
#define EFI_NOT_FOUND (0x8000000000000000u | 14)

struct guid {
	uint32_t a;
	uint16_t b, c;
	uint8_t d[8];
};

struct tcg2 {
	void *get_capability, *get_event_log;
	uint64_t(EFIAPI *hash_log_extend_event)(struct tcg2 *self, uint64_t flags, uint64_t data,
						uint64_t size, void *event);
};

struct boot_services {
	uint8_t header[24];
	void *other[37]; /* in the specification's order */
	uint64_t(EFIAPI *locate_protocol)(const struct guid *guid, void *key, struct tcg2 **found);
};

struct system_table {
	uint8_t other[96];
	struct boot_services *boot_services;
};

static struct __attribute__((packed)) {
	uint32_t size;
	uint32_t header_size;
	uint16_t header_version;
	uint32_t pcr, type;
	char text[sizeof(TEXT) - 1];
} event = {sizeof(event), 14, 1, PCR, TYPE, TEXT};

static const struct guid tcg2_guid = {
	0x607f766c, 0x7455, 0x42be, {0x93, 0x0b, 0xe4, 0xd7, 0x6d, 0xb2, 0x72, 0x0f}};

uint64_t EFIAPI efi_main(void *image, struct system_table *system);

uint64_t EFIAPI efi_main(void *image, struct system_table *system)
{
	struct tcg2 *tcg2;

	(void)image;
	if (system->boot_services->locate_protocol(&tcg2_guid, 0, &tcg2) == 0)
		(void)tcg2->hash_log_extend_event(tcg2, 0, (uint64_t)(uintptr_t)event.text,
						  sizeof(event.text), &event);
	return EFI_NOT_FOUND;
}
