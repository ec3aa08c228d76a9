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
    assert analyze("verify", "--man=no", *paths) == (0, "")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_privileges_that_it_needs_and_few_more(installed, service,
                                                                 record_property):
    limit = EXPOSED.get(service, EXPOSURE_MAX)
    status, text = analyze("security", "--offline=true", f"--threshold={limit}",
                           str(installed / service))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", text).group(1)
    record_property("shown", f"{service}: {found}")
    assert status == 0, text


def test_every_unit_is_started_by_another_one_or_by_a_boot(installed):
    """By links as packages have them, or named in one that is."""
    wanted = {link.name for link in installed.glob("*.*/*") if link.is_symlink()}
    assert all(link.exists() for link in installed.glob("*.*/*"))
    texts = {unit.name: unit.read_text(encoding="ascii") for unit in UNITS}
    for name in texts:
        trigger = name.removesuffix(".service")
        named = any(name in text or f"{trigger}.timer" in texts or f"{trigger}.socket" in texts
                    for other, text in texts.items() if other != name)
        assert name in wanted or named, f"{name}: nothing starts it"
