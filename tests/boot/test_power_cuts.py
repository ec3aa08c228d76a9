# SPDX-License-Identifier: LGPL-2.1-or-later
"""The plug is pulled at any moment: every disk that could be left behind is booted.

A device is used for a while: a trial is counted and called good, a variable set, the other root put
on trial, which fails and is rolled back. QEMU logs each write and each flush of it (`blklogwrites`).
From that log come the disks that a power cut can leave: after each write; and, because a disk may
keep what was not flushed in any order or lose it, with any of the sectors since the last flush and
without the others. A sample of them is booted in `make test`; in `make test-long` every point of
the log and more of the reordered ones, for each kind of environment.

What has to come up is what comes up before the operation that was cut, or after it, with all that
the environment holds in that case: nothing between the two, no variable lost.
"""

import hashlib
import random
import re
import shutil
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness import ASKS, Disk, Partition, bls_entry, root, writelog
from harness.disk import env_block

SEED = 3
# Disks to boot of each operation: in `make test`, and at least in `make test-long`.
SAMPLE, SAMPLE_LONG = 2, 12
# Of that many sectors every combination is taken; of more, a choice.
ALL_UP_TO = 6

USED = {"resin_root_part": "B", "upgrade_available": "1", "bootcount": "0", "mine": "kept"}

# The operations of the device's life: name, what is typed to cause it (of those in one boot the
# first is the bootloader's own), and what starts after it, with the value of `mine`.
FIRST = ("B trial 1/2", "kept")
LIFE = (
    ("count", None, ("B trial 2/2", "kept")),
    ("good", "tugboot slot good", ("B normal 0/2", "kept")),
    ("set", "tugboot env set mine=changed new=1", ("B normal 0/2", "changed")),
    ("try", "tugboot slot try A", ("A trial 1/2", "changed")),
    ("first count", "panic", ("A trial 2/2", "changed")),
    ("ended", "tugboot slot ended", ("A trial 1/2", "changed")),
    ("spared count", "reboot", ("A trial 2/2", "changed")),
    ("last count", "panic", ("B rollback 0/2", "changed")),
    ("rollback", "panic", ("B normal 0/2", "changed")),
    ("bad", "tugboot slot bad A", ("B normal 0/2", "changed")),
    ("migrate", "tugboot env migrate {other}", ("B normal 0/2", "changed")),
    ("committed boot", "reboot", ("B normal 0/2", "changed")),
)
WRITES_NOTHING = "committed boot"


def uboot_env(variables, size=0x2000, flag=None):
    """U-Boot's binary environment: a CRC, with `flag` the flag of one of two copies, the data."""
    data = b"".join(f"{name}={value}\0".encode() for name, value in variables.items())
    head = 4 if flag is None else 5
    data = data.ljust(size - head, b"\0")
    return (zlib.crc32(data).to_bytes(4, "little")
            + (b"" if flag is None else bytes([flag])) + data)


def fat(files):
    """A boot partition."""
    return Partition("boot", "vfat", size=4, files=files)


def raw_partition(**how):
    """One for an environment."""
    return Partition("raw", "raw", size=1, gpt_name="tug-env", **how)


def raw(work):
    """No boot partition, but one that is the environment."""
    image = Path(work) / "raw-environment"
    with open(image, "wb") as out:
        for at, flag in ((0, 1), (0x10000, 0)):
            out.seek(at)
            out.write(uboot_env(USED, flag=flag))
    return {
        "boot": Partition("boot", "raw", size=1),
        "raw": raw_partition(image=image),
    }


# Each kind of environment: what is said to boot.disk() to have it.
STORES = {
    "grub_on_fat": lambda work: {"env": USED},
    # Without the checksum of a superblock, which a torn sector breaks: the manual says so.
    "grub_on_ext4": lambda work: {
        "boot": Partition("boot", size=8, features="^metadata_csum",
                          files={"/bootenv": env_block(USED)}),
        "raw": raw_partition()},
    "uboot_text": lambda work: {"boot": fat({
        "resinOS_uEnv.txt": "resin_root_part=3\nupgrade_available=1\n",
        "extra_uEnv.txt": "mine=kept\n",
        "bootcount.env": b"bootcount=0\n\0",
    })},
    "uboot": lambda work: {"boot": fat({"uboot.env": uboot_env(USED)})},
    "uboot_redundant": lambda work: {"boot": fat({
        "uboot.env": uboot_env(USED, flag=1), "uboot-redund.env": uboot_env(USED, flag=0)})},
    "raw_partition": raw,
}

