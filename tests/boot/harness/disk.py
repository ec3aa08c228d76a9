# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disk images: partitions, filesystems and their files, made and read without root.

A Disk is a sparse file. Its partitions are described, made, and can be looked into again after a
boot. FAT partitions are written and read by mtools inside the image; the
other filesystems are made from a directory.
"""

import contextlib
import os
import re
import shutil
import uuid as uuids
from dataclasses import dataclass, field
from pathlib import Path

from . import luks
from .images import DIRECTORY, Link
from .luks import Luks
from .tools import HarnessError, copy_sparse, run

SECTOR = 512
MB = 1 << 20

TYPE_LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
TYPE_ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"

os.environ["MTOOLS_SKIP_CHECK"] = "1"


@dataclass
class Partition:
    """One partition. `files` maps a path in it to bytes, text, or a Path to copy from."""

    name: str  # what the test calls it: boot, rootA, …
    fs: str = "ext4"  # ext4, vfat, squashfs, erofs, or raw (nothing, or `image` as it is)
    size: int = 24  # MiB
    label: str = ""  # of the filesystem
    gpt_name: str = ""
    features: str = ""  # of an ext4, as for mke2fs -O
    block_size: int = 0  # of an ext4; 0: as mke2fs chooses
    number: int = 0  # in the table; 0: the next free one
    esp: bool = False
    files: dict = field(default_factory=dict)
    image: Path | None = None  # a ready filesystem, copied in as it is
    luks: Luks | None = None  # around the filesystem, and within `size`
    uuid: str = ""  # of the filesystem, where it can have one
    partuuid: str = ""
    start: int = 0  # in bytes, set by the Disk

    @property
    def room(self):
        """MiB for the filesystem."""
        return self.size - (luks.HEADER // MB if self.luks else 0)

    @property
    def block(self):
        """Size of the filesystem's blocks, as arguments: not under the volume's sectors."""
        if self.block_size:
            return ["-b", str(self.block_size)]
        large = self.luks and self.luks.sector_size != SECTOR
        return ["-S" if self.fs == "vfat" else "-b", str(self.luks.sector_size)] if large else []


class Disk:
    """An image in `path`, made anew unless `make` is False: then it was made before, of the same
    partitions."""

    def __init__(self, path, partitions, table="gpt", make=True):
        self.path = Path(path)
        self.table = table
        self.partitions = partitions
        self._end = self._lay_out()
        if make:
            self._make()

    def __getitem__(self, name):
        for part in self.partitions:
            if part.name == name:
                return part
        raise KeyError(name)

    def __contains__(self, name):
        return any(part.name == name for part in self.partitions)

    # Making it.

    def _lay_out(self):
        """Gives each partition its place and its number; returns the end of the last."""
        position = MB
        used = {part.number for part in self.partitions}
        for part in self.partitions:
            part.start = position
            position += part.size * MB
            if not part.number:
                part.number = min(set(range(1, 129)) - used)
                used.add(part.number)
        return position

    def _make(self):
        for part in self.partitions:
            part.uuid = part.uuid or str(uuids.uuid4())
        with open(self.path, "wb") as image:
            # Room for the second table; a power of two, since SD cards are.
            image.truncate(1 << (self._end + MB - 1).bit_length())
        self._write_table()
        for part in self.partitions:
            self._write_filesystem(part)

    def _write_table(self):
        lines = [f"label: {'gpt' if self.table == 'gpt' else 'dos'}"]
        disk_id = uuids.uuid4()
        if self.table == "mbr":
            lines.append(f"label-id: 0x{disk_id.hex[:8]}")
        for part in self.partitions:
            line = f"{part.number} : start={part.start // SECTOR}, size={part.size * MB // SECTOR}"
            if self.table == "gpt":
                part.partuuid = str(uuids.uuid4())
                line += f", type={TYPE_ESP if part.esp else TYPE_LINUX}, uuid={part.partuuid}"
                if part.gpt_name:
                    line += f', name="{part.gpt_name}"'
            else:
                part.partuuid = f"{disk_id.hex[:8]}-{part.number:02x}"
                line += f", type={'ef' if part.esp else '83'}"
            lines.append(line)
        run("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", self.path,
            input="\n".join(lines) + "\n")

    def _write_filesystem(self, part):
        if part.image:
            self.copy_in(part.name, part.image)
            return
        if part.fs == "raw":
            return
        work = self.path.with_name(f"{self.path.stem}-{part.name}.work")
        shutil.rmtree(work, ignore_errors=True)
        tree, made = work / "tree", work / "made"
        tree.mkdir(parents=True)
        try:
            if part.fs != "vfat":
                _fill(tree, part.files)
            _make(part, tree, made)
            if part.luks:
                if part.fs == "vfat":
                    for path, content in part.files.items():
                        self._put(made, path, content)
                part.luks.write(made, work / "volume", part.size * MB)
                made = work / "volume"
            self.copy_in(part.name, made)
            if part.fs == "vfat" and not part.luks:
                for path, content in part.files.items():
                    self.write(part.name, path, content)
        finally:
            shutil.rmtree(work)

    # Whole partitions.

    def copy_in(self, name, source):
        """Writes a filesystem image over a partition; not where the image has holes."""
        part = self[name]
        if Path(source).stat().st_size > part.size * MB:
            raise HarnessError(f"partition {name}: {source} does not fit in {part.size} MiB")
        copy_sparse(source, self.path, 0, part.start)

    def copy_out(self, name, target):
        """Makes a file of a partition."""
        part = self[name]
        with open(target, "wb") as made:
            made.truncate(part.size * MB)
        copy_sparse(self.path, target, part.start, 0, part.size * MB)

    # Encrypted ones.

    @contextlib.contextmanager
    def header(self, name):
        """A file that has the partition's size and its LUKS header, to work on; the header is
        written back."""
        part = self[name]
        volume = self.path.with_name(f"{self.path.stem}-{name}.header")
        with open(volume, "wb") as made:
            made.truncate(part.size * MB)
        copy_sparse(self.path, volume, part.start, 0, luks.HEADER)
        yield volume
        self.corrupt(name, data=volume.read_bytes()[:luks.HEADER])
        volume.unlink()

    # Files on partitions, before and after a boot: FAT by mtools, ext4 (reading only) by debugfs.

    def _fat(self, name):
        part = self[name]
        if part.fs != "vfat" or part.luks:
            raise HarnessError(f"partition {name}: only plain vfat can be changed in place")
        return f"{self.path}@@{part.start}"

    def write(self, name, path, content):
        """Puts a file on a FAT partition, replacing one of that name."""
        self._put(self._fat(name), path, content)

    def _put(self, image, path, content):
        parents = Path(path.strip("/")).parents
        for parent in reversed([str(p) for p in parents if str(p) != "."]):
            if not self._exists(image, parent):
                run("mmd", "-i", image, f"::/{parent}")
        local = content
        if not isinstance(content, Path):
            local = self.path.with_suffix(".copy")
            local.write_bytes(content if isinstance(content, bytes) else content.encode())
        run("mcopy", "-o", "-i", image, local, f"::/{path.strip('/')}")
        if local is not content:
            local.unlink()

    def read(self, name, path):
        """The bytes of a file; None when there is no such file."""
        local = self.path.with_suffix(".copy")
        if self[name].fs == "ext4":
            image = f"{self.path}?offset={self[name].start}"
            run("debugfs", "-R", f"dump {path} {local}", image)
        elif self._exists(self._fat(name), path.strip("/")):
            run("mcopy", "-o", "-n", "-i", self._fat(name), f"::/{path.strip('/')}", local)
        if not local.exists():
            return None
        content = local.read_bytes()
        local.unlink()
        return content

    def delete(self, name, path):
        """Removes a file from a FAT partition."""
        run("mdel", "-i", self._fat(name), f"::/{path.strip('/')}")

    def fill(self, name):
        """Leaves no room on a FAT partition, not for one more cluster."""
        image = self._fat(name)
        while free := self._free(image):
            local = self.path.with_suffix(".filler")
            local.write_bytes(b"\0" * free)
            run("mcopy", "-i", image, local, f"::/filler{free}")
            local.unlink()

    @staticmethod
    def _free(image):
        found = re.search(r"([\d ]+) bytes free", run("mdir", "-i", image, "::/"))
        return int(found.group(1).replace(" ", ""))

    @staticmethod
    def _exists(image, path):
        try:
            run("mdir", "-b", "-i", image, f"::/{path}")
        except HarnessError:
            return False
        return True

    # Damage.

    def corrupt(self, name, offset=0, size=None, data=None):
        """Overwrites a range of a partition, by default all of it with 0xa5."""
        part = self[name]
        size = part.size * MB - offset if size is None else size
        with open(self.path, "r+b") as image:
            image.seek(part.start + offset)
            image.write(data if data is not None else b"\xa5" * size)

    def sectors(self, name, content):
        """Numbers of the sectors of the disk that hold a file with this content, which is in one
        piece and at one place only."""
        part = self[name]
        with open(self.path, "rb") as image:
            image.seek(part.start)
            held = image.read(part.size * MB)
        at = held.find(content)
        if at < 0 or at % SECTOR or held.find(content, at + 1) >= 0:
            raise HarnessError(f"partition {name}: that content is not at one place")
        first = (part.start + at) // SECTOR
        return range(first, first + -(-len(content) // SECTOR))

    # The boot environment.

    @property
    def _env_partition(self):
        return "efi" if "efi" in self else "boot"

    @property
    def _env_place(self):
        part = self._env_partition
        return part, "bootenv" if self.read(part, "bootenv") is not None else "grubenv"

    def env_bytes(self):
        """The environment as it is on the disk; None when there is none."""
        return self.read(*self._env_place)

    def env(self):
        """The environment's variables, read by this code's own rules and not by Tugboot's."""
        return env_parse(self.env_bytes() or b"")

    def set_env(self, content, file="bootenv"):
        """Replaces the environment: a dict of variables, or any bytes."""
        if not isinstance(content, bytes):
            content = env_block(content)
        self.write(self._env_partition, file, content)


