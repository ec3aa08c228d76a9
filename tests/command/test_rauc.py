# SPDX-License-Identifier: LGPL-2.1-or-later
"""`tugboot rauc`: what RAUC asks, what it is answered to the byte, and what its words write.

With RAUC itself, in a guest: tests/boot/test_updaters.py.
"""

import os
import subprocess

import pytest
from conftest import TREE, TUGBOOT, block

COMMITTED_A = {"resin_root_part": "A", "upgrade_available": "0", "bootcount": "0"}
COMMITTED_B = {**COMMITTED_A, "resin_root_part": "B"}
TRIAL_OF_B = {"resin_root_part": "B", "upgrade_available": "1", "bootcount": "1"}


def answer(boot, *words):
    """What RAUC reads: one line, exactly, and status 0."""
    before = boot.file.read_bytes() if boot.file.exists() else None
    done = boot.run("rauc", *words)
    assert (done.status, done.err) == (0, "")
    assert done.out.endswith("\n") and done.out.count("\n") == 1
    assert done.out.strip() + "\n" == done.out
    assert (boot.file.read_bytes() if boot.file.exists() else None) == before
    return done.out[:-1]


def tell(boot, *words):
    """RAUC looks at the status alone; returns what is stored then."""
    done = boot.run("rauc", *words)
    assert (done.status, done.err) == (0, "")
    return boot.variables()


def refused(boot, *words):
    """Refused without a write; returns why."""
    before = boot.file.read_bytes()
    done = boot.run("rauc", *words)
    assert (done.status, done.out) == (1, "")
    assert boot.file.read_bytes() == before
    return done.err


def states(boot):
    return [answer(boot, "get-state", slot) for slot in "AB"]


def device(boot, env, slot, reason="normal", tries="0/2"):
    """A device in this situation."""
    boot.give(**env)
    boot.started(slot, reason, tries)
    return boot


# What RAUC asks.

@pytest.mark.parametrize("env, primary", [
    (COMMITTED_A, "A"), (COMMITTED_B, "B"), (TRIAL_OF_B, "B"), ({}, "A"),
])
def test_primary_is_the_slot_that_the_environment_names(boot, env, primary):
    boot.give(**env)
    assert answer(boot, "get-primary") == primary


def test_primary_is_slot_a_where_there_is_no_environment(boot):
    assert answer(boot, "get-primary") == "A"


def test_primary_is_not_guessed_from_a_partition_number(boot):
    boot.give(resin_root_part="3")
    assert "partition 3" in refused(boot, "get-primary")


@pytest.mark.parametrize("slot, reason", [("A", "normal"), ("B", "trial"), ("A", "fallback")])
def test_current_is_the_running_slot(started_boot, slot, reason):
    assert answer(device(started_boot, TRIAL_OF_B, slot, reason), "get-current") == slot


def test_current_is_an_error_where_no_slot_is_running(started_boot):
    boot = started_boot
    boot.give(**COMMITTED_A)
    assert "not started by Tugboot" in refused(boot, "get-current")
    boot.started("recovery", "recovery")
    assert "recovery" in refused(boot, "get-current")


@pytest.mark.parametrize("env, expected", [
    (COMMITTED_A, ["good", "good"]),
    (TRIAL_OF_B, ["good", "good"]),
    ({**COMMITTED_A, "tugboot_bad": "B"}, ["good", "bad"]),
    ({**COMMITTED_B, "tugboot_bad": "A"}, ["bad", "good"]),
    ({**COMMITTED_A, "tugboot_rollback": "B:tries-used:2"}, ["good", "bad"]),
    ({**COMMITTED_B, "tugboot_rollback": "A:refused:0"}, ["bad", "good"]),
    # Given up once, in use again since.
    ({**COMMITTED_B, "tugboot_rollback": "B:tries-used:2"}, ["good", "good"]),
    ({**COMMITTED_A, "tugboot_rollback": "nonsense"}, ["good", "good"]),
    ({}, ["good", "good"]),
])
def test_state_is_bad_for_a_slot_that_was_called_so_or_given_up(boot, env, expected):
    boot.give(**env)
    assert states(boot) == expected


# What RAUC says.

