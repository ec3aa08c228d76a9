# SPDX-License-Identifier: LGPL-2.1-or-later
"""`tugboot status`, for people and as JSON."""

import os

import pytest
from conftest import block

TRIAL_OF_B = {"resin_root_part": "B", "upgrade_available": "1", "bootcount": "1"}
FIELDS = {"version", "running", "next_boot", "trial", "last_rollback", "slots", "environment",
          "bad_slot", "failures", "tries_spared", "boots"}


def lines(done):
    """Label and text of each line; a line without label belongs to the one before."""
    shown = {}
    label = None
    for line in done.out.splitlines():
        label = line[:15].strip() or label
        shown[label] = (shown[label] + " | " if label in shown else "") + line[15:].strip()
    return shown


def test_a_system_of_another_loader(boot):
    boot.give(resin_root_part="A", upgrade_available="0", bootcount="0")
    shown = lines(boot.run("status"))
    assert shown["Running:"] == "not started by Tugboot"
    assert shown["Next boot:"].startswith("slot A")
    assert shown["Trial:"] == "none"
    assert shown["Last rollback:"] == "none"
    assert shown["Environment:"] == f"bootenv in {boot.dir} (grub)"

    status = boot.run("status", "--json").json
    assert set(status) == FIELDS
    assert status["running"] == {"by_tugboot": False, "slot": None, "reason": None,
                                 "tries_used": 0, "tries_allowed": 0,
                                 "cause": "none", "last_end": "unknown"}
    assert status["next_boot"] == {"slot": "A", "reason": "normal", "cause": "none",
                                   "tries_used": 0, "tries_allowed": 2}
    assert status["trial"] is None and status["last_rollback"] is None
    assert status["slots"] is None
    assert status["environment"] == {"kind": "grub", "file": "bootenv", "location": str(boot.dir),
                                     "readable": True, "problem": None}


def test_a_trial_in_its_slot(started_boot):
    boot = started_boot
    boot.give(**TRIAL_OF_B)
    boot.started("B", "trial", "1/2")
    shown = lines(boot.run("status"))
    assert shown["Running:"] == "slot B, on trial: try 1 of 2"
    assert shown["Next boot:"].startswith("slot B, on trial: try 2 of 2")
    assert shown["Trial:"] == "slot B, 1 of 2 tries used | keep it with 'tugboot slot good'"

    status = boot.run("status", "--json").json
    assert status["running"] == {"by_tugboot": True, "slot": "B", "reason": "trial",
                                 "tries_used": 1, "tries_allowed": 2,
                                 "cause": "none", "last_end": "unknown"}
    assert status["trial"] == {"slot": "B", "tries_used": 1, "tries_allowed": 2}
    assert status["next_boot"]["tries_used"] == 2


def test_the_last_try_is_used_and_the_next_boot_goes_back(started_boot):
    boot = started_boot
    boot.give(resin_root_part="B", upgrade_available="1", bootcount="2")
    boot.started("B", "trial", "2/2")
    shown = lines(boot.run("status"))
    assert shown["Next boot:"].startswith(
        "slot A, rolled back; slot B is given up: its tries are used up")
    status = boot.run("status", "--json").json
    assert status["next_boot"]["slot"] == "A"
    assert status["next_boot"]["reason"] == "rollback"
    assert status["next_boot"]["cause"] == "tries-used"


def test_after_a_rollback(started_boot):
    boot = started_boot
    boot.give(resin_root_part="A", upgrade_available="0", bootcount="0",
              tugboot_rollback="B:refused:1")
    boot.started("A", "rollback", "0/2")
    shown = lines(boot.run("status"))
    assert shown["Running:"] == "slot A, rolled back: the other slot was given up"
    assert shown["Last rollback:"] == (
        "from slot B after 1 try: it has no kernel that could be started")
    assert boot.run("status", "--json").json["last_rollback"] == {
        "from": "B", "cause": "refused", "tries_used": 1, "why": None}


@pytest.mark.parametrize("text", ["B", "B:because:1", "x" * 300, "B:refused:1\x1b[31m"])
def test_a_rollback_note_that_means_nothing_is_left_out(boot, text):
    boot.give(resin_root_part="A", tugboot_rollback=text)
    done = boot.run("status")
    assert lines(done)["Last rollback:"] == "none"
    assert "\x1b" not in done.out
    assert boot.run("status", "--json").json["last_rollback"] is None


def test_a_missing_environment(boot):
    shown = lines(boot.run("status"))
    assert shown["Next boot:"].startswith("slot A")
    assert shown["Environment:"].endswith("missing; the next write repairs it")
    assert not boot.file.exists()


def test_a_damaged_environment(boot):
    boot.file.write_bytes(block(resin_root_part="B", bootcount="many")[:-1])
    shown = lines(boot.run("status"))
    assert shown["Next boot:"].startswith("slot B")
    assert "shorter than 1024 bytes; the next write repairs it" in shown["Environment:"]
    assert "a value in it means nothing" in shown["Environment:"]
    environment = boot.run("status", "--json").json["environment"]
    assert environment["readable"] and environment["problem"] == "shorter than 1024 bytes"


def test_an_environment_that_cannot_be_read(boot):
    os.mkfifo(boot.file)
    done = boot.run("status")
    assert done.status == 0
    assert "is not a regular file" in lines(done)["Environment:"]
    environment = boot.run("status", "--json").json["environment"]
    assert not environment["readable"] and environment["problem"] == "is not a regular file"


