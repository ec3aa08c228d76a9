# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guests of the crash-state test: one that records operations on a disk whose writes are
logged, and one that reads the environment in many states of a disk. Both run tests/power/*.c on
Tugboot's own kernel."""

import array
import re
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

from harness import (Disk, Guest, GuestError, HarnessError, INHERITED, Partition, artifact, images,
                     writelog)
from harness.images import kept
from harness.tools import TREE, run

SECTOR = 512
MB = 1 << 20

# What a boot partition is made with: its driver, its size in MiB, and mkfs. As small as the kind of
# filesystem can be: FAT16 and FAT32 with little more than the least number of clusters.
#
# An ext4 with metadata_csum cannot be mounted after a cut between the two sectors of its superblock,
# which is not in the journal and has one checksum over both; a partition of less than two block
# groups has no other superblock either. So one that carries the environment is made without.
EXT4 = ["mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-J", "size=1", "-E", "root_owner=0:0"]
FILESYSTEMS = {
    "fat16": ("vfat", 4, ["mkfs.vfat", "-F", "16", "-s", "1", "-i", "00000001"]),
    "fat32": ("vfat", 34, ["mkfs.vfat", "-F", "32", "-s", "1", "-i", "00000002"]),
    "ext4": ("ext4", 4, [*EXT4, "-O", "^metadata_csum"]),
    "ext4-csum": ("ext4", 4, [*EXT4, "-O", "metadata_csum"]),
}

STATES = struct.Struct("<III")
STATES_MAGIC, RESULTS_MAGIC = 0x53575054, 0x52575054
FLAG_WRITE, FLAG_BASE = 1, 2

ATTEMPTS = 4
LOST_TICKS = "IO-APIC + timer doesn't work!"


def program():
    """The guests' /init, linked with the same libraries as the bootloader."""
    here = TREE / "tests/power"
    agents = TREE / "hostos-agents"
    parts = [agents, *(agents / part for part in ("agent", "config", "health", "network", "time"))]
    sources = sorted(here.glob("*.c"))
    # The agents are of the host's part.
    libraries = [artifact("obj/host/hostos-agents.a"), artifact("obj/host/trust.a"),
                 artifact("obj/image/sys.a"), artifact("obj/image/base.a")]
    headers = [*here.glob("*.h"), *(TREE / "lib").glob("*/*.h"), *agents.glob("**/*.h")]
    flags = ["-std=gnu17", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-static", "-s",
             "-D_GNU_SOURCE", f"-I{TREE}/lib/base", f"-I{TREE}/lib/sys",
             *(f"-I{part}" for part in parts)]
    key = b"".join(path.read_bytes() for path in [*sources, *sorted(headers), *libraries])

    def make(path):
        run("gcc", *flags, "-o", path, *sources, *libraries, "-lblkid", "-ljson-c", "-lz")

    return kept("power", key + repr(flags).encode(), make)


@dataclass
class Scenario:
    """Operations on one kind of store on one filesystem."""

    name: str
    filesystem: str  # of FILESYSTEMS, or "none"
    raw: bool  # there is a partition that is an environment itself
    files: dict  # of the boot partition, at first
    environment: dict  # what they hold
    operations: list  # words of record.c
    raw_image: bytes = b""

    @property
    def driver(self):
        return FILESYSTEMS[self.filesystem][0] if self.filesystem != "none" else "none"

    @property
    def size(self):
        """Of the boot partition, in MiB."""
        return FILESYSTEMS[self.filesystem][1] if self.filesystem != "none" else 0


def make_disk(path, scenario):
    """A disk with a boot partition that holds the files, a partition for a raw environment, and one
    for marks."""
    parts = []
    if scenario.filesystem != "none":
        image = _make_filesystem(path.with_suffix(".boot"), scenario)
        parts.append(Partition(name="boot", fs=scenario.driver, size=scenario.size, number=1,
                               gpt_name="tug-boot", image=image))
    parts += [Partition(name="env", fs="raw", size=1, number=2, gpt_name="tug-env"),
              Partition(name="marks", fs="raw", size=1, number=3, gpt_name="marks")]
    disk = Disk(path, parts)
    if scenario.raw_image:
        disk.corrupt("env", 0, len(scenario.raw_image), scenario.raw_image)
    return disk


def _make_filesystem(image, scenario):
    _, size, mkfs = FILESYSTEMS[scenario.filesystem]
    tree = image.with_suffix(".tree")
    tree.mkdir()
    for name, content in scenario.files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    with image.open("wb") as made:
        made.truncate(size * MB)
    if scenario.filesystem.startswith("ext4"):
        run(*mkfs, "-d", tree, image)
    else:
        run(*mkfs, image)
        for name in scenario.files:
            run("mcopy", "-i", image, tree / name, f"::/{name}")
    return image


def _run(work, job, disks, memory, timeout):
    """Runs a job to its end and returns the console; disks are (path, log or None)."""
    initrd = work / "power.cpio"
    initrd.write_bytes(images.cpio({"/init": program(), "/job": "\n".join(job)}))
    for attempt in range(ATTEMPTS):
        guest = Guest(work, memory)
        for path, log in disks:
            guest.attach(path, log=log)
        guest.boot_kernel(artifact("vmlinuz"), initrd, f"{INHERITED} panic=-1")
        try:
            with guest:
                guest.wait_end(timeout, max_resets=0)
            break
        except GuestError:
            # The host's doing, before any disk was touched: see tests/boot/conftest.py.
            if LOST_TICKS not in guest.console or attempt + 1 == ATTEMPTS:
                raise
    if "JOB done=0" not in guest.console:
        raise HarnessError(f"the job was not done:\n{guest.console[-2000:]}")
    return guest.console


@dataclass
class Operation:
    """One operation as it was recorded."""

    name: str
    edits: dict = field(default_factory=dict)  # of the environment; None removes


@dataclass
class Recording:
    """What the operations wrote, on which disk, and where it stands in the log."""

    base: bytes
    entries: list  # of writelog
    marks: dict  # index in entries -> (begin|returned|end, number of the operation, from 1)
    operations: list
    environments: list  # before the first operation, and after each
    file_sectors: set  # of the environment's own files

    @property
    def same(self):
        """Numbers of environments, of those that are the same the first one's number."""
        return [self.environments.index(environment) for environment in self.environments]


def changed(variables, edits):
    """The variables after the edits; None removes."""
    after = {**variables, **edits}
    return {name: value for name, value in after.items() if value is not None}


def record(work, scenario, timeout=300):
    """Runs the operations one after the other on a fresh disk."""
    work = Path(work)
    disk = make_disk(work / "disk.img", scenario)
    base = disk.path.read_bytes()
    boot = "/dev/vda1" if scenario.filesystem != "none" else "-"
    raw = "/dev/vda2" if scenario.raw else "-"
    job = [f"record {boot} {scenario.driver} {raw} /dev/vda3"]
    control = ("hold", "release")
    job += [line if line in control else f"op {line}" for line in scenario.operations]
    console = _run(work, job, [(disk.path, work / "disk.log")], 256, timeout)

    made = [Operation(line) for line in scenario.operations if line not in control]
    for number, name, value in re.findall(r"^EDIT (\d+) ([^=\n]*)(?:(=.*))?$", console,
                                          re.MULTILINE):
        made[int(number) - 1].edits[name] = value[1:] if value else None
    sectors = set()
    start = MB // SECTOR
    for name, size, blocks in re.findall(r"^FILE \d+ (\S+) (\d+):(.*)$", console,
                                         re.MULTILINE):
        unit = int(size) // SECTOR
        for block in blocks.split():
            sectors.update(range(start + int(block) * unit, start + (int(block) + 1) * unit))
    env = disk["env"]
    sectors.update(range(env.start // SECTOR, (env.start + env.size * MB) // SECTOR))

    entries, marks = writelog.read(work / "disk.log"), {}
    for index, entry in enumerate(entries):
        if entry.write and entry.sector == disk["marks"].start // SECTOR:
            what, number = entry.data.rstrip(b"\0").decode().split(" ")
            marks[index] = (what, int(number))
    if len(marks) != 3 * len(made):
        raise HarnessError(f"{len(marks)} marks of {len(made)} operations:\n{console}")
    replayed = bytearray(base)
    writelog.replay(entries, replayed)
    if replayed != disk.path.read_bytes():
        raise HarnessError("the log replayed is not what the disk holds")
    environments = [scenario.environment]
    for operation in made:
        environments.append(changed(environments[-1], operation.edits))
    return Recording(base, entries, marks, made, environments, sectors)


def check(work, scenario, recording, states, timeout=7200, verb="check"):
    """Reads every state: a list of (flags, ((sector, blob), ...)), the blobs bytes of a sector.
    Returns for each the pair of texts that check.c promises (None where there is none)."""
    work = Path(work)
    image, given, results = work / "check.img", work / "states.img", work / "results.img"
    image.write_bytes(recording.base)
    numbers = {}
    packed = []
    for flags, changes in states:
        packed.append(flags << 16 | len(changes))
        for sector, blob in changes:
            packed += (sector, numbers.setdefault(blob, len(numbers)))
    with given.open("wb") as out:
        out.write(STATES.pack(STATES_MAGIC, len(states), len(numbers)).ljust(SECTOR, b"\0"))
        out.write(b"".join(numbers))
        words = array.array("I", packed)
        if sys.byteorder == "big":
            words.byteswap()
        words.tofile(out)
        out.truncate(-(-out.tell() // SECTOR) * SECTOR)
    with results.open("wb") as out:
        out.truncate(-(-len(states) * 8 // SECTOR) * SECTOR + 64 * MB)
    raw = f"{(1 + scenario.size) * MB // SECTOR} {MB // SECTOR}" if scenario.raw else "0 0"
    job = [f"{verb} /dev/vda /dev/vdb /dev/vdc {scenario.driver} {MB // SECTOR} "
           f"{scenario.size * MB // SECTOR} {raw}"]
    memory = 192 + (given.stat().st_size + image.stat().st_size * 2) // MB
    _run(work, job, [(image, None), (given, None), (results, None)], memory, timeout)

    data = results.read_bytes()
    magic, count, first = STATES.unpack_from(data)
    if magic != RESULTS_MAGIC:
        raise HarnessError("the guest left no results")
    texts = [None, *data[first * SECTOR:].split(b"\0", count)[:count]]
    texts = [text and text.decode("latin-1") for text in texts]
    found = struct.unpack_from(f"<{2 * len(states)}I", data, SECTOR)
    for path in (image, given, results):
        path.unlink()
    return [(texts[found[i]], texts[found[i + 1]]) for i in range(0, len(found), 2)]
