# SPDX-License-Identifier: LGPL-2.1-or-later
"""Things that go wrong on a device, one at a time: from each of them it reaches a root, or recovery,
by itself, and says why: on the command line of what it started, in its log, in the environment.

How the last system ended is known from memory that outlives a reset (RAMOOPS; EFI variables under
real firmware) and from the watchdog. A reset is one of the same guest, which keeps its memory. A
power cut is the end of the guest and another one with the same disk.
"""

import gzip
import random

import pytest

from harness import ASKS, RAMOOPS, Fault, Partition, images, root

# The same for guests with less memory.
RAMOOPS_LOW = RAMOOPS.replace("0x10000000", "0x6000000")

COMMITTED = {"resin_root_part": "B"}
TRIAL = {"resin_root_part": "B", "upgrade_available": "1", "bootcount": "0"}
LAST_TRY = {**TRIAL, "bootlimit": "1"}
# On this board memory outlives every reset, and the roots' kernels keep their console there: when it
# is empty, the power was gone.
TELLS_POWER = {"tugboot_power": "ramoops"}
TALKS = "loglevel=7"


def why(start):
    """What a system was told of the last one's end, and why it is not the one that was to start."""
    return start.value("tugboot.last"), start.value("tugboot.cause")


# A committed root that fails.


def test_committed_root_that_panics_on_every_boot_is_given_up(boot):
    disk = boot.disk(env=COMMITTED, rootA=root(), rootB=root(probe="panic", options="panic=1"))
    run = boot(disk, resets=2, append=RAMOOPS)
    assert run.journey == ["B normal 0/2", "B normal 1/2", "A rollback 0/2"]
    assert [why(start) for start in run.starts] == [
        (None, None), ("panic", None), ("panic", "failed")]
    assert run.said(r"^slot name=A .*reason=rollback .*cause=failed")
    assert disk.env()["resin_root_part"] == "A"
    assert disk.env()["tugboot_rollback"] == "B:failed:2"
    # Nobody has called A good: the way back to B stays open.
    assert boot(disk, append=RAMOOPS).journey == ["A trial 1/2"]


def test_committed_root_that_panics_leaves_its_record_in_efi_variables(boot):
    disk = boot.disk(
        env=COMMITTED, uefi=True, rootA=root(), rootB=root(probe="panic", options="panic=1")
    )
    run = boot(disk, resets=2, firmware=True)
    assert run.journey == ["B normal 0/2", "B normal 1/2", "A rollback 0/2"]
    assert why(run.starts[2]) == ("panic", "failed")
    # The records are still there, and count no second time.
    run = boot(disk, firmware=True)
    assert run.journey == ["A trial 1/2"]
    assert why(run.starts[0]) == (None, None)


def test_panic_of_a_committed_root_is_counted_once(boot):
    disk = boot.disk(
        env=COMMITTED, rootA=root(), rootB=root(probe="ask", options="panic=1", tugboot=True)
    )
    with boot.guest(disk, append=RAMOOPS) as guest:
        for do in ("panic", "reboot", "reboot", "tugboot slot good,panic", "poweroff"):
            guest.expect(ASKS)
            guest.send(do + "\n")
        guest.wait_end(60, max_resets=4)
        run = boot.result(guest)
    # The record of the first panic stays where it is until the next one.
    assert run.journey == ["B normal 0/2", "B normal 1/2", "B normal 0/2", "B normal 0/2",
                           "B normal 1/2"]
    assert [why(start)[0] for start in run.starts] == [None, "panic", None, None, "panic"]


def test_panic_of_the_only_root_starts_it_again(boot):
    disk = boot.disk(env=COMMITTED, rootB=root(probe="ask", options="panic=1"))
    with boot.guest(disk, append=RAMOOPS) as guest:
        for do in ("panic", "panic", "panic", "poweroff"):
            guest.expect(ASKS)
            guest.send(do + "\n")
        guest.wait_end(60, max_resets=3)
        run = boot.result(guest)
    assert [start.value("tugboot.slot") for start in run.starts] == ["B"] * 4


def test_committed_root_that_hangs_is_given_up_where_a_watchdog_says_so(boot):
    disk = boot.disk(env=COMMITTED, rootA=root(), rootB=root(probe="watchdog 2,hang"))
    run = boot(disk, resets=2, watchdog="i6300esb")
    assert run.journey == ["B normal 0/2", "B normal 1/2", "A rollback 0/2"]
    assert [why(start) for start in run.starts] == [
        (None, None), ("watchdog", None), ("watchdog", "failed")]
    assert run.events.count("WATCHDOG") == 2
    assert disk.env()["tugboot_rollback"] == "B:failed:2"


