# SPDX-License-Identifier: LGPL-2.1-or-later
"""`make bench`: where the instructions of a boot go.

Everything is counted by QEMU (-icount: one instruction, one nanosecond), so a figure says the same
on any machine; time spent waiting for a device counts as well. Boots are those of the boot tests
with one program more (meter.c) that tells when a kernel's first process runs. What the last run
found is printed beside each figure; it is kept in build/<arch>/bench/last.json.

    bench.py [--check]    with --check the exit status says whether all targets are reached
"""

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

from machine import ICOUNT, Meter, Programs, distribution_kernel, ext4_root, room
from journey import JUMP, STAMP, STOP, Journey, last_process, stopped
from report import Report, Target, load
from unlock import Unlock

# After machine, which knows where the boot tests' harness is.
from harness import (  # pylint: disable=wrong-import-order
    INHERITED, INHERITED_EFI, Boot, Disk, GuestError, HarnessError, Partition, artifact, root
)
from harness.tools import BUILD  # pylint: disable=wrong-import-order

MILLION = 10**6
MB = 1 << 20
TIMED = f"tugboot.boot {INHERITED} printk.time=1"
STAMPED = "rdinit=/bench-stamp"
# As a distribution's own installation has it.
ROOT_OPTIONS = "quiet"
PADDING = 8 * MB
# Boots of a kind that are short.
RUNS = 3
TOP_INITCALLS = 12
# Megabytes of memory between which the least is searched, and in which steps.
MEMORY_FROM, MEMORY_TO, MEMORY_STEP = 32, 512, 8
BOOTX64 = "EFI/BOOT/BOOTX64.EFI"
SYSTEMD_BOOT = Path("/usr/lib/systemd/boot/efi/systemd-bootx64.efi")


