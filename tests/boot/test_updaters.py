# SPDX-License-Identifier: LGPL-2.1-or-later
"""What updates devices, on Debian systems as it comes from Debian: RAUC with Tugboot as its boot
loader, SWUpdate with its boot loader variables, and systemd's verdict on a boot."""

import json
from dataclasses import replace

import pytest

from harness import Boot, Disk, images, root
from harness.updaters import VERSION_FILE, Device

COMMITTED_A = {"resin_root_part": "A"}
# Of this name for systemd, in a root: the verdict is somebody else's.
NO_VERDICT = {"/etc/systemd/system/tugboot-good.service": images.Link("/dev/null")}


@pytest.fixture
def device(boot):
    return Device(boot.work)


def words(guest):
    """The command line of the running system as a list."""
    return guest.shell("cat /proc/cmdline").split()


def check_started(guest, slot, reason, tries, version):
    """Is it that slot's system, and was it told why?"""
    expected = [f"tugboot.slot={slot}", f"tugboot.reason={reason}", f"tugboot.tries={tries}"]
    assert [word for word in words(guest) if word in expected] == expected
    assert f"rauc.slot={slot}" in words(guest)
    assert guest.shell("findmnt -n -o PARTLABEL /") == f"tug-root{slot}"
    assert guest.shell(f"cat {VERSION_FILE}") == version


def reboot(guest, resets):
    """From the shell of one system to that of the next one, after so many resets in all."""
    guest.send("reboot\n")
    guest.wait_resets(resets, 240)
    guest.login()
    assert guest.resets == resets


def power_off(guest):
    guest.send("poweroff\n")
    guest.wait_end(180, max_resets=guest.resets)


def panicking_root(boot):
    """The image of a root whose kernel panics, with nothing of Debian in it."""
    part = replace(root(probe="panic", options="panic=1"), name="rootA")
    disk = Disk(boot.work / "panicking.img", [part])
    disk.copy_out("rootA", boot.work / "panicking.ext4")
    return boot.work / "panicking.ext4"


class RaucStatus:
    """`rauc status`, as RAUC has it from its boot loader."""

    def __init__(self, guest):
        status = json.loads(guest.shell("rauc status --output-format=json").splitlines()[-1])
        self.booted = status["booted"]
        self.primary = status["boot_primary"]
        slots = {}
        for entry in status["slots"]:
            slots.update(entry)
        self.good = {slot["bootname"]: slot["boot_status"] for slot in slots.values()}
        self.state = {slot["bootname"]: slot["state"] for slot in slots.values()}


def test_rauc_installs_into_the_other_slot_which_is_tried_and_marked_good(boot, device):
    system = device.system("1", NO_VERDICT)
    bundle = device.rauc_bundle(boot.work / "good.raucb", device.system("2", NO_VERDICT), "2")
    disk = device.disk(boot.work / "device.img", system, COMMITTED_A, {"/good.raucb": bundle})
    with boot.guest(disk) as guest:
        guest.login()
        check_started(guest, "A", "normal", "0/2", "1")
        status = RaucStatus(guest)
        assert (status.booted, status.primary) == ("A", "rootfs.0")
        assert status.good == {"A": "good", "B": "good"}
        assert status.state == {"A": "booted", "B": "inactive"}
        guest.shell("rauc install /mnt/data/good.raucb", timeout=240)
        assert RaucStatus(guest).primary == "rootfs.1"
        assert guest.shell("tugboot env get upgrade_available") == "1"
        reboot(guest, resets=1)
        check_started(guest, "B", "trial", "1/2", "2")
        assert guest.shell("tugboot env get upgrade_available") == "1"
        guest.shell("rauc status mark-good")
        status = RaucStatus(guest)
        assert (status.booted, status.primary) == ("B", "rootfs.1")
        assert status.good == {"A": "good", "B": "good"}
        assert status.state == {"A": "inactive", "B": "booted"}
        power_off(guest)
    env = disk.env()
    assert (env["resin_root_part"], env["upgrade_available"], env["bootcount"]) == ("B", "0", "0")
    assert "tugboot_bad" not in env


def test_rauc_sees_the_slot_bad_after_an_update_whose_kernel_panics(boot, device):
    bundle = device.rauc_bundle(boot.work / "broken.raucb", panicking_root(boot), "2")
    disk = device.disk(boot.work / "device.img", device.system("1"), COMMITTED_A,
                       {"/broken.raucb": bundle})
    with boot.guest(disk) as guest:
        guest.login()
        guest.shell("rauc install /mnt/data/broken.raucb", timeout=240)
        # The reboot, and two tries.
        reboot(guest, resets=3)
        assert Boot.result(guest).journey == ["B trial 1/2", "B trial 2/2"]
        check_started(guest, "A", "rollback", "0/2", "1")
        status = RaucStatus(guest)
        assert (status.booted, status.primary) == ("A", "rootfs.0")
        assert status.good == {"A": "good", "B": "bad"}
        power_off(guest)
    assert disk.env()["tugboot_rollback"] == "B:tries-used:2"
