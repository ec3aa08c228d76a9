# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keys of config.json in a running Debian: set, changed and removed, the effect observed in the
service that it is for.

What balenaOS's acceptance tests observe has its counterpart here:

    hostname, mDNS name             row hostname
    udevRules: a link, its target   row os.udevRules
    ssh in its four cases           check_logins
    engine socket                   row developmentMode: engine
"""

import re
import time

from harness import GuestError, agents
from harness.images import Link
from harness.tools import run

SECRET = "b0a7f5ecre7"
BASE = {"uuid": "0123456789abcdef0123456789abcdef", "apiKey": SECRET, "deviceType": "generic"}

# An engine, as far as its socket goes.
ENGINE = """\
import os, socket
s = socket.socket(fileno=3)
while True:
    c, _ = s.accept()
    c.recv(4096)
    c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nengine")
    c.close()
"""
FILES = {
    "/opt/test/engine.py": ENGINE,
    "/etc/systemd/system/docker.socket":
        "[Socket]\nListenStream=/run/docker.sock\nSocketMode=0660\n",
    "/etc/systemd/system/docker.service":
        "[Service]\nExecStart=/usr/bin/python3 /opt/test/engine.py\n",
    "/etc/systemd/system/sockets.target.wants/docker.socket": Link("../docker.socket"),
    # A second serial console, at which nobody is.
    "/etc/systemd/system/getty.target.wants/serial-getty@ttyS1.service":
        Link("/lib/systemd/system/serial-getty@.service"),
}


def merged(*dicts):
    """One config of several, objects in them merged too."""
    made = {}
    for given in dicts:
        for key, value in given.items():
            both = isinstance(value, dict) and isinstance(made.get(key), dict)
            made[key] = merged(made[key], value) if both else value
    return made


class Table:
    """What was found for each key; a cell that failed does not keep others from being tried."""

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
        self.rows.setdefault(row, {})[column] = str(found)

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
        self.guest, self.shell = guest, guest.shell

    def configure(self, *settings):
        """config.json is this, beside what every device has; it has to be taken."""
        status = agents.config(self.guest, merged(BASE, *settings))
        assert status.get("state") == "applied" and "failed" not in status, status

    def until(self, command, expected, timeout=60):
        """The command prints this, sooner or later (a pattern that all of it matches)."""
        end = time.monotonic() + timeout
        while not re.fullmatch(expected, found := self.shell(f"{{ {command}\n}} 2>&1 || true")):
            if time.monotonic() > end:
                raise GuestError(f"`{command}`: expected /{expected}/, found {found!r}")
            self.guest.pause(0.5)
        return found


# --- Keys: each gives the settings of the three columns, and their checks ----------------------

def hostname(device):
    def is_name(name):
        device.until("hostname; cat /etc/hostname; uname -n", "\n".join([name] * 3))
        device.until(f"avahi-resolve -4 -n {name}.local", rf"{name}\.local\t[\d.]+")
        return name

    return [({"hostname": "boat-1"}, lambda: is_name("boat-1")),
            ({"hostname": "tug.example"}, lambda: device.until("cat /etc/hostname", "tug.example")),
            ({}, lambda: is_name("0123456"))]


def udev_rules(device):
    def rule(name):
        return {"os": {"udevRules": {"70-test": f'KERNEL=="null", SYMLINK+="tug/{name}"'}}}

    links = "for l in /dev/tug/*; do [ -L $l ] && echo $l $(readlink -f $l); done; ls " \
        "/etc/udev/rules.d"
    return [(rule("one"), lambda: device.until(links, "/dev/tug/one /dev/null\n70-test.rules")
             and "one -> null"),
            (rule("two"), lambda: device.until(links, "/dev/tug/two /dev/null\n70-test.rules")
             and "two -> null"),
            ({}, lambda: device.until(links, "") or "no link")]


def root_ca(device, pki):
    def given(name):
        return {"balenaRootCA": run("base64", "-w0", pki / f"{name}.pem")}

    def trusts(yes, no):
        asks = "for l in one two; do for s in -CApath\\ /etc/ssl/certs " \
            "-CAfile\\ /etc/ssl/certs/ca-certificates.crt; do " \
            "openssl verify -no-CAfile -no-CApath $s /opt/test/leaf-$l.pem >/dev/null 2>&1 " \
            "&& echo $l; done; done"
        device.until(asks, "\n".join([yes] * 2) if yes else "")
        # The store is what Debian's own program makes of it.
        device.until("update-ca-certificates 2>&1 | grep added", "0 added, 0 removed; done.")
        assert no != yes
        return f"{yes or 'none'} trusted"

    return [(given("one"), lambda: trusts("one", "two")),
            (given("two"), lambda: trusts("two", "one")),
            ({}, lambda: trusts("", "one"))]


def engine(device):
    asks = "timeout 20 python3 -c \"import socket; s = socket.create_connection(('198.51.100.2', " \
        "2375), 15); s.sendall(b'GET /_ping HTTP/1.0\\r\\n\\r\\n'); " \
        "print(s.recv(99).split()[-1].decode())\" 2>&1 | tail -n 1"
    refused = r"ConnectionRefusedError.*"
    return [({"developmentMode": True}, lambda: device.until(asks, "engine") and "open"),
            ({"developmentMode": False}, lambda: device.until(asks, refused) and "refused"),
            ({}, lambda: device.until(asks, refused) and "refused")]


def console(device):
    asks = "ps -t ttyS1 -o args="
    getty = r"\S*agetty .*"
    return [({"developmentMode": True}, lambda: device.until(asks, r"(.*\n)*-bash") and "shell"),
            ({"developmentMode": False}, lambda: device.until(asks, getty) and "login"),
            ({}, lambda: device.until(asks, getty) and "login")]


KEYS = {
    "hostname": hostname,
    "os.udevRules": udev_rules,
    "developmentMode: engine": engine,
    "developmentMode: console": console,
}


# --- Logins ------------------------------------------------------------------------------------

LOGINS = ("no key", "the key", "another key")


def login(device, key):
    """What comes of an attempt to log in: in, or refused."""
    how = "" if key == "no key" else f"-i /root/{key.split()[0]} "
    ssh = "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o " \
        "LogLevel=ERROR -o IdentitiesOnly=yes -o ConnectTimeout=30 -p 22222 " \
        f"{how}root@198.51.100.2 echo in"
    found = device.shell(f"{ssh} 2>&1 || true", timeout=90)
    if "Permission denied (publickey" in found:
        return "refused"
    assert found == "in", found
    return found


def check_logins(device, table):
    device.shell("passwd -l root; for k in the another; do ssh-keygen -q -t ed25519 -N '' -f "
                 "/root/$k; done", timeout=120)
    public = device.shell("cat /root/the.pub")
    keys, development = {"os": {"sshKeys": [public]}}, {"developmentMode": True}
    cases = {
        "production": ([{}], "refused refused refused"),
        "production, keys": ([keys], "refused in refused"),
        "development": ([development], "in in in"),
        "development, keys": ([development, keys], "refused in refused"),
        "production again": ([{}], "refused refused refused"),
    }
    for name, (settings, expected) in cases.items():
        def check(settings=settings, expected=expected):
            device.configure(*settings)
            found = " ".join(login(device, key) for key in LOGINS)
            assert found == expected, f"expected {expected}, found {found}"
            return found.replace(" ", ", ")

        table.cell(name, ", ".join(LOGINS), check)
    assert device.shell("ls /etc/pam.d | grep -c tugboot || true") == "0"
    assert device.shell("stat -c '%a %U' /run/tugboot/ssh/sshd_config") == "600 root"


# --- The device --------------------------------------------------------------------------------

def make_pki(work):
    """Two authorities, and a certificate of each."""
    for name in "one", "two":
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
            work / f"{name}.key", "-out", work / f"{name}.pem", "-subj", f"/CN=authority {name}",
            "-days", "36500", "-set_serial", "1")
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
            work / "leaf.key", "-CA", work / f"{name}.pem", "-CAkey", work / f"{name}.key",
            "-out", work / f"leaf-{name}.pem", "-subj", f"/CN={name}.example", "-days", "36500")
    return {f"/opt/test/leaf-{name}.pem": work / f"leaf-{name}.pem" for name in ("one", "two")}


def prepare(guest):
    """Up, with a network inside: a wire to nowhere with an address."""
    guest.shell("systemctl is-system-running --wait || true", timeout=300)
    guest.shell("ip link add wire type veth peer name other && ip link set other up")
    guest.shell("nmcli connection add type ethernet ifname wire con-name wire ipv4.method manual "
                "ipv4.addresses 198.51.100.2/24 ipv6.method disabled && "
                "nmcli connection up wire", timeout=120)


def check_nothing_is_told(device):
    """No secret of config.json is in the log."""
    assert device.shell(f"journalctl -q --no-pager | grep -c {SECRET} || true") == "0"


def test_keys_have_their_effects(boot, record_property):
    """Set, changed and removed, one after the other, in one boot; then who gets in by SSH."""
    pki = boot.work / "pki"
    pki.mkdir()
    disk = agents.agents_disk(boot.work, config=BASE, files={**FILES, **make_pki(pki)})
    table = Table("key", ("set", "changed", "removed"))
    logins = Table("mode", (", ".join(LOGINS),))
    guest = agents.agents_guest(boot, disk)
    guest.add("-serial", "null")
    with guest:
        agents.login(guest)
        prepare(guest)
        device = Device(guest)
        rows = {**KEYS, "balenaRootCA": lambda device: root_ca(device, pki)}
        for key, make in rows.items():
            for column, (settings, check) in zip(table.columns, make(device)):
                def put_and_check(settings=settings, check=check):
                    device.configure(settings)
                    return check()

                table.cell(key, column, put_and_check)
        check_logins(device, logins)
        check_nothing_is_told(device)
        agents.power_off(guest)
    shown = f"\n{table}\n\n{logins}"
    record_property("shown", shown)
    assert not table.wrong + logins.wrong, "\n".join([shown, *table.wrong, *logins.wrong])
