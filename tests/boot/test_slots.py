# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which root is started, why, and what happens to one that does not come up.

A scenario says what is on the disk, boots it, and looks at what started:

    def test_root_b_is_started_when_the_environment_names_it(boot):
        disk = boot.disk(env={"resin_root_part": "B"}, rootA=root(), rootB=root())
        run = boot(disk)
        assert run.journey == ["B normal 0/2"]      # slot, reason, tries: one for each start
        assert run.starts[0].root == "disk1:rootB"  # where root= led to, as the system saw it

harness/__init__.py has the words: root(), boot.disk(), boot().
"""

import pytest

from harness import Partition, artifact, bls_entry, cmdline, images, part, root
from harness.disk import env_block

TRIAL_OF_B = {"resin_root_part": "B", "upgrade_available": "1", "bootcount": "0"}


@pytest.mark.parametrize("slot", ["A", "B"])
def test_root_that_the_environment_names_is_started(boot, slot):
    disk = boot.disk(env={"resin_root_part": slot}, rootA=root(), rootB=root())
    before = disk.env_bytes()
    run = boot(disk)
    assert run.journey == [f"{slot} normal 0/2"]
    assert run.starts[0].root == f"disk1:root{slot}"
    assert run.starts[0].cmdline == cmdline(disk, slot)
    assert disk.env_bytes() == before


@pytest.mark.parametrize("slot, number", [("A", 2), ("B", 11)])
def test_root_that_a_hex_partition_index_names_is_started(boot, slot, number):
    disk = boot.disk(
        env={"resin_root_part": f"{number:x}"}, rootA=root(number=2), rootB=root(number=11)
    )
    if slot == "B":
        # 11 is `b` in hex and no slot name: those are upper case.
        assert disk.env()["resin_root_part"] == "b"
    run = boot(disk)
    assert run.journey == [f"{slot} normal 0/2"]
    assert run.starts[0].root == f"disk1:root{slot}"


def test_other_root_is_started_when_the_named_one_is_not_there(boot):
    run = boot(boot.disk(env={"resin_root_part": "A"}, rootB=root()))
    assert run.journey == ["B fallback 0/2"]


def test_trial_that_is_called_good_stays(boot):
    disk = boot.disk(env=TRIAL_OF_B, rootA=root(), rootB=root(probe="good", tugboot=True))
    run = boot(disk)
    assert run.journey == ["B trial 1/2"]
    assert "PROBE tugboot=slot exit=0" in run.console
    assert disk.env()["resin_root_part"] == "B"
    assert disk.env()["upgrade_available"] == "0"
    assert disk.env()["bootcount"] == "0"
    assert boot(disk).journey == ["B normal 0/2"]


def test_trial_is_counted_before_it_is_started(boot):
    disk = boot.disk(env=TRIAL_OF_B, rootA=root(), rootB=root())
    assert boot(disk).journey == ["B trial 1/2"]
    assert disk.env() == {**TRIAL_OF_B, "bootcount": "1"}
    assert boot(disk).journey == ["B trial 2/2"]
    assert disk.env() == {**TRIAL_OF_B, "bootcount": "2"}
    assert boot(disk).journey == ["A rollback 0/2"]


def test_trial_that_panics_is_given_up_after_its_tries(boot):
    disk = boot.disk(
        env=TRIAL_OF_B, rootA=root(), rootB=root(probe="panic", options="panic=1")
    )
    run = boot(disk, resets=2)
    assert run.journey == ["B trial 1/2", "B trial 2/2", "A rollback 0/2"]
    assert disk.env()["resin_root_part"] == "A"
    assert disk.env()["upgrade_available"] == "0"
    assert disk.env()["tugboot_rollback"] == "B:tries-used:2"
    assert boot(disk).journey == ["A normal 0/2"]


def test_panic_reboots_a_trial_that_does_not_ask_for_it(boot):
    disk = boot.disk(
        env={**TRIAL_OF_B, "bootlimit": "1"}, rootA=root(), rootB=root(probe="panic")
    )
    run = boot(disk, resets=1)
    assert run.journey == ["B trial 1/1", "A rollback 0/1"]
    assert run.starts[0].value("panic") == "10"


def test_trial_of_root_a_goes_back_to_root_b(boot):
    disk = boot.disk(
        env={"resin_root_part": "A", "upgrade_available": "1", "bootlimit": "1"},
        rootA=root(probe="panic", options="panic=1"),
        rootB=root(),
    )
    assert boot(disk, resets=1).journey == ["A trial 1/1", "B rollback 0/1"]
    assert disk.env()["resin_root_part"] == "B"


def test_trial_named_by_an_index_is_rolled_back_to_an_index(boot):
    disk = boot.disk(
        env={"resin_root_part": "3", "upgrade_available": "1", "bootlimit": "1"},
        rootA=root(),
        rootB=root(probe="reboot"),
    )
    assert boot(disk, resets=1).journey == ["B trial 1/1", "A rollback 0/1"]
    assert disk.env()["resin_root_part"] == "2"


@pytest.mark.parametrize("kind", ["i6300esb", "itco"])
def test_trial_whose_kernel_hangs_is_reset_by_the_watchdog(boot, kind):
    disk = boot.disk(
        env={**TRIAL_OF_B, "bootlimit": "1"},
        rootA=root(),
        rootB=root(kernel=images.hanging_kernel()),
    )
    run = boot(disk, resets=1, watchdog=kind, append="tugboot.trial_watchdog=6")
    # The kernel that hangs says nothing: that it was tried is known from the count.
    assert run.journey == ["A rollback 0/1"]
    assert disk.env()["tugboot_rollback"] == "B:tries-used:1"
    assert "WATCHDOG" in run.events


def _with_driver_list(**how):
    """A root whose kernel, as its lists say, has a driver for the chipset's watchdog."""
    release = artifact("kernel.release").read_text(encoding="ascii").strip()
    builtin = f"/lib/modules/{release}/modules.builtin"
    return root(files={builtin: "kernel/drivers/watchdog/iTCO_wdt.ko\n"}, **how)


