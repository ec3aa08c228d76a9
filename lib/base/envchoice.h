/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which bytes are the boot environment, when it is kept twice: in a form that other programs read
 * and write (the front: a GRUB block, U-Boot's text files, a single binary environment), which has
 * no checksum or one that a cut write breaks, and in Tugboot's own copy beside it, which has.
 *
 * Only one of the two is ever being written, and only while the other one is whole:
 *
 *   1. front not whole: it is made from the copy first (the copy is whole, or there is nothing)
 *   2. copy := new values, marked `pending`         flush, read back
 *   3. front := new values                          flush, read back
 *   4. copy's mark := `settled`, one sector         flush
 *
 * Cut in 2: the copy is broken or still the old one, settled; the front is whole and old.
 * Cut in 3: the copy is whole and new, and `pending` says that the front may be anything.
 * Cut in 4: the mark is in one sector: pending (front is new, too), settled, or a copy that is
 *           broken, with a front that is whole and new.
 * Cut in 1: the copy is settled and whole, the front is made again.
 *
 * Other programs write the front alone, between a 4 and the next 2 or 1. So with a settled copy a
 * whole front is newer or the same, and what such a program left half-written is replaced by the
 * copy. Hence the choice, a pure function; it holds for every prefix of these writes, every order
 * of sectors within one of them, and every torn sector.
 */
#pragma once

enum env_front {
	ENV_FRONT_ABSENT,
	ENV_FRONT_BROKEN, /* something is there that its own tools would refuse */
	ENV_FRONT_WHOLE,
};

enum env_copy {
	ENV_COPY_NONE, /* absent, or its checksum does not fit */
	ENV_COPY_PENDING,
	ENV_COPY_SETTLED,
};

enum env_source {
	ENV_FROM_FRONT, /* what can be read of it, when it is broken */
	ENV_FROM_COPY,
	ENV_FROM_NOTHING,
};

/*
 *   copy     front    values from
 *   -------- -------- --------------------------------------------------
 *   pending  any      copy: the write of the front was cut
 *   settled  whole    front: the same, or changed since by another program
 *   settled  other    copy: another program's write was cut
 *   none     whole    front
 *   none     broken   front: there is nothing better
 *   none     absent   nothing
 */
enum env_source env_choose(enum env_front front, enum env_copy copy);
