# SPDX-License-Identifier: LGPL-2.1-or-later
"""A running device whose config.json is set, changed and removed, and tables of what comes of it.

Beside what agents.py gives, it has an engine as far as its socket goes, a second serial console at
which nobody is, a wire to nowhere with an address, name servers and a radio.
"""

import base64
import json
import re
import time

from . import agents
from .guest import GuestError
from .images import Link

SECRET = "b0a7f5ecre7"
UUID = "0123456789abcdef0123456789abcdef"
BASE = {"uuid": UUID, "apiKey": SECRET, "deviceType": "generic"}
ADDRESS = "198.51.100.2"

_ENGINE = """\
import os, socket
s = socket.socket(fileno=3)
while True:
    c, _ = s.accept()
    c.recv(4096)
    c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nengine")
    c.close()
"""
# JSON_IN_BASE64: replaces config.json and prints the status that the agent writes then.
_GIVE = f"""\
which() {{ stat -c '%i %z' {agents.STATUS}/config 2>/dev/null; }}
before=$(which)
echo "$1" | base64 -d >{agents.CONFIG}.in && mv {agents.CONFIG}.in {agents.CONFIG}
for i in $(seq 1200); do
    [ "$(which)" = "$before" ] || {{ cat {agents.STATUS}/config; exit 0; }}
    sleep 0.1
done
echo "the config agent said nothing new within 120 s"
exit 1
"""
FILES = {
    "/opt/test/give": _GIVE,
    "/opt/test/engine.py": _ENGINE,
    "/etc/systemd/system/docker.socket":
        "[Socket]\nListenStream=/run/docker.sock\nSocketMode=0660\n",
    "/etc/systemd/system/docker.service":
        "[Service]\nExecStart=/usr/bin/python3 /opt/test/engine.py\n",
    "/etc/systemd/system/sockets.target.wants/docker.socket": Link("../docker.socket"),
    "/etc/systemd/system/getty.target.wants/serial-getty@ttyS1.service":
        Link("/lib/systemd/system/serial-getty@.service"),
}


def merged(*dicts):
    """One config of several, objects in them merged too; None takes a key away."""
    made = {}
    for given in dicts:
        for key, value in given.items():
            both = isinstance(value, dict) and isinstance(made.get(key), dict)
            made[key] = merged(made[key], value) if both else value
    return {key: value for key, value in made.items() if value is not None}


class Table:
    """What was found; a cell that failed does not keep others from being tried."""

    def __init__(self, title, columns):
        self.title, self.columns, self.rows, self.wrong = title, columns, {}, []

    def cell(self, row, column, check):
        """Calls check(); what it returns is shown in the cell."""
        started = time.monotonic()
        try:
            found = check()
        except (AssertionError, GuestError) as error:
            found = "WRONG"
            self.wrong.append(f"{row}, {column}: {error}")
            print(error)
        print(f"{row}, {column}: {found} ({time.monotonic() - started:.1f} s)", flush=True)
        cells = self.rows.setdefault(row, {})
        if cells.get(column) != "WRONG":
            cells[column] = str(found)

    def __str__(self):
        lines = [(self.title, *self.columns)]
        lines += [(row, *(cells.get(c, "-") for c in self.columns))
                  for row, cells in self.rows.items()]
        widths = [max(map(len, column)) for column in zip(*lines)]
        return "\n".join("  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip()
                         for line in lines)


class Device:
    """A running guest, and what is asked of it."""

    def __init__(self, guest):
        self.guest, self.shell, self.given = guest, guest.shell, 0

    def give_text(self, text):
        """config.json is this text, which is another one than before; returns the agent's status
        when it has dealt with it."""
        data = base64.b64encode(text.encode()).decode()
        words = self.shell(f"sh /opt/test/give {data}", timeout=150)
        return dict(line.split("=", 1) for line in words.splitlines())

    def give(self, *settings):
        """The same of settings, beside what every device has. A daemon that took too long to
        restart is the host's doing: the same settings are given again."""
        for _ in range(3):
            self.given += 1
            status = self.give_text(json.dumps({**merged(BASE, *settings), "given": self.given}))
            if "ETIMEDOUT" not in status.get("failed", ""):
                break
        return status

    def configure(self, *settings):
        """The same; it has to be taken."""
        status = self.give(*settings)
        assert status.get("state") == "applied" and "failed" not in status, status

    def until(self, command, expected, timeout=60):
        """The command prints this, sooner or later (a pattern that all of it matches)."""
        end = time.monotonic() + timeout
        while not re.fullmatch(expected, found := self.shell(f"{{ {command}\n}} 2>&1 || true")):
            if time.monotonic() > end:
                raise GuestError(f"`{command}`: expected /{expected}/, found {found!r}")
            self.guest.pause(0.5)
        return found


def make_keys(device, *names):
    """SSH keys; returns their public halves."""
    device.shell("passwd -l root; for k in %s; do ssh-keygen -q -t ed25519 -N '' -f /root/$k; done"
                 % " ".join(names), timeout=120)
    return [device.shell(f"cat /root/{name}.pub") for name in names]


def login(device, key=None):
    """What comes of an attempt to log in with this key, or without one: in, or refused."""
    how = f"-i /root/{key} " if key else ""
    ssh = "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o " \
        "LogLevel=ERROR -o IdentitiesOnly=yes -o ConnectTimeout=30 -p 22222 " \
        f"{how}root@{ADDRESS} echo in"
    found = device.shell(f"{ssh} 2>&1 || true", timeout=90)
    if "Permission denied (publickey" in found:
        return "refused"
    assert found == "in", found
    return found


def start(boot, files=None):
    """A guest of such a device; not up yet."""
    disk = agents.agents_disk(boot.work, config=BASE, files={**FILES, **(files or {})})
    guest = agents.agents_guest(boot, disk)
    guest.add("-serial", "null")
    return guest


def prepare(guest, dns=""):
    """Waits until it is up, with its wire: a network that names this name server, if any."""
    agents.login(guest)
    guest.shell("systemctl is-system-running --wait || true", timeout=300)
    guest.shell("ip link add wire type veth peer name other && ip link set other up")
    guest.shell("nmcli connection add type ethernet ifname wire con-name wire ipv4.method manual "
                f"ipv4.addresses {ADDRESS}/24 {dns and 'ipv4.dns ' + dns} ipv6.method disabled && "
                "nmcli --wait 60 connection up wire", timeout=120)
    return Device(guest)


def check_nothing_is_told(device):
    """No secret of config.json is in the log."""
    assert device.shell(f"journalctl -q --no-pager | grep -c {SECRET} || true") == "0"