class Bench:
    """All boots of one run."""

    def __init__(self, work, report):
        self.work = Path(work)
        self.add = report.add
        self.targets = report.targets
        self.start = time.monotonic()
        self.programs = Programs(work)
        self.boot = Boot(work)
        self.linux, self.linux_name = distribution_kernel()
        self.vmlinuz = artifact("vmlinuz")
        self.initrd = self.programs.root_initrd()
        self.total = {}  # what loaders() counted

    # Boots.

    def run(self, what, guest, ends, timeout=400):
        """Runs a guest until it powers off and returns its console, on which `ends` must be."""
        print(f"bench: {time.monotonic() - self.start:4.0f} s  {what}", file=sys.stderr, flush=True)
        try:
            with guest:
                guest.wait_end(timeout, max_resets=0)
            if re.search(ends, guest.console):
                return guest.console
            error = "it did not tell what it was started for"
        except GuestError as caught:
            error = caught
        end = "\n".join(guest.console.splitlines()[-15:])
        raise HarnessError(f"{what}: {error}; the console's end:\n{end}")

    def direct(self, what, disk=None, *, program="bench-stamp", more="", kernel=None,
               machine="q35", count=ICOUNT, ends=STAMP):
        """QEMU itself starts our kernel, with one of the bench's programs before PID 1."""
        guest = Meter(self.work, count=count, machine=machine)
        if disk:
            guest.attach(disk)
        initramfs, append = artifact("initramfs.cpio.zst"), f"{TIMED} {more}"
        if program:
            initramfs = self.programs.initramfs(program)
            append += f" rdinit=/{program}"
        guest.boot_kernel(kernel or self.vmlinuz, initramfs, append)
        return self.run(what, guest, ends)

    def firmware(self, what, disk, ends=STAMP):
        """Real firmware, with new variables, starts what is on the disk."""
        (self.work / "efi-variables.fd").unlink(missing_ok=True)
        guest = Meter(self.work)
        guest.attach(disk, boot=0)
        guest.boot_firmware()
        return self.run(f"OVMF: {what}", guest, ends)

    def disk(self, kernel, env=None, uefi=None):
        """An A/B disk whose roots have this kernel, and the meter as their system."""
        how = {"kernel": Path(kernel), "initrd": self.initrd, "options": ROOT_OPTIONS}
        how["size"] = 16 + 2 * (Path(kernel).stat().st_size // MB)
        return self.boot.disk(env=env or {"resin_root_part": "A"}, uefi=uefi,
                              rootA=root("bls", **how), rootB=root("bls", **how))

    def esp(self, files):
        """A disk that is an EFI system partition and nothing else."""
        part = Partition("boot", "vfat", size=64, label="tug-boot", esp=True, files=files)
        return Disk(self.work / "esp.img", [part])

    def add_steps(self, section, boots):
        """The rows of a boot's steps: of each the least, since waiting for the host's disk only
        adds."""
        costs = [boot.costs() for boot in boots]
        if len({tuple(step for step, _ in one) for one in costs}) != 1:
            raise HarnessError(f"{section}: boots of one kind had other steps: {costs}")
        for step in zip(*costs):
            self.add(section, f"{step[0][0]}, since the line before", min(cost for _, cost in step))
        return self.add(section, "PID 1 → kexec", min(boot.jump - boot.first for boot in boots))

    # 1. From our kernel to the root's.

    def committed(self):
        """A committed root whose kernel is ours, since that one is small."""
        stopper = self.programs.stopper(self.vmlinuz, "32")
        start = stopped(self.direct("our kernel's first instruction", kernel=stopper, ends=STOP))
        disk = self.disk(self.vmlinuz)
        boots = [Journey.read(self.direct(f"a committed root, {number} of {RUNS}", disk))
                 for number in range(1, RUNS + 1)]
        section = f"Started by QEMU, committed root, our kernel as the root's too (least of {RUNS})"
        to_first = self.add(section, "our kernel's first instruction → PID 1",
                            min(boot.first - start for boot in boots))
        to_jump = self.add_steps(section, boots)
        jump = self.jump(self.vmlinuz)
        self.add(section, "kexec → the root's kernel", jump)
        self.add(section, "kexec → the root's first process",
                 min(boot.last - boot.jump for boot in boots))
        self.add(section, "all of it", min(boot.last for boot in boots) - start)
        plain = last_process(self.direct("without the bench's stamp", disk, program=None))
        self.add(section, "all of it, without the bench's stamp (one boot)", plain - start)
        self.targets += [
            Target("PID 1 → kexec", to_jump, 100 * MILLION, 60 * MILLION),
            Target("kernel's first instruction → PID 1", to_first, 300 * MILLION),
        ]
        padded = self.work / "padded"
        padded.write_bytes(self.vmlinuz.read_bytes() + bytes(PADDING))
        disk = self.disk(padded)
        larger = min(boot.jump - boot.first for boot in (
            Journey.read(self.direct(f"a larger kernel, {number} of {RUNS}", disk))
            for number in range(1, RUNS + 1)))
        section = "Instructions for each byte of the root's kernel"
        self.add(section, "to find and load it", (larger - to_jump) / PADDING, "plain")
        self.add(section, "to jump to it, of the room that it unpacks itself in",
                 jump / room(self.vmlinuz), "plain")
        self.kernel_start(start)

    def jump(self, kernel):
        """From the last line of our kernel's log to the first instruction of the root's."""
        disk = self.disk(self.programs.stopper(kernel, "64"))
        console = self.direct(f"kexec up to {Path(kernel).name}", disk, ends=STOP)
        return stopped(console) - Journey.read(console).jump

    def trial(self):
        """The same with a try to record, and what to record it costs."""
        committed = {"resin_root_part": "B"}
        on_trial = {**committed, "upgrade_available": "1"}
        disk = self.disk(self.vmlinuz, on_trial)
        made = Journey.read(self.direct("the first count, which makes the copy", disk))
        boots = {}
        for what, env in (("a root on trial", on_trial), ("the same, committed", committed)):
            boots[what] = []
            for number in range(1, RUNS + 1):
                disk.set_env(env)
                console = self.direct(f"{what}, {number} of {RUNS}", disk)
                boots[what].append(Journey.read(console))
        section = f"Started by QEMU, root on trial (least of {RUNS})"
        tried, plain = boots.values()
        to_jump = self.add_steps(section, tried)
        plain = min(boot.jump - boot.first for boot in plain)
        section = f"The count of a try, with its flushes (least of {RUNS})"
        step = min(dict(boot.costs())["record bootcount=1"] for boot in tried)
        more = to_jump - plain
        self.add(section, "the step itself", step)
        self.add(section, "PID 1 → kexec, more than the same disk's committed root", more)
        self.add(section, "the step that makes the copy, too (one boot)",
                 dict(made.costs())["record bootcount=1"])
        self.targets.append(Target("count of a try", max(step, more), 10 * MILLION))

    def kernel_start(self, start):
        """Where our kernel's own start goes."""
        section = "Our kernel's first instruction → PID 1, no disk"
        for label, how in (
            ("as it is", {}),
            ("on a machine without SATA ports to wait for", {"machine": "q35,sata=off"}),
            ("without the local APIC's timer to calibrate", {"more": "nolapic_timer"}),
        ):
            console = self.direct(f"our kernel {label}", program="bench-report", **how)
            self.add(section, label, last_process(console) - start)
        console = self.direct("our kernel's initcalls", program="bench-dump", ends="KMSG end",
                              more="nokaslr initcall_debug log_buf_len=1M")
        symbols = {}
        for line in artifact("kernel.System.map").read_text(encoding="ascii").splitlines():
            address, _, name = line.split()
            symbols[int(address, 16)] = name
        calls = re.findall(r";initcall 0x([0-9a-f]+)\S* returned \S+ after (\d+) usecs", console)
        longest = sorted(((int(us), int(at, 16)) for at, us in calls), reverse=True)
        for microseconds, address in longest[:TOP_INITCALLS]:
            self.add(f"Our kernel's {TOP_INITCALLS} longest initcalls",
                     symbols.get(address, hex(address)), microseconds * 1000)

    # 2. What a boot loader adds.

    def loaders(self):
        """The distribution's kernel from reset to its first process, started in four ways."""
        options = f"{INHERITED_EFI} {ROOT_OPTIONS}"
        image = self.programs.efi_image(self.linux, self.initrd, options)
        total = {"directly": self.firmware("directly", self.esp({BOOTX64: image}))}
        total["Tugboot"] = self.firmware("Tugboot", self.disk(self.linux, uefi=True))
        total["GRUB"] = self.firmware("GRUB", self.grub_disk(options))
        total["systemd-boot"] = self.firmware("systemd-boot", self.systemd_boot_disk(options))
        total = {name: last_process(console) for name, console in total.items()}

        section = f"OVMF, reset → first process of {self.linux_name}"
        for name, count in total.items():
            self.add(section, name, count)
        added = {name: count - total["directly"] for name, count in total.items()}
        for name in ("Tugboot", "GRUB", "systemd-boot"):
            self.add(section, f"{name} adds", added[name])
        self.targets.append(Target("Tugboot adds", added["Tugboot"], 800 * MILLION, added["GRUB"]))
        self.total = total

    def grub_disk(self, options):
        """GRUB on the ESP, the kernel in an ext4 root."""
        config = f"search --set=root --label tug-rootA\nlinux /boot/vmlinuz {options}\n"
        grub = self.programs.grub(config + "initrd /boot/initrd\nboot\n")
        esp = Partition("boot", "vfat", size=40, label="tug-boot", esp=True, files={BOOTX64: grub})
        files = {"/boot/vmlinuz": self.linux, "/boot/initrd": self.initrd}
        return Disk(self.work / "grub.img", [esp, ext4_root(self.work, "tug-rootA", files)])

    def systemd_boot_disk(self, options):
        """systemd-boot and all that it starts on the ESP."""
        if not SYSTEMD_BOOT.exists():
            raise HarnessError(f"{SYSTEMD_BOOT} is missing: package systemd-boot-efi")
        entry = f"title Bench\nlinux /vmlinuz\ninitrd /initrd\noptions {options}\n"
        return self.esp({
            BOOTX64: SYSTEMD_BOOT, "vmlinuz": self.linux, "initrd": self.initrd,
            "loader/loader.conf": "timeout 0\n", "loader/entries/bench.conf": entry,
        })

    def parts_directly(self):
        """The direct boot, taken apart where the kernel is entered."""
        options = f"{INHERITED_EFI} {ROOT_OPTIONS}"
        stopper = self.programs.stopper(self.linux, "efi")
        image = self.programs.efi_image(stopper, self.initrd, options)
        at = stopped(self.firmware("up to the kernel", self.esp({BOOTX64: image}), STOP))
        section = "OVMF, directly, part by part"
        self.add(section, "firmware, file and stub, up to the kernel", at)
        self.add(section, "the kernel, up to its first process", self.total["directly"] - at)

    def parts_by_tugboot(self):
        """Tugboot's boot, taken apart where kernels are entered and by its log."""
        efi_image, role = self.programs.efi_image, f"tugboot.boot {INHERITED_EFI}"
        image = efi_image(self.programs.stopper(self.vmlinuz, "efi"),
                          artifact("initramfs.cpio.zst"), role)
        ours = stopped(self.firmware("up to our kernel", self.esp({BOOTX64: image}), STOP))
        image = efi_image(self.vmlinuz, self.programs.initramfs("bench-stamp"),
                          f"{role} printk.time=1 {STAMPED}")
        console = self.firmware("Tugboot, step by step", self.disk(self.linux, uefi=image))
        journey = Journey.read(console)
        jump = self.jump(self.linux)  # the same whoever started our kernel

        section = "OVMF, Tugboot, part by part"
        self.add(section, "firmware, file and stub, up to our kernel", ours)
        self.add(section, "our kernel, up to PID 1", journey.first - ours)
        self.add_steps(section, [journey])
        self.add(section, "kexec → the root's kernel", jump)
        self.add(section, "the root's kernel, up to its first process",
                 journey.last - journey.jump - jump)

    # 3. Sizes, memory, processes.

    def sizes(self):
        """The image by component."""
        total = 0
        for name in ("vmlinuz", "initramfs.cpio.zst", "init.stripped", "bootloader.stripped",
                     "tugboot.efi"):
            size = artifact(name).stat().st_size
            label = name.replace(".stripped", ", in the initramfs before compression")
            self.add("Image", label, size, "bytes")
            total += size if name in ("vmlinuz", "initramfs.cpio.zst") else 0
        self.targets.append(Target("kernel and initramfs", total, 6 * 10**6, kind="bytes"))

    def enough_memory(self, disk, megabytes, pattern):
        """Whether a guest of that size gets as far as that; nothing is counted."""
        guest = Meter(self.work, megabytes, count=())
        guest.attach(disk)
        guest.boot_kernel(self.vmlinuz, artifact("initramfs.cpio.zst"), TIMED)
        failed = r"panic|Out of memory|tugboot: (?:hang|crash|back-off|reboot)"
        try:
            with guest:
                return JUMP in guest.expect(f"{pattern}|{failed}", 40).group(0) or bool(
                    re.search(pattern, guest.console))
        except GuestError:
            return False

    def least_memory(self, what, disk, pattern):
        """By bisection, in megabytes."""
        low, high = MEMORY_FROM // MEMORY_STEP - 1, MEMORY_TO // MEMORY_STEP
        while high - low > 1:
            middle = (low + high) // 2
            size = middle * MEMORY_STEP
            enough = self.enough_memory(disk, size, pattern)
            print(f"bench: {time.monotonic() - self.start:4.0f} s  {size} MB for {what}: "
                  f"{'enough' if enough else 'not enough'}", file=sys.stderr, flush=True)
            low, high = (low, middle) if enough else (middle, high)
        return high * MEMORY_STEP

    def memory(self):
        """The least memory with which a boot comes through."""
        disk = self.disk(self.linux)
        for what, pattern in (
            ("Tugboot up to kexec", JUMP),
            ("all, up to the root's first process", STAMP.pattern),
        ):
            self.add(f"Least memory with {self.linux_name} as the root's kernel, in steps of "
                     f"{MEMORY_STEP} MB", what, self.least_memory(what, disk, pattern), "MB")

    def processes(self):
        """Processes that PID 1 and its descendants start before kexec."""
        disk = self.disk(self.vmlinuz)
        console = self.direct("processes", disk, program="bench-processes", count=())
        before = console[: console.index(JUMP)]
        if "bench: watching pid=1" not in before:
            raise HarnessError("processes: the bench could not watch PID 1")
        started = len(re.findall(r"bench: process pid=", before))
        self.add("Processes", "started before kexec", started, "plain")
        self.add("Processes", "programs executed after PID 1's own",
                 len(re.findall(r"bench: exec pid=(?!1\b)", before)), "plain")
        self.targets.append(Target("processes before kexec", started, 1, kind="plain"))

    # 4. Encrypted volumes.

    def unlock(self):
        """Five of them, opened by Tugboot and by a script."""
        Unlock(self).report()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail when a target is not reached")
    arguments = parser.parse_args()
    kept = BUILD / "bench" / "last.json"
    old, report = load(kept), Report()
    try:
        with tempfile.TemporaryDirectory(prefix="tugboot-bench-") as work:
            bench = Bench(work, report)
            for part in (bench.committed, bench.trial, bench.sizes, bench.processes, bench.memory,
                         bench.unlock, bench.loaders, bench.parts_directly, bench.parts_by_tugboot):
                part()
                report.print(old)
    except HarnessError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    report.save(kept)
    print()
    for target in report.targets:
        print(target.line())
    return int(arguments.check and not all(target.reached for target in report.targets))


if __name__ == "__main__":
    sys.exit(main())