# TCO1_CNT of the chipset, and its bit that stops the timer (Intel ICH9 datasheet, 13.9.8).
WATCHDOG_PORT, WATCHDOG_HALTED = 0x668, 1 << 11


@pytest.mark.parametrize("env, of_root_b, running", [
    (TRIAL_OF_B, _with_driver_list, True),
    (TRIAL_OF_B, root, False),
    ({"resin_root_part": "B"}, _with_driver_list, False),
], ids=["trial_with_a_driver", "trial_without_a_driver", "committed_root"])
def test_watchdog_is_handed_over_as_it_should_be_to_a(boot, env, of_root_b, running):
    # Asked of the hardware while the root runs: its kernel leaves a running watchdog running.
    disk = boot.disk(env=env, rootA=root(), rootB=of_root_b(probe="sleep"))
    with boot.guest(disk, watchdog="itco") as guest:
        guest.expect("^PROBE root=disk1:rootB")
        guest.expect("^PROBE end=")
        assert bool(guest.port(WATCHDOG_PORT) & WATCHDOG_HALTED) != running
        guest.wait_end(60, max_resets=0)


BROKEN = {
    "has_no_kernel": lambda: root("none"),
    "has_an_empty_kernel": lambda: root(kernel=b""),
    "has_a_kernel_that_is_text": lambda: root(kernel=b"#!/bin/sh\nexit 1\n" * 4096),
    "has_a_truncated_kernel": lambda: root(kernel=images.truncated_kernel()),
    "has_a_kernel_cut_in_its_header": lambda: root(kernel=images.truncated_kernel(0.0001)),
    "has_an_entry_whose_initrd_is_missing": lambda: root(
        files={"/boot/loader/entries/probe.conf": bls_entry(initrd="/boot/probe/absent")}
    ),
    "has_an_entry_whose_kernel_is_missing": lambda: root(
        files={"/boot/loader/entries/probe.conf": bls_entry(linux="/boot/probe/absent")}
    ),
    "has_an_empty_entry": lambda: root(files={"/boot/loader/entries/probe.conf": ""}),
    "has_an_entry_that_is_a_directory": lambda: root(
        files={"/boot/loader/entries/probe.conf": images.DIRECTORY}
    ),
    "has_a_truncated_uki": lambda: root("none", files={"/boot/probe.efi": _truncated_uki()}),
}


