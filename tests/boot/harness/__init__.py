# SPDX-License-Identifier: LGPL-2.1-or-later
"""Boot tests in a dozen lines: describe the roots, make a disk, boot it, look at what started.

    def test_trial_slot_that_panics_is_given_up(boot):
        disk = boot.disk(
            env={"resin_root_part": "B", "upgrade_available": "1"},
            rootA=root(),
            rootB=root(probe="panic", options="panic=1"),
        )
        run = boot(disk, resets=2)
        assert run.journey == ["B trial 1/2", "B trial 2/2", "A rollback 2/2"]
        assert disk.env()["resin_root_part"] == "A"

`root()` says what a root partition holds, `boot.disk()` puts roots on a disk with a boot partition,
`boot()` runs a guest until it powers off and returns what its console said: a Run. Each system that
came up is a Start, told by the probe (tests/boot/probe.c) that ran in it and not by Tugboot.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import images, writelog
from .disk import Disk, Partition
from .guest import Fault, Guest, GuestError
from .tools import HarnessError, artifact

__all__ = [
    "APPEND", "ASKS", "Boot", "Disk", "Fault", "Guest", "GuestError", "HarnessError", "INHERITED",
    "INHERITED_EFI", "INITRD", "LINUX", "Partition", "RAMOOPS", "Run", "Start", "artifact",
    "bls_entry", "builtin_cmdline", "cmdline", "images", "part", "root", "writelog",
]

# What Tugboot is started with when QEMU starts it: as in tugboot.efi, without the screen. The other
# one is for busy machines: an emulated processor that is not let run for some milliseconds looks to
# the kernel like a broken timer.
INHERITED = "console=ttyS0,115200 no_timer_check"
APPEND = f"tugboot.boot {INHERITED}"
INHERITED_EFI = "console=tty0 console=ttyS0,115200"

# A megabyte of memory that no kernel uses but for what the next one shall know: it outlives a reset.
# Both kernels are told of it, since the root's inherits this.
RAMOOPS = ("memmap=1M$0x10000000 ramoops.mem_address=0x10000000 ramoops.mem_size=0x100000 "
           "ramoops.record_size=0x8000 ramoops.pmsg_size=0x4000 ramoops.ecc=1")

# What a probe that is told to `ask` says when it waits for what to do.
ASKS = "^PROBE ask$"

# Where a loader entry's files are: names that no search by conventional names would find.
LINUX, INITRD = "/boot/probe/linux", "/boot/probe/initrd"


def part(fs="ext4", **how):
    """A partition for boot.disk(); see Partition for what can be said of it."""
    return Partition(name="", fs=fs, **how)


def root(form="bls", *, probe="", options="", kernel=None, initrd=True, tugboot=False, name="",
         fs="ext4", os_role=False, files=None, **how):
    """A root partition with the probe as its system.

    form     how its kernel is to be found: bls, uki, extlinux, names, or none
    probe    what the probe does, see tests/boot/probe.c; power off when empty
    options  the slot's own command line (no form `names` has one)
    kernel   bytes or Path of its kernel, by default a good one; initrd as well, False for none
    tugboot  True: the real `tugboot` command is in its initrd
    os_role  the probe is the root's /sbin/init, with no initrd of its own
    files    further files of the partition, and changes: content None leaves one out
    """
    kernel = images.root_kernel() if kernel is None else kernel
    if os_role:
        initrd = None
    elif initrd is True:
        initrd = images.probe_initrd("initrd", tugboot=tugboot)
    tree = {"/etc/root-name": name, "/etc/probe": probe}
    tree.update(_kernel_files(form, kernel, initrd, options))
    if os_role:
        # Directories to mount on, since the root is read-only.
        tree.update({"/sbin/init": images.probe()})
        tree.update({path: images.DIRECTORY for path in ("/dev", "/proc", "/sys", "/run", "/boot")})
        if tugboot:
            tree.update(images.tugboot_files())
    for path, content in (files or {}).items():
        if content is None:
            tree.pop(path, None)
        else:
            tree[path] = content
    return Partition(name="", fs=fs, files=tree, **how)


def _kernel_files(form, kernel, initrd, options):
    if form == "none":
        return {}
    if form == "uki":
        return {"/boot/probe.efi": images.uki(kernel, initrd or None, options)}
    if form == "names":
        files = {"/boot/vmlinuz-6.1.0-probe": kernel}
        if initrd:
            files["/boot/initrd.img-6.1.0-probe"] = initrd
        return files
    files = {LINUX: kernel}
    if initrd:
        files[INITRD] = initrd
    if form == "bls":
        files["/boot/loader/entries/probe.conf"] = bls_entry(options, initrd=bool(initrd))
    elif form == "extlinux":
        files["/boot/extlinux/extlinux.conf"] = (
            "DEFAULT probe\nTIMEOUT 10\n\nLABEL other\n  LINUX /boot/absent\n\n"
            f"LABEL probe\n  MENU LABEL The probe\n  LINUX {LINUX}\n"
            + (f"  INITRD {INITRD}\n" if initrd else "")
            + (f"  APPEND {options}\n" if options else "")
        )
    else:
        raise HarnessError(f"no form '{form}' of kernel")
    return files


def bls_entry(options="", *, linux=LINUX, initrd=True, more=""):
    """A Boot Loader Specification entry; initrd True for the usual one, or a path."""
    text = f"title The probe\nversion 6.1\nlinux {linux}\n"
    if initrd:
        text += f"initrd {INITRD if initrd is True else initrd}\n"
    if options:
        text += f"options {options}\n"
    return text + more


@dataclass
class Start:
    """One system that came up, as its probe told it."""

    role: str = ""  # initrd, or init when Tugboot's OS role had switched to the root
    cmdline: str = ""  # exactly /proc/cmdline, without what is built into our own kernel
    kernel: str = ""
    initrd: str = ""
    root: str = ""  # name of the root that root= leads to
    mounts: list = field(default_factory=list)

    def value(self, key):
        """Value of the last parameter of this name; None when there is none."""
        found = None
        for word in re.findall(r'(?:[^\s"]|"[^"]*")+', self.cmdline):
            name, _, value = word.replace('"', "").partition("=")
            if name == key:
                found = value
        return found

    def __str__(self):
        slot, reason, tries = (self.value(f"tugboot.{key}") for key in ("slot", "reason", "tries"))
        return f"{slot} {reason} {tries}"


@dataclass
class Run:
    """What one guest's console said."""

    console: str
    resets: int
    events: list

    @property
    def starts(self):
        """Every system that came up, in order."""
        starts = []
        for key, value in re.findall(r"^PROBE (\w+)=(.*)$", self.console, re.MULTILINE):
            if key == "role":
                starts.append(Start(role=value))
            elif key == "cmdline":
                starts[-1].cmdline = value.removeprefix(builtin_cmdline()).strip()
            elif key == "root":
                starts[-1].root = value.split(" ")[0]
            elif key == "mount":
                starts[-1].mounts.append(value)
            elif key in ("kernel", "initrd"):
                setattr(starts[-1], key, value)
        return starts

    @property
    def journey(self):
        """The same as text, one `slot reason used/allowed` for each."""
        return [str(start) for start in self.starts]

    @property
    def log(self):
        """Tugboot's own lines: (event, {key: value}, whole line)."""
        lines = []
        for line in re.findall(r"tugboot: (.*)$", self.console, re.MULTILINE):
            event, *rest = line.split(" ")
            pairs = dict(re.findall(r'([\w.-]+)=("(?:[^"\\]|\\.)*"|\S*)', " ".join(rest)))
            lines.append((event, {k: v.strip('"') for k, v in pairs.items()}, line))
        return lines

    def said(self, pattern):
        """True when a line of Tugboot's log matches."""
        return any(re.search(pattern, line) for _, _, line in self.log)


