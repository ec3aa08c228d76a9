# SPDX-License-Identifier: LGPL-2.1-or-later
"""`tugboot env` and grub-editenv on the same files: each reads what the other wrote, and what they
write is the same.

TUGBOOT_DIFFERENTIAL_FILES   how many files (10000; 50000 in the long test)
TUGBOOT_DIFFERENTIAL_SEED    which series (1); a failure names its file, to be made again
"""

import collections
import shutil
import subprocess

import agree
import blocks
import pytest
import readings
from agree import TUGBOOT, Disagreement, expect

GRUB = shutil.which("grub-editenv") or shutil.which("grub2-editenv")

# What must be there for a slot to be chosen stays in a repaired file before all others.
NEEDED = (b"resin_root_part", b"upgrade_available", b"bootcount", b"bootlimit", b"tugboot_count")


class Tool:
    """One of the two commands, on files of its own."""

    def __init__(self, where, counts, name):
        self.dir = where / name
        self.dir.mkdir()
        self.file = self.dir / "bootenv"
        self.name = name
        self.counts = counts

    def _run(self, *words):
        if self.name == "tugboot":
            command = [TUGBOOT, "--boot", self.dir, "env", words[0], "--", *words[1:]]
        else:
            command = [GRUB, self.file, *words]
        self.counts[f"{self.name} runs"] += 1
        done = subprocess.run(command, capture_output=True, check=False)
        expect(done.returncode in (0, 1), f"{self.name} ends with 0 or 1",
               command=command, status=done.returncode, error=done.stderr)
        return done

    def _give(self, data):
        """A new file; the copy of the one before does not belong to it."""
        self.file.write_bytes(data)
        (self.dir / "tugboot.env").unlink(missing_ok=True)

    def list(self, data):
        """What `list` prints for a file of these bytes; None when it is refused."""
        self._give(data)
        done = self._run("list")
        return done.stdout if done.returncode == 0 else None

    def change(self, data, commands):
        """The file after the commands, and whether each one succeeded."""
        self._give(data)
        done = [self._run(verb, *words).returncode == 0 for verb, words in commands]
        return self.file.read_bytes(), done


def changed(pairs, commands, done):
    """What the variables are after the commands that succeeded; of one name the last counts."""
    values = dict(pairs)
    for (verb, words), ok in zip(commands, done):
        for word in words if ok else ():
            name, _, value = word.partition(b"=")
            if verb == "unset":
                values.pop(name, None)
            else:
                values[name] = value
    return values


def size_of(values):
    """Bytes that these variables need in a block."""
    stored = (name + b"=" + blocks.escape(value) + b"\n" for name, value in values.items())
    return len(blocks.SIGNATURE) + sum(map(len, stored))


def names_in(commands):
    return {word.partition(b"=")[0] for _, words in commands for word in words}


def peak_size(pairs, commands, kept=None):
    """Bytes that the variables need at most while the commands are done, one name after the other;
    of what was there before, only the names in `kept` when that is given."""
    words = [(verb, [word]) for verb, words in commands for word in words]
    sizes = []
    for n in range(len(words) + 1):
        values = changed(pairs, words[:n], [True] * n)
        sizes.append(size_of({k: v for k, v in values.items() if kept is None or k in kept}))
    return max(sizes)


def compare_plain(case, tugboot, grub, counts):
    """Both agree on everything."""
    ours, theirs = tugboot.list(case.data), grub.list(case.data)
    expect(ours is not None, "a good file is read")
    expect(ours == theirs, "both read the file alike", ours=ours, theirs=theirs)
    our_file, our_done = tugboot.change(case.data, case.commands)
    their_file, their_done = grub.change(case.data, case.commands)
    expect(our_done == their_done, "both take or refuse a change", ours=our_done, theirs=their_done)
    expect(our_file == their_file, "both write the same bytes", ours=our_file, theirs=their_file)
    counts["plain, changed"] += our_file != case.data
    counts["plain, refused"] += not all(our_done)
    ours, theirs = tugboot.list(their_file), grub.list(our_file)
    expect(ours == theirs, "each reads what the other wrote", ours=ours, theirs=theirs)


def compare_odd(case, tugboot, grub, counts):
    """Each reads by its own rules; both change a variable that stands once in the same way."""
    pairs = readings.by_tugboot(case.data)
    ours, theirs = tugboot.list(case.data), grub.list(case.data)
    expect(ours == readings.listed(pairs), "tugboot reads line by line", ours=ours)
    expect(theirs == readings.listed(readings.by_grub(case.data)), "grub reads names over lines",
           theirs=theirs)
    our_file, our_done = tugboot.change(case.data, case.commands)
    their_file, their_done = grub.change(case.data, case.commands)
    often = collections.Counter(name for name, _ in pairs)
    has_room = all(their_done) or not readings.has_filler(case.data)
    if has_room and all(often[name] <= 1 for name in names_in(case.commands)):
        counts["odd, same bytes"] += 1
        expect((our_file, our_done) == (their_file, their_done), "both write the same bytes",
               ours=our_file, theirs=their_file)
    expect(readings.well_formed(our_file), "a good block stays one", file=our_file)
    expect(dict(readings.by_tugboot(our_file)) == changed(pairs, case.commands, our_done),
           "what was set is there, and all else as before", file=our_file)
    expect(tugboot.list(their_file) == readings.listed(readings.by_tugboot(their_file)),
           "tugboot reads what grub wrote", file=their_file)
    expect(grub.list(our_file) == readings.listed(readings.by_grub(our_file)),
           "grub reads what tugboot wrote", file=our_file)


