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
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from . import INHERITED, Boot, Partition, images, part
from .guest import OVMF_CODE
from .luks import PASSPHRASE, Luks
from .tools import HarnessError, artifact, run
from .tpm import Measured, Tpm

# What the firmware of a machine that QEMU starts the kernel of measures, and balena's choice.
PCRS = (0, 2, 3, 7)

VOLUMES = ("boot", "rootA", "rootB", "state", "data")


# SeaBIOS without a TPM's driver: it measures nothing and leaves no log.
SILENT_FIRMWARE = ("-bios", "/usr/share/seabios/bios.bin")


def measured(hardware=(), firmware=False, first=None):
    """What a machine measures, read in a guest, once: one whose kernel QEMU starts, or with
    `firmware` one that UEFI firmware starts from its disk. hardware: more arguments for QEMU.
    first: a UEFI application that the firmware is to start before."""
    key = [run("qemu-system-x86_64", "--version"), hardware, firmware and OVMF_CODE.stat().st_mtime,
           first and first.name]

    def make(path):
        own = path.with_name(f"{path.name}.work")
        own.mkdir()
        boot = Boot(own)
        initrd = images.probe_initrd()
        append = f"{INHERITED} probe=tpm"
        if firmware:
            disk = boot.disk(uefi=images.uki(artifact("vmlinuz"), initrd, append))
            guest = boot.guest(*first_disk(boot, first), disk, firmware=True, tpm=Tpm(own))
        else:
            (own / "initrd").write_bytes(initrd)
            guest = boot.guest(role="", append=append, initrd=own / "initrd", tpm=Tpm(own))
        guest.add(*hardware)
        with guest:
            guest.wait_end(120)
        shutil.rmtree(own)
        found = Measured.read(guest.console)
        if not found.pcrs or not (found.log or hardware == SILENT_FIRMWARE):
            raise HarnessError(f"the guest told nothing of its TPM:\n{guest.console[-2000:]}")
        path.write_text(found.dump(), encoding="ascii")

    path = images.kept("measured", repr(key).encode(), make)
    return Measured.load(path.read_text(encoding="ascii"))


def first_disk(boot, application):
    """A disk with this UEFI application, or none."""
    if not application:
        return ()
    return (boot.disk(boot=Partition(name="boot", fs="vfat", size=4), uefi=application),)


class Device:
    """A disk with the volumes that `encrypted` names, empty but for those in `partitions`. The
    environment is on a plain `efi`, or on a plain `boot` where that is not one of them."""

    def __init__(self, boot, partitions=None, encrypted=VOLUMES, env=None, hardware=(),
                 firmware="", first=None, **how):
        """firmware: UEFI firmware starts it, with this command line; else QEMU its kernel."""
        self.volumes = tuple(encrypted)
        self.hardware = hardware
        self.firmware = bool(firmware)
        self.first = first
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
        if firmware:
            efi = part("vfat", size=40, esp=True, files={
                "EFI/BOOT/BOOTX64.EFI": images.tugboot_efi(f"tugboot.boot {INHERITED} {firmware}"),
            })
        if "boot" in encrypted:
            made = {"efi": efi, **made}
        self.disk = boot.disk(env=env or {"resin_root_part": "A"}, **made, **how)
        self.tpm = Tpm(boot.work)
        self.machine = measured(hardware, self.firmware, first)

    def clone(self, boot):
        """The same for another test, which may change it."""
        other = copy.copy(self)
        other.disk = copy.copy(self.disk)
        other.disk.path = boot.work / "device.img"
        run("cp", "--sparse=always", self.disk.path, other.disk.path)
        other.tpm = self.tpm.copy(boot.work)
        return other

    @contextlib.contextmanager
    def enrolling(self, change=()):
        """The TPM with its PCRs as a boot leaves them; `change`: with one event more in these."""
        with self.tpm.powered() as tcti:
            self.tpm.replay(self.machine, change)
            yield tcti

    def guest(self, boot, append="", tpm=True, **how):
        """A guest of this machine, not started."""
        disks = (*first_disk(boot, self.first), self.disk)
        guest = boot.guest(*disks, tpm=self.tpm if tpm else None, append=append,
                           firmware=self.firmware, **how)
        guest.add(*self.hardware)
        return guest

    def tugboot(self, *arguments, volumes=None, log=True):
        """Runs the `tugboot` command on the volumes, as files; it is told their passphrase, and of
        the boot that is to come its event log."""
        with contextlib.ExitStack() as stack:
            made = stack.enter_context(tempfile.TemporaryDirectory())
            passphrase, events = Path(made) / "passphrase", Path(made) / "log"
            passphrase.write_text(PASSPHRASE, encoding="ascii")
            events.write_bytes(self.machine.log)
            arguments = [*arguments, "--key-file", passphrase]
            if log:
                arguments += ["--event-log", events]
            headers = [(name, stack.enter_context(self.disk.header(name)))
                       for name in volumes or self.volumes]
            return run(artifact("tugboot"), *arguments, *(f"{n}={file}" for n, file in headers))

    def values(self, *pcrs):
        """{number: SHA-256 value} of PCRs in a boot."""
        return {pcr: self.machine.pcrs["sha256", pcr] for pcr in pcrs}
