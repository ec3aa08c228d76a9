/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Takes the place of a kernel's first instructions to tell when they are reached: writes the
 * processor's counter to the first serial port as "#" and 16 hexadecimal digits, then powers
 * QEMU's q35 off. Uses neither memory nor stack, and encodings that mean the same in 32-bit and in
 * 64-bit mode, so one piece of code serves every entry that a kernel has.
 */
#define SERIAL_PORT 0x3f8
#define SERIAL_STATUS 0x3fd
#define TRANSMITTER_EMPTY 0x20
#define PM1_CONTROL 0x604 /* of ICH9: SeaBIOS and OVMF both put its block at 0x600 */
#define SLEEP_ENABLE_S5 0x2000

/* The byte in bl; changes eax and edx. */
.macro put_byte
	mov	$SERIAL_STATUS, %edx
77:	in	%dx, %al
	test	$TRANSMITTER_EMPTY, %al
	jz	77b
	mov	%ebx, %eax
	mov	$SERIAL_PORT, %edx
	out	%al, %dx
.endm

/* The eight digits of a register; changes ebx and ecx as well. */
.macro put_number register
	mov	$8, %ecx
88:	rol	$4, \register
	mov	\register, %ebx
	and	$15, %ebx
	add	$'0', %ebx
	cmp	$'9', %ebx
	jbe	89f
	add	$'a' - '9' - 1, %ebx
89:	put_byte
	sub	$1, %ecx
	jnz	88b
.endm

	.text
	.globl	stop
stop:
	cli
	rdtsc
	mov	%edx, %esi
	mov	%eax, %edi
	mov	$'\n', %ebx
	put_byte
	mov	$'#', %ebx
	put_byte
	put_number %esi
	put_number %edi
	mov	$'\n', %ebx
	put_byte
	mov	$PM1_CONTROL, %edx
	mov	$SLEEP_ENABLE_S5, %eax
	out	%ax, %dx
1:	hlt
	jmp	1b
