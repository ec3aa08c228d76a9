# SPDX-License-Identifier: LGPL-2.1-or-later
"""What unlocking costs, beside a shell script with cryptsetup and tpm2-tools (unlock.sh).

One disk with five volumes, enrolled by `tugboot enroll`, opened in both ways: the same kernel,
machine, TPM object and key slots. Counted are the instructions that are executed (tests/boot/
count.c), between places that both must come by: lines that they write to the kernel's log, system
calls and the kernel's device mapper. Unlike the clock of -icount, that does not count the time of
waiting for the TPM; what is executed meanwhile, a look at it each millisecond, is.
"""

import base64
import re
import struct
from pathlib import Path

from machine import ICOUNT, Meter
from report import Target

from harness import HarnessError, artifact, bls_entry, images, luks, part, root
from harness.counter import LOG, Counter, lines
from harness.device import PCRS, VOLUMES, Device
from harness.tools import run

HERE = Path(__file__).resolve().parent
RUNS = 2
EXEC, MOUNT, JUMP = "__x64_sys_execve", "__x64_sys_mount", "machine_kexec"
DM, CRYPT = "dm_ctl_ioctl", "crypt_ctr"
# A kernel that is not moved, and all of its log on the console.
SHOWN = "nokaslr ignore_loglevel"
OS_ROLE = {"/boot/loader/entries/probe.conf": bls_entry(initrd=False, more="tugboot-initrd yes\n")}
SHELL = "/bin/busybox"
CRYPTSETUP, TPM2, TCTI = "/sbin/cryptsetup", "/usr/bin/tpm2", "libtss2-tcti-device.so.0"


class Places:
    """Where a guest has been, in order: (name or line of the log, instructions before it)."""

    def __init__(self, counted, console):
        texts = iter(lines(counted, console))
        self.list = [next(texts) if name == LOG else (name, count) for name, count in counted]

    def find(self, pattern, start=0, last=False):
        """Index of the first (or last) place of that name from `start` on."""
        found = [i for i, (name, _) in enumerate(self.list)
                 if i >= start and re.match(pattern, name)]
        if not found:
            raise HarnessError(f"the guest never came to '{pattern}'")
        return found[-1 if last else 0]

    def between(self, start, end):
        """Instructions from one place to another, by index."""
        return self.list[end][1] - self.list[start][1]

    def count(self, pattern, start, end):
        """How often the guest was there."""
        return sum(bool(re.match(pattern, name)) for name, _ in self.list[start:end])


