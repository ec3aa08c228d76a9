# SPDX-License-Identifier: LGPL-2.1-or-later
"""LUKS2 volumes and verity trees opened in a guest, by what the bootloader opens them with
(lib/trust/luks.c, lib/sys/dm.c, through tests/boot/mapper.c). The volumes are encrypted and the
trees made on the host by cryptsetup and veritysetup: what the guest reads must be what went in."""

import hashlib
import os
import re
from pathlib import Path

import pytest

from harness import HarnessError, artifact, images
from harness.images import kept, libraries
from harness.tools import TREE, run

MB = 1 << 20
PLAIN = 4 * MB  # of a volume
SHIFT = 32 * MB  # cryptsetup's reencryption wants twice the room of the header
PASSPHRASE = "what-opens-slot-0"
QUICK = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
# Loaded by name when they are needed.
LOADED = ["libcryptsetup.so.12", "libcrypto.so.3"]


def mapper():
    """The guest's /init with its libraries, as files of an initramfs."""
    source = TREE / "tests/boot/mapper.c"
    archives = [artifact(f"obj/image/{name}.a") for name in ("trust", "sys", "base")]
    flags = ["-std=gnu17", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-no-pie", "-s",
             "-Wl,--export-dynamic-symbol=OSSL_LIB_CTX_new", "-D_GNU_SOURCE", *(f"-I{TREE}/lib/{layer}" for layer in ("base", "sys", "trust"))]
    headers = sorted((TREE / "lib").glob("*/*.h"))
    key = b"".join(path.read_bytes() for path in [source, *headers, *archives])

    def make(path):
        run("gcc", *flags, "-o", path, source, *archives, "-ljson-c", "-lblkid", "-lz")

    program = kept("mapper", key + repr(flags).encode(), make)
    files = {"/init": program, **libraries(program)}
    listing = run("/sbin/ldconfig", "-p")
    for name in LOADED:
        path = re.search(rf"{re.escape(name)} .*x86-64.* => (\S+)", listing).group(1)
        files |= {path: Path(path), **libraries(path)}
    return files


class Volume:
    """An image of known content that cryptsetup encrypted."""

    def __init__(self, work, name, *options):
        self.path = work / f"{name}.img"
        self.plain = os.urandom(PLAIN)
        passphrase = work / "passphrase"
        passphrase.write_text(PASSPHRASE, encoding="utf-8")
        self.path.write_bytes(self.plain)
        os.truncate(self.path, PLAIN + SHIFT)
        run("cryptsetup", "reencrypt", "-q", "--encrypt", "--type", "luks2", "--resilience", "none",
            "--reduce-device-size", str(SHIFT), "--key-file", passphrase, *QUICK, *options,
            self.path)
        key = work / f"{name}.key"
        run("cryptsetup", "luksDump", "-q", "--dump-volume-key", "--key-file", passphrase,
            "--volume-key-file", key, self.path)
        self.key = key.read_bytes()
        self.uuid = run("cryptsetup", "luksUUID", self.path).strip()

    @property
    def digest(self):
        return hashlib.sha256(self.plain).hexdigest()


class Report:
    """What the mapper said."""

    def __init__(self, console):
        self.console = console
        self.results = re.findall(r"^DONE command=(\S+) r=(\S+)", console, re.MULTILINE)

    def said(self, what):
        """The lines that begin so, each a dictionary of its `key=value` words; the words without a
        `=` are joined as "rest"."""
        lines = []
        for line in re.findall(rf"^{what} (.*)$", self.console, re.MULTILINE):
            words = [word.split("=", 1) for word in line.split(" ")]
            lines.append({word[0]: word[1] for word in words if len(word) == 2}
                         | {"rest": " ".join(word[0] for word in words if len(word) == 1)})
        return lines

    def took(self, command):
        """Nanoseconds of each command of that name."""
        return [int(ns) for ns in
                re.findall(rf"^DONE command={command} r=0 ns=(\d+)", self.console, re.MULTILINE)]