def test_installation_ends_in_a_trial_and_is_never_started_half_written(started_boot):
    """RAUC's own sequence, in slot A with B as target."""
    boot = device(started_boot, COMMITTED_A, "A")
    assert tell(boot, "set-state", "B", "bad") == {**COMMITTED_A, "tugboot_bad": "B"}
    assert answer(boot, "get-primary") == "A"
    assert states(boot) == ["good", "bad"]
    assert "slot B" not in boot.run("status").out.splitlines()[1]  # next boot
    assert tell(boot, "set-primary", "B") == {**TRIAL_OF_B, "bootcount": "0"}
    assert answer(boot, "get-primary") == "B"
    assert states(boot) == ["good", "good"]
    # The reboot, and `rauc status mark-good`.
    device(boot, TRIAL_OF_B, "B", "trial", "1/2")
    assert tell(boot, "set-state", "B", "good") == COMMITTED_B


def test_second_installation_before_the_reboot_takes_the_first_one_back(started_boot):
    boot = device(started_boot, {**TRIAL_OF_B, "bootcount": "0"}, "A")
    during = tell(boot, "set-state", "B", "bad")
    assert (during["resin_root_part"], during["upgrade_available"]) == ("A", "0")
    assert during["tugboot_bad"] == "B"
    assert tell(boot, "set-primary", "B") == {**TRIAL_OF_B, "bootcount": "0"}


def test_installation_over_the_root_that_a_trial_falls_back_to_is_refused(started_boot):
    boot = device(started_boot, TRIAL_OF_B, "B", "trial", "1/2")
    why = refused(boot, "set-state", "A", "bad")
    assert "on trial" in why and "rauc status mark-good" in why
    tell(boot, "set-state", "B", "good")
    assert tell(boot, "set-state", "A", "bad") == {**COMMITTED_B, "tugboot_bad": "A"}


def test_installation_after_a_rollback_forgets_it(started_boot):
    boot = device(started_boot, {**COMMITTED_A, "tugboot_rollback": "B:tries-used:2"}, "A")
    assert states(boot) == ["good", "bad"]
    tell(boot, "set-state", "B", "bad")
    assert tell(boot, "set-primary", "B") == {**TRIAL_OF_B, "bootcount": "0"}


def test_good_outside_a_trial_writes_nothing(started_boot):
    boot = device(started_boot, COMMITTED_A, "A")
    before = boot.file.stat().st_mtime_ns
    tell(boot, "set-state", "A", "good")
    assert boot.file.stat().st_mtime_ns == before


@pytest.mark.parametrize("key, value", [
    ("tugboot_bad", "B"), ("tugboot_rollback", "B:tries-used:2"),
])
def test_good_of_the_other_slot_takes_back_that_it_was_bad(started_boot, key, value):
    boot = device(started_boot, {**COMMITTED_A, key: value}, "A")
    assert tell(boot, "set-state", "B", "good") == COMMITTED_A
    assert states(boot) == ["good", "good"]


def test_good_of_the_other_slot_leaves_what_is_held_against_this_one(started_boot):
    env = {**COMMITTED_B, "tugboot_bad": "A", "tugboot_rollback": "A:refused:0"}
    boot = device(started_boot, env, "A", "fallback")
    assert tell(boot, "set-state", "B", "good") == env


def test_good_after_a_fallback_does_not_end_the_trial_of_the_other_slot(started_boot):
    boot = device(started_boot, TRIAL_OF_B, "A", "fallback")
    assert tell(boot, "set-state", "A", "good") == TRIAL_OF_B
    assert tell(boot, "set-state", "B", "good") == TRIAL_OF_B


def test_bad_of_the_running_slot_commits_the_other_one(started_boot):
    boot = device(started_boot, TRIAL_OF_B, "B", "trial", "1/2")
    after = tell(boot, "set-state", "B", "bad")
    assert (after["resin_root_part"], after["upgrade_available"]) == ("A", "0")
    assert answer(boot, "get-primary") == "A"
    assert states(boot) == ["good", "bad"]


