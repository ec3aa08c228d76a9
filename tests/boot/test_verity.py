# SPDX-License-Identifier: LGPL-2.1-or-later
"""Roots with a signed root hash: made by the very commands that tugboot-encryption(7) documents,
and started only as they were signed. What is refused is refused before kexec, and costs one candidate:
the other root, which is the same image in another place, is started.
"""

import hashlib
import os
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable

import pytest

from harness import INHERITED, Disk, bls_entry, images, part, root
from harness.device import PCRS, Device
from harness.disk import MB
from harness.luks import enrol_systemd, seal
from harness.tools import TREE, run

POLICY = "tugboot.verity=rootA,rootB"
SIZE = 24  # MiB of a partition; its filesystem is smaller, since the tree is behind it
PAYLOAD = os.urandom(MB)
GENERATOR = "/usr/lib/systemd/system-generators/systemd-veritysetup-generator"


def documented():
    """The blocks of commands of the page: how keys are made, and how a root is signed."""
    page = (TREE / "docs/tugboot-encryption.7.scd").read_text(encoding="utf-8")
    section = re.search(r"^# VERIFIED ROOTS\n(.*?)^# ", page, re.M | re.S).group(1)
    keys, sign, _ = re.findall(r"^```\n(.*?)^```\n", section, re.M | re.S)
    return keys, sign


def shell(commands, where):
    """As somebody who follows the page would type them."""
    run("sh", "-e", "-u", "-c", f"cd {where}\n{commands}")


def commands(*lines):
    """What the probe runs in the root, with the programs that it needs."""
    files = {"/etc/commands": "".join(f"{line}\n" for line in lines)}
    for program in {line.split()[0] for line in lines}:
        files |= {program: Path(program), **images.libraries(program)}
    return files


# What is below the root, and all of what is in it.
LOOKS = commands(*(f"/usr/bin/cat /sys/block/dm-{number}/dm/uuid" for number in range(3)),
                 "/usr/bin/sha256sum /payload")
ENTRY = bls_entry("rw", initrd=False, more="tugboot-initrd yes\n")


class Signed:
    """A root's image, signed, and the key that did it."""

    def __init__(self, work, name="signed", fs="ext4", **how):
        self.work = Path(work) / name
        self.work.mkdir()
        self.image = self.work / "root.img"
        self.kernel = images.root_kernel().read_bytes()
        files = {"/boot/loader/entries/probe.conf": ENTRY, "/payload": PAYLOAD, **LOOKS}
        usual = {"os_role": True, "probe": "commands", "name": "signed", "files": files,
                 "kernel": self.kernel}
        made = replace(root(**{**usual, **how}), name="root", fs=fs, size=SIZE - 4, block_size=4096)
        Disk(self.work / "whole.img", [made]).copy_out("root", self.image)
        (self.work / "whole.img").unlink()
        keys, sign = documented()
        shell(keys, self.work)
        shell(sign, self.work)

    @property
    def file(self):
        """What goes beside the environment."""
        return (self.work / "root.verity").read_text(encoding="ascii")

    @property
    def key(self):
        """What goes into the image."""
        return (self.work / "verity-public.pem").read_text(encoding="ascii")

    def value(self, key):
        """Of a line of the file."""
        return re.search(f"^{key} (.*)$", self.file, re.M).group(1)

    def partition(self):
        """As a partition of a disk."""
        return part("ext4", size=SIZE, image=self.image)

    def initrd(self, boot):
        """Tugboot's initramfs with the key, as `make VERITY_KEY=` makes it."""
        path = boot.work / "with-key.cpio"
        path.write_bytes(images.initramfs_with({"/tugboot-verity.pem": self.key}))
        return path


@pytest.fixture(scope="module", name="signed")
def made_once(tmp_path_factory):
    """One image for the tests that do not change how it is made."""
    return Signed(tmp_path_factory.mktemp("verity"))


def two_roots(boot, signed, env=None):
    """A disk with the image in both places, each with its file."""
    disk = boot.disk(env=env or {"resin_root_part": "A"}, by="name", rootA=signed.partition(),
                     rootB=signed.partition())
    for slot in ("rootA", "rootB"):
        disk.write("boot", f"verity/{slot}", signed.file)
    return disk