@pytest.fixture
def guest(boot, tmp_path):
    """Runs a job in a guest with these disks as /dev/vda, /dev/vdb, … and returns its Report."""

    def run_job(disks, *job, count=False):
        initrd = tmp_path / "mapper.cpio"
        initrd.write_bytes(images.cpio({**mapper(), "/job": "\n".join(job)}))
        made = boot.guest(*disks, memory=256, initrd=initrd, role="panic=-1")
        if count:
            made.count_instructions()
        with made:
            made.wait_end(300, max_resets=0)
        if "JOB done=0" not in made.console:
            raise HarnessError(f"the job was not done:\n{made.console[-2000:]}")
        return Report(made.console)

    return run_job


@pytest.fixture
def volume(tmp_path):
    """Makes volumes for one test: volume(NAME, OPTIONS of cryptsetup...)."""
    return lambda name, *options: Volume(tmp_path, name, *options)


FORMS = {
    "aes-xts-plain64": ("512", 64),
    "aes-cbc-essiv:sha256": ("512", 32),
    "aes-xts-plain64 ": ("4096", 64),
}


def test_volumes_that_cryptsetup_encrypted_are_read(guest, volume):
    disks, job = [], []
    for number, (cipher, (sector, size)) in enumerate(FORMS.items()):
        disks.append(volume(f"disk{number}", "--cipher", cipher.strip(), "--key-size",
                            str(size * 8), "--sector-size", sector))
        device = f"/dev/vd{'abc'[number]}"
        job += [f"luks {device}",
                f"unlock k{number} {device} {disks[-1].key.hex()} r", f"table k{number}",
                f"sum k{number} {PLAIN}", f"remove k{number}",
                f"unlock p{number} {device} pass:{PASSPHRASE} d", f"table p{number}",
                f"sum p{number} {PLAIN}"]
    report = guest([disk.path for disk in disks], *job, "keys")
    assert {result for _, result in report.results} == {"0"}

    headers, tables, sums = (report.said(what) for what in ("LUKS", "TABLE", "SUM"))
    for number, (disk, (cipher, (sector, size))) in enumerate(zip(disks, FORMS.items())):
        assert headers[number]["uuid"] == disk.uuid
        assert headers[number]["cipher"] == cipher.strip()
        assert headers[number]["sector_size"] == sector
        for opened, letter in enumerate("kp"):
            table = tables[2 * number + opened]
            name = f"{letter}{number}"
            assert table["name"] == name
            # As cryptsetup names its own: with the UUID's dashes left out.
            assert table["uuid"] == f"CRYPT-LUKS2-{disk.uuid.replace('-', '')}-{name}"
            assert table["active"] == "1"
            assert table["read_only"] == ("1" if letter == "k" else "0")
            options = ["allow_discards"] if letter == "d" or opened else []
            options += ["sector_size:4096"] if sector == "4096" else []
            options = f" {len(options)} {' '.join(options)}" if options else ""
            assert re.fullmatch(
                rf"{re.escape(cipher.strip())} :{size}:logon:cryptsetup:{disk.uuid}-d0 0 "
                rf"\d+:\d+ {headers[number]['offset']}{options}", table["rest"])
            assert sums[2 * number + opened]["sha256"] == disk.digest
        # Nothing that was said holds a key, and nobody can look one up.
        assert disk.key.hex() not in report.console
    assert report.said("OPEN")[0]["dev"] == "/dev/dm-0"
    assert report.said("OPEN")[0]["link"] == "../dm-0"
    assert {(line["there"], line["told"]) for line in report.said("OPEN")} == {("1", "1")}
    assert [line["node"] for line in report.said("REMOVED")] == ["gone"] * len(FORMS)
    keys = report.said("KEY")
    assert keys, "there are the kernel's own keyrings at least"
    assert not [key for key in keys if "logon" in key["rest"] or "cryptsetup" in key["rest"]]


