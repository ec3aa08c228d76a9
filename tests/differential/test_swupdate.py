# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's SWUpdate on environments that lib/base wrote, and lib/base on what SWUpdate made of them.

For GRUB's block SWUpdate has a reader of its own, for U-Boot's environment it loads libubootenv.
Where its reader of the block takes something else for a variable than GRUB does, the block is none
that Tugboot makes by itself; what happens then is pinned by readings.by_swupdate().

TUGBOOT_DIFFERENTIAL_SWUPDATE   how many environments of each kind (10000; 100000 in the long test)
TUGBOOT_DIFFERENTIAL_SEED       which series (1)
"""

import collections
import random

import agree
import base
import blocks
import pytest
import readings
import swupdate
from agree import expect
from swupdate import GRUBENV, SWUpdate, request

SHARE = 500
# Names that a test asks for besides those that are there.
ABSENT = (b"ustate", b"recovery_status", b"absent")


def tame_value(rng, not_in=b"\\\n"):
    """Not empty, and with nothing that GRUB's block would escape."""
    while True:
        value = blocks.a_value(rng).translate(None, not_in)
        if value:
            return value


def tame_name(rng):
    return blocks.a_name(rng)


def tame_pairs(rng):
    return {tame_name(rng): tame_value(rng) for _ in range(rng.randrange(9))}


def grub_block(rng):
    """A block that lib/base made, by changes one after the other, and what is in it."""
    block, expected = base.Grub(), {}
    for name, value in tame_pairs(rng).items():
        if not base.is_full(block.set(name, value)):
            expected[name] = value
    for name in list(expected):
        if rng.random() < 0.2:
            expect(block.unset(name) == 0, "a variable can be removed")
            del expected[name]
    if rng.random() < 0.3:
        room = len(block.data()) - len(block.data().rstrip(b"#")) - len(b"fill=\n")
        # Of a block without padding SWUpdate dies; see below.
        fill = b"f" * (room - rng.randrange(1, 8))
        if fill and not base.is_full(block.set(b"fill", fill)):
            expected[b"fill"] = fill
    return block, expected


def bytes_of(values):
    return len(blocks.SIGNATURE) + sum(len(n) + len(v) + 2 for n, v in values.items())


def some_change(rng, values, not_in):
    """A request to SWUpdate, and the values after it; bytes not_in stand in no line of a list."""
    name = rng.choice(list(values)) if values and rng.random() < 0.5 else tame_name(rng)
    after, kind = dict(values), rng.random()
    if kind < 0.3:
        after.pop(name, None)
        return request(b"u", name), after
    if kind < 0.6:
        after[name] = tame_value(rng)
        return request(b"s", name, after[name]), after
    lines = {}
    for _ in range(rng.randrange(1, 4)):
        name = tame_name(rng).translate(None, not_in)
        if name and not name.startswith(b"#"):
            lines[name] = tame_value(rng, b"\\\n" + not_in)
    after.update(lines)
    return request(b"a", b"".join(n + b"=" + v + b"\n" for n, v in lines.items())), after


def change_by_swupdate(rng, tool, values, room_left, not_in):
    """One to three changes; the values after those that were made."""
    for _ in range(rng.randrange(1, 4)):
        change, after = some_change(rng, values, not_in)
        room = room_left(after)
        if room == 0:
            continue  # it dies of a block without padding; see below
        [(result, _)] = tool.ask(change)
        expect((result == 0) == (room > 0), "SWUpdate takes what fits", after=after, result=result)
        values = after if result == 0 else values
    return values