def hang_and_reset(boot, disk, times, **how):
    """Somebody presses the button of a device that hangs, each time that it does."""
    with boot.guest(disk, **how) as guest:
        for _ in range(times):
            guest.expect("^PROBE end=hang")
            guest.reset()
        guest.wait_end(60, max_resets=times)
        return boot.result(guest)


def test_committed_root_that_hangs_is_given_up_where_every_boot_is_counted(boot):
    """No watchdog, and nothing that says how a boot ended: what tugboot_count=always is for."""
    env = {**COMMITTED, "tugboot_count": "always"}
    disk = boot.disk(env=env, rootA=root(), rootB=root(probe="hang"))
    run = hang_and_reset(boot, disk, 2)
    assert run.journey == ["B normal 1/2", "B normal 2/2", "A rollback 1/2"]
    assert why(run.starts[2]) == (None, "tries-used")


def test_committed_root_that_hangs_is_started_again_where_nothing_says_so(boot):
    """Neither watchdog nor count: it looks like one that came up, and nothing is written."""
    disk = boot.disk(env=COMMITTED, rootA=root(), rootB=root(probe="hang"))
    before = disk.env_bytes()
    with boot.guest(disk) as guest:
        for _ in range(3):
            guest.expect("^PROBE end=hang")
            guest.reset()
        guest.expect("^PROBE end=hang")
        run = boot.result(guest)
    assert run.journey == ["B normal 0/2"] * 4
    assert disk.env_bytes() == before


# A trial that ends otherwise than by a failure.


def asked(boot, disk, *typed, **how):
    """A guest whose root asks, told these things, and then cut off from its power."""
    with boot.guest(disk, **how) as guest:
        for do in typed:
            guest.expect(ASKS)
            guest.send(do + "\n")
        guest.expect(ASKS)
        return boot.result(guest)


def test_power_cut_during_a_trial_costs_no_try(boot):
    disk = boot.disk(
        env={**TRIAL, **TELLS_POWER}, rootA=root(), rootB=root(probe="ask", options=TALKS)
    )
    for cut in range(4):
        run = asked(boot, disk, append=RAMOOPS)
        assert run.journey == ["B trial 1/2"]
        assert why(run.starts[0]) == ("power-cut", None)
        assert disk.env().get("tugboot_spared") == (str(cut) if cut else None)


def test_reset_during_a_trial_costs_a_try(boot):
    disk = boot.disk(
        env={**TRIAL, **TELLS_POWER}, rootA=root(), rootB=root(probe="ask", options=TALKS)
    )
    with boot.guest(disk, append=RAMOOPS) as guest:
        for _ in range(2):
            guest.expect(ASKS)
            guest.reset()
        guest.wait_end(60, max_resets=2)
        run = boot.result(guest)
    assert run.journey == ["B trial 1/2", "B trial 2/2", "A rollback 0/2"]
    assert [why(start)[0] for start in run.starts] == ["power-cut", None, None]


def test_panic_during_a_trial_costs_a_try(boot):
    disk = boot.disk(env=TRIAL, rootA=root(), rootB=root(probe="panic", options="panic=1"))
    run = boot(disk, resets=2, append=RAMOOPS)
    assert run.journey == ["B trial 1/2", "B trial 2/2", "A rollback 0/2"]
    assert [why(start) for start in run.starts] == [
        (None, None), ("panic", None), ("panic", "tries-used")]
    # Its panics are not those of the root that came back.
    assert boot(disk, append=RAMOOPS).journey == ["A normal 0/2"]


def test_power_cut_costs_a_try_where_nobody_said_that_memory_outlives_a_reset(boot):
    disk = boot.disk(env=TRIAL, rootA=root(), rootB=root(probe="ask"))
    journeys = [asked(boot, disk, append=RAMOOPS).journey for _ in range(2)]
    assert journeys == [["B trial 1/2"], ["B trial 2/2"]]
    assert boot(disk, append=RAMOOPS).journey == ["A rollback 0/2"]