def test_what_is_written_is_there_when_it_is_opened_again(guest, volume):
    disk = volume("disk", "--sector-size", "4096")
    key = disk.key.hex()
    report = guest([disk.path],
                   f"unlock one /dev/vda {key} -", "write one x", "remove one",
                   f"unlock two /dev/vda {key} r", "write two y", f"sum two {PLAIN}")
    assert [result for _, result in report.results if result != "0"] != []
    assert ("write", "0") == report.results[1] and report.results[4][1] != "0"
    after = b"x" * 4096 + disk.plain[4096:]
    assert report.said("SUM")[0]["sha256"] == hashlib.sha256(after).hexdigest()
    # Not in the clear.
    assert b"x" * 512 not in disk.path.read_bytes()


# Command, result: after `unlock one /dev/vda KEY -`.
REFUSALS = {
    "the_name_is_taken": ("unlock one /dev/vda {key} -", "-EEXIST"),
    "the_passphrase_is_wrong": ("unlock two /dev/vda pass:wrong -", "-ENOKEY"),
    "there_is_no_header": ("unlock two /dev/vdb {key} -", "-EMEDIUMTYPE"),
    "the_device_is_a_file": ("map two /job {key} aes-xts-plain64 0 512", "-ENOTBLK"),
    "the_device_is_in_use_by_its_size": ("map two /dev/vdb {key} aes-xts-plain64 99999999 512",
                                         "-ERANGE"),
    "the_cipher_is_two_words": ("map two /dev/vdb {key} aes-xts-plain64~0 0 512", "-EINVAL"),
    "the_cipher_is_not_known": ("map two /dev/vdb {key} nosuch-xts-plain64 0 512", "-ENOENT"),
    "the_key_has_another_length": ("map two /dev/vdb 0011 aes-xts-plain64 0 512", "-EINVAL"),
    "the_sectors_are_odd": ("map two /dev/vdb {key} aes-xts-plain64 0 1000", "-EINVAL"),
    "the_name_is_a_path": ("map ../two /dev/vdb {key} aes-xts-plain64 0 512", "-EINVAL"),
    "the_name_is_the_control_node": ("map control /dev/vdb {key} aes-xts-plain64 0 512",
                                     "-EINVAL"),
    "there_is_no_such_mapping": ("remove nothing", "-ENXIO"),
}


def test_nothing_is_mapped_and_no_key_is_left_when(guest, volume, tmp_path):
    disk = volume("disk")
    other = tmp_path / "other.img"
    other.write_bytes(bytes(MB))
    job = [line.format(key=disk.key.hex()) for line, _ in REFUSALS.values()]
    report = guest([disk.path, other], f"unlock one /dev/vda {disk.key.hex()} r", *job,
                   # The name that was refused is free, and so is its device.
                   f"map two /dev/vdb {disk.key.hex()} aes-xts-plain64 0 512", "remove two",
                   "hold one", "remove one", "keys")
    results = [result for _, result in report.results]
    assert results[0] == "0"
    assert dict(zip(REFUSALS, results[1:])) == {name: r for name, (_, r) in REFUSALS.items()}
    assert results[1 + len(REFUSALS):] == ["0", "0", "0", "-EBUSY", "0"]
    assert not [key for key in report.said("KEY") if "logon" in key["rest"]]
    assert report.said("REMOVED")[-1]["node"] == "there"


def test_link_of_a_mapping_that_is_gone_is_replaced(guest, volume):
    disk = volume("disk")
    report = guest([disk.path], "link one ../vda", f"unlock one /dev/vda {disk.key.hex()} r",
                   f"sum one {PLAIN}")
    assert report.said("OPEN")[0]["link"] == "../dm-0"
    assert report.said("SUM")[0]["sha256"] == disk.digest


