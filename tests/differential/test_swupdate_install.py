# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's swupdate installs updates that set boot loader variables, as a device runs it, on
environments that the tugboot command wrote; and tugboot reads what came of it.

Debian's SWUpdate takes signed updates only, so there is a key. Its paths are compiled in: each
process gets a mount namespace in which they lead to the test's directory.

TUGBOOT_DIFFERENTIAL_INSTALLS   how many updates (60; 400 in the long test); each takes a second,
                                of which SWUpdate sleeps most
TUGBOOT_DIFFERENTIAL_SEED       which series (1)
"""

import collections
import concurrent.futures
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

import agree
import base
import pytest
from agree import expect

SWUPDATE = shutil.which("swupdate")
AT_A_TIME = 8
ENVIRONMENT_SIZE = 0x1000

# The test's directory as the root of what SWUpdate sees of boot partition, configuration and
# temporary files. /etc goes last but one: programs before it may need what is there.
RUN = """
mount --bind "$1/boot" /boot && mount --bind "$1/etc" /etc && mount --bind "$1/tmp" /tmp &&
exec "$2" -H board:1.0 -B "$3" -k /boot/cert.pem -i /boot/update.swu
"""
DESCRIPTION = """
software = {{
  version = "1.0";
  hardware-compatibility: [ "1.0" ];
  bootenv: ( {variables} );
}}
"""

KEYS = ("resin_root_part", "upgrade_available", "bootcount", "bootlimit", "extra_os_cmdline",
        "saved_entry", "fdtfile")
# What a string of the description can hold without escapes.
VALUE_CHARACTERS = "abcXYZ019 =.,:;/#'_-()[]"


def values_for(rng, names):
    values = {}
    for name in names:
        text = "".join(rng.choice(VALUE_CHARACTERS) for _ in range(rng.randrange(1, 30))).strip()
        values[name] = rng.choice(("0", "1", "A", "B", text or "x"))
    return values


def some_keys(rng, most):
    return rng.sample(KEYS, rng.randrange(1, most))


def private_mounts():
    """The command that runs another one in a mount namespace of its own."""
    return ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else [])]


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    if SWUPDATE is None:
        pytest.skip("swupdate is not installed (Debian: swupdate)")
    probe = subprocess.run([*private_mounts(), "mount", "--bind", "/tmp", "/tmp"],
                           capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"a mount namespace is needed: {probe.stderr}")
    where = tmp_path_factory.mktemp("key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
                    "-subj", "/CN=tugboot-test", "-addext", "extendedKeyUsage=emailProtection",
                    "-keyout", where / "key.pem", "-out", where / "cert.pem"],
                   check=True, capture_output=True)
    return where


class Device:
    """A boot partition with an environment that the tugboot command made, and an update for it."""

    def __init__(self, where, signer, loader):
        self.where, self.signer, self.loader = where, signer, loader
        self.boot = where / "boot"
        for name in ("boot/grub", "etc", "tmp"):
            (where / name).mkdir(parents=True)
        shutil.copy(signer / "cert.pem", self.boot)
        # Where SWUpdate's file is, there is the boot partition for tugboot.
        self.partition = self.boot / "grub" if loader == "grub" else self.boot
        if loader == "grub":
            (self.partition / "grubenv").write_bytes(base.Grub().data())

    def with_uboot_files(self, redundant):
        names = ["uboot.env", "uboot-redund.env"][: 2 if redundant else 1]
        form = base.REDUNDANT if redundant else base.SINGLE
        for name in names:
            (self.boot / name).write_bytes(base.Uboot(ENVIRONMENT_SIZE, form).data())
        config = "".join(f"/boot/{name} 0x0 {ENVIRONMENT_SIZE:#x}\n" for name in names)
        (self.where / "etc" / "fw_env.config").write_text(config)

    def tugboot(self, verb, *words):
        done = subprocess.run([agree.TUGBOOT, "--boot", self.partition, "env", verb, *words],
                              capture_output=True, text=True, check=False)
        expect(done.returncode == 0, f"tugboot env {verb}", error=done.stderr)
        return done.stdout

    def set(self, values):
        self.tugboot("set", *(f"{name}={value}" for name, value in values.items()))
        self.check_size()

    def list(self):
        return dict(line.split("=", 1) for line in self.tugboot("list").splitlines())

    def check_size(self):
        if self.loader == "grub":
            size = (self.partition / "grubenv").stat().st_size
            expect(size == base.GRUB_SIZE, "the GRUB block has 1024 bytes", size=size)

    def install(self, values):
        variables = ", ".join(f'{{ name = "{name}"; value = "{value}"; }}'
                              for name, value in values.items())
        description = self.where / "sw-description"
        description.write_text(DESCRIPTION.format(variables=variables))
        subprocess.run(["openssl", "cms", "-sign", "-binary", "-nosmimecap", "-outform", "DER",
                        "-signer", self.signer / "cert.pem", "-inkey", self.signer / "key.pem",
                        "-in", description, "-out", self.where / "sw-description.sig"], check=True)
        archive = subprocess.run(["cpio", "--quiet", "-o", "-H", "crc"], cwd=self.where, check=True,
                                 input=b"sw-description\nsw-description.sig\n", capture_output=True)
        (self.boot / "update.swu").write_bytes(archive.stdout)
        done = subprocess.run([*private_mounts(), "sh", "-c", RUN, "sh", self.where, SWUPDATE,
                               self.loader], capture_output=True, text=True, check=False)
        expect("SWUPDATE successful" in done.stdout, "swupdate installs it", status=done.returncode,
               output=done.stdout[-1500:], error=done.stderr[-500:])


def install_one(rng, signer, where):
    loader = rng.choice(("grub", "uboot"))
    device = Device(where, signer, loader)
    if loader == "uboot":
        device.with_uboot_files(rng.random() < 0.5)
    before, update, last = (values_for(rng, some_keys(rng, 6)) for _ in range(3))
    device.set(before)
    device.install(update)
    # It says of itself that there is something to be tried; `recovery_status` it has removed.
    expected = {**before, **update, "ustate": "1"}
    got = device.list()
    expect(got == expected, "tugboot reads what the update set", got=got, expected=expected)
    device.check_size()
    device.set(last)
    device.install(update)
    expected = {**expected, **last, **update}
    got = device.list()
    expect(got == expected, "and again, after tugboot has changed it", got=got, expected=expected)
    device.check_size()
    return loader


def install_series(capsys, signer, seed, updates):
    assert agree.TUGBOOT.exists(), f"{agree.TUGBOOT} is missing: run `make`"
    updates = agree.number_of(updates, "TUGBOOT_DIFFERENTIAL_INSTALLS")
    counts, failures = collections.Counter(), []

    def one(number):
        # Not in /dev/shm: what is under /dev is a device for tugboot, and must be the boot disk.
        with tempfile.TemporaryDirectory() as where:
            try:
                return install_one(random.Random(f"{seed}/{number}"), signer, Path(where)), None
            except agree.Disagreement as failed:
                return None, f"seed {seed}, update {number}: {failed}"

    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        for loader, failure in pool.map(one, range((updates + 1) // 2)):
            counts["updates"] += 2
            if failure:
                failures.append(failure)
            else:
                counts[f"updates with {loader}"] += 2
    agree.report(capsys, f"swupdate installs, seed {seed}", counts, failures)
    assert counts["updates with grub"] and counts["updates with uboot"]


def test_tugboot_reads_what_updates_set(capsys, signer):
    install_series(capsys, signer, agree.SEED, 60)


@pytest.mark.long
def test_tugboot_reads_what_many_more_updates_set(capsys, signer):
    install_series(capsys, signer, agree.SEED + "-long", 400)