def test_clean_shutdown_during_a_trial_costs_no_try(boot):
    disk = boot.disk(env=TRIAL, rootA=root(), rootB=root(probe="ask", tugboot=True))
    run = asked(boot, disk, *["tugboot slot ended,reboot"] * 3)
    assert run.journey == ["B trial 1/2"] * 4
    assert [why(start)[0] for start in run.starts] == [None, "clean", "clean", "clean"]
    assert disk.env()["tugboot_spared"] == "3"


def test_trial_that_never_comes_to_a_verdict_ends(boot):
    """Nine tries in a row have been spared: one more, and from then on they count."""
    env = {**TRIAL, "bootcount": "1", "tugboot_spared": "9"}
    disk = boot.disk(env=env, rootA=root(), rootB=root(probe="ask", tugboot=True))
    with boot.guest(disk) as guest:
        for do in ("tugboot slot ended,reboot",) * 2:
            guest.expect(ASKS)
            guest.send(do + "\n")
        guest.wait_end(60, max_resets=2)
        run = boot.result(guest)
    assert run.journey == ["B trial 2/2", "B trial 2/2", "A rollback 0/2"]


# Roots that are not there.


def test_root_on_trial_that_is_missing_is_given_up(boot):
    run = boot(boot.disk(env=TRIAL, rootA=root()))
    assert run.journey == ["A rollback 0/2"]
    assert why(run.starts[0]) == (None, "missing")
    assert run.said(r"^slot name=A .*reason=rollback .*cause=missing")


def test_committed_root_that_is_missing_is_passed_over(boot):
    disk = boot.disk(env=COMMITTED, rootA=root())
    before = disk.env_bytes()
    run = boot(disk)
    assert run.journey == ["A fallback 0/2"]
    assert why(run.starts[0]) == (None, "missing")
    assert disk.env_bytes() == before


@pytest.mark.parametrize("env", [COMMITTED, TRIAL], ids=["committed", "trial"])
def test_recovery_is_started_when_both_roots_are_missing(boot, env):
    run = boot(boot.disk(env=env, recovery=root()))
    assert run.journey == ["recovery recovery 0/2"]
    assert why(run.starts[0]) == (None, "missing")


# An environment that cannot be written.


def test_committed_root_is_started_from_a_disk_that_is_read_only(boot):
    disk = boot.disk(env=COMMITTED, rootA=root(), rootB=root())
    run = boot(disk, readonly=True)
    assert run.journey == ["B normal 0/2"]


def test_trial_is_not_started_from_a_disk_that_is_read_only(boot):
    disk = boot.disk(env=TRIAL, rootA=root(), rootB=root())
    run = boot(disk, readonly=True)
    assert run.journey == ["A fallback 0/2"]
    assert why(run.starts[0]) == (None, "read-only")
    assert run.said(r"^record .*error=(EROFS|EACCES)")
    # It can be written again: the trial is still to come.
    assert boot(disk).journey == ["B trial 1/2"]


def test_trial_whose_tries_are_used_is_left_from_a_disk_that_is_read_only(boot):
    disk = boot.disk(env={**TRIAL, "bootcount": "2"}, rootA=root(), rootB=root())
    run = boot(disk, readonly=True)
    assert run.starts[0].root == "disk1:rootA"
    assert why(run.starts[0]) == (None, "tries-used")
    assert boot(disk).journey == ["A rollback 0/2"]
    assert boot(disk).journey == ["A normal 0/2"]


def full(env):
    """The same in a block that has no room left."""
    room = 1024 - len("# GRUB Environment Block\n")
    return {**env, "mine": "x" * (room - len("mine=\n") - sum(
        len(name) + len(value) + 2 for name, value in env.items()))}


def test_trial_is_counted_in_an_environment_that_is_full(boot):
    """The count is there, and gets no longer."""
    disk = boot.disk(env=full(TRIAL), rootA=root(), rootB=root())
    assert boot(disk).journey == ["B trial 1/2"]
    assert disk.env() == {**full(TRIAL), "bootcount": "1"}
    assert boot(disk).journey == ["B trial 2/2"]
    # The cause of a rollback has no room; the rollback itself is what matters.
    run = boot(disk)
    assert run.starts[0].root == "disk1:rootA"
    assert why(run.starts[0]) == (None, "tries-used")


def test_trial_is_not_started_when_there_is_no_room_for_its_count(boot):
    without = {"resin_root_part": "B", "upgrade_available": "1"}
    disk = boot.disk(env=full(without), rootA=root(), rootB=root())
    run = boot(disk)
    assert run.journey == ["A fallback 0/2"]
    assert why(run.starts[0]) == (None, "read-only")
    assert run.said(r"^record .*error=ENOSPC")


