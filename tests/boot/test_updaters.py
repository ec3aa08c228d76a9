# SPDX-License-Identifier: LGPL-2.1-or-later
"""What updates devices, on Debian systems as it comes from Debian: RAUC with Tugboot as its boot
loader, SWUpdate with its boot loader variables, and systemd's verdict on a boot."""

import json
from dataclasses import replace

import pytest

from harness import Boot, Disk, images, root
from harness.updaters import COMPATIBLE, FSTAB, PREFIX, VERSION_FILE, Device

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


# SWUpdate's names for boot loaders -> how a device has that one's environment. Its build for Debian
# knows GRUB's in one place only.
LOADERS = {
    "uboot": ({}, {"raw": True}),
    "grub": ({"/etc/fstab": FSTAB.replace("/boot/efi", "/boot/grub")}, {"file": "grubenv"}),
}


def swupdate(guest, loader, update):
    """Installs an update from the data partition."""
    guest.shell(f"swupdate -v -B {loader} -k /etc/updates.cert.pem -H {COMPATIBLE}:1 -i "
                f"/mnt/data/{update}", timeout=300)


@pytest.mark.parametrize("loader", ["uboot", pytest.param("grub", marks=pytest.mark.long)])
def test_swupdate_installs_into_the_other_slot_which_is_tried_and_kept(boot, device, loader):
    files, store = LOADERS[loader]
    update = device.swupdate_image(boot.work / "good.swu", device.system("2", files), "B", "2")
    disk = device.disk(boot.work / "device.img", device.system("1", files), COMMITTED_A,
                       {"/good.swu": update}, **store)
    with boot.guest(disk) as guest:
        guest.login()
        check_started(guest, "A", "normal", "0/2", "1")
        swupdate(guest, loader, "good.swu")
        assert guest.shell("tugboot env get ustate") == "1"
        assert "trial" in guest.shell("tugboot status")
        reboot(guest, resets=1)
        check_started(guest, "B", "trial", "1/2", "2")
        # By tugboot-good.service, at the end of the boot.
        assert guest.shell("systemctl is-system-running --wait", timeout=180) == "running"
        if loader == "uboot":
            assert guest.shell("fw_printenv -n upgrade_available") == "0"
            assert guest.shell("fw_printenv -n resin_root_part") == "B"
        power_off(guest)
    env = device.env(disk)
    assert (env["resin_root_part"], env["upgrade_available"], env["bootcount"]) == ("B", "0", "0")
    assert "recovery_status" not in env


@pytest.mark.parametrize("loader", ["uboot", pytest.param("grub", marks=pytest.mark.long)])
def test_swupdate_sees_the_update_failed_after_one_whose_init_exits(boot, device, loader):
    files, store = LOADERS[loader]
    broken = device.system("2", {"/usr/sbin/init": images.Link("/bin/false")})
    update = device.swupdate_image(boot.work / "broken.swu", broken, "B", "2")
    env = {**COMMITTED_A, "bootlimit": "1"}
    disk = device.disk(boot.work / "device.img", device.system("1", files), env,
                       {"/broken.swu": update}, **store)
    with boot.guest(disk) as guest:
        guest.login()
        swupdate(guest, loader, "broken.swu")
        # The reboot, and one try.
        reboot(guest, resets=2)
        assert "Kernel panic - not syncing: Attempted to kill init!" in guest.console
        check_started(guest, "A", "rollback", "0/1", "1")
        if loader == "uboot":
            assert guest.shell("fw_printenv -n ustate") == "3"
        power_off(guest)
    env = device.env(disk)
    assert env["ustate"] == "3"
    assert env["tugboot_rollback"] == "B:tries-used:1"


UNITS = f"{PREFIX}/lib/systemd/system"
# A health check as systemd means it, which somebody can change the mind of.
HEALTH_CHECK = {
    "/etc/systemd/system/health.service": """\
[Unit]
Before=boot-complete.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=test -e /mnt/data/healthy
""",
    "/etc/systemd/system/boot-complete.target.requires/health.service":
        images.Link("../health.service"),
}


def test_systemd_calls_a_trial_good_only_when_its_health_check_has_passed(boot, device):
    """And a clean reboot of one that has not passed yet costs it no try."""
    env = {"resin_root_part": "A", "upgrade_available": "1", "bootcount": "0", "bootlimit": "2"}
    disk = device.disk(boot.work / "device.img", device.system("1", HEALTH_CHECK), env, {})
    with boot.guest(disk) as guest:
        guest.login()
        assert guest.shell(f"systemd-analyze verify --man=no {UNITS}/tugboot-{{good,ended}}.service") == ""
        for last in [], ["tugboot.last=clean"]:
            check_started(guest, "A", "trial", "1/2", "1")
            assert [word for word in words(guest) if word.startswith("tugboot.last=")] == last
            state = guest.shell("systemctl is-system-running --wait || true", timeout=180)
            assert state == "degraded"
            assert guest.shell("systemctl is-failed health") == "failed"
            assert guest.shell("systemctl is-active boot-complete.target || true") == "inactive"
            assert guest.shell("systemctl is-active tugboot-good || true") == "inactive"
            assert guest.shell("tugboot env get upgrade_available") == "1"
            if not last:
                reboot(guest, resets=1)
        assert guest.shell("tugboot env get tugboot_spared") == "1"
        guest.shell("touch /mnt/data/healthy")
        guest.shell("systemctl start tugboot-good")
        assert guest.shell("tugboot env get upgrade_available") == "0"
        power_off(guest)
    env = disk.env()
    assert (env["resin_root_part"], env["upgrade_available"], env["bootcount"]) == ("A", "0", "0")
    assert "tugboot_spared" not in env and "tugboot_ended" not in env
