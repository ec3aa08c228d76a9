# SPDX-License-Identifier: LGPL-2.1-or-later
"""U-Boot itself reads what lib/base wrote, and lib/base what U-Boot made of it: `env import` and
`env export` of texts and of binary environments, at the prompt of Debian's u-boot-qemu.

U-Boot knows no empty variables: it takes `name=` for "no such variable". And what of U-Boot's own
reading of a binary environment fw_setenv does not know, is pinned below.

TUGBOOT_DIFFERENTIAL_UBOOT   how many environments (300; 20000 in the long test)
TUGBOOT_DIFFERENTIAL_SEED    which series (1)
"""

import collections
import os
import random

import agree
import base
import blocks
import pytest
import uboot
from agree import expect

# Where in the machine's memory things are.
TEXT, BINARY, OUT = 0x1000000, 0x1010000, 0x1020000
SLOT = 0x4000
# `env export` notes its size there.
OF_ITS_OWN = b"filesize"


@pytest.fixture(scope="module")
def machine():
    if uboot.QEMU is None:
        pytest.skip("qemu-system-x86_64 is not installed (Debian: qemu-system-x86)")
    if not os.path.exists(uboot.ROM):
        pytest.skip(f"{uboot.ROM} is missing (Debian: u-boot-qemu)")
    with agree.memory_directory() as where, uboot.UBoot(where) as running:
        yield running


def read_text(machine, data):
    """Does `env import -t` take it?"""
    machine.put(TEXT, data, SLOT)
    return machine.does(f"env import -t -d {TEXT:#x} {len(data):#x}")


def read_binary(machine, image):
    """Does `env import -c`, which looks at the checksum?"""
    machine.put(BINARY, image, SLOT)
    return machine.does(f"env import -c -d {BINARY:#x} {len(image):#x}")


def write_text(machine):
    machine.put(OUT, b"", SLOT)
    expect(machine.does(f"env export -t -s {SLOT:#x} {OUT:#x}"), "U-Boot writes a text")
    return machine.take(OUT, SLOT).split(b"\0")[0]


def write_binary(machine):
    machine.put(OUT, b"", SLOT)
    expect(machine.does(f"env export -c -s {SLOT:#x} {OUT:#x}"), "U-Boot writes an image")
    return machine.take(OUT, SLOT)


def without_its_own(pairs):
    return {name: value for name, value in pairs if name != OF_ITS_OWN}


def as_uboot_holds(pairs):
    """Of one name the last counts, and an empty one removes it."""
    return {name: value for name, value in dict(pairs).items() if value}


def a_name(rng):
    """One that a text can hold: a blank or '#' first would be skipped."""
    while True:
        name = blocks.a_name(rng)
        if name[:1] not in b" \t#" and name != OF_ITS_OWN:
            return name


def some_lines(rng):
    """Lines as people and other programs write them."""
    lines = []
    for _ in range(rng.randrange(8)):
        kind = rng.random()
        if kind < 0.2:
            lines.append(rng.choice((b"", b"  ", b"\t", b"# comment=1", b" # x\\", b"#")))
        elif kind < 0.35:
            lines.append(b" \t" + a_name(rng) + b"=" + rng.choice((b"", b"1\r", b"a\\bc\\\\", b"==")))
        else:
            lines.append(a_name(rng) + b"=" + blocks.escape(blocks.a_value(rng)))
    return b"".join(line + b"\n" for line in lines)


def compare_text(rng, machine, counts):
    """A text that lib/base has changed."""
    text = base.Text(some_lines(rng))
    for _ in range(rng.randrange(1, 4)):
        name, value = a_name(rng), blocks.a_value(rng) if rng.random() < 0.8 else None
        expect(text.set(name, value) == 0, "a variable can be set", name=name, value=value)
        expect(dict(text.pairs()).get(name) == value, "and is there")
    if not text.data():
        return
    counts["texts"] += 1
    expect(text.whole(), "the text is whole", text=text.data())
    expected = as_uboot_holds(text.pairs())
    expect(read_text(machine, text.data()), "U-Boot reads the text", text=text.data())
    theirs = base.Text(write_text(machine))
    # Of nothing it writes nothing, which is not whole.
    expect(theirs.whole() or not theirs.data(), "its own text is whole", theirs=theirs.data())
    got = without_its_own(theirs.pairs())
    expect(got == expected, "U-Boot reads what we wrote, and we what it did", text=text.data(),
           theirs=theirs.data(), expected=expected, got=got)