def compare_grub(rng, tool, counts):
    block, expected = grub_block(rng)
    expect(len(block.data()) == base.GRUB_SIZE and block.whole(), "a whole block of 1024 bytes")
    tool.write(GRUBENV, block.data())
    names = [*expected, *(name for name in ABSENT if name not in expected)]
    got = tool.get(names)
    expect(got == {name: expected.get(name) for name in names}, "SWUpdate reads what we wrote",
           got=got, block=block.data())

    expected = change_by_swupdate(rng, tool, expected, lambda v: base.GRUB_SIZE - bytes_of(v),
                                  b"\t")
    theirs = tool.read(GRUBENV)
    block = base.Grub(theirs)
    expect(block.whole(), "what SWUpdate writes is whole", theirs=theirs)
    pairs = block.pairs()
    expect(len(pairs) == len(expected) and dict(pairs) == expected, "we read what SWUpdate wrote",
           pairs=pairs, expected=expected)

    name, value = tame_name(rng), tame_value(rng)
    if base.is_full(block.set(name, value)):
        counts["refused by tugboot"] += 1
        return
    counts["changed by both"] += 1
    tool.write(GRUBENV, block.data())
    expected[name] = value
    got = tool.get(list(expected))
    expect(got == expected, "SWUpdate reads what we changed", got=got, block=block.data())


class UbootFiles:
    """U-Boot's environment in one file or two, where SWUpdate's fw_env.config says."""

    PATHS = (b"/boot/uboot.env", b"/boot/uboot-redund.env")

    def __init__(self, rng, tool):
        self.tool = tool
        self.size = rng.choice((128, 512, 1024, 0x2000))
        self.form = rng.choice((base.SINGLE, base.REDUNDANT))
        self.paths = self.PATHS[: 2 if self.form == base.REDUNDANT else 1]
        lines = (path + b" 0 0x%x\n" % self.size for path in self.paths)
        tool.write(swupdate.FW_ENV_CONFIG, b"".join(lines))
        self.images = [base.Uboot(self.size, self.form) for _ in self.paths]
        self.current = 0

    def image(self):
        return self.images[self.current]

    def make(self, rng, values):
        """The first environment, with those of the values that fit; in the other copy something
        older, or nothing valid."""
        flag, kept = rng.randrange(256), {}
        self.current = rng.randrange(len(self.images))
        for name, value in values.items():
            if not base.is_full(self.image().set(name, value)):
                kept[name] = value
        for i, image in enumerate(self.images):
            if i == self.current:
                image.seal(flag)
            elif rng.random() < 0.5:
                image.set(b"older", b"yes")
                image.seal((flag - 1) % 256)
            else:
                self.images[i] = base.Uboot(self.size, self.form, rng.randbytes(self.size))
        self.store()
        return kept

    def store(self):
        for path, image in zip(self.paths, self.images):
            self.tool.write(path, image.data())

    def load(self):
        """What the files hold now; the variables."""
        self.images = [base.Uboot(self.size, self.form, self.tool.read(path))
                       for path in self.paths]
        if self.form == base.REDUNDANT:
            self.current = base.choose(self.images)
            expect(self.current >= 0, "one of the copies counts")
        expect(self.image().whole(), "the CRC fits")
        pairs = self.image().pairs()
        expect(len(pairs) == len(dict(pairs)), "no name stands twice", pairs=pairs)
        return dict(pairs)

    def set(self, name, value):
        """As Tugboot writes: the copy that does not count, with the next flag. False: no room."""
        flag = self.image().flag()
        new = base.Uboot(self.size, self.form, self.image().data())
        if base.is_full(new.set(name, value)):
            return False
        new.seal((flag + 1) % 256)
        self.current = (self.current + 1) % len(self.images)
        self.images[self.current] = new
        self.store()
        return True

    def room_left(self, values):
        return self.size - self.form - sum(len(n) + len(v) + 2 for n, v in values.items())