class Unlock:
    """The section of the bench."""

    def __init__(self, bench):
        self.bench = bench
        self.section = "Unlocking five volumes, instructions executed"

    def device(self, encrypted):
        """Roots that the OS role brings up, with or without encryption."""
        made = {name: part("vfat" if name == "boot" else "ext4", size=8) for name in VOLUMES}
        made["rootA"] = root(os_role=True, files=OS_ROLE)
        device = Device(self.bench.boot, made, encrypted)
        if encrypted:
            with device.enrolling() as tcti:
                device.tugboot("enroll", "add", "--tpm", tcti, "--pcrs", ",".join(map(str, PCRS)))
            for name in device.volumes:
                with device.disk.header(name) as volume:
                    luks.seal(volume)
        return device

    def run(self, what, device, ends, role="", initramfs=None):
        """A guest of that device; where it has been."""
        guest = Meter(self.bench.work, count=ICOUNT)
        guest.attach(device.disk)
        guest.add_tpm(device.tpm)
        guest.boot_kernel(artifact("vmlinuz"), initramfs or artifact("initramfs.cpio.zst"),
                          f"{role} console=ttyS0,115200 no_timer_check {SHOWN}".strip())
        counter = Counter(self.bench.work, (LOG, EXEC, MOUNT, JUMP, DM, CRYPT))
        counter.add_to(guest)
        console = self.bench.run(what, guest, ends)
        return Places(counter.read(), console)

    # Ours.

    def tugboot(self, device):
        """[(step, instructions)] of the least of some boots."""
        found = []
        for number in range(1, RUNS + 1):
            policy = f"tugboot.boot tugboot.encrypted={','.join(VOLUMES)}"
            places = self.run(f"Tugboot unlocks, {number} of {RUNS}", device, "PROBE end=", policy)
            found.append(self.steps(places))
        return min(found, key=lambda steps: sum(count for _, count in steps))

    @staticmethod
    def steps(places):
        """From the choice of a slot until its root can be mounted, from there the door's closing,
        and all that the OS role does before it mounts the root, the start of its process
        included."""
        slot = places.find("tugboot: slot ")
        unlocked = places.find(f"tugboot: unlock by=tpm2 volumes={len(VOLUMES)} ", slot)
        mapped = places.find(MOUNT, unlocked)
        capped = places.find("tugboot: cap ")
        close = places.find("tugboot: load ", mapped)
        close = places.find(DM, close)
        jump = places.find(JUMP, capped)
        first = places.find(CRYPT, jump)
        start = max(i for i in range(jump, first) if places.list[i][0] == EXEC)
        end = places.find(MOUNT, first)
        if (places.count(CRYPT, slot, jump), places.count(CRYPT, jump, end)) != (1, len(VOLUMES)):
            raise HarnessError("Tugboot mapped other volumes than were to be counted")
        return [
            ("boot role: headers, TPM, keys", places.between(slot, unlocked)),
            ("boot role: the root's mapping", places.between(unlocked, mapped)),
            ("boot role: the mapping closed, the PCRs capped", places.between(close, capped)),
            ("OS role, from the start of its process: five mappings", places.between(start, end)),
        ]

    # The other way.

    def initramfs(self, device):
        """The script with what it needs: the tools of this machine."""
        with device.disk.header("rootA") as volume:
            (token,) = luks.tokens(volume, "tugboot-tpm2").values()
        blob = base64.b64decode(token["tpm2-blob"])
        private = 2 + struct.unpack_from(">H", blob)[0]
        volumes = "".join(f"{name} /dev/vda{device.disk[name].number}\n" for name in VOLUMES)
        # tpm2 loads it by name.
        tcti = Path("/lib") / run("gcc", "-print-multiarch").strip() / TCTI
        files = {
            "/init": HERE / "unlock.sh", "/bin/sh": Path(SHELL), "/bin/busybox": Path(SHELL),
            "/bin/cryptsetup": Path(CRYPTSETUP), "/bin/tpm2": Path(TPM2), str(tcti): tcti,
            "/etc/volumes": volumes, "/etc/pcrs": ",".join(map(str, PCRS)),
            "/etc/sealed.priv": blob[:private], "/etc/sealed.pub": blob[private:],
            **{f"/{name}/.keep": b"" for name in ("proc", "sys", "run", "mnt", "tmp")},
        }
        for file in (CRYPTSETUP, TPM2, tcti):
            files.update(images.libraries(file))
        path = Path(self.bench.work) / "unlock.cpio"
        path.write_bytes(images.cpio(files))
        return path

    def shell(self, device):
        """[(step, instructions)] of the least of some boots."""
        initramfs = self.initramfs(device)
        found = []
        for number in range(1, RUNS + 1):
            places = self.run(f"the script unlocks, {number} of {RUNS}", device, "bench: mounted",
                              initramfs=initramfs)
            said = [place for place in places.list if place[0].startswith("bench: ")]
            names = [name.removeprefix("bench: ") for name, _ in said]
            end = names.index("end")
            found.append([(name.split()[0], said[i][1] - said[i - 1][1])
                          for i, name in enumerate(names[:end + 1]) if i > 0])
        return min(found, key=lambda steps: sum(count for _, count in steps))

    # Both.

    def report(self):
        """Adds the section."""
        add, section = self.bench.add, f"{self.section} (least of {RUNS} boots)"
        device = self.device(VOLUMES)
        ours = self.tugboot(device)
        for step, count in ours:
            add(section, f"Tugboot, {step}", count)
        total = add(section, "Tugboot, all", sum(count for _, count in ours))
        theirs = self.shell(device)
        for name in dict.fromkeys(name for name, _ in theirs):
            steps = [count for step, count in theirs if step == name]
            if name != "end":
                tool = f"cryptsetup {name}" if name == "open" else f"tpm2 {name}"
                times = f", {len(steps)} times" if len(steps) > 1 else ""
                add(section, f"script, {tool}{times}", sum(steps))
        once = add(section, "script, all, under one kernel", sum(count for _, count in theirs))
        add(section, "script, all, under both kernels: twice that", 2 * once)
        add(section, "Tugboot : script under one kernel", total / once, "plain")
        ratio = add(section, "Tugboot : script under both kernels", total / (2 * once), "plain")
        self.bench.targets.append(Target("unlocking, of what a script takes", ratio, 0.1,
                                         kind="plain"))
