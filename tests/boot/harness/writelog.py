# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a guest wrote to a disk, write by write: the log of QEMU's `blklogwrites` driver.

The log is in the format of the kernel's dm-log-writes (Documentation/admin-guide/device-mapper/
log-writes.rst; QEMU's block/blklogwrites.c): a superblock in the first sector, then for each
request a sector that says what it was, followed by the data of a write. All fields are
little-endian. QEMU logs a request when it is done and before the guest hears of it: so a flush
stands behind everything that it made durable, and two writes that the guest had not ordered stand
in any order. A guest's FUA write is a write and a flush here, as virtio has none.

    guest.attach(disk, log=log)                  # and keep a copy of the disk from before
    entries = writelog.read(log)
    writelog.replay(entries[:n], before.img)     # the disk as it was after n requests
    writelog.epochs(entries)                     # the writes between one flush and the next
"""

import struct
from dataclasses import dataclass
from pathlib import Path

from .tools import HarnessError

MAGIC, VERSION = 0x6A736677736872, 1
SUPER, ENTRY = struct.Struct("<QQQI"), struct.Struct("<QQQQ")
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
SECTOR = 512


@dataclass(frozen=True)
class Entry:
    """One request; `sector` and `count` in units of 512 bytes."""

    sector: int
    count: int
    flags: int
    data: bytes  # of a write: count sectors; of a mark: its text

    @property
    def flush(self):
        """Everything that was done before is durable now."""
        return bool(self.flags & FLUSH)

    @property
    def discard(self):
        """What these sectors hold from now on is open."""
        return bool(self.flags & DISCARD)

    @property
    def write(self):
        """It changes sectors."""
        return self.count > 0 and not self.flags & (DISCARD | MARK)

    def sectors(self):
        """Of a write: (number, 512 bytes) of each sector."""
        if self.write:
            for i in range(self.count):
                yield self.sector + i, self.data[i * SECTOR:(i + 1) * SECTOR]


def blockdev(name, disk, log, **options):
    """The value of QEMU's -blockdev for a raw disk whose writes are logged, as node `name`. The log
    is made empty here: what an older one holds would be taken for this one's end."""
    Path(log).write_bytes(b"")
    pairs = {
        "driver": "blklogwrites",
        "node-name": name,
        "log-sector-size": SECTOR,
        # The guest's flushes are logged; nobody pulls the host's plug.
        "file.cache.no-flush": "on",
        "log.cache.no-flush": "on",
        "file.driver": "file",
        "file.filename": disk,
        "log.driver": "file",
        "log.filename": log,
        **options,
    }
    return ",".join(f"{key}={str(value).replace(',', ',,')}" for key, value in pairs.items())


def read(log):
    """All requests of a log. The superblock counts those up to the last flush (QEMU 7.2 writes it
    only then); what was logged behind it is told from the end of the file by its flags."""
    data = Path(log).read_bytes()
    if len(data) < SUPER.size:
        return []  # nothing flushed yet, and before the first flush there is no size of sectors
    magic, version, counted, size = SUPER.unpack_from(data)
    if magic == 0 and not any(data[:SECTOR]):
        size, counted, magic, version = SECTOR, 0, MAGIC, VERSION  # writes, and no flush
    if magic != MAGIC or version != VERSION:
        raise HarnessError(f"{log} is no log of writes: magic {magic:#x}, version {version}")
    if size < SECTOR or size % SECTOR:
        raise HarnessError(f"{log} has sectors of {size} bytes")
    entries, at = [], size
    while at + ENTRY.size <= len(data):
        sector, count, flags, length = ENTRY.unpack_from(data, at)
        if not flags and not count:
            break  # never written: no request is empty
        if flags & ~(FLUSH | FUA | DISCARD | MARK):
            raise HarnessError(f"{log}: entry {len(entries)} has flags {flags:#x}")
        at += size
        length = length if flags & MARK else 0 if flags & DISCARD else count * size
        if at + length > len(data):
            break  # QEMU was killed in the middle of this one
        unit = size // SECTOR
        entries.append(Entry(sector * unit, count * unit, flags, data[at:at + length]))
        at += -(-length // size) * size
    if len(entries) < counted:
        raise HarnessError(f"{log} has {len(entries)} entries; its superblock says {counted}")
    return entries


def epochs(entries):
    """The writes in groups, in their order: a flush stands behind each group but the last, which is
    there even when it is empty."""
    groups = [[]]
    for entry in entries:
        if entry.flush:
            groups.append([])  # a flush with data, which QEMU has none of, comes before its data
        if entry.write:
            groups[-1].append(entry)
    return groups


def replay(entries, image):
    """Makes the writes again, on a file (a path) or on a bytearray. Discarded sectors keep what
    they hold, as on a disk of QEMU's that was not told otherwise."""
    if isinstance(image, bytearray):
        for entry in entries:
            if entry.write:
                at = entry.sector * SECTOR
                if at + len(entry.data) > len(image):
                    raise HarnessError(f"a write behind the disk's end, to sector {entry.sector}")
                image[at:at + len(entry.data)] = entry.data
        return
    with open(image, "r+b") as out:
        for entry in entries:
            if entry.write:
                out.seek(entry.sector * SECTOR)
                out.write(entry.data)
