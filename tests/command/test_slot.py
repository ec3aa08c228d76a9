# SPDX-License-Identifier: LGPL-2.1-or-later
"""`tugboot slot`: what each decision writes, and what is refused."""

import pytest
from conftest import SIZE, block

COMMITTED_A = {"resin_root_part": "A", "upgrade_available": "0", "bootcount": "0"}
TRIAL_OF_B = {"resin_root_part": "B", "upgrade_available": "1", "bootcount": "1"}


def expect_refusal(boot, done, *words):
    """Refused with these words; nothing was written."""
    before = boot.file.read_bytes()
    assert (done.status, done.out) == (1, "")
    for word in words:
        assert word in done.err
    assert boot.file.read_bytes() == before


def expect_one_write(done):
    """The copy, which is made; a sector of the environment; the copy's mark."""
    assert done.status == 0
    assert done.bytes_written == len(done.out.encode()) + 4096 + 2 * SIZE // 2


def test_try_puts_a_slot_on_trial_in_one_write(started_boot):
    boot = started_boot
    boot.give(**COMMITTED_A, extra_os_cmdline="quiet")
    boot.started("A", "normal")
    done = boot.run("slot", "try", "B")
    expect_one_write(done)
    assert boot.variables() == {"resin_root_part": "B", "upgrade_available": "1", "bootcount": "0",
                                "extra_os_cmdline": "quiet"}
    assert "tried at the next boot, 2 tries" in done.out and "'tugboot slot good'" in done.out
    assert "on trial: try 1 of 2" in boot.run("status").out


def test_try_works_on_any_directory_on_any_system(boot):
    done = boot.run("slot", "try", "B")
    assert done.status == 0
    assert boot.variables() == {"resin_root_part": "B", "upgrade_available": "1", "bootcount": "0"}


def test_try_says_how_many_tries_there_are(boot):
    boot.give(**COMMITTED_A, bootlimit="1")
    assert "1 try;" in boot.run("slot", "try", "B").out
    boot.give(**COMMITTED_A, bootlimit="5")
    assert "5 tries;" in boot.run("slot", "try", "B").out


def test_try_forgets_the_last_rollback(boot):
    boot.give(**COMMITTED_A, tugboot_rollback="B:tries-used:2")
    assert boot.run("slot", "try", "B").status == 0
    assert "tugboot_rollback" not in boot.variables()


def test_try_of_the_running_slot_is_refused(started_boot):
    boot = started_boot
    boot.give(**COMMITTED_A)
    boot.started("A", "normal")
    expect_refusal(boot, boot.run("slot", "try", "A"), "running", "slot good")
    assert boot.run("slot", "try", "A", "--force").status == 0
    assert boot.variables()["upgrade_available"] == "1"


def test_try_from_a_slot_on_trial_is_refused(started_boot):
    boot = started_boot
    boot.give(**TRIAL_OF_B)
    boot.started("B", "trial", "1/2")
    expect_refusal(boot, boot.run("slot", "try", "A"), "itself on trial", "slot switch A")
    assert boot.variables() == TRIAL_OF_B
    assert boot.run("slot", "good").status == 0
    assert boot.run("slot", "try", "A").status == 0


def test_good_keeps_the_slot_on_trial_in_one_write(started_boot):
    boot = started_boot
    boot.give(**TRIAL_OF_B)
    boot.started("B", "trial", "1/2")
    done = boot.run("slot", "good")
    expect_one_write(done)
    assert "Slot B is kept" in done.out
    assert boot.variables() == {"resin_root_part": "B", "upgrade_available": "0", "bootcount": "0"}


def test_good_outside_a_trial_writes_nothing(started_boot):
    boot = started_boot
    boot.give(**COMMITTED_A)
    boot.started("A", "normal")
    assert boot.run("slot", "good").status == 0  # makes the copy
    before = boot.file.read_bytes()
    done = boot.run("slot", "good")
    assert (done.status, done.bytes_written) == (0, len(done.out.encode()))
    assert "not on trial" in done.out
    assert boot.file.read_bytes() == before


def test_good_brings_the_copy_up_to_date(started_boot):
    boot = started_boot
    boot.give(**COMMITTED_A)
    boot.started("A", "normal")
    assert boot.run("slot", "good").status == 0
    boot.give(**COMMITTED_A, mine="theirs")  # another program
    assert boot.run("slot", "good").status == 0
    boot.file.write_bytes(b"")  # and again, but cut
    assert boot.run("env", "get", "mine").out == "theirs\n"


def test_good_resets_the_count_of_hardware_that_counts_always(started_boot):
    boot = started_boot
    boot.give(resin_root_part="A", upgrade_available="0", bootcount="1", tugboot_count="always")
    boot.started("A", "normal", "1/2")
    assert boot.run("slot", "good").status == 0
    assert boot.variables()["bootcount"] == "0"