def compare_uboot(rng, tool, counts):
    files = UbootFiles(rng, tool)
    expected = files.make(rng, tame_pairs(rng))
    counts["redundant"] += files.form == base.REDUNDANT
    names = [*expected, *(name for name in ABSENT if name not in expected)]
    got = tool.get(names)
    expect(got == {name: expected.get(name) for name in names}, "SWUpdate reads what we wrote",
           got=got, images=[image.data() for image in files.images])

    # A list is read line by line, without a carriage return at the end.
    expected = change_by_swupdate(rng, tool, expected, files.room_left, b"\r")
    got = files.load()
    expect(got == expected, "we read what SWUpdate wrote", got=got, expected=expected)

    name, value = tame_name(rng), tame_value(rng)
    if not files.set(name, value):
        counts["refused by tugboot"] += 1
        return
    counts["changed by both"] += 1
    expected[name] = value
    got = tool.get(list(expected))
    expect(got == expected, "SWUpdate reads what we changed", got=got, expected=expected)


def compare_some(loader, compare, seed, numbers):
    counts, failures = collections.Counter(), []
    with SWUpdate(loader) as tool:
        for number in numbers:
            try:
                counts["environments"] += 1
                compare(random.Random(f"{seed}/{number}"), tool, counts)
            except agree.Disagreement as failed:
                failures.append(f"seed {seed}, environment {number}: {failed}")
    return counts, failures


def compare_series(capsys, loader, compare, seed, environments):
    if swupdate.PROGRAM is None:
        pytest.skip("swupdate is not installed (Debian: swupdate)")
    assert swupdate.HOOK.exists(), f"{swupdate.HOOK} is missing: run `make test-differential`"
    try:
        with SWUpdate(loader) as tool:
            tool.read(GRUBENV)
    except swupdate.NotAllowed as why:
        pytest.skip(f"a mount namespace is needed: {why}")
    counts, failures = agree.in_parallel(
        compare_some, [(loader, compare, f"{loader}/{seed}", numbers)
                       for numbers in agree.shares(environments, SHARE)])
    agree.report(capsys, f"SWUpdate, {loader}, seed {seed}", counts, failures)
    assert counts["environments"] == environments
    return counts


def compare_both(capsys, loader, compare, seed, environments):
    counts = compare_series(capsys, loader, compare, seed,
                            agree.number_of(environments, "TUGBOOT_DIFFERENTIAL_SWUPDATE"))
    # Else the series does not reach what it is there for.
    assert counts["changed by both"] > counts["environments"] // 2
    assert loader == "grub" or counts["redundant"] > counts["environments"] // 3


def test_swupdate_and_tugboot_agree_on_grub_blocks(capsys):
    compare_both(capsys, "grub", compare_grub, agree.SEED, 10000)


def test_swupdate_and_tugboot_agree_on_uboot_environments(capsys):
    compare_both(capsys, "uboot", compare_uboot, agree.SEED, 10000)


@pytest.mark.long
def test_swupdate_and_tugboot_agree_on_many_more_grub_blocks(capsys):
    compare_both(capsys, "grub", compare_grub, agree.SEED + "-long", 100000)


@pytest.mark.long
def test_swupdate_and_tugboot_agree_on_many_more_uboot_environments(capsys):
    compare_both(capsys, "uboot", compare_uboot, agree.SEED + "-long", 100000)


def compare_reading(rng, tool, counts):
    """Any block that other tools may have left: SWUpdate reads what readings.by_swupdate() says,
    and where GRUB's own tool would read something else, the block is none of the plainest."""
    case = blocks.case(f"swupdate/{rng.random()}", rng.randrange(10))
    data = case.data if rng.random() < 0.8 else grub_block(rng)[0].data()
    if not data.rstrip(b"#").endswith(b"\n") or not data.endswith(b"#"):
        counts["not to be looked at"] += 1
        return  # it looks for the end of the last piece behind the block
    tool.write(GRUBENV, data)
    by_swupdate, by_grub = readings.by_swupdate(data), readings.by_grub(data)
    names = {name for name, _ in [*(by_swupdate or ()), *(by_grub or ())]} - {b""}
    got = tool.get(list(names))
    expected = dict(by_swupdate or ())
    expect(got == {name: expected.get(name) for name in names}, "SWUpdate reads as expected",
           got=got, data=data)
    if readings.same_for_swupdate(data):
        counts["read alike"] += 1
        expect(by_swupdate == by_grub == readings.by_tugboot(data), "all three read the same",
               data=data)
    elif by_swupdate != by_grub:
        counts["read otherwise, or refused"] += 1


