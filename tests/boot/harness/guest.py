# SPDX-License-Identifier: LGPL-2.1-or-later
"""A virtual machine with its console and its monitor, and no wait without a deadline.

Everything the guest prints on its serial port is kept. What a test waits for is text of that
console or an event of QEMU's monitor (QMP): reset, power off, watchdog.
"""

import ctypes
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import writelog
from .tools import HarnessError

OVMF_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_VARS = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")


INTERRUPTS = 0x200  # of the flags: IF

# Of the Debian roots' shell.
PROMPT = r"root@[\w-]+:\S+# "


class GuestError(AssertionError):
    """The guest did not do what the test waited for."""


ICOUNT = ("-icount", "shift=0,sleep=on", "-rtc", "clock=vm")

# How a disk is attached: what -device (or device_add) takes, with the drive's name for {id}. The
# controllers are there once, whatever is attached to them.
CONTROLLERS = {
    "usb": ["qemu-xhci,id=xhci"],
    "sd": ["sdhci-pci"],
    "virtio-scsi": ["virtio-scsi-pci,id=scsi"],
}
DEVICES = {
    "virtio": "virtio-blk-pci,drive={id}",
    "nvme": "nvme,drive={id},serial={id}",
    "ahci": "ide-hd,drive={id}",
    "usb": "usb-storage,bus=xhci.0,drive={id}",
    "sd": "sd-card,drive={id}",
    "virtio-scsi": "scsi-hd,bus=scsi.0,drive={id}",
}
# The chipset of q35 has a watchdog of its own, which is the first one even where it is told not to
# reset: the other kind has to be on a chipset that has none. Machine type and arguments.
WATCHDOGS = {
    "i6300esb": ("pc", ["-device", "i6300esb", "-action", "watchdog=reset"]),
    "itco": ("q35", ["-global", "ICH9-LPC.noreboot=false", "-action", "watchdog=reset"]),
}


@dataclass(frozen=True)
class Fault:
    """The disk answers requests of a kind (read, write, flush) with an error, every time: those
    that touch this sector of 512 bytes, or all."""

    kind: str
    sector: int | None = None


def _faulty(name, path, faults):
    """The value of -blockdev for a raw disk with faults (QEMU's blkdebug)."""
    value = f"driver=blkdebug,node-name={name},image.driver=file,image.filename={path}"
    value += ",image.cache.no-flush=on"
    for number, fault in enumerate(faults):
        rule = {"event": "none", "iotype": fault.kind, "errno": 5}  # EIO
        if fault.sector is not None:
            rule["sector"] = fault.sector
        value += "".join(f",inject-error.{number}.{key}={of}" for key, of in rule.items())
    return value


# Without fast string instructions: after a reset, QEMU clears memory that it knows as translated
# code one store at a time, and with them a kernel stores bytes. 13 s of the host's processor for
# each reset of a Debian guest are 3 s without.
CPU = "max,-erms"


def _firmware(variables):
    return [
        "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF_CODE}",
        "-drive", f"if=pflash,format=raw,unit=1,file={variables}",
    ]


def demo_command(where, kvm=False):
    """QEMU for a person: the same machine with the console on this terminal. With hardware
    virtualisation only when asked for: where that is nested or odd it fails in ways of its own."""
    return [
        "qemu-system-x86_64", "-accel", "kvm" if kvm else "tcg", "-machine", "q35", "-cpu",
        "host" if kvm else "max", "-m", "1024", "-nodefaults", "-vga", "std", "-nic", "none",
        "-display", "none", "-serial", "mon:stdio", *_firmware(where / "efi-variables.fd"),
        "-drive", f"if=virtio,format=raw,file={where / 'disk.img'}", *WATCHDOGS["itco"][1],
    ]


