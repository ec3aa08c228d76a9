# SPDX-License-Identifier: LGPL-2.1-or-later
"""A device whose volumes are encrypted: a disk, the TPM that opens it, and what its firmware
measures.

    device = Device(boot, {"rootA": root(os_role=True)})
    with device.enrolling() as tcti:             # the TPM as it is in a boot of that machine
        for name in device.volumes:
            with device.disk.header(name) as volume:
                enrol_systemd(volume, tcti, pcrs=PCRS)
                seal(volume)
    run = device.boot("tugboot.encrypted=all")

What the firmware measures is read from a guest of the same machine, once for each kind of machine.
It trusts the tests.
"""

import contextlib
import copy
import json
from dataclasses import replace

from . import INHERITED, images, part
from .guest import Guest
from .luks import Luks
from .tools import HarnessError, artifact, run
from .tpm import Measured, Tpm

# What the firmware of a machine that QEMU starts the kernel of measures, and balena's choice.
PCRS = (0, 2, 3, 7)

VOLUMES = ("boot", "rootA", "rootB", "state", "data")


def measured(work, memory=512):
    """What a machine measures when QEMU starts its kernel: read in a guest, once."""
    key = [run("qemu-system-x86_64", "--version"), memory]

    def make(path):
        tpm = Tpm(work, "measured")
        guest = Guest(work, memory)
        guest.add_tpm(tpm)
        initrd = path.with_name(f"{path.name}.initrd")
        initrd.write_bytes(images.probe_initrd())
        guest.boot_kernel(artifact("vmlinuz"), initrd, f"{INHERITED} probe=tpm")
        with guest:
            guest.wait_end(120)
        initrd.unlink()
        found = Measured.read(guest.console)
        if not found.pcrs or not found.log:
            raise HarnessError(f"the guest told nothing of its TPM:\n{guest.console[-2000:]}")
        path.write_text(found.dump(), encoding="ascii")

    path = images.kept("measured", json.dumps(key).encode(), make)
    return Measured.load(path.read_text(encoding="ascii"))


class Device:
    """A disk with a plain `efi`, and volumes: those in `partitions`, and by default the others that
    `encrypted` names, empty."""

    def __init__(self, boot, partitions=None, encrypted=VOLUMES, env=None, **how):
        self.volumes = tuple(encrypted)
        made = {}
        for name in VOLUMES:
            given = (partitions or {}).get(name)
            if given is None and name not in encrypted:
                continue
            given = given or part("vfat" if name == "boot" else "ext4", size=8)
            if name in encrypted and not given.luks:
                given = replace(given, luks=Luks())
            made[name] = given
        efi = part("vfat", size=2)
        self.disk = boot.disk(env=env or {"resin_root_part": "A"}, efi=efi, **made, **how)
        self.tpm = Tpm(boot.work)
        self.machine = measured(boot.work)

    def clone(self, boot):
        """The same for another test, which may change it."""
        other = copy.copy(self)
        other.disk = copy.copy(self.disk)
        other.disk.path = boot.work / self.disk.path.name
        run("cp", "--sparse=always", self.disk.path, other.disk.path)
        other.tpm = self.tpm.copy(boot.work)
        return other

    @contextlib.contextmanager
    def enrolling(self, change=()):
        """The TPM with its PCRs as a boot leaves them; `change`: with one event more in these."""
        with self.tpm.powered() as tcti:
            self.tpm.replay(self.machine, change)
            yield tcti

    def values(self, *pcrs):
        """{number: SHA-256 value} of PCRs in a boot."""
        return {pcr: self.machine.pcrs["sha256", pcr] for pcr in pcrs}
