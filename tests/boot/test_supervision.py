# SPDX-License-Identifier: LGPL-2.1-or-later
"""PID 1 and its one child: a bootloader that crashes or hangs leads to the next choice.

The bootloader of the image is put aside as /bootloader.real by an archive behind the initramfs,
and tests/boot/saboteur.c takes its place: it does what `sabotage=` on the command line says, then
lets the real one work.
"""

import pytest

from harness import artifact, images, root


@pytest.fixture
def sabotaged(boot):
    """An initramfs with the saboteur in the bootloader's place."""
    path = boot.work / "sabotaged.cpio"
    files = {"/bootloader": images.program("saboteur"), "/bootloader.real": artifact("bootloader")}
    path.write_bytes(images.initramfs_with(files))
    return path


def test_real_bootloader_works_behind_the_saboteur(boot, sabotaged):
    disk = boot.disk(env={"resin_root_part": "B"}, rootA=root(), rootB=root())
    assert boot(disk, initrd=sabotaged, append="sabotage=none").journey == ["B normal 0/2"]


@pytest.mark.parametrize("how", ["crash", "exit", "hang"])
def test_bootloader_that_fails_over_a_slot_is_started_again_without_it(boot, sabotaged, how):
    disk = boot.disk(env={"resin_root_part": "B"}, rootA=root(), rootB=root())
    run = boot(disk, initrd=sabotaged, append=f"sabotage={how}:B")
    assert run.journey == ["A fallback 0/2"]
    assert run.said(r"^(crash|hang) .*slot=B")


@pytest.mark.parametrize("how", ["crash", "exit", "hang"])
def test_bootloader_that_fails_before_a_slot_is_started_again_without_environment(
    boot, sabotaged, how
):
    disk = boot.disk(env={"resin_root_part": "B"}, rootA=root(), rootB=root())
    run = boot(disk, initrd=sabotaged, append=f"sabotage={how}:start")
    assert run.journey == ["A normal 0/2"]
    assert run.said(r"^(crash|hang) ")


def test_trial_over_which_the_bootloader_crashes_is_given_up(boot, sabotaged):
    disk = boot.disk(
        env={"resin_root_part": "B", "upgrade_available": "1"}, rootA=root(), rootB=root()
    )
    run = boot(disk, initrd=sabotaged, append="sabotage=crash:B")
    assert run.journey == ["A rollback 0/2"]
    assert disk.env()["resin_root_part"] == "A"


def test_bootloader_that_always_crashes_leads_to_a_reboot(boot, sabotaged):
    disk = boot.disk(env={}, rootA=root(), rootB=root())
    with boot.guest(disk, initrd=sabotaged, append="sabotage=crash:always") as guest:
        guest.wait_resets(1, timeout=90)
        run = boot.result(guest)
    assert run.journey == []
    assert run.said(r"^crash ")
    assert "Kernel panic" not in run.console


def test_bootloader_that_is_no_program_leads_to_a_reboot(boot):
    initrd = boot.work / "no-bootloader.cpio"
    files = {"/bootloader": "neither a program nor a script"}
    initrd.write_bytes(images.initramfs_with(files))
    disk = boot.disk(env={}, rootA=root(), rootB=root())
    with boot.guest(disk, initrd=initrd) as guest:
        guest.wait_resets(1, timeout=90)
        run = boot.result(guest)
    assert "Kernel panic" not in run.console