def test_primary_of_the_running_slot_changes_nothing_when_it_is_that(started_boot):
    for env, slot, reason in (COMMITTED_A, "A", "normal"), (TRIAL_OF_B, "B", "trial"):
        boot = device(started_boot, env, slot, reason)
        assert tell(boot, "set-primary", slot) == env


def test_primary_of_the_running_slot_takes_an_update_back(started_boot):
    boot = device(started_boot, {**TRIAL_OF_B, "bootcount": "0"}, "A")
    assert tell(boot, "set-primary", "A") == COMMITTED_A


def test_primary_of_what_a_trial_falls_back_to_ends_the_trial(started_boot):
    boot = device(started_boot, TRIAL_OF_B, "B", "trial", "1/2")
    assert tell(boot, "set-primary", "A") == COMMITTED_A


def test_primary_on_a_system_that_tugboot_did_not_start_is_a_trial(boot):
    boot.give(**COMMITTED_A)
    assert tell(boot, "set-primary", "B") == {**TRIAL_OF_B, "bootcount": "0"}


# How it is called.

def test_under_the_name_of_the_handler_it_takes_rauc_s_words_alone(boot, tmp_path):
    boot.give(**COMMITTED_B)
    handler = tmp_path / "tugboot-rauc"
    handler.symlink_to(TUGBOOT)
    done = boot.run(prefix=["sh", "-c", f"exec {handler} --boot {boot.dir} get-primary", "sh"])
    assert (done.status, done.out, done.err) == (0, "B\n", "")
    done = boot.run(prefix=["sh", "-c", f"exec {handler} status", "sh"])
    assert (done.status, done.out) == (2, "")


@pytest.mark.parametrize("words", [
    [], ["get-state"], ["get-state", "rootfs.0"], ["get-state", "a"], ["get-primary", "A"],
    ["set-state", "A"], ["set-state", "A", "GOOD"], ["set-state", "C", "good"], ["set-primary"],
    ["set-primary", "A", "B"], ["set-primary", ""], ["status"],
], ids=" ".join)
def test_other_words_are_wrong_usage(boot, words):
    boot.give(**COMMITTED_A)
    before = boot.file.read_bytes()
    done = boot.run("rauc", *words)
    assert (done.status, done.out) == (2, "")
    assert boot.file.read_bytes() == before


def test_an_environment_that_cannot_be_read_is_an_error(boot):
    boot.file.mkdir()
    for words in ["get-primary"], ["get-state", "A"], ["set-state", "A", "bad"]:
        done = boot.run("rauc", *words)
        assert (done.status, done.out) == (1, "")
        assert "bootenv" in done.err


def test_a_damaged_environment_is_read_as_the_boot_loader_reads_it(boot):
    boot.file.write_bytes(block(resin_root_part="B", keep="1")[:600])
    assert answer(boot, "get-primary") == "B"
    assert os.path.getsize(boot.file) == 600


def test_handler_and_units_are_installed_and_find_the_command(boot, tmp_path):
    run = {"check": True, "capture_output": True, "text": True}
    subprocess.run(["make", "-s", "-C", TREE, "install-host", f"DESTDIR={tmp_path}/to",
                    "PREFIX=/opt/t", f"B={TUGBOOT.parent}"], **run)
    installed = tmp_path / "to/opt/t"
    boot.give(**COMMITTED_B)
    done = subprocess.run([installed / "lib/tugboot/tugboot-rauc", "--boot", boot.dir,
                           "get-primary"], **run)
    assert done.stdout == "B\n"
    units = installed / "lib/systemd/system"
    ours = ("tugboot-good.service", "tugboot-ended.service")  # the agent has its own
    for name in ours:
        text = (units / name).read_text(encoding="utf-8")
        assert "\nExecStart=/opt/t/bin/tugboot slot " in text and "@PREFIX@" not in text
    wanted = {str(link.relative_to(units)): link.resolve().name
              for link in units.glob("*.wants/*") if link.name in ours}
    assert wanted == {
        "basic.target.wants/tugboot-good.service": "tugboot-good.service",
        **{f"{target}.target.wants/tugboot-ended.service": "tugboot-ended.service"
           for target in ("reboot", "poweroff", "halt", "kexec")},
    }
    assert all(path.exists() for path in units.glob("*.wants/*"))
