# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real systems: Debian's kernels with their own initrds, started by real firmware, up to their
shells. The disk is that of the demonstration (`make run`)."""

import re

import pytest

from harness import INHERITED_EFI, Boot, cmdline
from harness.debian import KERNELS, debian_disk

MEMORY = 1024


@pytest.fixture
def disk(boot):
    """Both Debian roots, root A committed."""
    return debian_disk(boot.work / "debian.img")


def debian(boot: Boot, disk, **how):
    """A guest of that disk, with a watchdog that its trials can use."""
    return boot.guest(disk, firmware=True, memory=MEMORY, watchdog="itco", **how)


@pytest.mark.parametrize("slot", KERNELS)
def test_debian_starts_with_its_own_kernel_initrd_and_modules(boot, disk, slot):
    disk.set_env({"resin_root_part": slot})
    before = disk.env_bytes()
    with debian(boot, disk) as guest:
        guest.login()
        # Exactly what the contract says; Debian's kernels have nothing built in.
        assert guest.shell("cat /proc/cmdline") == cmdline(disk, slot, inherited=INHERITED_EFI)
        release = guest.shell("uname -r")
        assert ("cloud" in release) == (slot == "B")
        assert "/dev/vda" in guest.shell("findmnt -n -o SOURCE /")
        assert guest.shell("findmnt -n -o LABEL /") == f"tug-root{slot}"
        assert guest.shell("cat /proc/1/comm") == "systemd"
        # Modules of this very kernel are loaded, and more can be.
        assert int(guest.shell("wc -l </proc/modules")) > 3
        guest.shell("modprobe dummy")
        assert guest.shell("systemctl is-system-running --wait", timeout=120) == "running"
        status = guest.shell("tugboot status")
        assert re.search(rf"^Running:\s+slot {slot}$", status, re.M), status
        guest.send("poweroff\n")
        guest.wait_end(120, max_resets=0)
    assert disk.env_bytes() == before


def test_debian_root_on_trial_is_kept_when_it_is_called_good(boot, disk):
    with debian(boot, disk) as guest:
        guest.login()
        guest.shell("tugboot slot try B")
        guest.send("reboot\n")
        guest.wait_resets(1, 120)
        guest.login()
        assert guest.shell("cat /proc/cmdline") == cmdline(
            disk, "B", "trial", "1/2", inherited=INHERITED_EFI
        )
        guest.shell("tugboot slot good")
        guest.send("poweroff\n")
        guest.wait_end(120, max_resets=1)
    assert disk.env()["resin_root_part"] == "B"
    assert disk.env()["upgrade_available"] == "0"


def test_debian_root_whose_kernel_panics_is_given_up(boot, disk):
    """As the demonstration says to try it: B on trial, broken twice, and A comes back."""
    with debian(boot, disk) as guest:
        guest.login()
        guest.shell("tugboot slot try B")
        guest.send("reboot\n")
        for boots in (1, 2):
            guest.wait_resets(boots, 120)
            guest.login()
            assert f"tugboot.slot=B tugboot.reason=trial tugboot.tries={boots}/2" in guest.shell(
                "cat /proc/cmdline"
            )
            guest.send("echo c >/proc/sysrq-trigger\n")
        guest.wait_resets(3, 120)
        guest.login()
        assert guest.shell("cat /proc/cmdline") == cmdline(
            disk, "A", "rollback", inherited=INHERITED_EFI
        )
        assert "rollback" in guest.shell("tugboot status")
        guest.send("poweroff\n")
        guest.wait_end(120, max_resets=3)
    assert disk.env()["tugboot_rollback"] == "B:tries-used:2"