def builtin_cmdline():
    """CONFIG_CMDLINE of our own kernel, which every start of it has in front."""
    config = artifact("kernel.config").read_text(encoding="utf-8")
    found = re.search(r'^CONFIG_CMDLINE="(.*)"$', config, re.MULTILINE)
    return found.group(1) if found else ""


def cmdline(disk, slot, reason="normal", tries="0/2", own="", inherited=INHERITED, panic=True,
            cause=""):
    """The command line that the contract promises (DESIGN.md, section 2)."""
    name = {"A": "rootA", "B": "rootB", "R": "recovery"}[slot]
    target = disk[name]
    where = f"UUID={target.uuid}" if target.uuid else f"PARTUUID={target.partuuid}"
    words = [own, inherited, f"root={where}"]
    words += [f"tugboot.slot={'recovery' if slot == 'R' else slot}"]
    words += [f"tugboot.reason={reason}", f"tugboot.tries={tries}"]
    words += ["" if slot == "R" else f"rauc.slot={slot}", f"tugboot.cause={cause}" if cause else ""]
    words += ["panic=10" if panic else ""]
    return " ".join(word for word in words if word)


class Boot:
    """The `boot` fixture: disks and guests of one test, in its own directory."""

    def __init__(self, work):
        self.work = Path(work)
        self.guests = []
        self._disks = 0

    def disk(self, *, env=None, prefix="tug", by="label", uefi=None, boot=None, table="gpt",
             **partitions):
        """A disk with a boot partition and the partitions that are named.

        env     the environment: a dict, bytes as they are, or None for no file
        prefix  of the names; `by` says whether a name is the filesystem's "label" or the "name" in
                the partition table
        uefi    True: the boot partition is the ESP, with tugboot.efi; or another EFI file (Path)
        boot    another boot partition than the usual FAT one

        A partition keeps a label, name or number that it has been given. An encrypted one has its
        name outside (`by` says where) and as the label of the filesystem inside.
        """
        self._disks += 1
        label = f"disk{self._disks}"
        boot = boot or Partition(name="boot", fs="vfat", size=40 if uefi else 4)
        made = []
        for name, given in {"boot": boot, **partitions}.items():
            this = replace(given, name=name, files=dict(given.files))
            if this.files.get("/etc/root-name") == "":
                this.files["/etc/root-name"] = f"{label}:{name}"
            # These two have no label of their own.
            named = by == "name" or this.fs in ("squashfs", "erofs")
            if this.luks:
                this.label = this.label or f"{prefix}-{name}"
                if not this.luks.label and not this.gpt_name:
                    setattr(this if named else this.luks, "gpt_name" if named else "label",
                            f"{prefix}-{name}")
            elif not this.label and not this.gpt_name:
                setattr(this, "gpt_name" if named else "label", f"{prefix}-{name}")
            made.append(this)
        if uefi:
            made[0].esp = True
            made[0].files["EFI/BOOT/BOOTX64.EFI"] = (
                artifact("tugboot.efi") if uefi is True else uefi
            )
        disk = Disk(self.work / f"{label}.img", made, table)
        if env is not None:
            disk.set_env(env)
        return disk

    def guest(self, *disks, kind="virtio", firmware=False, memory=512, watchdog=None, append="",
              role="tugboot.boot", kernel=None, initrd=None, tpm=None, **how):
        """A guest with these disks, not started; for tests that talk to it while it runs. What else
        is said is for the first disk: see Guest.attach()."""
        guest = Guest(self.work, memory)
        self.guests.append(guest)
        for number, disk in enumerate(disks):
            guest.attach(disk, kind, boot=number if firmware else None, **({} if number else how))
        if firmware:
            guest.boot_firmware()
        else:
            guest.boot_kernel(
                kernel or artifact("vmlinuz"),
                initrd or artifact("initramfs.cpio.zst"),
                f"{role} {INHERITED} {append}".strip(),
            )
        if watchdog:
            guest.add_watchdog(watchdog)
        if tpm:
            guest.add_tpm(tpm)
        return guest

    def __call__(self, *disks, resets=0, timeout=None, **how):
        """Boots until the guest powers off and returns its Run; it must reset `resets` times."""
        timeout = timeout or 120 + 60 * resets + (120 if how.get("firmware") else 0)
        with self.guest(*disks, **how) as guest:
            guest.wait_end(timeout, max_resets=resets)
            run = self.result(guest)
        if run.resets != resets:
            raise GuestError(f"reset {run.resets} times; expected {resets}")
        return run

    @staticmethod
    def result(guest):
        """What a guest has said so far."""
        return Run(guest.console, guest.resets, list(guest.events))