def test_a_partition_number_is_not_guessed(boot):
    boot.give(resin_root_part="3", upgrade_available="1", bootcount="0")
    shown = lines(boot.run("status"))
    assert "partition 3" in shown["Next boot:"]
    assert shown["Trial:"] == "pending"
    status = boot.run("status", "--json").json
    assert status["next_boot"] is None
    assert status["trial"] == {"slot": None, "tries_used": 0, "tries_allowed": 2}


def test_what_runs_is_said_where_the_environment_is_not_found(started_boot):
    boot = started_boot
    boot.started("A", "normal")
    boot.dir = boot.dir / "nowhere"
    done = boot.run("status")
    assert done.status == 1
    assert lines(done) == {"Running:": "slot A"}
    assert "nowhere" in done.err
    done = boot.run("status", "--json")
    assert done.status == 1
    assert done.json["running"]["slot"] == "A"
    assert done.json["environment"] is None and done.json["next_boot"] is None


def test_json_is_valid_whatever_the_environment_holds(boot):
    for seed in range(50):
        boot.file.write_bytes(bytes((seed * 7 + i * i * 31 + (i >> 3)) % 256 for i in range(1024)))
        done = boot.run("status", "--json")
        assert done.status == 0
        assert set(done.json) == FIELDS


def test_how_the_last_start_ended_and_what_is_counted(started_boot):
    boot = started_boot
    boot.give(resin_root_part="A", tugboot_bad="B", tugboot_spared="3",
              tugboot_failures="1:1732345678:ramoops-0@1732345678.000001")
    boot.started("A", "rollback")
    boot.cmdline = boot.cmdline.strip() + " tugboot.cause=failed tugboot.last=panic\n"
    shown = lines(boot.run("status"))
    assert shown["Running:"].endswith("given up, it failed again and again")
    assert shown["Before that:"] == "its kernel panicked"
    assert shown["Called bad:"].startswith("slot B")
    assert "failed 1 time;" in shown["Failures:"]
    assert shown["Tries spared:"].startswith("3 of at most 10")
    status = boot.run("status", "--json").json
    assert status["running"]["cause"] == "failed" and status["running"]["last_end"] == "panic"
    assert (status["bad_slot"], status["failures"], status["tries_spared"]) == ("B", 1, 3)


ID = "0123456{}-89ab-cdef-0123-456789abcdef"
# As the health agent notes it: a healthy update, one taken back, and one that did not come up.
STORY = [
    "slot=A reason=normal tries=0/2 cause=none last=unknown time=1732345678 health=none",
    "slot=B reason=trial tries=1/2 cause=none last=clean time=1732345700 health=passed",
    "slot=A reason=trial tries=1/2 cause=none last=clean time=1732345800 health=failed "
    "why=engine: /run/docker.sock does not answer",
    "slot=B reason=normal tries=0/2 cause=none last=clean time=0 health=none gave-up=A:health:1 "
    "why=engine: /run/docker.sock does not answer",
    "nonsense",
    "slot=B reason=rollback tries=0/2 cause=tries-used last=panic time=1732345900 health=none "
    "gave-up=A:tries-used:2 why=slot A: tries-used",
]


def tell(boot, lines):
    """The story of the running system; it is kept where there is no state partition."""
    text = boot.dir.parent / "boots"
    text.write_text("".join(f"{ID.format(number)} {line}\n" for number, line in enumerate(lines)))
    return ["sh", "-c", "mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/tugboot && "
            f"cp '{text}' /var/lib/tugboot/boots && exec \"$@\"", "sh"]


def test_the_story_of_the_last_boots(started_boot):
    boot = started_boot
    boot.give(resin_root_part="B", tugboot_rollback="A:health:1")
    boot.started("B", "normal")
    story = tell(boot, STORY)
    shown = lines(boot.run("status", prefix=story))
    told = shown["Last boots:"].split(" | ")
    assert len(told) == 5
    assert told[0].endswith("slot B, rolled back: the other slot was given up, its tries are used "
                            "up; why: slot A: tries-used")
    assert told[1].startswith("at an unknown time  slot B; why: engine: /run/docker.sock")
    assert told[2].endswith("slot A, on trial: try 1 of 2; its tests failed: engine: "
                            "/run/docker.sock does not answer; shut down in good order")
    assert told[3].startswith("2024-11-23 ") and "its tests passed" in told[3]
    assert told[4].endswith("slot A; shut down in good order")
    # Why the last rollback was made, which nobody could tell before.
    assert shown["Last rollback:"] == ("from slot A after 1 try: it was not healthy | "
                                       "engine: /run/docker.sock does not answer")
    status = boot.run("status", "--json", prefix=story).json
    assert set(status) == FIELDS
    verdicts = [entry["health"] for entry in status["boots"]]
    assert verdicts == ["none", "passed", "failed", "none", "none"]
    assert status["boots"][2] == {
        "id": ID.format(2), "slot": "A", "reason": "trial", "tries_used": 1, "tries_allowed": 2,
        "cause": "none", "last_end": "clean", "time": 1732345800, "health": "failed",
        "why": "engine: /run/docker.sock does not answer", "gave_up": None}
    assert status["boots"][3]["time"] is None
    assert status["boots"][4]["gave_up"] == {"from": "A", "cause": "tries-used", "tries_used": 2,
                                             "why": None}
    assert status["last_rollback"]["why"] == "engine: /run/docker.sock does not answer"


def test_a_story_of_any_bytes_is_told_as_far_as_it_makes_sense(started_boot):
    boot = started_boot
    boot.give(resin_root_part="B")
    boot.started("B", "normal")
    for line in ["", "x" * 5000, "slot=A reason=normal why=\x1b[31m red \x07", "slot=Z"]:
        done = boot.run("status", prefix=tell(boot, [line] * 40))
        assert done.status == 0
        assert "\x1b" not in done.out and "\x07" not in done.out