def compare_damaged(case, tugboot, grub, counts):
    """Both read what they can; a change by tugboot repairs the file for both."""
    pairs = readings.by_tugboot(case.data)
    ours, theirs = tugboot.list(case.data), grub.list(case.data)
    expect(ours == readings.listed(pairs), "tugboot reads what can be read", ours=ours)
    expected = readings.by_grub(case.data)
    expect(theirs == (None if expected is None else readings.listed(expected)),
           "grub reads what it accepts", theirs=theirs)

    our_file, our_done = tugboot.change(case.data, case.commands)
    start = case.data[: blocks.SIZE]
    if readings.well_formed(start):
        # A good block with something behind it: that goes, the block is not built anew.
        counts["damaged, too long only"] += 1
        expected = tugboot.change(start, case.commands) if any(our_done) else (case.data, our_done)
        expect((our_file, our_done) == expected, "only the end goes", file=our_file)
        return
    after = changed(pairs, case.commands, our_done)
    counts["damaged, refused by grub"] += expected is None
    if not all(our_done):
        counts["damaged, refused"] += 1
        # Beside what is set, only what chooses a slot must stay.
        needed = names_in(case.commands).union(NEEDED)
        expect(peak_size(pairs, case.commands, needed) > blocks.SIZE, "a change that fits is made",
               file=our_file)
        expect(our_file == case.data, "a refused change leaves the file", file=our_file)
        return
    expect(readings.well_formed(our_file), "a change makes a good block", file=our_file)
    now = dict(readings.by_tugboot(our_file))
    expect(now.items() <= after.items(), "nothing is made up", now=now, after=after)
    for name in names_in(case.commands):
        expect(now.get(name) == after.get(name), "what was set is there", name=name, now=now)
    if peak_size(pairs, case.commands) <= blocks.SIZE:
        counts["damaged, all kept"] += 1
        expect(now == after, "nothing that fits is lost", now=now, after=after)
    ours, theirs = tugboot.list(our_file), grub.list(our_file)
    # A block that is built anew has neither comments nor odd lines.
    expect(ours == theirs, "both read the repaired file alike", ours=ours, theirs=theirs)


COMPARE = {"plain": compare_plain, "odd": compare_odd, "damaged": compare_damaged}


def compare_some(seed, numbers):
    """One worker's share: how much was done, and what did not hold."""
    counts, failures = collections.Counter(), []
    with agree.memory_directory() as path:
        tugboot, grub = (Tool(path, counts, name) for name in ("tugboot", "grub"))
        for number in numbers:
            case = blocks.case(seed, number)
            well_formed = readings.well_formed(case.data)
            if case.kind == "damaged" and well_formed:
                case.kind = "odd"  # the damage has hit a value, a name or a comment
            counts[case.kind] += 1
            try:
                expect(well_formed == (case.kind != "damaged"), "the kinds are what they say")
                COMPARE[case.kind](case, tugboot, grub, counts)
            except Disagreement as failed:
                failures.append(f"seed {seed}, file {number} ({case.kind}): {failed}\n"
                                f"    data: {case.data!r}\n    commands: {case.commands!r}")
    return counts, failures


def compare_series(capsys, seed, files):
    """All files of a series, over the workers."""
    assert TUGBOOT.exists(), f"{TUGBOOT} is missing: run `make`"
    if GRUB is None:
        pytest.skip("grub-editenv is not installed (Debian: grub-common)")
    # Small shares: the last ones to end are short.
    shares = [(seed, range(start, files, 100)) for start in range(min(100, files))]
    counts, failures = agree.in_parallel(compare_some, shares)
    compared = sum(counts[kind] for kind in COMPARE)
    agree.report(capsys, f"grub-editenv, seed {seed}, {compared} files", counts, failures)
    assert compared == files
    # Else the series does not reach what it is there for.
    assert counts["plain, changed"] > files // 4 and counts["odd, same bytes"] > files // 50
    assert files < 1000 or (counts["plain, refused"] and counts["damaged, refused by grub"])


def test_tugboot_and_grub_editenv_agree_on_generated_files(capsys):
    compare_series(capsys, agree.SEED, agree.number_of(10000, "TUGBOOT_DIFFERENTIAL_FILES"))


@pytest.mark.long
def test_tugboot_and_grub_editenv_agree_on_many_more_files(capsys):
    compare_series(capsys, agree.SEED + "-long",
                   agree.number_of(50000, "TUGBOOT_DIFFERENTIAL_FILES"))