def _tree(work, *options, together=False):
    """A device with random content, its hash tree and its root hash."""
    data = work / "data.img"
    data.write_bytes(os.urandom(PLAIN))
    tree = data if together else work / "tree.img"
    where = ["--hash-offset", str(PLAIN), "--data-blocks", str(PLAIN // 4096)] if together else []
    said = run("veritysetup", "format", *where, *options, data, tree)
    return data, tree, re.search(r"Root hash:\s+(\S+)", said).group(1)


def test_verity_tree_is_opened_and_checked(guest, tmp_path):
    data, tree, root = _tree(tmp_path)
    plain = hashlib.sha256(data.read_bytes()).hexdigest()
    wrong = "00" * 32
    report = guest([data, tree],
                   f"verity good /dev/vda /dev/vdb 0 {root}", "table good", f"sum good {PLAIN}",
                   "write good x", "remove good",
                   f"verity bad /dev/vda /dev/vdb 0 {wrong}", f"sum bad {PLAIN}",
                   f"verity odd /dev/vda /dev/vdb 512 {root}",
                   f"verity odd /dev/vdb /dev/vdb 0 {root}")
    results = [result for _, result in report.results]
    assert results[:3] == ["0", "0", "0"] and results[3] != "0"
    assert results[4:] == ["0", "0", "-EIO", "-EBADMSG", "-ERANGE"]
    assert report.said("SUM") == [{"name": "good", "size": str(PLAIN), "sha256": plain, "rest": ""}]
    table = report.said("TABLE")[0]
    uuid = re.search(r"UUID:\s+(\S+)", run("veritysetup", "dump", tree)).group(1)
    assert table["uuid"] == f"CRYPT-VERITY-{uuid.replace('-', '')}-good"
    assert table["read_only"] == "1" and root in table["rest"]


TREES = {
    "usual": [],
    "sha512_without_salt": ["--hash", "sha512", "--salt", "-"],
    "small_hash_blocks": ["--data-block-size", "4096", "--hash-block-size", "1024"],
}


@pytest.mark.parametrize("kind", TREES)
def test_verity_tree_behind_its_data_is_checked_to_the_last_byte(guest, tmp_path, kind):
    data, _, root = _tree(tmp_path, *TREES[kind], together=True)
    content = data.read_bytes()
    altered = tmp_path / "altered.img"
    altered.write_bytes(content[:PLAIN - 1] + bytes([content[PLAIN - 1] ^ 1]) + content[PLAIN:])
    job = [f"verity {name} /dev/vd{disk} /dev/vd{disk} {PLAIN} {root}"
           for name, disk in (("good", "a"), ("altered", "b"))]
    report = guest([data, altered], *job, f"sum good {PLAIN}", f"sum altered {PLAIN - 4096}",
                   f"sum altered {PLAIN}")
    assert [result for _, result in report.results] == ["0", "0", "0", "0", "-EIO"]
    whole, part = (line["sha256"] for line in report.said("SUM"))
    assert whole == hashlib.sha256(content[:PLAIN]).hexdigest()
    assert part == hashlib.sha256(content[:PLAIN - 4096]).hexdigest()


def test_instructions_of_opening_are_counted(guest, volume, record_property):
    disks = [volume(f"disk{number}") for number in range(2)]
    keys = [disk.key.hex() for disk in disks]
    report = guest([disk.path for disk in disks], "crypto", "read /dev/vda", "read /dev/vdb",
                   f"map one /dev/vda {keys[0]} aes-xts-plain64 32768 512",
                   f"map two /dev/vdb {keys[1]} aes-xts-plain64 32768 512", "remove two",
                   f"unlock two /dev/vdb pass:{PASSPHRASE} r", count=True)
    assert {result for _, result in report.results} == {"0"}
    crypto, headers, maps, slot = (report.took(what) for what in
                                   ("crypto", "read", "map", "unlock"))
    record_property("shown", f"libcrypto {crypto[0]:,}, a header {headers[1]:,}, a mapping {maps[1]:,}; "
                             f"by a key slot, with libcryptsetup {slot[0]:,}")
    # What libcryptsetup alone costs; DESIGN's limits are for the whole.
    assert headers[1] + maps[1] < slot[0] / 3