# Where its migration goes; the last one has no other place.
OTHER = {
    "grub_on_fat": "uboot-text", "grub_on_ext4": "raw", "uboot_text": "grub", "uboot": "uboot-text",
    "uboot_redundant": "uboot-text", "raw_partition": "raw",
}


def system():
    """A root as a real one is: the command finds its way to the environment by itself."""
    entry = bls_entry("panic=1", initrd=False, more="tugboot-initrd yes\n")
    return root(os_role=True, tugboot=True, probe="ask", size=40,
                files={"/boot/loader/entries/probe.conf": entry})


@dataclass(frozen=True)
class Outcome:
    """What came up, and the environment that it saw."""

    start: str
    env: tuple


@dataclass
class Life:
    """What was recorded."""

    disk: Disk  # as it was before
    entries: list
    ends: dict  # operation -> how many entries there were when it was done
    expected: dict = field(default_factory=dict)  # operation -> Outcome


def record(boot, store):
    """Lives the life once; its resets are no power cuts."""
    disk = boot.disk(rootA=system(), rootB=system(), **STORES[store](boot.work))
    used = boot.work / "used.img"
    shutil.copy(disk.path, used)
    log, ends = boot.work / "writes.log", {}
    with boot.guest(used, log=log) as guest:
        for name, typed, _ in LIFE:
            if typed:
                guest.send(typed.format(other=OTHER[store]) + "\n")
            guest.expect(ASKS)
            ends[name] = len(writelog.read(log))
        run = boot.result(guest)
    assert run.journey == ["B trial 1/2", "A trial 1/2", "A trial 1/2", "A trial 2/2",
                           "B rollback 0/2", "B normal 0/2"]
    assert len(re.findall("^PROBE tugboot=.* exit=0$", run.console, re.MULTILINE)) == 6
    assert ends[WRITES_NOTHING] == ends["migrate"]
    return Life(disk, writelog.read(log), ends)


def points(life, operation):
    """The disks that a cut in this operation can leave, each once: those after each write, and
    those with other choices among the sectors that were not flushed. Each is a dict of sectors that
    are not as before that life."""
    names = list(life.ends)
    number = names.index(operation)
    begin = life.ends[names[number - 1]] if number else 0
    whole, loose = {}, []
    after_each, reordered = {}, {}
    pick = random.Random(f"{SEED} {operation}")
    for number, entry in enumerate(life.entries[:life.ends[operation]]):
        if entry.flush:
            whole.update(loose)
            loose = []
        new = list(entry.sectors())
        loose += new
        if not new or number < begin:
            continue
        _note(after_each, {**whole, **dict(loose)})
        for chosen in _choices(loose, pick):
            _note(reordered, {**whole, **dict(chosen)})
    for name in after_each:
        reordered.pop(name, None)
    return list(after_each.values()), list(reordered.values())


def _note(points, sectors):
    digest = hashlib.sha256()
    for number in sorted(sectors):
        digest.update(number.to_bytes(8, "little") + sectors[number])
    points[digest.digest()] = sectors


def _choices(loose, pick):
    """Which of these sectors arrive, in which order: an older write to the same place may win."""
    if len(loose) <= ALL_UP_TO:
        masks = range(1 << len(loose))
    else:
        masks = [pick.getrandbits(len(loose)) for _ in range(1 << ALL_UP_TO)]
    for mask in masks:
        yield [sector for bit, sector in enumerate(loose) if mask >> bit & 1]
    yield list(reversed(loose))


def start(boot, life, sectors):
    """Boots the disk with these sectors."""
    path = boot.work / "cut.img"
    shutil.copy(life.disk.path, path)
    with open(path, "r+b") as image:
        for number, data in sectors.items():
            image.seek(number * writelog.SECTOR)
            image.write(data)
    with boot.guest(path) as guest:
        guest.expect(ASKS)
        guest.send("tugboot env list\n")
        listed = guest.expect(r"^tugboot env list\n([^\0]*)^PROBE tugboot=env exit=(\d+)$")
        run = boot.result(guest)
    assert listed.group(2) == "0"
    assert len(run.journey) == 1
    env = re.findall(r"^(\w+)=(.*)$", listed.group(1), re.MULTILINE)
    return Outcome(run.journey[0], tuple(sorted(env)))


def expected(boot, life, operation):
    """What comes up when the operation (None: the first) was not cut."""
    if operation not in life.expected:
        done = life.entries[:life.ends[operation]] if operation else []
        sectors = {n: data for entry in done for n, data in entry.sectors()}
        outcome = start(boot, life, sectors)
        known = FIRST if operation is None else {name: after for name, _, after in LIFE}[operation]
        assert (outcome.start, dict(outcome.env)["mine"]) == known
        life.expected[operation] = outcome
    return life.expected[operation]


