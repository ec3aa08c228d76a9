/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies of a secret in this process' memory: lib/trust/wipe.c. */
#include "wipe.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <cmocka.h>

#define SIZE 32

static uint8_t in_data[SIZE + 1] = {1};

/* A secret that nothing else in the process has a copy of. */
static void fresh(uint8_t secret[static SIZE])
{
	assert_int_equal(getrandom(secret, SIZE, 0), SIZE);
}

static void copies_are_wiped_wherever_they_are(void **state)
{
	uint8_t secret[SIZE], on_stack[SIZE + 3];
	uint8_t *heap = malloc(3 * SIZE), *page;

	(void)state;
	fresh(secret);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(page != MAP_FAILED);
	assert_non_null(heap);
	memcpy(in_data + 1, secret, SIZE);
	memcpy(on_stack + 3, secret, SIZE);
	memcpy(heap + 5, secret, SIZE);
	memcpy(heap + 5 + SIZE, secret, SIZE);
	memcpy(page + 4096 - SIZE, secret, SIZE); /* up to the last byte */
	/* Or more: copying it may have left another. */
	assert_true(wipe_copies(secret, SIZE) >= 5);
	assert_int_equal(wipe_copies(secret, SIZE), 0);
	for (size_t i = 0; i < SIZE; i++) {
		assert_int_equal(in_data[i + 1] | on_stack[i + 3] | page[4096 - SIZE + i], 0);
		assert_int_equal(heap[5 + i] | heap[5 + SIZE + i], 0);
	}
	free(heap);
	(void)munmap(page, 4096);
}

static void what_was_freed_is_wiped(void **state)
{
	uint8_t secret[SIZE], *heap = malloc(1168);

	(void)state;
	fresh(secret);
	assert_non_null(heap);
	memcpy(heap + 600, secret, SIZE);
	__asm__ volatile(""
			 :
			 : "r"(heap)
			 : "memory"); /* it is used, as far as the compiler knows */
	free(heap);
	assert_true(wipe_copies(secret, SIZE) >= 1);
	assert_int_equal(wipe_copies(secret, SIZE), 0);
}

/* Leaves a copy on the stack, where it returns to. */
__attribute__((no_sanitize("address"), noinline)) static void leave(const uint8_t *secret)
{
	volatile uint8_t deep[8192];

	for (size_t i = 0; i < SIZE; i++)
		deep[i] = secret[i];
	assert_int_equal(deep[0], secret[0]);
}

static void dead_stack_is_wiped(void **state)
{
	uint8_t secret[SIZE];

	(void)state;
	fresh(secret);
	leave(secret);
	wipe_stack();
	assert_int_equal(wipe_copies(secret, SIZE), 0);
}

static void the_bytes_themselves_and_others_stay(void **state)
{
	uint8_t secret[SIZE], kept[SIZE], other[SIZE];

	(void)state;
	fresh(secret);
	for (size_t i = 0; i < SIZE; i++)
		kept[i] = secret[i] ^ 0xff;
	memcpy(other, secret, SIZE); /* all but its last byte */
	other[SIZE - 1] ^= 1;
	assert_true(wipe_copies(secret, SIZE) >= 0);
	for (size_t i = 0; i < SIZE; i++) {
		assert_int_equal(secret[i], kept[i] ^ 0xff);
		assert_int_equal(other[i], secret[i] ^ (i == SIZE - 1));
	}
}

static void short_bytes_are_refused(void **state)
{
	uint8_t secret[SIZE];

	(void)state;
	fresh(secret);
	assert_int_equal(wipe_copies(secret, WIPE_MIN - 1), -EINVAL);
	assert_true(wipe_copies(secret, WIPE_MIN) >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_are_wiped_wherever_they_are),
		cmocka_unit_test(what_was_freed_is_wiped),
		cmocka_unit_test(dead_stack_is_wiped),
		cmocka_unit_test(the_bytes_themselves_and_others_stay),
		cmocka_unit_test(short_bytes_are_refused),
	};

	return cmocka_run_group_tests_name("wipe", tests, NULL, NULL);
}
