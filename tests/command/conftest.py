# SPDX-License-Identifier: LGPL-2.1-or-later
"""A boot partition in a directory, and the real `tugboot` on it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
ARCH = os.environ.get("ARCH", os.uname().machine)
TUGBOOT = Path(os.environ.get("BUILD") or TREE / "build" / ARCH).resolve() / "tugboot"

SIGNATURE = "# GRUB Environment Block\n"
SIZE = 1024
IS_ROOT = os.geteuid() == 0
# A mount namespace of our own; without root by way of a user namespace.
UNSHARE = ["unshare", "-m"] if IS_ROOT else ["unshare", "-rm"]


def block(**variables):
    """An environment file of these variables."""
    text = SIGNATURE + "".join(f"{name}={value}\n" for name, value in variables.items())
    return text.ljust(SIZE, "#").encode()


def io_counters():
    """Write calls and bytes of this process and of all children that it has waited for."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["syscw"]), int(fields["wchar"])


def counted(command):
    """Runs a command and counts what it writes, to files and to us."""
    calls, size = io_counters()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    calls_after, size_after = io_counters()
    return done, calls_after - calls, size_after - size


class Done:
    """How a run of tugboot ended."""

    def __init__(self, done, writes, bytes_written):
        self.status = done.returncode
        self.out = done.stdout
        self.err = done.stderr
        self.writes = writes
        self.bytes_written = bytes_written

    @property
    def json(self):
        return json.loads(self.out)


class Boot:
    """A directory as boot partition."""

    def __init__(self, path):
        self.dir = path
        self.cmdline = None
        self.read_only = False

    @property
    def file(self):
        return self.dir / "bootenv"

    def give(self, **variables):
        self.file.write_bytes(block(**variables))

    def started(self, slot, reason, tries="0/2"):
        """From now on, the system was started by Tugboot in this way."""
        self.cmdline = (f"console=ttyS0 root=UUID=0 tugboot.slot={slot} tugboot.reason={reason} "
                        f"tugboot.tries={tries} panic=10\n")

    def variables(self):
        """What the file holds, read without tugboot."""
        data = self.file.read_bytes()
        assert len(data) == SIZE and data.startswith(SIGNATURE.encode())
        text = data[len(SIGNATURE):].rstrip(b"#").decode()
        return dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))

    @property
    def command(self):
        return [str(TUGBOOT), "--boot", str(self.dir)]

    def run(self, *words, boot=True, prefix=()):
        """Runs it, by way of a prefix command; boot says whether --boot is given."""
        command = [*prefix, *(self.command if boot else [str(TUGBOOT)]), *words]
        shell = ""
        if self.cmdline is not None:
            fake = self.dir.parent / "cmdline"
            fake.write_text(self.cmdline)
            shell += f"mount --bind '{fake}' /proc/cmdline && "
        if self.read_only:
            shell += (f"mount --bind '{self.dir}' '{self.dir}' && "
                      f"mount -o remount,bind,ro '{self.dir}' && ")
        around = [*UNSHARE, "sh", "-c", shell + 'exec "$@"', "sh"] if shell else []
        # What it takes to get there (maps of users) is not what is measured.
        _, calls, size = counted([*around, "true"])
        done, all_calls, all_size = counted([*around, *command])
        return Done(done, all_calls - calls, all_size - size)


def can_unshare():
    done = subprocess.run([*UNSHARE, "mount", "--bind", "/dev/null", "/proc/cmdline"],
                          capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture
def boot(tmp_path):
    """An empty boot partition, on a system that another loader started."""
    assert TUGBOOT.exists(), f"{TUGBOOT} is missing: run `make`"
    path = tmp_path / "boot"
    path.mkdir()
    return Boot(path)


@pytest.fixture
def started_boot(boot):
    """The same where tests can say how the system was started."""
    if not can_unshare():
        pytest.skip("no mount namespace here: neither root nor user namespaces")
    return boot