def test_trial_is_counted_on_a_boot_partition_that_is_full(boot):
    """Not one cluster is free, so there can be no second copy: the one that is there is written in
    place."""
    disk = boot.disk(
        env=TRIAL, rootA=root(), rootB=root(probe="reboot"))
    disk.fill("boot")
    run = boot(disk, resets=2)
    assert run.journey == ["B trial 1/2", "B trial 2/2", "A rollback 0/2"]
    assert run.said(r"^record .*found=\"the partition is full\"")
    assert disk.env()["resin_root_part"] == "A"
    assert boot(disk).journey == ["A normal 0/2"]


def test_trial_is_not_started_when_the_boot_partition_has_no_room_for_an_environment(boot):
    disk = boot.disk(rootA=root(), rootB=root())
    disk.fill("boot")
    assert boot(disk).journey == ["A normal 0/2"]


# Errors of the disk.


def env_sectors(disk):
    """Where the environment's file is."""
    return disk.sectors("boot", disk.env_bytes())


def far():
    """A boot partition on which the environment is not beside the directory: the kernel reads
    eight sectors at once, and the directory has the label."""
    return Partition("boot", "vfat", size=4, files={"first": bytes(8192)})


def test_tries_are_counted_when_the_environment_has_sectors_that_cannot_be_written(boot):
    """First in the copy; then the file is made anew, elsewhere."""
    disk = boot.disk(env=TRIAL, rootA=root(), rootB=root())
    faults = [Fault("write", sector) for sector in env_sectors(disk)]
    journeys = [boot(disk, faults=faults).journey for _ in range(4)]
    assert journeys == [["B trial 1/2"], ["B trial 2/2"], ["A rollback 0/2"], ["A normal 0/2"]]


@pytest.mark.parametrize("kind", ["write", "flush"])
def test_trial_is_not_started_when_the_disk_fails_every(boot, kind):
    disk = boot.disk(env=TRIAL, rootA=root(), rootB=root())
    run = boot(disk, faults=[Fault(kind)])
    assert run.journey == ["A fallback 0/2"]
    assert why(run.starts[0]) == (None, "read-only")
    assert run.said(r"^record .*error=EIO")


def test_committed_root_is_started_when_the_disk_fails_every_write(boot):
    disk = boot.disk(env=COMMITTED, rootA=root(), rootB=root())
    assert boot(disk, faults=[Fault("write")]).journey == ["B normal 0/2"]


def test_environment_with_a_read_error_is_taken_from_its_copy(boot):
    disk = boot.disk(
        env=TRIAL, boot=far(), rootA=root(), rootB=root(probe="good", tugboot=True)
    )
    assert boot(disk).journey == ["B trial 1/2"]
    run = boot(disk, faults=[Fault("read", sector) for sector in env_sectors(disk)])
    assert run.journey == ["B normal 0/2"]
    assert run.said(r"^environment file=bootenv found=\"damaged, Tugboot's copy counts\"")


def test_root_a_is_started_when_the_only_environment_has_a_read_error(boot):
    disk = boot.disk(env=COMMITTED, boot=far(), rootA=root(), rootB=root())
    run = boot(disk, faults=[Fault("read", sector) for sector in env_sectors(disk)])
    assert run.journey == ["A normal 0/2"]
    assert run.said(r"^environment .*found=\"cannot be read\"")