def compare_binary(rng, machine, counts):
    """A binary environment that lib/base has made, without '\\'."""
    counts["binary environments"] += 1
    size = rng.choice((0x200, 0x1000, SLOT))
    image = base.Uboot(size, base.SINGLE)
    for _ in range(rng.randrange(8)):
        base.is_full(image.set(a_name(rng), blocks.a_value(rng).replace(b"\\", b"/")))
    image.seal()
    expected = as_uboot_holds(image.pairs())
    expect(read_binary(machine, image.data()), "U-Boot takes the checksum", image=image.data())
    theirs = base.Uboot(SLOT, base.SINGLE, write_binary(machine))
    expect(theirs.whole(), "we take its checksum")
    got = without_its_own(theirs.pairs())
    expect(got == expected, "U-Boot reads what we wrote, and we what it did", expected=expected,
           got=got)
    damaged = bytearray(image.data())
    damaged[rng.randrange(size)] ^= 1 << rng.randrange(8)
    expect(not read_binary(machine, bytes(damaged)), "U-Boot refuses a changed bit")
    expect(not base.Uboot(size, base.SINGLE, bytes(damaged)).whole(), "and so do we")


def compare_series(capsys, machine, seed, environments):
    environments = agree.number_of(environments, "TUGBOOT_DIFFERENTIAL_UBOOT")
    counts, failures = collections.Counter(), []
    for number in range(environments):
        compare = compare_text if number % 3 else compare_binary
        try:
            compare(random.Random(f"{seed}/{number}"), machine, counts)
        except agree.Disagreement as failed:
            failures.append(f"seed {seed}, environment {number}: {failed}")
    agree.report(capsys, f"U-Boot, seed {seed}", counts, failures)
    assert counts["texts"] > environments // 2
    assert counts["binary environments"] >= environments // 3


def test_uboot_and_tugboot_agree_on_texts_and_images(capsys, machine):
    compare_series(capsys, machine, agree.SEED, 300)


@pytest.mark.long
def test_uboot_and_tugboot_agree_on_many_more_texts_and_images(capsys, machine):
    compare_series(capsys, machine, agree.SEED + "-long", 20000)


def test_what_uboot_reads_otherwise_is_known(machine):
    # In a binary environment, too, '\' takes the next byte for U-Boot, blanks before a name are
    # skipped, and '#' starts a comment. fw_setenv and libubootenv know nothing of it and lib/base
    # does as they do: who stores a '\' by one of them gets it back from all of them, but U-Boot.
    image = base.Uboot(0x200, base.SINGLE)
    for name, value in ((b"a", b"x\\\\y\\z"), (b" b", b"1"), (b"#c", b"1")):
        assert image.set(name, value) == 0
    image.seal()
    assert read_binary(machine, image.data())
    assert without_its_own(base.Text(write_text(machine)).pairs()) == {b"a": b"x\\yz", b"b": b"1"}

    # A name without '=' removes it; a variable without a name ends the reading.
    assert read_text(machine, b"a=1\nb=2\na\n")
    assert without_its_own(base.Text(write_text(machine)).pairs()) == {b"b": b"2"}
    assert not read_text(machine, b"a=1\n=2\nb=3\n")
    assert without_its_own(base.Text(write_text(machine)).pairs()) == {b"a": b"1"}
    for text in (b"a=1\nb=2\na\n", b"a=1\n=2\nb=3\n"):
        assert not base.Text(text).whole()

    # A last line that was cut off counts for it; a NUL ends the text only where a line would start.
    assert read_text(machine, b"a=1\nb=2")
    assert without_its_own(base.Text(write_text(machine)).pairs()) == {b"a": b"1", b"b": b"2"}
    assert read_text(machine, b"a=1\0b=2\n\0c=3\n")
    assert without_its_own(base.Text(write_text(machine)).pairs()) == {b"a": b"1", b"b": b"2"}
    for text in (b"a=1\nb=2", b"a=1\0b=2\n\0c=3\n"):
        assert not base.Text(text).whole()