def _truncated_uki():
    image = images.uki(images.root_kernel(), images.probe_initrd(), "quiet").read_bytes()
    return image[: len(image) // 2]


@pytest.mark.parametrize("fault", BROKEN)
def test_trial_is_given_up_without_a_reset_when_it(boot, fault):
    disk = boot.disk(env=TRIAL_OF_B, rootA=root(), rootB=BROKEN[fault]())
    run = boot(disk)
    assert run.journey == ["A rollback 0/2"]
    assert run.starts[0].root == "disk1:rootA"
    assert disk.env()["resin_root_part"] == "A"
    assert disk.env()["upgrade_available"] == "0"
    assert disk.env()["tugboot_rollback"] == "B:refused:0"


@pytest.mark.parametrize("fault", ["has_no_kernel", "has_a_truncated_kernel"])
def test_committed_root_is_passed_over_without_a_write_when_it(boot, fault):
    disk = boot.disk(env={"resin_root_part": "B"}, rootA=root(), rootB=BROKEN[fault]())
    before = disk.env_bytes()
    assert boot(disk).journey == ["A fallback 0/2"]
    assert disk.env_bytes() == before


def test_trial_on_a_filesystem_with_damaged_tables_is_given_up(boot):
    disk = boot.disk(env=TRIAL_OF_B, rootA=root(), rootB=root())
    # The superblock, and with it the label, stays; everything else is gone.
    disk.corrupt("rootB", offset=2048)
    run = boot(disk)
    assert run.journey == ["A rollback 0/2"]
    assert disk.env()["tugboot_rollback"] == "B:refused:0"


def test_trial_on_a_partition_that_is_no_filesystem_is_given_up(boot):
    disk = boot.disk(env=TRIAL_OF_B, rootA=root(), rootB=root())
    disk.corrupt("rootB")
    assert boot(disk).journey == ["A rollback 0/2"]
    assert disk.env()["tugboot_rollback"] == "B:missing:0"


def test_trial_on_a_squashfs_with_damaged_contents_is_given_up(boot):
    disk = boot.disk(env=TRIAL_OF_B, rootA=root(), rootB=root(fs="squashfs"))
    disk.corrupt("rootB", offset=96, size=3 << 20)
    assert boot(disk).journey == ["A rollback 0/2"]


def test_recovery_is_started_when_both_roots_are_broken(boot):
    disk = boot.disk(
        env={"resin_root_part": "B"},
        rootA=root("none"),
        rootB=root(kernel=images.truncated_kernel()),
        recovery=root(),
    )
    run = boot(disk)
    assert run.journey == ["recovery recovery 0/2"]
    assert run.starts[0].root == "disk1:recovery"
    assert run.starts[0].cmdline == cmdline(disk, "R", "recovery", cause="refused")


def test_recovery_is_started_when_there_are_no_roots(boot):
    assert boot(boot.disk(env={}, recovery=root())).journey == ["recovery recovery 0/2"]


def test_reboots_with_longer_and_longer_waits_when_nothing_can_be_started(boot):
    disk = boot.disk(env={}, rootA=root("none"), rootB=root("none"))
    with boot.guest(disk, append="tugboot.backoff=1") as guest:
        guest.wait_resets(3, timeout=120)
        run = boot.result(guest)
    assert run.journey == []
    assert int(disk.env()["tugboot_backoff"]) >= 3


def test_root_that_is_repaired_is_started_after_a_back_off(boot):
    disk = boot.disk(env={}, rootA=root("none"), rootB=root("none"))
    with boot.guest(disk, append="tugboot.backoff=1") as guest:
        guest.wait_resets(1, timeout=60)
    disk = boot.disk(env=disk.env(), rootA=root())
    assert boot(disk).journey == ["A normal 0/2"]


def test_committed_root_is_counted_where_every_boot_is(boot):
    env = {"resin_root_part": "A", "tugboot_count": "always"}
    disk = boot.disk(env=env, rootA=root(probe="reboot"), rootB=root())
    run = boot(disk, resets=2)
    assert run.journey == ["A normal 1/2", "A normal 2/2", "B rollback 1/2"]
    assert disk.env()["resin_root_part"] == "B"


def test_trial_is_not_started_when_the_environment_has_no_room_for_its_count(boot):
    # The count gets a digit more, and the block has no room for one.
    full = {**TRIAL_OF_B, "bootcount": "9", "bootlimit": "12", "mine": ""}
    room = 1024 - len("# GRUB Environment Block\n")
    full["mine"] = "x" * (room - sum(len(k) + len(v) + 2 for k, v in full.items()))
    disk = boot.disk(env=full, rootA=root(), rootB=root())
    before = disk.env_bytes()
    assert boot(disk).journey == ["A fallback 9/12"]
    assert disk.env_bytes() == before


def test_trial_is_not_started_when_the_environment_cannot_be_written(boot):
    # A squashfs can be read only.
    disk = boot.disk(
        boot=Partition("boot", "squashfs", size=4, files={"bootenv": env_block(TRIAL_OF_B)}),
        rootA=root(),
        rootB=root(),
    )
    run = boot(disk)
    assert run.journey == ["A fallback 0/2"]
    assert run.said("^record .*EROFS")


def test_only_root_is_started_uncounted_when_the_environment_cannot_be_written(boot):
    disk = boot.disk(
        boot=Partition("boot", "squashfs", size=4, files={"bootenv": env_block(TRIAL_OF_B)}),
        rootB=root(),
    )
    assert boot(disk).journey == ["B fallback 0/2"]


def test_environment_is_read_from_the_efi_partition_where_there_is_one(boot):
    disk = boot.disk(
        env={"resin_root_part": "B", "upgrade_available": "1"},
        efi=part("vfat", size=4),
        rootA=root(),
        rootB=root(),
    )
    disk.write("boot", "bootenv", env_block({"resin_root_part": "A"}))
    assert boot(disk).journey == ["B trial 1/2"]
    assert disk.env()["bootcount"] == "1"