def options(signed):
    """The options of systemd's that say the same as `veritysetup dump`."""
    said = dict(re.findall(r"^([\w ]+):\s+(\S+)", run(
        "veritysetup", "dump", "--hash-offset", signed.value("hash-offset"), signed.image), re.M))
    return {"superblock": "0", "format": said["Hash type"], "hash": said["Hash algorithm"],
            "data-block-size": said["Data block size"], "hash-block-size": said["Hash block size"],
            "data-blocks": said["Data blocks"],
            "hash-offset": str(int(signed.value("hash-offset")) + 4096), "salt": said["Salt"]}


def systemds_units(cmdline, where):
    """What systemd would do of this command line in an initrd."""
    where.mkdir()
    subprocess.run([GENERATOR, where, where, where], check=True, env={
        "SYSTEMD_IN_INITRD": "1", "SYSTEMD_PROC_CMDLINE": cmdline, "PATH": os.environ["PATH"]})
    return {path.name: path.read_text(encoding="utf-8") for path in where.glob("*.service")}


def check_verified(log, mounts=1):
    """The root that runs is on dm-verity, read-only, and is read to its end."""
    (start,) = log.starts
    assert (start.role, start.root) == ("init", "signed")
    mounted = next(mount for mount in start.mounts if " / " in mount)
    assert re.match(r"/dev/(dm-\d|mapper/root) / \w+ ro,", mounted), mounted
    assert len(re.findall(r"^CRYPT-VERITY-[0-9a-f]{32}-root$", log.console, re.M)) == 1
    assert len(re.findall(r"^CRYPT-LUKS2-\w+-tug-root[AB]$", log.console, re.M)) == mounts - 1
    assert hashlib.sha256(PAYLOAD).hexdigest() in log.console


def test_signed_root_runs_from_its_verified_device(boot, signed):
    disk = two_roots(boot, signed)
    log = boot(disk, initrd=signed.initrd(boot), append=POLICY)
    assert log.journey == ["A normal 0/2"]
    check_verified(log)
    start = log.starts[0]
    where = f"PARTUUID={disk['rootA'].partuuid}"
    said = ",".join(f"{key}={value}" for key, value in options(signed).items())
    assert start.cmdline == (
        f"rw {INHERITED} root=/dev/mapper/root tugboot.slot=A tugboot.reason=normal "
        f"tugboot.tries=0/2 rauc.slot=A tugboot.verified roothash={signed.value('root-hash')} "
        f"systemd.verity_root_data={where} systemd.verity_root_hash={where} "
        f"systemd.verity_root_options={said} panic=10")
    # The tree is what it says, for another reader of it.
    numbers = options(signed)
    run("veritysetup", "verify", "--no-superblock", "--format", "1", "--salt", numbers["salt"],
        *(f"--{key}={numbers[key]}" for key in ("hash", "data-block-size", "hash-block-size",
                                                "data-blocks", "hash-offset")),
        signed.image, signed.image, signed.value("root-hash"))
    # And systemd knows what to open. (Those options are for systemd 254 and later.)
    (unit,) = systemds_units(start.cmdline, boot.work / "units").values()
    device = f"/dev/disk/by-partuuid/{disk['rootA'].partuuid}"
    (attach,) = re.findall(r"^ExecStart=(.*)$", unit, re.M)
    assert re.findall(r"'([^']*)'", attach) == [
        "root", device, device, signed.value("root-hash"), said]


@pytest.mark.parametrize("fs", ["squashfs", "erofs"])
def test_root_of_another_filesystem_is_verified(boot, fs):
    signed = Signed(boot.work, fs=fs)
    log = boot(two_roots(boot, signed), initrd=signed.initrd(boot), append="tugboot.verity=all")
    assert log.journey == ["A normal 0/2"]
    check_verified(log)


def test_encrypted_root_is_verified_in_its_volume(boot, signed):
    device = Device(boot, {"rootA": part("ext4", size=SIZE + 4)}, ("boot", "rootA"))
    volume = boot.work / "volume"
    device.disk["rootA"].luks.write(signed.image, volume, (SIZE + 4) * MB)
    device.disk.copy_in("rootA", volume)
    device.disk.write("efi", "verity/rootA", signed.file)
    with device.enrolling() as tcti:
        for name in device.volumes:
            with device.disk.header(name) as header:
                enrol_systemd(header, tcti, PCRS)
                seal(header)
    log = boot(device.disk, tpm=device.tpm, initrd=signed.initrd(boot),
               append=f"tugboot.encrypted=boot,rootA {POLICY}")
    assert log.journey == ["A normal 0/2"]
    check_verified(log, mounts=2)
    assert log.starts[0].value("systemd.verity_root_data") == "/dev/mapper/tug-rootA"