def test_good_ends_a_row_of_boots_that_failed(started_boot):
    boot = started_boot
    boot.give(**COMMITTED_A, tugboot_backoff="3")
    boot.started("A", "normal")
    assert boot.run("slot", "good").status == 0
    assert boot.variables() == COMMITTED_A


def test_good_after_a_rollback_is_content(started_boot):
    boot = started_boot
    boot.give(**COMMITTED_A, tugboot_rollback="B:tries-used:2")
    boot.started("A", "rollback")
    before = boot.file.read_bytes()
    assert boot.run("slot", "good").status == 0
    assert boot.file.read_bytes() == before


@pytest.mark.parametrize("reason", ["normal", "fallback", "rollback"])
def test_good_from_another_slot_than_the_one_on_trial_is_refused(started_boot, reason):
    boot = started_boot
    boot.give(**TRIAL_OF_B)
    boot.started("A", reason)
    expect_refusal(boot, boot.run("slot", "good"), "slot B is on trial", "slot switch A")
    assert boot.variables() == TRIAL_OF_B


def test_good_from_a_slot_that_is_not_named_is_refused(started_boot):
    boot = started_boot
    boot.give(**COMMITTED_A)
    boot.started("B", "fallback")
    expect_refusal(boot, boot.run("slot", "good"), "the environment names A", "slot switch B")
    assert boot.run("slot", "good", "--force").status == 0


def test_good_from_recovery_is_refused(started_boot):
    boot = started_boot
    boot.give(**TRIAL_OF_B)
    boot.started("recovery", "recovery")
    expect_refusal(boot, boot.run("slot", "good"), "recovery", "slot switch")


def test_good_on_a_system_of_another_loader_needs_force(boot):
    boot.give(**TRIAL_OF_B)
    expect_refusal(boot, boot.run("slot", "good"), "not started by Tugboot", "--force")
    assert boot.run("slot", "good", "--force").status == 0
    assert boot.variables() == {"resin_root_part": "B", "upgrade_available": "0", "bootcount": "0"}


def test_good_does_not_guess_which_slot_a_partition_number_is(started_boot):
    boot = started_boot
    boot.give(resin_root_part="3", upgrade_available="1", bootcount="1")
    boot.started("B", "trial", "1/2")
    expect_refusal(boot, boot.run("slot", "good"), "partition 3", "without --boot")


def test_switch_commits_without_a_trial_in_one_write(started_boot):
    boot = started_boot
    boot.give(**TRIAL_OF_B)
    boot.started("B", "trial", "1/2")
    done = boot.run("slot", "switch", "A")
    expect_one_write(done)
    assert "without a trial" in done.out
    assert boot.variables() == {"resin_root_part": "A", "upgrade_available": "0", "bootcount": "0"}


def test_a_decision_repairs_a_damaged_environment(boot):
    boot.file.write_bytes(block(resin_root_part="A", keep="1")[:600])
    assert boot.run("slot", "try", "B").status == 0
    assert boot.variables() == {"resin_root_part": "B", "keep": "1", "upgrade_available": "1",
                                "bootcount": "0"}


def test_bad_keeps_a_slot_from_being_started(started_boot):
    boot = started_boot
    boot.give(**COMMITTED_A)
    boot.started("A", "normal")
    done = boot.run("slot", "bad", "B")
    assert done.status == 0
    assert boot.variables() == {**COMMITTED_A, "tugboot_bad": "B"}
    assert boot.run("slot", "try", "B").status == 0
    assert "tugboot_bad" not in boot.variables()


def test_bad_of_the_slot_in_use_names_the_other_one(started_boot):
    boot = started_boot
    boot.give(**TRIAL_OF_B)
    boot.started("B", "trial", "1/2")
    done = boot.run("slot", "bad", "B")
    assert done.status == 0
    variables = boot.variables()
    assert (variables["resin_root_part"], variables["tugboot_bad"]) == ("A", "B")
    assert variables["upgrade_available"] == "0"
    assert variables["tugboot_rollback"].startswith("B:marked-bad:")


def test_a_shutdown_is_noted_while_a_try_is_open_and_only_then(started_boot):
    boot = started_boot
    boot.give(**COMMITTED_A)
    boot.started("A", "normal")
    done = boot.run("slot", "ended")
    assert (done.status, done.bytes_written) == (0, 0)
    boot.give(**{**TRIAL_OF_B, "bootcount": "1"})
    assert boot.run("slot", "ended").status == 0  # of A, which is not the slot on trial
    assert "tugboot_ended" not in boot.variables()
    boot.started("B", "trial", "1/2")
    assert boot.run("slot", "ended").status == 0
    assert boot.variables()["tugboot_ended"] == "clean"
    assert boot.run("slot", "good").status == 0
    assert "tugboot_ended" not in boot.variables()
