# SPDX-License-Identifier: LGPL-2.1-or-later
"""Encrypted volumes in image files, a real TPM (swtpm), event logs, and the real `tugboot` on them.

Header operations on files need no device mapper and no root. Key slots of passphrases have few
rounds, which is for tests alone.
"""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from conftest import TUGBOOT

OPENER = TUGBOOT.parent / "tests/command/opener"
HOOK = TUGBOOT.parent / "tests/command/cuts_hook.so"

PASSPHRASE = "correct horse"
# 1001: told apart from slots for random keys, which have 1000.
FORMAT = ["cryptsetup", "luksFormat", "-q", "--type", "luks2", "--luks2-metadata-size", "16k",
          "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1001"]
IMAGE_SIZE = 2 << 20

CAP = b"tugboot: unlocked"
MEASURED = b"measured"
BANKS = {"sha1": 0x4, "sha256": 0xB}

EV_SEPARATOR = 0x4
EV_EVENT_TAG = 0x6
EV_APPLICATION = 0x80000003


def sha(data, bank="sha256"):
    return hashlib.new(bank, data).digest()


class EventLog:
    """A firmware's event log in crypto-agile form (TCG PC Client Platform Firmware Profile, 10)."""

    def __init__(self, banks=("sha1", "sha256")):
        self.banks = banks
        algs = b"".join(struct.pack("<HH", BANKS[b], hashlib.new(b).digest_size) for b in banks)
        head = b"Spec ID Event03\0" + struct.pack("<IBBBBI", 0, 0, 2, 0, 2, len(banks))
        head += algs + b"\0"
        self.data = struct.pack("<II20sI", 0, 3, bytes(20), len(head)) + head
        self.events = []

    def add(self, pcr, measured, kind=EV_EVENT_TAG, data=b"", digests=None):
        digests = digests or {bank: sha(measured, bank) for bank in self.banks}
        self.data += struct.pack("<III", pcr, kind, len(digests))
        for bank, digest in digests.items():
            self.data += struct.pack("<H", BANKS[bank]) + digest
        self.data += struct.pack("<I", len(data)) + data
        self.events.append((pcr, digests))
        return self

    def pcr(self, number, bank="sha256"):
        value = bytes(hashlib.new(bank).digest_size)
        for pcr, digests in self.events:
            if pcr == number:
                value = sha(value + digests[bank], bank)
        return value

    def write(self, path):
        path.write_bytes(self.data)
        return path


def is_listening(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        return client.connect_ex(str(path)) == 0


class Tpm:
    """swtpm on a state of its own. Leaving a `with` cuts its power: it is told nothing."""

    def __init__(self, work):
        self.state = Path(work) / "tpm"
        self.state.mkdir()
        # The path of a socket is short.
        self.run_dir = Path(tempfile.mkdtemp(prefix="tugboot-tpm-"))
        self.process = None

    @property
    def file(self):
        return self.state / "tpm2-00.permall"

    @property
    def tcti(self):
        return f"swtpm:path={self.run_dir}/sock"

    def on(self):
        sock = self.run_dir / "sock"
        sock.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.state}",
             "--server", f"type=unixio,path={sock}", "--ctrl", f"type=unixio,path={sock}.ctrl",
             "--flags", "not-need-init,startup-clear"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while not is_listening(sock):
            assert self.process.poll() is None and time.monotonic() < end, "swtpm does not start"
            time.sleep(0.002)
        return self

    def cut(self):
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.process = None

    def __enter__(self):
        return self.on()

    def __exit__(self, *_):
        self.cut()
        shutil.rmtree(self.run_dir, ignore_errors=True)

    def opener(self, *words):
        done = subprocess.run([OPENER, self.tcti, *words], capture_output=True, text=True,
                              check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def tool(self, *words):
        """A program of tpm2-tools."""
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60,
                              env={**os.environ, "TPM2TOOLS_TCTI": self.tcti})
        assert done.returncode == 0, done.stderr
        return done.stdout

    def lockout(self):
        """The dictionary attack counter, by tpm2-tools."""
        text = self.tool("tpm2_getcap", "properties-variable")
        return int(re.search(r"TPM2_PT_LOCKOUT_COUNTER: 0x([0-9A-F]+)", text).group(1), 16)


class Opened:
    """What the opener found of one volume."""

    def __init__(self, line):
        self.role, *numbers = line.split()
        (passphrase, self.opens, self.tokens, self.recovery, self.planned,
         self.weak) = map(int, numbers)
        self.passphrase = bool(passphrase)

    def __repr__(self):
        return str(vars(self))


class Device:
    """Volumes and a TPM, in a directory."""

    def __init__(self, work, roles):
        self.work = Path(work)
        self.tpm = Tpm(work)
        self.key = self.work / "key"
        self.key.write_text(PASSPHRASE)
        self.log = EventLog().add(0, b"firmware").add(7, MEASURED).write(self.work / "log")
        self.images = {}
        for role in roles:
            self.add_volume(role)

    def add_volume(self, role, label=None, keyslots="1536k", size=IMAGE_SIZE):
        image = self.work / f"{role}.img"
        with open(image, "wb") as file:
            file.truncate(size)
        label = f"tug-{role}" if label is None else label
        subprocess.run([*FORMAT, *(["--label", label] if label else []), "--key-file", self.key,
                        "--luks2-keyslots-size", keyslots, image], check=True,
                       capture_output=True)
        self.images[role] = image

    @property
    def volumes(self):
        return [str(image) for image in self.images.values()]

    def boot(self, cap=True):
        """What a boot leaves in the PCRs: measured, and capped by Tugboot."""
        self.tpm.opener("measure")
        if cap:
            self.tpm.opener("cap")
        return self

    def reset(self):
        self.tpm.cut()
        self.tpm.on()

    def command(self, *words, volumes=True):
        verb = words[:2] if words[0] == "enroll" else words[:1]
        options = list(words[len(verb):])
        if verb[-1] in ("add", "reseal"):
            options += ["--tpm", self.tpm.tcti]
            if "--event-log" not in options and "--current" not in options:
                options += ["--event-log", str(self.log)]
        if verb[-1] in ("add", "reseal", "recovery-key") and "--key-file" not in options:
            options += ["--key-file", str(self.key)]
        return [str(TUGBOOT), *verb, *options, *(self.volumes if volumes else [])]

    def run(self, *words, volumes=True, **kwargs):
        return subprocess.run(self.command(*words, volumes=volumes), capture_output=True,
                              text=True, check=False, timeout=60, **kwargs)

    def must(self, *words, **kwargs):
        done = self.run(*words, **kwargs)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def opened(self, pin="", passphrase=PASSPHRASE):
        """What opens the volumes now."""
        lines = self.tpm.opener("open", passphrase, pin,
                                *(f"{role}={image}" for role, image in self.images.items()))
        return [Opened(line) for line in lines.splitlines()]


def passes(image, passphrase, slot=None):
    """Does cryptsetup take this passphrase?"""
    words = ["cryptsetup", "open", "--test-passphrase", "--key-file", "-", str(image)]
    if slot is not None:
        words += ["--key-slot", str(slot)]
    done = subprocess.run(words, input=passphrase.encode(), capture_output=True, check=False)
    return done.returncode == 0


@contextlib.contextmanager
def device_in(work, roles):
    for program in ("swtpm", "cryptsetup", "tpm2_getcap"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    assert OPENER.exists() and HOOK.exists(), "run `make test-command`"
    device = Device(work, roles)
    with device.tpm:
        yield device