def test_root_a_is_started_when_the_boot_partition_has_read_errors(boot):
    """Not even its label can be read."""
    disk = boot.disk(env=COMMITTED, rootA=root(), rootB=root())
    run = boot(disk, faults=[Fault("read", disk["boot"].start // 512)])
    assert run.journey == ["A normal 0/2"]
    assert run.said(r"^environment found=\"no boot partition\"")


def test_recovery_is_started_when_both_roots_have_read_errors(boot):
    disk = boot.disk(
        env=COMMITTED,
        rootA=root(kernel=_kernel_of("A")),
        rootB=root(kernel=_kernel_of("B")),
        recovery=root(),
    )
    faults = [Fault("read", disk.sectors(f"root{name}", _mark(name))[0]) for name in "AB"]
    run = boot(disk, faults=faults)
    assert run.journey == ["recovery recovery 0/2"]
    assert why(run.starts[0]) == (None, "refused")


def _mark(name):
    return random.Random(name).randbytes(512)


def _kernel_of(name):
    """A good kernel with something behind it that is nowhere else on the disk."""
    kernel = images.root_kernel().read_bytes()
    return kernel + bytes(-len(kernel) % 4096) + _mark(name)


@pytest.mark.parametrize("env, expected", [
    (COMMITTED, "A fallback 0/2"), (TRIAL, "A rollback 0/2"),
], ids=["committed", "trial"])
def test_other_root_is_started_when_a_kernel_has_a_read_error(boot, env, expected):
    disk = boot.disk(env=env, rootA=root(), rootB=root(kernel=_kernel_of("B")))
    run = boot(disk, faults=[Fault("read", disk.sectors("rootB", _mark("B"))[0])])
    assert run.journey == [expected]
    assert why(run.starts[0]) == (None, "refused")
    assert run.said(r"^load slot=B .*error=EIO")


# Kernels.


@pytest.mark.parametrize("env, expected", [
    (COMMITTED, "A fallback 0/2"), (TRIAL, "A rollback 0/2"),
], ids=["committed", "trial"])
def test_other_root_is_started_when_kexec_refuses_the_kernel(boot, env, expected):
    disk = boot.disk(env=env, rootA=root(), rootB=root(kernel=images.oversized_kernel()))
    run = boot(disk)
    assert run.journey == [expected]
    assert why(run.starts[0]) == (None, "refused")
    assert run.said(r"^load slot=B .*error=\w+")


def test_trial_whose_kernel_panics_before_its_first_process_is_given_up(boot):
    # No initrd, and no root that it could mount without one.
    disk = boot.disk(env=LAST_TRY, rootA=root(), rootB=root(initrd=False, options="panic=1"))
    run = boot(disk, resets=1, append=RAMOOPS)
    assert "Unable to mount root fs" in run.console
    assert run.journey == ["A rollback 0/1"]
    assert why(run.starts[0]) == ("panic", "tries-used")


def test_trial_whose_kernel_halts_while_it_unpacks_itself_is_given_up(boot):
    disk = boot.disk(env=LAST_TRY, rootA=root(), rootB=root(kernel=images.halting_kernel()))
    run = boot(disk, resets=1, watchdog="i6300esb", append="tugboot.trial_watchdog=6")
    assert run.journey == ["A rollback 0/1"]
    assert why(run.starts[0]) == ("watchdog", "tries-used")


def test_trial_that_hangs_without_a_watchdog_is_given_up_after_a_reset(boot):
    disk = boot.disk(env=LAST_TRY, rootA=root(), rootB=root(probe="hang"))
    run = hang_and_reset(boot, disk, 1)
    assert run.journey == ["B trial 1/1", "A rollback 0/1"]


# Memory.


def huge_initrd(megabytes):
    """An initrd that no compression makes smaller."""
    return images.cpio({"/init": images.probe(), "/ballast": random.Random(1).randbytes(
        megabytes << 20)})


@pytest.mark.parametrize("env, expected", [
    (COMMITTED, "A fallback 0/2"), (TRIAL, "A rollback 0/2"),
], ids=["committed", "trial"])
def test_other_root_is_started_when_memory_is_too_small_for_an_initrd(boot, env, expected):
    disk = boot.disk(env=env, rootA=root(), rootB=root(initrd=huge_initrd(96), size=128))
    run = boot(disk, memory=128)
    assert run.journey == [expected]
    assert why(run.starts[0]) == (None, "refused")


def test_trial_whose_initrd_unpacks_to_more_than_there_is_memory_is_given_up(boot):
    initrd = images.cpio({"/ballast": bytes(200 << 20), "/init": images.probe()})
    disk = boot.disk(
        env=LAST_TRY, rootA=root(), rootB=root(initrd=gzip.compress(initrd, 1), options="panic=1")
    )
    run = boot(disk, resets=1, memory=128, append=RAMOOPS_LOW)
    assert run.journey == ["A rollback 0/1"]
    assert why(run.starts[0]) == ("panic", "tries-used")


def test_root_that_eats_all_memory_is_given_up(boot):
    disk = boot.disk(env=LAST_TRY, rootA=root(), rootB=root(probe="eat", options="panic=1"))
    run = boot(disk, resets=1, append=RAMOOPS)
    assert "Out of memory" in run.console or "System is deadlocked on memory" in run.console
    assert run.journey == ["B trial 1/1", "A rollback 0/1"]
    assert why(run.starts[1]) == ("panic", "tries-used")