ENV_HEAD = "# GRUB Environment Block\n"


def env_block(variables, size=1024):
    """A GRUB environment block with these variables."""
    text = ENV_HEAD
    for name, value in variables.items():
        text += f"{name}={_escape(str(value))}\n"
    return text.encode("latin-1").ljust(size, b"#")


def _escape(value):
    return value.replace("\\", "\\\\").replace("\n", "\\\n")


def env_parse(block):
    """The variables of a well-formed block; an error for anything else."""
    if not block:
        return {}
    if len(block) != 1024 or not block.startswith(ENV_HEAD.encode()):
        raise HarnessError(f"not a GRUB environment block ({len(block)} bytes): {block[:40]!r}")
    text = block.rstrip(b"#").decode("latin-1")
    if not text.endswith("\n"):
        raise HarnessError("no newline before the padding of the environment block")
    variables = {}
    for line in text.splitlines():
        if line.startswith("#") or "=" not in line:
            continue
        name, value = line.split("=", 1)
        variables[name] = value.replace("\\\\", "\\")
    return variables


def _fill(tree, files):
    for path, content in files.items():
        target = tree / path.strip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if content is DIRECTORY:
            target.mkdir(exist_ok=True)
        elif isinstance(content, Link):
            target.symlink_to(content)
            continue
        elif isinstance(content, Path):
            shutil.copy(content, target)
        else:
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
        if path.strip("/").startswith(("sbin/", "usr/bin/", "bin/")):
            target.chmod(0o755)


def _make(part, tree, made):
    """Makes the filesystem of `part` in the file `made`, with what is in the directory `tree`; FAT
    stays empty."""
    if part.fs == "vfat":
        serial = part.uuid.replace("-", "")[:8].upper()
        part.uuid = f"{serial[:4]}-{serial[4:]}"
        with open(made, "wb") as image:
            image.truncate(part.room * MB)
        name = ["-n", part.label] if part.label else []
        run("mkfs.vfat", "-i", serial, *part.block, *name, made)
    elif part.fs == "ext4":
        features = ["-O", part.features] if part.features else []
        run("mke2fs", "-q", "-F", "-t", "ext4", *part.block, *features, "-L", part.label, "-U",
            part.uuid, "-E", "root_owner=0:0", "-d", tree, made, f"{part.room}M")
    elif part.fs == "squashfs":
        run("mksquashfs", tree, made, "-quiet", "-no-progress", "-all-root", "-noappend")
        part.uuid = ""
    elif part.fs == "erofs":
        run("mkfs.erofs", "-U", part.uuid, made, tree)
    else:
        raise HarnessError(f"unknown filesystem {part.fs}")
