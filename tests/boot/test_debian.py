# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real systems: Debian's kernels with their own initrds, started by real firmware, up to their
shells. The disk is that of the demonstration (`make run`)."""

import re

import pytest

from harness import INHERITED_EFI, Boot, cmdline
from harness.debian import debian_disk


@pytest.fixture
def disk(boot):
    """Both Debian roots, root A committed."""
    return debian_disk(boot.work / "debian.img")


def debian(boot: Boot, disk, memory):
    """A guest of that disk, with a watchdog that its trials can use."""
    return boot.guest(disk, firmware=True, memory=memory, watchdog="itco")


def check_system(guest, disk, slot, reason, tries):
    """Is it that root's own Debian, whole, and was it told what the contract says?"""
    # Debian's kernels have nothing built in: this is the whole line.
    assert guest.shell("cat /proc/cmdline") == cmdline(
        disk, slot, reason, tries, inherited=INHERITED_EFI
    )
    assert ("cloud" in guest.shell("uname -r")) == (slot == "B")
    assert guest.shell("findmnt -n -o LABEL /") == f"tug-root{slot}"
    assert guest.shell("cat /proc/1/comm") == "systemd"
    # Modules of this very kernel are loaded, and more can be.
    assert int(guest.shell("wc -l </proc/modules")) > 3
    guest.shell("modprobe dummy")
    assert guest.shell("systemctl is-system-running --wait", timeout=180) == "running"
    status = guest.shell("tugboot status")
    assert re.search(rf"^Running:\s+slot {slot}(,|$)", status, re.MULTILINE), status


def test_debian_roots_start_with_their_own_kernels_and_a_good_trial_is_kept(boot, disk):
    before = disk.env_bytes()
    with debian(boot, disk, memory=1024) as guest:
        guest.login()
        check_system(guest, disk, "A", "normal", "0/2")
        guest.shell("sync")
        assert disk.env_bytes() == before
        guest.shell("tugboot slot try B")
        guest.send("reboot\n")
        guest.wait_resets(1, 180)
        guest.login()
        check_system(guest, disk, "B", "trial", "1/2")
        guest.shell("tugboot slot good")
        guest.send("poweroff\n")
        guest.wait_end(180, max_resets=1)
    assert disk.env()["resin_root_part"] == "B"
    assert disk.env()["upgrade_available"] == "0"


@pytest.mark.long  # test_updaters has one, too
def test_debian_root_whose_kernel_panics_is_given_up(boot, disk):
    """As the demonstration says to try it: B on trial, broken, and A comes back; in 256 MB."""
    disk.set_env({"resin_root_part": "A", "bootlimit": "1"})
    with debian(boot, disk, memory=256) as guest:
        guest.login()
        guest.shell("tugboot slot try B")
        guest.send("reboot\n")
        guest.wait_resets(1, 180)
        guest.login()
        assert guest.shell("cat /proc/cmdline") == cmdline(
            disk, "B", "trial", "1/1", inherited=INHERITED_EFI
        )
        guest.send("echo c >/proc/sysrq-trigger\n")
        guest.wait_resets(2, 180)
        guest.login()
        assert guest.shell("cat /proc/cmdline") == cmdline(
            disk, "A", "rollback", "0/1", inherited=INHERITED_EFI, cause="tries-used"
        )
        assert "rollback" in guest.shell("tugboot status")
        guest.send("poweroff\n")
        guest.wait_end(180, max_resets=2)
    assert disk.env()["tugboot_rollback"] == "B:tries-used:1"
