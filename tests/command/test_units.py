# SPDX-License-Identifier: LGPL-2.1-or-later
"""The systemd units as they are installed: what systemd itself says of them. It need not run for that."""

import re
import subprocess

import pytest
from conftest import ARCH, TREE, TUGBOOT

UNITS = sorted((TREE / "hostos-agents" / "units").iterdir())
SERVICES = [unit.name for unit in UNITS if unit.suffix == ".service"]

# What `systemd-analyze security` may say at most, times ten: 0 is the least exposed, 100 the most;
# it calls "OK" what is below 50.
EXPOSURE_MAX = 25
# Why a unit is above that.
EXPOSED = {
    # It has no mounts of its own: at the end of a shutdown they may not be made any more.
    "tugboot-ended.service": 40,
    # Talks to servers on the network and sets the clock.
    "tugboot-time-https.service": 26,
    # Mounts the other root, reboots, and runs the tests and hooks of who made the root.
    "tugboot-health.service": 45,
    # Root's login.
    "tugboot-sshd@.service": 100,
    "tugboot-console@.service": 100,
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The directory of the units, below a prefix with the programs that they start."""
    where = tmp_path_factory.mktemp("root")
    prefix = where / "usr"
    subprocess.run(["make", "-s", "-C", TREE, "install-host", "DESTDIR=", f"PREFIX={prefix}",
                    f"SYSCONFDIR={where / 'etc'}", f"ARCH={ARCH}", f"B={TUGBOOT.parent}"],
                   check=True)
    return prefix / "lib" / "systemd" / "system"


def analyze(*arguments):
    """Exit status, and all that it said."""
    done = subprocess.run(["systemd-analyze", "--no-pager", *arguments], capture_output=True,
                          text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_systemd_has_nothing_to_say_against_the_units(installed):
    paths = sorted(str(path) for path in installed.glob("tugboot-*") if path.is_file())
    assert len(paths) == len(UNITS)
    _, said = analyze("verify", "--man=no", *paths)
    # Daemons of others need not be on the machine that builds.
    missing = re.compile(r"Command /usr/(s?bin/(sshd|ssh-keygen|dnsmasq)|lib/\S+) is not executable")
    assert [line for line in said.splitlines() if not missing.search(line)] == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_privileges_that_it_needs_and_few_more(installed, service):
    limit = EXPOSED.get(service, EXPOSURE_MAX)
    status, text = analyze("security", "--offline=true", f"--threshold={limit}",
                           str(installed / service))
    assert status == 0, text


def lines(text, *keys):
    """The words of these keys in a unit."""
    return [word for key in keys for line in re.findall(rf"^{key}=(.*)$", text, re.M)
            for word in line.split()]


def test_every_unit_is_part_of_a_boot_or_started_by_one_that_is(installed):
    """By links as packages have them; or it is enabled by who makes a root ([Install])."""
    links = [link for link in installed.glob("*.wants/*") if link.is_symlink()]
    assert links and all(link.exists() for link in links)
    texts = {unit.name: unit.read_text(encoding="ascii") for unit in UNITS}
    started = {link.name for link in links}
    started |= {name for name, text in texts.items() if "[Install]" in text}
    for name in list(started):
        started |= set(lines(texts[name], "Wants", "Requires"))
        if name.endswith(".socket"):
            accept = "yes" in lines(texts[name], "Accept")
            started.add(name.replace(".socket", "@.service" if accept else ".service"))
    for name in list(started):
        started |= set(lines(texts.get(name, ""), "Wants", "Requires"))
    # By tugboot-time.service, over D-Bus.
    started.add("tugboot-time-https.service")
    # By the system's own logins on serial consoles.
    own = installed / "serial-getty@.service.d" / "10-tugboot.conf"
    started |= {name.replace("%i", "") for name in lines(own.read_text(encoding="ascii"), "Wants")}
    assert sorted(set(texts) - started) == []
