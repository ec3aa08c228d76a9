# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which states a power cut can leave a disk in, from the log of what was written to it.

A flush makes everything durable that was written before it. Of the sectors written since the last
flush, a cut leaves any that the disk likes: each sector is one thing, also in a write of several.
One sector may be in the middle of being written: torn, its first bytes new and the rest old or the
other way round, or destroyed. A sector is only taken to be destroyed where it belongs to the
environment's own files: a filesystem promises nothing when its own sectors are.

So for each place in the log where the power can go, with W the sectors written since the flush:

- every subset of W, or, when it is large, every prefix and every suffix of it, all of it without
  one or two of its sectors, each sector alone, and a number of subsets by chance;
- each of these with one further sector of W torn or destroyed, in every subset of the others, or,
  when W is large, in those in which the others are before it, all but it, and none.

Two states with the same bytes are one.
"""

import hashlib
import itertools
import random
from dataclasses import dataclass

SECTOR = 512


@dataclass
class Depth:
    """How far the enumeration goes."""

    subsets: int  # every subset up to that many sectors
    torn_subsets: int  # the same, with one more sector torn
    chance: int  # subsets by chance where not all are made
    torn_step: int  # bytes from one place where a sector is torn to the next
    garbage: int  # further fillings of a destroyed sector than zeros and ones


# An operation on FAT or a raw partition writes a few sectors between two flushes, one on ext4 some
# twenty.
SHORT = {
    "few": Depth(subsets=8, torn_subsets=5, chance=32, torn_step=4, garbage=6),
    "many": Depth(subsets=6, torn_subsets=3, chance=16, torn_step=32, garbage=2),
}
LONG = {
    "few": Depth(subsets=12, torn_subsets=6, chance=512, torn_step=1, garbage=16),
    "many": Depth(subsets=10, torn_subsets=4, chance=128, torn_step=4, garbage=6),
}


@dataclass
class State:
    """A disk after a cut, as differences to the base that comes before it in the list."""

    changes: tuple  # (sector, its 512 bytes)
    operation: int  # in which the power went, from 1; 0 before all of them
    allowed: frozenset  # numbers of the operations after which the environment may be as it is read


class Enumeration:
    """All states of a recording. `items` are in order: a dict is a new base (sector -> its bytes), a
    State one to be read."""

    def __init__(self, recording, depth, seed=1):
        self.recording = recording
        self._same = recording.same
        self.depth = depth
        self.items = []
        self.total = 0
        self._contents = {}  # of sectors, each kept once
        self._chance = random.Random(seed)
        self._known = {}  # digest of a state -> State
        self._digests = {}
        self._durable = {}  # sector -> bytes, where the disk is no longer the base
        self._enumerate()

    # Contents.

    def _kept(self, data):
        return self._contents.setdefault(data, data)

    def _base(self, sector):
        return self.recording.base[sector * SECTOR:(sector + 1) * SECTOR]

    def _held(self, sector):
        """What is durable there."""
        held = self._durable.get(sector)
        return self._base(sector) if held is None else held

    def _digest(self, sector, data):
        """Of one difference to the recording's base; those of a state are added up."""
        key = (sector, data)
        digest = self._digests.get(key)
        if digest is None:
            digest = 0
            if data != self._base(sector):
                text = sector.to_bytes(8, "little") + data
                digest = int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little")
            self._digests[key] = digest
        return digest

    # The walk through the log.

    def _enumerate(self):
        done = begun = 0  # operations
        pending = []  # (sector, data) since the last flush
        self._durable_digest = 0
        for index, entry in enumerate(self.recording.entries):
            if index in self.recording.marks:
                what, number = self.recording.marks[index]
                if what == "end":
                    continue
                self._cuts(pending, begun, done)
                if what == "begin":
                    begun = number
                else:
                    done = number
                continue
            if entry.flush:
                self._cuts(pending, begun, done)
                self._settle(pending)
                pending = []
            pending += entry.sectors()
        self._cuts(pending, begun, done)

    def _settle(self, pending):
        changes = {}
        for sector, data in pending:
            changes[sector] = self._kept(data)
        for sector, data in changes.items():
            old = self._durable.get(sector)
            if old is not None:
                self._durable_digest -= self._digest(sector, old)
            self._durable[sector] = data
            self._durable_digest += self._digest(sector, data)
        if changes:
            self.items.append(changes)

    def _add(self, changes, operation, allowed):
        """A state: `changes` maps sectors to their bytes."""
        digest = self._durable_digest
        for sector, data in changes.items():
            old = self._durable.get(sector)
            if old is not None:
                digest -= self._digest(sector, old)
            digest += self._digest(sector, data)
        known = self._known.get(digest)
        if known:
            known.allowed &= allowed
            return
        state = State(tuple(changes.items()), operation, allowed)
        self._known[digest] = state
        self.items.append(state)
        self.total += 1

    # One cut.

    def _subsets(self, n, limit):
        """Numbers below n, as sets in ascending order."""
        if n <= limit:
            for size in range(n + 1):
                yield from itertools.combinations(range(n), size)
            return
        everything = tuple(range(n))
        for i in range(n + 1):
            yield everything[:i]
            yield everything[i:]
        for i in range(n):
            yield (i,)
            yield everything[:i] + everything[i + 1:]
        for i, k in itertools.combinations(range(n), 2):
            yield everything[:i] + everything[i + 1:k] + everything[k + 1:]
        for _ in range(self.depth.chance):
            yield tuple(i for i in range(n) if self._chance.random() < 0.5)

    def _around(self, n, torn):
        """Which other sectors are written while this one is torn."""
        others = [i for i in range(n) if i != torn]
        if n <= self.depth.torn_subsets:
            for size in range(n):
                yield from itertools.combinations(others, size)
            return
        yield tuple(others)
        yield ()
        yield tuple(i for i in others if i < torn)
        for _ in range(self.depth.chance // 16):
            yield tuple(i for i in others if self._chance.random() < 0.5)

    def _broken(self, sector, new):
        """What a sector can hold while it is written."""
        old = self._held(sector)
        if old != new:
            for cut in range(self.depth.torn_step, SECTOR, self.depth.torn_step):
                yield new[:cut] + old[cut:]
                yield old[:cut] + new[cut:]
        if sector in self.recording.file_sectors:
            yield bytes(SECTOR)
            yield b"\xff" * SECTOR
            for number in range(self.depth.garbage):
                yield random.Random(f"{sector} {number}").randbytes(SECTOR)

    def _cuts(self, pending, begun, done):
        allowed = frozenset((self._same[done], self._same[begun]))
        for chosen in self._subsets(len(pending), self.depth.subsets):
            changes = {pending[i][0]: self._kept(pending[i][1]) for i in chosen}
            self._add(changes, begun, allowed)
        for torn, (sector, new) in enumerate(pending):
            contents = [self._kept(data) for data in dict.fromkeys(self._broken(sector, new))]
            for chosen in self._around(len(pending), torn):
                changes = {pending[i][0]: self._kept(pending[i][1]) for i in chosen}
                for content in contents:
                    self._add({**changes, sector: content}, begun, allowed)