def test_initrd_of_the_roots_own_is_told_how(boot):
    signed = Signed(boot.work, os_role=False, files={})
    log = boot(two_roots(boot, signed), initrd=signed.initrd(boot), append=POLICY)
    (start,) = log.starts
    assert (start.role, start.initrd) == ("initrd", "initrd")
    assert start.value("roothash") == signed.value("root-hash")
    assert "tugboot.verified" in start.cmdline.split(" ")


def test_instructions_of_verifying_are_counted(boot, signed, record_property):
    took = []
    for policy in ("", POLICY):
        guest = boot.guest(two_roots(boot, signed), initrd=signed.initrd(boot),
                           append=f"printk.time=1 {policy}")
        guest.count_instructions()
        with guest:
            guest.wait_end(300, max_resets=0)
        start, end = (float(re.search(rf"\[ *([\d.]+)\] tugboot: {event} ", guest.console).group(1))
                      for event in ("slot", "go"))
        took.append(end - start)
    plain, verified = took
    record_property("shown", f"from the slot to the jump {plain * 1000:.1f} million, "
                             f"of a signed root {verified * 1000:.1f} million")
    assert verified - plain < 0.3  # libcrypto is unpacked and loaded; each block is hashed


# What somebody may do to a disk; rootB is as it was, and is what starts.


@dataclass(frozen=True)
class Case:
    """One of them."""

    name: str
    change: Callable  # (disk, signed)
    says: str  # a line of Tugboot's log
    append: str = POLICY


def edit(pattern, replacement):
    """Of the file beside the environment."""

    def change(disk, signed):
        text, times = re.subn(pattern, replacement, signed.file)
        assert times == 1 and text != signed.file
        disk.write("boot", "verity/rootA", text)

    return change


def content(size):
    """The file has other content."""
    return lambda disk, signed: disk.write("boot", "verity/rootA", os.urandom(size))


def other_key(disk, signed):
    """Somebody else signs the same."""
    own = disk.path.parent / "other"
    own.mkdir()
    lines = signed.file.splitlines(keepends=True)
    (own / "root.verity").write_text("".join(lines[:-1]), encoding="ascii")
    shell(documented()[0], own)
    shell("\n".join(documented()[1].splitlines()[-2:]), own)
    disk.write("boot", "verity/rootA", (own / "root.verity").read_bytes())


def at_superblock(offset, data):
    """Bytes of the superblock."""

    def change(disk, signed):
        disk.corrupt("rootA", int(signed.value("hash-offset")) + offset, data=data)

    return change


def in_tree(disk, signed):
    """The block that the root hash is of."""
    disk.corrupt("rootA", int(signed.value("hash-offset")) + 4096, 4096)


def flip(disk, signed, block):
    """A bit of the block with this content."""
    at = signed.image.read_bytes().find(block)
    assert at > 0 and at % 4096 == 0
    disk.corrupt("rootA", at + 17, data=bytes([block[17] ^ 1]))


def in_kernel(disk, signed):
    """A bit in the middle of the kernel."""
    half = len(signed.kernel) // 2 // 4096 * 4096
    flip(disk, signed, signed.kernel[half:half + 4096])


def another_root(disk, signed):
    """A root that nobody signed, with another's file."""
    del signed
    image = disk.path.with_suffix(".another")
    Disk(disk.path.with_suffix(".scratch"), [replace(
        root(os_role=True, files={"/boot/loader/entries/probe.conf": ENTRY}), name="root",
        size=SIZE)]).copy_out("root", image)
    disk.corrupt("rootA", data=image.read_bytes())