_PRCTL = ctypes.CDLL(None).prctl
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def _die_with_parent():
    """A test run that is killed leaves no guest behind."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Guest:
    """One run of QEMU. Attach disks, then `start()`; always `stop()` (or use `with`)."""

    def __init__(self, work, memory=512):
        self.work = Path(work)
        self.memory = memory
        self.console = ""
        self.resets = 0
        self.events = []
        self.ended = None  # why: guest-shutdown, host-qmp-quit, …
        self._machine = "q35"
        self._arguments = []
        self._controllers = []
        self._late = {}
        self._disks = 0
        self._tpm = None
        self._tpm_kind = ""
        self._process = None
        self._qmp = None
        self._qmp_data = b""
        self._replies = []
        self._eof = False
        self._reset_at = 0  # where in the console the last reset was
        self._seen = 0  # up to where expect() has used the console

    # What it is made of, before start().

    def attach(self, disk, kind="virtio", late=False, boot=None, log=None, readonly=False,
               faults=()):
        """Adds a disk; with `late` it is known to QEMU but plugged in by `plug()`. Every write to
        it is logged in the file `log`, if one is named, for writelog.read(). `readonly`: the guest
        is told that it cannot be written. `faults`: requests that fail, each a Fault."""
        name = f"disk{self._disks}"
        self._disks += 1
        for controller in CONTROLLERS.get(kind, ()):
            if controller not in self._controllers:
                self._controllers.append(controller)
                self._arguments += ["-device", controller]
        path = getattr(disk, "path", disk)
        if log:
            self._arguments += ["-blockdev", writelog.blockdev(name, path, log)]
        elif faults:
            self._arguments += ["-blockdev", _faulty(name, path, faults)]
        else:
            drive = f"if=none,id={name},format=raw,cache=unsafe,file={path}"
            self._arguments += ["-drive", drive + (",readonly=on" if readonly else "")]
        device = DEVICES[kind].format(id=name)
        if late:
            self._late[name] = device
        else:
            if boot is not None:
                device += f",bootindex={boot}"
            self._arguments += ["-device", device]
        return name

    def boot_kernel(self, kernel, initrd, append):
        """QEMU itself starts the kernel; it is read again at every reset."""
        self._arguments += ["-kernel", str(kernel), "-append", append]
        if initrd:
            self._arguments += ["-initrd", str(initrd)]

    def boot_firmware(self):
        """Real UEFI firmware starts what is on the disks, with variables of its own."""
        if not OVMF_CODE.exists():
            raise HarnessError(f"{OVMF_CODE} is missing: package ovmf")
        variables = self.work / "efi-variables.fd"
        if not variables.exists():
            shutil.copy(OVMF_VARS, variables)
        self._arguments += ["-vga", "std", *_firmware(variables)]

    def count_instructions(self):
        """From now on one instruction is one nanosecond of the guest's time."""
        self._arguments += ICOUNT

    def add_watchdog(self, kind):
        """A hardware watchdog that resets the guest when it is not served."""
        self._machine, arguments = WATCHDOGS[kind]
        self._arguments += arguments

    def add(self, *arguments):
        """Further arguments for QEMU."""
        self._arguments += [str(argument) for argument in arguments]

    def add_tpm(self, tpm, kind="crb"):
        """A TPM of harness/tpm.py, which ends with the guest: shown as `crb` or `tis`."""
        self._tpm = tpm
        self._tpm_kind = kind

    # Its life.

    def start(self):
        """Starts QEMU with the console on a pipe and QMP on a socket pair."""
        ours, theirs = socket.socketpair()
        command = [
            "qemu-system-x86_64", "-accel", "tcg", "-machine", self._machine, "-cpu",
            CPU, "-m", str(self.memory), "-nodefaults", "-nic", "none",
            "-display", "none", "-serial", "stdio",
            "-chardev", f"socket,id=qmp,fd={theirs.fileno()}", "-mon", "chardev=qmp,mode=control",
            *self._arguments, *self._tpm_arguments(),
        ]
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        theirs.close()
        self._qmp = ours
        self._qmp.setblocking(False)
        os.set_blocking(self._process.stdout.fileno(), False)
        self._until(lambda: any("QMP" in reply for reply in self._replies), 30, "QMP greeting")
        self._command("qmp_capabilities")

    def stop(self):
        """Ends QEMU whatever state it is in."""
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process:
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None
        if self._qmp:
            self._qmp.close()
            self._qmp = None
        if self._tpm:
            self._tpm.stop()

    def _tpm_arguments(self):
        if not self._tpm:
            return []
        return ["-chardev", f"socket,id=tpm,path={self._tpm.attach()}", "-tpmdev",
                "emulator,id=tpm0,chardev=tpm", "-device", f"tpm-{self._tpm_kind},tpmdev=tpm0"]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self.stop()

    # Talking to it.

    def send(self, text):
        """Types on the serial console."""
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def expect(self, pattern, timeout=60):
        """Waits for text on the console, after what the last expect() found. Returns the match."""
        regex = re.compile(pattern, re.MULTILINE)

        def found():
            return regex.search(self.console, self._seen)

        match = self._until(found, timeout, f"console: /{pattern}/")
        self._seen = match.end()
        return match

    def login(self, timeout=300):
        """Waits for the shell of a Debian root, which logs root in by itself."""
        self.expect(r"login: root \(automatic login\)", timeout)
        self.expect(PROMPT, 60)
        # From here on the console is the shell's alone.
        self.shell("dmesg --console-off")

    def shell(self, command, timeout=60):
        """Runs a command in the guest's shell; returns what it printed. It has to succeed."""
        # The echo of the line as typed must not look like its result.
        self.send(f"{command}; echo \"[\"$?\"]\"\n")
        match = self.expect(r"echo \"\[.*\n([^\0]*?)^\[(\d+)\]\n", timeout)
        self.expect(PROMPT, timeout)
        output, status = match.group(1), match.group(2)
        if status != "0":
            raise GuestError(f"`{command}` ended with {status}:\n{output}")
        return output.strip()

    def plug(self, name):
        """Plugs in a disk that was attached with late=True."""
        driver, *options = self._late.pop(name).split(",")
        arguments = {"driver": driver, "id": f"late-{name}"}
        arguments.update(option.split("=", 1) for option in options)
        self._command("device_add", **arguments)

    def port(self, address):
        """Reads a 16-bit input/output port of the machine."""
        line = self._command("human-monitor-command", **{"command-line": f"i/h {address:#x}"})
        return int(line.split("=")[1], 16)

    def save_memory(self, path, address, size):
        """Stops the guest and writes a range of its physical memory to a file."""
        self._command("stop")
        self._command("pmemsave", val=address, size=size, filename=str(path))

    def wait_halted(self, timeout):
        """Waits until the processor has stopped and nothing can wake it."""

        def halted():
            self.pause(0.1)
            state = self._command("human-monitor-command", **{"command-line": "info registers"})
            flags = int(re.search(r"[ER]FL=([0-9a-f]+)", state).group(1), 16)
            return "HLT=1" in state and not flags & INTERRUPTS

        self._until(halted, timeout, "halt of the processor")

    def reset(self):
        """Presses the reset button: memory keeps what it holds. Pulling the plug is stop(), and
        another guest with the same disk."""
        self._command("system_reset")

    def pause(self, seconds):
        """Lets the guest run for a while."""
        end = time.monotonic() + seconds
        while self.ended is None and time.monotonic() < end:
            self._pump(end)

    def wait_end(self, timeout, max_resets=None):
        """Waits until the guest powers off; fails when it resets more often than expected."""

        def ended():
            if max_resets is not None and self.resets > max_resets:
                raise GuestError(f"reset {self.resets} times; expected at most {max_resets}")
            return self.ended

        self._until(ended, timeout, "power off")
        # The last of the console is still on its way when the event comes.
        deadline = time.monotonic() + 10
        while not self._eof and time.monotonic() < deadline:
            self._pump(deadline)

    def wait_resets(self, count, timeout):
        """Waits until the guest has been reset that often in all."""
        self._until(lambda: self.resets >= count, timeout, f"reset number {count}")

    # Underneath.

    def _command(self, name, **arguments):
        self._replies.clear()
        line = json.dumps({"execute": name, "arguments": arguments}) + "\n"
        self._qmp.sendall(line.encode())

        def reply():
            return next((r for r in self._replies if "return" in r or "error" in r), None)

        answer = self._until(reply, 30, f"answer to {name}")
        if "error" in answer:
            raise HarnessError(f"QEMU: {name}: {answer['error']['desc']}")
        return answer["return"]

    def _until(self, condition, timeout, what):
        end = time.monotonic() + timeout
        while True:
            result = condition()
            if result:
                return result
            if self.ended is not None and not self._pump(0):
                raise GuestError(f"guest ended ({self.ended}) while waiting for {what}")
            if time.monotonic() > end:
                raise GuestError(f"no {what} within {timeout} s")
            self._pump(end)

    def _pump(self, end):
        """Takes in what has come, waiting until `end` at most. True when something came."""
        sources = [] if self._eof else [self._process.stdout]
        sources += [self._qmp] if self._qmp else []
        wait = max(0, min(1, end - time.monotonic())) if end else 0
        ready, _, _ = select.select(sources, [], [], wait)
        came = False
        if self._process.stdout in ready:
            data = os.read(self._process.stdout.fileno(), 1 << 16)
            came = bool(data)
            if data:
                self._take_console(data)
            else:
                self._eof = True
                self.ended = self.ended or "qemu-exit"
        if self._qmp in ready:
            try:
                data = self._qmp.recv(1 << 16)
            except ConnectionError:
                data = b""
            came = came or bool(data)
            if not data:
                self._qmp.close()
                self._qmp = None
            self._take_qmp(data)
        return came

    def _take_console(self, data):
        # Whole UTF-8 is not promised; one byte, one character.
        self.console += data.decode("latin-1").replace("\r", "")

    def _take_qmp(self, data):
        self._qmp_data += data
        *lines, self._qmp_data = self._qmp_data.split(b"\n")
        for line in lines:
            if not line.strip():
                continue
            message = json.loads(line)
            if "event" not in message:
                self._replies.append(message)
                continue
            self.events.append(message["event"])
            if message["event"] == "RESET":
                # SeaBIOS turns a soft reset into a hard one: both are one reset of a system that
                # has said something.
                if self.console[self._reset_at:].strip():
                    self.resets += 1
                self._reset_at = len(self.console)
            elif message["event"] == "SHUTDOWN":
                reason = message["data"].get("reason", "")
                # With a reset the machine goes on.
                if "reset" not in reason:
                    self.ended = reason