def spread(items, count):
    """That many of them, evenly."""
    if len(items) <= count:
        return items
    return [items[(2 * i + 1) * len(items) // (2 * count)] for i in range(count)]


def check(boot, store, record_property, long):
    """Boots a sample of the points of every operation; returns how many."""
    life, total, before = record(boot, store), 0, None
    for operation in life.ends:
        allowed = {expected(boot, life, before), expected(boot, life, operation)}
        after_each, reordered = points(life, operation)
        random.Random(f"{SEED} {operation}").shuffle(reordered)
        if long:
            chosen = after_each + reordered[:max(0, SAMPLE_LONG - len(after_each))]
        else:
            chosen = spread(after_each, SAMPLE - 1) + reordered[:1]
        seen = {}
        for sectors in chosen:
            outcome = start(boot, life, sectors)
            seen[outcome.start] = seen.get(outcome.start, 0) + 1
            assert outcome in allowed, f"{operation}: sectors {sorted(sectors)}, seed {SEED}"
        came_up = ", ".join(f"{count} x {name}" for name, count in sorted(seen.items()))
        record_property("shown", f"{operation}: {len(after_each)} points, {len(reordered)} "
                                 f"reorderings; booted {len(chosen)}: {came_up or 'none'}")
        total, before = total + len(chosen), operation
    record_property("shown", f"{total} disks booted besides {len(life.expected)} that are whole "
                             f"(seed {SEED})")
    return total


@pytest.mark.parametrize("store", ["grub_on_fat"])
def test_sampled_power_cuts_leave_what_was_or_what_is_to_be_in(boot, store, record_property):
    assert check(boot, store, record_property, long=False) >= 12


@pytest.mark.long
@pytest.mark.parametrize("store", STORES)
def test_every_power_cut_leaves_what_was_or_what_is_to_be_in(boot, store, record_property):
    assert check(boot, store, record_property, long=True) >= 40


def test_committed_boot_after_a_clean_reset_writes_nothing(boot):
    disk = boot.disk(env={"resin_root_part": "B"}, rootA=root(), rootB=root(probe="ask"))
    log = boot.work / "writes.log"
    with boot.guest(disk, log=log) as guest:
        guest.expect(ASKS)
        guest.send("reboot\n")
        guest.expect(ASKS)
        guest.send("poweroff\n")
        guest.wait_end(60, max_resets=1)
        run = boot.result(guest)
    assert run.journey == ["B normal 0/2"] * 2
    assert writelog.read(log) == []


def test_committed_boot_by_firmware_writes_nothing(boot):
    disk = boot.disk(env={"resin_root_part": "B"}, uefi=True, rootA=root(), rootB=root())
    log = boot.work / "writes.log"
    assert boot(disk, firmware=True, log=log).journey == ["B normal 0/2"]
    assert writelog.read(log) == []


def test_count_of_a_try_costs_at_most_ten_million_instructions(boot, record_property):
    """With its flushes, between two lines of the log; its copy is there from the try before."""
    disk = boot.disk(env=USED, rootA=root(), rootB=root())
    assert boot(disk).journey == ["B trial 1/2"]
    guest = boot.guest(disk, append="printk.time=1")
    guest.count_instructions()
    with guest:
        guest.wait_end(120, max_resets=0)
    at = {event: round(float(seconds) * 1e6) for seconds, event in re.findall(
        r"^\[ *(\d+\.\d+)\] tugboot: (load|record|go) ", guest.console, re.MULTILINE)}
    assert boot.result(guest).journey == ["B trial 2/2"]
    record_property("shown", f"{(at['go'] - at['load']) / 1000:.2f} million instructions")
    assert 0 < at["go"] - at["load"] <= 10_000


def test_write_log_has_the_count_of_a_trial_and_a_flush_behind_it(boot):
    """What the two above do not find would be found."""
    disk = boot.disk(env=USED, rootA=root(), rootB=root())
    log = boot.work / "writes.log"
    before = Path(disk.path).read_bytes()
    assert boot(disk, log=log).journey == ["B trial 1/2"]
    entries = writelog.read(log)
    count = [n for n, entry in enumerate(entries) if b"bootcount=1\n" in entry.data]
    assert count and any(entry.flush for entry in entries[count[-1] + 1:])
    image = bytearray(before)
    writelog.replay(entries, image)
    assert image == Path(disk.path).read_bytes()