CASES = [
    Case("no file", lambda disk, _: disk.delete("boot", "verity/rootA"),
         r'^verity root=rootA found="verity/rootA: ENOENT" expected="a signed file'),
    Case("an empty file", content(0), '^verity .* found="verity/rootA with other content"'),
    Case("a large file", content(MB), '^verity root=rootA found="verity/rootA: EFBIG"'),
    Case("other content", content(400), '^verity .* expected="five lines'),
    Case("a line more", edit(r"\Z", "root-hash 00\n"), '^verity .* expected="five lines'),
    Case("another key", other_key,
         '^verity .* found="verity/rootA: a signature that does not hold" expected="a signature by'),
    Case("another root hash", edit(r"(root-hash )[0-9a-f]{8}", r"\g<1>00112233"),
         '^verity .* a signature that does not hold"'),
    Case("another place", edit(r"(hash-offset )\d+", r"\g<1>4096"),
         '^verity .* a signature that does not hold"'),
    Case("another salt", at_superblock(88, b"salt"),
         '^verity .*: another superblock at byte .* expected="the signed one" next='),
    Case("fewer blocks", at_superblock(72, b"\1"), "^verity .*: another superblock at byte "),
    Case("another block size", at_superblock(64, b"\0\4"), "^verity .*: another superblock"),
    Case("another UUID", at_superblock(16, b"\1" * 16), "^verity .*: another superblock"),
    Case("another tree", in_tree,
         '^verity .*blocks that do not fit the root hash" expected="the root that was signed"'),
    Case("another root", another_root, "^verity .*: another superblock"),
    Case("first block", lambda disk, _: disk.corrupt("rootA", 1024, 4),
         "^verity .*blocks that do not fit the root hash"),
    Case("in the kernel", in_kernel, "^(load|kernel) .*error=EIO"),
    Case("not named", lambda *_: None,
         '^verity root=rootA found="a root that tugboot.verity= does not name"',
         append="tugboot.verity=rootB,recovery"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))
def test_root_that_is_not_as_signed_is_not_started(boot, signed, case):
    disk = two_roots(boot, signed)
    case.change(disk, signed)
    log = boot(disk, initrd=signed.initrd(boot), append=case.append)
    assert log.journey == ["B fallback 0/2"]
    assert log.starts[0].value("tugboot.cause") == "refused"
    check_verified(log)
    assert log.said(case.says), [line for event, _, line in log.log if event != "command-line"]


def test_update_that_is_not_signed_is_rolled_back(boot, signed):
    disk = two_roots(boot, signed, {"resin_root_part": "B", "upgrade_available": "1"})
    disk.write("boot", "verity/rootB", "")
    log = boot(disk, initrd=signed.initrd(boot), append=POLICY)
    assert log.journey == ["A rollback 0/2"]
    check_verified(log)
    assert (disk.env()["resin_root_part"], disk.env()["upgrade_available"]) == ("A", "0")


def test_recovery_is_signed_like_a_root(boot, signed):
    disk = boot.disk(env={}, by="name", rootA=part(size=4), recovery=signed.partition())
    disk.write("boot", "verity/recovery", signed.file)
    log = boot(disk, initrd=signed.initrd(boot), append="tugboot.verity=all")
    assert log.starts[0].value("tugboot.slot") == "recovery"
    check_verified(log)


def test_block_that_was_changed_is_an_error_to_its_reader(boot, signed):
    disk = two_roots(boot, signed)
    flip(disk, signed, PAYLOAD[MB // 2:MB // 2 + 4096])
    log = boot(disk, initrd=signed.initrd(boot), append=POLICY)
    assert log.journey == ["A normal 0/2"]
    assert "sha256sum: /payload: Input/output error" in log.console
    assert "PROBE command=4 exit=1" in log.console


def test_environment_says_nothing_to_a_signed_root(boot, signed):
    disk = two_roots(boot, signed, {"resin_root_part": "A",
                                    "extra_os_cmdline": "init=/payload roothash=00"})
    log = boot(disk, initrd=signed.initrd(boot), append=POLICY)
    assert log.journey == ["A normal 0/2"]
    assert "payload" not in log.starts[0].cmdline
    assert log.said('^command-line found="extra_os_cmdline beside encrypted or signed roots"')


NOTHING = {
    "no key in the image": (POLICY, False,
                            '^verity .* found="/tugboot-verity.pem: ENOENT" expected="a public key'),
    "a word that is not known": ("tugboot.verity=rootA,state", True,
                                 '^policy key=tugboot.verity found="?rootA,state"? expected='),
    "a word twice": ("tugboot.verity=rootA,rootA", True, "^policy key=tugboot.verity"),
    "no word": ("tugboot.verity", True, "^policy key=tugboot.verity"),
}


@pytest.mark.parametrize("kind", NOTHING)
def test_nothing_is_started_with(boot, signed, kind):
    policy, with_key, says = NOTHING[kind]
    disk = two_roots(boot, signed)
    initrd = signed.initrd(boot) if with_key else None
    with boot.guest(disk, initrd=initrd, append=f"{policy} tugboot.backoff=600") as guest:
        guest.expect(r"tugboot: back-off .*next=", 120)
        log = boot.result(guest)
    assert log.journey == []
    assert log.said(says), [line for _, _, line in log.log]