def test_swupdate_reads_blocks_of_others_as_expected(capsys):
    counts = compare_series(capsys, "grub", compare_reading, f"reading/{agree.SEED}",
                            agree.number_of(5000, "TUGBOOT_DIFFERENTIAL_SWUPDATE"))
    assert counts["read alike"] > counts["environments"] // 20
    assert counts["read otherwise, or refused"] > counts["environments"] // 20


@pytest.fixture
def grub_tool():
    if swupdate.PROGRAM is None:
        pytest.skip("swupdate is not installed (Debian: swupdate)")
    try:
        with SWUpdate("grub") as tool:
            tool.read(GRUBENV)
            yield tool
    except swupdate.NotAllowed as why:
        pytest.skip(f"a mount namespace is needed: {why}")


def padded(lines):
    return (blocks.SIGNATURE + lines).ljust(blocks.SIZE, b"#")


def test_swupdate_misreads_the_first_variable_behind_the_warning_of_grub_editenv(grub_tool):
    # grub-editenv 2.06 writes this comment into each block that it makes. To SWUpdate it is the
    # start of the first variable's name. It keeps the bytes when it writes, so GRUB still reads
    # both; Tugboot writes no comment of its own, and keeps one that it finds.
    grub_tool.write(GRUBENV, padded(blocks.WARNING + b"a=1\nb=2\n"))
    assert grub_tool.get([b"a", b"b"]) == {b"a": None, b"b": b"2"}
    assert grub_tool.set(b"c", b"3")
    after = grub_tool.read(GRUBENV)
    assert dict(readings.by_grub(after)) == {b"a": b"1", b"b": b"2", b"c": b"3"}
    assert dict(base.Grub(after).pairs()) == {b"a": b"1", b"b": b"2", b"c": b"3"}


def test_swupdate_takes_the_line_behind_an_empty_value_for_the_value(grub_tool):
    # And writes it back so: an empty value costs the variable behind it.
    grub_tool.write(GRUBENV, padded(b"a=\nb=2\n"))
    assert grub_tool.get([b"a", b"b"]) == {b"a": b"b=2", b"b": None}
    assert grub_tool.set(b"c", b"3")
    assert dict(readings.by_grub(grub_tool.read(GRUBENV))) == {b"a": b"b=2", b"c": b"3"}


def test_swupdate_takes_no_other_size_than_1024(grub_tool):
    good = padded(b"a=1\n")
    for data in (good[:-1], good + b"#", good[:512], good * 2, b""):
        grub_tool.write(GRUBENV, data)
        assert grub_tool.get([b"a"]) == {b"a": None}
        assert not grub_tool.set(b"a", b"2")
        assert grub_tool.read(GRUBENV) == data
    grub_tool.write(GRUBENV, good)
    assert grub_tool.get([b"a"]) == {b"a": b"1"}


def test_swupdate_dies_of_a_block_without_padding_and_leaves_it(grub_tool):
    # It ends its text with a NUL, one byte behind its buffer. grub-editenv and GRUB take this
    # block, and so does lib/base. SWUpdate writes to another file first, which stays.
    room = blocks.SIZE - len(padded(b"a=1\nfill=\n").rstrip(b"#"))
    full = padded(b"a=1\nfill=" + b"f" * room + b"\n")
    assert len(full) == blocks.SIZE and full.endswith(b"\n") and base.Grub(full).whole()
    grub_tool.write(GRUBENV, full)
    assert grub_tool.get([b"a"]) == {b"a": b"1"}
    with pytest.raises(RuntimeError, match="buffer overflow"):
        grub_tool.set(b"a", b"2")
